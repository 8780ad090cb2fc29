//! What goes wrong around a job: code that panics before the handler does, tenants that hold others up, workers that are gone.

use std::time::Duration;

use rls_runtime::queue::{JobState, NewJob, Schedule};
use rls_runtime::testing::TENANT_A;
use rls_runtime::worker::{Context, Job, JobError, Lane, Outcome, Worker};
use rls_runtime::{TenantId, with_tenant};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::mpsc;

use crate::acting::{Log, enqueue, serving, start, worker};
use crate::harness::{LANE, LEASE, Site, seconds};

/// A job that panics while it is read, or when it is asked for its future.
#[derive(Debug, Serialize)]
struct Explosive {
    when: String,
}

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: Deserializer<'de>>(payload: D) -> Result<Explosive, D::Error> {
        #[derive(Deserialize)]
        struct Payload {
            when: String,
        }
        let Payload { when } = Payload::deserialize(payload)?;
        assert_ne!(when, "read", "on purpose");
        Ok(Explosive { when })
    }
}

impl Job for Explosive {
    type State = Log;
    const LANE: &'static str = LANE;
    const KIND: &'static str = "explosive";
    const MAX_ATTEMPTS: u16 = 1;

    fn run(self, _: Context<Log>) -> impl Future<Output = Result<Outcome, JobError>> + Send {
        assert_ne!(self.when, "asked", "on purpose");
        async { Ok(Outcome::Complete) }
    }
}

#[tokio::test]
async fn a_panic_before_the_handler_runs_is_a_failure_too() {
    let site = Site::new().await;
    for when in ["read", "asked"] {
        let explosive = NewJob::of(&Explosive { when: when.to_owned() }).expect("it is JSON");
        let job = site.enqueue(TENANT_A, &explosive).await;
        let (worker, _log) = worker(&site);
        let drained = worker.register::<Explosive>().drain(TENANT_A).await.expect("drains");
        assert_eq!(drained.len(), 1);
        let ended = site.find(TENANT_A, job).await;
        assert_eq!(ended.state, JobState::Discarded, "{when}");
        let error = ended.last_error.unwrap_or_default();
        assert!(error.contains("panicked") && error.contains("on purpose"), "{error}");
    }
}

#[tokio::test]
async fn draining_takes_lost_leases_back_and_runs_their_jobs() {
    let site = Site::new().await;
    let job = enqueue(&site, TENANT_A, "ok").await;
    assert_eq!(site.claim_some(TENANT_A, 1).await.len(), 1);
    site.clock.advance(LEASE);
    let (worker, _log) = worker(&site);
    let drained = worker.drain(TENANT_A).await.expect("drains");
    assert_eq!(drained.iter().map(|drained| drained.job).collect::<Vec<_>>(), [job]);
}

#[tokio::test]
async fn the_schedules_of_many_tenants_that_tick_at_once_wait_for_no_second_look() {
    const TENANTS: u128 = 230;
    let site = Site::new().await;
    let daily = Schedule::new("daily", "@daily", "UTC", NewJob::new("nobody's", "x", &()).expect("it is JSON"));
    let daily = daily.expect("it can be read");
    let tenants: Vec<TenantId> = (1..=TENANTS).map(|tenant| TenantId::new(uuid::Uuid::from_u128(tenant))).collect();
    for tenant in &tenants {
        let put = with_tenant(&site.pool, *tenant, async |mut tx| site.queue.put_schedule(&mut tx, &daily).await);
        put.await.expect("puts");
    }
    site.clock.advance(seconds(24 * 3600));
    let (sender, log) = mpsc::unbounded_channel();
    let worker: Worker<Log> = serving(&site, Log(sender), Lane::new(LANE)).poll(Duration::from_secs(3600));
    let running = start(worker, log);
    let unticked = async || {
        let of_all = site.queue.due(&site.pool, &["rls_schedules".to_owned()], None, u32::MAX).await;
        of_all.expect("reads").len()
    };
    while unticked().await > 0 {}
    running.stop().await;
    for tenant in tenants {
        let lanes = with_tenant(&site.pool, tenant, async |mut tx| site.queue.lanes(&mut tx).await).await;
        assert_eq!(lanes.expect("reads").iter().map(|lane| lane.waiting).sum::<u64>(), 1);
    }
}
