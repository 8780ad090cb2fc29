//! `CREATE TABLE` and `ALTER TABLE`.

use std::ops::Range;

use super::replay::{Replayer, Statement};
use super::{Column, Table};
use crate::sql::TableName;
use crate::sql::tokens::Name;

/// Words that start a constraint or a clause where a column could stand.
const NO_COLUMN: [&str; 8] = ["constraint", "primary", "unique", "check", "foreign", "exclude", "like", "period"];

/// `CREATE TABLE ..`, from the word after `TABLE`.
pub(super) fn create(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let at = tokens.skip(at, &["if", "not", "exists"]);
    let Some(name) = statement.name(at, "a table", replayer) else { return };
    let canonical = name.table().canonical();
    let mut table = Table { created: true, ..Table::named(canonical.clone(), statement.place(name.span)) };
    let mut rest = name.next;
    if tokens.are(rest, &["partition", "of"]) {
        let parent = tokens.name(rest + 2);
        rest = parent.as_ref().map_or(rest + 2, |parent| parent.next);
        table.parent = parent.map(|parent| parent.table().canonical());
    }
    if tokens.is(rest, "(") {
        let close = tokens.closing(rest, statement.range.end).unwrap_or(statement.range.end);
        for element in tokens.split_commas(rest + 1..close) {
            add_element(replayer, statement, &mut table, element);
        }
        rest = (close + 1).min(statement.range.end);
    }
    let inherits = tokens.find(rest..statement.range.end, "inherits").filter(|at| tokens.is(at + 1, "("));
    if let Some(parent) = inherits.and_then(|at| tokens.name(at + 2)) {
        table.parent = Some(parent.table().canonical());
    }
    if let Some(parent) = table.parent.as_ref().and_then(|parent| replayer.schema.table(parent)) {
        let inherited: Vec<Column> =
            parent.columns.iter().filter(|column| table.column(&column.name).is_none()).cloned().collect();
        table.columns.splice(0..0, inherited);
    }
    replayer.schema.views.remove(&canonical);
    match replayer.schema.tables.get_mut(&canonical) {
        Some(known) if known.created => add_second(known, table),
        _ => drop(replayer.schema.tables.insert(canonical, table)),
    }
}

/// A table that exists is created again where a workspace keeps the migrations of several databases.
/// Statements do not say which of them they go to, so the table has tenant data if it has any in one of them.
fn add_second(known: &mut Table, second: Table) {
    for column in second.columns {
        if known.column(&column.name).is_none() {
            known.columns.push(column);
        }
    }
    known.references.extend(second.references);
    known.references.sort();
    known.references.dedup();
}

/// A column, a constraint or `LIKE other` of a new table.
fn add_element(replayer: &Replayer, statement: &Statement<'_>, table: &mut Table, element: Range<usize>) {
    let tokens = statement.tokens;
    if element.is_empty() {
        return;
    }
    if tokens.is(element.start, "like")
        && let Some(other) = tokens.name(element.start + 1)
    {
        let columns = replayer.schema.table(&other.table()).map(|other| other.columns.clone());
        table.columns.extend(columns.unwrap_or_default());
    } else if !NO_COLUMN.iter().any(|word| tokens.is(element.start, word)) {
        add_column(statement, table, element.clone());
    }
    add_references(statement, table, element);
}

fn add_column(statement: &Statement<'_>, table: &mut Table, definition: Range<usize>) {
    let tokens = statement.tokens;
    let Some(name) = tokens.name(definition.start).filter(|name| name.parts.len() == 1 && !name.has_hole) else {
        return;
    };
    let name_text = name.dotted();
    table.columns.retain(|column| column.name != name_text);
    table.columns.push(Column { name: name_text, place: statement.place(name.span) });
}

fn add_references(statement: &Statement<'_>, table: &mut Table, range: Range<usize>) {
    let tokens = statement.tokens;
    let Some(other) = tokens.find(range, "references").and_then(|at| tokens.name(at + 1)) else { return };
    let other = other.table().canonical();
    if other != table.name && !table.references.contains(&other) {
        table.references.push(other);
        table.references.sort();
    }
}

/// `ALTER TABLE ..`, from the word after `TABLE`.
pub(super) fn alter(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let at = tokens.skip(tokens.skip(at, &["if", "exists"]), &["only"]);
    let Some(name) = statement.name(at, "a table", replayer) else { return };
    let canonical = name.table().canonical();
    let start = if tokens.is(name.next, "*") { name.next + 1 } else { name.next };
    if tokens.are(start, &["rename", "to"]) || tokens.are(start, &["set", "schema"]) {
        return move_table(replayer, statement, &canonical, start);
    }
    for action in tokens.split_commas(start..statement.range.end) {
        if tokens.are(action.start, &["attach", "partition"])
            && let Some(child) = tokens.name(action.start + 2)
            && let Some(child) = replayer.schema.tables.get_mut(&child.table().canonical())
        {
            child.parent = Some(canonical.clone());
        }
        alter_action(statement, table_or_new(replayer, statement, &name), action);
    }
}

/// The table of this name; one that is made elsewhere is known from here on.
pub(super) fn table_or_new<'a>(replayer: &'a mut Replayer, statement: &Statement<'_>, name: &Name) -> &'a mut Table {
    let canonical = name.table().canonical();
    let place = statement.place(name.span);
    replayer.schema.tables.entry(canonical.clone()).or_insert_with(|| Table::named(canonical, place))
}

fn alter_action(statement: &Statement<'_>, table: &mut Table, action: Range<usize>) {
    let tokens = statement.tokens;
    let at = action.start;
    let place = statement.place(tokens.span(at).to(tokens.span(action.end - 1)));
    let security = ["row", "level", "security"];
    if tokens.is(at, "enable") && tokens.are(at + 1, &security) {
        (table.enabled, table.undone) = (Some(place), None);
    } else if tokens.is(at, "disable") && tokens.are(at + 1, &security) {
        (table.enabled, table.undone) = (None, Some(place));
    } else if tokens.is(at, "force") && tokens.are(at + 1, &security) {
        (table.forced, table.undone) = (Some(place), None);
    } else if tokens.are(at, &["no", "force"]) && tokens.are(at + 2, &security) {
        (table.forced, table.undone) = (None, Some(place));
    } else if tokens.is(at, "add") {
        let at = tokens.skip(tokens.skip(at + 1, &["column"]), &["if", "not", "exists"]);
        let is_column = !NO_COLUMN.iter().any(|word| tokens.is(at, word));
        let exists = tokens.name(at).is_some_and(|name| table.column(&name.dotted()).is_some());
        if is_column && !exists {
            add_column(statement, table, at..action.end);
        }
        add_references(statement, table, at..action.end);
    } else if tokens.is(at, "drop") && !tokens.is(at + 1, "constraint") {
        let at = tokens.skip(tokens.skip(at + 1, &["column"]), &["if", "exists"]);
        let name = tokens.name(at).map(|name| name.dotted());
        table.columns.retain(|column| Some(&column.name) != name.as_ref());
    } else if tokens.is(at, "rename") && !tokens.is(at + 1, "constraint") {
        let from = tokens.name(tokens.skip(at + 1, &["column"]));
        let to = from.as_ref().and_then(|from| tokens.name(tokens.skip(from.next, &["to"])));
        if let (Some(from), Some(to)) = (from, to)
            && let Some(column) = table.columns.iter_mut().find(|column| column.name == from.dotted())
        {
            (column.name, column.place) = (to.dotted(), statement.place(to.span));
        }
    } else if tokens.are(at, &["detach", "partition"]) || tokens.is(at, "inherit") {
        table.parent = tokens.name(at + 1).filter(|_| tokens.is(at, "inherit")).map(|name| name.table().canonical());
    }
}

/// `RENAME TO` and `SET SCHEMA`; everything that points at the table follows.
fn move_table(replayer: &mut Replayer, statement: &Statement<'_>, from: &TableName, at: usize) {
    let Some(new) = statement.name(at + 2, "a table", replayer) else { return };
    let to = if statement.tokens.is(at, "rename") {
        TableName { schema: from.schema.clone(), name: new.dotted() }
    } else {
        TableName { schema: Some(new.dotted()), name: from.name.clone() }.canonical()
    };
    let schema = &mut replayer.schema;
    if let Some(view) = schema.views.remove(from) {
        schema.views.insert(to, view);
        return;
    }
    let Some(mut table) = schema.tables.remove(from) else { return };
    table.name = to.clone();
    schema.tables.insert(to.clone(), table);
    let follow = |name: &mut TableName| {
        if name == from {
            *name = to.clone();
        }
    };
    for table in schema.tables.values_mut() {
        table.references.iter_mut().for_each(follow);
        table.parent.iter_mut().for_each(follow);
    }
    schema.views.values_mut().flat_map(|view| &mut view.reads).for_each(follow);
}
