//! RLS004: a tenant bound to a transaction that does not exist.

use super::{Lint, Words, on_event};
use crate::finding::Finding;
use crate::program::{EventKind, Program};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let settings = program.events.iter().filter_map(|event| match &event.kind {
        EventKind::LocalSettingOutsideTransaction(name) => Some((event, name)),
        _ => None,
    });
    let finding = |(event, name): (_, &String)| {
        let words = Words {
            message: format!("`{name}` binds a tenant to a transaction, but none is open here"),
            label: "binds nothing: the setting is gone when this statement ends".to_owned(),
            help: "begin a transaction first and bind the tenant on it, or use `with_tenant`".to_owned(),
        };
        on_event(lint, event, words)
    };
    settings.map(finding).collect()
}
