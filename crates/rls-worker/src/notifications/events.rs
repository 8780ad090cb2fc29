//! What happened in, one row per event out, however often it is raised.

use rls_runtime::TenantTx;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

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

/// Writes down what is new, and says how much that was.
///
/// # Errors
/// When the database says no.
pub async fn raise(tx: &mut TenantTx, job: &Job, events: &[Event]) -> sqlx::Result<u64> {
    if events.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(
        "insert into notification_events (event_key, type, payload, job_id)
         select key, type, payload, $1 from jsonb_to_recordset($2) as r (key text, type text, payload jsonb)
         on conflict (tenant_id, event_key) do nothing",
    )
    .bind(job.id)
    .bind(Json(events))
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
