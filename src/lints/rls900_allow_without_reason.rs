//! Exceptions in, findings out: an allow comment that gives no reason.

use super::{Lint, Words, at};
use crate::finding::{Exception, ExceptionKind, Finding};

/// Checks the allow comments.
#[must_use]
pub fn check(lint: &Lint, exceptions: &[Exception]) -> Vec<Finding> {
    let allows = exceptions.iter().filter(|exception| exception.kind == ExceptionKind::Allow);
    let unreasoned = allows.filter(|allow| allow.reason.trim().is_empty() && allow.problem.is_none());
    unreasoned.map(|allow| at(lint, allow.place, "", words(allow))).collect()
}

fn words(allow: &Exception) -> Words {
    Words {
        message: "the allow comment gives no reason".to_owned(),
        label: "why is this fine?".to_owned(),
        help: format!("write `allow({}, reason = \"...\")`", allow.names),
    }
}
