//! Kinds in, what runs them out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::context::Context;
use super::job::{Job, JobError, Outcome};

type Running = Pin<Box<dyn Future<Output = Result<Outcome, JobError>> + Send>>;
type Runner<S> = Arc<dyn Fn(Value, Context<S>) -> Running + Send + Sync>;

/// The kinds of job that a worker knows.
pub(crate) struct Registry<S> {
    runners: BTreeMap<String, Runner<S>>,
}

impl<S: Clone + Send + Sync + 'static> Registry<S> {
    pub(crate) fn new() -> Registry<S> {
        Registry { runners: BTreeMap::new() }
    }

    pub(crate) fn add<J: Job<State = S>>(&mut self, kind: &str) {
        // All of it in the future, for what panics there is the job's failure: reading the payload too, and asking for the handler's own future.
        let runner: Runner<S> = Arc::new(|payload, cx| {
            Box::pin(async move {
                match serde_json::from_value::<J>(payload) {
                    Ok(job) => job.run(cx).await,
                    Err(error) => Err(JobError::fail(format!("the payload cannot be read: {error}"))),
                }
            })
        });
        self.runners.insert(kind.to_owned(), runner);
    }

    /// What runs a job; a kind that nobody knows fails, and another worker may know it the next time.
    pub(crate) fn run(&self, kind: &str, payload: Value, cx: Context<S>) -> Running {
        match self.runners.get(kind) {
            Some(runner) => runner(payload, cx),
            None => {
                let unknown = JobError::retry(format!("no job of kind `{kind}` is registered"));
                Box::pin(std::future::ready(Err(unknown)))
            }
        }
    }
}
