//! One event that is told, and what became of its messages.

use std::time::Duration;

use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::testing::TENANT_A;
use rls_runtime::worker::Worker;
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::workers::job_processor::State;
use serde_json::{Value, json};

use crate::support::*;

/// Long enough for an answer of this machine.
pub const PATIENT: Duration = Duration::from_secs(60);

/// Too short for a server that says nothing, long enough for all else.
pub const IMPATIENT: Duration = Duration::from_secs(2);

pub async fn exception(pool: &RlsPool, key: &str) {
    let event = json!({"key": key, "type": "ship.exception", "kind": "LINK_AMBIGUOUS"});
    let job = NewJob::new("notification_event", "notification_event", &event).unwrap().max_attempts(3);
    with_tenant(pool, TENANT_A, async |mut tx| Queue::new().enqueue(&mut tx, &job).await.map(drop))
        .await
        .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
}

pub async fn retry_now(pool: &RlsPool) {
    let sql = "update rls_jobs set due_at = now(), rank = now() where state = 'retryable'";
    assert_eq!(change(pool, TENANT_A, sql).await, 1, "the job waits to be tried again");
}

/// Tells of something while nobody knows what becomes of it: it is sent once more, and then given up.
pub async fn tries_once_more(pool: &RlsPool, worker: &Worker<State>) {
    exception(pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    let waiting = deliveries(pool).await;
    assert_eq!((&waiting[0]["status"], &waiting[0]["unknown_ends"]), (&json!("DEFERRED"), &json!(1)), "{waiting}");
    retry_now(pool).await;
    worker.drain(TENANT_A).await.unwrap();
    let failed = deliveries(pool).await;
    assert_eq!(failed[0]["status"], "FAILED", "{failed}");
    assert!(failed[0]["reason"].as_str().unwrap().starts_with("DELIVERY_UNKNOWN: "), "{failed}");
    assert_eq!(summary(pool).await["state"], "completed");
}

pub async fn deliveries(pool: &RlsPool) -> Value {
    select(
        pool,
        TENANT_A,
        "select status, reason, attempt, unknown_ends from notification_deliveries order by recipient, dedupe_key",
    )
    .await
}

pub async fn summary(pool: &RlsPool) -> Value {
    select(pool, TENANT_A, "select state, result from rls_jobs").await[0].clone()
}
