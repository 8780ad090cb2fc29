//! The thing that cannot wait, and what to do about it.

use rls_runtime::TenantTx;
use serde_json::{Map, Value, json};

use super::{not_found, subject};
use crate::table::FileError;
use crate::workers::outcome::LaneError;

/// What to do about each kind.
const NEXT_STEPS: &[(&str, &str)] = &[
    ("DISPUTE_DEADLINE", "dispute the finding before its window closes"),
    ("HIGH_VALUE_FINDING", "look at the finding and dispute it"),
    ("AGREEMENT_MISSING", "upload the carrier's agreement for the account"),
    ("INVOICE_TOTAL_MISMATCH", "ask the carrier for the missing charges"),
    ("LINK_AMBIGUOUS", "choose the order of each shipment"),
    ("SHIPPED_WHILE_CAUGHT", "declare the duties that are due"),
    ("JOB_FAILED", "look at the errors of the job's rows"),
];

pub(super) async fn variables(tx: &mut TenantTx, payload: &Map<String, Value>) -> Result<Value, LaneError> {
    let kind = subject(payload, "kind")?;
    let step = NEXT_STEPS.iter().find(|(known, _)| *known == kind);
    let (_, next_step) = step.ok_or_else(|| FileError::new("EVENT_TYPE_UNKNOWN", format!("no exception `{kind}`")))?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    if let Some(finding) = text("finding") {
        let sql = "select exists (select from ship_findings where id::text = $1 or dedupe_key = $1)";
        visible(tx, sql, finding, "the finding").await?;
    }
    if let Some(order) = text("order") {
        visible(tx, "select exists (select from orders where order_number = $1)", order, "the order").await?;
    }
    if let Some(invoice) = text("invoice") {
        let sql = "select exists (select from carrier_invoices where invoice_number = $1)";
        visible(tx, sql, invoice, "the invoice").await?;
    }
    let entity = ["order", "finding", "invoice", "account"].into_iter().find_map(text).unwrap_or(kind);
    Ok(json!({
        "kind": kind, "subject": entity, "amount": text("amount"), "due": text("due"), "next_step": next_step,
    }))
}

/// What another tenant has is not there.
async fn visible(tx: &mut TenantTx, sql: &'static str, key: &str, what: &str) -> Result<(), LaneError> {
    let is_there: bool = sqlx::query_scalar(sql).bind(key).fetch_one(&mut **tx).await?;
    if is_there { Ok(()) } else { Err(not_found(what).into()) }
}
