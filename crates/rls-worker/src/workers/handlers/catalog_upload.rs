//! A catalog file in, products and their versions out. The rows of `wayfair_upload` are of this lane too.

use rls_runtime::TenantTx;

use crate::catalog::ingest;
use crate::catalog::row::{self, COLUMNS, LEGACY_SKU, ProductRow};
use crate::orders::ingest::{Lines, match_products};
use crate::table::{Fields, FileError, Header, Limits, Parsed, Table, Tally, Unique};
use crate::workers::outcome::{Job, LaneError, Outcome, keep_row_errors};
use crate::workers::planning;

/// Rows that go to the database at once.
const BATCH: usize = 2_000;

const UNIQUE: Unique<ProductRow> =
    Unique { column: "sku", code: "SKU_DUPLICATE_IN_FILE", key: |row| (row.sku_norm.clone(), row.row_number) };

/// Takes a file in.
///
/// # Errors
/// When the file is refused, or the database says no.
pub async fn handle(tx: &mut TenantTx, job: &Job, file: &[u8]) -> Result<Outcome, LaneError> {
    let table = Table::open(file, &Limits::default())?;
    planning::by_key(tx).await?;
    let header = header(&table)?;
    let tally = Tally::of(products(&table, &header), Some(UNIQUE))?;
    let mut outcome = Outcome::of(&tally);
    let mut batch = Vec::with_capacity(BATCH);
    let mut rows = products(&table, &header);
    let (mut rematched, mut taken) = (0, 0);
    loop {
        let next = rows.next().transpose()?;
        let at_end = next.is_none();
        let items = next.into_iter().flat_map(|row| row.items);
        batch.extend(items.filter(|item| tally.is_last(&item.sku_norm, item.row_number)));
        if batch.len() >= BATCH || (at_end && !batch.is_empty()) {
            let stored = ingest::store(tx, job, &batch).await?;
            let (created, updated) =
                (u64::try_from(stored.created).unwrap_or(0), u64::try_from(stored.updated).unwrap_or(0));
            outcome.rows_imported += created;
            outcome.rows_updated += updated;
            taken += batch.len();
            outcome.rows_unchanged += batch.len() as u64 - created - updated;
            rematched += match_products(tx, Lines::Skus(&stored.changed)).await?;
            batch.clear();
            job.progress.reached(taken, tally.rows());
        }
        if at_end {
            break;
        }
    }
    outcome.output("encodingGuessed", table.encoding_guessed);
    outcome.output("orderLinesMatched", rematched);
    keep_row_errors(tx, job, &tally.errors).await?;
    Ok(outcome)
}

/// How the file was read: the titles of the older lane are read like any other.
pub(crate) fn adapter(table: &Table) -> Result<&'static str, FileError> {
    Ok(match (header(table)?.has_title("sku", LEGACY_SKU), table.is_spreadsheet()) {
        (true, _) => "wayfair",
        (false, true) => "catalog-excel",
        (false, false) => "catalog-csv",
    })
}

/// The titles of the file.
pub(crate) fn header(table: &Table) -> Result<Header, FileError> {
    let first = table.rows().next().ok_or_else(|| FileError::new("FILE_EMPTY", "the file has no row"))??;
    Header::find(&first, COLUMNS)
}

/// The products of the file, row by row.
pub(crate) fn products<'t>(
    table: &'t Table,
    header: &'t Header,
) -> impl Iterator<Item = Result<Parsed<ProductRow>, FileError>> + 't {
    table.rows().skip(1).map(|row| {
        row.map(|row| {
            let mut fields = Fields::new(header, &row);
            let items = row::product(&mut fields).into_iter().collect();
            Parsed { items, errors: fields.into_errors() }
        })
    })
}
