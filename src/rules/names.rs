//! The names in rules: of functions, methods, types, crates and packs. What no code can be called is a mistake in the user's file.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::user_error::{UserError, nearest};

/// Keys whose values name code.
const KEYS: [&str; 6] = ["call", "type", "method", "with", "crates", "texts"];

/// More packs than these are told apart by nobody.
const MOST_PACKS: usize = 64;

/// Checks the names in a table of rules.
pub fn check(table: &DeTable<'_>, path: &Path, text: &str) -> Result<(), UserError> {
    let mut named = Vec::new();
    for section in ["scope", "pack"] {
        table.get(section).into_iter().for_each(|section| names(section.get_ref(), &KEYS, &mut named));
    }
    table.get("entry").into_iter().for_each(|entries| names(entries.get_ref(), &["path"], &mut named));
    let Some((name, span)) = named.into_iter().find(|(name, _)| !is_path(name)) else { return Ok(()) };
    let message =
        if name.trim().is_empty() { "the row names nothing".to_owned() } else { format!("`{name}` is no name") };
    let help = "write the name of a function or type, or a path with `::`, without arguments";
    Err(UserError::new(message).help(help).at(path, text, span, "here"))
}

/// Checks the packs: those that a project's file adds may extend its own and the shipped ones.
pub fn check_packs(table: &DeTable<'_>, shipped: &[String], path: &Path, text: &str) -> Result<(), UserError> {
    let Some(DeValue::Array(packs)) = table.get("pack").map(Spanned::get_ref) else { return Ok(()) };
    let value = |pack: &Spanned<DeValue<'_>>, key: &str| {
        let value = pack.get_ref().get(key)?;
        Some((value.get_ref().as_str()?.to_owned(), value.span()))
    };
    let own = packs.iter().filter_map(|pack| Some(value(pack, "name")?.0));
    let mut known: Vec<String> = shipped.iter().cloned().chain(own).collect();
    known.sort();
    known.dedup();
    let at = |message: String, help: String, span| Err(UserError::new(message).help(help).at(path, text, span, "here"));
    if let Some(last) = packs.last().filter(|_| known.len() > MOST_PACKS) {
        let message = format!("{} packs are more than can be told apart", known.len());
        return at(message, format!("keep to {MOST_PACKS}, the shipped ones included"), last.span());
    }
    let unknown = packs.iter().filter_map(|pack| value(pack, "extends")).find(|(name, _)| !known.contains(name));
    let Some((name, span)) = unknown else { return Ok(()) };
    let help = match nearest(&name, known.iter().map(String::as_str)) {
        Some(meant) => format!("write `{meant}`"),
        None => format!("write one of {}", known.join(", ")),
    };
    at(format!("there is no pack `{name}`"), help, span)
}

/// The texts under these keys, wherever they are.
fn names(value: &DeValue<'_>, keys: &[&str], found: &mut Vec<(String, Range<usize>)>) {
    match value {
        DeValue::Array(values) => values.iter().for_each(|value| names(value.get_ref(), keys, found)),
        DeValue::Table(table) => {
            for (key, value) in table {
                if keys.contains(&key.get_ref().as_ref()) {
                    texts(value, found);
                } else {
                    names(value.get_ref(), keys, found);
                }
            }
        }
        _ => {}
    }
}

/// A text, or those of a list.
fn texts(value: &Spanned<DeValue<'_>>, found: &mut Vec<(String, Range<usize>)>) {
    match value.get_ref() {
        DeValue::String(text) => found.push((text.to_string(), value.span())),
        DeValue::Array(values) => values.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Whether code can be called so: names joined by `::`.
fn is_path(text: &str) -> bool {
    let is_name = |part: &str| {
        let part = part.strip_prefix("r#").unwrap_or(part);
        !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    text.split("::").all(is_name)
}
