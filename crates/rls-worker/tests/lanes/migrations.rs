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

#[tokio::test]
async fn products_of_before_get_their_content_hash_though_the_tables_are_forced() {
    let db = database().await;
    let pool = db.pool().await;
    done(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    let hashes = "select sku, content_hash from catalog_products order by sku";
    let before = select(&pool, TENANT_A, hashes).await;
    db.execute(include_str!("../../migrations/20260105000000_content_hashes.down.sql")).await.unwrap();
    db.execute(include_str!("../../migrations/20260105000000_content_hashes.up.sql")).await.unwrap();
    assert_eq!(select(&pool, TENANT_A, hashes).await, before);
    assert_eq!(done(&pool, TENANT_A, "catalog_upload", CATALOG).await.rows_unchanged, 5);
}
