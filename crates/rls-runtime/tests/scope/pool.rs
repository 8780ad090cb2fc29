//! What the pool's options promise, and what becomes of its connections.

use std::time::Duration;

use rls_runtime::testing::{SessionState, TENANT_A, TENANT_B, TestDb};
use rls_runtime::{Error, RlsPool, RlsPoolOptions, with_tenant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::database;

type ScopeResult<T> = Result<T, Error>;

async fn backend(pool: &RlsPool) -> i32 {
    let pid = with_tenant(pool, TENANT_A, async |mut tx| -> sqlx::Result<i32> {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *tx).await
    });
    pid.await.expect("reads")
}

/// Looks at the pool until it is as it shall be; the server's pauses give it the time.
async fn until(db: &TestDb, what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        db.execute("SELECT pg_sleep(0.01)").await.expect("sleeps");
    }
    panic!("{what}");
}

#[tokio::test]
async fn a_settled_scope_gives_its_connection_to_the_next_at_once() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(4)).await;
    let first = backend(&pool).await;
    for _ in 0..20 {
        assert_eq!((pool.size(), pool.num_idle()), (1, 1));
        assert_eq!(backend(&pool).await, first);
    }
}

#[tokio::test]
async fn a_connection_that_is_too_old_or_was_idle_too_long_is_replaced() {
    let db = database().await;
    let at_once = Duration::ZERO;
    for options in [RlsPoolOptions::new().max_lifetime(at_once), RlsPoolOptions::new().idle_timeout(at_once)] {
        let pool = db.pool_with(options.max_connections(2)).await;
        let first = backend(&pool).await;
        assert_ne!(backend(&pool).await, first);
        until(&db, "an idle connection is closed without being asked for", || pool.size() == 0).await;
    }
    let kept = db.pool_with(RlsPoolOptions::new().max_lifetime(None).idle_timeout(None)).await;
    assert_eq!(backend(&kept).await, backend(&kept).await);
}

#[tokio::test]
async fn the_least_number_of_connections_is_opened_and_opened_again() {
    let db = database().await;
    let options = RlsPoolOptions::new().min_connections(3).max_connections(4).idle_timeout(Duration::ZERO);
    let pool = db.pool_with(options).await;
    until(&db, "three are opened", || pool.num_idle() == 3).await;
    let before = SessionState::of_next(&pool).await.backend_pid;
    until(&db, "none is closed for good", || pool.num_idle() == 3).await;
    assert_ne!(SessionState::of_next(&pool).await.backend_pid, before, "an idle one was replaced");
}

/// A scope that is open until the sender is dropped, on the pool's only connection.
async fn held_open(pool: &RlsPool) -> (oneshot::Sender<()>, JoinHandle<ScopeResult<()>>) {
    let pool = pool.clone();
    let (opened, is_open) = oneshot::channel();
    let (hold, let_go) = oneshot::channel();
    let scope = tokio::spawn(async move {
        with_tenant(&pool, TENANT_A, async |_tx| {
            opened.send(()).ok();
            let_go.await.ok();
            Ok(())
        })
        .await
    });
    is_open.await.expect("the scope is opened");
    (hold, scope)
}

#[tokio::test]
async fn who_waits_for_a_connection_waits_no_longer_than_was_said() {
    let db = database().await;
    let options = RlsPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
    let pool = db.pool_with(options).await;
    let (hold, scope) = held_open(&pool).await;
    let refused = with_tenant(&pool, TENANT_B, async |_tx| ScopeResult::Ok(())).await;
    assert!(matches!(refused, Err(Error::Unavailable(sqlx::Error::PoolTimedOut))), "{refused:?}");
    drop(hold);
    scope.await.expect("no panic").expect("an open scope commits");
    backend(&pool).await;
}

#[tokio::test]
async fn who_waits_for_a_connection_is_sent_away_when_the_pool_is_closed() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let (hold, scope) = held_open(&pool).await;
    let mut waits = Box::pin(with_tenant(&pool, TENANT_B, async |_tx| ScopeResult::Ok(())));
    let mut close = Box::pin(pool.close());
    let refused = tokio::select! {
        biased;
        refused = &mut waits => refused,
        () = &mut close => panic!("a scope is open"),
    };
    assert!(matches!(refused, Err(Error::Unavailable(sqlx::Error::PoolClosed))), "{refused:?}");
    drop(hold);
    scope.await.expect("no panic").expect("an open scope commits");
    close.await;
    assert_eq!((pool.size(), pool.is_closed()), (0, true));
}

#[tokio::test]
async fn a_connection_that_is_not_given_back_makes_room_for_another() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let in_task = pool.clone();
        let panicked = tokio::spawn(async move {
            with_tenant(&in_task, TENANT_A, async |_tx| -> ScopeResult<()> { std::panic::resume_unwind(Box::new(())) })
                .await
        });
        assert!(panicked.await.is_err_and(|error| error.is_panic()));
        assert!(seen.insert(backend(&pool).await), "the scope that panicked has lost its connection");
        assert_eq!((pool.size(), pool.num_idle()), (1, 1));
    }
}
