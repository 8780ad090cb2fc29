//! What every decision of somebody has: who decides, when and why, and how it is refused.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// Who moves something, when and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a str,
    /// Why.
    pub note: Option<&'a str>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is not done, and why: the error of the public interface.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Value,
}

impl Refused {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, details: Value) -> Refused {
        Refused { code, message: message.into(), details }
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// It is not allowed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database said no.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The scope could not be opened or closed.
    #[error(transparent)]
    Scope(#[from] rls_runtime::Error),
}
