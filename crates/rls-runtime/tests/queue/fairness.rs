//! Who has to wait for whom: counted in turns and slots, and not in time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use rls_runtime::queue::NewJob;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::worker::Lane;
use rls_runtime::{TenantId, with_tenant};
use tokio::sync::mpsc;

use crate::acting::{Event, Log, Running, act, enqueue, serving, start};
use crate::harness::{LANE, LEASE, Site, seconds};

impl Site {
    async fn enqueue_many(&self, tenant: TenantId, count: usize) {
        let jobs: Vec<NewJob> = (0..count).map(|_| act("ok").expect("it is JSON")).collect();
        with_tenant(&self.pool, tenant, async |mut tx| self.queue.enqueue_many(&mut tx, &jobs).await)
            .await
            .expect("enqueues");
    }

    async fn slots_held(&self) -> i64 {
        self.slots_held_after(self.clock.now()).await
    }

    /// As the database counts those whose lease goes on after a time.
    async fn slots_held_after(&self, time: SystemTime) -> i64 {
        let held = "SELECT coalesce(sum(held), 0) FROM rls_lane_slots
                    WHERE held_until > 'epoch'::timestamptz + $1 * interval '1 microsecond'";
        let owner = self.db.owner_pool().await.expect("connects");
        sqlx::query_scalar(held).bind(micros(time)).fetch_one(&owner).await.expect("reads")
    }
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    i64::try_from(since.as_micros()).expect("it is not that late")
}

pub fn one_worker(site: &Site, lane: Lane) -> Running {
    let (sender, log) = mpsc::unbounded_channel();
    start(serving(site, Log(sender), lane), log)
}

/// The most jobs that ran at the same time.
pub fn most_at_once(events: &[Event]) -> usize {
    let (mut running, mut most) = (0, 0);
    for (event, ..) in events {
        match *event {
            "started" => running += 1,
            _ => running -= 1,
        }
        most = most.max(running);
    }
    most
}

pub async fn events(log: &mut mpsc::UnboundedReceiver<Event>, gone: usize) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    while events.iter().filter(|(event, ..)| *event == "gone").count() < gone {
        events.push(log.recv().await.expect("the worker runs"));
    }
    events
}

#[tokio::test]
async fn a_flood_of_one_tenant_delays_no_other_by_more_than_one_round() {
    const JOBS: usize = 3;
    let site = Site::new().await;
    site.enqueue_many(TENANT_A, 10_000).await;
    let others: Vec<_> = (1..=50).map(|other| TenantId::new(uuid::Uuid::from_u128(other))).collect();
    for other in &others {
        site.enqueue_many(*other, JOBS).await;
    }
    let mut running = one_worker(&site, Lane::new(LANE).slots(1));
    let order = running.wait_for("started", (others.len() + 1) * JOBS).await;
    running.stop().await;
    for round in order.chunks(others.len() + 1) {
        let mut turns: BTreeMap<TenantId, usize> = BTreeMap::new();
        round.iter().for_each(|(tenant, _)| *turns.entry(*tenant).or_default() += 1);
        assert_eq!(turns.len(), others.len() + 1, "every tenant has one turn in a round, the flood too");
    }
}

#[tokio::test]
async fn a_tenant_has_as_many_jobs_in_a_round_as_it_weighs() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.enqueue_many(tenant, 30).await;
    }
    let lane = Lane::new(LANE).slots(1).weights(|tenant| if tenant == TENANT_B { 3 } else { 1 });
    let mut running = one_worker(&site, lane);
    let order: Vec<_> = running.wait_for("started", 24).await.into_iter().map(|(tenant, _)| tenant).collect();
    running.stop().await;
    for round in order.chunks(4) {
        assert_eq!(round, [TENANT_A, TENANT_B, TENANT_B, TENANT_B]);
    }
}

#[tokio::test]
async fn an_older_name_of_a_lane_has_its_turns_too() {
    let site = Site::new().await;
    site.enqueue_many(TENANT_A, 30).await;
    let older = NewJob::new("older", "act", &serde_json::json!({ "how": "ok" })).expect("it is JSON");
    let mut under_the_older_name = Vec::new();
    for _ in 0..5 {
        under_the_older_name.push(site.enqueue(TENANT_A, &older).await);
    }
    let mut running = one_worker(&site, Lane::new(LANE).formerly("older").slots(1));
    let order = running.wait_for("started", 10).await;
    running.stop().await;
    let older = order.iter().filter(|(_, job)| under_the_older_name.contains(job)).count();
    assert_eq!(older, 5, "they take turns");
}

#[tokio::test]
async fn a_tenant_has_one_limit_for_all_names_of_a_lane_over_all_workers() {
    let site = Site::new().await;
    site.enqueue_many(TENANT_A, 20).await;
    let older = NewJob::new("older", "act", &serde_json::json!({ "how": "ok" })).expect("it is JSON");
    for _ in 0..20 {
        site.enqueue(TENANT_A, &older).await;
    }
    let events = three_workers(&site, Lane::new(LANE).formerly("older").slots(4).per_tenant(1), 40).await;
    assert_eq!(most_at_once(&events), 1);
}

/// What happens until so many jobs are gone.
async fn three_workers(site: &Site, lane: Lane, gone: usize) -> Vec<Event> {
    let (sender, mut log) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for _ in 0..3 {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let site = Site { pool: site.db.pool().await, ..site.clone() };
        let run = tokio::spawn(serving(&site, Log(sender.clone()), lane.clone()).run(async {
            stopped.await.ok();
        }));
        workers.push((stop, run));
    }
    let events = events(&mut log, gone).await;
    for (stop, run) in workers {
        stop.send(()).ok();
        run.await.expect("the worker does not panic");
    }
    events
}

#[tokio::test]
async fn a_lane_has_its_slots_over_all_workers() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.enqueue_many(tenant, 30).await;
    }
    let events = three_workers(&site, Lane::new(LANE).slots(4).at_once(3), 60).await;
    assert!(most_at_once(&events) <= 3, "{} ran at once", most_at_once(&events));
    assert_eq!(site.slots_held().await, 0, "who stops gives back what it holds");
}

#[tokio::test]
async fn the_slots_of_a_worker_that_was_killed_are_free_when_its_lease_has_run_out() {
    let site = Site::new().await;
    let killed = format!(
        "INSERT INTO rls_lane_slots
         VALUES ('{LANE}', gen_random_uuid(), 2, 'epoch'::timestamptz + {} * interval '1 microsecond' + interval '30 seconds')",
        micros(site.clock.now())
    );
    site.db.execute(&killed).await.expect("the owner may");
    site.enqueue_many(TENANT_A, 20).await;
    let (sender, log) = mpsc::unbounded_channel();
    let mut running = start(serving(&site, Log(sender), Lane::new(LANE).slots(4).at_once(3)), log);
    let of_one = events(&mut running.log, 20).await;
    assert_eq!(most_at_once(&of_one), 1, "two of three are held");
    site.rests(TENANT_A).await;
    site.clock.advance(LEASE);
    for _ in 0..3 {
        enqueue(&site, TENANT_A, "hang").await;
    }
    running.wait_for("started", 3).await;
    assert_eq!(site.slots_held().await, 3);
    running.task.abort();
}

#[tokio::test]
async fn slots_are_kept_by_the_heartbeat_while_their_jobs_run() {
    let site = Site::new().await;
    enqueue(&site, TENANT_A, "hang").await;
    let (sender, log) = mpsc::unbounded_channel();
    let worker = serving(&site, Log(sender), Lane::new(LANE).slots(2).at_once(1)).heartbeat(Duration::from_millis(20));
    let mut running = start(worker.lease(LEASE).shutdown_grace(Duration::ZERO), log);
    running.wait_for("started", 1).await;
    for _ in 0..3 {
        let kept = site.clock.now() + LEASE;
        site.clock.advance(seconds(20));
        while site.slots_held_after(kept).await == 0 {}
    }
    assert_eq!(site.slots_held().await, 1);
    running.stop().await;
    assert_eq!(site.slots_held().await, 0);
}
