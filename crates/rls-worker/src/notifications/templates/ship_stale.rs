//! What waits for too long: findings that nobody works on, shipments that nobody links.

use chrono::{DateTime, Utc};
use rls_runtime::TenantTx;
use serde_json::Value;

/// Nothing when nothing waits.
pub(super) async fn variables(tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<Option<Value>> {
    let found: Value = sqlx::query_scalar(
        "with moved as (
             select f.id, f.state, f.variance, f.dispute_by, $1::date - max(e.at)::date as age
             from ship_findings f join ship_finding_events e on e.tenant_id = f.tenant_id and e.finding_id = f.id
             group by f.tenant_id, f.id
         ), stale as (
             select 'finding ' || lower(state) as what, age, variance, dispute_by from moved
             where (state = 'OPEN' and age > 14) or (state = 'DISPUTED' and age > 7)
                 or (state in ('SUBMITTED', 'CARRIER_REVIEW') and age > 30)
             union all
             select 'shipment without an order', $1::date - ship_date, 0, null from shipments
             where link_state <> 'LINKED' and $1::date - ship_date > 21
         )
         select jsonb_build_object(
             'count', count(*), 'oldest', coalesce(max(age), 0),
             'at_risk', to_char(coalesce(sum(variance), 0), 'FM999,999,990.00'),
             'buckets', (select coalesce(jsonb_agg(jsonb_build_object('what', q.what, 'count', q.count, 'oldest', q.oldest) order by q.what), '[]')
                 from (select what, count(*) as count, max(age) as oldest from stale group by what) q),
             'deadlines', (select coalesce(jsonb_agg(d.dispute_by order by d.dispute_by), '[]')
                 from (select distinct dispute_by from stale where dispute_by >= $1::date order by 1 limit 5) d))
         from stale",
    )
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok((found["count"] != 0).then_some(found))
}
