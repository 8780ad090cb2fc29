//! RLS001: a statement that no scope covers and that no setting explains.

use std::collections::BTreeSet;

use super::{Lint, Words, handle_of, on_statement};
use crate::finding::Finding;
use crate::program::{Cover, EventKind, Place, Program, Statement};
use crate::rules::HandleKind;

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let sets = |kind: &EventKind| {
        use EventKind::{LocalSettingOutsideTransaction, SessionReset, SessionSetting};
        matches!(kind, LocalSettingOutsideTransaction(_) | SessionSetting(_) | SessionReset(_))
    };
    let settings = program.events.iter().filter(|event| sets(&event.kind));
    let settings: BTreeSet<Place> = settings.map(|event| event.place).collect();
    let unscoped = program.statements.iter().filter(|statement| statement.cover == Cover::Unscoped);
    let unscoped = unscoped.filter(|statement| !settings.contains(&statement.place));
    unscoped.map(|statement| finding(lint, statement)).collect()
}

fn finding(lint: &Lint, statement: &Statement) -> Finding {
    let help = match statement.handle_kind {
        Some(HandleKind::Transaction) => {
            "bind the tenant to this transaction first: open it with `with_tenant(&pool, tenant, async |mut tx| { .. })`"
        }
        _ => "run it inside `with_tenant(&pool, tenant, async |mut tx| { .. })`, on `&mut *tx`",
    };
    let words = Words {
        message: format!("`{}` runs on {} outside every tenant scope", statement.method, handle_of(statement)),
        label: "no tenant scope around this statement".to_owned(),
        help: help.to_owned(),
    };
    on_statement(lint, statement, words)
}
