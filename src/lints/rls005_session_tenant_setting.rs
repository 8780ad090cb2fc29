//! RLS005: a tenant that outlives its user's time with the connection.

use super::{Lint, Words, on_event};
use crate::finding::Finding;
use crate::program::{EventKind, Program};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    let settings = program.events.iter().filter_map(|event| match &event.kind {
        EventKind::SessionSetting(name) => Some((event, name)),
        _ => None,
    });
    let finding = |(event, name): (_, &String)| {
        let words = Words {
            message: format!(
                "`{name}` holds a tenant for the whole session, so the connection's next user inherits it"
            ),
            label: "stays set when the connection goes back to the pool".to_owned(),
            help: format!("bind it to a transaction: `set_config('{name}', $1, true)` after `begin`, or `with_tenant`"),
        };
        on_event(lint, event, words)
    };
    settings.map(finding).collect()
}
