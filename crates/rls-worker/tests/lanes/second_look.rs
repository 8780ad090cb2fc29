//! Labels that nobody scans: looked at again when they are old, and not before.

use chrono::{DateTime, Utc};
use rls_runtime::RlsPool;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use serde_json::json;

use crate::support::*;

/// Labels of the 13th: one that is never scanned, and one that is scanned in a later file.
const LABELS: &str =
    "carrier,account_number,invoice_number,invoice_date,tracking_number,service_code,ship_date,charge_code,net_amount,currency,scanned
FEDEX,601234567,FX-26-0420,2026-02-16,794600000031,GROUND,2026-02-13,RES,6.10,CAD,N
FEDEX,601234567,FX-26-0420,2026-02-16,794600000032,GROUND,2026-02-13,RES,6.10,CAD,N
FEDEX,601234567,FX-26-0420,2026-02-16,794600000033,GROUND,2027-02-13,RES,6.10,CAD,N
";

fn later() -> String {
    let scanned = LABELS.lines().nth(2).expect("the second label").replace(",RES,6.10,CAD,N", ",SAT,9.00,CAD,Y");
    format!("{}\n{}\n", LABELS.lines().next().expect("the titles"), scanned.replace("0420", "0421"))
}

/// Makes the second look due, as time would, and takes it.
async fn look(pool: &RlsPool, mail: &std::path::Path, at: &str) {
    let due = "update rls_jobs set due_at = now(), rank = now(), run_at = now() where lane = 'ship_second_look'";
    assert_eq!(change(pool, TENANT_A, due).await, 1, "there is one for all files of the day");
    let at: DateTime<Utc> = at.parse().expect("a time");
    processor_at(pool, mail, at).drain(TENANT_A).await.expect("drains");
}

#[tokio::test]
async fn a_label_that_grows_old_unscanned_is_found_without_another_file() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    for file in [AGREEMENT, LABELS, &later()] {
        hand_in(&pool, TENANT_A, "ship_upload", file).await;
        processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    }
    let void = "select tracking_norm, state from ship_findings where kind = 'VOID_BILLED'";
    let looks = "select state, attempt, unique_key from rls_jobs where lane = 'ship_second_look'";
    let waits = json!([{"state": "scheduled", "attempt": 0, "unique_key": "second_look:2026-02-13"}]);
    assert_eq!(select(&pool, TENANT_A, looks).await, waits, "a label of next year is a mistake");
    // Ten days are over when the 24th begins in Toronto.
    look(&pool, mail.path(), "2026-02-24T04:59:59Z").await;
    assert_eq!((select(&pool, TENANT_A, looks).await, select(&pool, TENANT_A, void).await), (waits, json!([])));
    look(&pool, mail.path(), "2026-02-24T05:00:00Z").await;
    assert_eq!(select(&pool, TENANT_A, void).await, json!([{"tracking_norm": "794600000031", "state": "OPEN"}]));
    let ended =
        "select state, result -> 'outputs' -> 'findingsCreated' as found from rls_jobs where lane = 'ship_second_look'";
    assert_eq!(select(&pool, TENANT_A, ended).await, json!([{"state": "completed", "found": 1}]));
    assert_eq!(select(&pool, TENANT_B, "select from ship_findings").await, json!([]));
}

#[tokio::test]
async fn files_whose_labels_are_scanned_or_old_are_not_looked_at_again() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    let old = LABELS.replace("2026-02-13", "2026-02-06");
    for file in [AGREEMENT, SHIP, &LABELS.replace(",CAD,N", ",CAD,Y"), &old.replace("0420", "0400")] {
        hand_in(&pool, TENANT_A, "ship_upload", file).await;
        processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    }
    assert_eq!(select(&pool, TENANT_A, "select from rls_jobs where lane = 'ship_second_look'").await, json!([]));
}
