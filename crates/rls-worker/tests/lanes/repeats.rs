//! What happens twice, what is bad, and what comes later.

use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, TenantId};
use rls_worker::workers::outcome::LaneError;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn the_same_files_again_change_nothing() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let catalog = done(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    assert_eq!((catalog.rows_imported, catalog.rows_updated, catalog.rows_unchanged), (0, 0, 5));
    let orders = done(&pool, TENANT_A, "order_upload", ORDERS).await;
    assert_eq!((orders.rows_imported, orders.rows_updated, orders.rows_unchanged), (0, 0, 4));
    let ship = done(&pool, TENANT_A, "ship_upload", SHIP).await;
    assert_eq!((ship.rows_imported, ship.rows_unchanged), (0, 5));
    assert_eq!(ship.outputs["findingsCreated"], 0);
    let changed_only = SCREEN.replace("always", "changed_only");
    assert_eq!(done(&pool, TENANT_A, "sima_validation", &changed_only).await.rows_total, 0);
    let counts = select(
        &pool,
        TENANT_A,
        "select (select count(*) from ship_findings) as findings, (select count(*) from sima_results) as results,
             (select count(*) from notification_events where type = 'trade.order.caught') as caught",
    )
    .await;
    assert_eq!(counts, json!([{"findings": 4, "results": 5, "caught": 1}]));
}

#[tokio::test]
async fn a_changed_product_gets_a_version_a_new_verdict_and_clears_its_order() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let fabric =
        "sku,title,attributes\nrec-lth-01,Fabric sofa,\"{\"\"motion\"\":false,\"\"covering\"\":\"\"fabric\"\"}\"\n";
    let catalog = done(&pool, TENANT_A, "catalog_upload", fabric).await;
    assert_eq!((catalog.rows_updated, catalog.rows_imported), (1, 0));
    let kept = select(
        &pool,
        TENANT_A,
        "select p.version, p.hs_code, v.changed_fields from catalog_products p
         join catalog_product_versions v on v.product_id = p.id and v.version = p.version where p.sku_norm = 'RECLTH01'",
    )
    .await;
    assert_eq!(kept, json!([{"version": 2, "hs_code": "9401611010", "changed_fields": ["title", "attributes"]}]));

    let screened = done(&pool, TENANT_A, "sima_validation", &SCREEN.replace("always", "changed_only")).await;
    assert_eq!((screened.rows_total, &screened.outputs["flips"]), (1, &json!(1)));
    let states = select(&pool, TENANT_A, "select state from trade_caught_orders").await;
    assert_eq!(states, json!([{"state": "CLEARED"}]));
    let events =
        select(&pool, TENANT_A, "select payload from notification_events where type = 'trade.verdict.changed'").await;
    assert_eq!(events[0]["payload"]["is"], "NOT_SUBJECT");
}

#[tokio::test]
async fn an_order_that_is_shipped_while_caught_is_missed() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let shipped = ORDERS.replace(",OPEN", ",SHIPPED");
    done(&pool, TENANT_A, "order_upload", &shipped).await;
    assert_eq!(select(&pool, TENANT_A, "select state from trade_caught_orders").await, json!([{"state": "MISSED"}]));
    let back = done(&pool, TENANT_A, "order_upload", ORDERS).await;
    assert_eq!(back.errors_by_code.get("STATUS_REGRESSION"), Some(&2));
    let open = select(&pool, TENANT_A, "select count(*) from order_lines where status = 'OPEN'").await;
    assert_eq!(open, json!([{"count": 0}]));
}

#[tokio::test]
async fn what_somebody_decided_is_kept() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let decisions = [
        "insert into sima_reviews (sku_norm, product_version, ruleset_hash, decision, decided_by, note)
         select sku_norm, product_version, ruleset_hash, 'NOT_SUBJECT', 'u1', 'seen' from sima_results where sku = 'REC-LTH-01'",
        "update order_shipment_links set state = 'REJECTED'",
        "update ship_findings set state = 'DISMISSED' where kind = 'RES_MISAPPLIED'",
    ];
    for sql in decisions {
        db.execute_as_tenant(TENANT_A, sql).await.unwrap();
    }
    done(&pool, TENANT_A, "sima_validation", SCREEN).await;
    done(&pool, TENANT_A, "ship_upload", SHIP).await;
    assert_eq!(select(&pool, TENANT_A, "select state from trade_caught_orders").await, json!([{"state": "CLEARED"}]));
    let links = select(&pool, TENANT_A, "select distinct state from order_shipment_links").await;
    assert_eq!(links, json!([{"state": "REJECTED"}]));
    let dismissed = select(&pool, TENANT_A, "select state from ship_findings where kind = 'RES_MISAPPLIED'").await;
    assert_eq!(dismissed, json!([{"state": "DISMISSED"}]));
}

#[tokio::test]
async fn a_file_that_is_refused_writes_nothing() {
    let db = database().await;
    let pool = db.pool().await;
    let bad_rows: String = (0..20).map(|at| format!("P{at},,\n")).collect();
    let file = format!("sku,title,unit_cost\nGOOD,Good,1\n{bad_rows}");
    let Err(LaneError::Refused(refusal)) = run(&pool, TENANT_A, "catalog_upload", &file).await else { panic!("taken") };
    assert_eq!((refusal.error.code.as_str(), refusal.row_errors.len()), ("TOO_MANY_ROW_ERRORS", 20));
    assert_eq!(refusal.row_errors[0].row_number, 3);
    assert_eq!(select(&pool, TENANT_A, "select from catalog_products").await, json!([]));

    for (lane, input, code) in [
        ("catalog_upload", "sku\na\n", "HEADER_MISSING:title"),
        ("catalog_upload", "sku,title,SKU\na,b,c\n", "HEADER_DUPLICATE:sku"),
        ("order_upload", "%PDF-1.4", "FORMAT_UNSUPPORTED"),
        ("ship_upload", "a,b\n1,2\n", "MAPPING_REQUIRED"),
        (
            "ship_upload",
            "record_type,carrier,account,effective_from,effective_to,currency\nFUEL,UPS,1,2026-01-01,2026-01-07,CAD\n",
            "AGREEMENT_REJECTED",
        ),
        ("sima_validation", r#"{"screeningAuthority":"US"}"#, "AUTHORITY_UNSUPPORTED"),
        ("sima_validation", r#"{"screeningAuthority":"CA","runPolicy":"often"}"#, "PAYLOAD_INVALID"),
        ("sima_validation", "[", "PAYLOAD_INVALID"),
    ] {
        let Err(LaneError::Refused(refusal)) = run(&pool, TENANT_A, lane, input).await else { panic!("{code}: taken") };
        assert_eq!(refusal.error.code, code);
    }
}

#[tokio::test]
async fn a_new_agreement_closes_the_one_before() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let next = AGREEMENT.replace("2026-01-01", "2026-02-12").replace("2026-02-09,2026-02-15", "2026-02-12,2026-02-15");
    done(&pool, TENANT_A, "ship_upload", &next.replace(",28.10,", ",20.00,").replace(",22.40,", ",18.00,")).await;
    let versions =
        select(&pool, TENANT_A, "select version, effective_from, effective_to from carrier_agreements order by 1")
            .await;
    assert_eq!(
        versions,
        json!([
            {"version": 1, "effective_from": "2026-01-01", "effective_to": "2026-02-11"},
            {"version": 2, "effective_from": "2026-02-12", "effective_to": "2026-12-31"},
        ])
    );
    done(&pool, TENANT_A, "ship_upload", SHIP).await;
    let dim = select(
        &pool,
        TENANT_A,
        "select expected::numeric(18, 2)::text from ship_findings where kind = 'DIM_WEIGHT_ERROR'",
    )
    .await;
    assert_eq!(dim, json!([{"expected": "11.16"}]), "18.00 less 38 %, for what was shipped on the first day");
}

#[tokio::test]
async fn a_product_goes_by_its_other_names_and_never_by_one_of_two() {
    let db = database().await;
    let pool = db.pool().await;
    let catalog = "sku,title,aliases,gtin\nT-1,Table,OLD-1|old 2,4006381333931\nT-2,Chair,,4006381333931\nT-3,Bench,,00012345600012\n";
    let stored = done(&pool, TENANT_A, "catalog_upload", catalog).await;
    assert_eq!((stored.rows_imported, stored.warnings), (3, 0));
    let line = |number: usize, sku: &str| format!("SO-1,2026-02-09,{number},{sku},1,CA\n");
    let header = "order_number,order_date,line_number,sku,quantity,ship_to_country\n";
    let skus = ["T-1", "t1", "old1", "OLD2", "4006381333931", "12345600012", "T-9"];
    let lines: String = skus.iter().enumerate().map(|(at, sku)| line(at + 1, sku)).collect();
    let orders = done(&pool, TENANT_A, "order_upload", &format!("{header}{lines}")).await;
    assert_eq!(orders.errors_by_code.get("SKU_AMBIGUOUS"), Some(&1), "two products have the same GTIN");
    assert_eq!(orders.errors_by_code.get("SKU_UNKNOWN"), Some(&1));
    let matched = "select l.line_number as line, p.sku, m.method, m.confidence::text as sure from order_line_products m
        join order_lines l on l.id = m.line_id join catalog_products p on p.id = m.product_id order by 1";
    assert_eq!(
        select(&pool, TENANT_A, matched).await,
        json!([
            {"line": 1, "sku": "T-1", "method": "EXACT", "sure": "1.00"},
            {"line": 2, "sku": "T-1", "method": "NORMALISED", "sure": "0.90"},
            {"line": 3, "sku": "T-1", "method": "ALIAS", "sure": "0.95"},
            {"line": 4, "sku": "T-1", "method": "ALIAS", "sure": "0.95"},
            {"line": 6, "sku": "T-3", "method": "GTIN", "sure": "0.90"},
        ])
    );
    let cleared = "sku,title,aliases,gtin\nT-1,Table,OLD-1,\\N\nT-2,Chair,,123\n";
    let changed = done(&pool, TENANT_A, "catalog_upload", cleared).await;
    assert_eq!((changed.rows_updated, changed.errors_by_code.get("GTIN_INVALID")), (1, Some(&1)));
    let methods = select(&pool, TENANT_A, "select line, sku from (select l.line_number as line, p.sku from order_line_products m
        join order_lines l on l.id = m.line_id join catalog_products p on p.id = m.product_id) q where line in (4, 5) order by 1").await;
    assert_eq!(
        methods,
        json!([{"line": 5, "sku": "T-2"}]),
        "a name that is gone finds nothing, and one that is left finds"
    );
}

#[tokio::test]
async fn links_that_somebody_made_or_denied_are_not_made_again() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let links =
        "select o.order_number as number, k.state from order_shipment_links k join orders o on o.id = k.order_id
        join shipments s on s.id = k.shipment_id where s.tracking_norm = '794600000014' order by 1";
    assert_eq!(select(&pool, TENANT_A, links).await, json!([{"number": "SO-70012", "state": "LINKED"}]));
    let denied = "update order_shipment_links k set state = 'REJECTED' from shipments s
        where s.id = k.shipment_id and s.tracking_norm = '794600000014'";
    assert_eq!(change(&pool, TENANT_A, denied).await, 1);
    let again = done(&pool, TENANT_A, "ship_upload", SHIP).await;
    assert_eq!(again.outputs["linksMade"], 1, "the other shipment's only");
    let state = "select link_state from shipments where tracking_norm = '794600000014'";
    assert_eq!(select(&pool, TENANT_A, state).await, json!([{"link_state": "UNMATCHED"}]));
    let by_hand = "insert into order_shipment_links (order_id, shipment_id, state, rule, score)
        select o.id, s.id, 'MANUAL', 'HAND', 100 from orders o, shipments s
        where o.order_number = 'SO-70011' and s.tracking_norm = '794600000014'";
    change(&pool, TENANT_A, by_hand).await;
    change(&pool, TENANT_A, "delete from order_shipment_links where state = 'REJECTED'").await;
    done(&pool, TENANT_A, "ship_upload", SHIP).await;
    assert_eq!(
        select(&pool, TENANT_A, links).await,
        json!([{"number": "SO-70011", "state": "MANUAL"}]),
        "a shipment that has its order by hand gets no other"
    );
}

/// What the products are: hash, version, and what their latest version changed.
async fn contents(pool: &RlsPool, tenant: TenantId) -> Value {
    let sql = "select p.content_hash, p.version, v.changed_fields from catalog_products p
               join catalog_product_versions v on v.product_id = p.id and v.version = p.version order by p.sku_norm";
    select(pool, tenant, sql).await
}

#[tokio::test]
async fn a_product_whose_content_hash_stays_gets_no_version_and_no_screening() {
    let db = database().await;
    let pool = db.pool().await;
    let file = |cost: &str, weight: &str, attributes: &str| {
        format!(
            "sku,title,unit_cost,currency,net_weight_kg,attributes,aliases\nA-1,Chair,{cost},USD,{weight},{attributes},x|y\n"
        )
    };
    let first = file("320.00", "41.0", r#""{""a"":1,""b"":2}""#);
    assert_eq!(done(&pool, TENANT_A, "catalog_upload", &first).await.rows_imported, 1);
    let before = contents(&pool, TENANT_A).await;
    // The same said in another way: figures, the order of names, the spelling of the number.
    let same = file("320", "41.000", r#""{""b"":2,""a"":1}""#).replace("A-1", "a1").replace("x|y", "y|x");
    assert_eq!(done(&pool, TENANT_A, "catalog_upload", &same).await.rows_unchanged, 1);
    assert_eq!(contents(&pool, TENANT_A).await, before);
    // Another tenant's product that is the same has the same hash.
    done(&pool, TENANT_B, "catalog_upload", &same).await;
    assert_eq!(contents(&pool, TENANT_B).await[0]["content_hash"], before[0]["content_hash"]);

    let mut hashes = vec![before[0]["content_hash"].clone()];
    for (column, change) in
        [("unit_cost", "320.01"), ("description", "Oak"), ("gtin", "4006381333931"), ("aliases", "\\N")]
    {
        let update = format!("sku,title,{column}\nA-1,Chair,{change}\n");
        assert_eq!(done(&pool, TENANT_A, "catalog_upload", &update).await.rows_updated, 1, "{column}");
        let now = contents(&pool, TENANT_A).await;
        assert_eq!(now[0]["changed_fields"], json!([column]));
        assert!(!hashes.contains(&now[0]["content_hash"]), "{column}");
        hashes.push(now[0]["content_hash"].clone());
    }
}
