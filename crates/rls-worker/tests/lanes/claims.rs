//! What people do about findings: every move, its audit row, the credits and the claims.

use rls_runtime::queue::Queue;
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::claims::claim;
use rls_worker::claims::finding::{self, Evidence};
use rls_worker::claims::states::{ClaimAction, ClaimState, FindingAction, FindingState};
use rls_worker::desk::{By, DeskError};
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::templates::Template;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::*;

fn by() -> By<'static> {
    By { actor: "ann", note: Some("as told"), at: now() }
}

fn evidence() -> Evidence {
    Evidence { source: "credit note".to_owned(), reference: "CN-1".to_owned(), confirmed_at: now() }
}

/// A database with the sample findings of both tenants.
async fn with_findings() -> (TestDb, RlsPool) {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    everything(&pool, TENANT_B).await;
    (db, pool)
}

async fn id_of(pool: &RlsPool, tenant: TenantId, kind: &str) -> Uuid {
    let found = select(pool, tenant, &format!("select id from ship_findings where kind = '{kind}'")).await;
    found[0]["id"].as_str().unwrap().parse().unwrap()
}

async fn act(pool: &RlsPool, finding: Uuid, action: FindingAction) -> Result<FindingState, DeskError> {
    with_tenant(pool, TENANT_A, async |mut tx| finding::act(&mut tx, finding, action, &by()).await).await
}

async fn credit(pool: &RlsPool, finding: Uuid, amount: &str, of: &Evidence) -> Result<FindingState, DeskError> {
    let amount = amount.parse().unwrap();
    with_tenant(pool, TENANT_A, async |mut tx| {
        finding::credit(&mut tx, &Queue::new(), finding, amount, of, &by()).await
    })
    .await
}

fn code<T: std::fmt::Debug>(result: Result<T, DeskError>) -> &'static str {
    match result.unwrap_err() {
        DeskError::Refused(refused) => refused.code,
        other => panic!("{other}"),
    }
}

/// The moves as the public contract has them, written down a second time.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("OPEN", "dispute", "DISPUTED"),
    ("OPEN", "dismiss", "DISMISSED"),
    ("DISPUTED", "submit", "SUBMITTED"),
    ("DISPUTED", "credit", "CREDITED"),
    ("DISPUTED", "reject", "REJECTED"),
    ("SUBMITTED", "review", "CARRIER_REVIEW"),
    ("SUBMITTED", "credit", "CREDITED"),
    ("SUBMITTED", "reject", "REJECTED"),
    ("SUBMITTED", "reopen", "OPEN"),
    ("CARRIER_REVIEW", "credit", "CREDITED"),
    ("CARRIER_REVIEW", "reject", "REJECTED"),
    ("CARRIER_REVIEW", "reopen", "OPEN"),
    ("CREDITED", "reopen", "OPEN"),
    ("REJECTED", "reopen", "OPEN"),
    ("DISMISSED", "reopen", "OPEN"),
];

#[tokio::test]
async fn every_move_from_every_state_is_as_the_table_says_with_its_audit_row() {
    let (_db, pool) = with_findings().await;
    let finding = id_of(&pool, TENANT_A, "RES_MISAPPLIED").await;
    let audit = "select count(*) from ship_finding_events where actor = 'ann'";
    let mut rows = 0;
    for state in FindingState::ALL {
        for action in FindingAction::ALL {
            let reset = format!("update ship_findings set state = '{state}' where id = '{finding}'");
            change(&pool, TENANT_A, &reset).await;
            change(&pool, TENANT_A, "update ship_finding_credits set voided = true").await;
            let word = serde_json::to_value(action).unwrap();
            let allowed = ALLOWED.iter().find(|(from, by, _)| *from == state.word() && word == *by);
            let expected = allowed.map(|(.., to)| *to);
            assert_eq!(state.after(action).map(FindingState::word), expected, "{state} {word}");
            let moved = match action {
                FindingAction::Credit => credit(&pool, finding, "3.05", &evidence()).await,
                _ => act(&pool, finding, action).await,
            };
            let found =
                select(&pool, TENANT_A, &format!("select state from ship_findings where id = '{finding}'")).await;
            match expected {
                Some(to) => {
                    assert_eq!((moved.unwrap().word(), found[0]["state"].as_str()), (to, Some(to)));
                    rows += 1;
                }
                None => {
                    assert_eq!(
                        (code(moved), found[0]["state"].as_str()),
                        ("TRANSITION_NOT_ALLOWED", Some(state.word()))
                    );
                }
            }
            assert_eq!(select(&pool, TENANT_A, audit).await, json!([{"count": rows}]), "{state} {word}");
        }
    }
    assert_eq!(rows, ALLOWED.len());
    let last = "select from_state, to_state, actor, note from ship_finding_events where from_state = 'DISMISSED'";
    assert_eq!(
        select(&pool, TENANT_A, last).await,
        json!([{"from_state": "DISMISSED", "to_state": "OPEN", "actor": "ann", "note": "as told"}])
    );
}

#[tokio::test]
async fn of_two_at_once_one_moves_and_another_tenant_finds_nothing() {
    let (_db, pool) = with_findings().await;
    let finding = id_of(&pool, TENANT_A, "RES_MISAPPLIED").await;
    let both = tokio::join!(act(&pool, finding, FindingAction::Dispute), act(&pool, finding, FindingAction::Dismiss));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    let other =
        with_tenant(&pool, TENANT_B, async |mut tx| finding::act(&mut tx, finding, FindingAction::Reopen, &by()).await)
            .await;
    assert_eq!(code(other), "FINDING_NOT_FOUND");
}

#[tokio::test]
async fn a_credit_needs_its_evidence_and_is_never_in_a_batch() {
    let (_db, pool) = with_findings().await;
    let (res, dim) = (id_of(&pool, TENANT_A, "RES_MISAPPLIED").await, id_of(&pool, TENANT_A, "DIM_WEIGHT_ERROR").await);
    let whole = evidence();
    act(&pool, res, FindingAction::Dispute).await.unwrap();
    for (amount, proof) in [
        ("0", whole.clone()),
        ("-1", whole.clone()),
        ("0.001", whole.clone()),
        ("3.05", Evidence { source: " ".to_owned(), ..whole.clone() }),
        ("3.05", Evidence { reference: String::new(), ..whole.clone() }),
        ("3.05", Evidence { confirmed_at: now() + chrono::Duration::days(1), ..whole.clone() }),
    ] {
        assert_eq!(code(credit(&pool, res, amount, &proof).await), "EVIDENCE_INVALID", "{amount} {proof:?}");
    }
    assert_eq!(code(act(&pool, res, FindingAction::Credit).await), "EVIDENCE_REQUIRED");
    let batch = async |action| {
        with_tenant(&pool, TENANT_A, async |mut tx| finding::act_on_all(&mut tx, &[res, dim], action, &by()).await)
            .await
    };
    assert_eq!(code(batch(FindingAction::Credit).await), "CREDIT_IN_BATCH");
    let moved = batch(FindingAction::Dispute).await.unwrap();
    let words: Vec<_> =
        moved.iter().map(|(_, one)| one.as_ref().map_or_else(|no| no.code, |state| state.word())).collect();
    assert_eq!(words, ["TRANSITION_NOT_ALLOWED", "DISPUTED"], "one that cannot move does not hold up the other");

    assert_eq!(credit(&pool, res, "3.05", &whole).await.unwrap(), FindingState::Credited);
    let listed = with_tenant(&pool, TENANT_A, async |mut tx| finding::list(&mut tx).await).await;
    let listed: Vec<_> = listed.unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    let billable: Vec<Decimal> = listed.iter().filter_map(|finding| finding.credited).collect();
    assert_eq!(billable, ["3.05".parse().unwrap()]);
    act(&pool, res, FindingAction::Reopen).await.unwrap();
    let credits = select(&pool, TENANT_A, "select amount::text, voided from ship_finding_credits").await;
    assert_eq!(credits, json!([{"amount": "3.050000", "voided": true}]), "what was evidence stays on file");
}

/// Does something in a scope of the tenant.
async fn ticket(pool: &RlsPool, claim: Uuid, action: ClaimAction, number: &str) -> Result<ClaimState, DeskError> {
    with_tenant(pool, TENANT_A, async |mut tx| claim::note_ticket(&mut tx, claim, action, number, &by()).await).await
}

async fn draft(pool: &RlsPool, findings: &[Uuid]) -> Result<Uuid, DeskError> {
    with_tenant(pool, TENANT_A, async |mut tx| claim::draft(&mut tx, findings, &by()).await).await
}

async fn confirm(pool: &RlsPool, claim: Uuid, amounts: &[(Uuid, &str)]) -> Result<Vec<claim::Credited>, DeskError> {
    let amounts: Vec<_> = amounts.iter().map(|(finding, amount)| (*finding, amount.parse().unwrap())).collect();
    with_tenant(pool, TENANT_A, async |mut tx| {
        claim::confirm_credit(&mut tx, &Queue::new(), claim, &amounts, &evidence(), &by()).await
    })
    .await
}

#[tokio::test]
async fn a_claim_goes_from_its_draft_to_its_end_and_tells_when_it_falls_short() {
    let (_db, pool) = with_findings().await;
    let mail = tempfile::tempdir().unwrap();
    with_tenant(&pool, TENANT_A, async |mut tx| {
        preferences::subscribe(&mut tx, "ann", Channel::InApp, &[Template::ShipException], Wants::Everything).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    let (res, dim) = (id_of(&pool, TENANT_A, "RES_MISAPPLIED").await, id_of(&pool, TENANT_A, "DIM_WEIGHT_ERROR").await);
    let claim = draft(&pool, &[res, dim]).await.unwrap();
    assert_eq!(code(draft(&pool, &[dim]).await), "FINDING_CLAIMED");
    assert_eq!(code(draft(&pool, &[]).await), "CLAIM_EMPTY");
    assert_eq!(code(draft(&pool, &[id_of(&pool, TENANT_B, "FUEL_MISMATCH").await]).await), "FINDING_NOT_FOUND");
    assert_eq!(code(ticket(&pool, claim, ClaimAction::Submit, "T-1").await), "TRANSITION_NOT_ALLOWED");
    with_tenant(&pool, TENANT_A, async |mut tx| claim::prepare(&mut tx, claim, &by()).await).await.unwrap();
    let packet = select(&pool, TENANT_A, "select packet from ship_claims").await;
    assert_eq!(packet[0]["packet"]["total"], "6.58");
    assert_eq!(packet[0]["packet"]["findings"].as_array().unwrap().len(), 2);
    assert_eq!(code(ticket(&pool, claim, ClaimAction::Submit, " ").await), "TICKET_REQUIRED");
    ticket(&pool, claim, ClaimAction::Submit, "T-1").await.unwrap();
    ticket(&pool, claim, ClaimAction::Acknowledge, "T-1").await.unwrap();

    assert_eq!(code(confirm(&pool, claim, &[(res, "3.05")]).await), "NOTHING_CREDITED", "neither is disputed yet");
    let state = "select state, ticket from ship_claims";
    assert_eq!(select(&pool, TENANT_A, state).await, json!([{"state": "ACKNOWLEDGED", "ticket": "T-1"}]));
    act(&pool, res, FindingAction::Dispute).await.unwrap();
    assert_eq!(code(confirm(&pool, claim, &[(Uuid::nil(), "1")]).await), "FINDING_NOT_IN_CLAIM");
    let results = confirm(&pool, claim, &[(res, "3.00"), (dim, "3.53")]).await.unwrap();
    let of = |finding: Uuid| results.iter().find(|result| result.finding == finding).unwrap();
    assert_eq!(of(res).credited, Some("3.00".parse().unwrap()));
    assert_eq!(of(dim).refused.as_ref().map(|refused| refused.code), Some("TRANSITION_NOT_ALLOWED"));
    with_tenant(&pool, TENANT_A, async |mut tx| claim::close(&mut tx, claim, &by()).await).await.unwrap();
    let path = "select to_state from ship_claim_events order by case to_state when 'DRAFT' then 1 when 'READY' then 2
                when 'SUBMITTED' then 3 when 'ACKNOWLEDGED' then 4 when 'CREDIT_CONFIRMED' then 5 else 6 end";
    let path: Vec<Value> = select(&pool, TENANT_A, path).await.as_array().unwrap().clone();
    assert_eq!(path.len(), 6, "each move has its audit row, and what was rolled back has none: {path:?}");

    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let told = select(&pool, TENANT_A, "select subject, body_text from notification_deliveries").await;
    assert_eq!(told[0]["subject"], "[Exception] CREDIT_SHORT: claim T-1 at FEDEX");
    let text = told[0]["body_text"].as_str().unwrap();
    assert!(text.contains("Amount: 6.58 CAD") && text.contains("Credited: 3.00 CAD"), "{text}");
}

#[tokio::test]
async fn a_claim_that_fails_is_told_and_may_still_be_paid() {
    let (_db, pool) = with_findings().await;
    let res = id_of(&pool, TENANT_A, "RES_MISAPPLIED").await;
    act(&pool, res, FindingAction::Dispute).await.unwrap();
    let claim = draft(&pool, &[res]).await.unwrap();
    with_tenant(&pool, TENANT_A, async |mut tx| claim::prepare(&mut tx, claim, &by()).await).await.unwrap();
    ticket(&pool, claim, ClaimAction::Submit, "T-2").await.unwrap();
    let failed =
        with_tenant(&pool, TENANT_A, async |mut tx| claim::fail(&mut tx, &Queue::new(), claim, &by()).await).await;
    assert_eq!(failed.unwrap(), ClaimState::Failed);
    let told =
        select(&pool, TENANT_A, "select payload ->> 'kind' as kind from rls_jobs where lane = 'notification_event'")
            .await;
    assert_eq!(told, json!([{"kind": "CLAIM_FAILED"}]));
    confirm(&pool, claim, &[(res, "3.05")]).await.unwrap();
    assert_eq!(select(&pool, TENANT_A, "select state from ship_claims").await, json!([{"state": "CREDIT_CONFIRMED"}]));
    let other = with_tenant(&pool, TENANT_B, async |mut tx| claim::close(&mut tx, claim, &by()).await).await;
    assert_eq!(code(other), "CLAIM_NOT_FOUND");
}
