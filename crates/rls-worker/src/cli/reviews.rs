//! What an operator decides about orders that are caught and products that need a review; what comes back is JSON.

use rls_runtime::queue::Queue;
use rls_runtime::{TenantTx, with_tenant};
use rls_worker::desk::{By, DeskError};
use rls_worker::reviews::{self, CaughtAction, Decision};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Passed;
use super::desk::{Desk, named, show};
use super::verb::{Verb, verbs};

#[derive(clap::Args)]
pub(super) struct CaughtCommand {
    /// What to do
    #[arg(value_parser = verbs::<CaughtAction>("All that somebody may still do something about"))]
    action: Verb<CaughtAction>,
    /// The orders, by the ids that the list has
    caught: Vec<Uuid>,
    #[command(flatten)]
    desk: Desk,
}

#[derive(clap::Args)]
pub(super) struct ReviewCommand {
    /// What to do
    #[arg(value_parser = verbs::<Decision>("All that wait for a review"))]
    action: Verb<Decision>,
    /// The products
    skus: Vec<String>,
    /// Where what the decision rests on can be found
    #[arg(long, value_name = "REFERENCE")]
    evidence: Option<String>,
    #[command(flatten)]
    desk: Desk,
}

pub(super) async fn caught(command: &CaughtCommand) -> anyhow::Result<Passed> {
    named(&command.action, &command.caught)?;
    let (pool, by) = (command.desk.runtime.pool().await?, command.desk.by());
    show(with_tenant(&pool, command.desk.tenant, async |mut tx| move_caught(&mut tx, command, &by).await).await)
}

async fn move_caught(tx: &mut TenantTx, command: &CaughtCommand, by: &By<'_>) -> Result<Value, DeskError> {
    let Verb::Do(action) = command.action else { return Ok(json!(reviews::caught(tx).await?)) };
    let mut moved = Vec::with_capacity(command.caught.len());
    for caught in &command.caught {
        moved.push(match reviews::act(tx, *caught, action, by).await {
            Ok(state) => json!({"caught": caught, "state": state}),
            Err(DeskError::Refused(refused)) => json!({"caught": caught, "refused": refused}),
            Err(other) => return Err(other),
        });
    }
    Ok(Value::from(moved))
}

pub(super) async fn review(command: &ReviewCommand) -> anyhow::Result<Passed> {
    named(&command.action, &command.skus)?;
    let (pool, by) = (command.desk.runtime.pool().await?, command.desk.by());
    show(with_tenant(&pool, command.desk.tenant, async |mut tx| decide(&mut tx, command, &by).await).await)
}

async fn decide(tx: &mut TenantTx, command: &ReviewCommand, by: &By<'_>) -> Result<Value, DeskError> {
    let Verb::Do(decision) = command.action else { return Ok(json!(reviews::waiting(tx).await?)) };
    let (queue, evidence) = (Queue::new(), command.evidence.as_deref());
    let mut decided = Vec::with_capacity(command.skus.len());
    for sku in &command.skus {
        decided.push(match reviews::decide(tx, &queue, sku, decision, evidence, by).await {
            Ok(orders) => json!({"sku": sku, "decision": decision.word(), "orders": orders}),
            Err(DeskError::Refused(refused)) => json!({"sku": sku, "refused": refused}),
            Err(other) => return Err(other),
        });
    }
    Ok(Value::from(decided))
}
