//! The migrations, there and back.

use rls_runtime::testing::{TENANT_A, TestDb};
use rls_worker::schema;
use sqlx::PgConnection;

use crate::support::*;

async fn forced(owner: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relforcerowsecurity and relname not like 'rls\\_%'",
    )
    .fetch_one(owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_first_state_is_not_forced_and_the_migration_and_its_way_back_work() {
    let db = TestDb::new().await;
    let mut owner = owner(&db).await;
    prepare(&db, &mut owner, Some(schema::REENABLE_FORCE - 1)).await;
    assert_eq!(forced(&mut owner).await, 0);
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;

    schema::MIGRATOR.run(&mut owner).await.unwrap();
    assert_eq!(forced(&mut owner).await, schema::TENANT_TABLES.len() as i64);
    let unscoped = sqlx::query("select from orders").execute(&mut owner).await;
    assert!(unscoped.unwrap_err().to_string().contains("app.tenant_id"), "even the owner needs a tenant now");
    everything(&pool, TENANT_A).await;

    schema::MIGRATOR.undo(&mut owner, schema::REENABLE_FORCE - 1).await.unwrap();
    assert_eq!(forced(&mut owner).await, 0);
    schema::MIGRATOR.undo(&mut owner, 0).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not like '\\_sqlx%' and relname not like 'rls\\_%'")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
