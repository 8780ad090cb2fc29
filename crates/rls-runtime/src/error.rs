//! What can go wrong with a scope, named for what the caller can do about it.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::role::RoleProblems;
use crate::tenant::TenantId;

/// Why a scope, or a pool, refused.
///
/// The closure's own errors are not in here: they come back as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No transaction could be opened, and nothing has happened: try again later.
    #[error("no tenant scope could be opened: {0}")]
    Unavailable(#[source] sqlx::Error),

    /// The server refused the commit, and nothing is written: a deferred constraint, or a conflict that is worth a retry.
    #[error("the commit was refused: {0}")]
    CommitRefused(#[source] sqlx::Error),

    /// The connection was lost while the commit was under way: look whether it was written before trying again.
    #[error("the connection was lost during the commit, whether it was written is not known: {0}")]
    OutcomeUnknown(#[source] sqlx::Error),

    /// The closure returned `Ok` although a statement had failed and taken the transaction with it. Nothing is written: pass the error on, or put the statement into a savepoint.
    #[error("the closure swallowed the failure of a statement, nothing is written: {message}")]
    StatementFailed {
        /// The SQLSTATE, where the server gave one.
        code: Option<String>,
        /// What the server said.
        message: String,
    },

    /// A statement of the closure ended the transaction. What it had committed stays: remove the `COMMIT` or `ROLLBACK`.
    #[error("a statement in the scope of tenant {tenant} ended the transaction, what it committed stays")]
    EndedEarly {
        /// The tenant of the scope.
        tenant: TenantId,
    },

    /// A statement of the closure changed the tenant. Nothing is written.
    #[error("a statement in the scope of tenant {expected} changed the tenant to `{found}`, nothing is written")]
    TenantChanged {
        /// The tenant of the scope.
        expected: TenantId,
        /// The value found when the scope ended.
        found: String,
    },

    /// A statement of the closure changed the role. Nothing is written.
    #[error("a statement in the scope of tenant {tenant} changed the role to `{found}`, nothing is written")]
    RoleChanged {
        /// The tenant of the scope.
        tenant: TenantId,
        /// The role found when the scope ended.
        found: String,
    },

    /// A statement of the closure bound a tenant to the whole session. The work is written and the connection was closed: use no `SET` without `LOCAL`.
    #[error(
        "a statement in the scope of tenant {tenant} bound the whole session to `{found}`, the work is written and the connection was closed"
    )]
    SessionBound {
        /// The tenant of the scope.
        tenant: TenantId,
        /// The value that would have met the next user of the connection.
        found: String,
    },

    /// The handle was leaked, stored or moved to another task, and outlived its closure. Nothing is written.
    #[error("the handle of tenant {tenant} outlived its scope, nothing is written")]
    HandleEscaped {
        /// The tenant of the scope.
        tenant: TenantId,
    },

    /// A scope was opened inside another one: pass the handle down instead.
    #[error("a scope for tenant {requested} was opened inside the scope of tenant {open}")]
    Nested {
        /// The tenant of the outer scope.
        open: TenantId,
        /// The tenant of the inner scope.
        requested: TenantId,
    },

    /// Between client and server is a pooler that hands sessions around, and nothing is written: build the pool with [`RlsPoolOptions::behind_transaction_pooler`](crate::RlsPoolOptions::behind_transaction_pooler).
    #[error(
        "a prepared statement got lost between client and server, as with PgBouncer in transaction mode, nothing is written; build the pool with `RlsPoolOptions::behind_transaction_pooler`: {0}"
    )]
    PreparedStatementLost(#[source] sqlx::Error),

    /// A pooler refused what every client of sqlx says when it connects: make it ignore that.
    #[error(
        "the pooler refused the connection, set `ignore_startup_parameters = extra_float_digits` in PgBouncer: {0}"
    )]
    StartupRefused(#[source] sqlx::Error),

    /// The role that the pool connects as could get past the policies.
    #[error("{0}")]
    RoleRefused(RoleProblems),

    /// The pool's options do not make sense.
    #[error("{0}")]
    Configuration(String),
}

impl Error {
    /// Whether the same scope may succeed when it is simply run again: a serialization failure or a deadlock.
    pub fn is_conflict(&self) -> bool {
        match self {
            Error::CommitRefused(error) | Error::Unavailable(error) => {
                sqlstate(error).is_some_and(|code| is_conflict_code(&code))
            }
            Error::StatementFailed { code: Some(code), .. } => is_conflict_code(code),
            _ => false,
        }
    }

    /// No connection, with the remedy where it is known.
    pub(crate) fn no_connection(error: sqlx::Error) -> Error {
        let parameter_refused =
            error.as_database_error().is_some_and(|error| error.message().contains("unsupported startup parameter"));
        if parameter_refused { Error::StartupRefused(error) } else { Error::Unavailable(error) }
    }

    /// The scope's error inside an `sqlx::Error`, for closures that return that type.
    pub fn find_in(error: &sqlx::Error) -> Option<&Error> {
        match error {
            sqlx::Error::AnyDriverError(inner) => inner.downcast_ref(),
            _ => None,
        }
    }
}

/// Closures that return `sqlx::Error` get the scope's own errors inside one; [`Error::find_in`] finds them.
impl From<Error> for sqlx::Error {
    fn from(error: Error) -> sqlx::Error {
        match error {
            Error::Unavailable(inner) | Error::CommitRefused(inner) => inner,
            other => sqlx::Error::AnyDriverError(Box::new(other)),
        }
    }
}

/// Serialization failure and deadlock: PostgreSQL asks for a retry.
pub(crate) fn is_conflict_code(code: &str) -> bool {
    matches!(code, "40001" | "40P01")
}

/// The five characters that say what the server found wrong.
pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the connection is gone, not only the statement.
pub(crate) fn connection_is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)),
        _ => false,
    }
}
