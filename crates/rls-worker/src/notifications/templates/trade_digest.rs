//! What was caught, cleared and missed in a window, and what waits.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, Utc};
use rls_runtime::TenantTx;
use serde_json::Value;

use super::MOST;

/// Of a window, and the days that it has on the tenant's wall; nothing when nothing happened and nothing waits.
pub(super) async fn variables(
    tx: &mut TenantTx,
    window: Range<DateTime<Utc>>,
    days: Range<NaiveDate>,
) -> sqlx::Result<Option<Value>> {
    let found: Value = sqlx::query_scalar(
        "with caught as (
             select * from trade_caught_orders where first_caught_on >= $3 and first_caught_on < $4
         ), moved as (
             select state from trade_caught_orders where coalesce(state_since, first_caught_on) >= $3
                 and coalesce(state_since, first_caught_on) < $4
         ), waiting as (
             select r.as_of from sima_results r where r.superseded_by is null
                 and r.verdict = 'NEEDS_REVIEW' and not exists (select from sima_reviews v where v.tenant_id = r.tenant_id
                     and v.sku_norm = r.sku_norm and v.product_version = r.product_version and v.ruleset_hash = r.ruleset_hash)
         ), events as (
             select type, payload from notification_events where raised_at >= $1 and raised_at < $2
         )
         select jsonb_build_object(
             'date', $4,
             'caught', (select count(*) from caught where state in ('OPEN', 'ACKNOWLEDGED')),
             'held', (select count(*) from moved where state = 'HELD'),
             'cleared', (select count(*) from moved where state = 'CLEARED'),
             'missed', (select count(*) from moved where state = 'MISSED'),
             'exposure', (select to_char(coalesce(sum(exposure_cad), 0), 'FM999,999,990.00') from caught where state = 'OPEN'),
             'confirmed', (select to_char(coalesce(sum(exposure_cad), 0), 'FM999,999,990.00') from caught
                 where state = 'OPEN' and exposure_kind = 'CONFIRMED'),
             'potential', (select to_char(coalesce(sum(exposure_cad), 0), 'FM999,999,990.00') from caught
                 where state = 'OPEN' and exposure_kind = 'POTENTIAL'),
             'by_measure', (select coalesce(jsonb_agg(jsonb_build_object('measure', q.measure,
                     'exposure', to_char(q.exposure, 'FM999,999,990.00')) order by q.measure), '[]')
                 from (select measure, sum(exposure_cad) as exposure from caught, unnest(measure_codes) as measure
                       where state = 'OPEN' group by measure) q),
             'flips', (select coalesce(jsonb_agg(q.payload order by q.payload ->> 'sku'), '[]') from (select payload from events
                 where type = 'trade.verdict.changed' order by payload ->> 'sku' limit $5) q),
             'more_flips', (select greatest(count(*) - $5, 0) from events where type = 'trade.verdict.changed'),
             'failed', (select coalesce(jsonb_agg(q.payload order by q.payload::text), '[]') from (select payload from events
                 where type = 'job.failed' order by payload::text limit $5) q),
             'more_failed', (select greatest(count(*) - $5, 0) from events where type = 'job.failed'),
             'reviews_waiting', (select count(*) from waiting),
             'oldest_review', (select $4 - min(as_of) from waiting),
             'undelivered', (select count(*) from notification_deliveries where status = 'FAILED'
                 and created_at >= $1 and created_at < $2),
             'suppressed', (select count(*) from notification_deliveries where status = 'SUPPRESSED'
                 and created_at >= $1 and created_at < $2),
             'expiring', (select coalesce(jsonb_agg(jsonb_build_object('code', code, 'on', nominal_expiry) order by nominal_expiry, code), '[]')
                 from sima_measures where nominal_expiry >= $4 and nominal_expiry < $4 + 90))",
    )
    .bind(window.start)
    .bind(window.end)
    .bind(days.start)
    .bind(days.end)
    .bind(MOST)
    .fetch_one(&mut **tx)
    .await?;
    let is_some = |name: &str| match &found[name] {
        Value::Array(list) => !list.is_empty(),
        other => other.as_i64().is_some_and(|count| count > 0),
    };
    let tells =
        ["caught", "held", "cleared", "missed", "flips", "failed", "reviews_waiting", "suppressed", "undelivered"]
            .into_iter()
            .any(is_some);
    Ok(tells.then_some(found))
}
