//! RLS005: a tenant that outlives its user's time with the connection.

use super::{Lint, Words, on_event};
use crate::finding::Finding;
use crate::program::{Event, EventKind, Program};

pub(super) fn check(lint: &Lint, program: &Program) -> Vec<Finding> {
    program.events.iter().filter_map(|event| finding(lint, event)).collect()
}

fn finding(lint: &Lint, event: &Event) -> Option<Finding> {
    let (message, label, name) = match &event.kind {
        EventKind::SessionSetting(name) => (
            format!("`{name}` holds a tenant for the whole session, so the connection's next user inherits it"),
            "stays set when the connection goes back to the pool",
            name,
        ),
        EventKind::SessionReset(name) => (
            format!("`{name}` is taken back by hand: whoever fails before this leaves it to the next user"),
            "does not run when the future is dropped or an error returns first",
            name,
        ),
        _ => return None,
    };
    let help = format!("bind it to a transaction: `set_config('{name}', $1, true)` after `begin`, or `with_tenant`");
    Some(on_event(lint, event, Words { message, label: label.to_owned(), help }))
}
