//! One claimed job in, its settlement out: whatever the handler does.

use std::any::Any;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument;

use crate::queue::{ClaimedJob, Settled, Settlement};

use super::context::{Attempt, Context, Sort, Stop};
use super::job::{JobError, Outcome};
use super::running::Entry;
use super::{Shared, metrics};

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    /// Run a job in a task of its own, so that its panic is no more than its failure. Nothing when there is nothing to settle.
    pub(crate) async fn execute(&self, job: ClaimedJob, entry: &Entry) -> Option<Settlement> {
        let (tenant, lease) = (job.tenant, job.lease);
        let attempt = Attempt { tenant, lease, number: job.attempt, of: job.max_attempts, sort: Sort::Real };
        let cx = Context {
            attempt,
            pool: self.pool.clone(),
            queue: self.queue.clone(),
            state: self.state.clone(),
            stop: entry.subscribe(),
        };
        let span = tracing::info_span!(
            "job", job = %job.lease.job(), tenant = %job.tenant, lane = %job.lane, kind = job.kind, attempt = job.attempt
        );
        let (mut stop, lane, began) = (entry.subscribe(), job.lane, Instant::now());
        metrics::started(&lane);
        let task = Handler(tokio::spawn(self.registry.run(&job.kind, job.payload, cx).instrument(span.clone())));
        let ended = self.wait_for(task, &mut stop, job.attempt).await;
        metrics::ran(&lane, began.elapsed());
        // Its error is the tenant's, and stays with the job.
        span.in_scope(|| match ended {
            Verdict::Settle(Settlement::Retry { .. } | Settlement::Discard { .. }) => {
                tracing::warn!(outcome = name(&ended), "job failed, its last error says why");
            }
            _ => tracing::debug!(outcome = name(&ended), "job ended"),
        });
        match ended {
            Verdict::Settle(settlement) => Some(settlement),
            Verdict::Settled => {
                metrics::settled_itself(&lane);
                None
            }
            Verdict::LeaseLost => {
                metrics::settled(&lane, Settled::LeaseLost);
                None
            }
        }
    }

    /// Until the handler has ended, or has been asked to and had its grace. It may be asked again, for a graver reason.
    async fn wait_for(&self, mut task: Handler, stop: &mut Asked, attempt: u32) -> Verdict {
        loop {
            let reason = *stop.borrow_and_update();
            if reason == Some(Stop::LeaseLost) {
                return Verdict::LeaseLost;
            }
            tokio::select! {
                ended = &mut task.0 => return verdict(ended, attempt, self),
                given_up = self.patience(reason) => return Verdict::Settle(given_up),
                Ok(()) = stop.changed() => {}
            }
        }
    }

    /// What becomes of a job that has had its grace; never, for one that was not asked to stop.
    async fn patience(&self, reason: Option<Stop>) -> Settlement {
        match reason {
            Some(Stop::CancelRequested) => {
                tokio::time::sleep(self.cancel_grace).await;
                Settlement::Cancel { reason: "cancelled while it ran".to_owned() }
            }
            Some(Stop::ShuttingDown) => {
                tokio::time::sleep(self.shutdown_grace).await;
                Settlement::Release
            }
            Some(Stop::LeaseLost) | None => std::future::pending().await,
        }
    }
}

type Asked = watch::Receiver<Option<Stop>>;

/// How an attempt went.
enum Verdict {
    Settle(Settlement),
    /// By the handler, in the scope of its work.
    Settled,
    LeaseLost,
}

type Ended = Result<Outcome, JobError>;

/// Whoever drops it ends the handler.
struct Handler(JoinHandle<Ended>);

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn verdict<S>(ended: Result<Ended, JoinError>, attempt: u32, shared: &Shared<S>) -> Verdict {
    let outcome = ended.unwrap_or_else(|panicked| Err(JobError::retry(panic_message(panicked))));
    Verdict::Settle(match outcome {
        Ok(Outcome::Complete) => Settlement::Complete(None),
        Ok(Outcome::CompleteWith(result)) => Settlement::Complete(Some(result)),
        Ok(Outcome::Snooze(pause)) => Settlement::Snooze(pause),
        Ok(Outcome::Cancel(reason)) => Settlement::Cancel { reason },
        Ok(Outcome::Settled) => return Verdict::Settled,
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

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Settle(Settlement::Complete(_)) => "completed",
        Verdict::Settle(Settlement::Retry { .. }) => "failed",
        Verdict::Settle(Settlement::Discard { .. }) => "failed for good",
        Verdict::Settle(Settlement::Cancel { .. }) => "cancelled",
        Verdict::Settle(Settlement::Snooze(_)) => "snoozed",
        Verdict::Settle(Settlement::Release) => "released",
        Verdict::Settled => "settled",
        Verdict::LeaseLost => "lease lost",
    }
}
