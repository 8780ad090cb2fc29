//! What waits for too long: findings and claims that nobody works on, shipments that nobody links, carriers that sent no invoice. Whoever moved a finding or a claim last has it.

use chrono::NaiveDate;
use chrono_tz::Tz;
use rls_runtime::TenantTx;
use serde_json::Value;

/// Nothing when nothing waits.
pub(super) async fn variables(tx: &mut TenantTx, today: NaiveDate, zone: Tz) -> sqlx::Result<Option<Value>> {
    let found: Value = sqlx::query_scalar(
        "with findings as (
             select f.state, f.variance, f.currency, f.dispute_by, $1 - max(e.at at time zone $2)::date as age,
                 nullif((array_agg(e.actor order by e.at desc, e.id))[1], 'worker') as owner
             from ship_findings f join ship_finding_events e on e.tenant_id = f.tenant_id and e.finding_id = f.id
             where f.state in ('OPEN', 'DISPUTED', 'SUBMITTED', 'CARRIER_REVIEW')
             group by f.tenant_id, f.id
         ), claims as (
             select $1 - max(e.at at time zone $2)::date as age,
                 nullif((array_agg(e.actor order by e.at desc, e.id))[1], 'worker') as owner
             from ship_claims c join ship_claim_events e on e.tenant_id = c.tenant_id and e.claim_id = c.id
             where c.state = 'SUBMITTED' group by c.tenant_id, c.id
         ), stale as (
             select case state when 'OPEN' then 'findings that nobody has looked at'
                     when 'DISPUTED' then 'disputed findings that were not submitted'
                     else 'findings that the carrier has not answered' end as what, age, variance, currency, dispute_by, owner
             from findings
             where age > case state when 'OPEN' then 14 when 'DISPUTED' then 7 else 30 end
             union all
             -- Their money is counted by their findings.
             select 'claims that the carrier has not acknowledged', age, 0, null, null, owner from claims where age > 10
             union all
             select 'shipments without an order', $1 - ship_date, 0, null, null, null from shipments
             where link_state <> 'LINKED' and $1 - ship_date > 21
             union all
             select 'no new invoice from ' || carrier, $1 - max(invoice_date), 0, null, null, null
             from carrier_invoices group by carrier having $1 - max(invoice_date) > 14
         )
         select jsonb_build_object(
             'count', count(*), 'oldest', coalesce(max(age), 0),
             'at_risk', (select string_agg(to_char(q.amount, 'FM999,999,990.00') || ' ' || q.currency, ' and ' order by q.currency)
                 from (select currency, sum(variance) as amount from stale where currency is not null group by currency) q),
             'buckets', (select coalesce(jsonb_agg(jsonb_build_object('what', q.what, 'count', q.count, 'oldest', q.oldest,
                     'owners', q.owners)
                     order by q.oldest desc, q.what), '[]')
                 from (select what, count(*) as count, max(age) as oldest,
                     coalesce(jsonb_agg(distinct owner order by owner) filter (where owner is not null), '[]') as owners
                     from stale group by what) q),
             'deadlines', (select coalesce(jsonb_agg(d.dispute_by order by d.dispute_by), '[]')
                 from (select distinct dispute_by from stale where dispute_by >= $1 order by 1 limit 5) d))
         from stale",
    )
    .bind(today)
    .bind(zone.name())
    .fetch_one(&mut **tx)
    .await?;
    Ok((found["count"] != 0).then_some(found))
}
