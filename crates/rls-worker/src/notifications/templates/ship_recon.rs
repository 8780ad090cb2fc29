//! What carriers billed and what of it was too much: of one job, or of a window.

use std::ops::Range;

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{not_found, subject};
use crate::workers::outcome::LaneError;

/// The findings of a job's shipments, as they are now.
pub(super) async fn of_job(tx: &mut TenantTx, payload: &Map<String, Value>) -> Result<Value, LaneError> {
    let job: Uuid = subject(payload, "job")?.parse().map_err(|_| not_found("the job"))?;
    let known: bool = sqlx::query_scalar("select exists (select from uploads where job_id = $1)")
        .bind(job)
        .fetch_one(&mut **tx)
        .await?;
    if !known {
        return Err(not_found("the job").into());
    }
    Ok(sqlx::query_scalar(OF_JOB).bind(job).fetch_one(&mut **tx).await?)
}

/// The findings of the invoices of these days; nothing when there are none.
pub(super) async fn of_window(tx: &mut TenantTx, days: Range<NaiveDate>) -> sqlx::Result<Option<Value>> {
    let found: Value = sqlx::query_scalar(OF_WINDOW).bind(days.start).bind(days.end).fetch_one(&mut **tx).await?;
    Ok((found["invoices"] != 0).then_some(found))
}

/// What the invoices come to whose charges fulfil a condition.
macro_rules! figures_of {
    ($charges:literal) => {
        concat!(
            "
with charged as (
    select v.id as invoice_id, v.invoice_number, v.carrier, v.account, v.stated_total, c.shipment_id, c.net, c.currency
    from shipment_charges c join carrier_invoices v on v.tenant_id = c.tenant_id and v.id = c.invoice_id
    where ",
            $charges,
            "
), invoices as (
    select distinct invoice_id, invoice_number, carrier, account, stated_total from charged
), found as (
    select f.id, f.kind, f.carrier, f.variance, f.currency from ship_findings f
    where exists (select from invoices b where b.invoice_number = f.invoice_number and b.carrier = f.carrier and b.account = f.account)
), carriers as (
    select carrier, currency, sum(net) as billed, (select coalesce(sum(variance), 0) from found f
        where f.carrier = c.carrier and f.currency = c.currency) as over
    from charged c group by carrier, currency
), credits as (
    select k.currency, sum(k.amount) as amount from ship_finding_credits k
    where not k.voided and k.finding_id in (select id from found) group by k.currency
)
select jsonb_build_object(
    'carriers', (select coalesce(string_agg(distinct carrier, ', ' order by carrier), '') from carriers),
    'by_carrier', (select coalesce(jsonb_agg(jsonb_build_object('carrier', carrier, 'currency', currency,
        'billed', to_char(billed, 'FM999,999,990.00'), 'expected', to_char(billed - over, 'FM999,999,990.00'),
        'over', to_char(over, 'FM999,999,990.00')) order by carrier, currency), '[]') from carriers),
    'invoices', (select count(*) from invoices),
    'overcharge', (select coalesce(string_agg(to_char(q.amount, 'FM999,999,990.00') || ' ' || q.currency, ' and '
        order by q.currency), 'nothing') from (select currency, sum(variance) as amount from found group by currency) q),
    'findings', (select coalesce(jsonb_agg(jsonb_build_object('kind', q.kind, 'count', q.count,
        'amount', to_char(q.amount, 'FM999,999,990.00') || ' ' || q.currency) order by q.kind, q.currency), '[]')
        from (select kind, currency, count(*) as count, sum(variance) as amount from found group by kind, currency) q),
    'credited', (select string_agg(to_char(amount, 'FM999,999,990.00') || ' ' || currency, ' and ' order by currency)
        from credits),
    'mismatched', (select count(*) from invoices v where v.stated_total is not null and v.stated_total <> (
        select sum(c.net) from shipment_charges c where c.invoice_id = v.invoice_id)),
    'unmatched', (select count(*) from shipments s where s.link_state <> 'LINKED'
        and s.id in (select shipment_id from charged)))"
        )
    };
}

const OF_JOB: &str = figures_of!("c.job_id = $1");

const OF_WINDOW: &str = figures_of!("v.invoice_date >= $1 and v.invoice_date < $2");
