//! Open connections, lent one scope at a time.
//!
//! A pool of our own, because of what becomes of a connection that is dropped: those of sqlx and deadpool take it back, and this one closes it.
//! Only [`Borrowed::give_back`] keeps it, at once and without asking the server: sqlx's pool sends a ping, and the answer to a settled scope has just said more than a ping can.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// The pause before a server that is starting up is tried again, at first and at most.
const STARTING_UP: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How many connections there may be, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) most: u32,
    pub(crate) least: u32,
    pub(crate) patience: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) age: Option<Duration>,
}

/// The open connections of a pool.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    /// What a new connection is told.
    greeting: Option<String>,
    limits: Limits,
    /// One for each connection that may be in use; closed with the pool.
    permits: Arc<Semaphore>,
    /// The one used last is on top, and is used next: those below grow old and are closed.
    idle: Mutex<Vec<Idle>>,
    seats: Arc<Seats>,
}

/// How many connections there are; `gone` tells when there is one less.
#[derive(Debug, Default)]
struct Seats {
    taken: AtomicU32,
    gone: Notify,
}

/// Counts one connection, from before it is opened until after it is closed.
#[derive(Debug)]
struct Seat(Arc<Seats>);

#[derive(Debug)]
struct Live {
    connection: PgConnection,
    opened: Instant,
    seat: Seat,
}

#[derive(Debug)]
struct Idle {
    live: Live,
    since: Instant,
}

/// A connection in use. It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Borrowed {
    live: Option<Live>,
    permit: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
}

impl Default for Limits {
    fn default() -> Limits {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Limits {
            most: 10,
            least: 0,
            patience: Duration::from_secs(30),
            idle: Some(minutes(10)),
            age: Some(minutes(30)),
        }
    }
}

impl Connections {
    /// None is opened before it is asked for, unless a least number was.
    pub(crate) fn new(options: PgConnectOptions, greeting: Option<String>, limits: Limits) -> Connections {
        let permits = Arc::new(Semaphore::new(limits.most as usize));
        let (idle, seats) = (Mutex::default(), Arc::default());
        let shared = Arc::new(Shared { options, greeting, limits, permits, idle, seats });
        if let Some(period) = shared.limits.upkeep_period() {
            tokio::spawn(upkeep(Arc::downgrade(&shared), period));
        }
        Connections(shared)
    }

    /// The same server, with connections of its own.
    #[cfg(feature = "queue")]
    pub(crate) fn sibling(&self, most: u32) -> Connections {
        let limits = Limits { most, least: 0, ..self.limits().clone() };
        Connections::new(self.0.options.clone(), self.0.greeting.clone(), limits)
    }

    #[cfg(feature = "queue")]
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.0.options
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn size(&self) -> u32 {
        self.0.seats.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn idle(&self) -> usize {
        self.0.idle().len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.permits.is_closed()
    }

    /// An idle connection or a new one, once there is room for it.
    pub(crate) async fn borrow(&self) -> Result<Borrowed, sqlx::Error> {
        let borrowed = timeout(self.0.limits.patience, Borrowed::from(&self.0)).await;
        borrowed.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Lend no more, and wait until the last one is closed.
    pub(crate) async fn close(&self) {
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.0.idle());
        for idle in idle {
            idle.live.close().await;
        }
        loop {
            let gone = self.0.seats.gone.notified();
            if self.size() == 0 {
                return;
            }
            gone.await;
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle().pop()
    }

    async fn open(&self) -> Result<Live, sqlx::Error> {
        let seat = Seat::new(&self.seats);
        let (mut pause, longest) = STARTING_UP;
        let mut connection = loop {
            match self.options.connect().await {
                Err(error) if is_starting_up(&error) => {
                    tokio::time::sleep(pause).await;
                    pause = longest.min(pause * 2);
                }
                connected => break connected?,
            }
        };
        self.greet(&mut connection).await?;
        Ok(Live { connection, opened: Instant::now(), seat })
    }

    async fn greet(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let Some(greeting) = &self.greeting else { return Ok(()) };
        match sqlx::raw_sql(AssertSqlSafe(greeting.as_str())).execute(connection).await {
            // What is refused here is either not needed, or missed by the first scope and then explained.
            Err(sqlx::Error::Database(_)) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Close what is too old, and open what is missing.
    async fn keep_up(&self) -> Result<(), sqlx::Error> {
        let is_too_old = |idle: &mut Idle| self.limits.is_over(idle);
        let too_old: Vec<Idle> = self.idle().extract_if(.., is_too_old).collect();
        for idle in too_old {
            idle.live.close().await;
        }
        while self.seats.taken.load(Ordering::SeqCst) < self.limits.least && !self.permits.is_closed() {
            if let Some(refused) = self.keep(self.open().await?) {
                refused.close().await;
            }
        }
        Ok(())
    }

    /// Put it on top, unless the pool was closed meanwhile.
    fn keep(&self, live: Live) -> Option<Live> {
        let mut idle = self.idle();
        // Looked at under the lock: who closes the pool empties the list after that.
        if self.permits.is_closed() {
            return Some(live);
        }
        idle.push(Idle { live, since: Instant::now() });
        None
    }
}

impl Limits {
    fn is_over(&self, idle: &Idle) -> bool {
        let is_over = |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since.elapsed() > limit);
        is_over(self.idle, idle.since) || is_over(self.age, idle.live.opened)
    }

    /// How often to look after the idle ones; never, where nothing is asked for.
    fn upkeep_period(&self) -> Option<Duration> {
        let shortest = self.idle.into_iter().chain(self.age).min();
        let period = shortest.or((self.least > 0).then_some(Duration::from_secs(60)))?;
        Some(period.max(Duration::from_millis(10)))
    }
}

/// Ends with the pool.
async fn upkeep(shared: Weak<Shared>, period: Duration) {
    while let Some(shared) = shared.upgrade().filter(|shared| !shared.permits.is_closed()) {
        if let Err(error) = shared.keep_up().await {
            tracing::debug!(%error, "no connection to keep");
        }
        drop(shared);
        tokio::time::sleep(period).await;
    }
}

impl Borrowed {
    async fn from(shared: &Arc<Shared>) -> Result<Borrowed, sqlx::Error> {
        let permit = Arc::clone(&shared.permits).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let live = loop {
            match shared.take_idle() {
                Some(idle) if shared.limits.is_over(&idle) => idle.live.close().await,
                Some(idle) => break idle.live,
                None => break shared.open().await?,
            }
        };
        Ok(Borrowed { live: Some(live), permit: Some(permit), shared: Arc::clone(shared) })
    }

    /// Keep the connection for the next who asks. Nothing may be left on it or under way.
    pub(crate) fn give_back(mut self) {
        self.live = self.live.take().and_then(|live| self.shared.keep(live));
    }
}

impl Deref for Borrowed {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.live.as_ref().expect("is taken only by what ends the loan").connection
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.live.as_mut().expect("is taken only by what ends the loan").connection
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let (Some(live), permit) = (self.live.take(), self.permit.take()) else {
            return;
        };
        // Without a runtime to say goodbye with, closing the socket is enough for the server.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                live.close().await;
                drop(permit);
            });
        }
    }
}

impl Live {
    /// Say goodbye, so that the server ends the session at once.
    async fn close(self) {
        let Live { connection, seat, .. } = self;
        timeout(FAREWELL, connection.close()).await.ok();
        drop(seat);
    }
}

impl Seat {
    fn new(seats: &Arc<Seats>) -> Seat {
        seats.taken.fetch_add(1, Ordering::SeqCst);
        Seat(Arc::clone(seats))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        self.0.gone.notify_waiters();
    }
}

/// Nobody listens yet, or who listens says that it will be able to answer soon.
fn is_starting_up(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| matches!(&*code, "57P03" | "53300")),
        _ => false,
    }
}
