//! RLS007: a scope in a scope.

use super::{Lint, Words, on_event};
use crate::finding::Finding;
use crate::program::{EventKind, Program};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let nested = program.events.iter().filter_map(|event| match &event.kind {
        EventKind::NestedScope(name) => Some((event, name)),
        _ => None,
    });
    let finding = |(event, name): (_, &String)| {
        let words = Words {
            message: format!("`{name}` opens a tenant scope inside a tenant scope"),
            label: "takes a second connection while the first is held".to_owned(),
            help: "use the handle of the scope around it, or open this scope after that one has ended".to_owned(),
        };
        on_event(lint, event, words)
    };
    nested.map(finding).collect()
}
