//! A tenant's findings and jobs in, an alert for each that cannot wait any longer out.
//!
//! What a lane sees itself it raises itself; this is what only time brings about, and what a job that died could not say.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rls_runtime::queue::Queue;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::events::{self, Event};
use crate::money::cents;

/// Alerts of one look; the rest comes with the next.
const AT_ONCE: i64 = 200;

/// A finding whose window closes within a week.
#[derive(sqlx::FromRow)]
struct Closing {
    dedupe_key: String,
    variance: Decimal,
    dispute_by: NaiveDate,
}

/// A job that failed for good.
#[derive(sqlx::FromRow)]
struct Dead {
    id: Uuid,
    lane: String,
    last_error: Option<String>,
}

/// Raises what is new on the tenant's day, and says how much that was.
///
/// # Errors
/// When the database says no.
pub async fn scan(tx: &mut TenantTx, queue: &Queue, today: NaiveDate) -> sqlx::Result<usize> {
    let closing: Vec<Closing> = sqlx::query_as(
        "select dedupe_key, variance, dispute_by from ship_findings f
         where state = 'OPEN' and dispute_by between $1 and $1 + 7 and not exists (
             select from notification_events e where e.tenant_id = f.tenant_id
                 and e.event_key = 'evt:exc:DISPUTE_DEADLINE:' || f.dedupe_key)
         order by dispute_by, dedupe_key limit $2",
    )
    .bind(today)
    .bind(AT_ONCE)
    .fetch_all(&mut **tx)
    .await?;
    let dead: Vec<Dead> = sqlx::query_as(
        "select id, case when lane = 'wayfair_upload' then 'catalog_upload' else lane end as lane, last_error
         from rls_jobs j
         where tenant_id = $1 and state = 'discarded' and lane not like 'notification%' and not exists (
             select from notification_events e where e.tenant_id = j.tenant_id
                 and e.event_key = case when j.lane in ('ship_upload', 'order_upload')
                     then 'evt:exc:JOB_FAILED:' else 'evt:job.failed:' end || j.id)
         order by id limit $2",
    )
    .bind(tx.tenant())
    .bind(AT_ONCE)
    .fetch_all(&mut **tx)
    .await?;
    let alerts: Vec<Event> = closing.iter().map(deadline).chain(dead.iter().map(failure)).collect();
    events::tell(tx, queue, &alerts).await
}

fn deadline(finding: &Closing) -> Event {
    let (key, amount) = (&finding.dedupe_key, cents(finding.variance));
    let payload = json!({"kind": "DISPUTE_DEADLINE", "finding": key, "amount": amount, "due": finding.dispute_by});
    Event { key: format!("evt:exc:DISPUTE_DEADLINE:{key}"), kind: "ship.exception", payload }
}

/// A file of orders or charges is missed at once; what other lanes miss is in the digest.
fn failure(job: &Dead) -> Event {
    let message = job.last_error.as_deref().unwrap_or_default();
    let code = message.split_once(": ").map_or("JOB_FAILED", |(code, _)| code);
    match job.lane.as_str() {
        "ship_upload" | "order_upload" => Event {
            key: format!("evt:exc:JOB_FAILED:{}", job.id),
            kind: "ship.exception",
            payload: json!({"kind": "JOB_FAILED", "job": job.id, "lane": job.lane, "code": code, "message": message}),
        },
        lane => Event {
            key: format!("evt:job.failed:{}", job.id),
            kind: "job.failed",
            payload: json!({"lane": lane, "code": code, "message": message}),
        },
    }
}
