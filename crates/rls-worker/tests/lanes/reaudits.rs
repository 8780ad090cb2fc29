//! Agreements and settings that come after the charges, and what follows for the findings.

use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, TenantId};
use rls_worker::workers::outcome::LaneError;
use serde_json::{Value, json};

use crate::support::*;

/// Kinds and states of all findings that somebody may still want to know of.
async fn findings(pool: &RlsPool, tenant: TenantId) -> Value {
    select(pool, tenant, "select kind, state from ship_findings order by kind, state, code").await
}

/// What an operator does.
async fn decide(pool: &RlsPool, kind: &str, from: &str, to: &str) {
    let moved = format!(
        "with moved as (update ship_findings set state = '{to}' where kind = '{kind}' and state = '{from}' returning id)
         insert into ship_finding_events (finding_id, from_state, to_state, actor) select id, '{from}', '{to}', 'ann' from moved"
    );
    assert_eq!(change(pool, TENANT_A, &moved).await, 1, "{kind}");
}

fn settings(rows: &[&str]) -> String {
    format!("carrier,account,key,value,valid_from,valid_to\n{}\n", rows.join("\n"))
}

/// The four golden findings, whatever came first.
const GOLDEN: [&str; 4] = ["DIM_WEIGHT_ERROR", "DUPLICATE_CHARGE", "FUEL_MISMATCH", "RES_MISAPPLIED"];

fn golden() -> Value {
    GOLDEN.iter().map(|kind| json!({"kind": kind, "state": "OPEN"})).collect()
}

#[tokio::test]
async fn an_agreement_that_comes_last_finds_what_it_would_have_found() {
    let db = database().await;
    let pool = db.pool().await;
    for tenant in [TENANT_A, TENANT_B] {
        for (lane, input) in [("catalog_upload", CATALOG), ("order_upload", ORDERS), ("ship_upload", SHIP)] {
            done(&pool, tenant, lane, input).await;
        }
    }
    let before = findings(&pool, TENANT_A).await;
    assert_eq!(before[2], json!({"kind": "UNAUTHORIZED_ACCOUNT", "state": "OPEN"}), "{before}");
    let imported = done(&pool, TENANT_A, "ship_upload", AGREEMENT).await;
    assert_eq!((&imported.outputs["findingsCreated"], &imported.outputs["findingsSuperseded"]), (&json!(2), &json!(1)));
    let mut expected = golden();
    expected.as_array_mut().unwrap().push(json!({"kind": "UNAUTHORIZED_ACCOUNT", "state": "DISMISSED"}));
    assert_eq!(findings(&pool, TENANT_A).await, expected);
    let trail = "select e.from_state, e.to_state, e.actor, e.note from ship_finding_events e
        join ship_findings f on f.id = e.finding_id where f.kind = 'UNAUTHORIZED_ACCOUNT' order by e.from_state nulls first";
    assert_eq!(
        select(&pool, TENANT_A, trail).await[1],
        json!({"from_state": "OPEN", "to_state": "DISMISSED", "actor": "worker", "note": "superseded: not justified any more"})
    );
    let again = done(&pool, TENANT_A, "ship_upload", &AGREEMENT.replace("CAD", "cad")).await;
    assert_eq!((&again.outputs["findingsCreated"], &again.outputs["findingsSuperseded"]), (&json!(0), &json!(0)));
    assert_eq!(findings(&pool, TENANT_A).await, expected);
    assert_eq!(findings(&pool, TENANT_B).await, before, "the other tenant has no agreement yet");
}

#[tokio::test]
async fn a_new_agreement_supersedes_what_it_no_longer_justifies_and_nothing_that_somebody_decided() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    decide(&pool, "DUPLICATE_CHARGE", "OPEN", "DISPUTED").await;
    // As dear as it was billed: nothing is wrong with weight and fuel any more.
    let dear = AGREEMENT.replace(",22.40,", ",28.10,").replace(",17.5,", ",20,");
    let imported = done(&pool, TENANT_A, "ship_upload", &dear).await;
    assert_eq!((&imported.outputs["findingsCreated"], &imported.outputs["findingsSuperseded"]), (&json!(0), &json!(2)));
    let now = findings(&pool, TENANT_A).await;
    assert_eq!(
        now,
        json!([
            {"kind": "DIM_WEIGHT_ERROR", "state": "DISMISSED"},
            {"kind": "DUPLICATE_CHARGE", "state": "DISPUTED"},
            {"kind": "FUEL_MISMATCH", "state": "DISMISSED"},
            {"kind": "RES_MISAPPLIED", "state": "OPEN"},
        ])
    );
    // Somebody opens the fuel again by hand, and is not overruled; the weight is justified again by the next version.
    decide(&pool, "FUEL_MISMATCH", "DISMISSED", "OPEN").await;
    let back = done(&pool, TENANT_A, "ship_upload", AGREEMENT).await;
    assert_eq!(back.outputs["findingsCreated"], 1);
    assert_eq!(
        findings(&pool, TENANT_A).await,
        json!([
            {"kind": "DIM_WEIGHT_ERROR", "state": "OPEN"},
            {"kind": "DUPLICATE_CHARGE", "state": "DISPUTED"},
            {"kind": "FUEL_MISMATCH", "state": "OPEN"},
            {"kind": "RES_MISAPPLIED", "state": "OPEN"},
        ])
    );
}

#[tokio::test]
async fn a_charge_has_one_finding_when_its_order_comes_late() {
    let db = database().await;
    let pool = db.pool().await;
    let dear = SHIP.replace(",6.10,3.05,3.05,", ",9.10,3.05,6.05,");
    for (lane, input) in [("ship_upload", AGREEMENT), ("ship_upload", dear.as_str())] {
        done(&pool, TENANT_A, lane, input).await;
    }
    let of_res = "select kind, state from ship_findings where code = 'RES' order by kind";
    assert_eq!(select(&pool, TENANT_A, of_res).await, json!([{"kind": "RATE_MISMATCH", "state": "OPEN"}]));
    done(&pool, TENANT_A, "order_upload", ORDERS).await;
    assert_eq!(
        select(&pool, TENANT_A, of_res).await,
        json!([{"kind": "RATE_MISMATCH", "state": "DISMISSED"}, {"kind": "RES_MISAPPLIED", "state": "OPEN"}])
    );
}

#[tokio::test]
async fn settings_are_imported_and_hold_for_the_invoices_of_their_days() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    everything(&pool, TENANT_B).await;
    // The first invoice is of 13 February, the second of 20 February.
    let first_only =
        settings(&["FEDEX,,disabled_findings,DIM_WEIGHT_ERROR|DUPLICATE_CHARGE|FUEL_MISMATCH,2026-02-01,2026-02-13"]);
    let imported = done(&pool, TENANT_A, "ship_upload", &first_only).await;
    assert_eq!((imported.rows_imported, &imported.outputs["findingsSuperseded"]), (1, &json!(2)));
    let states = findings(&pool, TENANT_A).await;
    assert_eq!(states[0]["state"], "DISMISSED");
    assert_eq!(states[1], json!({"kind": "DUPLICATE_CHARGE", "state": "OPEN"}), "it is on the second invoice");
    assert_eq!(findings(&pool, TENANT_B).await, golden());
    let ended = first_only.replace("2026-02-13", "2026-02-12");
    let imported = done(&pool, TENANT_A, "ship_upload", &ended).await;
    assert_eq!((&imported.outputs["findingsCreated"], &imported.outputs["findingsSuperseded"]), (&json!(2), &json!(0)));
    assert_eq!(findings(&pool, TENANT_A).await, golden());
    let rows = select(&pool, TENANT_A, "select valid_to from tenant_carrier_overrides").await;
    assert_eq!(rows, json!([{"valid_to": "2026-02-12"}]), "the same setting from the same day is replaced");
    let bad = settings(&["FEDEX,,tolerance_abs,1,2026-02-01,", "FEDEX,,tolerance,1,2026-02-01,"]);
    let Err(LaneError::Refused(refusal)) = run(&pool, TENANT_A, "ship_upload", &bad).await else { panic!("taken") };
    assert_eq!((refusal.error.code.as_str(), refusal.row_errors[0].row_number), ("OVERRIDES_REJECTED", 3));
    assert_eq!(select(&pool, TENANT_A, "select count(*) from tenant_carrier_overrides").await, json!([{"count": 1}]));
}

#[tokio::test]
async fn large_findings_are_disputed_by_the_worker_and_small_ones_wait() {
    let db = database().await;
    let pool = db.pool().await;
    let auto = settings(&["FEDEX,,auto_dispute_min,3.53,2026-01-01,"]);
    for (lane, input) in
        [("order_upload", ORDERS), ("ship_upload", AGREEMENT), ("ship_upload", &auto), ("ship_upload", SHIP)]
    {
        done(&pool, TENANT_A, lane, input).await;
    }
    let expected = json!([
        {"kind": "DIM_WEIGHT_ERROR", "state": "DISPUTED"},
        {"kind": "DUPLICATE_CHARGE", "state": "DISPUTED"},
        {"kind": "FUEL_MISMATCH", "state": "OPEN"},
        {"kind": "RES_MISAPPLIED", "state": "OPEN"},
    ]);
    assert_eq!(findings(&pool, TENANT_A).await, expected);
    let trail = "select e.from_state, e.to_state, e.actor, e.note from ship_finding_events e
        join ship_findings f on f.id = e.finding_id where f.kind = 'DUPLICATE_CHARGE' order by e.from_state nulls first";
    assert_eq!(
        select(&pool, TENANT_A, trail).await,
        json!([
            {"from_state": null, "to_state": "OPEN", "actor": "worker", "note": null},
            {"from_state": "OPEN", "to_state": "DISPUTED", "actor": "worker", "note": "the amount reaches auto_dispute_min"},
        ])
    );
    decide(&pool, "DIM_WEIGHT_ERROR", "DISPUTED", "REJECTED").await;
    decide(&pool, "DIM_WEIGHT_ERROR", "REJECTED", "OPEN").await;
    done(&pool, TENANT_A, "ship_upload", SHIP).await;
    let state = select(&pool, TENANT_A, "select state from ship_findings where kind = 'DIM_WEIGHT_ERROR'").await;
    assert_eq!(state, json!([{"state": "OPEN"}]), "somebody opened it again, and is not overruled");
    let by_import = settings(&["FEDEX,,auto_dispute_min,3,2026-01-01,"]);
    done(&pool, TENANT_A, "ship_upload", &by_import).await;
    let state = select(&pool, TENANT_A, "select state from ship_findings where kind = 'RES_MISAPPLIED'").await;
    assert_eq!(state, json!([{"state": "DISPUTED"}]), "what is on file is looked at again");
}

#[tokio::test]
async fn a_map_of_charge_codes_holds_for_what_comes_and_for_what_is_there() {
    let db = database().await;
    let pool = db.pool().await;
    let odd = SHIP.replace(",RES,Residential delivery,", ",XRD,House fee,");
    for (lane, input) in [("order_upload", ORDERS), ("ship_upload", AGREEMENT)] {
        done(&pool, TENANT_A, lane, input).await;
    }
    let unmapped = done(&pool, TENANT_A, "ship_upload", &odd).await;
    assert_eq!(unmapped.errors_by_code.get("CHARGE_UNMAPPED"), Some(&1));
    let map = settings(&["FEDEX,601234567,charge_code_map,xrd=RES,2026-02-01,"]);
    let imported = done(&pool, TENANT_A, "ship_upload", &map).await;
    assert_eq!(imported.outputs["findingsCreated"], 1);
    assert_eq!(findings(&pool, TENANT_A).await, golden());
    let mapped = done(&pool, TENANT_A, "ship_upload", &odd).await;
    assert_eq!((mapped.rows_unchanged, mapped.warnings), (5, 0), "the same charges under their new name");
    let codes = "select code, carrier_code from shipment_charges where carrier_code = 'XRD'";
    assert_eq!(select(&pool, TENANT_A, codes).await, json!([{"code": "RES", "carrier_code": "XRD"}]));
    done(&pool, TENANT_B, "ship_upload", &odd).await;
    assert_eq!(select(&pool, TENANT_B, codes).await, json!([{"code": "OTHER", "carrier_code": "XRD"}]));
}

#[tokio::test]
async fn what_a_later_file_knows_of_a_charge_is_added_to_it() {
    let db = database().await;
    let pool = db.pool().await;
    let guaranteed = AGREEMENT.replace("GUARANTEE,FEDEX,601234567,EXPRESS", "GUARANTEE,FEDEX,601234567,GROUND");
    for (lane, input) in [("order_upload", ORDERS), ("ship_upload", guaranteed.as_str()), ("ship_upload", SHIP)] {
        done(&pool, TENANT_A, lane, input).await;
    }
    assert_eq!(findings(&pool, TENANT_A).await, golden());
    let mut lines = SHIP.lines();
    let header = format!("{},delivered_at,committed_at", lines.next().unwrap());
    let rows: Vec<String> = lines.map(|line| format!("{line},2026-02-14 09:00,2026-02-13")).collect();
    let known = done(&pool, TENANT_A, "ship_upload", &format!("{header}\n{}\n", rows.join("\n"))).await;
    assert_eq!((known.rows_updated, known.rows_imported), (5, 0));
    assert_eq!(
        findings(&pool, TENANT_A).await,
        json!([
            {"kind": "DIM_WEIGHT_ERROR", "state": "DISMISSED"},
            {"kind": "DUPLICATE_CHARGE", "state": "OPEN"},
            {"kind": "FUEL_MISMATCH", "state": "DISMISSED"},
            {"kind": "LATE_DELIVERY", "state": "OPEN"},
            {"kind": "LATE_DELIVERY", "state": "OPEN"},
            {"kind": "LATE_DELIVERY", "state": "OPEN"},
            {"kind": "RES_MISAPPLIED", "state": "OPEN"},
        ])
    );
    let again = done(&pool, TENANT_A, "ship_upload", SHIP).await;
    assert_eq!((again.rows_unchanged, &again.outputs["findingsCreated"]), (5, &json!(0)));
}

#[tokio::test]
async fn orders_say_what_was_asked_for_and_what_is_inside() {
    let db = database().await;
    let pool = db.pool().await;
    let rate =
        AGREEMENT.trim_end().to_owned() + "\nRATE,FEDEX,601234567,SAVER,3,,10,10.00,,,,2026-01-01,2026-12-31,CAD\n";
    let oversize = SHIP.replace(",RES,Residential delivery,", ",LPS,Oversize,");
    let lists = settings(&["FEDEX,,lps_skus,REC-LTH-01,2026-01-01,"]);
    let mut lines = ORDERS.lines();
    let header = format!("{},service_code", lines.next().unwrap());
    let orders: Vec<String> = lines.map(|line| format!("{line},saver")).collect();
    let orders = format!("{header}\n{}\n", orders.join("\n"));
    for (lane, input) in
        [("ship_upload", &rate), ("ship_upload", &oversize), ("ship_upload", &lists), ("order_upload", &orders)]
    {
        done(&pool, TENANT_A, lane, input).await;
    }
    let kinds = "select kind, evidence from ship_findings where state = 'OPEN' and kind in ('SERVICE_MISMATCH', 'SURCHARGE_INVALID')";
    assert_eq!(
        select(&pool, TENANT_A, &format!("{kinds} order by kind")).await,
        json!([
            {"kind": "SERVICE_MISMATCH", "evidence": "SAVER was ordered, GROUND is billed"},
            {"kind": "SURCHARGE_INVALID", "evidence": "order SO-70013 has no product of the tenant's oversize list"},
        ])
    );
}
