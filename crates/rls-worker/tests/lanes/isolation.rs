//! Two tenants with the same keys, in every lane at once.

use std::collections::BTreeMap;
use std::path::Path;

use rls_runtime::testing::{TENANT_A, TENANT_B, assert_isolated};
use rls_runtime::{RlsPool, TenantId};
use rls_worker::parity::Snapshot;
use rls_worker::schema::SHARED_TABLES;
use rls_worker::smoke;

use crate::support::*;

/// All lanes, through the queue, for a tenant who wants to hear of everything.
async fn all_lanes(pool: &RlsPool, tenant: TenantId, mail: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let wants = "insert into notification_preferences (user_id, template, channel, address)
        select 'ann', template, 'EMAIL', 'ann@example.com'
        from unnest(array['trade-caught', 'trade-digest', 'ship-recon', 'ship-exception']) as template";
    change(pool, tenant, wants).await;
    let steps = smoke::process(pool, tenant, smoke::inputs(), &mail.join(tenant.to_string())).await.unwrap();
    assert!(smoke::passed(&steps), "{steps:?}");
    Snapshot::take(pool, tenant).await.unwrap().tables
}

#[tokio::test]
async fn two_tenants_at_once_have_what_one_has_alone() {
    let mail = tempfile::tempdir().unwrap();
    let together = database().await;
    let pool = together.pool().await;
    let (a, b) = tokio::join!(all_lanes(&pool, TENANT_A, mail.path()), all_lanes(&pool, TENANT_B, mail.path()));
    let alone = database().await;
    let expected = all_lanes(&alone.pool().await, TENANT_A, mail.path()).await;
    let filled: Vec<&str> = expected.iter().filter(|(_, rows)| !rows.is_empty()).map(|(table, _)| *table).collect();
    assert!(filled.len() >= 20, "the lanes fill most tables, and here only {filled:?}");
    for (table, expected) in &expected {
        assert_eq!(&a[table], expected, "{table} of the one");
        assert_eq!(&b[table], expected, "{table} of the other");
    }
    for table in filled {
        assert_isolated(&pool, table, "tenant_id").await;
    }
}

#[tokio::test]
async fn the_worker_only_reads_what_is_shared() {
    let db = database().await;
    let pool = db.pool().await;
    for table in SHARED_TABLES {
        let deleted = rls_runtime::with_tenant(&pool, TENANT_A, async |mut tx| {
            let sql = format!("delete from {table}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.map(drop)
        })
        .await;
        let error: sqlx::Error = deleted.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{table}: {error}");
    }
}
