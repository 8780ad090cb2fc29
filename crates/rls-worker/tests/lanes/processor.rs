//! From a file that is handed in to a job that has ended.

use rls_runtime::queue::{JobState, Queue, Settled};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::workers::jobs::{self, LANES};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::support::*;

async fn jobs(pool: &RlsPool, tenant: TenantId) -> Value {
    select(pool, tenant, "select lane, state, attempt, last_error from rls_jobs order by lane, id").await
}

#[tokio::test]
async fn every_lane_runs_and_the_golden_figures_come_out() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    let worker = processor(&pool, mail.path());
    for tenant in [TENANT_A, TENANT_B] {
        hand_in(&pool, tenant, "catalog_upload", CATALOG).await;
        worker.drain(tenant).await.unwrap();
        hand_in(&pool, tenant, "order_upload", ORDERS).await;
        hand_in(&pool, tenant, "ship_upload", AGREEMENT).await;
        hand_in(&pool, tenant, "ship_upload", SHIP).await;
        enqueue(&pool, tenant, "sima_validation", serde_json::from_str(SCREEN).unwrap()).await;
        let digest = json!({"template": "trade-digest", "from": "2026-02-16T05:00:00Z", "to": "2026-02-17T05:00:00Z"});
        enqueue(&pool, tenant, "notification_digest", digest).await;
        worker.drain(tenant).await.unwrap();
    }
    for tenant in [TENANT_A, TENANT_B] {
        let ended = jobs(&pool, tenant).await;
        let ended = ended.as_array().unwrap();
        assert!(ended.iter().all(|job| job["state"] == "completed" && job["attempt"] == 1), "{ended:?}");
        for lane in LANES {
            assert!(ended.iter().any(|job| job["lane"] == *lane), "{lane} had no job");
        }
        let figures = select(
            &pool,
            tenant,
            "select (select sum(variance)::numeric(18, 2)::text from ship_findings) as freight,
                 (select sum(exposure_cad)::numeric(18, 2)::text from trade_caught_orders) as duties,
                 (select result ->> 'rowsImported' from rls_jobs where lane = 'order_upload') as lines",
        )
        .await;
        assert_eq!(figures, json!([{"freight": "17.29", "duties": "2176.82", "lines": "4"}]));
    }
}

#[tokio::test]
async fn the_same_file_again_has_the_same_job() {
    let db = database().await;
    let pool = db.pool().await;
    let first = hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    let again = hand_in(&pool, TENANT_A, "wayfair_upload", CATALOG).await;
    assert_eq!((again.job, again.duplicate, first.duplicate), (first.job, true, false));
    let other = hand_in(&pool, TENANT_B, "catalog_upload", CATALOG).await;
    assert!(!other.duplicate && other.job != first.job);

    let mail = tempfile::tempdir().unwrap();
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    assert!(hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await.duplicate);
}

#[tokio::test]
async fn a_refused_file_keeps_its_errors_and_may_be_tried_again() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    let worker = processor(&pool, mail.path());
    let rows: String = (0..20).map(|at| format!("P{at},,\n")).collect();
    let file = format!("sku,title,unit_cost\n{rows}");
    let first = hand_in(&pool, TENANT_A, "catalog_upload", &file).await;
    let drained = worker.drain(TENANT_A).await.unwrap();
    assert_eq!(drained[0].settled, Some(Settled::Done(JobState::Discarded)), "trying again would change nothing");
    let errors =
        select(&pool, TENANT_A, "select count(*), min(code) as code, min(row_number) as first from ingest_row_errors")
            .await;
    assert_eq!(errors, json!([{"count": 20, "code": "TITLE_MISSING", "first": 2}]));
    let event =
        select(&pool, TENANT_A, "select payload ->> 'code' as code from notification_events where type = 'job.failed'")
            .await;
    assert_eq!(event, json!([{"code": "TOO_MANY_ROW_ERRORS"}]));
    assert_eq!(select(&pool, TENANT_A, "select from catalog_products").await, json!([]));

    let again = hand_in(&pool, TENANT_A, "catalog_upload", &file).await;
    assert_eq!((again.job, again.duplicate), (first.job, false));
    let shown = with_tenant(&pool, TENANT_A, async |mut tx| jobs::shown(&mut tx, &Queue::new(), again.job).await).await;
    let shown = shown.unwrap().unwrap();
    assert_eq!(shown["state"], "available");
    let title = json!({"row": 2, "column": "title", "code": "TITLE_MISSING", "severity": "ERROR", "value": "",
        "message": shown["row_errors"][0]["message"]});
    assert_eq!(shown["row_errors"][0], title);
    worker.drain(TENANT_A).await.unwrap();
    let errors = select(&pool, TENANT_A, "select count(*) from ingest_row_errors").await;
    assert_eq!(errors, json!([{"count": 20}]), "not twice");
}

#[tokio::test]
async fn rows_of_the_older_lane_are_claimed_and_counted_as_the_catalog() {
    let db = database().await;
    let pool = db.pool().await;
    let submitted = hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    let older =
        format!("update rls_jobs set lane = 'wayfair_upload', kind = 'wayfair_upload' where id = '{}'", submitted.job);
    assert_eq!(change(&pool, TENANT_A, &older).await, 1);
    let mail = tempfile::tempdir().unwrap();
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let counts = with_tenant(&pool, TENANT_A, async |mut tx| jobs::counts(&mut tx).await).await;
    let counts: Vec<_> = counts.unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    assert!(counts.iter().any(|count| count.lane == "catalog_upload" && count.state == "completed" && count.jobs == 1));
    assert!(counts.iter().all(|count| count.lane != "wayfair_upload"));
}

#[tokio::test]
async fn work_that_was_done_and_not_settled_is_rolled_back_and_done_again() {
    let db = database().await;
    let pool = db.pool().await;
    let submitted = hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    // As if the worker had been killed between the last row and the end of its scope.
    db.execute(
        "create function fail() returns trigger language plpgsql as $$ begin raise 'killed'; end $$;
         create trigger fail before update on rls_jobs for each row when (new.state = 'completed') execute function fail()",
    )
    .await
    .unwrap();
    let mail = tempfile::tempdir().unwrap();
    let worker = processor(&pool, mail.path());
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(select(&pool, TENANT_A, "select from catalog_products").await, json!([]), "nothing is left of it");
    db.execute("drop trigger fail on rls_jobs").await.unwrap();
    assert_eq!(change(&pool, TENANT_A, "update rls_jobs set due_at = now(), rank = now()").await, 1);
    worker.drain(TENANT_A).await.unwrap();
    let job = select(&pool, TENANT_A, "select state, attempt from rls_jobs where lane = 'catalog_upload'").await;
    assert_eq!(job, json!([{"state": "completed", "attempt": 2}]));
    assert_eq!(select(&pool, TENANT_A, "select count(*) from catalog_products").await, json!([{"count": 5}]));
    assert!(hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await.job == submitted.job);
}

#[tokio::test]
async fn a_long_file_says_how_far_it_is() {
    let db = database().await;
    let pool = db.pool().await;
    db.execute_as_superuser(
        "create table told (percent smallint);
         create function tell() returns trigger language plpgsql security definer as
             $$ begin insert into told values (new.progress); return null; end $$;
         create trigger tell after update of progress on rls_jobs for each row
             when (new.state = 'executing' and new.progress > old.progress) execute function tell()",
    )
    .await
    .unwrap();
    hand_in(&pool, TENANT_A, "catalog_upload", &rls_worker::long_samples::catalog(6_000)).await;
    let mail = tempfile::tempdir().unwrap();
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let mut superuser = PgConnection::connect_with(&db.superuser_options()).await.unwrap();
    let told: Vec<i16> = sqlx::query_scalar("select percent from told").fetch_all(&mut superuser).await.unwrap();
    assert!(!told.is_empty() && told.is_sorted() && told.iter().all(|percent| (1..100).contains(percent)), "{told:?}");
}
