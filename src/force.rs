//! Readiness in, the migration that forces every table that is ready out, and the one that takes it back.

use std::fmt::Write as _;

use crate::readiness::{Readiness, State, TableReadiness};
use crate::sql::TableName;

/// A migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForceMigration {
    /// The tables it forces.
    pub tables: Vec<TableName>,
    /// Forces them.
    pub up: String,
    /// Takes it back to what was before.
    pub down: String,
    /// Tables that are left out, with what stands in the way.
    pub refused: Vec<(TableName, Vec<String>)>,
}

/// The migration for the ready tables, or for exactly the named ones.
///
/// # Errors
/// With a named table that no migration makes.
pub fn force(readiness: &Readiness, named: &[TableName]) -> Result<ForceMigration, TableName> {
    let can_be_named = |name: &TableName| readiness.tables.iter().any(|table| table.name == name.canonical());
    if let Some(unknown) = named.iter().find(|name| !can_be_named(name)) {
        return Err(unknown.clone());
    }
    let is_named = |table: &TableReadiness| named.iter().any(|name| name.canonical() == table.name);
    let is_wanted = |table: &TableReadiness| match table.state {
        State::Ready => named.is_empty() || is_named(table),
        State::Blocked(_) => is_named(table),
        State::Done | State::Broken(_) => false,
    };
    let wanted: Vec<&TableReadiness> = readiness.tables.iter().filter(|table| is_wanted(table)).collect();
    let refused = readiness.tables.iter().filter(|table| matches!(table.state, State::Blocked(_)) && !is_named(table));
    Ok(ForceMigration {
        tables: wanted.iter().map(|table| table.name.clone()).collect(),
        up: up(&wanted),
        down: down(&wanted),
        refused: refused.map(|table| (table.name.clone(), table.state.reasons().to_vec())).collect(),
    })
}

fn up(tables: &[&TableReadiness]) -> String {
    let mut text = "-- Row-level security binds the owner of these tables too.\n".to_owned();
    for table in tables {
        let name = quoted(&table.name);
        text.push('\n');
        for reason in table.state.reasons() {
            let _ = writeln!(text, "-- forced by name, although: {reason}");
        }
        if table.enabled.is_none() {
            let _ = writeln!(text, "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;");
        }
        if table.forced.is_none() {
            let _ = writeln!(text, "ALTER TABLE {name} FORCE ROW LEVEL SECURITY;");
        }
    }
    text
}

fn down(tables: &[&TableReadiness]) -> String {
    let mut text = "-- The owner of these tables is bound by no policy again.\n".to_owned();
    for table in tables.iter().rev() {
        let name = quoted(&table.name);
        text.push('\n');
        if table.forced.is_none() {
            let _ = writeln!(text, "ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;");
        }
        if table.enabled.is_none() {
            let _ = writeln!(text, "ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;");
        }
    }
    text
}

/// Words that PostgreSQL takes for something else where a table is named.
const RESERVED: &str = " all analyse analyze and any array as asc asymmetric both case cast check collate column \
    constraint create current_date current_role current_time current_timestamp current_user default deferrable desc \
    distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral \
    leading limit localtime localtimestamp not null offset on only or order placing primary references returning \
    select session_user some symmetric table then to trailing true union unique user using variadic when where window \
    with authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left \
    like natural notnull outer overlaps right similar tablesample verbose ";

/// The name as SQL needs it.
fn quoted(name: &TableName) -> String {
    let part = |part: &str| {
        let starts_plain = part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        let is_plain = part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let is_reserved = RESERVED.contains(&format!(" {part} "));
        if starts_plain && is_plain && !is_reserved {
            part.to_owned()
        } else {
            format!("\"{}\"", part.replace('"', "\"\""))
        }
    };
    match &name.schema {
        Some(schema) => format!("{}.{}", part(schema), part(&name.name)),
        None => part(&name.name),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use crate::sql::TableName;

    #[test]
    fn names_are_quoted_where_they_need_it() {
        for (name, expected) in [
            ("orders", "orders"),
            ("app.Orders", "app.\"Orders\""),
            ("user", "\"user\""),
            ("a\"b", "\"a\"\"b\""),
            ("1st", "\"1st\""),
        ] {
            assert_eq!(quoted(&TableName::parse(name)), expected);
        }
    }
}
