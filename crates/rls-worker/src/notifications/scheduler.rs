//! The time in, the digests that are due out: each tenant in a scope of its own.

use chrono::{DateTime, Duration, Utc};
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::{RlsPool, TenantTx, with_tenant};

use super::engine::NotificationDigest;

/// A schedule that is due.
#[derive(Debug, sqlx::FromRow)]
struct Due {
    template: String,
    cadence: String,
    next_run_at: DateTime<Utc>,
    last_window_end: DateTime<Utc>,
}

/// Enqueues what is due for all tenants, and says how much that was.
///
/// A tenant that never had a job has no digest either.
///
/// # Errors
/// When the tenants cannot be told, or the first error of a tenant.
pub async fn tick(pool: &RlsPool, queue: &Queue, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let mut enqueued = 0;
    for tenant in queue.tenants(pool).await? {
        enqueued += with_tenant(pool, tenant, async |mut tx| tick_tenant(&mut tx, queue, now).await).await?;
    }
    Ok(enqueued)
}

/// Enqueues what is due for one tenant. A tick that was missed gives one digest over the gap, not many.
///
/// # Errors
/// When the database says no.
pub async fn tick_tenant(tx: &mut TenantTx, queue: &Queue, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let due: Vec<Due> = sqlx::query_as(
        "select template, cadence, next_run_at, last_window_end from notification_schedules
         where next_run_at <= $1 order by template for update skip locked",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    for schedule in &due {
        let period = if schedule.cadence == "WEEKLY" { Duration::days(7) } else { Duration::days(1) };
        let missed = (now - schedule.next_run_at).num_seconds() / period.num_seconds();
        let missed = i32::try_from(missed).unwrap_or(0);
        let to = schedule.next_run_at + period * missed;
        let digest = NotificationDigest { template: schedule.template.clone(), from: schedule.last_window_end, to };
        let key = format!("digest:{}:{}", digest.template, digest.from.format("%Y-%m-%dT%H:%MZ"));
        queue.enqueue(tx, &NewJob::of(&digest)?.unique_key(key)).await?;
        sqlx::query("update notification_schedules set next_run_at = $2, last_window_end = $3 where template = $1")
            .bind(&schedule.template)
            .bind(to + period)
            .bind(to)
            .execute(&mut **tx)
            .await?;
    }
    Ok(due.len())
}
