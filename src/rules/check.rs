//! What serde cannot see: rows that read well and mean nothing. Each mistake is marked in the user's file.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Place, Rules};
use crate::user_error::UserError;

/// One row of a rules file with its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `scope.closure`, `scope.guard`, `scope.setter`, `scope.handle`, `scope.bypass`, `exempt`, `area` or `entry`.
    pub kind: &'static str,
    /// Its position among the rows of its kind.
    pub index: usize,
    /// What it matches: the `call`, `type` or `path`; empty for other rows.
    pub name: String,
    /// Where its name stands, or the row's first value.
    pub span: Range<usize>,
    /// The places of its values, by key.
    pub values: Vec<(String, Range<usize>)>,
}

impl Row {
    /// Where the value of a key stands; the row's name where it has no such key.
    #[must_use]
    pub fn value(&self, key: &str) -> Range<usize> {
        let found = self.values.iter().find(|(name, _)| name == key);
        found.map_or_else(|| self.span.clone(), |(_, span)| span.clone())
    }
}

/// The rows that an audit can leave unused, and those with values to check.
pub fn rows(table: &DeTable<'_>) -> Vec<Row> {
    let scope = |name| table.get("scope").and_then(|scope| scope.get_ref().get(name)).map(toml::Spanned::get_ref);
    let top = |name| table.get(name).map(toml::Spanned::get_ref);
    let lists = [
        ("scope.closure", scope("closure")),
        ("scope.guard", scope("guard")),
        ("scope.setter", scope("setter")),
        ("scope.handle", scope("handle")),
        ("scope.bypass", scope("bypass")),
        ("exempt", top("exempt")),
        ("area", top("area")),
        ("entry", top("entry")),
        ("schema", top("schema")),
    ];
    lists.into_iter().flat_map(|(kind, list)| list.map(|list| rows_of(kind, list)).unwrap_or_default()).collect()
}

fn rows_of(kind: &'static str, list: &DeValue<'_>) -> Vec<Row> {
    let DeValue::Array(rows) = list else { return Vec::new() };
    let tables = rows.iter().enumerate().filter_map(|(index, row)| match row.get_ref() {
        DeValue::Table(table) => Some((index, row.span(), table)),
        _ => None,
    });
    tables
        .map(|(index, span, table)| {
            let values: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect();
            let key = ["call", "type", "path"].into_iter().find(|key| table.contains_key(*key));
            let name = key.and_then(|key| table.get(key)).and_then(|value| value.get_ref().as_str().map(str::to_owned));
            let span = key.and_then(|key| table.get(key)).map_or(span, toml::Spanned::span);
            Row { kind, index, name: name.unwrap_or_default(), span, values }
        })
        .collect()
}

/// Checks the values of one file.
pub fn check(rules: &Rules, rows: &[Row], path: &Path, text: &str) -> Result<(), UserError> {
    let error = |message: String, help: String, span: Range<usize>| {
        Err(UserError::new(message).help(help).at(path, text, span, "here"))
    };
    if rules.schema != 1 {
        let span = schema_span(text);
        return error(format!("schema {} is not known", rules.schema), "write `schema = 1`".to_owned(), span);
    }
    for row in rows {
        if let Some((message, help, key)) = mistake(rules, row) {
            return error(message, help, row.value(key));
        }
    }
    Ok(())
}

fn schema_span(text: &str) -> Range<usize> {
    let at = text.find("schema").unwrap_or(0);
    let value = text[at..].find('=').map_or(at, |equals| at + equals + 1);
    let start = value + text[value..].len() - text[value..].trim_start().len();
    start..start + text[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - start)
}

/// The message, the help and the key of what is wrong with a row.
fn mistake(rules: &Rules, row: &Row) -> Option<(String, String, &'static str)> {
    let names_nothing = row.name.trim().is_empty() && row.kind.starts_with("scope.");
    if names_nothing {
        let help = "write the name of a function or type, or a path with `::`".to_owned();
        return Some(("the row names nothing".to_owned(), help, "call"));
    }
    match row.kind {
        "scope.closure" => bad_handle("closure", &rules.scope.closures.get(row.index)?.handle),
        "scope.guard" => bad_handle("guard", &rules.scope.guards.get(row.index)?.handle),
        "scope.setter" => bad_handle("setter", &rules.scope.setters.get(row.index)?.handle),
        "scope.bypass" if rules.scope.bypasses.get(row.index)?.reason.trim().is_empty() => Some((
            "the bypass gives no reason".to_owned(),
            "write why it exists: `reason = \"...\"`".to_owned(),
            "reason",
        )),
        "exempt" => bad_exemption(rules.exemptions.get(row.index)?),
        "area" if rules.areas.get(row.index)?.paths.is_empty() => {
            let help = "write the files or folders of the area: `paths = [\"src/jobs\"]`".to_owned();
            Some(("the area has no paths".to_owned(), help, "paths"))
        }
        _ => None,
    }
}

fn bad_handle(kind: &str, handle: &Place) -> Option<(String, String, &'static str)> {
    let (fits, choice) = match kind {
        "closure" => (matches!(handle, Place::Closure(_)), "`closure:0` for the closure's first parameter"),
        "guard" => (
            matches!(handle, Place::Return | Place::Field(_) | Place::Tuple(_) | Place::Method(_)),
            "`return`, `field:NAME`, `tuple:0` or `method:NAME`",
        ),
        _ => (matches!(handle, Place::Receiver | Place::Arg(_) | Place::Root), "`arg:0`, `receiver` or `root`"),
    };
    (!fits).then(|| (format!("a {kind} row cannot have this handle"), format!("write {choice}"), "handle"))
}

fn bad_exemption(row: &super::Exemption) -> Option<(String, String, &'static str)> {
    if row.reason.trim().is_empty() {
        return Some((
            "the exemption gives no reason".to_owned(),
            "write why: `reason = \"...\"`".to_owned(),
            "reason",
        ));
    }
    if row.paths.is_none() && row.function.is_none() {
        let help = "name what it is for: `paths = [\"src/admin\"]` or `function = \"admin::report\"`".to_owned();
        return Some(("the exemption excepts everything".to_owned(), help, "reason"));
    }
    None
}
