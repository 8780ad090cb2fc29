//! The slots that a lane has over all workers: lent for as long as a lease lasts, and given back when they are not needed.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::error::Error;

use super::{Lane, Shared};

/// What a worker holds of a lane's slots. Without a limit that is all it wants.
pub(crate) struct Quota {
    lane: String,
    at_once: Option<u32>,
    held: usize,
    freed: Arc<Notify>,
}

/// A slot of this worker, which a job has until it has ended; where the lane is limited over all workers, until its end is written.
pub(crate) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Quota {
    pub(crate) fn of(lane: &Lane) -> Quota {
        Quota { lane: lane.name().to_owned(), at_once: lane.at_once, held: 0, freed: Arc::default() }
    }

    pub(crate) fn slot(&self, permit: OwnedSemaphorePermit) -> Slot {
        Slot { permit: Some(permit), freed: Arc::clone(&self.freed) }
    }

    /// Hold so many slots, or as many as there are, and say how many.
    pub(crate) async fn grow<S>(&mut self, shared: &Shared<S>, slots: usize) -> Result<usize, Error> {
        let Some(at_once) = self.at_once else { return Ok(slots) };
        let wanted = u32::try_from(slots).unwrap_or(u32::MAX);
        let hold = shared.queue.hold_slots(&shared.pool, &self.lane, shared.id, wanted, at_once, shared.lease);
        let held = shared.in_time(hold).await?;
        self.held = held as usize;
        Ok(self.held)
    }

    /// Give back what is more than these.
    pub(crate) async fn shrink<S>(&mut self, shared: &Shared<S>, slots: usize) -> Result<(), Error> {
        if self.held > slots {
            self.grow(shared, slots).await?;
        }
        Ok(())
    }

    /// When a job has ended: in a lane with a limit somebody may wait for its slot.
    pub(crate) async fn freed(&self) {
        match self.at_once {
            Some(_) => self.freed.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Who is told finds it free.
        drop(self.permit.take());
        self.freed.notify_one();
    }
}
