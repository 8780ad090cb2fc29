//! The golden figures come out of the lanes, from the sample files.

use rls_runtime::testing::TENANT_A;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_catalog_is_screened_as_expected() {
    let db = database().await;
    let pool = db.pool().await;
    let catalog = done(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    assert_eq!((catalog.rows_imported, catalog.rows_rejected, catalog.warnings), (5, 0, 0));
    let screened = done(&pool, TENANT_A, "sima_validation", SCREEN).await;
    assert_eq!(screened.outputs["verdicts"], json!({"SUBJECT": 1, "NEEDS_REVIEW": 2, "NOT_SUBJECT": 2}));

    let found = select(
        &pool,
        TENANT_A,
        "select sku, verdict, measure_code as measure, reasons[1] as reason, ad_cad::numeric(18, 2)::text as ad_cad,
             cvd_cad::numeric(18, 2)::text as cvd_cad, total_cad::numeric(18, 2)::text as total_cad,
             confidence::text as confidence from sima_results",
    )
    .await;
    let found = found.as_array().unwrap();
    let mut expected = csv::Reader::from_reader(include_str!("../../samples/sima_results_expected.csv").as_bytes());
    let headers = expected.headers().unwrap().clone();
    let mut compared = 0;
    for record in expected.records() {
        let record = record.unwrap();
        let row = found.iter().find(|row| row["sku"] == record[0]).unwrap();
        for (column, value) in headers.iter().zip(&record) {
            assert_eq!(row[column].as_str().unwrap_or_default(), value, "{column} of {row}");
        }
        compared += 1;
    }
    assert_eq!((compared, found.len()), (5, 5));
    let evidence = select(&pool, TENANT_A, "select evidence from sima_results where sku = 'REC-LTH-01'").await;
    assert!(evidence.to_string().contains("rate_id"), "{evidence}");
}

#[tokio::test]
async fn orders_are_imported_matched_and_caught() {
    let db = database().await;
    let pool = db.pool().await;
    done(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    done(&pool, TENANT_A, "sima_validation", SCREEN).await;
    let orders = done(&pool, TENANT_A, "order_upload", ORDERS).await;
    assert_eq!((orders.rows_total, orders.rows_imported, orders.rows_rejected), (5, 4, 1));
    assert_eq!(orders.first_errors[0].code, "QTY_INVALID");
    assert_eq!(orders.outputs["caughtOrders"], 1);

    let caught = select(
        &pool,
        TENANT_A,
        "select o.order_number, c.exposure_cad::numeric(18, 2)::text as exposure, c.exposure_kind, c.measure_codes,
             c.line_numbers, c.state from trade_caught_orders c join orders o on o.id = c.order_id",
    )
    .await;
    assert_eq!(
        caught,
        json!([{"order_number": "SO-70011", "exposure": "2176.82", "exposure_kind": "CONFIRMED",
            "measure_codes": ["UDS"], "line_numbers": [1], "state": "OPEN"}])
    );
    let events =
        select(&pool, TENANT_A, "select type, payload ->> 'exposure_cad' as exposure from notification_events").await;
    assert_eq!(events, json!([{"type": "trade.order.caught", "exposure": "2176.82"}]));
    let matched = select(
        &pool,
        TENANT_A,
        "select l.sku, m.method from order_lines l join order_line_products m on m.line_id = l.id order by l.sku",
    )
    .await;
    assert_eq!(matched[3], json!({"sku": "mat-q10-f", "method": "NORMALISED"}));
    let errors =
        select(&pool, TENANT_A, "select row_number, column_name, code from ingest_row_errors order by 1, 2").await;
    assert_eq!(errors[0], json!({"row_number": 6, "column_name": "quantity", "code": "QTY_INVALID"}));
}

#[tokio::test]
async fn freight_is_audited_to_17_29_in_four_findings() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let findings = select(
        &pool,
        TENANT_A,
        "select kind, variance::numeric(18, 2)::text as variance from ship_findings order by kind",
    )
    .await;
    assert_eq!(
        findings,
        json!([
            {"kind": "DIM_WEIGHT_ERROR", "variance": "3.53"},
            {"kind": "DUPLICATE_CHARGE", "variance": "10.45"},
            {"kind": "FUEL_MISMATCH", "variance": "0.26"},
            {"kind": "RES_MISAPPLIED", "variance": "3.05"},
        ])
    );
    let event = select(
        &pool,
        TENANT_A,
        "select payload - 'job' as payload from notification_events where type = 'ship.recon.completed'",
    )
    .await;
    assert_eq!(event, json!([{"payload": {"invoices": 2, "findings": 4, "overcharge_cad": "17.29"}}]));
    let states = select(&pool, TENANT_A, "select order_number, link_state from orders order by 1").await;
    assert_eq!(
        states,
        json!([
            {"order_number": "SO-70011", "link_state": "UNMATCHED"},
            {"order_number": "SO-70012", "link_state": "LINKED"},
            {"order_number": "SO-70013", "link_state": "PARTIAL"},
        ])
    );
}

#[tokio::test]
async fn the_order_of_the_files_does_not_matter() {
    let db = database().await;
    let pool = db.pool().await;
    for (lane, input) in [
        ("ship_upload", AGREEMENT),
        ("ship_upload", SHIP),
        ("order_upload", ORDERS),
        ("catalog_upload", CATALOG),
        ("sima_validation", SCREEN),
    ] {
        done(&pool, TENANT_A, lane, input).await;
    }
    let sums = select(
        &pool,
        TENANT_A,
        "select (select sum(variance)::numeric(18, 2)::text from ship_findings) as freight,
             (select sum(exposure_cad)::numeric(18, 2)::text from trade_caught_orders) as duties",
    )
    .await;
    assert_eq!(sums, json!([{"freight": "17.29", "duties": "2176.82"}]));
}
