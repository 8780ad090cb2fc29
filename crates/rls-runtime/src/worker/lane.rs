//! One lane in, its jobs claimed tenant by tenant and run, until the worker stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::queue::{Claim, ClaimedJob, Due};
use crate::scope::with_tenant_opts;
use crate::tenant::TenantId;

use super::running::{Entry, Running};
use super::settle::Ended;
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

    fn name(&self) -> &str {
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

/// How long a mark is good for: so long an urgent job may wait behind a backlog, in the worst case.
const MARK_AGE: Duration = Duration::from_secs(1);

/// Where the last claim of a backlog began, so that the next one need not pass what was claimed before.
#[derive(Default)]
struct Marks(BTreeMap<Due, Mark>);

struct Mark {
    place: i64,
    set: Instant,
}

impl Marks {
    fn of(&self, due: &Due, now: Instant) -> Option<i64> {
        self.0.get(due).filter(|mark| now.duration_since(mark.set) < MARK_AGE).map(|mark| mark.place)
    }

    fn note(&mut self, due: Due, claimed: &[ClaimedJob], wanted: usize, now: Instant) {
        let set = self.0.remove(&due).map(|mark| mark.set).filter(|set| now.duration_since(*set) < MARK_AGE);
        if let Some(first) = claimed.first().filter(|_| claimed.len() == wanted) {
            self.0.insert(due, Mark { place: first.place, set: set.unwrap_or(now) });
        }
    }
}

/// Where a lane stands.
#[derive(Default)]
struct Progress {
    /// The tenant that was served last.
    cursor: Option<TenantId>,
    marks: Marks,
}

/// A lane while the worker runs.
pub(crate) struct Served {
    pub(crate) lane: Lane,
    pub(crate) running: Running,
    pub(crate) ended: mpsc::UnboundedSender<Ended>,
}

/// What one look at the lane came to.
enum Round {
    /// Something was claimed, so there may be more; or there was no room for it.
    Claimed,
    /// Something is due and may not be claimed: somebody is at it, or the tenant has enough running.
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
        let mut progress = Progress::default();
        while !*stopping.borrow() {
            while jobs.try_join_next().is_some() {}
            // Before it looks, so that nothing is missed between the look and the wait.
            woken.mark_unchanged();
            let round =
                self.round(&shared, &slots, &stopping, &mut progress, &mut jobs).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, lane = ?self.lane.names, "no work can be claimed");
                    Round::Waiting
                });
            let wait = async {
                match round {
                    Round::Claimed => self.wait_for_room(&slots).await,
                    Round::Waiting => tokio::time::sleep(shared.poll.min(SOON)).await,
                    Round::Idle => tokio::select! {
                        () = tokio::time::sleep(shared.poll) => {}
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
        progress: &mut Progress,
        jobs: &mut JoinSet<()>,
    ) -> Result<Round, Error>
    where
        S: Clone + Send + Sync + 'static,
    {
        let free = slots.available_permits();
        if free == 0 {
            return Ok(Round::Claimed);
        }
        // Some turn out to have nothing that may be claimed, so look at more than there are slots for.
        let limit = u32::try_from(free + LOOK_AHEAD).unwrap_or(u32::MAX);
        let due = shared.queue.due(&shared.pool, self.lane.names(), progress.cursor, limit).await?;
        metrics::looked(self.lane.name(), due.len());
        // A few for each, and with many slots a few more than that, but still for sixteen tenants at least.
        let share = free.div_ceil(due.len().max(1)).max(self.lane.slots / 16);
        let mut round = if due.is_empty() { Round::Idle } else { Round::Waiting };
        for due in due {
            let wanted = share.min(slots.available_permits());
            if wanted == 0 || *stopping.borrow() {
                break;
            }
            let began = Instant::now();
            let mark = progress.marks.of(&due, began);
            progress.cursor = Some(due.tenant);
            let claimed = self.claim(shared, &due, wanted, mark).await?;
            // Behind the mark there may be more than before it.
            if !claimed.is_empty() || mark.is_some() {
                round = Round::Claimed;
            }
            progress.marks.note(due, &claimed, wanted, began);
            for job in claimed {
                // Only this loop takes slots, so there is one.
                let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { break };
                let entry = self.running.add(job.tenant, job.lease, began);
                jobs.spawn(run_one(Arc::clone(shared), job, entry, slot, self.ended.clone()));
            }
        }
        Ok(round)
    }

    async fn claim<S>(
        &self,
        shared: &Shared<S>,
        due: &Due,
        wanted: usize,
        mark: Option<i64>,
    ) -> Result<Vec<ClaimedJob>, Error> {
        let began = Instant::now();
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let mut claim = Claim::new(&due.lane, wanted).lease(shared.lease).worker(&shared.name).beginning_at(mark);
        if let Some(at_once) = self.lane.per_tenant {
            claim = claim.at_once(at_once);
        }
        let claimed = with_tenant_opts(&shared.pool, due.tenant, &FORGETTABLE, async |mut tx| {
            shared.queue.claim_and_count(&mut tx, &claim).await
        })
        .await
        .map_err(Error::Unavailable)?;
        metrics::claimed(&due.lane, &claimed, began.elapsed());
        Ok(claimed.jobs)
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
    let (tenant, lease, lane) = (job.tenant, job.lease, job.lane.clone());
    if let Some(settlement) = shared.execute(job, &entry).await {
        // The slot and the lease are kept until the settlement is written.
        ended.send(Ended { tenant, lease, lane, settlement, entry, _slot: slot }).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{JobId, Lease};

    fn claimed(place: i64) -> ClaimedJob {
        let nil = uuid::Uuid::nil();
        ClaimedJob {
            lease: Lease { job: JobId::new(nil), token: nil },
            tenant: nil.into(),
            lane: "a".to_owned(),
            kind: "b".to_owned(),
            payload: serde_json::Value::Null,
            attempt: 1,
            max_attempts: 1,
            waited: Duration::ZERO,
            place,
        }
    }

    fn due() -> Due {
        Due { tenant: uuid::Uuid::nil().into(), lane: "a".to_owned() }
    }

    #[test]
    fn a_mark_is_set_by_a_full_claim_and_removed_by_a_short_one() {
        let (mut marks, now) = (Marks::default(), Instant::now());
        assert_eq!(marks.of(&due(), now), None);
        marks.note(due(), &[claimed(7), claimed(9)], 2, now);
        assert_eq!(marks.of(&due(), now), Some(7));
        marks.note(due(), &[claimed(9)], 2, now);
        assert_eq!(marks.of(&due(), now), None);
    }

    #[test]
    fn a_mark_is_moved_but_not_renewed_until_it_is_too_old() {
        let (mut marks, start) = (Marks::default(), Instant::now());
        marks.note(due(), &[claimed(7)], 1, start);
        marks.note(due(), &[claimed(8)], 1, start + MARK_AGE / 2);
        assert_eq!(marks.of(&due(), start + MARK_AGE / 2), Some(8));
        assert_eq!(marks.of(&due(), start + MARK_AGE), None);
        marks.note(due(), &[claimed(3)], 1, start + MARK_AGE);
        assert_eq!(marks.of(&due(), start + MARK_AGE * 3 / 2), Some(3));
    }
}
