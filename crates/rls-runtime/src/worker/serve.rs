//! One lane in, its jobs claimed tenant by tenant and run, until the worker stops.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::queue::{Claim, ClaimedJob, Due};
use crate::scope::with_tenant_opts;

use super::claimed::{Claimed, Room};
use super::pace::Pace;
use super::quota::Quota;
use super::running::Running;
use super::settle::Ended;
use super::turns::Turns;
use super::{Lane, Shared, metrics};

/// Some turn out to have nothing that may be claimed, so look at more than there are slots for.
const LOOK_AHEAD: usize = 64;

/// What was seen so long ago may have been done by others.
const FRESH: Duration = Duration::from_millis(100);

/// A claim that a crash of the server undoes only lets the job be claimed again, and its lease is good for nothing then.
///
/// A transaction that rings the doorbell and does not end keeps whoever takes a lease back from ringing it: that costs its tenant a turn, and the others no more than a moment.
const FORGETTABLE: ScopeOptions =
    ScopeOptions::new().asynchronous_commit().lock_timeout(SOON).plan_once().label("claim");

/// How long a worker with much to do waits until there is room for several jobs.
const MOMENT: Duration = Duration::from_millis(5);

/// When something is due that may not be claimed, nobody tells when it may: look again so soon at least.
const SOON: Duration = Duration::from_millis(500);

/// While some ends are written other jobs run: so many times the slots may be claimed and not written.
const UNWRITTEN: usize = 3;

/// A lane while the worker runs.
pub(crate) struct Served {
    lane: Lane,
    running: Running,
    room: Arc<Room>,
}

/// Where a lane stands.
struct Course {
    turns: Turns,
    quota: Quota,
    line: Line,
    /// The last claim got all that it asked for.
    is_busy: bool,
    jobs: JoinSet<()>,
}

/// Those with something due who have not had their turn since the worker looked.
#[derive(Default)]
struct Line {
    due: VecDeque<Due>,
    looked: Option<Instant>,
    /// Of all that were in it.
    weight: usize,
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

impl Line {
    fn is_fresh(&self) -> bool {
        !self.due.is_empty() && self.looked.is_some_and(|looked| looked.elapsed() < FRESH)
    }
}

impl Served {
    pub(crate) fn new(lane: Lane, running: Running, ended: mpsc::UnboundedSender<Ended>) -> Served {
        let slots = Arc::new(Semaphore::new(lane.slots));
        let unwritten = Arc::new(Semaphore::new(lane.slots * UNWRITTEN));
        let room = Room { slots, unwritten, pace: Pace::default(), ended, is_limited: lane.is_limited() };
        Served { lane, running, room: Arc::new(room) }
    }

    pub(crate) async fn serve<S>(
        self,
        shared: Arc<Shared<S>>,
        mut stopping: watch::Receiver<bool>,
        mut woken: watch::Receiver<()>,
    ) where
        S: Clone + Send + Sync + 'static,
    {
        let (turns, quota) = (Turns::default(), Quota::of(&self.lane));
        let mut course = Course { turns, quota, line: Line::default(), is_busy: false, jobs: JoinSet::new() };
        while !*stopping.borrow() {
            while course.jobs.try_join_next().is_some() {}
            // Before it looks, so that nothing is missed between the look and the wait.
            woken.mark_unchanged();
            let round = self.round(&shared, &stopping, &mut course).await.unwrap_or_else(|error| {
                tracing::warn!(%error, lane = ?self.lane.names(), "no work can be claimed");
                Round::Waiting
            });
            let wait = async {
                match round {
                    Round::Claimed => self.wait_for_room().await,
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
        while course.jobs.join_next().await.is_some() {}
        // Once the last end is written.
        let all = u32::try_from(self.lane.slots * UNWRITTEN).unwrap_or(u32::MAX);
        drop(self.room.unwritten.acquire_many(all).await);
        if let Err(error) = course.quota.shrink(&shared, 0).await {
            tracing::warn!(%error, lane = ?self.lane.names(), "slots cannot be given back, their lease will run out");
        }
    }

    /// Short jobs make room for many in a moment, and many cost little more to claim than one. Long ones do not, and then one slot is enough.
    async fn wait_for_room(&self) {
        let ahead = self.goes_ahead();
        let room = async |jobs: u32| {
            drop(self.room.unwritten.acquire_many(jobs).await);
            if !ahead {
                drop(self.room.slots.acquire_many(jobs).await);
            }
        };
        room(1).await;
        let many = u32::try_from(self.lane.slots / 2).unwrap_or(1).max(1);
        tokio::time::timeout(MOMENT, room(many)).await.ok();
    }

    /// Give every tenant with something due its share of the free slots, beginning after the one that was served last.
    async fn round<S>(
        &self,
        shared: &Arc<Shared<S>>,
        stopping: &watch::Receiver<bool>,
        course: &mut Course,
    ) -> Result<Round, Error>
    where
        S: Clone + Send + Sync + 'static,
    {
        if self.free(self.lane.slots) == 0 {
            return Ok(Round::Claimed);
        }
        let goes_on = course.line.is_fresh();
        if !goes_on {
            course.line = self.look(shared, course).await?;
        }
        if course.line.due.is_empty() {
            course.quota.shrink(shared, self.used()).await?;
            return Ok(Round::Idle);
        }
        let held = course.quota.grow(shared, self.lane.slots).await?;
        let has_room = self.free(held) > 0;
        let claimed = self.give_turns(shared, stopping, course, held).await;
        if claimed.is_err() {
            course.line = Line::default();
        }
        course.quota.shrink(shared, self.used()).await?;
        // Where others were faster with the rest of the line, there may be more behind it.
        let has_seen_all = !has_room || !goes_on;
        Ok(if claimed? == 0 && has_seen_all { Round::Waiting } else { Round::Claimed })
    }

    fn used(&self) -> usize {
        self.lane.slots - self.room.slots.available_permits()
    }

    async fn look<S>(&self, shared: &Shared<S>, course: &Course) -> Result<Line, Error> {
        let limit = u32::try_from(self.lane.slots + LOOK_AHEAD).unwrap_or(u32::MAX);
        let due = shared.queue.due(&shared.pool, self.lane.names(), course.turns.last(), limit);
        let mut due = VecDeque::from(shared.in_time(due).await?);
        metrics::looked(self.lane.name(), due.len());
        // Nobody comes between two turns of one that is alone, and while its jobs begin it can claim the next.
        if due.len() == 1 && course.is_busy && self.room.pace.is_quick() {
            due.extend(due.front().cloned());
        }
        let weight = due.iter().map(|due| self.lane.weights.of(due.tenant)).sum();
        Ok(Line { due, looked: Some(Instant::now()), weight })
    }

    /// Let those in the line claim, several at once, while there is room; says how many jobs they got.
    ///
    /// Whose turn was cut short for want of room goes on with it, and nobody is asked before that.
    async fn give_turns<S>(
        &self,
        shared: &Arc<Shared<S>>,
        stopping: &watch::Receiver<bool>,
        Course { turns, quota, line, is_busy, jobs }: &mut Course,
        held: usize,
    ) -> Result<usize, Error>
    where
        S: Clone + Send + Sync + 'static,
    {
        let at_once = (shared.pool.max_connections() as usize / 4).clamp(1, 4);
        let share = self.share(line, self.free(held).min(self.lane.slots));
        // Where the slots are free again in a moment, nobody's turn is cut short for the rest of them.
        let worthwhile = if self.room.pace.is_quick() { share.min(self.lane.slots / 2).max(1) } else { 1 };
        let (mut claims, mut under_way, mut got, mut is_cut, mut failed) = (FuturesOrdered::new(), 0, 0, false, None);
        loop {
            while claims.len() < at_once && !is_cut && failed.is_none() && !*stopping.borrow() {
                let room = self.free(held).saturating_sub(under_way);
                let is_first = claims.is_empty() && got == 0;
                if room == 0 || !is_first && (room < worthwhile || !line.is_fresh()) {
                    break;
                }
                let Some(due) = line.due.pop_front() else { break };
                let allowed = turns.allowance(&due, share * self.lane.weights.of(due.tenant));
                let asked = allowed.min(room);
                (under_way, is_cut) = (under_way + asked, asked < allowed);
                claims.push_back(async move {
                    let began = Instant::now();
                    let claimed = self.claim(shared, &due, asked).await;
                    (due, allowed, asked, began, claimed)
                });
            }
            // A claim that is under way is waited for, or else its jobs would wait for their leases to run out.
            let Some((due, allowed, asked, began, claimed)) = claims.next().await else { break };
            // Whose jobs cannot be claimed has had its turn, or else nobody after it would have one.
            let claimed = claimed.unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Vec::new()
            });
            (under_way, got) = (under_way - asked, got + claimed.len());
            *is_busy = claimed.len() == asked;
            is_cut &= asked == allowed;
            if turns.note(&due, allowed, asked, claimed.len()) {
                line.due.push_front(due);
            }
            let together = Arc::new(AtomicUsize::new(claimed.len()));
            claimed.into_iter().for_each(|job| self.start(shared, job, began, &together, quota, jobs));
        }
        failed.map_or(Ok(got), Err)
    }

    /// How many jobs may be claimed, for those slots that the worker has.
    fn free(&self, held: usize) -> usize {
        let unwritten = self.room.unwritten.available_permits();
        if self.goes_ahead() { unwritten } else { held.saturating_sub(self.used()).min(unwritten) }
    }

    /// Where the slots are free again in a moment jobs are claimed for them before they are. Those of other workers are not this one's to count on.
    fn goes_ahead(&self) -> bool {
        self.room.pace.is_quick() && !self.room.is_limited
    }

    /// A few jobs for each, and with many slots a few more than that, but still for sixteen tenants at least; unless the slots are free again in a moment.
    fn share(&self, line: &Line, room: usize) -> usize {
        let of_all = if self.room.pace.is_quick() { line.due.len().clamp(1, 2) } else { 16 };
        room.div_ceil(line.weight.max(1)).max(self.lane.slots / of_all)
    }

    async fn claim<S>(&self, shared: &Shared<S>, due: &Due, wanted: usize) -> Result<Vec<ClaimedJob>, Error> {
        let began = Instant::now();
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let mut claim = Claim::new(&due.lane, wanted).lease(shared.lease).worker(&shared.name);
        if let Some(at_once) = self.lane.per_tenant {
            claim = claim.at_once(at_once).counting(self.lane.names());
        }
        let claimed = with_tenant_opts(&shared.pool, due.tenant, &FORGETTABLE, async |mut tx| {
            shared.queue.claim_and_count(&mut tx, &claim).await
        });
        let claimed = shared.in_time(claimed).await.map_err(Error::Unavailable)?;
        metrics::claimed(&due.lane, &claimed, began.elapsed());
        Ok(claimed.jobs)
    }

    fn start<S>(
        &self,
        shared: &Arc<Shared<S>>,
        job: ClaimedJob,
        claimed_at: Instant,
        together: &Arc<AtomicUsize>,
        quota: &Quota,
        jobs: &mut JoinSet<()>,
    ) where
        S: Clone + Send + Sync + 'static,
    {
        // No more were asked for than there is room for.
        let Ok(unwritten) = Arc::clone(&self.room.unwritten).try_acquire_owned() else { return };
        let slot = Arc::clone(&self.room.slots).try_acquire_owned().ok().map(|slot| quota.slot(slot));
        let entry = self.running.add(job.tenant, job.lease, claimed_at);
        let room = Arc::clone(&self.room);
        let claimed = Claimed { entry, slot, unwritten, together: Arc::clone(together), room };
        jobs.spawn(claimed.run(Arc::clone(shared), job));
    }
}
