//! What is around the payload of a job.

use rls_runtime::queue::{JobId, Queue};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::workers::envelope::{self, Envelope};
use rls_worker::workers::jobs::{HandedIn, shown, submit};
use serde_json::json;

use crate::support::*;

async fn envelope(pool: &RlsPool, tenant: TenantId, job: JobId) -> Option<Envelope> {
    with_tenant(pool, tenant, async |mut tx| envelope::of(&mut tx, job).await).await.unwrap()
}

async fn handed_in(pool: &RlsPool, tenant: TenantId, lane: &str, bytes: &[u8]) -> (JobId, Envelope) {
    let file = HandedIn::new(lane, "file.csv", bytes, "ann").unwrap();
    let submitted = with_tenant(pool, tenant, async |mut tx| submit(&mut tx, &Queue::new(), &file).await);
    let job = submitted.await.unwrap().job;
    (job, envelope(pool, tenant, job).await.unwrap())
}

#[tokio::test]
async fn a_file_says_how_it_is_read_before_it_is() {
    let db = database().await;
    let pool = db.pool().await;
    let legacy = "Supplier Part Number,Product Name\n1,Chair\n";
    for (lane, file, adapter) in [
        ("catalog_upload", CATALOG, Some("catalog-csv")),
        ("wayfair_upload", legacy, Some("wayfair")),
        ("order_upload", ORDERS, Some("order-csv")),
        ("ship_upload", SHIP, Some("canonical")),
        ("ship_upload", AGREEMENT, Some("carrier-agreement")),
        ("ship_upload", "what,is,this\n1,2,3\n", None),
        ("catalog_upload", "%PDF-1.7", None),
    ] {
        let (job, envelope) = handed_in(&pool, TENANT_A, lane, file.as_bytes()).await;
        assert_eq!(envelope.adapter.as_deref(), adapter, "{lane}");
        assert_eq!((envelope.tenant_id, envelope.attempt), (TENANT_A.as_uuid(), 0));
        assert_eq!(envelope.payload, json!({"upload": envelope.file_ref}));
        assert_eq!((envelope.file_name.as_deref(), envelope.created_by.as_deref()), (Some("file.csv"), Some("ann")));
        assert_eq!(envelope.lane, if lane == "wayfair_upload" { "catalog_upload" } else { lane });
        let shown = with_tenant(&pool, TENANT_A, async |mut tx| shown(&mut tx, &Queue::new(), job).await);
        let shown = shown.await.unwrap().unwrap();
        assert_eq!((&shown["adapter"], &shown["state"]), (&json!(adapter), &json!("available")));
    }
}

#[tokio::test]
async fn a_file_has_one_key_in_its_tenant_and_another_elsewhere() {
    let db = database().await;
    let pool = db.pool().await;
    let (job, first) = handed_in(&pool, TENANT_A, "catalog_upload", CATALOG.as_bytes()).await;
    let (again, second) = handed_in(&pool, TENANT_A, "wayfair_upload", CATALOG.as_bytes()).await;
    assert_eq!((job, &first), (again, &second));
    let (_, elsewhere) = handed_in(&pool, TENANT_B, "catalog_upload", CATALOG.as_bytes()).await;
    assert_ne!(first.idempotency_key, elsewhere.idempotency_key);
    assert!(first.idempotency_key.is_some_and(|key| key.len() == 64));
    assert_eq!(envelope(&pool, TENANT_B, job).await, None);
}

#[tokio::test]
async fn jobs_that_follow_say_what_enqueued_them() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    for (lane, file) in [("catalog_upload", CATALOG), ("order_upload", ORDERS)] {
        handed_in(&pool, TENANT_A, lane, file.as_bytes()).await;
        processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    }
    let jobs = "select id from rls_jobs where lane in ('sima_validation', 'notification_event') order by lane desc";
    let mut found = Vec::new();
    for job in select(&pool, TENANT_A, jobs).await.as_array().unwrap() {
        let job = job["id"].as_str().unwrap().parse().unwrap();
        let envelope = envelope(&pool, TENANT_A, job).await.unwrap();
        assert_eq!((envelope.file_ref, envelope.attempt), (None, 1));
        found.push((envelope.lane, envelope.created_by.unwrap()));
    }
    let expected = [("sima_validation", "catalog_upload"), ("notification_event", "notifications")];
    assert_eq!(found, expected.map(|(lane, by)| (lane.to_owned(), by.to_owned())));
}
