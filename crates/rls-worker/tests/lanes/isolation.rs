//! Two tenants with the same keys, in every lane at once.

use rls_runtime::testing::{TENANT_A, TENANT_B, assert_isolated};
use rls_worker::schema::{SHARED_TABLES, TENANT_TABLES};
use serde_json::Value;

use crate::support::*;

/// All rows of a tenant without what differs from run to run.
async fn contents(pool: &rls_runtime::RlsPool, tenant: rls_runtime::TenantId) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for table in TENANT_TABLES {
        let sql = format!(
            "select (to_jsonb(t) - '{{tenant_id,id,job_id,source_job_id,order_id,shipment_id,invoice_id,product_id,line_id,finding_id,superseded_by,raised_at,at}}'::text[])
                 || case when to_jsonb(t) ->> 'event_key' like 'evt:recon:%' then '{{\"event_key\": \"\", \"payload\": \"\"}}' else '{{}}'::jsonb end as row
             from {table} t order by 1"
        );
        all.push(((*table).to_owned(), select(pool, tenant, &sql).await));
    }
    all
}

#[tokio::test]
async fn two_tenants_at_once_have_what_one_has_alone() {
    let together = database().await;
    let pool = together.pool().await;
    tokio::join!(everything(&pool, TENANT_A), everything(&pool, TENANT_B));
    let alone = database().await;
    let alone_pool = alone.pool().await;
    everything(&alone_pool, TENANT_A).await;

    let expected = contents(&alone_pool, TENANT_A).await;
    let filled = expected.iter().filter(|(_, rows)| rows.as_array().is_some_and(|rows| !rows.is_empty())).count();
    assert!(filled >= 15, "the lanes fill most tables, and here only {filled}");
    for tenant in [TENANT_A, TENANT_B] {
        for ((table, expected), (_, found)) in expected.iter().zip(contents(&pool, tenant).await) {
            assert_eq!(&found, expected, "{table} of {tenant}");
        }
    }
    for (table, _) in expected.iter().filter(|(_, rows)| rows.as_array().is_some_and(|rows| !rows.is_empty())) {
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
