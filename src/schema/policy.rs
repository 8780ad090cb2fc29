//! `CREATE POLICY`, `ALTER POLICY` and `DROP POLICY`.

use super::replay::{Replayer, Statement};
use super::table::table_or_new;
use super::{Condition, Policy, RowCommand};
use crate::sql::tokens::Name;

/// `CREATE POLICY ..`, from the policy's name.
pub(super) fn create(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let at = statement.tokens.skip(at, &["if", "not", "exists"]);
    let Some((name, on, at)) = head(replayer, statement, at) else { return };
    let mut policy = Policy {
        name,
        place: statement.first_line(),
        command: RowCommand::All,
        permissive: true,
        roles: Vec::new(),
        using: None,
        check: None,
    };
    clauses(statement, at, &mut policy);
    let table = table_or_new(replayer, statement, &on);
    table.policies.retain(|other| other.name != policy.name);
    table.policies.push(policy);
}

/// `ALTER POLICY ..`, from the policy's name.
pub(super) fn alter(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let tokens = statement.tokens;
    let Some((name, on, at)) = head(replayer, statement, at) else { return };
    let place = statement.first_line();
    let Some(policy) = table_or_new(replayer, statement, &on).policies.iter_mut().find(|policy| policy.name == name)
    else {
        return;
    };
    if tokens.are(at, &["rename", "to"]) {
        policy.name = tokens.name(at + 2).map_or(name, |name| name.dotted());
        return;
    }
    policy.place = place;
    clauses(statement, at, policy);
}

/// `DROP POLICY ..`, from the policy's name.
pub(super) fn drop(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) {
    let at = statement.tokens.skip(at, &["if", "exists"]);
    let Some((name, on, _)) = head(replayer, statement, at) else { return };
    if let Some(table) = replayer.schema.tables.get_mut(&on.table().canonical()) {
        table.policies.retain(|policy| policy.name != name);
    }
}

/// `name ON table`: both, and the token after them.
fn head(replayer: &mut Replayer, statement: &Statement<'_>, at: usize) -> Option<(String, Name, usize)> {
    // A policy's name is often put together from the table's: only the table's must be known.
    let name = statement.tokens.name(at)?;
    let on = statement.tokens.after(name.next, &["on"])?;
    let table = statement.name(on, "a policy's table", replayer)?;
    let next = table.next;
    Some((name.dotted(), table, next))
}

/// `AS ..`, `FOR ..`, `TO ..`, `USING (..)`, `WITH CHECK (..)`.
fn clauses(statement: &Statement<'_>, mut at: usize, policy: &mut Policy) {
    let tokens = statement.tokens;
    while at < statement.range.end {
        if tokens.is(at, "as") {
            policy.permissive = !tokens.is(at + 1, "restrictive");
            at += 2;
        } else if tokens.is(at, "for") {
            let word = tokens.text(at + 1).to_ascii_uppercase();
            policy.command = RowCommand::EACH.into_iter().find(|each| each.word() == word).unwrap_or(RowCommand::All);
            at += 2;
        } else if tokens.is(at, "to") {
            policy.roles.clear();
            at += 1;
            while let Some(role) = tokens.name(at).filter(|role| role.next <= statement.range.end) {
                policy.roles.push(role.dotted());
                at = role.next;
                if !tokens.is(at, ",") {
                    break;
                }
                at += 1;
            }
            policy.roles.retain(|role| role != "public");
        } else if tokens.is(at, "using") && tokens.is(at + 1, "(") {
            (policy.using, at) = condition(statement, at + 1);
        } else if tokens.are(at, &["with", "check", "("]) {
            (policy.check, at) = condition(statement, at + 2);
        } else {
            at += 1;
        }
    }
}

fn condition(statement: &Statement<'_>, open: usize) -> (Option<Condition>, usize) {
    let tokens = statement.tokens;
    let end = statement.range.end;
    let Some(close) = tokens.closing(open, end).filter(|close| *close > open + 1) else { return (None, end) };
    let span = tokens.span(open + 1).to(tokens.span(close - 1));
    let condition = Condition { text: tokens.slice(span).to_owned(), place: statement.place(span) };
    (Some(condition), close + 1)
}
