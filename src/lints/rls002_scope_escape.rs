//! RLS002: a statement in a scope that runs on another handle.

use super::{Lint, Words, handle_of, on_statement};
use crate::finding::Finding;
use crate::program::{Cover, Escape, Program, Scope, Statement};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let escaped = program.statements.iter().filter_map(|statement| match &statement.cover {
        Cover::Escaped(scope, how) => Some(finding(lint, statement, scope, *how)),
        _ => None,
    });
    escaped.collect()
}

fn finding(lint: &Lint, statement: &Statement, scope: &Scope, how: Escape) -> Finding {
    let (message, help) = match how {
        Escape::OtherHandle => (
            format!(
                "{} is used inside the scope of `{}`, but is not the scope's handle",
                handle_of(statement),
                scope.name
            ),
            "run it on the handle that the scope gives to its closure",
        ),
        Escape::SpawnedTask => (
            format!(
                "{} is used in a task spawned inside the scope of `{}`, which the task outlives",
                handle_of(statement),
                scope.name
            ),
            "open a scope of its own inside the task",
        ),
    };
    let words = Words { message, label: "runs outside the scope around it".to_owned(), help: help.to_owned() };
    let mut finding = on_statement(lint, statement, words);
    finding.related.extend(scope.place.map(|place| (place, "the scope is opened here".to_owned())));
    finding
}
