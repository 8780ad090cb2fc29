//! What a scope does when its closure misbehaves: no leak, no false success, the right error.

use rls_runtime::testing::{SessionState, TENANT_A, TENANT_B, TestDb};
use rls_runtime::{Error, RlsPool, RlsPoolOptions, TenantTx, with_tenant};
use sqlx::AssertSqlSafe;

use crate::support::database;

struct Misuse {
    statements: &'static str,
    is_right: fn(&Result<(), Error>) -> bool,
    written: bool,
}

const A: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

fn ended_early(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::EndedEarly { tenant }) if *tenant == TENANT_A)
}

fn changed_to_b(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::TenantChanged { expected, found }) if *expected == TENANT_A && found == B)
}

fn unbound(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::TenantChanged { found, .. }) if found.is_empty())
}

fn session_bound(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::SessionBound { found, .. }) if found == A)
}

fn role_changed(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::RoleChanged { .. }))
}

fn check_lost(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::PreparedStatementLost(_)))
}

const fn misuse(statements: &'static str, is_right: fn(&Result<(), Error>) -> bool, written: bool) -> Misuse {
    Misuse { statements, is_right, written }
}

/// Each after one INSERT of tenant A, with `{A}`, `{B}` and `{ROLE}` filled in.
const MISUSES: &[Misuse] = &[
    misuse("SELECT 1", Result::is_ok, true),
    misuse("COMMIT", ended_early, true),
    misuse("END", ended_early, true),
    misuse("ROLLBACK", ended_early, false),
    misuse("ABORT", ended_early, false),
    misuse("COMMIT AND CHAIN", ended_early, true),
    misuse("ROLLBACK AND CHAIN", ended_early, false),
    misuse("COMMIT; BEGIN", ended_early, true),
    misuse("ROLLBACK; BEGIN; SET LOCAL app.tenant_id = '{A}'", ended_early, false),
    misuse("COMMIT; BEGIN; SET LOCAL app.tenant_id = '{B}'", ended_early, true),
    misuse("COMMIT; SET app.tenant_id = '{A}'; BEGIN", ended_early, true),
    misuse("PREPARE TRANSACTION '{ROLE}'", ended_early, false),
    misuse("DO $$ BEGIN PERFORM set_config('app.tenant_id', '{B}', true); END $$", changed_to_b, false),
    misuse("SET LOCAL app.tenant_id = '{B}'", changed_to_b, false),
    misuse("SET app.tenant_id = '{B}'", changed_to_b, false),
    misuse("SET SESSION app.tenant_id = '{B}'", changed_to_b, false),
    misuse("SELECT set_config('app.tenant_id', '{B}', true)", changed_to_b, false),
    misuse("SELECT set_config('app.tenant_id', '{B}', false)", changed_to_b, false),
    misuse("SAVEPOINT s; SET LOCAL app.tenant_id = '{B}'; RELEASE s", changed_to_b, false),
    misuse("SAVEPOINT s; SET LOCAL app.tenant_id = '{B}'; ROLLBACK TO s", Result::is_ok, true),
    misuse("RESET app.tenant_id", unbound, false),
    misuse("SET app.tenant_id TO DEFAULT", unbound, false),
    misuse("RESET ALL", ended_early, false),
    misuse("SET app.tenant_id = '{A}'", session_bound, true),
    misuse("SELECT set_config('app.tenant_id', '{A}', false)", session_bound, true),
    misuse("SET LOCAL ROLE {ROLE}", role_changed, false),
    misuse("SET ROLE {ROLE}", role_changed, false),
    misuse("SET SESSION AUTHORIZATION DEFAULT", Result::is_ok, true),
    misuse("DEALLOCATE ALL", check_lost, false),
    misuse("BEGIN", Result::is_ok, true),
];

async fn insert(tx: &mut TenantTx, id: i64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO orders VALUES ($1, $2, 'new')").bind(tx.tenant()).bind(id).execute(&mut *tx).await?;
    Ok(())
}

async fn database_with_second_role() -> (TestDb, RlsPool) {
    let db = database().await;
    let (runtime, other) = (db.runtime(), other_role(&db));
    let grant = format!("CREATE ROLE {other}; GRANT {other} TO {runtime}");
    db.execute_as_superuser(&grant).await.expect("the superuser may");
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    (db, pool)
}

fn other_role(db: &TestDb) -> String {
    format!("{}_other", db.name())
}

/// The next user of the connection meets nothing of the tenant before.
async fn assert_clean(pool: &RlsPool, after: &str) {
    let state = SessionState::of_next(pool).await;
    assert_eq!((state.tenant, state.in_transaction), (None, false), "after {after}");
    let foreign: i64 = with_tenant(pool, TENANT_B, async |mut tx| {
        sqlx::query_scalar("SELECT count(*) FROM orders WHERE tenant_id <> $1").bind(TENANT_B).fetch_one(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("after {after}: {error}"));
    assert_eq!(foreign, 0, "after {after}");
}

async fn is_written(pool: &RlsPool, id: i64) -> bool {
    with_tenant(pool, TENANT_A, async |mut tx| {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM orders WHERE id = $1)").bind(id).fetch_one(&mut *tx).await
    })
    .await
    .expect("reads")
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Scope(#[from] Error),
    #[error("on purpose")]
    OnPurpose,
}

#[tokio::test]
async fn every_misuse_gets_its_error_and_leaks_nothing() {
    let (db, pool) = database_with_second_role().await;
    for (id, misuse) in (100..).zip(MISUSES) {
        let statements = misuse.statements.replace("{A}", A).replace("{B}", B).replace("{ROLE}", &other_role(&db));
        let ran = with_tenant(&pool, TENANT_A, async |mut tx| {
            insert(&mut tx, id).await?;
            sqlx::raw_sql(AssertSqlSafe(statements.as_str())).execute(&mut *tx).await?;
            Ok::<_, Failed>(())
        })
        .await;
        let result = match ran {
            Ok(()) => Ok(()),
            Err(Failed::Scope(error)) => Err(error),
            Err(other) => panic!("after {statements}: {other:?}"),
        };
        assert!((misuse.is_right)(&result), "after {statements}: {result:?}");
        assert_clean(&pool, &statements).await;
        assert_eq!(is_written(&pool, id).await, misuse.written, "after {statements}");
    }
}

#[tokio::test]
async fn misuse_before_an_err_leaks_nothing_either() {
    let (db, pool) = database_with_second_role().await;
    for (id, misuse) in (100..).zip(MISUSES) {
        let statements = misuse.statements.replace("{A}", A).replace("{B}", B).replace("{ROLE}", &other_role(&db));
        let ran = with_tenant(&pool, TENANT_A, async |mut tx| {
            insert(&mut tx, id).await?;
            sqlx::raw_sql(AssertSqlSafe(statements.as_str())).execute(&mut *tx).await?;
            Err::<(), _>(Failed::OnPurpose)
        })
        .await;
        assert_clean(&pool, &statements).await;
        match ran {
            Err(Failed::OnPurpose) => assert!(!is_written(&pool, id).await, "after {statements}: rolled back"),
            Err(Failed::Scope(Error::EndedEarly { .. })) => {}
            other => panic!("after {statements}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_swallowed_failure_is_no_success() {
    let (_db, pool) = database_with_second_role().await;
    let swallowed = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 10).await?;
        sqlx::query("SELECT 1 / 0").execute(&mut *tx).await.ok();
        Ok::<_, Failed>(())
    })
    .await;
    match swallowed {
        Err(Failed::Scope(Error::StatementFailed { code, message })) => {
            assert_eq!(code.as_deref(), Some("22012"));
            assert!(message.contains("division by zero"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_clean(&pool, "a swallowed failure").await;
    assert!(!is_written(&pool, 10).await);
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_no_success() {
    let db = database().await;
    db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = '23514'; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await
    .expect("is valid");
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(1)).await;
    let refused = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 10).await?;
        Ok::<_, Failed>(())
    })
    .await;
    assert!(matches!(&refused, Err(Failed::Scope(Error::CommitRefused(_)))), "{refused:?}");
    assert_clean(&pool, "a refused commit").await;
    assert!(!is_written(&pool, 10).await);
}

#[tokio::test]
async fn temporary_tables_and_held_cursors_end_with_the_scope() {
    let (_db, pool) = database_with_second_role().await;
    with_tenant(&pool, TENANT_A, async |mut tx| {
        sqlx::raw_sql(
            "CREATE TEMP TABLE copied AS SELECT * FROM orders;
             DECLARE held CURSOR WITH HOLD FOR SELECT * FROM orders",
        )
        .execute(&mut *tx)
        .await
    })
    .await
    .expect("allowed within the scope");
    for look in ["SELECT * FROM pg_temp.copied", "FETCH ALL FROM held"] {
        let seen = with_tenant(&pool, TENANT_B, async |mut tx| sqlx::raw_sql(look).fetch_all(&mut *tx).await).await;
        assert!(seen.is_err(), "{look} must find nothing to look at");
    }
}

#[tokio::test]
async fn a_handle_that_outlives_its_closure_fails_the_scope() {
    let (_db, pool) = database_with_second_role().await;

    let returned: Result<TenantTx, Failed> = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 10).await?;
        Ok(tx)
    })
    .await;
    assert!(matches!(returned, Err(Failed::Scope(Error::HandleEscaped { .. }))), "{returned:?}");
    assert_clean(&pool, "returning the handle").await;

    let leaked = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 11).await?;
        std::mem::forget(tx);
        Ok::<_, Failed>(())
    })
    .await;
    assert!(matches!(leaked, Err(Failed::Scope(Error::HandleEscaped { .. }))), "{leaked:?}");
    assert_clean(&pool, "leaking the handle").await;

    let mut stored: Option<TenantTx> = None;
    let kept = with_tenant(&pool, TENANT_A, async |mut tx| {
        insert(&mut tx, 12).await?;
        stored = Some(tx);
        Ok::<_, Failed>(())
    })
    .await;
    assert!(matches!(kept, Err(Failed::Scope(Error::HandleEscaped { .. }))), "{kept:?}");
    assert_clean(&pool, "storing the handle").await;
    let mut stored = stored.expect("it was stored");
    let used = sqlx::query("SELECT * FROM orders").fetch_all(&mut *stored).await;
    let error = used.expect_err("a handle is dead after its scope");
    assert!(matches!(Error::find_in(&error), Some(Error::HandleEscaped { .. })), "{error}");

    for id in 10..=12 {
        assert!(!is_written(&pool, id).await, "order {id}");
    }
}

#[tokio::test]
async fn a_handle_moved_to_another_task_is_dead_when_the_scope_ends() {
    let (_db, pool) = database_with_second_role().await;
    let (scope_ended, wait) = tokio::sync::oneshot::channel::<()>();
    let mut elsewhere = None;
    let moved = with_tenant(&pool, TENANT_A, async |mut tx| {
        elsewhere = Some(tokio::spawn(async move {
            wait.await.ok();
            insert(&mut tx, 10).await
        }));
        Ok::<_, Failed>(())
    })
    .await;
    assert!(matches!(moved, Err(Failed::Scope(Error::HandleEscaped { .. }))), "{moved:?}");
    assert_clean(&pool, "moving the handle").await;
    scope_ended.send(()).ok();
    let late = elsewhere.expect("it was spawned").await.expect("no panic");
    assert!(late.is_err(), "a late statement must not run anywhere");
    assert!(!is_written(&pool, 10).await);
}

#[tokio::test]
async fn swapped_handles_commit_nothing_under_the_wrong_tenant() {
    let (_db, pool) = database_with_second_role().await;
    let db_pool = pool.clone();
    let mut first_handle: Option<TenantTx> = None;
    let swapped = with_tenant(&pool, TENANT_A, async |tx| {
        first_handle = Some(tx);
        Ok::<_, Failed>(())
    })
    .await;
    assert!(swapped.is_err());
    let mut dead = first_handle.expect("it was stored");
    let revived = with_tenant(&db_pool, TENANT_B, async |mut tx| {
        std::mem::swap(&mut *tx, &mut *dead);
        insert(&mut tx, 10).await?;
        Ok::<_, Failed>(())
    })
    .await;
    assert!(revived.is_err(), "{revived:?}");
    assert_clean(&pool, "swapping handles").await;
}

#[tokio::test]
async fn a_panic_rolls_back_and_leaks_nothing() {
    let (_db, pool) = database_with_second_role().await;
    let in_task = pool.clone();
    let panicked = tokio::spawn(async move {
        with_tenant(&in_task, TENANT_A, async |mut tx| {
            insert(&mut tx, 10).await?;
            if tx.tenant() == TENANT_A {
                panic!("on purpose");
            }
            Ok::<_, Failed>(())
        })
        .await
    })
    .await;
    assert!(panicked.is_err_and(|error| error.is_panic()));
    assert_clean(&pool, "a panic").await;
    assert!(!is_written(&pool, 10).await);
}
