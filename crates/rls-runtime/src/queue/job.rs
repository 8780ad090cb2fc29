//! What a job is before it is enqueued, while it waits, and when it has ended.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::tenant::TenantId;

use super::micros;

/// The id of a job. It is unique by itself, and sorts by the time of its making.
///
/// As text it is a UUID, which can be read back, and may stand in the payload of another job.
///
/// ```
/// use rls_runtime::queue::JobId;
///
/// let job: JobId = "01932b3e-7a10-7cc2-9d3f-2f6f0c1b5a77".parse()?;
/// assert_eq!(job.to_string(), "01932b3e-7a10-7cc2-9d3f-2f6f0c1b5a77");
/// assert!("42".parse::<JobId>().is_err());
/// # Ok::<(), rls_runtime::queue::ParseJobIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Uuid);

/// The text is not the id of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a job id: {0}")]
pub struct ParseJobIdError(uuid::Error);

impl JobId {
    /// Name a job by its UUID.
    pub const fn new(id: Uuid) -> JobId {
        JobId(id)
    }

    /// The UUID.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }

    pub(crate) fn fresh() -> JobId {
        JobId(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<JobId, ParseJobIdError> {
        Uuid::try_parse(text).map(JobId).map_err(ParseJobIdError)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JobId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum JobState {
    /// Waits for a worker.
    Available,
    /// Waits for its time.
    Scheduled,
    /// A worker holds it.
    Executing,
    /// Failed, and waits to be tried again.
    Retryable,
    /// Ended well.
    Completed,
    /// Ended because somebody said so.
    Cancelled,
    /// Failed for good; [`Queue::requeue`](crate::queue::Queue::requeue) gives it another life.
    Discarded,
}

impl JobState {
    /// All of them, in the order of a job's life.
    pub const ALL: [JobState; 7] = [
        JobState::Available,
        JobState::Scheduled,
        JobState::Executing,
        JobState::Retryable,
        JobState::Completed,
        JobState::Cancelled,
        JobState::Discarded,
    ];

    /// The word in the table.
    pub const fn word(self) -> &'static str {
        match self {
            JobState::Available => "available",
            JobState::Scheduled => "scheduled",
            JobState::Executing => "executing",
            JobState::Retryable => "retryable",
            JobState::Completed => "completed",
            JobState::Cancelled => "cancelled",
            JobState::Discarded => "discarded",
        }
    }

    /// Whether nothing happens to the job any more by itself.
    pub const fn has_ended(self) -> bool {
        matches!(self, JobState::Completed | JobState::Cancelled | JobState::Discarded)
    }

    pub(crate) fn read(word: &str) -> Result<JobState, sqlx::Error> {
        let state = JobState::ALL.into_iter().find(|state| state.word() == word);
        state.ok_or_else(|| sqlx::Error::decode(format!("`{word}` is no state of a job")))
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A job to enqueue.
///
/// ```
/// use std::time::Duration;
/// use rls_runtime::queue::NewJob;
///
/// let job = NewJob::new("ship_upload", "ingest", &serde_json::json!({ "file": 7 }))?
///     .unique_key("file-7")
///     .priority(5)
///     .run_in(Duration::from_secs(60))
///     .tag("upload");
/// # Ok::<(), sqlx::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is not enqueued yet"]
pub struct NewJob {
    pub(crate) lane: String,
    pub(crate) kind: String,
    pub(crate) payload: Value,
    pub(crate) start: Start,
    pub(crate) priority: i16,
    pub(crate) max_attempts: i32,
    pub(crate) unique: Option<(String, OnConflict)>,
    pub(crate) tags: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    In(Duration),
    At(SystemTime),
}

/// What becomes of a job whose unique key an unfinished one of the tenant has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The older one stays as it is.
    #[default]
    Keep,
    /// The older one takes over what the newer one says, unless it runs already.
    Replace,
}

impl NewJob {
    /// A job of a kind in a lane, to be run as soon as possible.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn new(
        lane: impl Into<String>,
        kind: impl Into<String>,
        payload: &impl Serialize,
    ) -> Result<NewJob, sqlx::Error> {
        let payload = serde_json::to_value(payload).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        Ok(NewJob {
            lane: lane.into(),
            kind: kind.into(),
            payload,
            start: Start::In(Duration::ZERO),
            priority: 0,
            max_attempts: 20,
            unique: None,
            tags: Vec::new(),
        })
    }

    /// Start no earlier.
    pub fn run_at(mut self, time: SystemTime) -> NewJob {
        self.start = Start::At(time);
        self
    }

    /// Start no earlier than so long after now.
    pub fn run_in(mut self, delay: Duration) -> NewJob {
        self.start = Start::In(delay);
        self
    }

    /// Go before others of the lane; each step counts as one minute of waiting, so that nobody waits for ever. At most 1,000 either way.
    pub fn priority(mut self, priority: i16) -> NewJob {
        self.priority = priority.clamp(-1000, 1000);
        self
    }

    /// How often it is tried before it is discarded, 20 unless told.
    pub fn max_attempts(mut self, attempts: u16) -> NewJob {
        self.max_attempts = i32::from(attempts.max(1));
        self
    }

    /// Let no second unfinished job of the tenant have this key; keeps the older one.
    pub fn unique_key(mut self, key: impl Into<String>) -> NewJob {
        self.unique = Some((key.into(), OnConflict::Keep));
        self
    }

    /// Let no second unfinished job of the tenant have this key, and say which of the two wins.
    pub fn unique_key_or(mut self, key: impl Into<String>, on_conflict: OnConflict) -> NewJob {
        self.unique = Some((key.into(), on_conflict));
        self
    }

    /// Mark it with a word, for whoever looks at the table.
    pub fn tag(mut self, tag: impl Into<String>) -> NewJob {
        self.tags.push(tag.into());
        self
    }
}

/// What enqueueing has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// There is a new job.
    New(JobId),
    /// An unfinished job has the unique key, and nothing was changed.
    Kept(JobId),
    /// A waiting job has the unique key, and took over what the new one said.
    Replaced(JobId),
}

impl Enqueued {
    /// The job that there is now.
    pub const fn id(self) -> JobId {
        match self {
            Enqueued::New(id) | Enqueued::Kept(id) | Enqueued::Replaced(id) => id,
        }
    }
}

/// The right to settle one attempt of a job. It ends with the attempt, or when the lease runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    pub(crate) job: JobId,
    pub(crate) token: Uuid,
}

impl Lease {
    /// The job.
    pub const fn job(&self) -> JobId {
        self.job
    }
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClaimedJob {
    /// What it takes to settle it.
    pub lease: Lease,
    /// Whose it is.
    pub tenant: TenantId,
    /// The lane it was in.
    pub lane: String,
    /// What kind it is.
    pub kind: String,
    /// What it says.
    pub payload: Value,
    /// Which attempt this is, counted from 1.
    pub attempt: u32,
    /// How many there are.
    pub max_attempts: u32,
    /// For how long it could have been claimed already.
    pub waited: Duration,
}

/// What becomes of a job after an attempt.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Settlement {
    /// It is done, with or without a result document.
    Complete(Option<Value>),
    /// It failed and is tried again after the pause; discarded when this was the last attempt, cancelled when somebody asked for that.
    Retry {
        /// How long to wait.
        after: Duration,
        /// Why it failed.
        error: String,
    },
    /// It failed, and trying again is no use.
    Discard {
        /// Why it failed.
        error: String,
    },
    /// It shall not be done any more.
    Cancel {
        /// Why.
        reason: String,
    },
    /// It is not time yet. This attempt does not count.
    Snooze(Duration),
    /// The worker stops. This attempt does not count.
    Release,
}

/// Whether a settlement took hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The job is in this state now.
    Done(JobState),
    /// Somebody else holds the job by now, or it has ended. Nothing was changed.
    LeaseLost,
}

/// What a heartbeat has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// The lease is extended.
    Held,
    /// The lease is extended, and somebody wants the job cancelled.
    CancelRequested,
    /// Somebody else's transaction is at the job this moment, and the lease is as long as it was.
    Busy,
    /// Somebody else holds the job by now, or it has ended.
    LeaseLost,
}

/// What there is to know about a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobStatus {
    /// The job.
    pub id: JobId,
    /// The lane it is in.
    pub lane: String,
    /// What kind it is.
    pub kind: String,
    /// Where it is in its life.
    pub state: JobState,
    /// What it says.
    pub payload: Value,
    /// How many attempts were begun.
    pub attempt: u32,
    /// How many there are.
    pub max_attempts: u32,
    /// How far it is, in percent.
    pub progress: u8,
    /// Its result document.
    pub result: Option<Value>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Its words.
    pub tags: Vec<String>,
    /// How far before others of the lane it goes.
    pub priority: i16,
    /// The worker that has it.
    pub worker: Option<String>,
    /// When it was enqueued.
    pub enqueued: SystemTime,
    /// When it may start while it waits, and when its lease ends while it runs.
    pub due: Option<SystemTime>,
    /// When it was claimed last.
    pub claimed: Option<SystemTime>,
    /// When it ended.
    pub finished: Option<SystemTime>,
}

impl JobStatus {
    /// For programs: the fields under their names, states as in the table, and times as RFC 3339 has them.
    pub fn json(&self) -> Value {
        let time = |time: SystemTime| {
            let time = DateTime::from_timestamp_micros(micros(time))?;
            Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
        };
        json!({
            "id": self.id,
            "lane": self.lane,
            "kind": self.kind,
            "state": self.state.word(),
            "payload": self.payload,
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "progress": self.progress,
            "result": self.result,
            "last_error": self.last_error,
            "tags": self.tags,
            "priority": self.priority,
            "worker": self.worker,
            "enqueued": time(self.enqueued),
            "due": self.due.and_then(time),
            "claimed": self.claimed.and_then(time),
            "finished": self.finished.and_then(time),
        })
    }
}
