//! An agreement file in, versions of agreements out: all of it, or nothing.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use sqlx::types::Json;

use super::agreement::{Agreement, Kind, Term};
use crate::table::{Column, Fields, FileError, Header, RowError, Severity, Table};
use crate::workers::outcome::Job;

/// The columns, one row per term.
pub const COLUMNS: &[Column] = &[
    Column::required("record_type"),
    Column::required("carrier"),
    Column::required("account"),
    Column::optional("service"),
    Column::optional("zone"),
    Column::optional("code"),
    Column::optional("weight_to"),
    Column::optional("amount"),
    Column::optional("pct"),
    Column::optional("minimum"),
    Column::optional("dim_divisor"),
    Column::required("effective_from"),
    Column::required("effective_to"),
    Column::required("currency"),
];

/// Reads and checks a whole file.
///
/// # Errors
/// The file's own error, or `AGREEMENT_REJECTED` with everything that is wrong with its rows.
pub fn read(table: &Table, header: &Header) -> Result<Vec<Agreement>, (FileError, Vec<RowError>)> {
    let mut rows: BTreeMap<Key, Vec<Numbered>> = BTreeMap::new();
    let mut errors = Vec::new();
    for row in table.rows().skip(1) {
        let row = row.map_err(|error| (error, Vec::new()))?;
        let mut fields = Fields::new(header, &row);
        if let Some((key, currency, term)) = term(&mut fields) {
            rows.entry(key).or_default().push((row.number, currency, term));
        }
        errors.extend(fields.into_errors());
    }
    let mut agreements = Vec::new();
    for ((carrier, account), rows) in rows {
        errors.extend(contradictions(&rows));
        let head = rows.iter().find(|(_, _, term)| term.kind == Kind::Header);
        let Some((_, currency, head)) = head else {
            let first = rows.first().map_or(0, |(number, _, _)| *number);
            errors.push(RowError::new(first, "record_type", "AGREEMENT_HEADER_MISSING", Severity::Error, ""));
            continue;
        };
        let (currency, from, to) = (currency.clone(), head.from, head.to);
        let terms = rows.into_iter().map(|(_, _, term)| term).collect();
        agreements.push(Agreement { carrier, account, currency, from, to, terms });
    }
    if errors.is_empty() && agreements.is_empty() {
        return Err((FileError::new("FILE_EMPTY", "the file has no agreement"), errors));
    }
    match errors.len() {
        0 => Ok(agreements),
        count => Err((FileError::new("AGREEMENT_REJECTED", format!("{count} mistakes")), errors)),
    }
}

/// Carrier and account.
type Key = (String, String);

/// A term with its row and its currency.
type Numbered = (u64, String, Term);

fn term(fields: &mut Fields<'_>) -> Option<(Key, String, Term)> {
    let kind = kind(fields);
    let carrier = fields.required("carrier", "CARRIER_MISSING").map(str::to_uppercase);
    let account = fields.required("account", "ACCOUNT_MISSING").map(str::to_owned);
    let (from, to) = (fields.required_day("effective_from"), fields.required_day("effective_to"));
    fields.required("currency", "CURRENCY_INVALID");
    let currency = fields.currency("currency");
    let mut figure = |column| {
        let figure = fields.figure(column, "AMOUNT_INVALID")?;
        if figure.is_sign_negative() {
            fields.note(column, "AMOUNT_INVALID", Severity::Error);
        }
        Some(figure)
    };
    let (weight_to, amount, pct) = (figure("weight_to"), figure("amount"), figure("pct"));
    let (minimum, dim_divisor) = (figure("minimum"), figure("dim_divisor"));
    if from > to {
        fields.note("effective_to", "DATE_INVALID", Severity::Error);
    }
    let is_share = matches!(kind, Some(Kind::Discount | Kind::Accessorial));
    if is_share && pct.is_some_and(|pct| pct > Decimal::ONE_HUNDRED) {
        fields.note("pct", "AGREEMENT_DISCOUNT_RANGE", Severity::Error);
    }
    if dim_divisor.is_some_and(|divisor| divisor.is_zero()) {
        fields.note("dim_divisor", "AMOUNT_INVALID", Severity::Error);
    }
    for column in kind.map_or(&[][..], needed) {
        fields.required(column, "AGREEMENT_TERM_INCOMPLETE");
    }
    let text = |column| fields.text(column).map(str::to_uppercase);
    let (service, zone, code) = (text("service"), text("zone"), text("code"));
    let (kind, from, to) = (kind?, from?, to?);
    let term = Term { kind, service, zone, code, weight_to, amount, pct, minimum, dim_divisor, from, to };
    Some(((carrier?, account?), currency?, term))
}

fn kind(fields: &mut Fields<'_>) -> Option<Kind> {
    let text = fields.required("record_type", "RECORD_TYPE_INVALID")?.to_uppercase();
    let kind = match text.as_str() {
        "HEADER" => Some(Kind::Header),
        "RATE" => Some(Kind::Rate),
        "DISCOUNT" => Some(Kind::Discount),
        "ACCESSORIAL" => Some(Kind::Accessorial),
        "FUEL" => Some(Kind::Fuel),
        "GUARANTEE" => Some(Kind::Guarantee),
        "ZONE" => Some(Kind::Zone),
        _ => None,
    };
    if kind.is_none() {
        fields.note("record_type", "RECORD_TYPE_INVALID", Severity::Error);
    }
    kind
}

/// The columns that a term says nothing without.
fn needed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Header | Kind::Guarantee => &[],
        Kind::Rate => &["amount"],
        Kind::Discount | Kind::Fuel => &["pct"],
        Kind::Accessorial => &["code", "amount"],
        Kind::Zone => &["code", "zone"],
    }
}

/// Terms for the same thing at the same time, prices that fall with the weight, two currencies.
fn contradictions(rows: &[Numbered]) -> Vec<RowError> {
    let mut errors = Vec::new();
    let mut sorted: Vec<&Numbered> = rows.iter().collect();
    let subject = |term: &Term| {
        // That a code has two zones is a contradiction.
        let zone = term.zone.clone().filter(|_| term.kind != Kind::Zone);
        (term.kind, term.service.clone(), zone, term.code.clone())
    };
    sorted.sort_by_cached_key(|(number, _, term)| (subject(term), term.weight_to, term.from, *number));
    for pair in sorted.windows(2) {
        let [(_, _, before), (number, _, after)] = [pair[0], pair[1]];
        let same = subject(before) == subject(after);
        let meets = before.from <= after.to && after.from <= before.to;
        if same && before.weight_to == after.weight_to && meets {
            errors.push(RowError::new(*number, "effective_from", "AGREEMENT_OVERLAP", Severity::Error, ""));
        }
        let falls = before.weight_to < after.weight_to && before.amount > after.amount;
        if same && after.kind == Kind::Rate && meets && falls {
            errors.push(RowError::new(*number, "amount", "AGREEMENT_RATE_DECREASES", Severity::Error, ""));
        }
    }
    let currency = rows.first().map(|(_, currency, _)| currency);
    for (number, other, _) in rows.iter().filter(|(_, other, _)| Some(other) != currency) {
        errors.push(RowError::new(*number, "currency", "CURRENCY_INVALID", Severity::Error, other));
    }
    errors
}

/// Adds a version. It closes the one before, and edits none.
///
/// # Errors
/// When the database says no.
pub async fn store(tx: &mut TenantTx, job: &Job, agreement: &Agreement) -> sqlx::Result<()> {
    sqlx::query(
        "update carrier_agreements set effective_to = $3
         where carrier = $1 and account = $2 and effective_to >= $4 and effective_from < $4",
    )
    .bind(&agreement.carrier)
    .bind(&agreement.account)
    .bind(agreement.from.checked_sub_days(Days::new(1)).unwrap_or(agreement.from))
    .bind(agreement.from)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into carrier_agreements (carrier, account, version, effective_from, effective_to, agreement, job_id)
         select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6
         from carrier_agreements where carrier = $1 and account = $2",
    )
    .bind(&agreement.carrier)
    .bind(&agreement.account)
    .bind(agreement.from)
    .bind(agreement.to)
    .bind(Json(agreement))
    .bind(job.id)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Loads all versions, in the order in which they came; each as far as the next one left it.
///
/// # Errors
/// When the database says no.
pub async fn load(tx: &mut TenantTx) -> sqlx::Result<Vec<Agreement>> {
    let rows: Vec<(Json<Agreement>, NaiveDate)> =
        sqlx::query_as("select agreement, effective_to from carrier_agreements order by carrier, account, version")
            .fetch_all(&mut *tx)
            .await?;
    Ok(rows.into_iter().map(|(Json(agreement), to)| Agreement { to, ..agreement }).collect())
}
