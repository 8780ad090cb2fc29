//! What has ended is kept for a while, and the dead for longer; what has not ended is kept anyway.

use std::time::Duration;

use rls_runtime::queue::{Claim, JobId, JobState, Retention, Settlement};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{TenantId, with_tenant};

use crate::acting::{start, worker};
use crate::harness::{Site, job, seconds};

const ROUND: [Settlement; 3] = [
    Settlement::Complete(None),
    Settlement::Discard { error: String::new() },
    Settlement::Cancel { reason: String::new() },
];

impl Site {
    /// So many completed, dead and cancelled jobs each.
    async fn ended(&self, tenant: TenantId, of_each: u32) {
        for n in 0..of_each * 3 {
            self.enqueue(tenant, &job(&n.to_string())).await;
        }
        let all = Claim::new(crate::harness::LANE, of_each * 3);
        for (job, settlement) in self.claim(tenant, &all).await.iter().zip(ROUND.iter().cycle()) {
            self.settle(job, settlement.clone()).await;
        }
    }

    async fn prune(&self, tenant: TenantId, retention: &Retention) -> u64 {
        with_tenant(&self.pool, tenant, async |mut tx| self.queue.prune(&mut tx, retention).await)
            .await
            .expect("prunes")
    }

    /// How many are left, completed, cancelled and dead.
    async fn left(&self, tenant: TenantId) -> [i64; 3] {
        let count = "SELECT count(*) FILTER (WHERE state = 'completed'), count(*) FILTER (WHERE state = 'cancelled'),
                            count(*) FILTER (WHERE state = 'discarded') FROM rls_jobs";
        let (completed, cancelled, dead) =
            with_tenant(&self.pool, tenant, async |mut tx| sqlx::query_as(count).fetch_one(&mut *tx).await)
                .await
                .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
        [completed, cancelled, dead]
    }
}

#[tokio::test]
async fn each_sort_is_kept_for_its_own_time_and_each_tenant_prunes_its_own() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.ended(tenant, 2).await;
    }
    let retention = Retention::new().completed(seconds(60)).dead(seconds(120));
    let waiting: JobId = site.enqueue(TENANT_A, &job("waits")).await;
    site.clock.advance(seconds(60));
    assert_eq!(site.prune(TENANT_A, &retention).await, 0);
    site.clock.advance(seconds(1));
    assert_eq!((site.prune(TENANT_A, &retention).await, site.left(TENANT_A).await), (4, [0, 0, 2]));
    site.clock.advance(seconds(60));
    assert_eq!(site.prune(TENANT_A, &Retention::new()).await, 0);
    assert_eq!((site.prune(TENANT_A, &retention).await, site.left(TENANT_A).await), (2, [0, 0, 0]));
    assert_eq!(site.left(TENANT_B).await, [2, 2, 2]);
    assert_eq!(site.state(TENANT_A, waiting).await, JobState::Available);
}

#[tokio::test]
async fn a_batch_has_its_size_and_takes_the_oldest() {
    let site = Site::new().await;
    site.ended(TENANT_A, 2).await;
    site.clock.advance(seconds(10));
    site.ended(TENANT_A, 2).await;
    site.clock.advance(seconds(10));
    let retention = Retention::new().completed(seconds(5)).at_once(3);
    assert_eq!(site.prune(TENANT_A, &retention).await, 3);
    let left = site.left(TENANT_A).await;
    assert_eq!((left[0] + left[1], left[2]), (5, 4));
    let old = "SELECT count(*) FROM rls_jobs WHERE state <> 'discarded' AND finished_at = (SELECT min(finished_at) FROM rls_jobs)";
    let old: i64 = with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::query_scalar(old).fetch_one(&mut *tx).await)
        .await
        .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    assert_eq!(old, 1, "of the older four");
    assert_eq!((site.prune(TENANT_A, &retention).await, site.prune(TENANT_A, &retention).await), (3, 2));
}

#[tokio::test]
async fn a_worker_prunes_every_tenant_batch_by_batch() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.ended(tenant, 4).await;
    }
    site.clock.advance(seconds(61));
    let retention = Retention::new().completed(seconds(60)).at_once(3);
    let (worker, log) = worker(&site);
    let running = start(worker.maintain_every(Duration::from_millis(20)).retention(retention), log);
    for tenant in [TENANT_A, TENANT_B] {
        while site.left(tenant).await != [0, 0, 4] {}
    }
    running.stop().await;
}
