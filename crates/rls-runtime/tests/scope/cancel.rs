//! Cancelled at every millisecond of a scope, with a server 20 ms away: no leak, no connection left in a transaction.

use std::time::Duration;

use rls_runtime::testing::{SessionState, TENANT_A, TENANT_B, TestDb};
use rls_runtime::{RlsPool, RlsPoolOptions, TenantTx, with_tenant};

use crate::support::database;
use crate::support::proxy::DelayProxy;

const ROUND_TRIP: Duration = Duration::from_millis(20);
const CANCEL_POINTS: std::ops::RangeInclusive<u64> = 1..=120;

/// Six round trips, so that the last cancel points meet the commit.
async fn work(mut tx: TenantTx, id: i64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO orders VALUES ($1, $2, 'new')").bind(tx.tenant()).bind(id).execute(&mut *tx).await?;
    let mut savepoint = tx.savepoint().await?;
    sqlx::query("UPDATE orders SET note = 'changed' WHERE id = $1").bind(id).execute(&mut *savepoint).await?;
    savepoint.release().await?;
    Ok(())
}

async fn pool_of_one(db: &TestDb, proxy: &DelayProxy) -> RlsPool {
    let options = RlsPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(60));
    options.connect_with(proxy.route(db.runtime_options())).await.expect("connects")
}

/// What the next borrower of the connection sees, and whether the work was done as a whole.
async fn check(pool: &RlsPool, id: i64, point: u64) {
    let state = SessionState::of_next(pool).await;
    assert_eq!((state.tenant, state.in_transaction), (None, false), "cancelled after {point} ms");
    let foreign: i64 = with_tenant(pool, TENANT_B, async |mut tx| {
        sqlx::query_scalar("SELECT count(*) FROM orders WHERE tenant_id <> $1").bind(TENANT_B).fetch_one(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("cancelled after {point} ms: {error}"));
    assert_eq!(foreign, 0, "cancelled after {point} ms");
    let note: Option<String> = with_tenant(pool, TENANT_A, async |mut tx| {
        sqlx::query_scalar("SELECT note FROM orders WHERE id = $1").bind(id).fetch_optional(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("cancelled after {point} ms: {error}"));
    assert!(matches!(note.as_deref(), None | Some("changed")), "all or nothing, after {point} ms: {note:?}");
}

/// The server's own view, once what was cancelled has been closed.
async fn assert_no_transaction_is_left(db: &TestDb) {
    let observer = sqlx::PgPool::connect_with(db.superuser_options()).await.expect("connects");
    // A backend whose client is gone ends by itself; pg_sleep gives it the time.
    let mut left = i64::MAX;
    for _ in 0..500 {
        left = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity CROSS JOIN (SELECT pg_sleep(0.01)) wait
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        )
        .fetch_one(&observer)
        .await
        .expect("reads");
        if left == 0 {
            return;
        }
    }
    panic!("{left} connections left in a transaction");
}

async fn cancel_everywhere(warm: bool) {
    let db = database().await;
    let proxy = DelayProxy::start(&db.cluster().socket_path(), ROUND_TRIP, None);
    let points = CANCEL_POINTS.map(|point| {
        let (db, proxy) = (&db, &proxy);
        async move {
            let pool = pool_of_one(db, proxy).await;
            let id = 1000 + point as i64;
            if warm {
                with_tenant(&pool, TENANT_A, async |tx| work(tx, id + 1000).await).await.expect("commits");
            } else {
                SessionState::of_next(&pool).await;
            }
            let scope = with_tenant(&pool, TENANT_A, async |tx| work(tx, id).await);
            let finished = tokio::time::timeout(Duration::from_millis(point), scope).await.is_ok();
            check(&pool, id, point).await;
            pool.close().await;
            finished
        }
    });
    let finished = futures_util::future::join_all(points).await;
    assert_no_transaction_is_left(&db).await;
    assert!(!finished[0], "the first cancel point is within the scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_cancelled_anywhere_leaks_nothing() {
    cancel_everywhere(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_cancelled_while_it_prepares_leaks_nothing() {
    cancel_everywhere(false).await;
}

#[tokio::test]
async fn the_server_ends_the_statement_of_a_cancelled_scope() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let long = with_tenant(&pool, TENANT_A, async |mut tx| {
        sqlx::raw_sql("UPDATE orders SET note = 'long'; SELECT pg_sleep(600)").execute(&mut *tx).await
    });
    assert!(tokio::time::timeout(Duration::from_millis(100), long).await.is_err());
    assert_no_transaction_is_left(&db).await;
}

/// The closure goes on after a statement of its own was cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_cancelled_within_the_scope_leaves_it_whole() {
    let db = database().await;
    let proxy = DelayProxy::start(&db.cluster().socket_path(), ROUND_TRIP, None);
    let points = (1..=60).step_by(3).map(|point: u64| {
        let (db, proxy) = (&db, &proxy);
        async move {
            let pool = pool_of_one(db, proxy).await;
            let id = 1000 + point as i64;
            with_tenant(&pool, TENANT_A, async |mut tx| {
                let slow = async {
                    let mut part = tx.savepoint().await?;
                    sqlx::query("UPDATE orders SET note = 'half' WHERE id = 1").execute(&mut *part).await?;
                    part.rollback().await
                };
                tokio::time::timeout(Duration::from_millis(point), slow).await.ok();
                let half: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM orders WHERE note = 'half'").fetch_one(&mut *tx).await?;
                assert_eq!(half, 0, "a savepoint that was cancelled after {point} ms is undone");
                work(tx, id).await
            })
            .await
            .unwrap_or_else(|error: sqlx::Error| panic!("cancelled after {point} ms: {error}"));
            check(&pool, id, point).await;
        }
    });
    futures_util::future::join_all(points).await;
    assert_no_transaction_is_left(&db).await;
}
