//! An order file in, orders with products and shipments out, and those that are caught.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use uuid::Uuid;

use crate::notifications::catching;
use crate::notifications::events::raise;
use crate::orders::ingest::{self, Lines, Unmatched};
use crate::orders::linking;
use crate::orders::row::{self, COLUMNS, OrderLine};
use crate::ship::auditing::{Book, audit_shipments};
use crate::table::{Fields, FileError, Header, Limits, Parsed, RowError, Severity, Table, Tally, Unique};
use crate::trade::measure::ruleset_hash;
use crate::trade::{detection, law};
use crate::workers::outcome::{Job, LaneError, Outcome, keep_row_errors};
use crate::workers::planning;

/// Rows that go to the database at once.
const BATCH: usize = 2_000;

const UNIQUE: Unique<OrderLine> =
    Unique { column: "line_number", code: "LINE_DUPLICATE", key: |line| (key(line), line.row_number) };

/// Takes a file in.
///
/// # Errors
/// When the file is refused, or the database says no.
pub async fn handle(tx: &mut TenantTx, job: &Job, file: &[u8]) -> Result<Outcome, LaneError> {
    let table = Table::open(file, &Limits::default())?;
    planning::by_key(tx).await?;
    let first = table.rows().next().ok_or_else(|| FileError::new("FILE_EMPTY", "the file has no row"))??;
    let header = Header::find(&first, COLUMNS)?;
    let mut tally = Tally::of(lines(&table, &header, job.today), Some(UNIQUE))?;
    job.progress.stage(0, 50);
    let (mut outcome, orders) = store(tx, job, &table, &header, &mut tally).await?;

    job.progress.stage(50, 60);
    let shipments = linking::shipments_of(tx, &orders, job.today).await?;
    let links = linking::relink(tx, job, &shipments).await?;
    let told: Vec<_> = links.exception(job, shipments.len()).into_iter().collect();
    raise(tx, job, &told).await?;
    job.progress.stage(60, 75);
    let book = Book::load(tx).await?;
    let audited = audit_shipments(tx, job, &links.linked, &book).await?;
    outcome.output("orders", orders.len());
    outcome.output("linksMade", links.linked.len());
    outcome.output("linksAmbiguous", links.ambiguous);
    outcome.output("findingsCreated", audited.created);

    job.progress.stage(75, 99);
    let config = detection::load(tx).await?;
    if config.runs_in("order_upload") {
        let law = law::load(tx, job.today).await?;
        let caught = catching::refresh(tx, job, &orders, &config, &ruleset_hash(&law.measures)).await?;
        outcome.output("caughtOrders", caught.caught);
        outcome.output("leftOut", caught.left_out);
    }
    keep_row_errors(tx, job, &tally.errors).await?;
    Ok(outcome)
}

async fn store(
    tx: &mut TenantTx,
    job: &Job,
    table: &Table,
    header: &Header,
    tally: &mut Tally,
) -> Result<(Outcome, Vec<Uuid>), LaneError> {
    let (mut created, mut updated, mut taken) = (0, 0, 0);
    let mut orders = Vec::new();
    let mut rows = lines(table, header, job.today);
    let mut batch: Vec<OrderLine> = Vec::with_capacity(BATCH);
    loop {
        let next = rows.next().transpose()?;
        let at_end = next.is_none();
        let items = next.into_iter().flat_map(|row| row.items);
        batch.extend(items.filter(|line| tally.is_last(&key(line), line.row_number)));
        if batch.len() >= BATCH || (at_end && !batch.is_empty()) {
            note(tally, ingest::regressions(tx, &batch).await?, "status", "STATUS_REGRESSION");
            let stored = ingest::store(tx, job, &batch).await?;
            ingest::match_products(tx, Lines::Ids(&stored.lines)).await?;
            let (ambiguous, unknown) =
                ingest::unmatched(tx, &batch).await?.into_iter().partition(|row| row.is_ambiguous);
            let numbers = |rows: Vec<Unmatched>| rows.into_iter().map(|row| row.row_number).collect();
            note(tally, numbers(ambiguous), "sku", "SKU_AMBIGUOUS");
            note(tally, numbers(unknown), "sku", "SKU_UNKNOWN");
            created += u64::try_from(stored.created).unwrap_or(0);
            updated += u64::try_from(stored.updated).unwrap_or(0);
            taken += batch.len();
            orders.extend(stored.orders);
            batch.clear();
            job.progress.reached(taken, tally.rows());
        }
        if at_end {
            break;
        }
    }
    let orders = planning::as_they_came(orders);
    let mut outcome = Outcome::of(tally);
    (outcome.rows_imported, outcome.rows_updated) = (created, updated);
    outcome.rows_unchanged = taken as u64 - created - updated;
    Ok((outcome, orders))
}

fn note(tally: &mut Tally, rows: Vec<i64>, column: &str, code: &'static str) {
    for row in rows {
        tally.note(RowError::new(u64::try_from(row).unwrap_or(0), column, code, Severity::Warn, ""));
    }
}

fn key(line: &OrderLine) -> String {
    format!("{}\u{1f}{}", line.order_number, line.line_number)
}

fn lines<'t>(
    table: &'t Table,
    header: &'t Header,
    today: NaiveDate,
) -> impl Iterator<Item = Result<Parsed<OrderLine>, FileError>> + 't {
    table.rows().skip(1).map(move |row| {
        row.map(|row| {
            let mut fields = Fields::new(header, &row);
            let items = row::line(&mut fields, today).into_iter().collect();
            Parsed { items, errors: fields.into_errors() }
        })
    })
}
