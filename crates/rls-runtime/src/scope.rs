//! A pool, a tenant and a closure in; the closure's result out, committed or rolled back.

use std::sync::Arc;

use tracing::Instrument;

use crate::binding::Binding;
use crate::error::{Error, is_conflict_code};
use crate::handle::TenantTx;
use crate::options::{Retry, ScopeOptions};
use crate::pool::RlsPool;
use crate::session::Session;
use crate::slot::Slot;
use crate::tenant::TenantId;

tokio::task_local! {
    /// The tenant whose scope this task is in.
    static OPEN: TenantId;
}

/// Run a closure in a transaction that sees one tenant: commit on `Ok`, roll back on `Err`, panic and cancellation.
///
/// The scope's own errors come back as the closure's error type, hence `E: From<Error>`; [`Error::find_in`] finds them in an `sqlx::Error`.
/// A scope costs the round trips of a bare `BEGIN` and `COMMIT`.
///
/// ```no_run
/// use rls_runtime::{RlsPool, TenantId, with_tenant};
///
/// async fn ship(pool: &RlsPool, tenant: TenantId, order: i64) -> sqlx::Result<i64> {
///     with_tenant(pool, tenant, async |mut tx| {
///         sqlx::query("UPDATE orders SET shipped = true WHERE id = $1").bind(order).execute(&mut *tx).await?;
///         sqlx::query_scalar("SELECT count(*) FROM orders WHERE NOT shipped").fetch_one(&mut *tx).await
///     })
///     .await
/// }
/// ```
pub async fn with_tenant<F, Fut, T, E>(pool: &RlsPool, tenant: TenantId, work: F) -> Result<T, E>
where
    F: FnOnce(TenantTx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    attempt(pool, tenant, &ScopeOptions::new(), work).await.result
}

/// [`with_tenant`], opened as the options say.
///
/// ```no_run
/// # use rls_runtime::{RlsPool, ScopeOptions, TenantId, with_tenant_opts};
/// # async fn report(pool: &RlsPool, tenant: TenantId) -> sqlx::Result<i64> {
/// with_tenant_opts(pool, tenant, &ScopeOptions::new().read_only(), async |mut tx| {
///     sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await
/// })
/// .await
/// # }
/// ```
pub async fn with_tenant_opts<F, Fut, T, E>(
    pool: &RlsPool,
    tenant: TenantId,
    options: &ScopeOptions,
    work: F,
) -> Result<T, E>
where
    F: FnOnce(TenantTx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    attempt(pool, tenant, options, work).await.result
}

/// [`with_tenant_opts`], run again after a serialization failure or a deadlock.
///
/// Each attempt is a scope of its own; what an attempt did outside the database is not undone.
///
/// ```no_run
/// # use rls_runtime::{Isolation, Retry, RlsPool, ScopeOptions, TenantId, with_tenant_retry};
/// # async fn reserve(pool: &RlsPool, tenant: TenantId) -> sqlx::Result<()> {
/// let options = ScopeOptions::new().isolation(Isolation::Serializable);
/// with_tenant_retry(pool, tenant, &options, &Retry::attempts(5), async |mut tx| {
///     sqlx::query("UPDATE stock SET free = free - 1 WHERE sku = 'A1'").execute(&mut *tx).await?;
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn with_tenant_retry<F, Fut, T, E>(
    pool: &RlsPool,
    tenant: TenantId,
    options: &ScopeOptions,
    retry: &Retry,
    mut work: F,
) -> Result<T, E>
where
    F: FnMut(TenantTx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    let mut attempts = 1;
    loop {
        let ended = attempt(pool, tenant, options, &mut work).await;
        let random = uuid::Uuid::new_v4().as_u64_pair().0;
        match retry.pause_after(attempts, random).filter(|_| ended.conflict) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return ended.result,
        }
        attempts += 1;
    }
}

struct Attempt<T, E> {
    result: Result<T, E>,
    /// It failed, and the server asks for a retry.
    conflict: bool,
}

impl<T, E: From<Error>> Attempt<T, E> {
    fn refused(error: Error) -> Attempt<T, E> {
        Attempt { conflict: error.is_conflict(), result: Err(error.into()) }
    }
}

async fn attempt<F, Fut, T, E>(pool: &RlsPool, tenant: TenantId, options: &ScopeOptions, work: F) -> Attempt<T, E>
where
    F: FnOnce(TenantTx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    if let Ok(open) = OPEN.try_with(|open| *open) {
        return Attempt::refused(Error::Nested { open, requested: tenant });
    }
    let span = tracing::debug_span!("tenant_scope", %tenant, label = options.trace_label());
    run(pool, tenant, options, work).instrument(span).await
}

async fn run<F, Fut, T, E>(pool: &RlsPool, tenant: TenantId, options: &ScopeOptions, work: F) -> Attempt<T, E>
where
    F: FnOnce(TenantTx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    let binding = Binding { wording: Arc::clone(pool.wording()), tenant };
    let session = match Session::begin(pool, &binding, options).await {
        Ok(session) => session,
        Err(error) => return Attempt::refused(error),
    };
    let (scope_side, slot) = Slot::new(tenant, session);
    let handle = TenantTx::new(slot, pool.link());
    let outcome = OPEN.scope(tenant, async { work(handle).await }).await;
    match (outcome, scope_side.finish()) {
        (Ok(value), Ok(session)) => match session.commit().await {
            Ok(()) => Attempt { result: Ok(value), conflict: false },
            Err(error) => Attempt::refused(error),
        },
        (Ok(_), Err(escaped)) => Attempt::refused(escaped),
        (Err(error), Ok(session)) => {
            let code = session.failure.as_ref().and_then(|failure| failure.code.as_deref());
            let conflict = code.is_some_and(is_conflict_code);
            match session.rollback().await {
                Ok(()) => Attempt { result: Err(error), conflict },
                Err(not_undone) => Attempt::refused(not_undone),
            }
        }
        (Err(error), Err(_)) => Attempt { result: Err(error), conflict: false },
    }
}
