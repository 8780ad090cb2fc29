//! Schedules: a job for every tick, one for all that were missed, and never two, whoever looks.

use std::time::SystemTime;

use rls_runtime::queue::{JobId, JobState, Queue, Schedule, ScheduleStatus};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, TenantId, with_tenant};

use crate::harness::{LANE, Site, job, payloads, seconds};

fn schedule(name: &str, cron: &str) -> Schedule {
    Schedule::new(name, cron, "UTC", job(name)).expect("it can be read")
}

async fn tick(pool: &RlsPool, queue: &Queue, tenant: TenantId) -> Vec<JobId> {
    with_tenant(pool, tenant, async |mut tx| queue.tick(&mut tx).await).await.expect("ticks")
}

impl Site {
    async fn put(&self, tenant: TenantId, schedule: &Schedule) {
        with_tenant(&self.pool, tenant, async |mut tx| self.queue.put_schedule(&mut tx, schedule).await)
            .await
            .expect("puts");
    }

    async fn tick(&self, tenant: TenantId) -> Vec<JobId> {
        tick(&self.pool, &self.queue, tenant).await
    }

    async fn schedules(&self, tenant: TenantId) -> Vec<ScheduleStatus> {
        with_tenant(&self.pool, tenant, async |mut tx| self.queue.schedules(&mut tx).await).await.expect("reads")
    }

    async fn ringing(&self) -> Vec<TenantId> {
        let due = self.queue.due(&self.pool, &["rls_schedules".to_owned()], None, 100).await.expect("reads");
        due.into_iter().map(|due| due.tenant).collect()
    }

    fn in_seconds(&self, after: u64) -> Option<SystemTime> {
        Some(self.clock.now() + seconds(after))
    }
}

#[tokio::test]
async fn it_rings_and_enqueues_at_every_tick() {
    let site = Site::new().await;
    // It is eight o'clock.
    site.put(TENANT_A, &schedule("every five minutes", "*/5 * * * *")).await;
    assert_eq!((site.ringing().await, site.tick(TENANT_A).await), (vec![], vec![]));
    for _ in 0..3 {
        site.clock.advance(seconds(299));
        assert_eq!((site.ringing().await, site.tick(TENANT_A).await), (vec![], vec![]));
        site.clock.advance(seconds(1));
        assert_eq!(site.ringing().await, [TENANT_A]);
        assert_eq!(site.tick(TENANT_A).await.len(), 1);
        assert_eq!((site.ringing().await, site.tick(TENANT_A).await), (vec![], vec![]));
    }
    let claimed = site.claim_some(TENANT_A, 10).await;
    assert_eq!(payloads(&claimed), ["every five minutes"; 3]);
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_once() {
    let site = Site::new().await;
    site.put(TENANT_A, &schedule("hourly", "@hourly")).await;
    site.clock.advance(seconds(10 * 3600 + 600));
    assert_eq!(site.tick(TENANT_A).await.len(), 1);
    assert_eq!(site.tick(TENANT_A).await, []);
    let [hourly] = &site.schedules(TENANT_A).await[..] else { panic!("there is one") };
    assert_eq!((hourly.last, hourly.next), (Some(site.clock.now() - seconds(600)), site.in_seconds(3000)));
}

#[tokio::test]
async fn who_looks_at_once_enqueues_one_job_together() {
    let site = Site::new().await;
    for name in ["a", "b", "c"] {
        site.put(TENANT_A, &schedule(name, "* * * * *")).await;
    }
    for _ in 0..5 {
        site.clock.advance(seconds(60));
        let looking: Vec<_> = (0..6)
            .map(|_| {
                let (pool, queue) = (site.pool.clone(), site.queue.clone());
                tokio::spawn(async move { tick(&pool, &queue, TENANT_A).await.len() })
            })
            .collect();
        let mut enqueued = 0;
        for look in looking {
            enqueued += look.await.expect("no panic");
        }
        assert_eq!(enqueued, 3);
    }
    assert_eq!(site.claim_some(TENANT_A, 100).await.len(), 15);
}

#[tokio::test]
async fn a_service_may_say_at_every_start_what_it_wants() {
    let site = Site::new().await;
    site.put(TENANT_A, &schedule("report", "@hourly")).await;
    site.clock.advance(seconds(3600));
    // The tick that came while the service was away is not lost.
    site.put(TENANT_A, &Schedule::new("report", "@hourly", "UTC", job("other words")).expect("it can be read")).await;
    assert_eq!(site.tick(TENANT_A).await.len(), 1);
    assert_eq!(payloads(&site.claim_some(TENANT_A, 10).await), ["other words"]);
    site.put(TENANT_A, &schedule("report", "30 * * * *")).await;
    let [report] = &site.schedules(TENANT_A).await[..] else { panic!("there is one") };
    assert_eq!((&*report.cron, report.next), ("30 * * * *", site.in_seconds(1800)));
}

#[tokio::test]
async fn a_paused_schedule_is_silent_and_makes_up_for_nothing() {
    let site = Site::new().await;
    let (queue, hourly) = (&site.queue, schedule("hourly", "@hourly"));
    let pause =
        async || with_tenant(&site.pool, TENANT_A, async |mut tx| queue.pause_schedule(&mut tx, "hourly").await).await;
    let resume =
        async || with_tenant(&site.pool, TENANT_A, async |mut tx| queue.resume_schedule(&mut tx, "hourly").await).await;
    site.put(TENANT_A, &hourly).await;
    assert_eq!((pause().await.expect("pauses"), pause().await.expect("is paused")), (true, false));
    site.put(TENANT_A, &hourly).await;
    site.clock.advance(seconds(7200));
    assert_eq!(site.tick(TENANT_A).await, []);
    assert_eq!((resume().await.expect("resumes"), resume().await.expect("is not paused")), (true, false));
    assert_eq!(site.tick(TENANT_A).await, []);
    site.clock.advance(seconds(3600));
    assert_eq!(site.tick(TENANT_A).await.len(), 1);
}

#[tokio::test]
async fn a_tenant_reaches_its_own_schedules_only() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.put(tenant, &schedule("mine", "@hourly")).await;
    }
    rls_runtime::testing::assert_isolated(&site.pool, "rls_schedules", "tenant_id").await;
    let remove = async |tenant| {
        with_tenant(&site.pool, tenant, async |mut tx| site.queue.remove_schedule(&mut tx, "mine").await).await
    };
    assert!(remove(TENANT_A).await.expect("removes"));
    assert!(!remove(TENANT_A).await.expect("is gone"));
    assert_eq!((site.schedules(TENANT_A).await.len(), site.schedules(TENANT_B).await.len()), (0, 1));
    site.clock.advance(seconds(3600));
    assert_eq!((site.tick(TENANT_A).await.len(), site.tick(TENANT_B).await.len()), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_read_any_more_is_paused_and_says_why() {
    let site = Site::new().await;
    site.put(TENANT_A, &schedule("broken", "@hourly")).await;
    site.put(TENANT_A, &schedule("whole", "@hourly")).await;
    let broken = "UPDATE rls_schedules SET time_zone = 'Mars/Olympus' WHERE name = 'broken'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(broken).execute(&mut *tx).await)
        .await
        .expect("breaks");
    site.clock.advance(seconds(3600));
    assert_eq!(site.tick(TENANT_A).await.len(), 1);
    let [broken, whole] = &site.schedules(TENANT_A).await[..] else { panic!("there are two") };
    assert!(broken.paused && broken.last_error.as_deref().is_some_and(|error| error.contains("Mars/Olympus")));
    assert_eq!((whole.paused, &whole.last_error), (false, &None));
}

#[tokio::test]
async fn a_schedule_that_was_made_unheard_is_found() {
    let site = Site::new().await;
    site.put(TENANT_A, &schedule("hourly", "@hourly")).await;
    let silenced = "UPDATE rls_doorbell SET next_due = 'infinity'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(silenced).execute(&mut *tx).await)
        .await
        .expect("silences");
    site.clock.advance(seconds(3600));
    assert_eq!(site.ringing().await, []);
    let healed = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.heal(&mut tx).await).await;
    assert_eq!(healed.expect("heals"), 1);
    assert_eq!(site.ringing().await, [TENANT_A]);
}

/// The day on which the clocks of Berlin skip an hour has 23, and the one on which they show one twice has 25.
#[tokio::test]
async fn days_of_23_and_25_hours_have_all_their_ticks_and_no_more() {
    // From eight o'clock on January 15th, 2027, to midnight before the day.
    for (until_midnight, half_hours) in [(71 * 24 + 15, 46), (288 * 24 + 14, 50)] {
        let site = Site::new().await;
        site.clock.advance(seconds(until_midnight * 3600));
        for (name, cron) in [("nightly", "30 2 * * *"), ("often", "*/30 * * * *"), ("noon", "0 12 * * *")] {
            let berlin = Schedule::new(name, cron, "Europe/Berlin", job(name)).expect("it can be read");
            site.put(TENANT_A, &berlin).await;
        }
        for _ in 0..half_hours * 2 {
            site.clock.advance(seconds(900));
            site.tick(TENANT_A).await;
        }
        let claimed = site.claim_some(TENANT_A, 1000).await;
        let ticks = |name| payloads(&claimed).into_iter().filter(|payload| *payload == name).count();
        assert_eq!((ticks("nightly"), ticks("noon"), ticks("often")), (1, 1, half_hours));
    }
}

/// A server that goes by its own clock is asked for it.
#[tokio::test]
async fn without_a_clock_the_servers_counts() {
    let site = Site::new().await;
    let queue = Queue::new();
    let every_second = Schedule::new("every second", "* * * * * *", "UTC", job("x")).expect("it can be read");
    with_tenant(&site.pool, TENANT_A, async |mut tx| queue.put_schedule(&mut tx, &every_second).await)
        .await
        .expect("puts");
    let wait = "SELECT pg_sleep(extract(epoch FROM next_at - clock_timestamp())) FROM rls_schedules";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(wait).execute(&mut *tx).await)
        .await
        .expect("waits for the tick");
    let enqueued = tick(&site.pool, &queue, TENANT_A).await;
    assert_eq!(enqueued.len(), 1);
    assert_eq!(site.state(TENANT_A, enqueued[0]).await, JobState::Available);
    assert_eq!(LANE, site.find(TENANT_A, enqueued[0]).await.lane);
}
