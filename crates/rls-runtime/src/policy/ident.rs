//! A name or a value in, SQL text that means exactly it out.

use std::fmt;
use std::str::FromStr;

/// Quotes an identifier: `order "x"` becomes `"order ""x"""`.
///
/// ```
/// assert_eq!(rls_runtime::policy::quote_ident("Orders"), "\"Orders\"");
/// ```
#[must_use]
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string literal, whatever `standard_conforming_strings` says.
///
/// ```
/// assert_eq!(rls_runtime::policy::quote_literal("it's"), "'it''s'");
/// ```
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// The name of a table, with its schema where one is given.
///
/// ```
/// use rls_runtime::policy::TableName;
/// let table: TableName = "sales.\"Order.Lines\"".parse()?;
/// assert_eq!(table, TableName::in_schema("sales", "Order.Lines"));
/// assert_eq!(table.to_string(), "\"sales\".\"Order.Lines\"");
/// # Ok::<(), rls_runtime::policy::BadName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema; without one, the search path decides.
    pub schema: Option<String>,
    /// The table's own name, unquoted.
    pub name: String,
}

impl TableName {
    /// A table that the search path finds.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A table of this schema.
    #[must_use]
    pub fn in_schema(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(out, "{}.", quote_ident(schema))?;
        }
        out.write_str(&quote_ident(&self.name))
    }
}

/// A text that is no table name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a table name")]
pub struct BadName(String);

impl FromStr for TableName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName(text.to_owned());
        let mut parts = split_dotted(text).ok_or_else(bad)?;
        let name = parts.pop().ok_or_else(bad)?;
        let schema = parts.pop();
        if parts.is_empty() { Ok(Self { schema, name }) } else { Err(bad()) }
    }
}

/// Splits `a."b.c"` as PostgreSQL does: bare parts are folded to lower case.
fn split_dotted(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let part;
        (part, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            take_quoted(quoted)?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].to_lowercase(), &rest[end..])
        };
        if part.is_empty() || part.contains('\0') {
            return None;
        }
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            name.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return Some((name, &text[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_unquoted_as_postgresql_does() {
        let parse = |text: &str| text.parse::<TableName>().map(|name| name.to_string());
        assert_eq!(parse("Orders").unwrap(), "\"orders\"");
        assert_eq!(parse("s.\"A\"\"b\"").unwrap(), "\"s\".\"A\"\"b\"");
        for bad in ["", "a.", ".a", "a.b.c", "\"a", "\"a\"b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn literals_survive_backslashes() {
        assert_eq!(quote_literal(r"a\'b"), r"E'a\\''b'");
    }
}
