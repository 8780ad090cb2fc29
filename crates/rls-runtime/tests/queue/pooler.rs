//! The queue and its workers through PgBouncer in transaction mode, where all clients share one server connection.

use std::time::Duration;

use rls_runtime::queue::{Claim, Heartbeat, JobState, Schedule, Settled, Settlement};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::worker::Lane;
use rls_runtime::{RlsPool, RlsPoolOptions, with_tenant};
use tokio::sync::mpsc;

use crate::acting::{Log, act, enqueue, serving, start};
use crate::harness::{LANE, LEASE, Site, job, payloads, seconds};
use crate::pgbouncer::{MORE_SETTINGS, PgBouncer};

async fn client(bouncer: &PgBouncer, site: &Site) -> RlsPool {
    let options = RlsPoolOptions::new().behind_transaction_pooler();
    options.connect_with(bouncer.route(site.db.runtime_options())).await.expect("connects")
}

/// Whose scopes go through PgBouncer.
async fn pooled() -> (PgBouncer, Site) {
    let site = Site::new().await;
    let bouncer = PgBouncer::start(&site.db, MORE_SETTINGS);
    let pool = client(&bouncer, &site).await;
    (bouncer, Site { pool, ..site })
}

#[tokio::test]
async fn every_step_of_a_job_works() {
    let (_bouncer, site) = pooled().await;
    let kept = job("kept").unique_key("key");
    let (first, again) = (site.enqueue(TENANT_A, &kept).await, site.enqueue(TENANT_A, &kept).await);
    assert_eq!(first, again);
    for text in ["a", "b", "c"] {
        site.enqueue(TENANT_B, &job(text)).await;
    }
    assert_eq!(site.due().await.len(), 2);
    let two_at_once = Claim::new(LANE, 10).lease(LEASE).at_once(2);
    let claimed = site.claim(TENANT_B, &two_at_once).await;
    assert_eq!((payloads(&claimed), site.claim(TENANT_B, &two_at_once).await), (vec!["a", "b"], vec![]));
    site.clock.advance(LEASE - seconds(1));
    let leases = [claimed[0].lease];
    let beats =
        with_tenant(&site.pool, TENANT_B, async |mut tx| site.queue.heartbeat(&mut tx, &leases, LEASE).await).await;
    assert_eq!(beats.expect("beats"), [Heartbeat::Held]);
    site.clock.advance(seconds(1));
    // The lease of the other one has run out.
    assert_eq!(payloads(&site.claim_some(TENANT_B, 10).await), ["c"]);
    assert_eq!(site.settle(&claimed[0], Settlement::Complete(None)).await, Settled::Done(JobState::Completed));
    assert_eq!(site.settle(&claimed[1], Settlement::Complete(None)).await, Settled::LeaseLost);
    assert_eq!(payloads(&site.claim_some(TENANT_B, 10).await), ["b"]);
    assert_eq!(site.claim_some(TENANT_A, 10).await.len(), 1);
    assert_eq!(site.due().await, []);
}

#[tokio::test]
async fn two_workers_share_the_work_and_keep_their_leases() {
    let (bouncer, site) = pooled().await;
    let other = client(&bouncer, &site).await;
    let hourly = Schedule::new("hourly", "@hourly", "UTC", act("ok").expect("it is JSON")).expect("it can be read");
    for tenant in [TENANT_A, TENANT_B] {
        with_tenant(&site.pool, tenant, async |mut tx| site.queue.put_schedule(&mut tx, &hourly).await)
            .await
            .expect("puts");
    }
    site.clock.advance(seconds(3600));
    let mut jobs = Vec::new();
    for tenant in [TENANT_A, TENANT_B].into_iter().cycle().take(20) {
        jobs.push((tenant, enqueue(&site, tenant, "ok").await));
    }
    let obedient = enqueue(&site, TENANT_A, "obey").await;
    let beat = Duration::from_millis(20);
    let lane = Lane::new(LANE).slots(4).at_once(6);
    let ((first, log), (second, other_log)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let (first, second) =
        (serving(&site, Log(first), lane.clone()), serving(&Site { pool: other, ..site.clone() }, Log(second), lane));
    let patient = seconds(600);
    let mut first = start(first.heartbeat(beat).cancel_grace(patient).listen(), log);
    let mut second = start(second.heartbeat(beat).cancel_grace(patient).listen(), other_log);
    let (mut ended, mut cancelled) = (0, false);
    while ended < 23 {
        tokio::select! {
            _ = first.wait_for("gone", 1) => ended += 1,
            _ = second.wait_for("gone", 1) => ended += 1,
        }
        if ended == 22 && !cancelled {
            while site.state(TENANT_A, obedient).await != JobState::Executing {}
            // Its worker learns of it by a heartbeat.
            let asked = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.cancel(&mut tx, obedient).await);
            assert_eq!(asked.await.expect("cancels"), Some(JobState::Executing));
            cancelled = true;
        }
    }
    first.stop().await;
    second.stop().await;
    jobs.push((TENANT_A, obedient));
    for (tenant, job) in jobs {
        let ended = site.find(tenant, job).await;
        assert_eq!((ended.state, ended.attempt), (JobState::Completed, 1));
    }
}
