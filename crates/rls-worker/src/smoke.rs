//! A pool and a tenant in, one job of each lane processed out.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rls_runtime::queue::{JobId, JobStatus, NewJob, Queue};
use rls_runtime::worker::Job as _;
use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::guest::Farewell;
use crate::notifications::transport::Transport;
use crate::samples::{AGREEMENT, CATALOG, ORDERS, SHIP, now};
use crate::ship::second_look::SecondLook;
use crate::workers::envelope::created_by;
use crate::workers::job_processor::{State, worker};
use crate::workers::jobs::{HandedIn, LANES, submit};
use crate::workers::outcome::LaneError;

/// How long one job may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is handed in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file.
    File(&'static str),
    /// A payload.
    Payload(Value),
}

/// One job and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its lane.
    pub lane: &'static str,
    /// Where it stands.
    pub status: Option<JobStatus>,
    /// How long that took.
    pub elapsed: Duration,
}

impl Step {
    /// Whether the job is completed.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state() == "completed"
    }

    /// The job's state in a word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.status.as_ref().map_or("missing", |status| status.state.word())
    }

    /// What there is to say of it in few words.
    #[must_use]
    pub fn detail(&self) -> String {
        let Some(status) = &self.status else { return String::new() };
        let figure = |name: &str| status.result.as_ref().and_then(|result| result.get(name)).and_then(Value::as_u64);
        match (&status.last_error, figure("rowsTotal"), figure("deliveries")) {
            (Some(error), ..) if !self.is_completed() => error.clone(),
            (_, Some(rows), _) => format!("{rows} rows"),
            (.., Some(deliveries)) => format!("{deliveries} deliveries, {} sent", figure("sent").unwrap_or(0)),
            _ => String::new(),
        }
    }
}

/// The jobs of the sample files, in the order in which they come: at least one for each lane.
#[must_use]
pub fn inputs() -> Vec<(&'static str, Input)> {
    let screen = json!({"skus": null, "runPolicy": "always", "screeningAuthority": "CA", "asOf": now().date_naive()});
    let event = json!({"key": "smoke", "type": "ship.exception", "kind": "LINK_AMBIGUOUS"});
    let digest = json!({"template": "trade-digest", "from": "2026-02-16T05:00:00Z", "to": "2026-02-17T05:00:00Z"});
    vec![
        ("catalog_upload", Input::File(CATALOG)),
        ("sima_validation", Input::Payload(screen)),
        ("order_upload", Input::File(ORDERS)),
        ("ship_upload", Input::File(AGREEMENT)),
        ("ship_upload", Input::File(SHIP)),
        ("notification_event", Input::Payload(event)),
        ("notification_digest", Input::Payload(digest)),
    ]
}

/// Whether every lane completed a job, and no job did not.
#[must_use]
pub fn passed(steps: &[Step]) -> bool {
    let has_run = |lane: &str| steps.iter().any(|step| step.lane == lane);
    steps.iter().all(Step::is_completed) && LANES.iter().all(|lane| has_run(lane))
}

/// Enqueues jobs one after the other, with a worker beside, and waits for each.
///
/// # Errors
/// When the database says no.
pub async fn process(
    pool: &RlsPool,
    tenant: TenantId,
    inputs: Vec<(&'static str, Input)>,
    mail: &Path,
) -> Result<Vec<Step>, LaneError> {
    let state = State { now: Arc::new(now), ..State::new(Transport::files(mail)) };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(worker(pool.clone(), state, 2).poll(Duration::from_millis(20)).run(async {
        stopped.await.ok();
    }));
    let queue = Queue::new();
    let mut steps = Vec::new();
    for (lane, input) in inputs {
        let began = Instant::now();
        let job = enqueue(pool, &queue, tenant, lane, &input).await?;
        let status = wait(pool, &queue, tenant, job).await?;
        steps.push(Step { lane, status, elapsed: began.elapsed() });
    }
    settle(pool, tenant).await?;
    stop.send(()).ok();
    running.await.ok();
    Ok(steps)
}

/// Hands one job in.
///
/// # Errors
/// When the input is refused, or the database says no.
pub async fn enqueue(
    pool: &RlsPool,
    queue: &Queue,
    tenant: TenantId,
    lane: &str,
    input: &Input,
) -> Result<JobId, LaneError> {
    match input {
        Input::File(text) => {
            let file = HandedIn::new(lane, "sample.csv", text.as_bytes(), "smoke")?;
            with_tenant(pool, tenant, async |mut tx| Ok(submit(&mut tx, queue, &file).await?.job)).await
        }
        Input::Payload(payload) => {
            let job = created_by(NewJob::new(lane, lane, payload)?.max_attempts(3), "smoke");
            with_tenant(pool, tenant, async |mut tx| Ok(queue.enqueue(&mut tx, &job).await?.id())).await
        }
    }
}

/// Until the job has ended, or nobody has any more patience.
async fn wait(pool: &RlsPool, queue: &Queue, tenant: TenantId, job: JobId) -> Result<Option<JobStatus>, LaneError> {
    let began = Instant::now();
    loop {
        let status =
            with_tenant(pool, tenant, async |mut tx| Ok::<_, LaneError>(queue.find(&mut tx, job).await?)).await?;
        let has_ended = status.as_ref().is_none_or(|status| status.state.has_ended());
        if has_ended || began.elapsed() > PATIENCE {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Until all jobs of a tenant have ended, what they have enqueued themselves among them.
///
/// # Errors
/// When the database says no.
pub async fn settle(pool: &RlsPool, tenant: TenantId) -> Result<(), LaneError> {
    let began = Instant::now();
    loop {
        let open = with_tenant(pool, tenant, async |mut tx| open_jobs(&mut tx).await).await?;
        if open == 0 || began.elapsed() > PATIENCE {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn open_jobs(tx: &mut TenantTx) -> Result<i64, LaneError> {
    // A guest's farewell waits until the guest's time is over, and a second look until a label is old.
    let sql = "select count(*) from rls_jobs where tenant_id = $1 and due_at is not null and lane <> all ($2)";
    let later = [Farewell::LANE, SecondLook::LANE];
    Ok(sqlx::query_scalar(sql).bind(tx.tenant()).bind(later).fetch_one(&mut **tx).await?)
}
