//! Workers that run the jobs of all tenants, each in its own tenant's scope (feature `queue`).
//!
//! ```no_run
//! use rls_runtime::RlsPool;
//! use rls_runtime::worker::{Context, Job, JobError, Lane, Outcome, Worker};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Ingest {
//!     file: i64,
//! }
//!
//! impl Job for Ingest {
//!     type State = ();
//!     const LANE: &'static str = "ship_upload";
//!     const KIND: &'static str = "ingest";
//!
//!     async fn run(self, cx: Context<()>) -> Result<Outcome, JobError> {
//!         cx.with_tenant(async |mut tx| {
//!             sqlx::query("UPDATE files SET ingested = true WHERE id = $1").bind(self.file).execute(&mut *tx).await?;
//!             cx.complete(&mut tx, None).await // in the scope of the work: exactly once
//!         })
//!         .await
//!     }
//! }
//!
//! # async fn run(pool: RlsPool, shutdown: impl Future<Output = ()>) {
//! Worker::new(pool, ())
//!     .register::<Ingest>()
//!     .lane(Lane::new("ship_upload").slots(8))
//!     .run(shutdown)
//!     .await;
//! # }
//! ```
//!
//! - **Fair.** The tenants of a lane with something due take turns, and share the free slots: one that floods the lane delays another by no more than one round. A turn can [weigh](Lane::weights) more.
//! - **Limits.** [Per tenant](Lane::per_tenant) and for the [whole lane](Lane::at_once), over all workers.
//! - **Many.** Any number of workers share a database, also through PgBouncer in transaction mode: nothing depends on a session.
//! - **Prompt.** A worker without work looks for it twice a second; one that [listens](Worker::listen) is woken when there is some.
//! - **Leases.** A job that runs is kept by heartbeats, which have a thread and a connection of their own, so that no busy handler starves them. When nobody answers for as long as a lease lasts the handler is dropped, because another worker may have the job by then.
//! - **Panics** of a handler are failures of its job.
//! - **Schedules** of all tenants are kept by every worker, whatever lanes it serves: [`Queue::put_schedule`] makes them.
//! - **Stopping.** When `shutdown` resolves nothing more is claimed; what runs is told, may finish for a while, and then goes back into the queue without having lost an attempt.

mod backoff;
mod claimed;
mod context;
mod drain;
mod execute;
mod heartbeat;
mod job;
mod lane;
mod listen;
mod maintain;
mod metrics;
mod pace;
mod quota;
mod registry;
mod running;
mod schedule;
mod serve;
mod settle;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::pool::RlsPool;
use crate::queue::{Queue, Retention};

pub use backoff::Backoff;
pub use context::{Context, Stop};
pub use drain::Drained;
#[cfg(feature = "testing")]
pub use drain::run_job;
pub use job::{Job, JobError, Outcome};
pub use lane::Lane;

use registry::Registry;
use running::Running;

/// Runs jobs until it is told to stop. See the [module](self).
#[must_use = "it does nothing until it runs"]
pub struct Worker<S> {
    shared: Shared<S>,
    lanes: Vec<Lane>,
}

/// What everything that a worker does has at hand.
pub(crate) struct Shared<S> {
    pub(crate) pool: RlsPool,
    pub(crate) queue: Queue,
    pub(crate) state: S,
    pub(crate) registry: Registry<S>,
    /// What its slots go by; a name may be given twice.
    pub(crate) id: uuid::Uuid,
    pub(crate) name: String,
    pub(crate) poll: Duration,
    pub(crate) listens: bool,
    pub(crate) lease: Duration,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) backoff: Backoff,
    pub(crate) cancel_grace: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) heal_every: Duration,
    pub(crate) retention: Retention,
}

impl<S> Shared<S> {
    /// What is asked about leases is worth nothing once one has passed: a server that is gone without a word is not waited for.
    pub(crate) async fn in_time<T, E: From<Error>>(&self, asked: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        within(self.lease, asked).await
    }
}

/// Whoever asked is dropped when it takes longer, and the connection with it.
async fn within<T, E: From<Error>>(patience: Duration, asked: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let timed_out = || Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(timed_out().into()))
}

impl<S: Clone + Send + Sync + 'static> Worker<S> {
    /// A worker without kinds and lanes. Its scopes come from the pool, so give that as many connections as handlers use at once.
    pub fn new(pool: RlsPool, state: S) -> Worker<S> {
        let id = uuid::Uuid::new_v4();
        let shared = Shared {
            id,
            pool,
            queue: Queue::new(),
            state,
            registry: Registry::new(),
            name: format!("worker-{}", id.simple()),
            poll: Duration::from_millis(500),
            listens: false,
            lease: Duration::from_secs(30),
            heartbeat: None,
            backoff: Backoff::default(),
            cancel_grace: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(20),
            heal_every: Duration::from_secs(60),
            retention: Retention::new(),
        };
        Worker { shared, lanes: Vec::new() }
    }

    /// Run this type of job.
    pub fn register<J: Job<State = S>>(mut self) -> Worker<S> {
        self.shared.registry.add::<J>(J::KIND);
        self
    }

    /// Run this type of job also for the rows of an older name.
    pub fn register_formerly<J: Job<State = S>>(mut self, kind: &str) -> Worker<S> {
        self.shared.registry.add::<J>(kind);
        self
    }

    /// Serve this lane, in place of one of the same name.
    pub fn lane(mut self, lane: Lane) -> Worker<S> {
        self.lanes.retain(|other| other.name() != lane.name());
        self.lanes.push(lane);
        self
    }

    /// Go by this queue and its clock.
    pub fn queue(mut self, queue: Queue) -> Worker<S> {
        self.shared.queue = queue;
        self
    }

    /// Sign what is claimed with this name, for whoever looks at the table.
    pub fn name(mut self, name: impl Into<String>) -> Worker<S> {
        self.shared.name = name.into();
        self
    }

    /// Look for work so often when there is none, twice a second unless told.
    pub fn poll(mut self, every: Duration) -> Worker<S> {
        self.shared.poll = every;
        self
    }

    /// Wake up when a doorbell rings, and do not wait for the next look; the schema must [`notify`](crate::queue::Schema::notify).
    ///
    /// It takes a connection of its own.
    /// While that is lost, and always behind a transaction pooler, work is found by looking for it, as without this.
    /// So are jobs whose time comes later, leases that run out and schedules: keep [`poll`](Worker::poll) at what these may wait.
    pub fn listen(mut self) -> Worker<S> {
        self.shared.listens = true;
        self
    }

    /// How long a job stays the worker's own without a heartbeat, 30 seconds unless told and a tenth of one at least.
    pub fn lease(mut self, lease: Duration) -> Worker<S> {
        self.shared.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// How often the leases are extended, three times per lease unless told and twice at least. A job that somebody cancelled learns of it no sooner.
    pub fn heartbeat(mut self, every: Duration) -> Worker<S> {
        self.shared.heartbeat = Some(every);
        self
    }

    /// How long failed jobs wait.
    pub fn backoff(mut self, backoff: Backoff) -> Worker<S> {
        self.shared.backoff = backoff;
        self
    }

    /// How long a job that somebody cancelled may take to stop by itself, 5 seconds unless told.
    pub fn cancel_grace(mut self, grace: Duration) -> Worker<S> {
        self.shared.cancel_grace = grace;
        self
    }

    /// How long jobs may take to finish when the worker stops, 20 seconds unless told. Those that [listen](Context::stopped) hear of it at once.
    pub fn shutdown_grace(mut self, grace: Duration) -> Worker<S> {
        self.shared.shutdown_grace = grace;
        self
    }

    /// How often the doorbells are checked and ended jobs are pruned, once a minute unless told.
    pub fn maintain_every(mut self, every: Duration) -> Worker<S> {
        self.shared.heal_every = every;
        self
    }

    /// Delete jobs some time after they have ended, each tenant's in its own scopes; without it all are kept.
    pub fn retention(mut self, retention: Retention) -> Worker<S> {
        self.shared.retention = retention;
        self
    }

    /// Run jobs until `shutdown` resolves, and then until they have ended or were given back.
    ///
    /// It outlives whatever happens to the database: it says so in the log, and tries again.
    /// When this future is dropped the jobs are dropped too, and their leases run out.
    ///
    /// # Panics
    /// When what the caller gave to the worker itself does, as the weights of a lane: it could not go on without that. A panic of a handler is a failure of its job.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Worker { shared, lanes } = self;
        let shared = Arc::new(shared);
        let running = Running::default();
        let (stop, stopping) = watch::channel(false);
        let (ended, to_settle) = mpsc::unbounded_channel();
        let holds_slots = lanes.iter().any(Lane::is_limited).then_some(shared.id);
        let pulse = heartbeat::Pulse::start(&shared, &running, holds_slots);
        let mut helpers = JoinSet::new();
        helpers.spawn(maintain::maintain(Arc::clone(&shared), stopping.clone()));
        helpers.spawn(schedule::keep(Arc::clone(&shared), stopping.clone()));
        helpers.spawn(settle::settle_all(Arc::clone(&shared), to_settle));
        // It is kept here, so that there is always somebody who could wake the lanes.
        let (wake, woken) = watch::channel(());
        if shared.listens {
            helpers.spawn(listen::listen(Arc::clone(&shared), wake.clone(), stopping.clone()));
        }
        let mut serving = JoinSet::new();
        for lane in lanes {
            let served = serve::Served::new(lane, running.clone(), ended.clone());
            serving.spawn(served.serve(Arc::clone(&shared), stopping.clone(), woken.clone()));
        }
        drop((ended, woken));
        tokio::select! {
            () = shutdown => {}
            () = fall_with(&mut serving) => {}
            () = fall_with(&mut helpers) => {}
        }
        stop.send_replace(true);
        running.stop_all(Stop::ShuttingDown);
        all_end(&mut serving).await;
        // The lanes are gone, so the last settlement ends the helper.
        all_end(&mut helpers).await;
        pulse.end().await;
    }
}

/// A part that panics is not replaced, and nobody would miss it but the jobs that wait: so the worker panics too.
async fn all_end(parts: &mut JoinSet<()>) {
    while let Some(ended) = parts.join_next().await {
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn fall_with(parts: &mut JoinSet<()>) {
    all_end(parts).await;
    std::future::pending().await
}

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.shared.name).field("lanes", &self.lanes).finish_non_exhaustive()
    }
}
