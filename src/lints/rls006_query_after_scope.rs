//! RLS006: a statement that comes too late for its scope, or runs beside it.

use super::{Lint, Words, handle_of, on_statement};
use crate::finding::Finding;
use crate::program::{After, Cover, Program, Scope, Statement};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let missed = program.statements.iter().filter_map(|statement| match &statement.cover {
        Cover::AfterScope(scope, how) => Some(finding(lint, statement, scope, *how)),
        _ => None,
    });
    missed.collect()
}

fn finding(lint: &Lint, statement: &Statement, scope: &Scope, how: After) -> Finding {
    let handle = handle_of(statement);
    let (message, help, related) = match how {
        After::End(end) => (
            format!("{handle} is used after the scope of `{}` ended", scope.name),
            "move it before the commit, or open a scope of its own",
            Some((end, "the scope ends here".to_owned())),
        ),
        After::Begin => (
            format!("{handle} is used while the scope of `{}` is open, but is not its handle", scope.name),
            "run it on the scope's transaction",
            scope.place.map(|place| (place, "the scope is opened here".to_owned())),
        ),
    };
    let words = Words { message, label: "not covered by the scope".to_owned(), help: help.to_owned() };
    let mut finding = on_statement(lint, statement, words);
    finding.related.extend(related);
    finding
}
