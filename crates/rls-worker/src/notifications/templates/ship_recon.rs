//! What carriers billed and what of it was too much: of one job, or of a window.

use chrono::{DateTime, Utc};
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

/// The findings of the invoices of a window; nothing when there are none.
pub(super) async fn of_window(
    tx: &mut TenantTx,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::Result<Option<Value>> {
    let found: Value = sqlx::query_scalar(OF_WINDOW).bind(from).bind(to).fetch_one(&mut **tx).await?;
    Ok((found["invoices"] != 0).then_some(found))
}

/// What the invoices come to whose charges fulfil a condition.
macro_rules! figures_of {
    ($charges:literal) => {
        concat!(
            "
with billed as (
    select distinct v.invoice_number, v.carrier, v.account, c.shipment_id
    from shipment_charges c join carrier_invoices v on v.tenant_id = c.tenant_id and v.id = c.invoice_id
    where ",
            $charges,
            "
), found as (
    select f.kind, count(*) as count, sum(f.variance) as amount from ship_findings f
    where exists (select from billed b where b.invoice_number = f.invoice_number and b.carrier = f.carrier and b.account = f.account)
    group by f.kind
)
select jsonb_build_object(
    'carriers', (select coalesce(string_agg(distinct carrier, ', '), '') from billed),
    'invoices', (select count(distinct (carrier, account, invoice_number)) from billed),
    'overcharge', (select to_char(coalesce(sum(amount), 0), 'FM999,999,990.00') from found),
    'findings', (select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'count', count,
        'amount', to_char(amount, 'FM999,999,990.00')) order by kind), '[]') from found),
    'unmatched', (select count(*) from shipments s where s.link_state <> 'LINKED'
        and s.id in (select shipment_id from billed)))"
        )
    };
}

const OF_JOB: &str = figures_of!("c.job_id = $1");

const OF_WINDOW: &str = figures_of!("v.invoice_date >= $1::date and v.invoice_date < $2::date");
