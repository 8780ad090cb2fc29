//! What a job does: a struct of ids, and a function that says what becomes of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::queue::{NewJob, Settlement};

use super::backoff::Backoff;
use super::context::Context;

/// A kind of job: what it says, and what it does.
///
/// ```
/// use rls_runtime::worker::{Context, Job, JobError, Outcome};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Ingest {
///     file: i64,
/// }
///
/// impl Job for Ingest {
///     type State = ();
///     const LANE: &'static str = "ship_upload";
///     const KIND: &'static str = "ingest";
///
///     async fn run(self, cx: Context<()>) -> Result<Outcome, JobError> {
///         let rows: i64 = cx
///             .with_tenant(async |mut tx| {
///                 sqlx::query_scalar("SELECT count(*) FROM files WHERE id = $1").bind(self.file).fetch_one(&mut *tx).await
///             })
///             .await?;
///         if rows == 0 {
///             return Err(JobError::fail("the file is gone"));
///         }
///         Ok(Outcome::Complete)
///     }
/// }
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// What every job of the worker shares: clients, settings.
    type State: Clone + Send + Sync + 'static;

    /// The lane it waits in.
    const LANE: &'static str;

    /// Its name in the table. It outlives renamed types.
    const KIND: &'static str;

    /// How often it is tried.
    const MAX_ATTEMPTS: u16 = 20;

    /// Do it. It may be cancelled at every await point, and may run more than once.
    fn run(self, cx: Context<Self::State>) -> impl Future<Output = Result<Outcome, JobError>> + Send;
}

impl NewJob {
    /// A job of a type, to be enqueued.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn of<J: Job>(job: &J) -> Result<NewJob, sqlx::Error> {
        Ok(NewJob::new(J::LANE, J::KIND, job)?.max_attempts(J::MAX_ATTEMPTS))
    }
}

/// How an attempt ended well.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Complete,
    /// It is done, and this is its result document.
    CompleteWith(Value),
    /// It is not time yet: come back later. The attempt does not count.
    Snooze(Duration),
    /// It shall not be done any more.
    Cancel(String),
    /// The job has settled itself, in the scope of its work: what [`Context::complete`] returns.
    Settled,
}

/// How an attempt failed, and what happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    next: Next,
    message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Retry,
    RetryIn(Duration),
    Fail,
}

impl JobError {
    /// Try again after the worker's own pause, if there are attempts left.
    pub fn retry(error: impl fmt::Display) -> JobError {
        JobError { next: Next::Retry, message: error.to_string() }
    }

    /// Try again after this pause, if there are attempts left.
    pub fn retry_in(pause: Duration, error: impl fmt::Display) -> JobError {
        JobError { next: Next::RetryIn(pause), message: error.to_string() }
    }

    /// Trying again is no use.
    pub fn fail(error: impl fmt::Display) -> JobError {
        JobError { next: Next::Fail, message: error.to_string() }
    }

    pub(crate) fn settlement(self, attempt: u32, backoff: &Backoff) -> Settlement {
        let retry = |after, error| Settlement::Retry { after, error };
        match self.next {
            Next::Retry => retry(backoff.pause_after(attempt, uuid::Uuid::new_v4().as_u64_pair().0), self.message),
            Next::RetryIn(pause) => retry(pause, self.message),
            Next::Fail => Settlement::Discard { error: self.message },
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JobError {}

/// The database may be back the next time.
impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> JobError {
        JobError::retry(error)
    }
}

/// The scope may open the next time.
impl From<Error> for JobError {
    fn from(error: Error) -> JobError {
        JobError::retry(error)
    }
}
