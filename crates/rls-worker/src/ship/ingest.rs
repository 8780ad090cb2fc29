//! Charges in, invoices, shipments and charges in the database.

use std::collections::HashMap;

use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::charge::Charge;
use crate::orders::linkage::normalised;
use crate::workers::outcome::Job;

/// What became of a batch.
#[derive(Debug, Default, sqlx::FromRow)]
pub struct Stored {
    /// Charges that are new.
    pub charges: i64,
    /// Charges of earlier files that more is known of now.
    pub completed: i64,
    /// The invoices of all charges.
    pub invoices: Vec<Uuid>,
    /// The shipments of all charges.
    pub shipments: Vec<Uuid>,
}

/// Counts how often the same charge stands in one invoice, over the whole file.
#[derive(Debug, Default)]
pub struct Occurrences(HashMap<String, i32>);

/// A charge as a row.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    charge: &'a Charge,
    fingerprint: String,
    occurrence: i32,
    postal_norm: Option<String>,
    reference_norms: Vec<String>,
}

impl Occurrences {
    fn row<'a>(&mut self, charge: &'a Charge) -> Row<'a> {
        let fingerprint = charge.fingerprint();
        let key =
            format!("{}\u{1f}{}\u{1f}{}\u{1f}{fingerprint}", charge.carrier, charge.account, charge.invoice_number);
        let occurrence = self.0.entry(key).or_default();
        *occurrence += 1;
        let references = charge.references.iter().map(|text| normalised(text));
        Row {
            charge,
            fingerprint,
            occurrence: *occurrence,
            postal_norm: charge.dest_postal.as_deref().map(normalised),
            reference_norms: references.collect(),
        }
    }
}

/// Writes a batch. A charge that an earlier file brought is left as it is, but for what was not known of it then.
///
/// # Errors
/// When the database says no.
pub async fn store(tx: &mut TenantTx, job: &Job, charges: &[Charge], seen: &mut Occurrences) -> sqlx::Result<Stored> {
    let rows: Vec<Row<'_>> = charges.iter().map(|charge| seen.row(charge)).collect();
    sqlx::query_as(STORE).bind(job.id).bind(Json(rows)).fetch_one(&mut *tx).await
}

const STORE: &str = "
with input as (
    select * from jsonb_to_recordset($2) as r (row_number bigint, carrier text, account text, invoice_number text,
        invoice_date date, tracking text, service text, ship_date date, delivered_on date, delivered_time time,
        committed_on date, committed_time time, ordered_service text, scanned boolean, residential boolean, zone text,
        agreed_zone text, is_metric boolean, actual_weight_lb numeric, billed_weight_lb numeric, length_in numeric,
        width_in numeric, height_in numeric, dest_postal text, dest_country text, code text, carrier_code text,
        description text, gross numeric, discount numeric, net numeric, currency text, stated_total numeric,
        fingerprint text, occurrence integer, postal_norm text, reference_norms text[])
), invoices as (
    insert into carrier_invoices as v (carrier, account, invoice_number, invoice_date, currency, stated_total)
    select distinct on (carrier, account, invoice_number) carrier, account, invoice_number, invoice_date, currency, stated_total
    from input order by carrier, account, invoice_number, row_number
    on conflict (tenant_id, carrier, account, invoice_number) do update set
        stated_total = coalesce(v.stated_total, excluded.stated_total)
    returning v.id, v.carrier, v.account, v.invoice_number
), refs as (
    select carrier, tracking, array_agg(distinct reference) as reference_norms
    from input, unnest(reference_norms) as reference group by carrier, tracking
), moved as (
    insert into shipments as s (carrier, tracking_norm, account, service, ship_date, delivered_on, zone,
        actual_weight_lb, dest_postal, postal_norm, dest_country, reference_norms)
    select distinct on (i.carrier, i.tracking) i.carrier, i.tracking, i.account, i.service, i.ship_date, i.delivered_on,
        i.zone, i.actual_weight_lb, i.dest_postal, i.postal_norm, i.dest_country, coalesce(r.reference_norms, '{}')
    from input i left join refs r using (carrier, tracking)
    where i.tracking is not null order by i.carrier, i.tracking, i.row_number
    on conflict (tenant_id, carrier, tracking_norm) do update set (ship_date, delivered_on, dest_postal, postal_norm,
        reference_norms) = (coalesce(s.ship_date, excluded.ship_date), coalesce(s.delivered_on, excluded.delivered_on),
        coalesce(s.dest_postal, excluded.dest_postal), coalesce(s.postal_norm, excluded.postal_norm),
        array(select distinct x from unnest(s.reference_norms || excluded.reference_norms) x order by x))
    returning s.id, s.carrier, s.tracking_norm
), named as (
    insert into shipment_references (reference_norm, shipment_id)
    select reference, s.id from refs r
    join moved s on s.carrier = r.carrier and s.tracking_norm = r.tracking, unnest(r.reference_norms) as reference
    on conflict do nothing
), billed as (
    insert into shipment_charges as c (invoice_id, shipment_id, fingerprint, occurrence, row_number, service, ship_date,
        delivered_on, delivered_time, committed_on, committed_time, ordered_service, scanned, residential, zone,
        agreed_zone, is_metric, actual_weight_lb, billed_weight_lb, length_in, width_in, height_in, dest_postal, code,
        carrier_code, description, gross, discount, net, currency, job_id)
    select v.id, s.id, i.fingerprint, i.occurrence, i.row_number, i.service, i.ship_date, i.delivered_on,
        i.delivered_time, i.committed_on, i.committed_time, i.ordered_service, i.scanned, i.residential, i.zone,
        i.agreed_zone, i.is_metric, i.actual_weight_lb, i.billed_weight_lb, i.length_in, i.width_in, i.height_in,
        i.dest_postal, i.code, i.carrier_code, i.description, i.gross, i.discount, i.net, i.currency, $1
    from input i join invoices v using (carrier, account, invoice_number)
    left join moved s on s.carrier = i.carrier and s.tracking_norm = i.tracking
    on conflict (tenant_id, invoice_id, fingerprint, occurrence) do update set (delivered_on, delivered_time,
        committed_on, committed_time, ordered_service, scanned, residential, agreed_zone) =
        (coalesce(c.delivered_on, excluded.delivered_on), coalesce(c.delivered_time, excluded.delivered_time),
        coalesce(c.committed_on, excluded.committed_on), coalesce(c.committed_time, excluded.committed_time),
        coalesce(c.ordered_service, excluded.ordered_service), coalesce(c.scanned, excluded.scanned),
        coalesce(c.residential, excluded.residential), coalesce(c.agreed_zone, excluded.agreed_zone))
    where (c.delivered_on is null and excluded.delivered_on is not null)
        or (c.delivered_time is null and excluded.delivered_time is not null)
        or (c.committed_on is null and excluded.committed_on is not null)
        or (c.committed_time is null and excluded.committed_time is not null)
        or (c.ordered_service is null and excluded.ordered_service is not null)
        or (c.scanned is null and excluded.scanned is not null)
        or (c.residential is null and excluded.residential is not null)
        or (c.agreed_zone is null and excluded.agreed_zone is not null)
    returning xmax = 0 as created
)
select (select count(*) filter (where created) from billed) as charges,
    (select count(*) filter (where not created) from billed) as completed,
    (select coalesce(array_agg(id), '{}') from invoices) as invoices,
    (select coalesce(array_agg(id), '{}') from moved) as shipments";

/// An invoice whose charges are not what the carrier says they come to.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Mismatch {
    /// The invoice.
    pub invoice_number: String,
    /// What the carrier says.
    pub stated_total: Decimal,
    /// What its charges come to.
    pub total: Decimal,
}

/// Compares invoices with their charges.
///
/// # Errors
/// When the database says no.
pub async fn mismatches(tx: &mut TenantTx, invoices: &[Uuid]) -> sqlx::Result<Vec<Mismatch>> {
    sqlx::query_as(
        "select v.invoice_number, v.stated_total, c.total
         from unnest($1::uuid[]) as wanted (id),
             lateral (select id, invoice_number, stated_total from carrier_invoices v where v.id = wanted.id offset 0) v,
             lateral (select sum(net) as total from shipment_charges c where c.invoice_id = v.id) c
         where c.total <> v.stated_total order by v.invoice_number",
    )
    .bind(invoices)
    .fetch_all(&mut *tx)
    .await
}
