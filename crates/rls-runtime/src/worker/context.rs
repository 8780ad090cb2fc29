//! What a job has at hand while it runs: its tenant's scope, and no other.

use std::fmt;

use serde_json::Value;
use tokio::sync::watch;

use crate::error::Error;
use crate::handle::{TenantConn, TenantTx};
use crate::pool::RlsPool;
use crate::queue::{JobId, Lease, Queue, Settled, Settlement};
use crate::scope::with_tenant;
use crate::tenant::TenantId;

use super::job::{JobError, Outcome};

/// What a job has at hand while it runs.
///
/// The tenant comes from the job, so a job cannot choose another.
#[derive(Clone)]
pub struct Context<S> {
    pub(crate) attempt: Attempt,
    pub(crate) pool: RlsPool,
    pub(crate) queue: Queue,
    pub(crate) state: S,
    pub(crate) stop: watch::Receiver<Option<Stop>>,
}

/// The one attempt of the one job that a handler is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) tenant: TenantId,
    pub(crate) lease: Lease,
    pub(crate) number: u32,
    pub(crate) of: u32,
    pub(crate) sort: Sort,
}

/// Whether there is anything to settle.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sort {
    /// Of a job that was claimed.
    Real,
    /// Of a job that is nowhere in the table.
    #[cfg(feature = "testing")]
    Trial,
}

/// Why a job shall stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// Somebody cancelled it.
    CancelRequested,
    /// Another worker has it by now, or may have: nothing of this attempt counts any more.
    LeaseLost,
    /// The worker stops. Who cannot end within its [grace](super::Worker::shutdown_grace) goes back into the queue sooner with a [snooze](Outcome::Snooze) of no time at all.
    ShuttingDown,
}

impl Stop {
    pub(crate) const fn gravity(self) -> u8 {
        match self {
            Stop::CancelRequested => 0,
            Stop::ShuttingDown => 1,
            Stop::LeaseLost => 2,
        }
    }
}

impl<S> Context<S> {
    /// Whose job it is.
    pub fn tenant(&self) -> TenantId {
        self.attempt.tenant
    }

    /// Which job it is.
    pub fn job(&self) -> JobId {
        self.attempt.lease.job()
    }

    /// What it takes to settle this attempt, for [`Queue::settle`] in a scope of the job's own.
    pub fn lease(&self) -> Lease {
        self.attempt.lease
    }

    /// Which attempt this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt.number
    }

    /// Whether the job is discarded when this attempt fails.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt.number >= self.attempt.of
    }

    /// What the worker's jobs share.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The queue, for enqueueing what comes next.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Run a closure in a scope of the job's tenant, as [`with_tenant`](crate::with_tenant) does.
    ///
    /// Keep scopes short, and do what is slow between them: a scope holds a connection.
    ///
    /// # Errors
    /// What the closure and its scope say.
    pub async fn with_tenant<F, Fut, T, E>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(TenantTx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        with_tenant(&self.pool, self.attempt.tenant, work).await
    }

    /// Note how far the job is, in percent.
    ///
    /// # Errors
    /// What the server says.
    pub async fn progress(&self, percent: u8) -> Result<(), JobError> {
        let lease = self.attempt.lease;
        self.with_tenant(async |mut tx| self.queue.progress(&mut tx, lease, percent).await).await?;
        Ok(())
    }

    /// Complete the job in the scope of its work, so that both are written or neither is.
    ///
    /// # Errors
    /// When the lease is lost: pass it on, and the scope rolls the work back.
    pub async fn complete(&self, tx: &mut TenantConn, result: Option<Value>) -> Result<Outcome, JobError> {
        match self.attempt.sort {
            #[cfg(feature = "testing")]
            Sort::Trial => Ok(result.map_or(Outcome::Complete, Outcome::CompleteWith)),
            Sort::Real => match self.queue.settle(tx, self.attempt.lease, Settlement::Complete(result)).await? {
                Settled::Done(_) => Ok(Outcome::Settled),
                Settled::LeaseLost => Err(JobError::retry("the lease is lost")),
            },
        }
    }

    /// Whether the job shall stop. The worker waits for the time of its grace, and then drops it; when the lease is lost, at once.
    pub fn stop_requested(&self) -> Option<Stop> {
        *self.stop.borrow()
    }

    /// Wait until the job shall stop; for a `select!` beside what takes long.
    pub async fn stopped(&self) -> Stop {
        let mut stop = self.stop.clone();
        let reason = stop.wait_for(Option::is_some).await.map(|reason| *reason);
        match reason {
            Ok(reason) => reason.unwrap_or(Stop::ShuttingDown),
            // Nobody is there any more who could stop it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
