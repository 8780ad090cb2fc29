//! Exceptions in, findings out: one that matches nothing, or that cannot be understood.

use super::{Lint, Words, at};
use crate::finding::{Exception, ExceptionKind, Finding};

/// Checks every exception.
#[must_use]
pub fn check(lint: &Lint, exceptions: &[Exception]) -> Vec<Finding> {
    let stale = exceptions.iter().filter(|exception| !exception.is_used || exception.problem.is_some());
    stale.map(|exception| at(lint, exception.place, "", words(exception))).collect()
}

fn words(exception: &Exception) -> Words {
    let names = &exception.names;
    let (message, help) = match (exception.kind, &exception.problem) {
        (ExceptionKind::Allow, Some(problem)) => {
            (format!("the allow comment excepts nothing: {problem}"), "write `allow(RLS001, reason = \"...\")`")
        }
        (_, Some(problem)) => (format!("the exception excepts nothing: {problem}"), "remove it"),
        (ExceptionKind::Allow, None) => (format!("nothing to allow here for {names}"), "remove the comment"),
        (ExceptionKind::Exemption, None) => (format!("the exemption of `{names}` matches nothing"), "remove the row"),
        (ExceptionKind::ScopeRow, None) => {
            (format!("`{names}` matches nothing in the code"), "remove the row or correct the name")
        }
        (ExceptionKind::Baseline, None) => (
            format!("{names} is in the baseline and gone from the code"),
            "write the baseline anew with `cargo rls-audit baseline --write`",
        ),
    };
    Words { message, label: "excepts nothing".to_owned(), help: help.to_owned() }
}
