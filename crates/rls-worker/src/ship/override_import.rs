//! A file of a tenant's settings in, the settings out: all of them, or nothing.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use sqlx::types::Json;

use super::tenant_carrier_overrides::{Override, Settings, Unread};
use crate::table::{Column, Fields, FileError, Header, RowError, Severity, Table};

/// The columns, one row per setting.
pub const COLUMNS: &[Column] = &[
    Column::required("carrier"),
    Column::optional("account"),
    Column::required("key"),
    Column::required("value"),
    Column::required("valid_from"),
    Column::optional("valid_to"),
];

/// Reads and checks a whole file.
///
/// # Errors
/// The file's own error, or `OVERRIDES_REJECTED` with everything that is wrong with its rows.
pub fn read(table: &Table, header: &Header) -> Result<Vec<Override>, (FileError, Vec<RowError>)> {
    let (mut overrides, mut errors) = (Vec::<Override>::new(), Vec::new());
    for row in table.rows().skip(1) {
        let row = row.map_err(|error| (error, Vec::new()))?;
        let mut fields = Fields::new(header, &row);
        if let Some(of) = setting(&mut fields) {
            if overrides.iter().any(|earlier| subject(earlier) == subject(&of)) {
                fields.note("valid_from", "OVERRIDE_DUPLICATE", Severity::Error);
            }
            overrides.push(of);
        }
        errors.extend(fields.into_errors());
    }
    match (errors.len(), overrides.is_empty()) {
        (0, true) => Err((FileError::new("FILE_EMPTY", "the file has no setting"), errors)),
        (0, false) => Ok(overrides),
        (count, _) => Err((FileError::new("OVERRIDES_REJECTED", format!("{count} mistakes")), errors)),
    }
}

/// A file has each of these once, and the same one of a later file replaces it.
fn subject(of: &Override) -> (&str, Option<&str>, &str, NaiveDate) {
    (&of.carrier, of.account.as_deref(), &of.key, of.valid_from)
}

fn setting(fields: &mut Fields<'_>) -> Option<Override> {
    let carrier = fields.required("carrier", "CARRIER_MISSING").map(str::to_uppercase);
    let key = fields.required("key", "OVERRIDE_KEY_UNKNOWN").map(str::to_lowercase);
    let value = fields.required("value", "OVERRIDE_VALUE_INVALID").map(str::to_owned);
    let valid_from = fields.required_day("valid_from");
    let valid_to = fields.day("valid_to", Severity::Error);
    if valid_to.zip(valid_from).is_some_and(|(last, first)| last < first) {
        fields.note("valid_to", "DATE_INVALID", Severity::Error);
    }
    let (key, value) = (key?, value?);
    match Settings::default().apply(&key, &value) {
        Ok(()) => {}
        Err(Unread::Key) => fields.note("key", "OVERRIDE_KEY_UNKNOWN", Severity::Error),
        Err(Unread::Value) => fields.note("value", "OVERRIDE_VALUE_INVALID", Severity::Error),
    }
    let account = fields.text("account").map(str::to_owned);
    let of = Override { carrier: carrier?, account, key, value, valid_from: valid_from?, valid_to };
    (!fields.rejected()).then_some(of)
}

/// Writes settings. One that is set anew from the same day on is replaced; so a setting is ended by the day that it ends on.
///
/// # Errors
/// When the database says no.
pub async fn store(tx: &mut TenantTx, overrides: &[Override]) -> sqlx::Result<()> {
    sqlx::query(
        "delete from tenant_carrier_overrides o using jsonb_to_recordset($1) as r
             (carrier text, account text, key text, valid_from date)
         where o.carrier = r.carrier and o.account is not distinct from r.account and o.key = r.key
             and o.valid_from = r.valid_from",
    )
    .bind(Json(overrides))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into tenant_carrier_overrides (carrier, account, key, value, valid_from, valid_to)
         select carrier, account, key, value, valid_from, valid_to from jsonb_to_recordset($1) as r
             (carrier text, account text, key text, value text, valid_from date, valid_to date)",
    )
    .bind(Json(overrides))
    .execute(&mut *tx)
    .await?;
    Ok(())
}
