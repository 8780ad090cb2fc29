//! What an operator does about findings and claims; what comes back is JSON.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use rls_runtime::queue::Queue;
use rls_runtime::{TenantId, TenantTx, with_tenant};
use rls_worker::claims::claim;
use rls_worker::claims::finding::{self, Evidence};
use rls_worker::claims::states::{ClaimAction, FindingAction};
use rls_worker::desk::{By, DeskError, Refused};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::say::say_json;
use super::verb::{Verb, verbs};
use super::{Passed, Runtime};

/// Whose desk it is.
#[derive(clap::Args)]
pub(super) struct Desk {
    #[command(flatten)]
    pub(super) runtime: Runtime,
    /// Whose desk it is
    #[arg(long)]
    pub(super) tenant: TenantId,
    /// Who does it
    #[arg(long, env = "USER", default_value = "operator")]
    by: String,
    /// Why
    #[arg(long)]
    note: Option<String>,
}

/// What shows that a carrier gave money back.
#[derive(clap::Args)]
struct Proof {
    /// Where the credit is said: a credit note, an invoice
    #[arg(long)]
    source: Option<String>,
    /// Its number
    #[arg(long)]
    reference: Option<String>,
    /// When it was confirmed, as `2026-03-01T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    confirmed: Option<DateTime<Utc>>,
}

#[derive(clap::Args)]
pub(super) struct FindingCommand {
    /// What to do
    #[arg(value_parser = verbs::<FindingAction>("All findings"))]
    action: Verb<FindingAction>,
    /// The findings; a credit has one
    findings: Vec<Uuid>,
    /// What was given back, for `credit`
    #[arg(long)]
    amount: Option<Decimal>,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    desk: Desk,
}

#[derive(clap::Args)]
pub(super) struct ClaimCommand {
    /// What to do
    action: OnClaim,
    /// The claim; for `draft` its findings
    ids: Vec<Uuid>,
    /// The carrier's number for it, for `submit` and `acknowledge`
    #[arg(long, default_value = "")]
    ticket: String,
    /// What was given back for a finding, for `confirm`
    #[arg(long = "credit", value_name = "FINDING=AMOUNT", value_parser = amount)]
    credits: Vec<(Uuid, Decimal)>,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    desk: Desk,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnClaim {
    /// All claims
    List,
    /// Start one with these findings
    Draft,
    /// Make the packet for the carrier
    Prepare,
    /// Note that the carrier has it
    Submit,
    /// Note that the carrier says that it has it
    Acknowledge,
    /// Note that the carrier does not take it
    Fail,
    /// Note what the carrier gave back for each finding
    Confirm,
    /// End it
    Close,
}

fn amount(text: &str) -> Result<(Uuid, Decimal), String> {
    let parsed = text.split_once('=').and_then(|(id, amount)| id.parse().ok().zip(rls_worker::money::parse(amount)));
    parsed.ok_or_else(|| "write it as `FINDING=12.34`".to_owned())
}

impl Desk {
    pub(super) fn by(&self) -> By<'_> {
        let at = DateTime::<Utc>::from(std::time::SystemTime::now());
        By { actor: &self.by, note: self.note.as_deref(), at }
    }
}

impl Proof {
    /// What is not given is missing in the evidence too, which is then refused.
    fn evidence(&self) -> Evidence {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let confirmed_at = self.confirmed.unwrap_or(DateTime::<Utc>::MAX_UTC);
        Evidence { source: text(&self.source), reference: text(&self.reference), confirmed_at }
    }
}

/// Whoever wants to do something says about what.
pub(super) fn named<A, T>(verb: &Verb<A>, those: &[T]) -> anyhow::Result<()> {
    let is_about_none = matches!(verb, Verb::Do(_)) && those.is_empty();
    anyhow::ensure!(!is_about_none, "about which? name one or more; `list` shows them");
    Ok(())
}

pub(super) async fn finding(command: &FindingCommand) -> anyhow::Result<Passed> {
    named(&command.action, &command.findings)?;
    let (pool, by) = (command.desk.runtime.pool().await?, command.desk.by());
    show(with_tenant(&pool, command.desk.tenant, async |mut tx| act(&mut tx, command, &by).await).await)
}

async fn act(tx: &mut TenantTx, command: &FindingCommand, by: &By<'_>) -> Result<Value, DeskError> {
    let queue = Queue::new();
    match (command.action, command.findings.as_slice()) {
        (Verb::List, _) => Ok(json!(finding::list(tx).await?)),
        (Verb::Do(FindingAction::Credit), [finding]) => {
            let (amount, evidence) = (command.amount.unwrap_or_default(), command.proof.evidence());
            let state = finding::credit(tx, &queue, *finding, amount, &evidence, by).await?;
            Ok(json!([{"finding": finding, "state": state}]))
        }
        (Verb::Do(action), findings) => finding::act_on_all(tx, findings, action, by).await.map(batch),
    }
}

fn batch(moved: Vec<(Uuid, Result<impl Serialize, Refused>)>) -> Value {
    let one = |(finding, result)| match result {
        Ok(state) => json!({"finding": finding, "state": state}),
        Err(refused) => json!({"finding": finding, "refused": refused}),
    };
    moved.into_iter().map(one).collect()
}

pub(super) async fn claim(command: &ClaimCommand) -> anyhow::Result<Passed> {
    let is_about_one = !matches!(command.action, OnClaim::List | OnClaim::Draft);
    let id = command.ids.first().copied();
    let id = if is_about_one { id.context("which claim? name its id")? } else { Uuid::nil() };
    let (pool, by) = (command.desk.runtime.pool().await?, command.desk.by());
    show(with_tenant(&pool, command.desk.tenant, async |mut tx| move_claim(&mut tx, command, id, &by).await).await)
}

async fn move_claim(tx: &mut TenantTx, command: &ClaimCommand, id: Uuid, by: &By<'_>) -> Result<Value, DeskError> {
    let queue = Queue::new();
    let state = match command.action {
        OnClaim::List => return Ok(json!(claim::list(tx).await?)),
        OnClaim::Draft => return Ok(json!({"claim": claim::draft(tx, &command.ids, by).await?, "state": "DRAFT"})),
        OnClaim::Confirm => {
            let evidence = command.proof.evidence();
            let findings = claim::confirm_credit(tx, &queue, id, &command.credits, &evidence, by).await?;
            return Ok(json!({"claim": id, "state": ClaimAction::ConfirmCredit.to(), "findings": findings}));
        }
        OnClaim::Prepare => claim::prepare(tx, id, by).await?,
        OnClaim::Submit => claim::note_ticket(tx, id, ClaimAction::Submit, &command.ticket, by).await?,
        OnClaim::Acknowledge => claim::note_ticket(tx, id, ClaimAction::Acknowledge, &command.ticket, by).await?,
        OnClaim::Fail => claim::fail(tx, &queue, id, by).await?,
        OnClaim::Close => claim::close(tx, id, by).await?,
    };
    Ok(json!({"claim": id, "state": state}))
}

/// What was refused is said in the same form as by the public interface.
pub(super) fn show(done: Result<Value, DeskError>) -> anyhow::Result<Passed> {
    let (value, all_done) = match done {
        Ok(value) => {
            let is_refused = |item: &Value| item.get("refused").is_some_and(|refused| !refused.is_null());
            let all_done = !value.as_array().is_some_and(|items| items.iter().any(is_refused));
            (value, all_done)
        }
        Err(DeskError::Refused(refused)) => (serde_json::to_value(refused)?, false),
        Err(other) => return Err(other.into()),
    };
    say_json(&value)?;
    Ok(if all_done { Passed::Yes } else { Passed::No })
}
