//! The worker: it runs what there is, for every tenant in turn, and survives what handlers do.

use std::sync::Arc;
use std::time::Duration;

use rls_runtime::queue::{JobState, NewJob, Retention, Schedule, Settled};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::worker::{Lane, Outcome, Worker, run_job};
use rls_runtime::{TenantId, with_tenant};
use tokio::sync::{mpsc, oneshot};

use crate::acting::{Act, Log, Running, act, enqueue, start, worker};
use crate::harness::{LANE, LEASE, Site, seconds};

#[tokio::test]
async fn it_runs_the_jobs_of_all_tenants_each_in_its_own_scope() {
    let site = Site::new().await;
    let mut jobs = Vec::new();
    for tenant in [TENANT_A, TENANT_B] {
        for _ in 0..10 {
            jobs.push((tenant, enqueue(&site, tenant, "ok").await));
        }
    }
    let (worker, log) = worker(&site);
    let mut running = start(worker, log);
    running.wait_for("gone", 20).await;
    running.stop().await;
    for (tenant, job) in jobs {
        let ended = site.find(tenant, job).await;
        assert_eq!((ended.state, ended.attempt, ended.last_error), (JobState::Completed, 1, None));
    }
}

#[tokio::test]
async fn every_outcome_is_settled_as_it_says() {
    let site = Site::new().await;
    let expected = [
        ("ok", JobState::Completed, None),
        ("panic", JobState::Discarded, Some("panicked: on purpose")),
        ("fail", JobState::Discarded, Some("no use")),
        ("retry", JobState::Discarded, Some("not yet")),
        ("snooze", JobState::Scheduled, None),
        ("cancel", JobState::Cancelled, Some("never mind")),
        ("settle", JobState::Completed, None),
    ];
    let mut jobs = Vec::new();
    for (how, ..) in expected {
        jobs.push(enqueue(&site, TENANT_A, how).await);
    }
    let unknown = NewJob::new(LANE, "unheard of", &1).expect("it is JSON").max_attempts(1);
    let unknown = site.enqueue(TENANT_A, &unknown).await;
    let unreadable = site.enqueue(TENANT_A, &NewJob::new(LANE, "act", &1).expect("it is JSON")).await;
    let (worker, log) = worker(&site);
    let mut running = start(worker, log);
    // Two of them are tried twice, and one enqueues another.
    running.wait_for("gone", expected.len() + 3).await;
    running.stop().await;
    for (job, (how, state, error)) in jobs.into_iter().zip(expected) {
        let ended = site.find(TENANT_A, job).await;
        assert_eq!((ended.state, ended.last_error.as_deref()), (state, error), "{how}");
    }
    let error = site.find(TENANT_A, unknown).await.last_error.unwrap_or_default();
    assert!(error.contains("`unheard of`"), "{error}");
    assert_eq!(site.state(TENANT_A, unreadable).await, JobState::Discarded);
}

#[tokio::test]
async fn what_the_server_cannot_write_fails_alone() {
    let site = Site::new().await;
    let bad = enqueue(&site, TENANT_A, "unwritable").await;
    let good = enqueue(&site, TENANT_A, "ok").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker, log);
    running.wait_for("gone", 2).await;
    running.stop().await;
    assert_eq!(site.state(TENANT_A, bad).await, JobState::Discarded);
    assert_eq!(site.state(TENANT_A, good).await, JobState::Completed);
}

#[tokio::test]
async fn a_cancelled_job_is_dropped_and_one_that_obeys_may_finish() {
    for (how, patience, expected) in
        [("hang", Duration::ZERO, JobState::Cancelled), ("obey", seconds(600), JobState::Completed)]
    {
        let site = Site::new().await;
        let job = enqueue(&site, TENANT_A, how).await;
        let (worker, log) = worker(&site);
        let mut running = start(worker.heartbeat(Duration::from_millis(20)).cancel_grace(patience), log);
        running.wait_for("started", 1).await;
        let cancelled = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.cancel(&mut tx, job).await).await;
        assert_eq!(cancelled.expect("cancels"), Some(JobState::Executing));
        running.wait_for("gone", 1).await;
        running.stop().await;
        assert_eq!(site.state(TENANT_A, job).await, expected);
    }
}

#[tokio::test]
async fn a_handler_whose_lease_is_lost_is_dropped_and_settles_nothing() {
    let site = Site::new().await;
    let job = enqueue(&site, TENANT_A, "hang").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.heartbeat(Duration::from_millis(20)), log);
    running.wait_for("started", 1).await;
    // As another worker's claim would.
    let stolen = "UPDATE rls_jobs SET token = gen_random_uuid(), due_at = due_at + interval '1 hour'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(stolen).execute(&mut *tx).await)
        .await
        .expect("steals");
    running.wait_for("gone", 1).await;
    running.stop().await;
    assert_eq!(site.state(TENANT_A, job).await, JobState::Executing, "it is the other worker's");
}

#[tokio::test]
async fn when_it_stops_what_runs_goes_back_without_losing_an_attempt() {
    let site = Site::new().await;
    let job = enqueue(&site, TENANT_A, "hang").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.shutdown_grace(Duration::ZERO), log);
    running.wait_for("started", 1).await;
    running.stop().await;
    let released = site.find(TENANT_A, job).await;
    assert_eq!((released.state, released.attempt), (JobState::Available, 0));
    assert_eq!(site.claim_some(TENANT_A, 1).await.len(), 1);
}

#[tokio::test]
async fn two_workers_share_the_work_and_run_nothing_twice() {
    let site = Site::new().await;
    let tenants: Vec<_> = (1..=5).map(|tenant| TenantId::new(uuid::Uuid::from_u128(tenant))).collect();
    for tenant in &tenants {
        let jobs: Vec<_> = (0..40).map(|_| act("ok").expect("it is JSON")).collect();
        with_tenant(&site.pool, *tenant, async |mut tx| site.queue.enqueue_many(&mut tx, &jobs).await)
            .await
            .expect("enqueues");
    }
    let (sender, log) = mpsc::unbounded_channel();
    let state = Log(sender);
    let mut workers = Vec::new();
    for _ in 0..2 {
        let pool = site.db.pool().await;
        let worker = Worker::new(pool, state.clone()).queue(site.queue.clone()).register::<Act>();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = worker.lane(Lane::new(LANE).slots(8)).poll(Duration::from_millis(10)).run(async {
            stopped.await.ok();
        });
        workers.push((stop, tokio::spawn(run)));
    }
    let (stop, nobody) = oneshot::channel();
    drop(nobody);
    let mut running = Running { stop, task: tokio::spawn(async {}), log };
    let mut ran = running.wait_for("started", 200).await;
    for (stop, task) in workers {
        stop.send(()).ok();
        task.await.expect("the worker does not panic");
    }
    running.log.close();
    while let Some((event, tenant, job)) = running.log.recv().await {
        assert_eq!(event, "gone", "job {job} of {tenant} was started twice");
    }
    ran.sort();
    ran.dedup();
    assert_eq!(ran.len(), 200);
    for (tenant, job) in ran {
        assert_eq!(site.state(tenant, job).await, JobState::Completed);
    }
}

#[tokio::test]
async fn rows_of_an_older_lane_and_kind_are_served() {
    let site = Site::new().await;
    let old = NewJob::new("wayfair_upload", "old act", &Act { how: "ok".to_owned() }).expect("it is JSON");
    let job = site.enqueue(TENANT_A, &old).await;
    let (worker, log) = worker(&site);
    let lane = Lane::new("catalog_upload").formerly("wayfair_upload");
    let mut running = start(worker.register_formerly::<Act>("old act").lane(lane), log);
    running.wait_for("gone", 1).await;
    running.stop().await;
    assert_eq!(site.state(TENANT_A, job).await, JobState::Completed);
}

#[tokio::test]
async fn it_heals_doorbells_and_prunes_what_is_old() {
    let site = Site::new().await;
    let old = enqueue(&site, TENANT_A, "ok").await;
    let (first, log) = worker(&site);
    let drained = first.drain(TENANT_A).await.expect("drains");
    assert_eq!((drained.len(), drained[0].job, drained[0].settled), (1, old, Some(Settled::Done(JobState::Completed))));
    drop((first, log));
    site.clock.advance(LEASE * 100);
    let silenced = enqueue(&site, TENANT_A, "ok").await;
    let break_it = "UPDATE rls_doorbell SET next_due = 'infinity'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(break_it).execute(&mut *tx).await)
        .await
        .expect("breaks");
    let (second, log) = worker(&site);
    let mut running =
        start(second.maintain_every(Duration::from_millis(20)).retention(Retention::new().completed(LEASE)), log);
    running.wait_for("gone", 1).await;
    running.stop().await;
    assert_eq!(site.state(TENANT_A, silenced).await, JobState::Completed);
    let found = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.find(&mut tx, old).await).await;
    assert_eq!(found.expect("reads"), None);
}

#[tokio::test]
async fn it_enqueues_and_runs_what_is_scheduled() {
    let site = Site::new().await;
    let hourly = Schedule::new("hourly", "@hourly", "UTC", act("ok").expect("it is JSON")).expect("it can be read");
    for tenant in [TENANT_A, TENANT_B] {
        with_tenant(&site.pool, tenant, async |mut tx| site.queue.put_schedule(&mut tx, &hourly).await)
            .await
            .expect("puts");
    }
    let (first, log) = worker(&site);
    let (second, other_log) = worker(&site);
    let (mut first, mut second) = (start(first, log), start(second, other_log));
    let mut ran = Vec::new();
    for hour in 1..=3 {
        site.rests(TENANT_A).await;
        site.rests(TENANT_B).await;
        site.clock.advance(seconds(3600));
        while ran.len() < hour * 2 {
            tokio::select! {
                one = first.wait_for("gone", 1) => ran.extend(one),
                one = second.wait_for("gone", 1) => ran.extend(one),
            }
        }
    }
    first.stop().await;
    second.stop().await;
    for tenant in [TENANT_A, TENANT_B] {
        let of_tenant: Vec<_> = ran.iter().filter(|(of, _)| *of == tenant).collect();
        assert_eq!(of_tenant.len(), 3);
        for (_, job) in of_tenant {
            assert_eq!(site.state(tenant, *job).await, JobState::Completed);
        }
    }
}

#[tokio::test]
async fn a_job_can_be_tried_without_a_worker() {
    let site = Site::new().await;
    let (sender, _log) = mpsc::unbounded_channel();
    let outcome = run_job(&site.pool, TENANT_A, Log(sender), Act { how: "snooze".to_owned() }).await;
    assert_eq!(outcome, Ok(Outcome::Snooze(seconds(60))));
    let (sender, _log) = mpsc::unbounded_channel();
    let outcome = run_job(&site.pool, TENANT_A, Log(sender), Act { how: "settle".to_owned() }).await;
    assert_eq!(outcome, Ok(Outcome::CompleteWith("in the scope".into())));
    assert_eq!(site.claim_some(TENANT_A, 10).await.len(), 1, "the work of its scope is written");
    let (sender, _log) = mpsc::unbounded_channel();
    let outcome = run_job(&site.pool, TENANT_A, Log(sender), Act { how: "last?".to_owned() }).await;
    assert_eq!(outcome, Ok(Outcome::CompleteWith(false.into())), "it is the first of two attempts");
}

/// Workers can be built and sent anywhere.
#[test]
fn a_worker_is_send() {
    fn is_send(_: &impl Send) {}
    fn check(worker: Worker<Arc<str>>) {
        is_send(&worker.run(std::future::pending()));
    }
    let _ = check;
}
