//! The readiness of every table, for people, for scripts and for documents.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::{Color, counted};
use crate::finding::Verdict;
use crate::inventory::Gap;
use crate::program::Place;
use crate::readiness::{Readiness, State, TableReadiness};
use crate::schema::RowCommand;

/// Verdicts in the order of the columns.
const VERDICTS: [&str; 6] = ["scoped", "gap", "escaped", "caller", "bypass", "exempt"];

/// For people at a terminal.
///
/// # Errors
/// Where `out` cannot be written.
pub fn human(readiness: &Readiness, color: Color, out: &mut dyn Write) -> io::Result<()> {
    let head = ["table", "enabled", "forced", "policies", "statements", "state"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(readiness.tables.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        let state = index.checked_sub(1).map(|index| &readiness.tables[index].state);
        line.push_str(&painted(&row[5], state, color));
        writeln!(out, "{}", line.trim_end())?;
        for gap in state.and_then(|_| readiness.tables.get(index - 1)).map_or(&[][..], |table| &table.gaps) {
            writeln!(out, "    {gap}")?;
        }
    }
    writeln!(out)?;
    writeln!(out, "{}", summary(readiness))?;
    if !readiness.unknown.is_empty() {
        let gaps = counted(readiness.unknown.len(), "open gap");
        writeln!(out, "\n{gaps} on tables that are not known, so on any of these:")?;
        for gap in &readiness.unknown {
            writeln!(out, "    {gap}")?;
        }
    }
    Ok(())
}

fn cells(table: &TableReadiness) -> [String; 6] {
    let yes = |place: Option<Place>| if place.is_some() { "yes" } else { "no" }.to_owned();
    [
        table.name.to_string(),
        yes(table.enabled),
        yes(table.forced),
        policies(table),
        statements(table),
        state(&table.state),
    ]
}

/// The commands that policies are for.
fn policies(table: &TableReadiness) -> String {
    let covered: Vec<&str> = RowCommand::EACH
        .into_iter()
        .filter(|command| table.policies.iter().any(|policy| policy.permits(*command)))
        .map(RowCommand::word)
        .collect();
    match covered.len() {
        0 => "none".to_owned(),
        4 => "all".to_owned(),
        _ => covered.join(" ").to_lowercase(),
    }
}

fn statements(table: &TableReadiness) -> String {
    let counted: Vec<String> = VERDICTS
        .iter()
        .filter_map(|verdict| table.statements.get(verdict).map(|count| format!("{count} {verdict}")))
        .collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}

fn state(state: &State) -> String {
    match state.reasons() {
        [] => state.word().to_owned(),
        reasons => format!("{}: {}", state.word(), reasons.join(", ")),
    }
}

fn painted(text: &str, state: Option<&State>, color: Color) -> String {
    let code = match (color, state) {
        (Color::Plain, _) => return text.to_owned(),
        (Color::Ansi, None) => "1",
        (Color::Ansi, Some(State::Done)) => "32",
        (Color::Ansi, Some(State::Ready)) => "36",
        (Color::Ansi, Some(State::Blocked(_))) => "33",
        (Color::Ansi, Some(State::Broken(_))) => "31",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn summary(readiness: &Readiness) -> String {
    let count = |word: &str| readiness.tables.iter().filter(|table| table.state.word() == word).count();
    let states: Vec<String> = ["done", "ready", "blocked", "broken"]
        .iter()
        .map(|word| (count(word), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let tables = counted(readiness.tables.len(), "table");
    let shared = match readiness.shared.len() {
        0 => String::new(),
        number => format!("; {} without tenant data", counted(number, "more table")),
    };
    if states.is_empty() {
        return format!("no table with tenant data was found{shared}");
    }
    format!("{tables} with tenant data: {}{shared}", states.join(", "))
}

/// As a table of a document.
///
/// # Errors
/// Where `out` cannot be written.
pub fn markdown(readiness: &Readiness, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Readiness for FORCE\n")?;
    writeln!(out, "| table | enabled | forced | policies | statements | state |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for table in &readiness.tables {
        let cells = cells(table).map(|cell| cell.replace('|', "\\|"));
        writeln!(out, "| `{}` | {} |", cells[0], cells[1..].join(" | "))?;
    }
    for table in readiness.tables.iter().filter(|table| !table.gaps.is_empty()) {
        writeln!(out, "\n### Gaps on `{}`\n", table.name)?;
        gaps(&table.gaps, out)?;
    }
    if !readiness.unknown.is_empty() {
        writeln!(out, "\n### Gaps on tables that are not known\n")?;
        gaps(&readiness.unknown, out)?;
    }
    writeln!(out, "\n{}.", summary(readiness))
}

fn gaps(gaps: &[Gap], out: &mut dyn Write) -> io::Result<()> {
    gaps.iter().try_for_each(|gap| writeln!(out, "- `{gap}`"))
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    tables: Vec<TableRow>,
    shared: Vec<SharedRow>,
    unknown_tables: Vec<String>,
}

#[derive(Serialize)]
struct TableRow {
    name: String,
    tenancy: Option<String>,
    enabled: Option<PlaceRow>,
    forced: Option<PlaceRow>,
    policies: Vec<PolicyRow>,
    statements: BTreeMap<&'static str, usize>,
    gaps: Vec<String>,
    state: &'static str,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct SharedRow {
    name: String,
    reason: String,
}

#[derive(Serialize)]
struct PolicyRow {
    name: String,
    command: &'static str,
    permissive: bool,
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
    #[serde(flatten)]
    place: PlaceRow,
}

#[derive(Serialize)]
struct PlaceRow {
    file: String,
    line: u32,
}

/// One document for scripts.
///
/// # Errors
/// Where `out` cannot be written.
pub fn json(readiness: &Readiness, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: "rls-audit-tables/1",
        tables: readiness.tables.iter().map(|table| table_row(table, verdict)).collect(),
        shared: readiness
            .shared
            .iter()
            .map(|(name, reason)| SharedRow { name: name.to_string(), reason: reason.clone() })
            .collect(),
        unknown_tables: readiness.unknown.iter().map(Gap::to_string).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn table_row(table: &TableReadiness, verdict: &Verdict) -> TableRow {
    let at = |place: Place| {
        let file = verdict.file(place.file);
        PlaceRow { file: file.path.clone(), line: file.line(place.span.start) }
    };
    let zero = || VERDICTS.into_iter().map(|verdict| (verdict, 0));
    let policies = table.policies.iter().map(|policy| PolicyRow {
        name: policy.name.clone(),
        command: policy.command.word(),
        permissive: policy.permissive,
        roles: policy.roles.clone(),
        using: policy.using.as_ref().map(|condition| condition.text.clone()),
        check: policy.check.as_ref().map(|condition| condition.text.clone()),
        place: at(policy.place),
    });
    TableRow {
        name: table.name.to_string(),
        tenancy: table.tenancy.clone(),
        enabled: table.enabled.map(at),
        forced: table.forced.map(at),
        policies: policies.collect(),
        statements: zero().chain(table.statements.clone()).collect(),
        gaps: table.gaps.iter().map(Gap::to_string).collect(),
        state: table.state.word(),
        reasons: table.state.reasons().to_vec(),
    }
}
