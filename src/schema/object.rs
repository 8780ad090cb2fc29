//! Views, functions and roles.

use super::replay::{Replayer, Statement};
use super::{Function, View};
use crate::program::Place;
use crate::sql::token::Kind;
use crate::sql::tokens::Tokens;
use crate::sql::{TableName, analyse};

/// `CREATE VIEW ..`, from the word after `VIEW`.
pub(super) fn create_view(replayer: &mut Replayer, statement: &Statement<'_>, at: usize, materialized: bool) {
    let tokens = statement.tokens;
    let at = tokens.skip(at, &["if", "not", "exists"]);
    let Some(name) = statement.name(at, "a view", replayer) else { return };
    let end = statement.range.end;
    let Some(body) = tokens.find(name.next..end, "as") else { return };
    let span = tokens.span(body + 1).to(tokens.span(end - 1));
    let view = View {
        place: statement.place(name.span),
        materialized,
        security_invoker: security_invoker(tokens, name.next, body).unwrap_or(false),
        reads: touched(tokens.slice(span)),
    };
    replayer.schema.views.insert(name.table().canonical(), view);
}

/// `ALTER VIEW ..`: options, names and schemas.
pub(super) fn alter_view(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let at = tokens.skip(at, &["if", "exists"]);
    let Some(name) = statement.name(at, "a view", replayer) else { return };
    let canonical = name.table().canonical();
    let views = &mut replayer.schema.views;
    if tokens.are(name.next, &["rename", "to"]) {
        if let (Some(view), Some(new)) = (views.remove(&canonical), tokens.name(name.next + 2)) {
            views.insert(TableName { schema: canonical.schema, name: new.dotted() }, view);
        }
        return;
    }
    let Some(view) = views.get_mut(&canonical) else { return };
    let given = security_invoker(tokens, name.next, statement.range.end);
    view.security_invoker = match given {
        Some(_) if tokens.is(name.next, "reset") => false,
        Some(on) => on,
        None => view.security_invoker,
    };
}

fn security_invoker(tokens: &Tokens<'_>, start: usize, end: usize) -> Option<bool> {
    let at = tokens.find(start..end, "security_invoker")?;
    if !tokens.is(at + 1, "=") {
        return Some(true);
    }
    let value = tokens.string(at + 2).unwrap_or_else(|| tokens.text(at + 2).to_lowercase());
    Some(matches!(value.as_str(), "true" | "on" | "1" | "yes"))
}

/// Tables and views that a text touches, canonical.
fn touched(text: &str) -> Vec<TableName> {
    let mut names: Vec<TableName> =
        analyse(text).tables.iter().map(|table| table.table().canonical()).filter(|name| !name.is_catalog()).collect();
    names.sort();
    names.dedup();
    names
}

/// `CREATE FUNCTION ..`, from the function's name.
pub(super) fn create_function(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let end = statement.range.end;
    let Some(name) = statement.name(at, "a function", replayer) else { return };
    let close = tokens.closing(name.next, end).unwrap_or(name.next);
    let parameters = tokens.split_commas(name.next + 1..close).into_iter().map(|part| {
        let modes = ["in", "out", "inout", "variadic"];
        let first = if modes.iter().any(|mode| tokens.is(part.start, mode)) { part.start + 1 } else { part.start };
        tokens.name(first).map(|name| name.dotted()).unwrap_or_default()
    });
    let parameters = parameters.collect();
    let body_at = (close..end).find(|at| tokens.kind(*at) == Some(Kind::Text) && tokens.is(at - 1, "as"));
    let language = tokens.find(close..end, "language").map(|at| at + 1);
    let language = language.map(|at| tokens.string(at).unwrap_or_else(|| tokens.text(at).to_owned()));
    let body = body_at.and_then(|at| tokens.string(at)).unwrap_or_else(|| sql_body(tokens, close, end));
    let facts = analyse(&format!("DO $rls_audit_body$ {body} $rls_audit_body$"));
    let mut touches = touched(&body);
    touches.extend(facts.tables.iter().map(|table| table.table().canonical()).filter(|name| !name.is_catalog()));
    touches.sort();
    touches.dedup();
    let function = Function {
        place: statement.place(name.span),
        security_definer: (close..end).any(|at| tokens.are(at, &["security", "definer"])),
        parameters,
        language: language.unwrap_or_else(|| "sql".to_owned()).to_lowercase(),
        settings_read: facts.settings_read,
        settings: facts.settings.into_iter().filter(|change| change.name.is_some()).collect(),
        touches,
        body,
    };
    replayer.schema.functions.insert(name.table().canonical(), function);
}

/// `RETURN expression` and `BEGIN ATOMIC ..`, as far as the first semicolon.
fn sql_body(tokens: &Tokens<'_>, start: usize, end: usize) -> String {
    let starts = |at: &usize| tokens.is(*at, "return") || tokens.are(*at, &["begin", "atomic"]);
    let Some(at) = (start..end).find(starts) else { return String::new() };
    let skip = if tokens.is(at, "begin") { 2 } else { 1 };
    let text = tokens.slice(tokens.span(at + skip).to(tokens.span(end - 1)));
    if skip == 1 { format!("SELECT {text}") } else { text.to_owned() }
}

/// `ALTER FUNCTION .. SECURITY ..`.
pub(super) fn alter_function(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let Some(name) = statement.name(at, "a function", replayer) else { return };
    let has = |words: &[&str]| statement.range.clone().any(|at| tokens.are(at, words));
    let Some(function) = replayer.schema.functions.get_mut(&name.table().canonical()) else { return };
    if has(&["security", "definer"]) {
        function.security_definer = true;
    } else if has(&["security", "invoker"]) {
        function.security_definer = false;
    }
}

/// `CREATE ROLE ..` and `ALTER ROLE ..`, from the role's name.
pub(super) fn role(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let Some(name) = statement.name(at, "a role", replayer) else { return };
    let attribute = |words: &[&str]| statement.range.clone().find(|at| words.iter().any(|word| tokens.is(*at, word)));
    let place = |at: usize| -> Place { statement.place(tokens.span(at)) };
    let roles = &mut replayer.schema.bypass_roles;
    if let Some(at) = attribute(&["bypassrls", "superuser"]) {
        roles.insert(name.dotted(), place(at));
    } else if attribute(&["nobypassrls", "nosuperuser"]).is_some() {
        roles.remove(&name.dotted());
    }
}
