//! A claimed job in, its end handed on to be written: it waits for a slot, runs, and leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::queue::{ClaimedJob, Settlement};

use super::Shared;
use super::pace::Pace;
use super::quota::Slot;
use super::running::Entry;
use super::settle::Ended;

/// So long a job that was claimed ahead waits for its slot. Then it goes back, for another worker may have one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the jobs of a lane share.
pub(crate) struct Room {
    /// How many may run.
    pub(crate) slots: Arc<Semaphore>,
    /// How many may be claimed and not written.
    pub(crate) unwritten: Arc<Semaphore>,
    pub(crate) pace: Pace,
    pub(crate) ended: mpsc::UnboundedSender<Ended>,
    /// Over all workers a job counts until its end is written.
    pub(crate) is_limited: bool,
}

/// What a job holds from its claim on.
pub(crate) struct Claimed {
    pub(crate) entry: Entry,
    /// Nothing, for one that was claimed ahead.
    pub(crate) slot: Option<Slot>,
    pub(crate) unwritten: OwnedSemaphorePermit,
    /// How many of those that were claimed together have not ended.
    pub(crate) together: Arc<AtomicUsize>,
    pub(crate) room: Arc<Room>,
}

impl Claimed {
    pub(crate) async fn run<S>(self, shared: Arc<Shared<S>>, job: ClaimedJob)
    where
        S: Clone + Send + Sync + 'static,
    {
        let (tenant, lease, lane) = (job.tenant, job.lease, job.lane.clone());
        let late = if self.slot.is_none() { self.wait_for_slot().await } else { None };
        let Claimed { entry, slot, unwritten, together, room } = self;
        let settlement = if slot.is_some() || late.is_some() {
            let began = Instant::now();
            let settlement = shared.execute(job, &entry).await;
            room.pace.note(began.elapsed());
            settlement
        } else {
            // Those that hold the slots are not as short as those before them.
            room.pace.note(PATIENCE);
            Some(Settlement::Release)
        };
        drop(late);
        let more_to_come = together.fetch_sub(1, Ordering::Relaxed) > 1 && room.pace.is_quick();
        let slot = slot.filter(|_| room.is_limited);
        if let Some(settlement) = settlement {
            let ended = Ended { tenant, lease, lane, settlement, more_to_come, entry, _slot: slot, _room: unwritten };
            room.ended.send(ended).ok();
        }
    }

    /// Nothing, when there is none in time, or the job is asked to stop before it has begun.
    async fn wait_for_slot(&self) -> Option<OwnedSemaphorePermit> {
        let mut stop = self.entry.subscribe();
        tokio::select! {
            // Those that were asked to stop make room, which is not for others that were asked too.
            biased;
            _ = stop.wait_for(Option::is_some) => None,
            slot = Arc::clone(&self.room.slots).acquire_owned() => slot.ok(),
            () = tokio::time::sleep(PATIENCE) => None,
        }
    }
}
