//! A job queue under FORCE row-level security, with no role that goes around it (feature `queue`).
//!
//! Every job belongs to a tenant, and everything that is done to it is done in a scope of that tenant.
//! A job is enqueued in the caller's own scope: it is there when, and only when, the rest is.
//!
//! ```no_run
//! use rls_runtime::queue::{NewJob, Queue};
//! use rls_runtime::{RlsPool, TenantId, with_tenant};
//!
//! async fn receive(pool: &RlsPool, queue: &Queue, tenant: TenantId, file: i64) -> sqlx::Result<()> {
//!     with_tenant(pool, tenant, async |mut tx| {
//!         sqlx::query("INSERT INTO files VALUES ($1, $2)").bind(tenant).bind(file).execute(&mut *tx).await?;
//!         let job = NewJob::new("ship_upload", "ingest", &serde_json::json!({ "file": file }))?;
//!         queue.enqueue(&mut tx, &job).await?;
//!         Ok(())
//!     })
//!     .await
//! }
//! ```
//!
//! # Finding work without a bypass
//!
//! No role sees the jobs of all tenants, so a worker cannot look for them.
//! A second table, the doorbell, says which tenant has something to do in which lane and when, and nothing else; triggers keep it.
//! [`Queue::due`] reads it, and the worker then claims in the scope of each tenant that it names.
//!
//! # What is promised
//!
//! A job runs at least once, not exactly once: a worker that dies after the work and before the settlement leaves it to be done again.
//! To do a job's work exactly once, settle it in the scope that does the work: [`Queue::settle`] takes the handle.
//! A worker whose lease ran out can change nothing about the job any more: each claim has a token of its own, and every settlement asks for it.

mod claim;
mod control;
mod cron;
mod doorbell;
mod enqueue;
mod job;
mod limit;
mod retention;
mod schedule;
mod schema;
mod settle;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use claim::Claim;
pub(crate) use claim::Claimed;
pub use cron::ScheduleError;
pub(crate) use doorbell::CHANNEL;
pub use doorbell::Due;
pub use job::{
    ClaimedJob, Enqueued, Heartbeat, JobId, JobState, JobStatus, Lease, NewJob, OnConflict, ParseJobIdError, Settled,
    Settlement,
};
pub use retention::Retention;
pub(crate) use schedule::LANE as SCHEDULES;
pub use schedule::{Schedule, ScheduleStatus};
pub use schema::Schema;
pub use status::{LaneStatus, Status};

/// The operations of the queue. It holds no connection: each runs on the handle of the caller's scope.
///
/// ```
/// let queue = rls_runtime::queue::Queue::new();
/// ```
#[derive(Clone, Default)]
pub struct Queue {
    clock: Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>,
    forgets_completed: bool,
}

impl Queue {
    /// A queue that goes by the server's clock, which is the same for all workers.
    pub fn new() -> Queue {
        Queue::default()
    }

    /// A queue that goes by a clock of the caller's, for tests.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use rls_runtime::{queue::Queue, testing::FixedClock};
    ///
    /// let clock = FixedClock::at(SystemTime::UNIX_EPOCH);
    /// let queue = Queue::with_clock({
    ///     let clock = clock.clone();
    ///     move || clock.now()
    /// });
    /// ```
    pub fn with_clock(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Queue {
        Queue { clock: Some(Arc::new(clock)), forgets_completed: false }
    }

    /// Keep no completed jobs: the settlement that would complete a job deletes it, and its result document with it.
    ///
    /// For many small jobs whose results nobody reads; the server has a third less work with them.
    /// [`find`](Queue::find) then knows nothing of a job that is done, and its unique key is free, as with every job that has ended.
    /// Cancelled and discarded jobs are kept, for as long as a [`Retention`] says.
    ///
    /// It counts where the settlement is written: give it to [`Worker::queue`](crate::worker::Worker::queue).
    ///
    /// ```
    /// let queue = rls_runtime::queue::Queue::new().forget_completed();
    /// ```
    #[must_use]
    pub fn forget_completed(mut self) -> Queue {
        self.forgets_completed = true;
        self
    }

    /// Microseconds since 1970, or nothing when the server's clock counts.
    fn now(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| micros(clock()))
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = if self.clock.is_some() { "caller" } else { "server" };
        f.debug_struct("Queue").field("clock", &clock).field("forgets_completed", &self.forgets_completed).finish()
    }
}

/// The server knows times of some 290,000 years; the ten thousandth is far enough.
fn micros(time: SystemTime) -> i64 {
    const LAST: u128 = 253_402_300_800 * 1_000_000;
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros().min(LAST)).unwrap_or(i64::MAX),
        Err(before) => -duration_micros(before.duration()),
    }
}

fn time(micros: i64) -> SystemTime {
    let since = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since }
}

/// A hundred years are as good as for ever, and can be added to any date.
fn duration_micros(duration: Duration) -> i64 {
    const LONGEST: u128 = 100 * 366 * 24 * 3600 * 1_000_000;
    i64::try_from(duration.as_micros().min(LONGEST)).unwrap_or(i64::MAX)
}
