//! One pooled connection for the time of one scope: opened in one message, settled in one message, closed when anything is in doubt.
//!
//! The connection goes back to the pool from `commit` and `rollback` only, after the server has said that nothing of the tenant is left on it.
//! Every other way out, cancellation and panic among them, closes it, and the server then rolls back.

use std::sync::Arc;

use futures_util::StreamExt;
use sqlx::{AssertSqlSafe, Either, Executor, PgConnection, Row};

use crate::binding::Binding;
use crate::connections::Borrowed;
use crate::error::{Error, connection_is_lost, sqlstate};
use crate::options::ScopeOptions;
use crate::pool::RlsPool;

/// A statement that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: Option<String>,
    pub(crate) message: String,
}

/// A connection that is bound to a tenant, and closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Borrowed,
    binding: Binding,
    /// The savepoint to go back to before anything else is sent.
    pub(crate) pending_rollback: Option<u32>,
    pub(crate) savepoints: u32,
    /// The last statement that failed.
    pub(crate) failure: Option<Failure>,
    lost: bool,
}

impl Session {
    /// Take a connection and open the transaction with the tenant bound.
    ///
    /// A pooled connection may have died while it was idle; nothing has happened on it yet, so the next one is tried.
    pub(crate) async fn begin(pool: &RlsPool, binding: &Binding, options: &ScopeOptions) -> Result<Session, Error> {
        let mut attempts_left = pool.max_connections();
        loop {
            let mut session = Session {
                connection: pool.borrow().await?,
                binding: binding.clone(),
                pending_rollback: None,
                savepoints: 0,
                failure: None,
                lost: false,
            };
            let begun = exchange(session.connection(), binding.begin_sql(options)).await;
            match begun.error {
                None => return Ok(session),
                Some(error) if connection_is_lost(&error) && attempts_left > 0 => attempts_left -= 1,
                Some(error) => return Err(Error::Unavailable(error)),
            }
        }
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Go back to the savepoint that was dropped without a release.
    pub(crate) async fn roll_back_pending(&mut self) -> Result<(), sqlx::Error> {
        if let Some(savepoint) = self.pending_rollback {
            let back = AssertSqlSafe(rollback_to(savepoint));
            sqlx::raw_sql(back).execute(self.connection()).await?;
            self.pending_rollback = None;
            self.failure = None;
        }
        Ok(())
    }

    /// Remember what failed: it explains an aborted transaction, and decides about a retry.
    pub(crate) fn note_failure(&mut self, error: &sqlx::Error) {
        self.lost |= connection_is_lost(error);
        if self.lost || error.as_database_error().is_some() {
            self.failure = Some(Failure { code: sqlstate(error), message: error.to_string() });
        }
    }

    /// Commit, if the transaction is still the scope's own.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        if self.lost {
            return Err(self.swallowed());
        }
        let back = self.pending_rollback.map(|savepoint| rollback_to(savepoint) + ";").unwrap_or_default();
        let wording = Arc::clone(&self.binding.wording);
        let statements_before_commit = if back.is_empty() { 1 } else { 2 };
        let sent = exchange(self.connection(), format!("{back}{};COMMIT;{}", wording.check, wording.tidy)).await;
        let committed = sent.done > statements_before_commit;
        let commit_was_reached = sent.done == statements_before_commit;
        let Some(error) = sent.error else {
            return self.put_back(sent.last);
        };
        if committed {
            tracing::warn!(%error, "connection lost after the commit");
            return Ok(());
        }
        // What the server says comes in order: a farewell before the commit's turn means that it never came to it.
        let farewell_before_commit = !commit_was_reached && error.as_database_error().is_some();
        if connection_is_lost(&error) && !farewell_before_commit {
            return Err(Error::OutcomeUnknown(error));
        }
        if commit_was_reached {
            // The server has ended the transaction with the refusal, nothing is left to roll back.
            return Err(Error::CommitRefused(error));
        }
        match sqlstate(&error).as_deref() {
            Some("25P02") => {
                let swallowed = self.swallowed();
                self.roll_back_quietly().await;
                Err(swallowed)
            }
            Some("26000") => Err(Error::PreparedStatementLost(error)),
            _ => Err(self.binding.explain(&error.to_string()).unwrap_or(Error::CommitRefused(error))),
        }
    }

    /// Roll back. An error says that the closure's work could not be undone.
    pub(crate) async fn rollback(mut self) -> Result<(), Error> {
        let nothing_failed = self.failure.is_none() && self.pending_rollback.is_none();
        if nothing_failed {
            let wording = Arc::clone(&self.binding.wording);
            let sent = exchange(self.connection(), format!("{};ROLLBACK;{}", wording.check, wording.tidy)).await;
            return match sent.error {
                None => self.put_back(sent.last),
                Some(error) => match self.binding.explain(&error.to_string()) {
                    Some(ended @ Error::EndedEarly { .. }) => Err(ended),
                    // Rolled back by closing the connection.
                    _ => Ok(()),
                },
            };
        }
        self.roll_back_quietly().await;
        Ok(())
    }

    /// Roll back; where that fails the connection is closed, which does the same.
    async fn roll_back_quietly(mut self) {
        if self.lost {
            return;
        }
        let rollback = format!("ROLLBACK;{}", self.binding.wording.tidy);
        let sent = exchange(self.connection(), rollback).await;
        if sent.error.is_none()
            && let Err(error) = self.put_back(sent.last)
        {
            tracing::error!(%error, "scope ended badly");
        }
    }

    /// Give the connection back to the pool, if no tenant was left on it.
    fn put_back(self, left: Option<String>) -> Result<(), Error> {
        match left.as_deref() {
            Some("") => {
                self.connection.give_back();
                Ok(())
            }
            found => {
                let found = found.unwrap_or_default().to_owned();
                Err(Error::SessionBound { tenant: self.binding.tenant, found })
            }
        }
    }

    fn swallowed(&self) -> Error {
        let unknown = || Failure { code: None, message: "a statement had failed".to_owned() };
        let Failure { code, message } = self.failure.clone().unwrap_or_else(unknown);
        Error::StatementFailed { code, message }
    }
}

/// What came back for one message of several statements.
struct Exchange {
    /// How many statements succeeded.
    done: usize,
    /// The first column of the last row, as text.
    last: Option<String>,
    error: Option<sqlx::Error>,
}

async fn exchange(connection: &mut PgConnection, sql: String) -> Exchange {
    let mut received = Exchange { done: 0, last: None, error: None };
    let mut steps = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(sql)));
    while let Some(step) = steps.next().await {
        match step {
            Ok(Either::Left(_)) => received.done += 1,
            Ok(Either::Right(row)) => received.last = row.try_get_unchecked(0).ok(),
            Err(error) => {
                received.error = Some(error);
                break;
            }
        }
    }
    received
}

pub(crate) fn savepoint(number: u32) -> String {
    format!("SAVEPOINT rls_{number}")
}

pub(crate) fn release(number: u32) -> String {
    format!("RELEASE SAVEPOINT rls_{number}")
}

fn rollback_to(number: u32) -> String {
    format!("ROLLBACK TO SAVEPOINT rls_{number}")
}
