//! Findings of one account in, one claim that the carrier gets out, and what becomes of it.

use rls_runtime::TenantTx;
use rls_runtime::queue::Queue;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::finding::{self, Evidence};
use super::states::{ClaimAction, ClaimState};
use crate::desk::{By, DeskError, Refused};
use crate::notifications::events::{self, Event};

/// A finding that is to be claimed.
#[derive(sqlx::FromRow)]
struct Claimable {
    id: Uuid,
    carrier: String,
    account: String,
    currency: String,
    variance: Decimal,
    is_settled: bool,
    is_claimed: bool,
}

/// What became of one finding of a claim.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Credited {
    /// The finding.
    pub finding: Uuid,
    /// What was given back for it.
    pub credited: Option<Decimal>,
    /// Why it was not credited, though the carrier gave something.
    pub refused: Option<Refused>,
}

/// Starts a claim with findings of one carrier, account and currency, whatever is done about each of them besides.
///
/// # Errors
/// When a finding is not there, is settled, is in another claim, or does not go with the others.
pub async fn draft(tx: &mut TenantTx, findings: &[Uuid], by: &By<'_>) -> Result<Uuid, DeskError> {
    let chosen = claimable(tx, findings).await?;
    let first = chosen.first().ok_or_else(|| Refused::new("CLAIM_EMPTY", "a claim needs findings", json!({})))?;
    let refused = |code, message: &str, of: fn(&Claimable) -> bool| {
        let ids: Vec<Uuid> = chosen.iter().filter(|finding| of(finding)).map(|finding| finding.id).collect();
        (!ids.is_empty()).then(|| Refused::new(code, message, json!({"findings": ids})))
    };
    let settled = refused("FINDING_SETTLED", "a finding is settled already", |finding| finding.is_settled);
    let claimed = refused("FINDING_CLAIMED", "a finding is in another claim", |finding| finding.is_claimed);
    if let Some(refused) = settled.or(claimed) {
        return Err(refused.into());
    }
    let account = |finding: &Claimable| (finding.carrier.clone(), finding.account.clone(), finding.currency.clone());
    if chosen.iter().any(|finding| account(finding) != account(first)) {
        let message = "the findings are not of one carrier, account and currency";
        return Err(Refused::new("CLAIM_MIXED", message, json!({"findings": findings})).into());
    }
    let claim: Uuid = sqlx::query_scalar(
        "with new as (
             insert into ship_claims (carrier, account, currency) values ($1, $2, $3) returning id
         ), noted as (
             insert into ship_claim_events (claim_id, to_state, actor, note, at) select id, 'DRAFT', $4, $5, $6 from new
         )
         select id from new",
    )
    .bind(&first.carrier)
    .bind(&first.account)
    .bind(&first.currency)
    .bind(by.actor)
    .bind(by.note)
    .bind(by.at)
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query(
        "insert into ship_claim_findings (claim_id, finding_id, claimed)
         select $1, id, claimed from unnest($2::uuid[], $3::numeric[]) as f (id, claimed)",
    )
    .bind(claim)
    .bind(chosen.iter().map(|finding| finding.id).collect::<Vec<_>>())
    .bind(chosen.iter().map(|finding| finding.variance).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(claim)
}

/// The findings, locked, so that nobody else claims them meanwhile.
async fn claimable(tx: &mut TenantTx, findings: &[Uuid]) -> Result<Vec<Claimable>, DeskError> {
    let locked: Vec<Uuid> =
        sqlx::query_scalar("select id from ship_findings where id = any ($1) order by id for update")
            .bind(findings)
            .fetch_all(&mut **tx)
            .await?;
    let missing: Vec<&Uuid> = findings.iter().filter(|finding| !locked.contains(finding)).collect();
    if !missing.is_empty() {
        return Err(Refused::new("FINDING_NOT_FOUND", "a finding is not there", json!({"findings": missing})).into());
    }
    // Asked after the lock, so that a claim that was made meanwhile is seen.
    let chosen = sqlx::query_as(
        "select f.id, f.carrier, f.account, f.currency, f.variance,
             f.state in ('CREDITED', 'REJECTED', 'DISMISSED') as is_settled,
             exists (select from ship_claim_findings k join ship_claims c on c.tenant_id = k.tenant_id and c.id = k.claim_id
                 where k.tenant_id = f.tenant_id and k.finding_id = f.id
                     and c.state in ('DRAFT', 'READY', 'SUBMITTED', 'ACKNOWLEDGED')) as is_claimed
         from ship_findings f where f.id = any ($1) order by f.id",
    )
    .bind(locked)
    .fetch_all(&mut **tx)
    .await?;
    Ok(chosen)
}

/// Makes the packet that the carrier gets, as it is then.
///
/// # Errors
/// When the claim is no draft.
pub async fn prepare(tx: &mut TenantTx, claim: Uuid, by: &By<'_>) -> Result<ClaimState, DeskError> {
    let state = transition(tx, claim, ClaimAction::Prepare, None, by).await?;
    sqlx::query(
        "update ship_claims c set packet = (
             select jsonb_build_object('carrier', c.carrier, 'account', c.account, 'currency', c.currency,
                 'total', round(sum(k.claimed), 2)::text, 'findings', jsonb_agg(jsonb_build_object('kind', f.kind,
                     'invoice', f.invoice_number, 'tracking', f.tracking_norm, 'code', f.code,
                     'billed', round(f.billed, greatest(2, min_scale(f.billed)))::text,
                     'expected', round(f.expected, 2)::text, 'claimed', round(k.claimed, 2)::text, 'evidence', f.evidence,
                     'dispute_by', f.dispute_by) order by f.invoice_number, f.tracking_norm, f.kind))
             from ship_claim_findings k join ship_findings f on f.tenant_id = k.tenant_id and f.id = k.finding_id
             where k.tenant_id = c.tenant_id and k.claim_id = c.id)
         where c.id = $1",
    )
    .bind(claim)
    .execute(&mut **tx)
    .await?;
    Ok(state)
}

/// Notes that the carrier has it, or says so, under its own number.
///
/// # Errors
/// When there is no number, or the move is not allowed.
pub async fn note_ticket(
    tx: &mut TenantTx,
    claim: Uuid,
    action: ClaimAction,
    ticket: &str,
    by: &By<'_>,
) -> Result<ClaimState, DeskError> {
    let ticket = ticket.trim();
    if ticket.is_empty() {
        let message = "this needs the number that the carrier has for the claim";
        return Err(Refused::new("TICKET_REQUIRED", message, json!({"claim": claim})).into());
    }
    transition(tx, claim, action, Some(ticket), by).await
}

/// Notes that the carrier does not take it, and tells.
///
/// # Errors
/// When the move is not allowed.
pub async fn fail(tx: &mut TenantTx, queue: &Queue, claim: Uuid, by: &By<'_>) -> Result<ClaimState, DeskError> {
    let state = transition(tx, claim, ClaimAction::Fail, None, by).await?;
    events::tell(tx, queue, &[exception("CLAIM_FAILED", claim)]).await?;
    Ok(state)
}

/// Ends it.
///
/// # Errors
/// When no credit was confirmed.
pub async fn close(tx: &mut TenantTx, claim: Uuid, by: &By<'_>) -> Result<ClaimState, DeskError> {
    transition(tx, claim, ClaimAction::Close, None, by).await
}

/// Notes what the carrier gave back for each finding, and tells when it is less than was claimed.
///
/// A finding that cannot be credited is said so of, and does not hold up the others.
///
/// # Errors
/// When the move is not allowed, a finding is not of the claim, or none can be credited: then nothing of it is done.
pub async fn confirm_credit(
    tx: &mut TenantTx,
    queue: &Queue,
    claim: Uuid,
    amounts: &[(Uuid, Decimal)],
    evidence: &Evidence,
    by: &By<'_>,
) -> Result<Vec<Credited>, DeskError> {
    transition(tx, claim, ClaimAction::ConfirmCredit, None, by).await?;
    let claimed: Vec<(Uuid, Decimal)> = sqlx::query_as(
        "select finding_id, claimed from ship_claim_findings where claim_id = $1 order by finding_id for update",
    )
    .bind(claim)
    .fetch_all(&mut **tx)
    .await?;
    let is_strange = |(finding, _): &&(Uuid, Decimal)| !claimed.iter().any(|(of, _)| of == finding);
    if let Some((finding, _)) = amounts.iter().find(is_strange) {
        let details = json!({"claim": claim, "finding": finding});
        return Err(Refused::new("FINDING_NOT_IN_CLAIM", "a finding is not of this claim", details).into());
    }
    let mut results = Vec::with_capacity(claimed.len());
    for (finding, _) in &claimed {
        let amount = amounts.iter().find(|(of, _)| of == finding).map(|(_, amount)| *amount);
        results.push(credit_one(tx, claim, *finding, amount, evidence, by).await?);
    }
    let credited: Decimal = results.iter().filter_map(|result| result.credited).sum();
    if credited.is_zero() {
        let details = json!({"claim": claim, "findings": results});
        return Err(Refused::new("NOTHING_CREDITED", "no finding of the claim could be credited", details).into());
    }
    if credited < claimed.iter().map(|(_, claimed)| crate::money::cents(*claimed)).sum() {
        events::tell(tx, queue, &[exception("CREDIT_SHORT", claim)]).await?;
    }
    Ok(results)
}

async fn credit_one(
    tx: &mut TenantTx,
    claim: Uuid,
    finding: Uuid,
    amount: Option<Decimal>,
    evidence: &Evidence,
    by: &By<'_>,
) -> Result<Credited, DeskError> {
    let Some(amount) = amount else { return Ok(Credited { finding, credited: None, refused: None }) };
    match finding::credit_of_claim(tx, finding, amount, evidence, by).await {
        Ok(()) => {
            sqlx::query("update ship_claim_findings set credited = $3 where claim_id = $1 and finding_id = $2")
                .bind(claim)
                .bind(finding)
                .bind(amount)
                .execute(&mut **tx)
                .await?;
            Ok(Credited { finding, credited: Some(amount), refused: None })
        }
        Err(DeskError::Refused(refused)) => Ok(Credited { finding, credited: None, refused: Some(refused) }),
        Err(other) => Err(other),
    }
}

/// All claims with their findings, the newest first.
///
/// # Errors
/// When the database says no.
pub async fn list(tx: &mut TenantTx) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar(
        "select jsonb_build_object('id', c.id, 'carrier', c.carrier, 'account', c.account, 'state', c.state,
             'ticket', c.ticket, 'currency', c.currency, 'claimed', round(sum(k.claimed), 2)::text,
             'credited', round(sum(k.credited), 2)::text, 'findings', jsonb_agg(k.finding_id order by k.finding_id))
         from ship_claims c join ship_claim_findings k on k.tenant_id = c.tenant_id and k.claim_id = c.id
         group by c.tenant_id, c.id
         order by (select max(e.at) from ship_claim_events e where e.tenant_id = c.tenant_id and e.claim_id = c.id) desc, c.id
         limit 1000",
    )
    .fetch_all(&mut **tx)
    .await
}

fn exception(kind: &str, claim: Uuid) -> Event {
    let payload = json!({"kind": kind, "claim": claim});
    Event { key: format!("evt:exc:{kind}:{claim}"), kind: "ship.exception", payload }
}

/// The move and its audit row, in one statement that looks at the state and locks it.
async fn transition(
    tx: &mut TenantTx,
    claim: Uuid,
    action: ClaimAction,
    ticket: Option<&str>,
    by: &By<'_>,
) -> Result<ClaimState, DeskError> {
    let from: Vec<&str> = action.from().iter().map(|state| state.word()).collect();
    let met: Option<(String, bool)> = sqlx::query_as(
        "with met as (
             select id, state as was from ship_claims where id = $1 for update
         ), moved as (
             update ship_claims c set state = $2, ticket = coalesce($7, ticket) from met
             where c.id = met.id and met.was = any ($3) returning c.id
         ), noted as (
             insert into ship_claim_events (claim_id, from_state, to_state, actor, note, at)
             select met.id, met.was, $2, $4, $5, $6 from met join moved using (id)
         )
         select was, exists (select from moved) from met",
    )
    .bind(claim)
    .bind(action.to().word())
    .bind(from.clone())
    .bind(by.actor)
    .bind(by.note)
    .bind(by.at)
    .bind(ticket)
    .fetch_optional(&mut **tx)
    .await?;
    match met {
        Some((_, true)) => Ok(action.to()),
        Some((was, false)) => {
            let message = format!("a claim that is {was} cannot become {}", action.to());
            let details = json!({"claim": claim, "state": was, "to": action.to(), "from": from});
            Err(Refused::new("TRANSITION_NOT_ALLOWED", message, details).into())
        }
        None => Err(Refused::new("CLAIM_NOT_FOUND", "the claim is not there", json!({"claim": claim})).into()),
    }
}
