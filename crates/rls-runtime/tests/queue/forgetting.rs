//! A queue that keeps no completed jobs: everything else about them stays as it is.

use rls_runtime::queue::{JobId, JobState, Settled, Settlement};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{TenantId, with_tenant};

use crate::acting::{act, enqueue, start, worker};
use crate::harness::{Site, job};

impl Site {
    async fn forgetting() -> Site {
        let site = Site::new().await;
        Site { queue: site.queue.clone().forget_completed(), ..site }
    }

    async fn is_there(&self, tenant: TenantId, job: JobId) -> bool {
        let found = with_tenant(&self.pool, tenant, async |mut tx| self.queue.find(&mut tx, job).await).await;
        found.expect("reads").is_some()
    }
}

#[tokio::test]
async fn a_job_that_is_completed_is_gone_and_can_be_settled_once() {
    let site = Site::forgetting().await;
    let id = site.enqueue(TENANT_A, &job("a").unique_key("only")).await;
    let claimed = site.claim_some(TENANT_A, 1).await.remove(0);
    assert_eq!(site.settle(&claimed, Settlement::Complete(Some(1.into()))).await, Settled::Done(JobState::Completed));
    assert!(!site.is_there(TENANT_A, id).await);
    assert_eq!(site.settle(&claimed, Settlement::Complete(None)).await, Settled::LeaseLost);
    assert_ne!(site.enqueue(TENANT_A, &job("b").unique_key("only")).await, id, "the key is free");
}

#[tokio::test]
async fn who_has_lost_the_lease_deletes_nothing() {
    let site = Site::forgetting().await;
    let id = site.enqueue(TENANT_A, &job("a")).await;
    let stale = site.claim_some(TENANT_A, 1).await.remove(0);
    site.clock.advance(crate::harness::LEASE);
    assert!(site.claim_some(TENANT_A, 1).await.is_empty(), "it is taken back first");
    let newer = site.claim_some(TENANT_A, 1).await.remove(0);
    assert_eq!(site.settle(&stale, Settlement::Complete(None)).await, Settled::LeaseLost);
    assert_eq!(site.state(TENANT_A, id).await, JobState::Executing);
    assert_eq!(site.settle(&newer, Settlement::Complete(None)).await, Settled::Done(JobState::Completed));
}

#[tokio::test]
async fn another_tenant_deletes_nothing() {
    let site = Site::forgetting().await;
    let id = site.enqueue(TENANT_A, &job("a")).await;
    let claimed = site.claim_some(TENANT_A, 1).await.remove(0);
    let settled = with_tenant(&site.pool, TENANT_B, async |mut tx| {
        site.queue.settle(&mut tx, claimed.lease, Settlement::Complete(None)).await
    });
    assert_eq!(settled.await.expect("settles"), Settled::LeaseLost);
    assert!(site.is_there(TENANT_A, id).await);
}

#[tokio::test]
async fn of_several_that_are_settled_at_once_only_the_completed_are_gone() {
    let site = Site::forgetting().await;
    let ends = [
        (Settlement::Complete(None), JobState::Completed),
        (Settlement::Discard { error: String::new() }, JobState::Discarded),
        (Settlement::Complete(Some("done".into())), JobState::Completed),
        (Settlement::Cancel { reason: String::new() }, JobState::Cancelled),
        (Settlement::Release, JobState::Available),
    ];
    for (settlement, _) in &ends {
        site.enqueue(TENANT_A, &job(&format!("{settlement:?}"))).await;
    }
    let claimed = site.claim_some(TENANT_A, 5).await;
    let ended: Vec<_> = claimed.iter().zip(&ends).map(|(job, (end, _))| (job.lease, end.clone())).collect();
    let settled = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.settle_many(&mut tx, &ended).await);
    let states: Vec<_> = ends.iter().map(|(_, state)| Settled::Done(*state)).collect();
    assert_eq!(settled.await.expect("settles"), states);
    for (job, (end, _)) in claimed.iter().zip(&ends) {
        let is_kept = !matches!(end, Settlement::Complete(_));
        assert_eq!(site.is_there(TENANT_A, job.lease.job()).await, is_kept, "{end:?}");
    }
}

#[tokio::test]
async fn a_worker_keeps_what_did_not_end_well_and_nothing_else() {
    let site = Site::forgetting().await;
    let completed = [enqueue(&site, TENANT_A, "ok").await, enqueue(&site, TENANT_A, "settle").await];
    let discarded = [enqueue(&site, TENANT_A, "fail").await, enqueue(&site, TENANT_A, "retry").await];
    let cancelled = enqueue(&site, TENANT_A, "cancel").await;
    let (worker, log) = worker(&site);
    let mut running = start(worker, log);
    // The one that settles itself enqueues another one, and one is tried twice.
    running.wait_for("gone", 7).await;
    running.stop().await;
    for job in completed {
        assert!(!site.is_there(TENANT_A, job).await);
    }
    for job in discarded {
        assert_eq!(site.state(TENANT_A, job).await, JobState::Discarded);
    }
    assert_eq!(site.state(TENANT_A, cancelled).await, JobState::Cancelled);
    let left: i64 = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        sqlx::query_scalar("SELECT count(*) FROM rls_jobs").fetch_one(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    assert_eq!(left, 3);
}

#[tokio::test]
async fn it_counts_who_settles_and_not_who_enqueues() {
    let site = Site::new().await;
    let forgetting = site.queue.clone().forget_completed();
    let new = act("ok").expect("it is JSON");
    let enqueued = with_tenant(&site.pool, TENANT_A, async |mut tx| forgetting.enqueue(&mut tx, &new).await).await;
    let (worker, _log) = worker(&site);
    assert_eq!(worker.drain(TENANT_A).await.expect("drains").len(), 1);
    assert_eq!(site.state(TENANT_A, enqueued.expect("enqueues").id()).await, JobState::Completed);
}
