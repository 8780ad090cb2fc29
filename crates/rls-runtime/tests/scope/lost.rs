//! What a scope does when the server, the network or the pool goes away.

use std::time::Duration;

use rls_runtime::testing::{SessionState, TENANT_A, TENANT_B, TestDb};
use rls_runtime::{Error, RlsPool, RlsPoolOptions, TenantTx, with_tenant};

use crate::support::database;
use crate::support::proxy::DelayProxy;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Scope(#[from] Error),
}

async fn insert(tx: &mut TenantTx, id: i64) -> Result<(), Failed> {
    sqlx::query("INSERT INTO orders VALUES ($1, $2, 'new')").bind(tx.tenant()).bind(id).execute(&mut *tx).await?;
    Ok(())
}

async fn kill_backend_of(tx: &mut TenantTx, db: &TestDb) -> Result<(), Failed> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *tx).await?;
    db.execute_as_superuser(&format!("SELECT pg_terminate_backend({pid}, 10000)")).await.expect("the superuser may");
    Ok(())
}

async fn ids(pool: &RlsPool) -> Vec<i64> {
    with_tenant(pool, TENANT_A, async |mut tx| {
        Ok::<_, Failed>(sqlx::query_scalar("SELECT id FROM orders ORDER BY id").fetch_all(&mut *tx).await?)
    })
    .await
    .expect("the pool has recovered")
}

#[tokio::test]
async fn a_backend_killed_before_a_statement_fails_the_statement() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let killed = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 10).await?;
        kill_backend_of(&mut tx, &db).await?;
        insert(&mut tx, 11).await
    })
    .await;
    assert!(matches!(killed, Err(Failed::Sql(_))), "{killed:?}");
    assert_eq!(ids(&pool).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_backend_killed_and_swallowed_is_no_success() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let swallowed = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 10).await?;
        kill_backend_of(&mut tx, &db).await?;
        insert(&mut tx, 11).await.ok();
        Ok::<_, Failed>(())
    })
    .await;
    assert!(matches!(swallowed, Err(Failed::Scope(Error::StatementFailed { .. }))), "{swallowed:?}");
    assert_eq!(ids(&pool).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_backend_killed_before_the_commit_is_no_success() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let killed = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 10).await?;
        kill_backend_of(&mut tx, &db).await
    })
    .await;
    assert!(
        matches!(killed, Err(Failed::Scope(Error::CommitRefused(_) | Error::OutcomeUnknown(_)))),
        "the server said farewell, or its words were lost: {killed:?}"
    );
    assert_eq!(ids(&pool).await, [1, 2, 3]);
}

#[tokio::test]
async fn an_idle_connection_that_died_is_replaced_without_an_error() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let before = SessionState::of_next(&pool).await.backend_pid;
    let kill = format!("SELECT pg_terminate_backend({before}, 10000)");
    db.execute_as_superuser(&kill).await.expect("the superuser may");
    assert_eq!(ids(&pool).await, [1, 2, 3]);
    assert_ne!(SessionState::of_next(&pool).await.backend_pid, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_during_the_commit_leaves_the_outcome_open() {
    let db = database().await;
    let proxy = DelayProxy::start(&db.cluster().socket_path(), Duration::from_millis(2), Some(";COMMIT;"));
    let pool = RlsPoolOptions::new().max_connections(1).connect_with(proxy.route(db.runtime_options())).await;
    let pool = pool.expect("connects");
    let cut = with_tenant(&pool, TENANT_A, async |mut tx| insert(&mut tx, 10).await).await;
    assert!(matches!(cut, Err(Failed::Scope(Error::OutcomeUnknown(_)))), "{cut:?}");
    let now = ids(&pool).await;
    assert!(now == [1, 2, 3] || now == [1, 2, 3, 10], "all or nothing: {now:?}");
}

#[tokio::test]
async fn a_closed_pool_lets_open_scopes_end_and_opens_no_more() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(2)).await;
    let (opened, wait_until_open) = tokio::sync::oneshot::channel::<()>();
    let (closing, wait_until_closing) = tokio::sync::oneshot::channel::<()>();
    let in_task = pool.clone();
    let open = tokio::spawn(async move {
        with_tenant(&in_task, TENANT_A, async |mut tx| {
            insert(&mut tx, 10).await?;
            opened.send(()).ok();
            wait_until_closing.await.ok();
            insert(&mut tx, 11).await
        })
        .await
    });
    wait_until_open.await.expect("the scope is open");
    let mut close = Box::pin(pool.close());
    tokio::select! {
        biased;
        () = &mut close => panic!("a scope is open"),
        () = std::future::ready(()) => {}
    }
    let late = with_tenant(&pool, TENANT_B, async |_tx| Ok::<_, Failed>(())).await;
    assert!(matches!(late, Err(Failed::Scope(Error::Unavailable(sqlx::Error::PoolClosed)))), "{late:?}");
    closing.send(()).ok();
    open.await.expect("no panic").expect("an open scope commits");
    close.await;
    let again = db.pool().await;
    assert_eq!(ids(&again).await, [1, 2, 3, 10, 11]);
}
