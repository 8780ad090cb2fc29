//! What goes wrong around a job: code that panics before the handler does, tenants that hold others up, workers that are gone.

use std::time::Duration;

use rls_runtime::queue::{Heartbeat, JobId, JobState, NewJob, Queue, Schedule, Settled, Settlement};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::worker::{Context, Job, JobError, Lane, Outcome, Worker};
use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::acting::{Log, act, enqueue, serving, start, worker};
use crate::harness::{LANE, LEASE, Site, seconds};
use crate::wire::Wire;

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

/// A transaction of somebody who has asked for a job to be cancelled, and does not end.
struct Loiterer {
    go: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<sqlx::Result<()>>,
}

impl Loiterer {
    async fn cancels(site: &Site, tenant: TenantId, job: JobId) -> Loiterer {
        let (pool, queue) = (site.db.pool().await, site.queue.clone());
        let ((has_cancelled, cancelled), (go, gone)) = (oneshot::channel(), oneshot::channel());
        let loiter = async move |mut tx: TenantTx| {
            queue.cancel(&mut tx, job).await?;
            has_cancelled.send(()).ok();
            gone.await.ok();
            Ok(())
        };
        let task = tokio::spawn(async move { with_tenant(&pool, tenant, loiter).await });
        cancelled.await.expect("it cancels");
        Loiterer { go, task }
    }

    async fn goes(self) {
        self.go.send(()).ok();
        self.task.await.expect("it does not panic").expect("it commits");
    }
}

async fn cancel(site: &Site, tenant: TenantId, job: JobId) {
    let cancelled = with_tenant(&site.pool, tenant, async |mut tx| site.queue.cancel(&mut tx, job).await).await;
    assert_eq!(cancelled.expect("cancels"), Some(JobState::Executing));
}

async fn until_completed(site: &Site, tenant: TenantId, job: JobId) {
    while site.state(tenant, job).await != JobState::Completed {}
}

#[tokio::test]
async fn who_holds_a_row_holds_up_no_other_heartbeat() {
    let site = Site::new().await;
    let (held, other) = (enqueue(&site, TENANT_A, "hang").await, enqueue(&site, TENANT_A, "hang").await);
    let strange = enqueue(&site, TENANT_B, "hang").await;
    let (worker, log) = worker(&site);
    // A heartbeat that waits does so for a third of the lease.
    let mut running =
        start(worker.lease(seconds(3600)).heartbeat(Duration::from_millis(20)).cancel_grace(Duration::ZERO), log);
    running.wait_for("started", 3).await;
    let loiterer = Loiterer::cancels(&site, TENANT_A, held).await;
    cancel(&site, TENANT_A, other).await;
    cancel(&site, TENANT_B, strange).await;
    let mut gone = running.wait_for("gone", 2).await;
    gone.sort();
    assert_eq!(gone, [(TENANT_A, other), (TENANT_B, strange)]);
    loiterer.goes().await;
    assert_eq!(running.wait_for("gone", 1).await, [(TENANT_A, held)]);
    running.stop().await;
}

#[tokio::test]
async fn who_holds_a_row_holds_up_no_other_settlement() {
    let site = Site::new().await;
    let held = enqueue(&site, TENANT_A, "loiter").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.lease(seconds(3600)), log);
    running.wait_for("gone", 1).await;
    let strange = enqueue(&site, TENANT_B, "ok").await;
    until_completed(&site, TENANT_B, strange).await;
    assert_eq!(site.state(TENANT_A, held).await, JobState::Executing);
    running.log.close();
    until_completed(&site, TENANT_A, held).await;
    running.stop().await;
}

#[tokio::test]
async fn a_tenant_whose_jobs_cannot_be_claimed_holds_up_no_other() {
    let site = Site::new().await;
    let broken = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$";
    site.db.execute(broken).await.expect("is valid");
    let refuse = format!(
        "CREATE TRIGGER refuse BEFORE UPDATE ON rls_jobs FOR EACH ROW WHEN (new.tenant_id = '{TENANT_A}')
         EXECUTE FUNCTION refuse()"
    );
    site.db.execute(&refuse).await.expect("is valid");
    enqueue(&site, TENANT_A, "ok").await;
    let (worker, log) = worker(&site);
    let running = start(worker, log);
    let fine = enqueue(&site, TENANT_B, "ok").await;
    until_completed(&site, TENANT_B, fine).await;
    running.stop().await;
}

/// It has rung a silent doorbell, so that who takes a lease back has to wait to ring it too.
#[tokio::test]
async fn who_enqueues_and_loiters_holds_up_no_other_tenant() {
    let site = Site::new().await;
    enqueue(&site, TENANT_A, "ok").await;
    assert_eq!(site.claim_some(TENANT_A, 2).await.len(), 1);
    let hourly = Schedule::new("hourly", "@hourly", "UTC", act("ok").expect("it is JSON")).expect("it can be read");
    for tenant in [TENANT_A, TENANT_B] {
        let put = with_tenant(&site.pool, tenant, async |mut tx| site.queue.put_schedule(&mut tx, &hourly).await);
        put.await.expect("puts");
    }
    site.clock.advance(seconds(3600));
    let ((has_rung, rung), (go, gone)) = (oneshot::channel(), oneshot::channel::<()>());
    let (pool, queue) = (site.db.pool().await, site.queue.clone());
    let loiterer = tokio::spawn(async move {
        with_tenant(&pool, TENANT_A, async |mut tx| {
            queue.enqueue(&mut tx, &act("ok")?).await?;
            has_rung.send(()).ok();
            gone.await.ok();
            Ok::<_, sqlx::Error>(())
        })
        .await
    });
    rung.await.expect("it enqueues");
    let (worker, log) = worker(&site);
    let mut running = start(worker.lease(seconds(3600)), log);
    let other = enqueue(&site, TENANT_B, "ok").await;
    let ran = running.wait_for("gone", 2).await;
    assert!(ran.iter().all(|(tenant, _)| *tenant == TENANT_B), "one enqueued, and one scheduled");
    until_completed(&site, TENANT_B, other).await;
    go.send(()).expect("it loiters");
    loiterer.await.expect("no panic").expect("commits");
    assert_eq!(running.wait_for("gone", 3).await.len(), 3);
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_gone_without_a_word_is_found_again() {
    let site = Site::new().await;
    let wire = Wire::to(&site.db.cluster().socket_path());
    // By the server's clock: what is lost on a slow machine is taken back and run again.
    let direct = Site { queue: Queue::new(), ..site.clone() };
    let pool = RlsPool::connect_with(wire.route(site.db.runtime_options())).await.expect("connects");
    let (worker, log) = worker(&Site { pool, ..direct.clone() });
    let again_and_again = |how| act(how).expect("it is JSON").max_attempts(1000);
    // The worker waits for no answer longer than the lease lasts; these handlers ask for none.
    let mut running = start(worker.lease(seconds(1)).shutdown_grace(Duration::ZERO), log);
    let before = direct.enqueue(TENANT_A, &again_and_again("last?")).await;
    until_completed(&direct, TENANT_A, before).await;
    direct.enqueue(TENANT_A, &again_and_again("hang")).await;
    running.wait_for("started", 2).await;
    wire.goes_dead();
    let after = direct.enqueue(TENANT_A, &again_and_again("last?")).await;
    until_completed(&direct, TENANT_A, after).await;
    running.stop().await;
}

#[tokio::test]
async fn who_runs_hears_that_the_worker_stops_and_has_the_grace_to_end() {
    let site = Site::new().await;
    let job = enqueue(&site, TENANT_A, "obey").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.shutdown_grace(seconds(3600)), log);
    running.wait_for("started", 1).await;
    running.stop().await;
    let ended = site.find(TENANT_A, job).await;
    assert_eq!((ended.state, ended.result), (JobState::Completed, Some("ShuttingDown".into())));
}

#[tokio::test]
async fn a_cancelled_job_that_lingers_does_not_keep_the_worker() {
    let site = Site::new().await;
    let job = enqueue(&site, TENANT_A, "linger").await;
    let (worker, log) = worker(&site);
    let worker = worker.heartbeat(Duration::from_millis(20)).cancel_grace(seconds(3600));
    let mut running = start(worker.shutdown_grace(Duration::ZERO), log);
    running.wait_for("started", 1).await;
    cancel(&site, TENANT_A, job).await;
    running.wait_for("asked", 1).await;
    running.stop().await;
    assert_eq!(site.state(TENANT_A, job).await, JobState::Cancelled);
}

#[tokio::test]
async fn a_panic_of_the_worker_itself_is_not_hidden() {
    let site = Site::new().await;
    enqueue(&site, TENANT_A, "ok").await;
    let (sender, log) = mpsc::unbounded_channel();
    let lane = Lane::new(LANE).weights(|_| panic!("on purpose"));
    let running = start(serving(&site, Log(sender), lane), log);
    let ended = running.task.await;
    assert!(ended.is_err_and(|error| error.is_panic()), "a worker without its lane would wait for ever");
}

/// A lease that is extended while its job is being settled is the same lease.
#[tokio::test]
async fn who_settles_beside_a_heartbeat_still_holds_the_lease() {
    for forgets in [false, true] {
        let site = Site::new().await;
        let queue = if forgets { site.queue.clone().forget_completed() } else { site.queue.clone() };
        enqueue(&site, TENANT_A, "ok").await;
        let lease = site.claim_some(TENANT_A, 1).await[0].lease;
        site.clock.advance(seconds(1));
        let ((has_beaten, beaten), (go, gone)) = (oneshot::channel(), oneshot::channel::<()>());
        let (pool, beating) = (site.db.pool().await, site.queue.clone());
        let beat = tokio::spawn(async move {
            with_tenant(&pool, TENANT_A, async |mut tx| {
                has_beaten.send(beating.heartbeat(&mut tx, &[lease], LEASE).await?).ok();
                gone.await.ok();
                Ok::<_, sqlx::Error>(())
            })
            .await
        });
        assert_eq!(beaten.await.expect("beats"), [Heartbeat::Held]);
        let pool = site.pool.clone();
        let settle = tokio::spawn(async move {
            with_tenant(&pool, TENANT_A, async |mut tx| queue.settle(&mut tx, lease, Settlement::Complete(None)).await)
                .await
        });
        until_somebody_waits_for_a_row(&site).await;
        go.send(()).expect("the heartbeat is open");
        beat.await.expect("no panic").expect("commits");
        let settled = settle.await.expect("no panic").expect("settles");
        assert_eq!(settled, Settled::Done(JobState::Completed), "forgets: {forgets}");
    }
}

async fn until_somebody_waits_for_a_row(site: &Site) {
    let superuser = sqlx::PgPool::connect_with(site.db.superuser_options()).await.expect("connects");
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                                WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&superuser).await.expect("reads") {}
}
