//! The handle that a scope gives to its closure: statements and savepoints, and no way to end the transaction.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{AssertSqlSafe, Describe, Either, Execute, Executor, Postgres, SqlStr};

use crate::binding::Link;
use crate::error::{Error, sqlstate};
use crate::session::{Session, release, savepoint};
use crate::slot::Slot;
use crate::tenant::TenantId;

/// The handle of one tenant's scope.
///
/// It exists inside [`with_tenant`](crate::with_tenant) only, and is an sqlx executor as `&mut *tx`, in the closure as in functions that take `&mut TenantTx`.
/// When it is dropped the scope commits or rolls back; when it is not, the scope fails.
///
/// ```
/// use rls_runtime::TenantTx;
///
/// async fn open_orders(tx: &mut TenantTx) -> sqlx::Result<i64> {
///     sqlx::query_scalar("SELECT count(*) FROM orders WHERE NOT shipped").fetch_one(&mut *tx).await
/// }
/// ```
#[must_use = "a scope without a statement does nothing"]
pub struct TenantTx {
    conn: TenantConn,
    slot: Arc<Slot>,
}

/// What statements of a scope run on: the scope's connection, as sqlx sees it.
pub struct TenantConn {
    slot: Arc<Slot>,
    link: Link,
}

/// A part of a scope that can be undone alone. Dropping it without [`release`](Savepoint::release) undoes it.
///
/// ```
/// use rls_runtime::TenantTx;
///
/// async fn import_row(tx: &mut TenantTx, sku: &str) -> sqlx::Result<bool> {
///     let mut attempt = tx.savepoint().await?;
///     match sqlx::query("INSERT INTO products (sku) VALUES ($1)").bind(sku).execute(&mut *attempt).await {
///         Ok(_) => attempt.release().await.map(|()| true),
///         Err(_) => Ok(false), // the row is skipped, the scope goes on
///     }
/// }
/// ```
#[must_use = "a savepoint is undone when it is dropped"]
pub struct Savepoint<'a> {
    conn: &'a mut TenantConn,
    number: u32,
    released: bool,
}

impl TenantTx {
    pub(crate) fn new(slot: Arc<Slot>, link: Link) -> TenantTx {
        let conn = TenantConn { slot: Arc::clone(&slot), link };
        TenantTx { conn, slot }
    }
}

impl Drop for TenantTx {
    fn drop(&mut self) {
        self.slot.handle_dropped();
    }
}

impl Deref for TenantTx {
    type Target = TenantConn;

    fn deref(&self) -> &TenantConn {
        &self.conn
    }
}

impl DerefMut for TenantTx {
    fn deref_mut(&mut self) -> &mut TenantConn {
        &mut self.conn
    }
}

impl TenantConn {
    /// The tenant of the scope.
    pub fn tenant(&self) -> TenantId {
        self.slot.tenant()
    }

    /// Start a part of the scope that can be undone alone.
    pub async fn savepoint(&mut self) -> sqlx::Result<Savepoint<'_>> {
        let mut lease = Arc::clone(&self.slot).lease()?;
        lease.settle_savepoints().await?;
        let session = lease.session()?;
        session.savepoints += 1;
        let number = session.savepoints;
        run_plain(session, savepoint(number)).await?;
        drop(lease);
        Ok(Savepoint { conn: self, number, released: false })
    }
}

impl Savepoint<'_> {
    /// Keep what was done since the savepoint.
    pub async fn release(mut self) -> sqlx::Result<()> {
        let mut lease = Arc::clone(&self.conn.slot).lease()?;
        lease.settle_savepoints().await?;
        self.released = true;
        run_plain(lease.session()?, release(self.number)).await
    }

    /// Undo what was done since the savepoint, and say so when the server could not.
    pub async fn rollback(self) -> sqlx::Result<()> {
        let slot = Arc::clone(&self.conn.slot);
        drop(self);
        slot.lease()?.settle_savepoints().await
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.released {
            self.conn.slot.savepoint_dropped(self.number);
        }
    }
}

impl Deref for Savepoint<'_> {
    type Target = TenantConn;

    fn deref(&self) -> &TenantConn {
        self.conn
    }
}

impl DerefMut for Savepoint<'_> {
    fn deref_mut(&mut self) -> &mut TenantConn {
        self.conn
    }
}

// rls-audit: allow(RLS001, reason = "is the handle itself, on the connection that the scope has bound")
async fn run_plain(session: &mut Session, sql: String) -> sqlx::Result<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql)).execute(session.connection()).await;
    ran.map(drop).map_err(|error| explained(session, error))
}

/// Remember the failure, and say what is behind it where the server cannot know.
fn explained(session: &mut Session, error: sqlx::Error) -> sqlx::Error {
    session.note_failure(&error);
    let name_unknown_or_taken = matches!(sqlstate(&error).as_deref(), Some("26000" | "42P05"));
    if name_unknown_or_taken {
        return Error::PreparedStatementLost(error).into();
    }
    error
}

/// A statement whose name is left out where a pooler would mix names up.
struct Named<E> {
    query: E,
    link: Link,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Named<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.link == Link::Direct && self.query.persistent()
    }
}

impl<'c> Executor<'c> for &'c mut TenantConn {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let slot = Arc::clone(&self.slot);
        let query = Named { query, link: self.link };
        Box::pin(async_stream::try_stream! {
            let mut lease = slot.lease()?;
            lease.settle_savepoints().await?;
            let session = lease.session()?;
            let mut failed = None;
            let mut steps = session.connection().fetch_many(query);
            while let Some(step) = steps.next().await {
                match step {
                    Ok(step) => yield step,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            drop(steps);
            if let Some(error) = failed {
                Err(explained(session, error))?;
            }
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let slot = Arc::clone(&self.slot);
        let query = Named { query, link: self.link };
        Box::pin(async move {
            let mut lease = slot.lease()?;
            lease.settle_savepoints().await?;
            let session = lease.session()?;
            let fetched = session.connection().fetch_optional(query).await;
            fetched.map_err(|error| explained(session, error))
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let slot = Arc::clone(&self.slot);
        Box::pin(async move {
            let mut lease = slot.lease()?;
            lease.settle_savepoints().await?;
            let session = lease.session()?;
            let prepared = session.connection().prepare_with(sql, parameters).await;
            prepared.map_err(|error| explained(session, error))
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        let slot = Arc::clone(&self.slot);
        Box::pin(async move {
            let mut lease = slot.lease()?;
            lease.settle_savepoints().await?;
            let session = lease.session()?;
            let described = session.connection().describe(sql).await;
            described.map_err(|error| explained(session, error))
        })
    }
}

/// The same as on `&mut *tx`, so that functions can take `&mut TenantTx` and pass `&mut *tx` on.
impl<'c> Executor<'c> for &'c mut TenantTx {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.conn.fetch_many(query)
    }

    // rls-audit: allow(RLS001, reason = "passes on to the handle itself")
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Executor::fetch_optional(&mut self.conn, query)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.conn.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.conn.describe(sql)
    }
}

impl fmt::Debug for TenantTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx").field("tenant", &self.tenant()).finish_non_exhaustive()
    }
}

impl fmt::Debug for TenantConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantConn").field("tenant", &self.tenant()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("tenant", &self.tenant()).finish_non_exhaustive()
    }
}
