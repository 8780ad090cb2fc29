//! The time in, the digests that are due and the days that stand out out: each tenant in a scope of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::{RlsPool, TenantTx, with_tenant};
use rust_decimal::Decimal;
use serde_json::json;

use super::calendar::{self, Cadence, Calendar};
use super::engine::NotificationDigest;
use super::spike_detection::{self, Day};
use super::templates::Template;
use super::{events, exception_alert, zone};
use crate::guest;
use crate::trade::detection;
use crate::workers::envelope::created_by;

/// A schedule that is due.
#[derive(Debug, sqlx::FromRow)]
struct Due {
    template: String,
    cadence: String,
    at_hour: i16,
    weekday: i16,
    time_zone: String,
    next_run_at: DateTime<Utc>,
    last_window_end: DateTime<Utc>,
}

impl Due {
    /// When digests are due.
    fn calendar(&self) -> sqlx::Result<Calendar> {
        let unknown = |what: &str, number: i16| sqlx::Error::Decode(format!("no {what} {number}").into());
        let weekly = || calendar::weekday(self.weekday).map(Cadence::Weekly);
        let cadence = if self.cadence == "WEEKLY" { weekly() } else { Some(Cadence::Daily) };
        Ok(Calendar {
            cadence: cadence.ok_or_else(|| unknown("weekday", self.weekday))?,
            hour: u8::try_from(self.at_hour).map_err(|_| unknown("hour", self.at_hour))?,
            zone: zone::read(&self.time_zone)?,
        })
    }
}

/// Enqueues what is due for all tenants, and says how much that was. One tenant's trouble is not the others'.
///
/// A tenant that never had a job has no digest either.
///
/// # Errors
/// When the tenants cannot be told, or the first error of a tenant, after all others had their turn.
pub async fn tick(pool: &RlsPool, queue: &Queue, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let mut enqueued = Ok(0);
    for tenant in queue.tenants(pool).await? {
        let of_tenant = with_tenant(pool, tenant, async |mut tx| tick_tenant(&mut tx, queue, now).await).await;
        enqueued = enqueued.and_then(|all| Ok(all + of_tenant?));
    }
    enqueued
}

/// Enqueues what is due for one tenant, and lets go of guests whose time is over.
///
/// # Errors
/// When the database says no.
pub async fn tick_tenant(tx: &mut TenantTx, queue: &Queue, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let digests = enqueue_digests(tx, queue, now).await?;
    let today = zone::day(now, zone::of_tenant(tx).await?);
    let spikes = detect_spikes(tx, queue, today).await?;
    guest::remove_expired(tx, now).await?;
    Ok(digests + spikes + exception_alert::scan(tx, queue, today).await?)
}

/// Lets a tenant have a digest from now on, by its own clock.
///
/// # Errors
/// When the database says no.
pub async fn schedule(
    tx: &mut TenantTx,
    template: Template,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> sqlx::Result<DateTime<Utc>> {
    let (cadence, weekday) = match calendar.cadence {
        Cadence::Daily => ("DAILY", 1),
        Cadence::Weekly(day) => ("WEEKLY", i16::try_from(day.number_from_monday()).unwrap_or(1)),
    };
    let next = calendar.next_after(now).unwrap_or(now);
    sqlx::query(
        "insert into notification_schedules (template, cadence, at_hour, weekday, time_zone, next_run_at, last_window_end)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (tenant_id, template) do update set (cadence, at_hour, weekday, time_zone, next_run_at)
             = (excluded.cadence, excluded.at_hour, excluded.weekday, excluded.time_zone, excluded.next_run_at)",
    )
    .bind(template.name())
    .bind(cadence)
    .bind(i16::from(calendar.hour))
    .bind(weekday)
    .bind(calendar.zone.name())
    .bind(next)
    .bind(calendar.last_at(now).unwrap_or(now))
    .execute(&mut **tx)
    .await?;
    Ok(next)
}

/// A tick that was missed gives one digest over the gap, not many.
async fn enqueue_digests(tx: &mut TenantTx, queue: &Queue, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let due: Vec<Due> = sqlx::query_as(
        "select template, cadence, at_hour, weekday, time_zone, next_run_at, last_window_end from notification_schedules
         where next_run_at <= $1 order by template for update skip locked",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    for schedule in &due {
        let calendar = schedule.calendar()?;
        // A schedule that was changed meanwhile may have its next time between two of its days.
        let to = calendar.last_at(now).map_or(schedule.next_run_at, |last| last.max(schedule.next_run_at));
        let digest = NotificationDigest { template: schedule.template.clone(), from: schedule.last_window_end, to };
        let key = format!("digest:{}:{}", digest.template, digest.from.format("%Y-%m-%dT%H:%MZ"));
        queue.enqueue(tx, &created_by(NewJob::of(&digest)?, "scheduler").unique_key(key)).await?;
        sqlx::query("update notification_schedules set next_run_at = $2, last_window_end = $3 where template = $1")
            .bind(&schedule.template)
            .bind(calendar.next_after(now).unwrap_or(now + Duration::days(1)))
            .bind(to)
            .execute(&mut **tx)
            .await?;
    }
    Ok(due.len())
}

/// Looks at the tenant's yesterday, and enqueues an event for each measure, and for all of them, that stands out. Each is told once.
async fn detect_spikes(tx: &mut TenantTx, queue: &Queue, today: NaiveDate) -> sqlx::Result<usize> {
    let config = detection::load(tx).await?;
    if !config.enabled {
        return Ok(0);
    }
    let yesterday = today - Duration::days(1);
    let mut told = 0;
    for (scope, series) in series(tx, yesterday, config.spike_baseline_days).await? {
        let Some((last, before)) = series.split_last() else { continue };
        let Some(found) = spike_detection::spike(before, last, &config) else { continue };
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
            events::enqueue(tx, queue, std::iter::once((key, "trade.spike".to_owned(), payload))).await?;
            told += 1;
        }
    }
    Ok(told)
}

/// So many days before a day and the day itself, zero-filled, for each measure that the day has, and for all as `ALL`.
///
/// Orders that were more than a week old when they were caught are left out, so that a bulk import is no spike.
async fn series(tx: &mut TenantTx, last: NaiveDate, before: i32) -> sqlx::Result<BTreeMap<String, Vec<Day>>> {
    let rows: Vec<(String, Decimal, i32)> = sqlx::query_as(
        "with caught as (
             select c.first_caught_on as day, c.exposure_cad, array_append(c.measure_codes, 'ALL') as scopes
             from trade_caught_orders c join orders o on o.tenant_id = c.tenant_id and o.id = c.order_id
             where c.first_caught_on between $1 - $2 and $1 and o.order_date >= c.first_caught_on - 7
         ), scopes as (
             select distinct unnest(scopes) as scope from caught where day = $1
         )
         select s.scope, coalesce(sum(c.exposure_cad), 0) as exposure, count(c.day)::integer as orders
         from scopes s cross join generate_series($1 - $2, $1, interval '1 day') as d (day)
         left join caught c on c.day = d.day::date and s.scope = any (c.scopes)
         group by s.scope, d.day order by s.scope, d.day",
    )
    .bind(last)
    .bind(before)
    .fetch_all(&mut **tx)
    .await?;
    let mut series: BTreeMap<String, Vec<Day>> = BTreeMap::new();
    for (scope, exposure_cad, orders) in rows {
        series.entry(scope).or_default().push(Day { exposure_cad, orders });
    }
    Ok(series)
}
