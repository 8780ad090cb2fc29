//! One lane in, its jobs claimed tenant by tenant and run, until the worker stops.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::queue::{Claim, ClaimedJob, Due};
use crate::scope::with_tenant_opts;
use crate::tenant::TenantId;

use super::Shared;
use super::running::{Entry, Running};
use super::settle::Ended;

/// A lane that a worker serves.
///
/// ```
/// use rls_runtime::worker::Lane;
///
/// let lane = Lane::new("catalog_upload").formerly("wayfair_upload").slots(8).per_tenant(2);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Lane {
    /// The name, and the names that it had.
    names: Vec<String>,
    slots: usize,
    per_tenant: Option<u32>,
}

impl Lane {
    /// A lane with four slots.
    pub fn new(name: impl Into<String>) -> Lane {
        Lane { names: vec![name.into()], slots: 4, per_tenant: None }
    }

    /// Serve jobs of an older name of the lane in the same slots.
    pub fn formerly(mut self, name: impl Into<String>) -> Lane {
        self.names.push(name.into());
        self
    }

    /// Run at most so many jobs at once in this worker.
    pub fn slots(mut self, slots: usize) -> Lane {
        self.slots = slots.clamp(1, 10_000);
        self
    }

    /// Run at most so many jobs of one tenant at once, over all workers.
    pub fn per_tenant(mut self, jobs: u32) -> Lane {
        self.per_tenant = Some(jobs);
        self
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

const LOOK_AHEAD: usize = 64;

/// A claim that a crash of the server undoes only lets the job be claimed again, and its lease is good for nothing then.
const FORGETTABLE: ScopeOptions = ScopeOptions::new().asynchronous_commit().label("claim");

/// A lane while the worker runs.
pub(crate) struct Served {
    pub(crate) lane: Lane,
    pub(crate) running: Running,
    pub(crate) ended: mpsc::UnboundedSender<Ended>,
}

/// What one look at the lane came to.
enum Round {
    /// Something was claimed, so there may be more.
    Claimed,
    /// Nothing is due, or nothing that may be claimed.
    Idle,
    Full,
}

impl Served {
    pub(crate) async fn serve<S>(self, shared: Arc<Shared<S>>, mut stopping: watch::Receiver<bool>)
    where
        S: Clone + Send + Sync + 'static,
    {
        let slots = Arc::new(Semaphore::new(self.lane.slots));
        let mut jobs = JoinSet::new();
        let mut cursor = None;
        while !*stopping.borrow() {
            while jobs.try_join_next().is_some() {}
            let round = self.round(&shared, &slots, &mut cursor, &mut jobs).await.unwrap_or_else(|error| {
                tracing::warn!(%error, lane = ?self.lane.names, "no work can be claimed");
                Round::Idle
            });
            let wait = async {
                match round {
                    Round::Claimed => {}
                    Round::Idle => tokio::time::sleep(shared.poll).await,
                    Round::Full => drop(slots.acquire().await),
                }
            };
            tokio::select! {
                () = wait => {}
                _ = stopping.changed() => {}
            }
        }
        while jobs.join_next().await.is_some() {}
    }

    /// Give every tenant with something due its share of the free slots, beginning after the one that was served last.
    async fn round<S>(
        &self,
        shared: &Arc<Shared<S>>,
        slots: &Arc<Semaphore>,
        cursor: &mut Option<TenantId>,
        jobs: &mut JoinSet<()>,
    ) -> Result<Round, Error>
    where
        S: Clone + Send + Sync + 'static,
    {
        let free = slots.available_permits();
        if free == 0 {
            return Ok(Round::Full);
        }
        // Some turn out to have nothing that may be claimed, so look at more than there are slots for.
        let limit = u32::try_from(free + LOOK_AHEAD).unwrap_or(u32::MAX);
        let due = shared.queue.due(&shared.pool, self.lane.names(), *cursor, limit).await?;
        let share = free.div_ceil(due.len().max(1));
        let mut round = Round::Idle;
        for due in due {
            let wanted = share.min(slots.available_permits());
            if wanted == 0 {
                break;
            }
            let began = Instant::now();
            let claimed = self.claim(shared, &due, wanted).await?;
            *cursor = Some(due.tenant);
            for job in claimed {
                round = Round::Claimed;
                // Only this loop takes slots, so there is one.
                let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { break };
                let entry = self.running.add(job.tenant, job.lease, began);
                jobs.spawn(run_one(Arc::clone(shared), job, entry, slot, self.ended.clone()));
            }
        }
        Ok(round)
    }

    async fn claim<S>(&self, shared: &Shared<S>, due: &Due, wanted: usize) -> Result<Vec<ClaimedJob>, Error> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let mut claim = Claim::new(&due.lane, wanted).lease(shared.lease).worker(&shared.name);
        if let Some(at_once) = self.lane.per_tenant {
            claim = claim.at_once(at_once);
        }
        let claimed = with_tenant_opts(&shared.pool, due.tenant, &FORGETTABLE, async |mut tx| {
            shared.queue.claim(&mut tx, &claim).await
        })
        .await;
        claimed.map_err(Error::Unavailable)
    }
}

async fn run_one<S>(
    shared: Arc<Shared<S>>,
    job: ClaimedJob,
    entry: Entry,
    slot: OwnedSemaphorePermit,
    ended: mpsc::UnboundedSender<Ended>,
) where
    S: Clone + Send + Sync + 'static,
{
    let (tenant, lease) = (job.tenant, job.lease);
    if let Some(settlement) = shared.execute(job, &entry).await {
        // The slot and the lease are kept until the settlement is written.
        ended.send(Ended { tenant, lease, settlement, entry, _slot: slot }).ok();
    }
}
