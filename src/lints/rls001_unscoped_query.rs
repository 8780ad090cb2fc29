//! RLS001: a statement that no scope covers and that no setting explains.

use super::{Lint, Words, handle_of, on_statement};
use crate::finding::Finding;
use crate::program::{Cover, EventKind, Program, Statement};
use crate::rules::HandleKind;

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let is_setting = |statement: &Statement| {
        program.events.iter().any(|event| {
            let sets = matches!(
                event.kind,
                EventKind::LocalSettingOutsideTransaction(_)
                    | EventKind::SessionSetting(_)
                    | EventKind::SessionReset(_)
            );
            sets && event.place == statement.place
        })
    };
    let unscoped = program.statements.iter().filter(|statement| statement.cover == Cover::Unscoped);
    unscoped.filter(|statement| !is_setting(statement)).map(|statement| finding(lint, statement)).collect()
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
