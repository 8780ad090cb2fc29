//! Touched shipments in, their findings in the database out.

use std::collections::BTreeMap;

use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::agreement::Agreement;
use super::carrier_agreement_import;
use super::charge::Charge;
use super::findings::{Basis, Billed, Finding, OrderFacts, audit};
use super::reconciling;
use super::tenant_carrier_overrides::{self, Override};
use crate::money::cents;
use crate::notifications::events::{Event, raise};
use crate::workers::outcome::Job;

/// Shipments that are audited at once.
const CHUNK: usize = 2_000;

/// From this amount on somebody hears of a finding at once.
const HIGH_VALUE: Decimal = Decimal::from_parts(500, 0, 0, false, 0);

/// What the audit came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audited {
    /// Findings that are new, or justified again.
    pub created: usize,
    /// Findings that are not justified any more.
    pub superseded: u64,
    /// All findings of the shipments by kind, with their amounts.
    pub by_kind: BTreeMap<String, (usize, Decimal)>,
    /// What was billed too much, by currency.
    pub overcharge: BTreeMap<String, Decimal>,
}

impl Audited {
    /// Adds what another part of the shipments came to.
    pub fn add(&mut self, other: Audited) {
        self.created += other.created;
        self.superseded += other.superseded;
        for (kind, (count, amount)) in other.by_kind {
            let sum = self.by_kind.entry(kind).or_default();
            *sum = (sum.0 + count, sum.1 + amount);
        }
        for (currency, amount) in other.overcharge {
            *self.overcharge.entry(currency).or_default() += amount;
        }
    }

    fn count(&mut self, finding: &Finding) {
        let amount = cents(finding.variance);
        let sum = self.by_kind.entry(finding.kind.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + amount);
        *self.overcharge.entry(finding.currency.clone()).or_default() += amount;
    }
}

/// A charge with the shipment that it belongs to.
#[derive(Debug, sqlx::FromRow)]
struct Line {
    shipment_id: Uuid,
    occurrence: i32,
    fingerprint: String,
    #[sqlx(flatten)]
    charge: Charge,
}

/// The order of a shipment.
#[derive(Debug, sqlx::FromRow)]
struct Order {
    shipment_id: Uuid,
    #[sqlx(flatten)]
    facts: OrderFacts,
}

/// What all shipments of a job are audited by, loaded once.
#[derive(Debug)]
pub struct Book {
    agreements: Vec<Agreement>,
    overrides: Vec<Override>,
    hash: String,
}

impl Book {
    /// Loads the tenant's agreements and settings.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn load(tx: &mut TenantTx) -> sqlx::Result<Book> {
        let overrides = tenant_carrier_overrides::load(tx).await?;
        let hash = tenant_carrier_overrides::hash(&overrides);
        Ok(Book { agreements: carrier_agreement_import::load(tx).await?, overrides, hash })
    }

    /// Whether somebody wants to know which products an order has.
    fn asks_for_skus(&self) -> bool {
        self.overrides.iter().any(|of| of.key == "lps_skus")
    }
}

/// Audits shipments with all their charges of whatever invoice and file.
///
/// # Errors
/// When the database says no.
pub async fn audit_shipments(tx: &mut TenantTx, job: &Job, shipments: &[Uuid], book: &Book) -> sqlx::Result<Audited> {
    let mut all = Audited::default();
    for (done, chunk) in shipments.chunks(CHUNK).enumerate() {
        job.progress.reached(done * CHUNK, shipments.len());
        all.add(audit_some(tx, job, chunk, book).await?);
    }
    Ok(all)
}

/// Audits as many shipments as fit into memory.
///
/// # Errors
/// When the database says no.
pub async fn audit_some(tx: &mut TenantTx, job: &Job, shipments: &[Uuid], book: &Book) -> sqlx::Result<Audited> {
    let orders = orders(tx, shipments, book).await?;
    let (mut found, mut audited) = (Vec::new(), Vec::new());
    for (shipment, charges) in charges(tx, shipments).await? {
        let basis = Basis {
            agreements: &book.agreements,
            overrides: &book.overrides,
            order: orders.get(&shipment),
            today: job.today,
        };
        found.extend(audit(&charges, &basis));
        audited.extend(
            charges.first().and_then(|first| Some((first.charge.carrier.clone(), first.charge.tracking.clone()?))),
        );
    }
    found.sort_by(|a, b| a.dedupe_key.cmp(&b.dedupe_key));
    found.dedup_by(|a, b| a.dedupe_key == b.dedupe_key);
    let written = reconciling::write(tx, job, &audited, found, &book.hash).await?;
    let mut all = Audited { created: written.news.len(), superseded: written.superseded, ..Audited::default() };
    written.findings.iter().for_each(|finding| all.count(finding));
    let news = written.findings.iter().filter(|finding| written.news.contains(&finding.dedupe_key));
    raise(tx, job, &news.filter_map(exception).collect::<Vec<_>>()).await?;
    Ok(all)
}

async fn charges(tx: &mut TenantTx, shipments: &[Uuid]) -> sqlx::Result<BTreeMap<Uuid, Vec<Billed>>> {
    let lines: Vec<Line> = sqlx::query_as(
        "select c.shipment_id, c.occurrence, c.fingerprint, c.row_number, v.carrier, v.account, v.invoice_number,
             v.invoice_date, s.tracking_norm as tracking, c.service, c.ship_date, c.delivered_on, c.delivered_time,
             c.committed_on, c.committed_time, c.ordered_service, c.scanned, c.residential, c.zone, c.agreed_zone,
             c.is_metric, c.actual_weight_lb, c.billed_weight_lb, c.length_in, c.width_in, c.height_in, c.dest_postal,
             c.code, c.carrier_code, c.description, c.gross, c.discount, c.net, c.currency
         from unnest($1::uuid[]) as wanted (id),
             lateral (select id, tracking_norm from shipments s where s.id = wanted.id offset 0) s,
             lateral (select * from shipment_charges c where c.shipment_id = s.id offset 0) c,
             lateral (select carrier, account, invoice_number, invoice_date from carrier_invoices v
                 where v.id = c.invoice_id offset 0) v",
    )
    .bind(shipments)
    .fetch_all(&mut *tx)
    .await?;
    let mut by_shipment: BTreeMap<Uuid, Vec<Billed>> = BTreeMap::new();
    for line in lines {
        let billed = Billed { charge: line.charge, fingerprint: line.fingerprint, occurrence: line.occurrence };
        by_shipment.entry(line.shipment_id).or_default().push(billed);
    }
    Ok(by_shipment)
}

/// The order of each shipment that has exactly one.
async fn orders(tx: &mut TenantTx, shipments: &[Uuid], book: &Book) -> sqlx::Result<BTreeMap<Uuid, OrderFacts>> {
    let orders: Vec<Order> = sqlx::query_as(
        "select k.shipment_id, o.order_number, o.address_type, o.ship_to_postal, o.service,
             case when $2 then array(select distinct l.sku_norm from order_lines l where l.order_id = o.id) else '{}' end as skus
         from (select wanted.id as shipment_id, min(k.order_id::text)::uuid as order_id
             from unnest($1::uuid[]) as wanted (id),
                 lateral (select order_id from order_shipment_links k
                     where k.shipment_id = wanted.id and k.state <> 'REJECTED' offset 0) k
             group by wanted.id having count(*) = 1) k,
             lateral (select id, order_number, address_type, ship_to_postal, service
                 from orders o where o.id = k.order_id offset 0) o",
    )
    .bind(shipments)
    .bind(book.asks_for_skus())
    .fetch_all(&mut *tx)
    .await?;
    Ok(orders.into_iter().map(|order| (order.shipment_id, order.facts)).collect())
}

fn exception(finding: &Finding) -> Option<Event> {
    let kind = match finding.kind.as_str() {
        "UNAUTHORIZED_ACCOUNT" => "AGREEMENT_MISSING",
        _ if finding.variance >= HIGH_VALUE => "HIGH_VALUE_FINDING",
        _ => return None,
    };
    Some(Event {
        key: format!("evt:exc:{kind}:{}", finding.dedupe_key),
        kind: "ship.exception",
        payload: json!({"kind": kind, "finding": finding.dedupe_key, "carrier": finding.carrier, "account": finding.account,
            "invoice": finding.invoice_number, "amount": cents(finding.variance), "due": finding.dispute_by}),
    })
}
