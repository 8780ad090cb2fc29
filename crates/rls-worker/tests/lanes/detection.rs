//! Where a tenant wants orders to be caught, and why lines are left out.

use rls_runtime::testing::{TENANT_A, TENANT_B};
use serde_json::json;

use crate::support::*;

const CAUGHT: &str = "select state, evidence from trade_caught_orders";

#[tokio::test]
async fn what_is_left_out_of_a_caught_order_says_why() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let left_out = json!([{"line": 2, "sku": "TBL-OAK-6", "measure": null, "why": "NOT_SUBJECT"}]);
    assert_eq!(select(&pool, TENANT_A, CAUGHT).await, json!([{"state": "OPEN", "evidence": {"leftOut": left_out}}]));
    change(&pool, TENANT_A, "insert into trade_detection_config (excluded_skus) values ('{REC-LTH-01}')").await;
    let screened = done(&pool, TENANT_A, "sima_validation", SCREEN).await;
    assert_eq!(screened.outputs["leftOut"], json!({"NOT_SUBJECT": 1, "SKU_EXCLUDED": 1}));
    let left_out = json!([{"line": 1, "sku": "REC-LTH-01", "measure": "UDS", "why": "SKU_EXCLUDED"}, left_out[0]]);
    assert_eq!(select(&pool, TENANT_A, CAUGHT).await, json!([{"state": "CLEARED", "evidence": {"leftOut": left_out}}]));
}

#[tokio::test]
async fn orders_are_caught_where_the_tenant_looks() {
    let db = database().await;
    let pool = db.pool().await;
    for tenant in [TENANT_A, TENANT_B] {
        done(&pool, tenant, "catalog_upload", CATALOG).await;
        done(&pool, tenant, "sima_validation", SCREEN).await;
    }
    for (column, out, within, why) in [
        ("destination_regions", "{BC,CA-QC}", "{BC,CA-ON}", "DESTINATION_REGION_OUT"),
        ("destination_countries", "{US}", "{US,CA}", "DESTINATION_COUNTRY_OUT"),
        ("authorities", "{US}", "{CA,US}", "AUTHORITY_OUT"),
    ] {
        for (value, caught) in [(out, 0), (within, 1)] {
            let set = format!("insert into trade_detection_config ({column}) values ('{value}')");
            change(&pool, TENANT_A, &set).await;
            let orders = done(&pool, TENANT_A, "order_upload", ORDERS).await;
            assert_eq!(orders.outputs["caughtOrders"], caught, "{column} {value}");
            assert_eq!(orders.outputs["leftOut"][why].is_null(), caught == 1, "{column} {value}");
            change(&pool, TENANT_A, "delete from trade_caught_orders").await;
            change(&pool, TENANT_A, "delete from trade_detection_config").await;
        }
    }
    let other = done(&pool, TENANT_B, "order_upload", ORDERS).await;
    assert_eq!(other.outputs["caughtOrders"], 1, "what one tenant sets is nothing to another");
}

#[tokio::test]
async fn a_catalog_is_screened_where_the_tenant_wants_it() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    change(&pool, TENANT_A, "insert into trade_detection_config (lanes) values ('{order_upload}')").await;
    for tenant in [TENANT_A, TENANT_B] {
        hand_in(&pool, tenant, "catalog_upload", CATALOG).await;
        processor(&pool, mail.path()).drain(tenant).await.unwrap();
    }
    let verdicts = "select count(*) from sima_results";
    assert_eq!(select(&pool, TENANT_A, verdicts).await, json!([{"count": 0}]));
    assert_eq!(select(&pool, TENANT_B, verdicts).await, json!([{"count": 5}]));
    let duties = select(
        &pool,
        TENANT_B,
        "select evidence -> 0 -> 'duties' -> 0 -> 'fx' as fx from sima_results where sku = 'REC-LTH-01'",
    )
    .await;
    assert_eq!(
        duties,
        json!([{"fx": {"day": "2026-02-17", "cad": "1.370000"}}]),
        "what was converted, and by which rate"
    );
}
