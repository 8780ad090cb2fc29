//! One claimed job in, its settlement out: whatever the handler does.

use std::any::Any;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use crate::queue::{ClaimedJob, Settlement};

use super::Shared;
use super::context::{Attempt, Context, Stop};
use super::job::{JobError, Outcome};
use super::running::Entry;

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    /// Run a job in a task of its own, so that its panic is no more than its failure. Nothing when there is nothing to settle.
    pub(crate) async fn execute(&self, job: ClaimedJob, entry: &Entry) -> Option<Settlement> {
        let attempt = Attempt { tenant: job.tenant, lease: job.lease, number: job.attempt, of: job.max_attempts };
        let cx = Context {
            attempt,
            pool: self.pool.clone(),
            queue: self.queue.clone(),
            state: self.state.clone(),
            stop: entry.subscribe(),
        };
        let span = tracing::info_span!(
            "job", job = %job.lease.job(), tenant = %job.tenant, lane = job.lane, kind = job.kind, attempt = job.attempt
        );
        let waits_to_stop = cx.clone();
        // Whoever drops the set drops the handler.
        let mut task = JoinSet::new();
        task.spawn(self.registry.run(&job.kind, job.payload, cx).instrument(span.clone()));
        let ended = tokio::select! {
            ended = end(&mut task) => settlement(ended, job.attempt, self),
            reason = waits_to_stop.stopped() => self.stop(task, reason, job.attempt).await,
        };
        span.in_scope(|| tracing::debug!(outcome = ended.as_ref().map_or("lease lost", name), "job ended"));
        ended
    }

    async fn stop(&self, mut task: Handler, reason: Stop, attempt: u32) -> Option<Settlement> {
        let patience = match reason {
            Stop::CancelRequested => self.cancel_grace,
            Stop::LeaseLost | Stop::ShuttingDown => Duration::ZERO,
        };
        let in_time = tokio::time::timeout(patience, end(&mut task)).await;
        match (reason, in_time) {
            (Stop::LeaseLost, _) => None,
            (_, Ok(ended)) => settlement(ended, attempt, self),
            (Stop::CancelRequested, Err(_)) => Some(Settlement::Cancel { reason: "cancelled while it ran".to_owned() }),
            (Stop::ShuttingDown, Err(_)) => Some(Settlement::Release),
        }
    }
}

type Ended = Result<Outcome, JobError>;
type Handler = JoinSet<Ended>;

async fn end(task: &mut Handler) -> Result<Ended, JoinError> {
    match task.join_next().await {
        Some(ended) => ended,
        None => std::future::pending().await,
    }
}

fn settlement<S>(ended: Result<Ended, JoinError>, attempt: u32, shared: &Shared<S>) -> Option<Settlement> {
    let outcome = ended.unwrap_or_else(|panicked| Err(JobError::retry(panic_message(panicked))));
    Some(match outcome {
        Ok(Outcome::Complete) => Settlement::Complete(None),
        Ok(Outcome::CompleteWith(result)) => Settlement::Complete(Some(result)),
        Ok(Outcome::Snooze(pause)) => Settlement::Snooze(pause),
        Ok(Outcome::Cancel(reason)) => Settlement::Cancel { reason },
        Ok(Outcome::Settled) => return None,
        Err(error) => error.settlement(attempt, &shared.backoff),
    })
}

fn panic_message(error: JoinError) -> String {
    let text = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => Some(*text),
        Err(panic) => panic.downcast::<&'static str>().ok().map(|text| (*text).to_owned()),
    };
    match error.try_into_panic() {
        Ok(panic) => text(panic).map_or("panicked".to_owned(), |text| format!("panicked: {text}")),
        Err(_) => "the runtime ended".to_owned(),
    }
}

fn name(settlement: &Settlement) -> &'static str {
    match settlement {
        Settlement::Complete(_) => "completed",
        Settlement::Retry { .. } => "failed",
        Settlement::Discard { .. } => "failed for good",
        Settlement::Cancel { .. } => "cancelled",
        Settlement::Snooze(_) => "snoozed",
        Settlement::Release => "released",
    }
}
