//! RLS003: a helper's statement that some caller reaches without a scope.

use super::{Lint, Words, handle_of, on_statement};
use crate::finding::Finding;
use crate::program::{Cover, Program, Statement, Step};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let reached = program.statements.iter().filter_map(|statement| match &statement.cover {
        Cover::Path(path) => Some(finding(lint, statement, path)),
        _ => None,
    });
    reached.collect()
}

fn finding(lint: &Lint, statement: &Statement, path: &[Step]) -> Finding {
    let callers = &path[..path.len().saturating_sub(1)];
    let caller = callers.last().map_or("a caller", |step| step.function.as_str());
    let words = Words {
        message: format!("{} comes from `{caller}`, which has no tenant scope", handle_of(statement)),
        label: "reached without a scope".to_owned(),
        help: format!(
            "open a scope in `{caller}` and pass its handle, or take `&mut TenantTx` here so that nothing else fits"
        ),
    };
    let mut finding = on_statement(lint, statement, words);
    finding
        .related
        .extend(callers.iter().rev().map(|step| (step.place, format!("`{}` passes it on here", step.function))));
    finding.path = path.to_vec();
    finding
}
