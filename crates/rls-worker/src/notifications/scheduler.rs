//! The time in, the digests that are due and the days that stand out out: each tenant in a scope of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::{RlsPool, TenantTx, with_tenant};
use rust_decimal::Decimal;
use serde_json::json;

use super::engine::{NotificationDigest, NotificationEvent};
use super::spike_detection::{self, Day};
use crate::trade::detection;

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
    Ok(due.len() + detect_spikes(tx, queue, now).await?)
}

/// Looks at yesterday, and enqueues an event for each measure, and for all of them, that stands out. Each is told once.
async fn detect_spikes(tx: &mut TenantTx, queue: &Queue, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let config = detection::load(tx).await?;
    if !config.enabled {
        return Ok(0);
    }
    let yesterday = now.date_naive() - Duration::days(1);
    let mut told = 0;
    for (scope, series) in series(tx, yesterday).await? {
        let Some((today, before)) = series.split_last() else { continue };
        let Some(found) = spike_detection::spike(before, today, &config) else { continue };
        let new = sqlx::query(
            "insert into trade_spikes (scope, window_start, value_cad, median_cad, z) values ($1, $2, $3, $4, $5)
             on conflict (tenant_id, scope, window_start) do nothing",
        )
        .bind(&scope)
        .bind(yesterday)
        .bind(found.value_cad)
        .bind(found.median_cad)
        .bind(found.z)
        .execute(&mut **tx)
        .await?;
        if new.rows_affected() == 1 {
            let payload = json!({"scope": scope, "window_start": yesterday, "value_cad": found.value_cad.round_dp(2).to_string(),
                "median_cad": found.median_cad.round_dp(2).to_string(), "z": found.z.map(|z| z.to_string())});
            let key = format!("evt:spike:{scope}:{yesterday}");
            let event = NotificationEvent::new(&key, "trade.spike", payload);
            queue.enqueue(tx, &NewJob::of(&event)?.unique_key(format!("notification_event:{key}"))).await?;
            told += 1;
        }
    }
    Ok(told)
}

/// The 28 days before a day and the day itself, zero-filled, for each measure that the day has, and for all as `ALL`.
///
/// Orders that were more than a week old when they were caught are left out, so that a bulk import is no spike.
async fn series(tx: &mut TenantTx, last: NaiveDate) -> sqlx::Result<BTreeMap<String, Vec<Day>>> {
    let rows: Vec<(String, Decimal, i32)> = sqlx::query_as(
        "with caught as (
             select c.first_caught_on as day, c.exposure_cad, array_append(c.measure_codes, 'ALL') as scopes
             from trade_caught_orders c join orders o on o.tenant_id = c.tenant_id and o.id = c.order_id
             where c.first_caught_on between $1 - 28 and $1 and o.order_date >= c.first_caught_on - 7
         ), scopes as (
             select distinct unnest(scopes) as scope from caught where day = $1
         )
         select s.scope, coalesce(sum(c.exposure_cad), 0) as exposure, count(c.day)::integer as orders
         from scopes s cross join generate_series($1 - 28, $1, interval '1 day') as d (day)
         left join caught c on c.day = d.day::date and s.scope = any (c.scopes)
         group by s.scope, d.day order by s.scope, d.day",
    )
    .bind(last)
    .fetch_all(&mut **tx)
    .await?;
    let mut series: BTreeMap<String, Vec<Day>> = BTreeMap::new();
    for (scope, exposure_cad, orders) in rows {
        series.entry(scope).or_default().push(Day { exposure_cad, orders });
    }
    Ok(series)
}
