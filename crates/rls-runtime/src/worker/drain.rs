//! Jobs without a running worker, for tests.

use std::time::Instant;

use crate::queue::{Claim, JobId, Settled};
use crate::scope::with_tenant;
use crate::tenant::TenantId;

use super::Worker;
use super::running::Running;

/// A job that was run by [`Worker::drain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// The job.
    pub job: JobId,
    /// What became of it. Nothing when it settled itself.
    pub settled: Option<Settled>,
}

impl<S: Clone + Send + Sync + 'static> Worker<S> {
    /// Run what is due for a tenant in the worker's lanes, one job after the other, until nothing is; for tests.
    ///
    /// There is no heartbeat, and no limit but the lease.
    ///
    /// # Errors
    /// What the server says.
    pub async fn drain(&self, tenant: TenantId) -> sqlx::Result<Vec<Drained>> {
        let (shared, running) = (&self.shared, Running::default());
        let mut drained = Vec::new();
        for lane in self.lanes.iter().flat_map(|lane| lane.names()) {
            let claim = Claim::new(lane, 1).lease(shared.lease).worker(&shared.name);
            loop {
                let claimed = with_tenant(&shared.pool, tenant, async |mut tx| {
                    shared.queue.claim_and_count(&mut tx, &claim).await
                })
                .await?;
                let Some(job) = claimed.jobs.into_iter().next() else {
                    // What was taken back waits now.
                    if claimed.reclaimed > 0 {
                        continue;
                    }
                    break;
                };
                let lease = job.lease;
                let entry = running.add(tenant, lease, Instant::now());
                let settled = match shared.execute(job, &entry).await {
                    None => None,
                    Some(settlement) => Some(
                        with_tenant(&shared.pool, tenant, async |mut tx| {
                            shared.queue.settle(&mut tx, lease, settlement).await
                        })
                        .await?,
                    ),
                };
                drained.push(Drained { job: lease.job(), settled });
            }
        }
        Ok(drained)
    }
}

/// Run one job without a row in the table, for a test of what it does: its progress goes nowhere.
///
/// One that completes itself in the scope of its work writes that, and its outcome says what it would have settled.
///
/// # Errors
/// What the job says.
#[cfg(feature = "testing")]
pub async fn run_job<J: super::Job>(
    pool: &crate::RlsPool,
    tenant: TenantId,
    state: J::State,
    job: J,
) -> Result<super::Outcome, super::JobError> {
    use super::context::{Attempt, Context, Sort};
    use crate::queue::{Lease, Queue};

    let lease = Lease { job: JobId::fresh(), token: uuid::Uuid::nil() };
    // The sender is kept until the job has ended: it is how one would ask it to stop.
    let (_asks_nothing, stop) = tokio::sync::watch::channel(None);
    let attempt = Attempt { tenant, lease, number: 1, of: u32::from(J::MAX_ATTEMPTS.max(1)), sort: Sort::Trial };
    job.run(Context { attempt, pool: pool.clone(), queue: Queue::new(), state, stop }).await
}
