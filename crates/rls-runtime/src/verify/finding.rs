//! What a check says about one object.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It costs speed or clarity, or hides a mistake.
    Warning,
    /// One tenant can reach another's rows, or a guard is missing.
    Error,
}

impl Severity {
    /// The word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Whether a finding fails the run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It fails the run.
    Open,
    /// It is advice about something safe: reported, but not failing the run.
    Advice,
    /// An exception covers it, for this reason.
    Allowed(String),
}

/// One thing that is wrong with the database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The check that found it, as in `V01`.
    pub check: &'static str,
    /// The check's name, as in `rls-not-enabled`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The object, as in `public.orders` or `public.orders policy p`.
    pub object: String,
    /// What can happen.
    pub message: String,
    /// The SQL that fixes it; empty where only a person can decide.
    pub fix: String,
    /// Whether it fails the run.
    pub status: Status,
}

/// What a check hands back: an object, what can happen to it, and the SQL that fixes it.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub object: String,
    pub message: String,
    pub fix: String,
}

impl Fault {
    pub fn new(object: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { object: object.into(), message: message.into(), fix: fix.into() }
    }
}
