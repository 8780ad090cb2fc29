//! The numbers of a worker, as the README promises them.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rls_runtime::queue::Schedule;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::with_tenant;

use crate::acting::{act, enqueue, start, worker};
use crate::harness::{LANE, LEASE, Site, seconds};

/// By name and labels: what a counter shows, how often a histogram was recorded.
fn numbers(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut numbers = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let mut name = key.key().name().to_owned();
        for label in key.key().labels() {
            name += &format!(" {}={}", label.key(), label.value());
        }
        let number = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(values) => values.len() as u64,
            DebugValue::Gauge(_) => panic!("there are no gauges"),
        };
        numbers.insert(name, number);
    }
    numbers
}

#[tokio::test]
async fn every_step_of_a_job_is_counted_by_lane_and_outcome_and_not_by_tenant() {
    let recorder = DebuggingRecorder::new();
    // The worker's tasks run on this thread.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let site = Site::new().await;
    // Somebody dies with it.
    enqueue(&site, TENANT_B, "ok").await;
    assert_eq!(site.claim_some(TENANT_B, 1).await.len(), 1);
    site.clock.advance(LEASE);
    for how in ["ok", "ok", "fail", "retry", "snooze", "cancel", "panic"] {
        enqueue(&site, TENANT_A, how).await;
    }
    let hourly = Schedule::new("hourly", "@hourly", "UTC", act("ok").expect("it is JSON")).expect("it can be read");
    with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.put_schedule(&mut tx, &hourly).await)
        .await
        .expect("puts");
    let (worker, log) = worker(&site);
    let mut running = start(worker, log);
    running.wait_for("gone", 10).await;
    site.rests(TENANT_A).await;
    site.rests(TENANT_B).await;
    site.clock.advance(seconds(3600));
    // The scheduled one, and the one that was snoozed.
    running.wait_for("gone", 2).await;
    running.stop().await;

    let numbers = numbers(&recorder.snapshotter());
    let expected = [
        ("rls_jobs_claimed_total", 12),
        ("rls_jobs_started_total", 12),
        ("rls_jobs_reclaimed_total", 1),
        ("rls_jobs_wait_seconds", 12),
        ("rls_jobs_run_seconds", 12),
    ];
    for (name, number) in expected {
        assert_eq!(numbers.get(&format!("{name} lane={LANE}")), Some(&number), "{name}");
    }
    let outcomes = [("completed", 4), ("retried", 2), ("dead", 3), ("snoozed", 2), ("cancelled", 1)];
    for (outcome, number) in outcomes {
        let name = format!("rls_jobs_settled_total lane={LANE} outcome={outcome}");
        assert_eq!(numbers.get(&name), Some(&number), "{name}");
    }
    assert_eq!(numbers.get("rls_jobs_scheduled_total"), Some(&1));
    for looked in ["rls_jobs_sweep_tenants", "rls_jobs_claim_seconds"] {
        assert!(numbers.contains_key(&format!("{looked} lane={LANE}")), "{looked}");
    }
    for name in numbers.keys() {
        assert!(!name.contains(&TENANT_A.to_string()) && !name.contains(&TENANT_B.to_string()), "{name}");
        assert!(README.contains(&format!("| `{}` |", name.split(' ').next().unwrap_or(name))), "{name} is not told of");
    }
}

const README: &str = include_str!("../../README.md");

#[tokio::test]
async fn a_lease_that_is_lost_and_a_job_that_settles_itself_are_counted() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let site = Site::new().await;
    enqueue(&site, TENANT_A, "hang").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.heartbeat(std::time::Duration::from_millis(20)), log);
    running.wait_for("started", 1).await;
    let stolen = "UPDATE rls_jobs SET token = gen_random_uuid(), due_at = due_at + interval '1 hour'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(stolen).execute(&mut *tx).await)
        .await
        .expect("steals");
    running.wait_for("gone", 1).await;
    // It enqueues another one.
    enqueue(&site, TENANT_A, "settle").await;
    running.wait_for("gone", 2).await;
    running.stop().await;
    let numbers = numbers(&recorder.snapshotter());
    assert_eq!(numbers.get(&format!("rls_jobs_leases_lost_total lane={LANE}")), Some(&1));
    assert_eq!(numbers.get(&format!("rls_jobs_settled_total lane={LANE} outcome=by_itself")), Some(&1));
    assert_eq!(numbers.get(&format!("rls_jobs_settled_total lane={LANE} outcome=completed")), Some(&1));
}
