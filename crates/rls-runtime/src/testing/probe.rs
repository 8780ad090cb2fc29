//! What the next user of a pooled connection would meet.

use sqlx::{AssertSqlSafe, Row};

use crate::error::Error;
use crate::pool::RlsPool;

/// The state of a session between two scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionState {
    /// The server's process.
    pub backend_pid: i32,
    /// The tenant that is still bound. Anything but `None` is a leak.
    pub tenant: Option<String>,
    /// Whether a transaction is still open. `true` is a leak.
    pub in_transaction: bool,
    /// The role that statements run as.
    pub role: String,
}

impl SessionState {
    /// Look at the connection that the pool would give to the next scope.
    ///
    /// # Panics
    ///
    /// When the pool gives none.
    pub async fn of_next(pool: &RlsPool) -> SessionState {
        SessionState::read(pool).await.unwrap_or_else(|error| panic!("no connection to look at: {error}"))
    }

    // rls-audit: allow(RLS001, reason = "looks at the session outside every scope, which is what it is for")
    async fn read(pool: &RlsPool) -> Result<SessionState, Error> {
        let mut connection = pool.borrow().await?;
        // In one simple query the two times are the same, unless the transaction is older than the query.
        let look = format!(
            "SELECT pg_backend_pid()::text AS pid, nullif(current_setting('{}', true), '') AS tenant,
                    (now() <> statement_timestamp())::text AS in_transaction, current_user::text AS role",
            pool.tenant_setting()
        );
        let row = sqlx::raw_sql(AssertSqlSafe(look)).fetch_one(&mut *connection).await.map_err(Error::Unavailable)?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(SessionState {
                backend_pid: row.try_get::<String, _>("pid")?.parse().map_err(sqlx::Error::decode)?,
                tenant: row.try_get("tenant")?,
                in_transaction: row.try_get::<String, _>("in_transaction")? == "true",
                role: row.try_get("role")?,
            })
        };
        connection.give_back();
        read(&row).map_err(Error::Unavailable)
    }
}
