//! A carrier's file in, charges, links and findings out; or an agreement or settings in, and the findings that follow from them out.

use rls_runtime::TenantTx;
use serde_json::json;
use uuid::Uuid;

use crate::notifications::events::{Event, raise};
use crate::orders::linking;
use crate::ship::auditing::{Audited, Book, audit_shipments};
use crate::ship::charge::Charge;
use crate::ship::charge_codes::ChargeCodes;
use crate::ship::ingest::{self, Occurrences};
use crate::ship::layout::Layout;
use crate::ship::second_look::{self, SecondLook};
use crate::ship::{carrier_agreement_import, override_import, reaudit, tenant_carrier_overrides};
use crate::table::{FileError, Header, Limits, Parsed, Refusal, RowError, Severity, Table, Tally};
use crate::workers::outcome::{Job, LaneError, Outcome, keep_row_errors};
use crate::workers::planning;

/// Rows that go to the database at once.
const BATCH: usize = 2_000;

/// Takes a file in.
///
/// # Errors
/// When the file is refused, or the database says no.
pub async fn handle(tx: &mut TenantTx, job: &Job, file: &[u8]) -> Result<Outcome, LaneError> {
    let table = Table::open(file, &Limits::default())?;
    planning::by_key(tx).await?;
    let layout = Layout::of(&table)?;
    match &layout {
        Layout::Agreement(header) => agreement(tx, job, &table, header).await,
        Layout::Overrides(header) => overrides(tx, job, &table, header).await,
        layout => charges(tx, job, &table, layout).await,
    }
}

async fn agreement(tx: &mut TenantTx, job: &Job, table: &Table, header: &Header) -> Result<Outcome, LaneError> {
    let agreements =
        carrier_agreement_import::read(table, header).map_err(|(error, row_errors)| Refusal { error, row_errors })?;
    for agreement in &agreements {
        carrier_agreement_import::store(tx, job, agreement).await?;
    }
    let audited = reaudit::after_agreements(tx, job, &agreements).await?;
    let terms = agreements.iter().map(|agreement| agreement.terms.len()).sum();
    let mut outcome = taken_whole(tx, job, terms, &audited).await?;
    outcome.output("agreements", agreements.len());
    Ok(outcome)
}

async fn overrides(tx: &mut TenantTx, job: &Job, table: &Table, header: &Header) -> Result<Outcome, LaneError> {
    let overrides =
        override_import::read(table, header).map_err(|(error, row_errors)| Refusal { error, row_errors })?;
    override_import::store(tx, &overrides).await?;
    let audited = reaudit::after_overrides(tx, job, &overrides).await?;
    let mut outcome = taken_whole(tx, job, overrides.len(), &audited).await?;
    outcome.output("overrides", overrides.len());
    Ok(outcome)
}

/// Audits the shipments of a day whose labels nobody has scanned.
///
/// # Errors
/// When the database says no.
pub async fn look_again(tx: &mut TenantTx, job: &Job, look: &SecondLook) -> Result<Outcome, LaneError> {
    planning::by_key(tx).await?;
    let mut outcome = Outcome::default();
    show(&mut outcome, &look.take(tx, job).await?);
    Ok(outcome)
}

/// What becomes of a file that is taken with all of its rows.
async fn taken_whole(tx: &mut TenantTx, job: &Job, rows: usize, audited: &Audited) -> sqlx::Result<Outcome> {
    let rows = rows as u64;
    let mut outcome = Outcome { rows_total: rows, rows_imported: rows, ..Outcome::default() };
    show(&mut outcome, audited);
    keep_row_errors(tx, job, &[]).await?;
    Ok(outcome)
}

fn show(outcome: &mut Outcome, audited: &Audited) {
    outcome.output("findingsCreated", audited.created);
    outcome.output("findingsSuperseded", audited.superseded);
    outcome.output("findings", &audited.by_kind);
    outcome.output("overcharge", &audited.overcharge);
}

/// What the batches of a file touched.
#[derive(Default)]
struct Touched {
    invoices: Vec<Uuid>,
    shipments: Vec<Uuid>,
    charges: u64,
    completed: u64,
    known: u64,
}

async fn charges(tx: &mut TenantTx, job: &Job, table: &Table, layout: &Layout) -> Result<Outcome, LaneError> {
    let codes = ChargeCodes::of(&tenant_carrier_overrides::load(tx).await?);
    let mut tally = Tally::of(layout.rows(table, &codes), None)?;
    job.progress.stage(0, 40);
    let touched = store(tx, job, layout.rows(table, &codes), tally.rows()).await?;
    for mismatch in ingest::mismatches(tx, &touched.invoices).await? {
        tally.note(RowError::new(
            0,
            "invoice_total",
            "INVOICE_TOTAL_MISMATCH",
            Severity::Warn,
            &mismatch.invoice_number,
        ));
        let event = Event {
            key: format!("evt:exc:INVOICE_TOTAL_MISMATCH:{}", mismatch.invoice_number),
            kind: "ship.exception",
            payload: json!({"kind": "INVOICE_TOTAL_MISMATCH", "invoice": mismatch.invoice_number,
                "stated": mismatch.stated_total, "total": mismatch.total}),
        };
        raise(tx, job, &[event]).await?;
    }
    job.progress.stage(40, 70);
    let links = linking::relink(tx, job, &touched.shipments).await?;
    job.progress.stage(70, 99);
    let book = Book::load(tx).await?;
    let audited = audit_shipments(tx, job, &touched.shipments, &book).await?;
    raise(tx, job, &events(job, &touched, &links, &audited)).await?;

    let mut outcome = Outcome::of(&tally);
    (outcome.rows_imported, outcome.rows_updated) = (touched.charges, touched.completed);
    outcome.rows_unchanged = touched.known;
    outcome.output("invoices", touched.invoices.len());
    outcome.output("shipments", touched.shipments.len());
    outcome.output("charges", touched.charges);
    outcome.output("linksMade", links.linked.len());
    outcome.output("linksAmbiguous", links.ambiguous);
    show(&mut outcome, &audited);
    outcome.second_looks = second_look::days(tx, job, &touched.shipments).await?;
    keep_row_errors(tx, job, &tally.errors).await?;
    Ok(outcome)
}

async fn store(
    tx: &mut TenantTx,
    job: &Job,
    mut rows: impl Iterator<Item = Result<Parsed<Charge>, FileError>>,
    all: usize,
) -> Result<Touched, LaneError> {
    let mut touched = Touched::default();
    let mut seen = Occurrences::default();
    let mut batch = Vec::with_capacity(BATCH);
    let mut read = 0;
    loop {
        let next = rows.next().transpose()?;
        let at_end = next.is_none();
        read += usize::from(!at_end);
        batch.extend(next.into_iter().flat_map(|row| row.items));
        if batch.len() >= BATCH || (at_end && !batch.is_empty()) {
            let stored = ingest::store(tx, job, &batch, &mut seen).await?;
            let count = |rows: i64| u64::try_from(rows).unwrap_or(0);
            let (charges, completed) = (count(stored.charges), count(stored.completed));
            touched.charges += charges;
            touched.completed += completed;
            touched.known += batch.len() as u64 - charges - completed;
            touched.invoices.extend(stored.invoices);
            touched.shipments.extend(stored.shipments);
            batch.clear();
            job.progress.reached(read, all);
        }
        if at_end {
            break;
        }
    }
    touched.invoices = planning::as_they_came(touched.invoices);
    touched.shipments = planning::as_they_came(touched.shipments);
    Ok(touched)
}

fn events(job: &Job, touched: &Touched, links: &linking::Linked, audited: &Audited) -> Vec<Event> {
    let findings: usize = audited.by_kind.values().map(|(count, _)| count).sum();
    let mut events = vec![Event {
        key: format!("evt:recon:{}", job.id),
        kind: "ship.recon.completed",
        payload: json!({"job": job.id, "invoices": touched.invoices.len(), "findings": findings, "overcharge_cad": audited.overcharge.get("CAD").copied().unwrap_or_default()}),
    }];
    events.extend(links.exception(job, touched.shipments.len()));
    events
}
