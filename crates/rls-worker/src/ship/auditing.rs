//! Touched shipments in, their findings in the database out.

use std::collections::{BTreeMap, BTreeSet};

use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::carrier_agreement_import::{self, Agreement};
use super::charge::Charge;
use super::findings::{Basis, Billed, Finding, OrderFacts, audit};
use super::tenant_carrier_overrides::{self, Override, Settings};
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
    /// Findings that are new.
    pub created: usize,
    /// All findings of the shipments by kind, with their amounts.
    pub by_kind: BTreeMap<String, (usize, Decimal)>,
    /// What was billed too much, by currency.
    pub overcharge: BTreeMap<String, Decimal>,
}

/// A charge with the shipment that it belongs to.
#[derive(Debug, sqlx::FromRow)]
struct Line {
    shipment_id: Uuid,
    occurrence: i32,
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
}

/// Audits shipments with all their charges of whatever invoice and file.
///
/// # Errors
/// When the database says no.
pub async fn audit_shipments(tx: &mut TenantTx, job: &Job, shipments: &[Uuid], book: &Book) -> sqlx::Result<Audited> {
    let mut all = Audited::default();
    for (done, chunk) in shipments.chunks(CHUNK).enumerate() {
        job.progress.reached(done * CHUNK, shipments.len());
        let mut findings = Vec::new();
        let orders = orders(tx, chunk).await?;
        for (shipment, charges) in charges(tx, chunk).await? {
            let first = &charges[0].charge;
            let settings = Settings::resolve(&book.overrides, &first.carrier, &first.account, job.today);
            let order = orders.get(&shipment);
            let basis = Basis { agreements: &book.agreements, settings: &settings, order, today: job.today };
            findings.extend(audit(&charges, &basis));
        }
        findings.sort_by(|a, b| a.dedupe_key.cmp(&b.dedupe_key));
        findings.dedup_by(|a, b| a.dedupe_key == b.dedupe_key);
        for finding in &findings {
            let (count, amount) = all.by_kind.entry(finding.kind.clone()).or_default();
            *count += 1;
            *amount += cents(finding.variance);
            *all.overcharge.entry(finding.currency.clone()).or_default() += cents(finding.variance);
        }
        let created = store(tx, job, &findings, &book.hash).await?;
        all.created += created.len();
        let created: BTreeSet<&str> = created.iter().map(String::as_str).collect();
        let news = findings.iter().filter(|finding| created.contains(finding.dedupe_key.as_str()));
        raise(tx, job, &news.filter_map(exception).collect::<Vec<_>>()).await?;
    }
    Ok(all)
}

async fn charges(tx: &mut TenantTx, shipments: &[Uuid]) -> sqlx::Result<BTreeMap<Uuid, Vec<Billed>>> {
    let lines: Vec<Line> = sqlx::query_as(
        "select c.shipment_id, c.occurrence, c.row_number, v.carrier, v.account, v.invoice_number, v.invoice_date,
             s.tracking_norm as tracking, c.service, c.ship_date, c.delivered_on, c.zone, c.actual_weight_lb,
             c.billed_weight_lb, c.length_in, c.width_in, c.height_in, c.dest_postal, c.code, c.description, c.gross,
             c.discount, c.net, c.currency
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
        by_shipment
            .entry(line.shipment_id)
            .or_default()
            .push(Billed { charge: line.charge, occurrence: line.occurrence });
    }
    Ok(by_shipment)
}

/// The order of each shipment that has exactly one.
async fn orders(tx: &mut TenantTx, shipments: &[Uuid]) -> sqlx::Result<BTreeMap<Uuid, OrderFacts>> {
    let orders: Vec<Order> = sqlx::query_as(
        "select wanted.id as shipment_id, min(o.order_number) as order_number, min(o.address_type) as address_type,
             min(o.ship_to_postal) as ship_to_postal
         from unnest($1::uuid[]) as wanted (id),
             lateral (select order_id from order_shipment_links k
                 where k.shipment_id = wanted.id and k.state <> 'REJECTED' offset 0) k,
             lateral (select order_number, address_type, ship_to_postal from orders o where o.id = k.order_id offset 0) o
         group by wanted.id having count(*) = 1",
    )
    .bind(shipments)
    .fetch_all(&mut *tx)
    .await?;
    Ok(orders.into_iter().map(|order| (order.shipment_id, order.facts)).collect())
}

/// Writes findings, and gives the keys of those that are new. An open one is brought up to date; one that somebody works on is left alone.
async fn store(tx: &mut TenantTx, job: &Job, findings: &[Finding], settings: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "with stored as (
             insert into ship_findings as f (dedupe_key, kind, tracking_norm, carrier, account, invoice_number, code,
                 billed, expected, variance, currency, severity, dispute_by, parent_key, evidence, settings_hash, job_id)
             select dedupe_key, kind, tracking, carrier, account, invoice_number, code, billed, expected, variance,
                 currency, severity, dispute_by, parent_key, evidence, $2, $3
             from jsonb_to_recordset($1) as r (dedupe_key text, kind text, tracking text, carrier text, account text,
                 invoice_number text, code text, billed numeric, expected numeric, variance numeric, currency text,
                 severity text, dispute_by date, parent_key text, evidence text)
             on conflict (tenant_id, dedupe_key) do update set (billed, expected, variance, severity, dispute_by,
                 evidence, settings_hash) = (excluded.billed, excluded.expected, excluded.variance, excluded.severity,
                 excluded.dispute_by, excluded.evidence, excluded.settings_hash)
             where f.state = 'OPEN'
             returning f.id, f.dedupe_key, xmax = 0 as created
         ), noted as (
             insert into ship_finding_events (finding_id, to_state, job_id) select id, 'OPEN', $3 from stored where created
         )
         select dedupe_key from stored where created",
    )
    .bind(Json(findings))
    .bind(settings)
    .bind(job.id)
    .fetch_all(&mut *tx)
    .await
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
