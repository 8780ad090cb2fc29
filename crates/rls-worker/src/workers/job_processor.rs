//! The jobs of the lanes: each loads its file, runs its handler and completes in one scope of its tenant.
//!
//! So a job's rows and its end are written together or not at all, whatever is killed and whenever.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rls_runtime::worker::{self, Context, Job as _, JobError, Lane, Worker};
use rls_runtime::{RlsPool, TenantTx};
use serde_json::json;

use super::handlers::{ship_upload, sima_validation};
use super::outcome::{Job, LaneError, Outcome, keep_row_errors};
use super::upload::{Catalog, Charges, Orders, Upload};
use crate::guest;
use crate::notifications::engine::{self, NotificationDigest, NotificationEvent};
use crate::notifications::events::{self, Event, raise};
use crate::notifications::outbox::{self, Batch};
use crate::notifications::pages::Pages;
use crate::notifications::transport::Transport;
use crate::ship::second_look::SecondLook;

/// What all jobs share.
#[derive(Clone)]
pub struct State {
    /// The clock.
    pub now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// How messages go out.
    pub transport: Transport,
    /// Where people look at what messages tell of; without them there are no links.
    pub pages: Option<Pages>,
}

impl State {
    /// Goes by the system's clock.
    #[must_use]
    pub fn new(transport: Transport) -> State {
        State { now: Arc::new(|| DateTime::<Utc>::from(std::time::SystemTime::now())), transport, pages: None }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// A worker for all lanes. The older name of the catalog's lane is served in the same slots.
pub fn worker(pool: RlsPool, state: State, slots: usize) -> Worker<State> {
    Worker::new(pool, state)
        .register::<Upload<Catalog>>()
        .register_formerly::<Upload<Catalog>>("wayfair_upload")
        .register::<Upload<Orders>>()
        .register::<Upload<Charges>>()
        .register::<sima_validation::Payload>()
        .register::<NotificationEvent>()
        .register::<NotificationDigest>()
        .register::<guest::Farewell>()
        .register::<SecondLook>()
        .lane(Lane::new("catalog_upload").formerly("wayfair_upload").slots(slots))
        .lane(Lane::new("order_upload").slots(slots))
        .lane(Lane::new("ship_upload").slots(slots))
        .lane(Lane::new("sima_validation").slots(slots))
        .lane(Lane::new("notification_event").slots(slots))
        .lane(Lane::new("notification_digest").slots(slots))
        .lane(Lane::new(guest::Farewell::LANE).slots(1))
        .lane(Lane::new(SecondLook::LANE).slots(1))
}

impl worker::Job for sima_validation::Payload {
    type State = State;
    const LANE: &'static str = "sima_validation";
    const KIND: &'static str = "sima_validation";
    const MAX_ATTEMPTS: u16 = 3;

    async fn run(self, cx: Context<State>) -> Result<worker::Outcome, JobError> {
        let job = job(&cx);
        let ended = cx
            .with_tenant(async |mut tx| {
                let job = job.by_the_clock_of(&mut tx).await?;
                let outcome = sima_validation::handle(&mut tx, &job, &self).await?;
                complete(&cx, &mut tx, &job, outcome).await
            })
            .await;
        settle(&cx, &job, Self::LANE, ended).await
    }
}

impl worker::Job for NotificationEvent {
    type State = State;
    const LANE: &'static str = "notification_event";
    const KIND: &'static str = "notification_event";
    const MAX_ATTEMPTS: u16 = 3;

    async fn run(self, cx: Context<State>) -> Result<worker::Outcome, JobError> {
        let job = job(&cx);
        let pages = cx.state().pages.as_ref();
        let planned =
            cx.with_tenant(async |mut tx| engine::plan_event(&mut tx, cx.queue(), &job, pages, &self).await).await;
        send(&cx, &job, Self::LANE, planned).await
    }
}

impl worker::Job for NotificationDigest {
    type State = State;
    const LANE: &'static str = "notification_digest";
    const KIND: &'static str = "notification_digest";
    const MAX_ATTEMPTS: u16 = 3;

    async fn run(self, cx: Context<State>) -> Result<worker::Outcome, JobError> {
        let job = job(&cx);
        let planned = cx.with_tenant(async |mut tx| engine::plan_digest(&mut tx, cx.queue(), &job, &self).await).await;
        send(&cx, &job, Self::LANE, planned).await
    }
}

impl worker::Job for guest::Farewell {
    type State = State;
    const LANE: &'static str = "guest_farewell";
    const KIND: &'static str = "guest_farewell";

    async fn run(self, cx: Context<State>) -> Result<worker::Outcome, JobError> {
        let now = (cx.state().now)();
        let left = cx.with_tenant(async |mut tx| self.say(&mut tx, now).await).await?;
        Ok(left.map_or(worker::Outcome::Complete, worker::Outcome::Snooze))
    }
}

impl worker::Job for SecondLook {
    type State = State;
    const LANE: &'static str = "ship_second_look";
    const KIND: &'static str = "ship_second_look";

    async fn run(self, cx: Context<State>) -> Result<worker::Outcome, JobError> {
        let job = job(&cx);
        let ended = cx
            .with_tenant(async |mut tx| {
                // The tenant may have said since that it is somewhere else.
                let begins = self.begins(&mut tx).await?;
                if begins > job.now {
                    return Ok(worker::Outcome::Snooze((begins - job.now).to_std().unwrap_or_default()));
                }
                let job = job.by_the_clock_of(&mut tx).await?;
                let outcome = ship_upload::look_again(&mut tx, &job, &self).await?;
                complete(&cx, &mut tx, &job, outcome).await
            })
            .await;
        settle(&cx, &job, Self::LANE, ended).await
    }
}

/// Why an attempt ended.
pub(super) enum Ended {
    Lane(LaneError),
    Job(JobError),
}

impl From<LaneError> for Ended {
    fn from(error: LaneError) -> Ended {
        Ended::Lane(error)
    }
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Ended {
        Ended::Lane(error.into())
    }
}

impl From<rls_runtime::Error> for Ended {
    fn from(error: rls_runtime::Error) -> Ended {
        Ended::Lane(error.into())
    }
}

impl From<JobError> for Ended {
    fn from(error: JobError) -> Ended {
        Ended::Job(error)
    }
}

pub(super) fn job(cx: &Context<State>) -> Job {
    Job::at(cx.job().as_uuid(), (cx.state().now)())
}

/// Enqueues what the job's events are told by, and completes it.
pub(super) async fn complete(
    cx: &Context<State>,
    tx: &mut TenantTx,
    job: &Job,
    mut outcome: Outcome,
) -> Result<worker::Outcome, Ended> {
    outcome.duration_ms = u64::try_from(((cx.state().now)() - job.now).num_milliseconds()).unwrap_or(0);
    events::tell_raised(tx, cx.queue(), job.id).await?;
    Ok(cx.complete(tx, serde_json::to_value(outcome).ok()).await?)
}

/// How long to wait before what was sent is written down, in milliseconds: the database may be gone meanwhile.
const RECORDING: [u64; 6] = [0, 100, 400, 1_600, 6_400, 12_800];

/// How long messages wait that could not be delivered, attempt by attempt.
const RESENDING: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];

/// What was sent outside of every scope is written down in one, and the job ends in another:
/// a job that some other worker has by now must not take back that its messages are out.
async fn send(
    cx: &Context<State>,
    job: &Job,
    lane: &str,
    planned: Result<Batch, LaneError>,
) -> Result<worker::Outcome, JobError> {
    let batch = match planned {
        Ok(batch) => batch,
        Err(error) => return settle(cx, job, lane, Err(Ended::Lane(error))).await,
    };
    let attempt = if cx.is_last_attempt() { outbox::Attempt::Last } else { outbox::Attempt::More };
    let sent = outbox::send(&cx.state().transport, batch, attempt).await;
    record(cx, &sent).await?;
    if sent.has_deferred() {
        let pause = RESENDING.get(cx.attempt().saturating_sub(1) as usize).unwrap_or(&RESENDING[1]);
        return Err(JobError::retry_in(*pause, "some messages could not be delivered yet"));
    }
    let ended = cx
        .with_tenant(async |mut tx| {
            let summary = outbox::summary(&mut tx, &sent).await?;
            Ok::<_, Ended>(cx.complete(&mut tx, serde_json::to_value(summary).ok()).await?)
        })
        .await;
    settle(cx, job, lane, ended).await
}

/// Tries for a while: a message whose sending is not written down is sent once more.
async fn record(cx: &Context<State>, sent: &outbox::Sent) -> Result<(), JobError> {
    let mut last = Ok(());
    for pause in RECORDING {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        last = cx.with_tenant(async |mut tx| outbox::record(&mut tx, sent).await).await;
        if last.is_ok() {
            break;
        }
    }
    Ok(last?)
}

/// What is wrong with a file outlives the rollback of its job: it is kept in a scope of its own.
pub(super) async fn settle(
    cx: &Context<State>,
    job: &Job,
    lane: &str,
    ended: Result<worker::Outcome, Ended>,
) -> Result<worker::Outcome, JobError> {
    let refusal = match ended {
        Ok(outcome) => return Ok(outcome),
        Err(Ended::Job(error)) => return Err(error),
        Err(Ended::Lane(LaneError::Refused(refusal))) => refusal,
        Err(Ended::Lane(other)) => return Err(JobError::retry(other)),
    };
    let event = Event {
        key: format!("evt:job.failed:{}", job.id),
        kind: "job.failed",
        payload: json!({"lane": lane, "code": refusal.error.code, "message": refusal.error.message}),
    };
    cx.with_tenant(async |mut tx| {
        keep_row_errors(&mut tx, job, &refusal.row_errors).await?;
        raise(&mut tx, job, &[event]).await
    })
    .await?;
    Err(JobError::fail(refusal.error))
}
