//! One lane in, its jobs claimed tenant by tenant and run, until the worker stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::queue::{Claim, ClaimedJob, Due};
use crate::scope::with_tenant_opts;
use crate::tenant::TenantId;

use super::quota::{Quota, Slot};
use super::running::{Entry, Running};
use super::settle::Ended;
use super::turns::{Turns, Weights};
use super::{Shared, metrics};

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
    pub(super) at_once: Option<u32>,
    weights: Weights,
}

impl Lane {
    /// A lane with four slots.
    pub fn new(name: impl Into<String>) -> Lane {
        Lane { names: vec![name.into()], slots: 4, per_tenant: None, at_once: None, weights: Weights::default() }
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
        self.per_tenant = Some(jobs.max(1));
        self
    }

    /// Run at most so many jobs of the lane at once, over all workers that say so.
    ///
    /// A worker holds its part of the slots by a lease, as it holds its jobs: those of one that was killed are free when that has run out.
    pub fn at_once(mut self, jobs: u32) -> Lane {
        self.at_once = Some(jobs.max(1));
        self
    }

    /// Let a tenant have as many jobs in its turn as its weight says, from 1 to 1,000, where others have one. Without this all have the same.
    ///
    /// ```
    /// use rls_runtime::{TenantId, worker::Lane};
    ///
    /// let pays_more: TenantId = "018f6d1c-7c00-7000-8000-000000000001".parse()?;
    /// let lane = Lane::new("ship_upload").weights(move |tenant| if tenant == pays_more { 3 } else { 1 });
    /// # Ok::<(), rls_runtime::ParseTenantIdError>(())
    /// ```
    pub fn weights(mut self, of: impl Fn(TenantId) -> u32 + Send + Sync + 'static) -> Lane {
        self.weights = Weights::new(of);
        self
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.at_once.is_some()
    }

    pub(super) fn name(&self) -> &str {
        &self.names[0]
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

const LOOK_AHEAD: usize = 64;

/// A claim that a crash of the server undoes only lets the job be claimed again, and its lease is good for nothing then.
const FORGETTABLE: ScopeOptions = ScopeOptions::new().asynchronous_commit().label("claim");

/// How long a worker with much to do waits until there is room for several jobs.
const MOMENT: Duration = Duration::from_millis(5);

/// When something is due that may not be claimed, nobody tells when it may: look again so soon at least.
const SOON: Duration = Duration::from_millis(500);

/// A lane while the worker runs.
pub(crate) struct Served {
    pub(crate) lane: Lane,
    pub(crate) running: Running,
    pub(crate) ended: mpsc::UnboundedSender<Ended>,
}

/// Where a lane stands.
struct Course {
    turns: Turns,
    quota: Quota,
}

/// What one look at the lane came to.
enum Round {
    /// Something was claimed, so there may be more; or there was no room for it.
    Claimed,
    /// Something is due and may not be claimed: somebody is at it, or the tenant or the lane has enough running.
    Waiting,
    /// Nothing is due.
    Idle,
}

impl Served {
    pub(crate) async fn serve<S>(
        self,
        shared: Arc<Shared<S>>,
        mut stopping: watch::Receiver<bool>,
        mut woken: watch::Receiver<()>,
    ) where
        S: Clone + Send + Sync + 'static,
    {
        let slots = Arc::new(Semaphore::new(self.lane.slots));
        let mut jobs = JoinSet::new();
        let mut course = Course { turns: Turns::default(), quota: Quota::of(&self.lane) };
        while !*stopping.borrow() {
            while jobs.try_join_next().is_some() {}
            // Before it looks, so that nothing is missed between the look and the wait.
            woken.mark_unchanged();
            let round = self.round(&shared, &slots, &stopping, &mut course, &mut jobs).await;
            let round = round.unwrap_or_else(|error| {
                tracing::warn!(%error, lane = ?self.lane.names, "no work can be claimed");
                Round::Waiting
            });
            let wait = async {
                match round {
                    Round::Claimed => self.wait_for_room(&slots).await,
                    Round::Waiting => tokio::select! {
                        () = tokio::time::sleep(shared.poll.min(SOON)) => {}
                        () = course.quota.freed() => {}
                    },
                    Round::Idle => tokio::select! {
                        () = tokio::time::sleep(shared.poll) => {}
                        () = course.quota.freed() => {}
                        _ = woken.changed() => {}
                    },
                }
            };
            tokio::select! {
                () = wait => {}
                _ = stopping.changed() => {}
            }
        }
        while jobs.join_next().await.is_some() {}
        // Once the last end is written.
        drop(slots.acquire_many(u32::try_from(self.lane.slots).unwrap_or(u32::MAX)).await);
        if let Err(error) = course.quota.shrink(&shared, 0).await {
            tracing::warn!(%error, lane = ?self.lane.names, "slots cannot be given back, their lease will run out");
        }
    }

    /// Short jobs make room for many in a moment, and many cost little more to claim than one. Long ones do not, and then one slot is enough.
    async fn wait_for_room(&self, slots: &Semaphore) {
        drop(slots.acquire().await);
        let many = u32::try_from(self.lane.slots / 4).unwrap_or(1).max(1);
        tokio::time::timeout(MOMENT, slots.acquire_many(many)).await.ok();
    }

    /// Give every tenant with something due its share of the free slots, beginning after the one that was served last.
    async fn round<S>(
        &self,
        shared: &Arc<Shared<S>>,
        slots: &Arc<Semaphore>,
        stopping: &watch::Receiver<bool>,
        Course { turns, quota }: &mut Course,
        jobs: &mut JoinSet<()>,
    ) -> Result<Round, Error>
    where
        S: Clone + Send + Sync + 'static,
    {
        let free = slots.available_permits();
        if free == 0 {
            return Ok(Round::Claimed);
        }
        let used = self.lane.slots - free;
        // Some turn out to have nothing that may be claimed, so look at more than there are slots for.
        let limit = u32::try_from(free + LOOK_AHEAD).unwrap_or(u32::MAX);
        let due = shared.in_time(shared.queue.due(&shared.pool, self.lane.names(), turns.last(), limit)).await?;
        metrics::looked(self.lane.name(), due.len());
        if due.is_empty() {
            quota.shrink(shared, used).await?;
            return Ok(Round::Idle);
        }
        let mut room = quota.grow(shared, self.lane.slots).await?.saturating_sub(used).min(free);
        // A few for each, and with many slots a few more than that, but still for sixteen tenants at least.
        let weight: usize = due.iter().map(|due| self.lane.weights.of(due.tenant)).sum();
        let share = room.div_ceil(weight).max(self.lane.slots / 16);
        let mut round = Round::Waiting;
        for due in due {
            if room == 0 || *stopping.borrow() {
                break;
            }
            let began = Instant::now();
            let allowed = turns.allowance(&due, share * self.lane.weights.of(due.tenant));
            let claimed = self.claim(shared, &due, allowed.min(room)).await;
            // Whose jobs cannot be claimed has had its turn, or else nobody after it would have one.
            turns.note(due, allowed, allowed.min(room), claimed.as_ref().map_or(0, Vec::len));
            for job in claimed? {
                // Only this loop takes slots, so there is one.
                let Ok(permit) = Arc::clone(slots).try_acquire_owned() else { break };
                let entry = self.running.add(job.tenant, job.lease, began);
                jobs.spawn(run_one(Arc::clone(shared), job, entry, quota.slot(permit), self.ended.clone()));
                room -= 1;
                round = Round::Claimed;
            }
        }
        let used = self.lane.slots - slots.available_permits();
        quota.shrink(shared, used).await?;
        Ok(round)
    }

    async fn claim<S>(&self, shared: &Shared<S>, due: &Due, wanted: usize) -> Result<Vec<ClaimedJob>, Error> {
        let began = Instant::now();
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let mut claim = Claim::new(&due.lane, wanted).lease(shared.lease).worker(&shared.name);
        if let Some(at_once) = self.lane.per_tenant {
            claim = claim.at_once(at_once);
        }
        let claimed = with_tenant_opts(&shared.pool, due.tenant, &FORGETTABLE, async |mut tx| {
            shared.queue.claim_and_count(&mut tx, &claim).await
        });
        let claimed = shared.in_time(claimed).await.map_err(Error::Unavailable)?;
        metrics::claimed(&due.lane, &claimed, began.elapsed());
        Ok(claimed.jobs)
    }
}

async fn run_one<S>(
    shared: Arc<Shared<S>>,
    job: ClaimedJob,
    entry: Entry,
    slot: Slot,
    ended: mpsc::UnboundedSender<Ended>,
) where
    S: Clone + Send + Sync + 'static,
{
    let (tenant, lease, lane) = (job.tenant, job.lease, job.lane.clone());
    if let Some(settlement) = shared.execute(job, &entry).await {
        // The slot and the lease are kept until the settlement is written.
        ended.send(Ended { tenant, lease, lane, settlement, entry, _slot: slot }).ok();
    }
}
