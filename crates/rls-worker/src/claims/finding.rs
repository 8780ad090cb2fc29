//! A finding and what is done about it in, its next state out.

use chrono::{DateTime, Utc};
use rls_runtime::TenantTx;
use rls_runtime::queue::Queue;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::states::{FindingAction, FindingState};
use crate::desk::{By, DeskError, Refused};
use crate::money::{self, cents};
use crate::notifications::events::{self, Event};

/// What shows that a carrier gave money back.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Where it is said: a credit note, an invoice.
    pub source: String,
    /// Its number.
    pub reference: String,
    /// When it was confirmed.
    pub confirmed_at: DateTime<Utc>,
}

/// A finding as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// What is wrong.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// The carrier.
    pub carrier: String,
    /// The account.
    pub account: String,
    /// The invoice.
    pub invoice_number: String,
    /// The shipment.
    pub tracking_norm: Option<String>,
    /// The charge, by its code.
    pub code: String,
    /// What shows it.
    pub evidence: String,
    /// What was billed.
    #[serde(serialize_with = "money::amount")]
    pub billed: Decimal,
    /// What is due.
    #[serde(serialize_with = "money::amount")]
    pub expected: Decimal,
    /// What was billed too much.
    #[serde(serialize_with = "money::amount")]
    pub variance: Decimal,
    /// What was given back, with full evidence: what may be billed for.
    #[serde(serialize_with = "money::amount_if_any")]
    pub credited: Option<Decimal>,
    /// The currency of all amounts.
    pub currency: String,
    /// The last day to dispute it.
    pub dispute_by: chrono::NaiveDate,
}

/// What a guarded move met.
#[derive(sqlx::FromRow)]
struct Met {
    was: String,
    dedupe_key: String,
    variance: Decimal,
    moved: bool,
}

/// All findings, those first whose window closes first.
///
/// # Errors
/// When the database says no.
pub async fn list(tx: &mut TenantTx) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as(
        "select f.id, f.kind, f.state, f.carrier, f.account, f.invoice_number, f.tracking_norm, f.code, f.evidence,
             f.billed, f.expected, f.variance, k.amount as credited, f.currency, f.dispute_by
         from ship_findings f
         left join ship_finding_credits k on k.tenant_id = f.tenant_id and k.finding_id = f.id and not k.voided
             and f.state = 'CREDITED'
         order by f.dispute_by, f.id limit 1000",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Moves one finding.
///
/// # Errors
/// When there is none, the move is not allowed, or it is a credit, which needs evidence.
pub async fn act(
    tx: &mut TenantTx,
    finding: Uuid,
    action: FindingAction,
    by: &By<'_>,
) -> Result<FindingState, DeskError> {
    if action == FindingAction::Credit {
        let message = "a credit needs its source, reference, confirmation and amount";
        return Err(Refused::new("EVIDENCE_REQUIRED", message, json!({"finding": finding})).into());
    }
    transition(tx, finding, action, by).await?;
    if action == FindingAction::Reopen {
        sqlx::query("update ship_finding_credits set voided = true where finding_id = $1 and not voided")
            .bind(finding)
            .execute(&mut **tx)
            .await?;
    }
    Ok(action.to())
}

/// Moves many findings, each for itself: what one of them does not allow does not hold up the others.
///
/// # Errors
/// When it is a credit, or the database says no.
pub async fn act_on_all(
    tx: &mut TenantTx,
    findings: &[Uuid],
    action: FindingAction,
    by: &By<'_>,
) -> Result<Vec<(Uuid, Result<FindingState, Refused>)>, DeskError> {
    if action == FindingAction::Credit {
        let message = "each credit has evidence of its own, and none is given in a batch";
        return Err(Refused::new("CREDIT_IN_BATCH", message, json!({"findings": findings.len()})).into());
    }
    let mut moved = Vec::with_capacity(findings.len());
    for finding in findings {
        moved.push(match act(tx, *finding, action, by).await {
            Ok(state) => (*finding, Ok(state)),
            Err(DeskError::Refused(refused)) => (*finding, Err(refused)),
            Err(other) => return Err(other),
        });
    }
    Ok(moved)
}

/// Credits one finding with its evidence, and tells when less came than was billed too much.
///
/// # Errors
/// When the evidence is not whole, or the move is not allowed.
pub async fn credit(
    tx: &mut TenantTx,
    queue: &Queue,
    finding: Uuid,
    amount: Decimal,
    evidence: &Evidence,
    by: &By<'_>,
) -> Result<FindingState, DeskError> {
    let met = credit_quietly(tx, finding, amount, evidence, by).await?;
    if amount < cents(met.variance) {
        let short = Event {
            key: format!("evt:exc:CREDIT_SHORT:{}:{}", met.dedupe_key, evidence.reference),
            kind: "ship.exception",
            payload: json!({"kind": "CREDIT_SHORT", "finding": finding}),
        };
        events::tell(tx, queue, &[short]).await?;
    }
    Ok(FindingState::Credited)
}

/// Credits one finding of a claim, which tells of the whole.
pub(super) async fn credit_of_claim(
    tx: &mut TenantTx,
    finding: Uuid,
    amount: Decimal,
    evidence: &Evidence,
    by: &By<'_>,
) -> Result<(), DeskError> {
    credit_quietly(tx, finding, amount, evidence, by).await.map(drop)
}

async fn credit_quietly(
    tx: &mut TenantTx,
    finding: Uuid,
    amount: Decimal,
    evidence: &Evidence,
    by: &By<'_>,
) -> Result<Met, DeskError> {
    evidence.check(finding, amount, by.at)?;
    let met = transition(tx, finding, FindingAction::Credit, by).await?;
    sqlx::query(
        "insert into ship_finding_credits (finding_id, source, reference, confirmed_at, amount, currency)
         select id, $2, $3, $4, $5, currency from ship_findings where id = $1",
    )
    .bind(finding)
    .bind(&evidence.source)
    .bind(&evidence.reference)
    .bind(evidence.confirmed_at)
    .bind(amount)
    .execute(&mut **tx)
    .await?;
    Ok(met)
}

impl Evidence {
    fn check(&self, finding: Uuid, amount: Decimal, now: DateTime<Utc>) -> Result<(), Refused> {
        let wrong = if self.source.trim().is_empty() {
            "source"
        } else if self.reference.trim().is_empty() {
            "reference"
        } else if self.confirmed_at > now {
            "confirmed_at"
        } else if amount <= Decimal::ZERO || amount != cents(amount) {
            "amount"
        } else {
            return Ok(());
        };
        let details = json!({"finding": finding, "field": wrong});
        Err(Refused::new("EVIDENCE_INVALID", format!("the `{wrong}` of the credit is missing or wrong"), details))
    }
}

/// The move and its audit row, in one statement that looks at the state and locks it.
async fn transition(tx: &mut TenantTx, finding: Uuid, action: FindingAction, by: &By<'_>) -> Result<Met, DeskError> {
    let from: Vec<&str> = action.from().iter().map(|state| state.word()).collect();
    let met: Option<Met> = sqlx::query_as(
        "with met as (
             select id, state as was, dedupe_key, variance from ship_findings where id = $1 for update
         ), moved as (
             update ship_findings f set state = $2 from met where f.id = met.id and met.was = any ($3) returning f.id
         ), noted as (
             insert into ship_finding_events (finding_id, from_state, to_state, actor, note, at)
             select met.id, met.was, $2, $4, $5, $6 from met join moved using (id)
         )
         select was, dedupe_key, variance, exists (select from moved) as moved from met",
    )
    .bind(finding)
    .bind(action.to().word())
    .bind(from.clone())
    .bind(by.actor)
    .bind(by.note)
    .bind(by.at)
    .fetch_optional(&mut **tx)
    .await?;
    let not_found = || Refused::new("FINDING_NOT_FOUND", "the finding is not there", json!({"finding": finding}));
    let met = met.ok_or_else(not_found)?;
    if met.moved {
        return Ok(met);
    }
    let message = format!("a finding that is {} cannot become {}", met.was, action.to());
    let details = json!({"finding": finding, "state": met.was, "to": action.to(), "from": from});
    Err(Refused::new("TRANSITION_NOT_ALLOWED", message, details).into())
}
