//! What a scope does when everybody behaves.

use std::time::Duration;

use rls_runtime::testing::{SessionState, TENANT_A, TENANT_B, assert_isolated};
use rls_runtime::{
    Error, Isolation, Retry, RlsPoolOptions, ScopeOptions, TenantId, TenantTx, with_tenant, with_tenant_opts,
    with_tenant_retry,
};

use crate::support::database;
use crate::support::proxy::DelayProxy;

async fn count(tx: &mut TenantTx) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await
}

async fn add(tx: &mut TenantTx, id: i64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO orders VALUES ($1, $2, 'new')").bind(tx.tenant()).bind(id).execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test]
async fn commits_on_ok_and_rolls_back_on_err() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    with_tenant(&pool, TENANT_A, async |mut tx| add(&mut tx, 10).await).await.expect("commits");
    let failed: Result<(), sqlx::Error> = with_tenant(&pool, TENANT_A, async |mut tx| {
        add(&mut tx, 11).await?;
        Err(sqlx::Error::RowNotFound)
    })
    .await;
    assert!(matches!(failed, Err(sqlx::Error::RowNotFound)), "the closure's own error comes back: {failed:?}");
    let seen_by = async |tenant: TenantId| with_tenant(&pool, tenant, async |mut tx| count(&mut tx).await).await;
    assert_eq!(seen_by(TENANT_A).await.expect("reads"), 4);
    assert_eq!(seen_by(TENANT_B).await.expect("reads"), 3);
    let state = SessionState::of_next(&pool).await;
    assert_eq!((state.tenant, state.in_transaction), (None, false));
}

#[tokio::test]
async fn a_connection_is_kept_after_commit_and_after_rollback() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let before = SessionState::of_next(&pool).await.backend_pid;
    with_tenant(&pool, TENANT_A, async |mut tx| add(&mut tx, 10).await).await.expect("commits");
    let failed: Result<(), sqlx::Error> = with_tenant(&pool, TENANT_A, async |mut tx| add(&mut tx, 10).await).await;
    assert!(failed.is_err(), "the key is taken");
    let failed: Result<(), sqlx::Error> = with_tenant(&pool, TENANT_A, async |_tx| Err(sqlx::Error::RowNotFound)).await;
    assert!(failed.is_err());
    assert_eq!(SessionState::of_next(&pool).await.backend_pid, before);
}

#[tokio::test]
async fn statements_run_on_the_handle_and_on_a_borrowed_one() {
    let db = database().await;
    let pool = db.pool().await;
    let first_two = with_tenant(&pool, TENANT_A, async |mut tx| {
        let here: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await?;
        let there = count(&mut tx).await?;
        assert_eq!(here, there);
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM orders ORDER BY id LIMIT 2").fetch_all(&mut *tx).await?;
        let none: Option<i64> =
            sqlx::query_scalar("SELECT id FROM orders WHERE id = 99").fetch_optional(&mut tx).await?;
        assert_eq!(none, None);
        Ok::<_, sqlx::Error>(ids)
    })
    .await;
    assert_eq!(first_two.expect("reads"), [1, 2]);
}

#[tokio::test]
async fn savepoints_undo_a_part() {
    let db = database().await;
    let pool = db.pool().await;
    let total = with_tenant(&pool, TENANT_A, async |mut tx| {
        let mut dropped = tx.savepoint().await?;
        let taken = sqlx::query("INSERT INTO orders VALUES ($1, 1, 'taken')")
            .bind(dropped.tenant())
            .execute(&mut *dropped)
            .await;
        assert!(taken.is_err(), "the key is taken");
        drop(dropped);
        let mut outer = tx.savepoint().await?;
        sqlx::raw_sql("DELETE FROM orders WHERE id = 1").execute(&mut *outer).await?;
        let mut inner = outer.savepoint().await?;
        sqlx::raw_sql("DELETE FROM orders WHERE id = 2").execute(&mut *inner).await?;
        inner.rollback().await?;
        outer.release().await?;
        let last = tx.savepoint().await?;
        drop(last);
        Ok::<_, sqlx::Error>(())
    })
    .await;
    total.expect("the scope survives what its savepoints undo");
    let left = with_tenant(&pool, TENANT_A, async |mut tx| count(&mut tx).await).await;
    assert_eq!(left.expect("reads"), 2);
}

#[tokio::test]
async fn a_savepoint_dropped_as_the_last_thing_is_undone_by_the_commit() {
    let db = database().await;
    let pool = db.pool().await;
    with_tenant(&pool, TENANT_A, async |mut tx| {
        add(&mut tx, 10).await?;
        let mut dropped = tx.savepoint().await?;
        sqlx::raw_sql("DELETE FROM orders").execute(&mut *dropped).await?;
        Ok::<_, sqlx::Error>(())
    })
    .await
    .expect("commits");
    let left = with_tenant(&pool, TENANT_A, async |mut tx| count(&mut tx).await).await;
    assert_eq!(left.expect("reads"), 4);
}

#[tokio::test]
async fn a_read_only_scope_cannot_be_made_writable() {
    let db = database().await;
    let pool = db.pool().await;
    for undo in ["SELECT 1", "SET TRANSACTION READ WRITE", "SET LOCAL transaction_read_only = off"] {
        let written: Result<(), sqlx::Error> =
            with_tenant_opts(&pool, TENANT_A, &ScopeOptions::new().read_only(), async |mut tx| {
                sqlx::raw_sql(undo).execute(&mut *tx).await?;
                add(&mut tx, 10).await
            })
            .await;
        let error = written.expect_err("a write must be refused");
        let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert!(matches!(code.as_deref(), Some("25006" | "25001")), "after {undo}: {error}");
    }
}

#[tokio::test]
async fn options_reach_the_server() {
    let db = database().await;
    let durable = format!("ALTER DATABASE {} SET synchronous_commit = on", db.name());
    db.execute_as_superuser(&durable).await.expect("the superuser may");
    let pool = db.pool().await;
    let options = ScopeOptions::new()
        .isolation(Isolation::RepeatableRead)
        .statement_timeout(Duration::from_millis(1500))
        .lock_timeout(Duration::from_millis(250))
        .idle_timeout(Duration::from_secs(9))
        .asynchronous_commit()
        .label("options");
    let set: Vec<String> = with_tenant_opts(&pool, TENANT_A, &options, async |mut tx| {
        sqlx::query_scalar(
            "SELECT current_setting(name) FROM unnest(ARRAY['transaction_isolation', 'statement_timeout',
             'lock_timeout', 'idle_in_transaction_session_timeout', 'synchronous_commit']) name",
        )
        .fetch_all(&mut *tx)
        .await
    })
    .await
    .expect("reads");
    assert_eq!(set, ["repeatable read", "1500ms", "250ms", "9s", "off"]);
    let after: String = with_tenant(&pool, TENANT_A, async |mut tx| {
        sqlx::query_scalar("SELECT current_setting('statement_timeout')").fetch_one(&mut *tx).await
    })
    .await
    .expect("reads");
    assert_eq!(after, "0", "the options end with their scope");
}

#[tokio::test]
async fn a_serialization_failure_is_tried_again_when_asked() {
    let db = database().await;
    let pool = db.pool().await;
    let options = ScopeOptions::new().isolation(Isolation::RepeatableRead);
    let mut attempts = 0;
    let other = pool.clone();
    with_tenant_retry(&pool, TENANT_A, &options, &Retry::attempts(3), |mut tx| {
        attempts += 1;
        let (attempt, other) = (attempts, other.clone());
        async move {
            count(&mut tx).await?;
            if attempt == 1 {
                let meanwhile = tokio::spawn(async move {
                    with_tenant(&other, TENANT_A, async |mut tx| {
                        sqlx::raw_sql("UPDATE orders SET note = 'meanwhile'").execute(&mut *tx).await
                    })
                    .await
                });
                meanwhile.await.expect("no panic")?;
            }
            sqlx::raw_sql("UPDATE orders SET note = 'mine'").execute(&mut *tx).await
        }
    })
    .await
    .expect("the second attempt succeeds");
    assert_eq!(attempts, 2);
}

#[tokio::test]
async fn a_scope_in_a_scope_names_both_tenants() {
    let db = database().await;
    let pool = db.pool().await;
    let outer: Result<(), Error> =
        with_tenant(&pool, TENANT_A, async |_tx| with_tenant(&pool, TENANT_B, async |_tx| Ok::<_, Error>(())).await)
            .await;
    match outer {
        Err(Error::Nested { open, requested }) => {
            assert_eq!((open, requested), (TENANT_A, TENANT_B))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_statement_without_a_scope_is_an_error_and_not_an_empty_result() {
    let db = database().await;
    let plain = sqlx::PgPool::connect_with(db.runtime_options()).await.expect("connects");
    let unscoped = sqlx::query("SELECT * FROM orders").fetch_all(&plain).await;
    assert!(unscoped.is_err(), "{unscoped:?}");
}

#[tokio::test]
async fn isolation_is_proven_and_its_lack_is_found() {
    let db = database().await;
    let pool = db.pool().await;
    assert_isolated(&pool, "orders", "tenant_id").await;
    db.execute("CREATE POLICY hole ON orders FOR SELECT USING (true)").await.expect("is valid");
    let found = tokio::spawn(async move { assert_isolated(&pool, "orders", "tenant_id").await }).await;
    assert!(found.is_err_and(|error| error.is_panic()), "a policy that lets everybody read must be found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_costs_no_round_trip() {
    let db = database().await;
    let proxy = DelayProxy::start(&db.cluster().socket_path(), Duration::from_millis(2), None);
    let pool = RlsPoolOptions::new().max_connections(1).connect_with(proxy.route(db.runtime_options())).await;
    let pool = pool.expect("connects");
    let read_one = async || {
        with_tenant(&pool, TENANT_A, async |mut tx| {
            sqlx::query("SELECT note FROM orders WHERE id = 1").fetch_one(&mut *tx).await
        })
        .await
        .expect("reads");
        proxy.round_trips()
    };
    let warm = read_one().await;
    for _ in 0..9 {
        read_one().await;
    }
    // BEGIN, SELECT and COMMIT, as without a tenant; and no ping when the connection goes back to the pool.
    assert_eq!(read_one().await - warm, 3 * 10);
}
