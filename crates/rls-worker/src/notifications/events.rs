//! What happened in, one row per event out, however often it is raised.

use rls_runtime::TenantTx;
use rls_runtime::queue::{NewJob, Queue};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::engine::{self, NotificationEvent};
use crate::workers::envelope::created_by;
use crate::workers::outcome::Job;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The same event has the same key.
    pub key: String,
    /// What kind it is: `trade.order.caught`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is known of it.
    pub payload: Value,
}

/// Writes down what is new, and says how much that was; whoever ends the job enqueues what tells of it.
///
/// # Errors
/// When the database says no.
pub async fn raise(tx: &mut TenantTx, job: &Job, events: &[Event]) -> sqlx::Result<u64> {
    Ok(insert(tx, job.id, events).await?.len() as u64)
}

/// Writes down what is new outside of any job, enqueues what tells of it, and says how much that was.
///
/// # Errors
/// When the database says no.
pub async fn tell(tx: &mut TenantTx, queue: &Queue, events: &[Event]) -> sqlx::Result<usize> {
    let new = insert(tx, Uuid::nil(), events).await?;
    let told = events.iter().filter(|event| new.contains(&event.key));
    let told = told.map(|event| (event.key.clone(), event.kind.to_owned(), event.payload.clone()));
    enqueue(tx, queue, told).await?;
    Ok(new.len())
}

/// Enqueues what tells of events that are new; those that only digests tell of are left out.
///
/// # Errors
/// When the database says no.
pub async fn enqueue(
    tx: &mut TenantTx,
    queue: &Queue,
    events: impl Iterator<Item = (String, String, Value)>,
) -> sqlx::Result<()> {
    let told = events.filter(|(_, kind, _)| engine::template_of(kind).is_some());
    let jobs: sqlx::Result<Vec<NewJob>> = told
        .map(|(key, kind, payload)| {
            Ok(created_by(NewJob::of(&NotificationEvent::new(&key, &kind, payload))?, "notifications"))
        })
        .collect();
    queue.enqueue_many(tx, &jobs?).await?;
    Ok(())
}

/// Enqueues what tells of all that this very scope has raised for a job: each of it is new, so nobody tells it twice.
///
/// # Errors
/// When the database says no.
pub async fn tell_raised(tx: &mut TenantTx, queue: &Queue, job: Uuid) -> sqlx::Result<()> {
    let mut after = String::new();
    loop {
        let events = raised(tx, job, &after).await?;
        let Some((last, ..)) = events.last() else { return Ok(()) };
        after.clone_from(last);
        enqueue(tx, queue, events.into_iter()).await?;
    }
}

/// Events that are told at once.
const AT_ONCE: i64 = 1_000;

/// The next events after a key.
async fn raised(tx: &mut TenantTx, job: Uuid, after: &str) -> sqlx::Result<Vec<(String, String, Value)>> {
    sqlx::query_as(
        "select event_key, type, payload from notification_events
         where job_id = $1 and raised_at = now() and event_key > $2 order by event_key limit $3",
    )
    .bind(job)
    .bind(after)
    .bind(AT_ONCE)
    .fetch_all(&mut **tx)
    .await
}

async fn insert(tx: &mut TenantTx, job: Uuid, events: &[Event]) -> sqlx::Result<Vec<String>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "insert into notification_events (event_key, type, payload, job_id)
         select key, type, payload, $1 from jsonb_to_recordset($2) as r (key text, type text, payload jsonb)
         on conflict (tenant_id, event_key) do nothing returning event_key",
    )
    .bind(job)
    .bind(Json(events))
    .fetch_all(&mut **tx)
    .await
}
