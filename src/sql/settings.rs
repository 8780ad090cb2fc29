//! Settings, roles and transactions of one statement.

use std::ops::Range;

use super::token::Kind;
use super::tokens::Tokens;
use super::{RoleChange, SettingChange, SettingScope, SqlFacts};

/// Add what a statement does to settings, roles and the transaction.
pub(super) fn collect(tokens: &Tokens<'_>, statement: &Range<usize>, facts: &mut SqlFacts) {
    let start = statement.start;
    match tokens.text(start).to_ascii_lowercase().as_str() {
        "set" => set(tokens, start + 1, statement.end, facts),
        "reset" => reset(tokens, start + 1, facts),
        "discard" if tokens.is(start + 1, "all") => facts.settings.push(change(None, SettingScope::Reset, true)),
        "begin" | "start" => facts.begins = true,
        "commit" | "end" => facts.commits = true,
        "prepare" if tokens.is(start + 1, "transaction") => facts.commits = true,
        "abort" => facts.rolls_back = true,
        "rollback" => facts.rolls_back |= !rolls_back_to_savepoint(tokens, start + 1),
        "alter" | "create" => role_attributes(tokens, statement, facts),
        _ => {}
    }
    for at in statement.clone() {
        if tokens.is(at + 1, "(") && matches!(tokens.kind(at), Some(Kind::Word | Kind::Quoted)) {
            call(tokens, at, statement.end, facts);
        }
    }
}

fn change(name: Option<String>, scope: SettingScope, value_is_empty: bool) -> SettingChange {
    SettingChange { name, scope, value_is_empty }
}

fn rolls_back_to_savepoint(tokens: &Tokens<'_>, at: usize) -> bool {
    let at = if tokens.is(at, "work") || tokens.is(at, "transaction") { at + 1 } else { at };
    tokens.is(at, "to")
}

/// `SET [SESSION | LOCAL] ..`, from the word after `SET`.
fn set(tokens: &Tokens<'_>, at: usize, end: usize, facts: &mut SqlFacts) {
    if tokens.are(at, &["session", "authorization"]) {
        return set_role(tokens, at + 2, SettingScope::Session, facts);
    }
    let (scope, at) = match () {
        () if tokens.is(at, "local") => (SettingScope::Local, at + 1),
        () if tokens.is(at, "session") => (SettingScope::Session, at + 1),
        () => (SettingScope::Session, at),
    };
    if tokens.is(at, "role") && !tokens.is(at + 1, "=") && !tokens.is(at + 1, "to") {
        return set_role(tokens, at + 1, scope, facts);
    }
    if tokens.are(at, &["session", "authorization"]) {
        return set_role(tokens, at + 2, scope, facts);
    }
    let not_a_setting = ["transaction", "constraints", "characteristics", "time", "names", "schema"];
    if not_a_setting.iter().any(|word| tokens.is(at, word)) {
        return;
    }
    let Some(name) = tokens.name(at) else {
        if matches!(tokens.kind(at), Some(Kind::Placeholder | Kind::Text)) {
            facts.settings.push(change(None, scope, false));
        }
        return;
    };
    let value = if tokens.is(name.next, "=") || tokens.is(name.next, "to") { name.next + 1 } else { name.next };
    let value = Argument::read(tokens, value..end);
    let setting = (!name.has_hole).then(|| name.dotted().to_lowercase());
    apply(setting, scope, &value, facts);
}

/// A setting changes; `role` and `row_security` are settings too.
fn apply(setting: Option<String>, scope: SettingScope, value: &Argument, facts: &mut SqlFacts) {
    match setting.as_deref() {
        Some("role" | "session_authorization") => {
            let resets = value.is("none") || value.is_empty();
            facts.role = (!resets).then(|| RoleChange { name: value.literal(), local: scope == SettingScope::Local });
        }
        Some("row_security") => facts.row_security_off |= value.is_off(),
        _ => {}
    }
    facts.settings.push(change(setting, scope, value.is_empty()));
}

fn set_role(tokens: &Tokens<'_>, at: usize, scope: SettingScope, facts: &mut SqlFacts) {
    if tokens.is(at, "none") || tokens.is(at, "default") {
        facts.role = None;
        return;
    }
    let name = match tokens.kind(at) {
        Some(Kind::Text) => tokens.string(at).filter(|name| !name.contains("{}")),
        _ => tokens.name(at).filter(|name| !name.has_hole).map(|name| name.dotted()),
    };
    facts.role = Some(RoleChange { name, local: scope == SettingScope::Local });
}

fn reset(tokens: &Tokens<'_>, at: usize, facts: &mut SqlFacts) {
    if tokens.is(at, "role") || tokens.are(at, &["session", "authorization"]) {
        facts.role = None;
        return;
    }
    let name = tokens.name(at).filter(|name| !name.has_hole).map(|name| name.dotted().to_lowercase());
    let name = name.filter(|name| name != "all");
    facts.settings.push(change(name, SettingScope::Reset, true));
}

/// `ALTER ROLE x BYPASSRLS`, `CREATE ROLE x SUPERUSER`, `ALTER ROLE x SET row_security = off`.
fn role_attributes(tokens: &Tokens<'_>, statement: &Range<usize>, facts: &mut SqlFacts) {
    let about_a_role = ["role", "user"].iter().any(|word| tokens.is(statement.start + 1, word));
    if !about_a_role {
        return;
    }
    for at in statement.clone() {
        facts.grants_bypass |= tokens.is(at, "bypassrls") || tokens.is(at, "superuser");
        if tokens.is(at, "row_security") {
            let value = Argument::read(tokens, at + 2..statement.end);
            facts.row_security_off |= value.is_off();
        }
    }
}

/// Any call; `set_config(..)` and `current_setting(..)` with what they change and read, with or without `pg_catalog.`.
fn call(tokens: &Tokens<'_>, at: usize, end: usize, facts: &mut SqlFacts) {
    let function = tokens.text(at).trim_matches('"');
    facts.calls.push(function.to_ascii_lowercase());
    let sets = function.eq_ignore_ascii_case("set_config");
    if !sets && !function.eq_ignore_ascii_case("current_setting") {
        return;
    }
    // Real arguments are short; the bound keeps hostile nesting linear.
    let end = end.min(at + 300);
    let close = tokens.closing(at + 1, end).unwrap_or(end);
    let arguments = Arguments::read(tokens, at + 2..close);
    let setting = arguments.get(0, "setting_name").and_then(Argument::literal).map(|name| name.to_lowercase());
    if !sets {
        facts.settings_read.extend(setting);
        return;
    }
    let is_local = arguments.get(2, "is_local");
    let local = is_local.is_some_and(|value| ["true", "t", "yes", "on", "1"].iter().any(|yes| value.is(yes)));
    let scope = if local { SettingScope::Local } else { SettingScope::Session };
    let nothing = Argument { name: None, value: Value::Other };
    apply(setting, scope, arguments.get(1, "new_value").unwrap_or(&nothing), facts);
}

struct Arguments(Vec<Argument>);

impl Arguments {
    fn read(tokens: &Tokens<'_>, range: Range<usize>) -> Self {
        Self(tokens.split_commas(range).into_iter().map(|part| Argument::read(tokens, part)).collect())
    }

    /// By name where it is given by name, else by place.
    fn get(&self, index: usize, name: &str) -> Option<&Argument> {
        let by_name = self.0.iter().find(|argument| argument.name.as_deref() == Some(name));
        by_name.or_else(|| self.0.get(index).filter(|argument| argument.name.is_none()))
    }
}

struct Argument {
    name: Option<String>,
    value: Value,
}

enum Value {
    Literal(String),
    Word(String),
    Other,
}

impl Argument {
    fn read(tokens: &Tokens<'_>, mut range: Range<usize>) -> Self {
        let mut name = None;
        if tokens.is(range.start + 1, "=>") || tokens.is(range.start + 1, ":=") {
            name = Some(tokens.text(range.start).to_lowercase());
            range.start += 2;
        }
        while tokens.is(range.start, "(") && tokens.closing(range.start, range.end) == Some(range.end.saturating_sub(1))
        {
            range = range.start + 1..range.end - 1;
        }
        let only_a_cast_follows = range.len() == 1 || tokens.is(range.start + 1, "::");
        let value = match tokens.kind(range.start) {
            _ if range.is_empty() || !only_a_cast_follows => Value::Other,
            Some(Kind::Text) => tokens.string(range.start).map_or(Value::Other, Value::Literal),
            Some(Kind::Word | Kind::Number) => Value::Word(tokens.text(range.start).to_lowercase()),
            Some(Kind::Quoted) => tokens.name(range.start).map_or(Value::Other, |name| Value::Literal(name.dotted())),
            _ => Value::Other,
        };
        Self { name, value }
    }

    /// What it is, where the text says it all.
    fn literal(&self) -> Option<String> {
        match &self.value {
            Value::Literal(text) | Value::Word(text) if !text.contains("{}") => Some(text.clone()),
            _ => None,
        }
    }

    fn is(&self, word: &str) -> bool {
        matches!(&self.value, Value::Literal(text) | Value::Word(text) if text.eq_ignore_ascii_case(word))
    }

    fn is_off(&self) -> bool {
        ["off", "false", "no", "0"].iter().any(|no| self.is(no))
    }

    fn is_empty(&self) -> bool {
        match &self.value {
            Value::Literal(text) => text.is_empty(),
            Value::Word(word) => word == "null" || word == "default",
            Value::Other => false,
        }
    }
}
