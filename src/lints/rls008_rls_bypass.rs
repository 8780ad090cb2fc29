//! RLS008: code that goes around the policies.

use super::{Lint, Words, on_event};
use crate::finding::Finding;
use crate::program::{EventKind, Program};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let bypasses = program.events.iter().filter_map(|event| match &event.kind {
        EventKind::RlsBypass(what) => Some((event, what)),
        _ => None,
    });
    let finding = |(event, what): (_, &String)| {
        let words = Words {
            message: format!("the row-level policies are gone around: {what}"),
            label: "every tenant's rows are in reach from here".to_owned(),
            help: "do it per tenant in a scope, or say why not: `// rls-audit: allow(RLS008, reason = \"..\")`"
                .to_owned(),
        };
        on_event(lint, event, words)
    };
    bypasses.map(finding).collect()
}
