//! The scope through PgBouncer in transaction mode, one server connection for all clients.

use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::{Error, RlsPool, RlsPoolOptions, TenantId, TenantTx, with_tenant};

use crate::pgbouncer::{MORE_SETTINGS, PgBouncer};
use crate::support::database;

async fn add(tx: &mut TenantTx, id: i64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO orders VALUES ($1, $2, 'new')").bind(tx.tenant()).bind(id).execute(&mut *tx).await?;
    Ok(())
}

async fn tenants_seen(pool: &RlsPool, tenant: TenantId) -> Vec<TenantId> {
    with_tenant(pool, tenant, async |mut tx| {
        sqlx::query_scalar("SELECT DISTINCT tenant_id FROM orders").fetch_all(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"))
}

async fn two_clients(bouncer: &PgBouncer, db: &TestDb) -> (RlsPool, RlsPool) {
    let connect = async || {
        let options = RlsPoolOptions::new().max_connections(1).behind_transaction_pooler();
        options.connect_with(bouncer.route(db.runtime_options())).await.expect("connects")
    };
    (connect().await, connect().await)
}

#[tokio::test]
async fn scopes_of_two_clients_share_a_server_connection_and_nothing_else() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, MORE_SETTINGS);
    let (first, second) = two_clients(&bouncer, &db).await;
    for id in 100..110 {
        with_tenant(&first, TENANT_A, async |mut tx| add(&mut tx, id).await).await.expect("commits");
        with_tenant(&second, TENANT_B, async |mut tx| add(&mut tx, id).await).await.expect("commits");
        assert_eq!(tenants_seen(&first, TENANT_B).await, [TENANT_B]);
        assert_eq!(tenants_seen(&second, TENANT_A).await, [TENANT_A]);
    }
}

#[tokio::test]
async fn what_one_client_leaves_behind_does_not_meet_the_other() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, MORE_SETTINGS);
    let (first, second) = two_clients(&bouncer, &db).await;
    let bound: Result<(), Error> = with_tenant(&first, TENANT_A, async |mut tx| {
        let for_the_session =
            format!("SET app.tenant_id = '{TENANT_A}'; CREATE TEMP TABLE copied AS SELECT * FROM orders");
        sqlx::raw_sql(sqlx::AssertSqlSafe(for_the_session)).execute(&mut *tx).await.map_err(Error::Unavailable)?;
        Ok(())
    })
    .await;
    assert!(matches!(bound, Err(Error::SessionBound { .. })), "{bound:?}");
    let copied = with_tenant(&second, TENANT_B, async |mut tx| {
        sqlx::raw_sql("SELECT * FROM pg_temp.copied").fetch_all(&mut *tx).await
    })
    .await;
    assert!(copied.is_err(), "{copied:?}");
    let plain = sqlx::PgPool::connect_with(bouncer.route(db.runtime_options())).await.expect("connects");
    let unscoped = sqlx::query("SELECT * FROM orders").persistent(false).fetch_all(&plain).await;
    assert!(unscoped.is_err(), "no tenant may be left on the shared connection: {unscoped:?}");
}

#[tokio::test]
async fn a_client_that_keeps_prepared_statements_is_told_what_to_set() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, MORE_SETTINGS);
    let named = async || {
        let options = RlsPoolOptions::new().max_connections(1);
        options.connect_with(bouncer.route(db.runtime_options())).await.expect("connects")
    };
    let (first, second) = (named().await, named().await);
    let mut results = Vec::new();
    for (pool, id) in [(&first, 100), (&second, 101)] {
        results.push(with_tenant(pool, TENANT_A, async |mut tx| add(&mut tx, id).await).await);
    }
    assert!(results.iter().any(Result::is_err), "two clients cannot have the same names on one session");
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(Error::find_in(&error), Some(Error::PreparedStatementLost(_))), "{error}");
        assert!(error.to_string().contains("RlsPoolOptions::behind_transaction_pooler"), "{error}");
    }
}

#[tokio::test]
async fn a_pooler_that_refuses_the_start_is_explained() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, "");
    match RlsPool::connect_with(bouncer.route(db.runtime_options())).await {
        Ok(_) => {}
        Err(error) => assert!(error.to_string().contains("ignore_startup_parameters"), "{error}"),
    }
}
