//! One SQL text in, what it does out: tables, operation, tenant settings, roles, transactions.
//!
//! Works on tokens, without recursion, so that it is linear on any text and copes with the holes of `format!`.
//! A full parser refuses every text with a hole, and those are the ones that need care.

mod settings;
mod tables;
pub mod template;
pub mod token;
pub mod tokens;

use std::fmt;
use std::ops::Range;

use token::Kind;
use tokens::Tokens;

/// What a text does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlFacts {
    /// `select`, `insert`, `update`, `delete`, `merge`, `copy`, `truncate`, `ddl`, `set`, `transaction`, `lock`, `listen`, `notify`, `call`, `fetch`, `refresh` or `other`.
    ///
    /// Of several statements the first that touches rows, else the first.
    pub operation: Option<&'static str>,
    /// The tables and views, sorted. Names of `WITH` and functions are no tables.
    pub tables: Vec<TableRef>,
    /// Whether `tables` is all: false where a hole may stand for a table, or the text is cut or not understood.
    pub complete: bool,
    /// Run-time settings it changes, in order.
    pub settings: Vec<SettingChange>,
    /// Settings it reads with `current_setting`, sorted.
    pub settings_read: Vec<String>,
    /// What is written like a call, in lower case and without a schema, sorted: functions, and words such as `in`.
    pub calls: Vec<String>,
    /// The last change of role.
    pub role: Option<RoleChange>,
    /// `row_security` is switched off.
    pub row_security_off: bool,
    /// A role gets `BYPASSRLS` or `SUPERUSER`.
    pub grants_bypass: bool,
    /// A transaction is begun.
    pub begins: bool,
    /// A transaction is committed.
    pub commits: bool,
    /// A transaction is rolled back.
    pub rolls_back: bool,
}

/// A table that a text touches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// The schema, where written.
    pub schema: Option<String>,
    /// The name, folded to lower case where it is not quoted.
    pub name: String,
    /// What is done to it: `select`, `insert`, `update`, `delete`, `merge`, `copy`, `truncate`, `lock` or `ddl`.
    pub operation: &'static str,
}

impl TableRef {
    /// The table without the operation.
    #[must_use]
    pub fn table(&self) -> TableName {
        TableName { schema: self.schema.clone(), name: self.name.clone() }
    }
}

/// The name of a table, view, function or type. `public.t` and `t` are the same table: compare what [`TableName::canonical`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema, where written.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

impl TableName {
    /// The table of a written name; unquoted parts must be folded already.
    #[must_use]
    pub fn parse(written: &str) -> Self {
        match written.rsplit_once('.') {
            Some((schema, name)) => Self { schema: Some(schema.to_owned()), name: name.to_owned() },
            None => Self { schema: None, name: written.to_owned() },
        }
    }

    /// The name without the schema `public`, which is where names without a schema live.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let schema = self.schema.clone().filter(|schema| schema != "public");
        Self { schema, name: self.name.clone() }
    }

    /// Whether it belongs to PostgreSQL itself: `pg_class`, `information_schema.tables`.
    #[must_use]
    pub fn is_catalog(&self) -> bool {
        match self.schema.as_deref() {
            Some(schema) => schema == "pg_catalog" || schema == "information_schema",
            None => self.name.starts_with("pg_"),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(out, "{schema}.{}", self.name),
            None => out.write_str(&self.name),
        }
    }
}

/// A change of a run-time setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting in lower case; `None` where it is put in at run time.
    pub name: Option<String>,
    /// How long it holds.
    pub scope: SettingScope,
    /// The value is empty, `NULL` or `DEFAULT`.
    pub value_is_empty: bool,
}

/// How long a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingScope {
    /// To the end of the transaction.
    Local,
    /// To the end of the session; also where the text does not say it is local.
    Session,
    /// It is taken back: `RESET`, `DISCARD ALL`. All settings where the change has no name.
    Reset,
}

/// A change of the current role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The role; `None` where it is put in at run time.
    pub name: Option<String>,
    /// To the end of the transaction only.
    pub local: bool,
}

/// Find out what a text does. Never fails; what is not understood makes the facts incomplete.
#[must_use]
pub fn analyse(text: &str) -> SqlFacts {
    let tokens = Tokens::new(text);
    let mut facts = SqlFacts { complete: true, ..SqlFacts::default() };
    analyse_into(&tokens, &mut facts);
    facts.complete &= facts.operation.is_some();
    facts.tables.sort();
    facts.tables.dedup();
    facts.settings_read.sort();
    facts.settings_read.dedup();
    facts.calls.sort();
    facts.calls.dedup();
    facts
}

fn analyse_into(tokens: &Tokens<'_>, facts: &mut SqlFacts) {
    for statement in tokens.statements() {
        let body = unwrap_statement(tokens, statement);
        let operation = operation(tokens, &body);
        settings::collect(tokens, &body, facts);
        tables::collect(tokens, &body, operation, facts);
        if operation == Some("call") {
            do_body(tokens, &body, facts);
        }
        let replaces = !facts.operation.is_some_and(touches_rows) && operation.is_some_and(touches_rows);
        if facts.operation.is_none() || replaces {
            facts.operation = operation;
        }
        facts.complete &= operation.is_some();
    }
    facts.complete &= (0..tokens.len()).all(|at| tokens.kind(at) != Some(Kind::Unterminated));
}

fn touches_rows(operation: &str) -> bool {
    matches!(operation, "select" | "insert" | "update" | "delete" | "merge" | "copy" | "truncate")
}

/// The statement inside `EXPLAIN ..`, `PREPARE .. AS`, `DECLARE .. CURSOR FOR`.
fn unwrap_statement(tokens: &Tokens<'_>, statement: Range<usize>) -> Range<usize> {
    let mut start = statement.start;
    if tokens.is(start, "explain") {
        start += 1;
        while ["analyze", "analyse", "verbose"].iter().any(|word| tokens.is(start, word)) {
            start += 1;
        }
        if tokens.is(start, "(") && !is_query_word(tokens, start + 1) && !tokens.is(start + 1, "(") {
            start = tokens.closing(start, statement.end).map_or(statement.end, |at| at + 1);
        }
    } else if tokens.is(start, "prepare") && !tokens.is(start + 1, "transaction") {
        start = tokens.find(start..statement.end, "as").map_or(start, |at| at + 1);
    } else if tokens.is(start, "declare") {
        start = tokens.find(start..statement.end, "for").map_or(start, |at| at + 1);
    }
    start..statement.end
}

fn is_query_word(tokens: &Tokens<'_>, at: usize) -> bool {
    ["select", "with", "values"].iter().any(|word| tokens.is(at, word))
}

/// What a statement does, by its first word; for `WITH` by the word that follows the list.
fn operation(tokens: &Tokens<'_>, statement: &Range<usize>) -> Option<&'static str> {
    let mut start = statement.start;
    while start < statement.end && tokens.is(start, "(") {
        start += 1;
    }
    if tokens.kind(start) != Some(Kind::Word) || start >= statement.end {
        return None;
    }
    Some(match tokens.text(start).to_ascii_lowercase().as_str() {
        "with" => return after_with(tokens, start..statement.end),
        "select" | "values" | "table" | "perform" => "select",
        "insert" => "insert",
        "update" => "update",
        "delete" => "delete",
        "merge" => "merge",
        "copy" => "copy",
        "truncate" => "truncate",
        "create" | "alter" | "drop" | "grant" | "revoke" | "comment" | "reindex" | "cluster" | "import"
        | "reassign" | "security" => "ddl",
        "refresh" => "refresh",
        "set" if tokens.is(start + 1, "transaction") => "transaction",
        "set" | "reset" | "discard" => "set",
        "begin" | "start" | "commit" | "rollback" | "end" | "abort" | "savepoint" | "release" | "prepare" => {
            "transaction"
        }
        "lock" => "lock",
        "listen" | "unlisten" => "listen",
        "notify" => "notify",
        "call" | "do" | "execute" => "call",
        "fetch" | "move" => "fetch",
        "show" | "vacuum" | "analyze" | "analyse" | "close" | "deallocate" | "checkpoint" | "load" => "other",
        _ => return None,
    })
}

fn after_with(tokens: &Tokens<'_>, range: Range<usize>) -> Option<&'static str> {
    let mut depth = 0_usize;
    for at in range {
        match tokens.text(at) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth > 0 || tokens.kind(at) != Some(Kind::Word) => {}
            word => {
                let verb = ["select", "insert", "update", "delete", "merge", "values", "table"]
                    .into_iter()
                    .find(|verb| word.eq_ignore_ascii_case(verb));
                if let Some(verb) = verb {
                    return Some(if matches!(verb, "values" | "table") { "select" } else { verb });
                }
            }
        }
    }
    None
}

/// The statements inside a `DO` block. One level: a block inside a block's string is not looked at.
fn do_body(tokens: &Tokens<'_>, statement: &Range<usize>, facts: &mut SqlFacts) {
    let Some(body) = statement.clone().find_map(|at| tokens.string(at)) else { return };
    if !tokens.is(statement.start, "do") {
        return;
    }
    let inner = Tokens::new(&body);
    for piece in inner.statements() {
        settings::collect(&inner, &piece, facts);
        facts.complete &= !piece.clone().any(|at| inner.is(at, "execute"));
        let Some(verb) = piece.clone().find(|at| starts_statement(&inner, piece.start, *at)) else { continue };
        tables::collect(&inner, &(verb..piece.end), operation(&inner, &(verb..piece.end)), facts);
    }
}

/// Whether a statement of a block starts here, after `BEGIN`, `THEN`, `LOOP` and the like.
fn starts_statement(tokens: &Tokens<'_>, start: usize, at: usize) -> bool {
    let is_verb = ["select", "insert", "update", "delete", "merge", "with", "perform", "truncate"]
        .iter()
        .any(|verb| tokens.is(at, verb));
    let opens = ["begin", "then", "loop", "else", "in", "query", "declare"];
    is_verb && (at == start || opens.iter().any(|word| tokens.is(at - 1, word)))
}

#[cfg(test)]
mod tests;
