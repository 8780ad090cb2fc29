//! What somebody decides about orders that are caught and products that need a review in, what follows from it out.
//!
//! A decision goes before what the machine says, until the product or the rules change.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rls_runtime::queue::Queue;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::desk::{By, DeskError, Refused};
use crate::money;
use crate::notifications::catching::{self, Catch};
use crate::notifications::{events, zone};
use crate::orders::row::sku_norm;
use crate::trade::detection;
use crate::workers::outcome::Job;

/// What is done about an order that is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CaughtAction {
    /// Say that somebody looks at it.
    Acknowledge,
    /// Keep it from being shipped.
    Hold,
    /// Let it go.
    Clear,
}

/// What a product is, whatever the machine says; the review's note says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Decision {
    /// Duties are due on it.
    Subject,
    /// None are.
    NotSubject,
}

/// An order that is caught, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct ListedOrder {
    /// Its id, which links name.
    pub id: Uuid,
    /// Its number.
    pub order_number: String,
    /// Where it stands.
    pub state: String,
    /// Who decided that, if somebody did.
    pub decided_by: Option<String>,
    /// The duties, in Canadian dollars.
    #[serde(serialize_with = "money::amount")]
    pub exposure_cad: Decimal,
    /// Whether that is certain.
    pub exposure_kind: String,
    /// By which measures.
    pub measure_codes: Vec<String>,
    /// When it was caught.
    pub first_caught_on: NaiveDate,
}

/// A product that waits for a review, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct ListedProduct {
    /// The product.
    pub sku: String,
    /// The measure that it may be subject to.
    pub measure_code: Option<String>,
    /// Why the machine does not know.
    pub reasons: Vec<String>,
    /// What the duties on one unit could be at most, in Canadian dollars.
    #[serde(serialize_with = "money::amount_if_any")]
    pub upper_bound_cad: Option<Decimal>,
    /// The day of the verdict.
    pub as_of: NaiveDate,
}

impl CaughtAction {
    const fn from(self) -> &'static [&'static str] {
        match self {
            CaughtAction::Acknowledge => &["OPEN"],
            CaughtAction::Hold => &["OPEN", "ACKNOWLEDGED"],
            CaughtAction::Clear => &["OPEN", "ACKNOWLEDGED", "HELD"],
        }
    }

    /// The state that it leads to.
    #[must_use]
    pub const fn to(self) -> &'static str {
        match self {
            CaughtAction::Acknowledge => "ACKNOWLEDGED",
            CaughtAction::Hold => "HELD",
            CaughtAction::Clear => "CLEARED",
        }
    }
}

impl Decision {
    /// The word that tables have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Decision::Subject => "SUBJECT",
            Decision::NotSubject => "NOT_SUBJECT",
        }
    }
}

/// The orders that are caught and that somebody may still do something about, the most exposed first.
///
/// # Errors
/// When the database says no.
pub async fn caught(tx: &mut TenantTx) -> sqlx::Result<Vec<ListedOrder>> {
    sqlx::query_as(
        "select c.id, o.order_number, c.state, c.decided_by, c.exposure_cad, c.exposure_kind, c.measure_codes, c.first_caught_on
         from trade_caught_orders c join orders o on o.tenant_id = c.tenant_id and o.id = c.order_id
         where c.state in ('OPEN', 'ACKNOWLEDGED', 'HELD') order by c.exposure_cad desc, c.id limit 1000",
    )
    .fetch_all(&mut **tx)
    .await
}

/// The products that wait for a review, the oldest first.
///
/// # Errors
/// When the database says no.
pub async fn waiting(tx: &mut TenantTx) -> sqlx::Result<Vec<ListedProduct>> {
    sqlx::query_as(
        "select r.sku, r.measure_code, r.reasons, r.upper_bound_cad, r.as_of from sima_results r
         where r.superseded_by is null and r.verdict = 'NEEDS_REVIEW' and not exists (
             select from sima_reviews v where v.tenant_id = r.tenant_id and v.sku_norm = r.sku_norm
                 and v.product_version = r.product_version and v.ruleset_hash = r.ruleset_hash)
         order by r.as_of, r.sku limit 1000",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Moves an order that is caught. The state that the move starts from is looked at and locked in the same statement.
///
/// # Errors
/// When there is none, or the move is not allowed.
pub async fn act(
    tx: &mut TenantTx,
    caught: Uuid,
    action: CaughtAction,
    by: &By<'_>,
) -> Result<&'static str, DeskError> {
    let today = zone::day(by.at, zone::of_tenant(tx).await?);
    let met: Option<(String, bool)> = sqlx::query_as(
        "with met as (
             select id, state as was from trade_caught_orders where id = $1 for update
         ), moved as (
             update trade_caught_orders c set (state, state_since, decided_by, note) = ($2, $4, $5, $6) from met
             where c.id = met.id and met.was = any ($3) returning c.id
         )
         select was, exists (select from moved) from met",
    )
    .bind(caught)
    .bind(action.to())
    .bind(action.from())
    .bind(today)
    .bind(by.actor)
    .bind(by.note)
    .fetch_optional(&mut **tx)
    .await?;
    match met {
        Some((_, true)) => Ok(action.to()),
        Some((was, false)) => {
            let message = format!("an order that is {was} cannot become {}", action.to());
            let details = json!({"caught": caught, "state": was, "to": action.to(), "from": action.from()});
            Err(Refused::new("TRANSITION_NOT_ALLOWED", message, details).into())
        }
        None => Err(Refused::new("CAUGHT_NOT_FOUND", "the order is not caught", json!({"caught": caught})).into()),
    }
}

/// The product that is decided about.
#[derive(sqlx::FromRow)]
struct Reviewed {
    sku_norm: String,
    product_version: i32,
    ruleset_hash: String,
}

/// Decides what a product is, and weighs the open orders of it anew; another decision replaces an earlier one.
///
/// # Errors
/// When the product has no verdict, or nobody says why.
pub async fn decide(
    tx: &mut TenantTx,
    queue: &Queue,
    sku: &str,
    decision: Decision,
    evidence: Option<&str>,
    by: &By<'_>,
) -> Result<Catch, DeskError> {
    let Some(note) = by.note.map(str::trim).filter(|note| !note.is_empty()) else {
        return Err(Refused::new("NOTE_REQUIRED", "a review says why", json!({"sku": sku})).into());
    };
    let found: Option<Reviewed> = sqlx::query_as(
        "select r.sku_norm, r.product_version, r.ruleset_hash from sima_results r
         where r.sku_norm = $1 and r.superseded_by is null for update",
    )
    .bind(sku_norm(sku))
    .fetch_optional(&mut **tx)
    .await?;
    let not_found = || Refused::new("VERDICT_NOT_FOUND", "the product has no verdict", json!({"sku": sku}));
    let found = found.ok_or_else(not_found)?;
    sqlx::query(
        "insert into sima_reviews (sku_norm, product_version, ruleset_hash, decision, decided_by, note, evidence_ref, decided_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (tenant_id, sku_norm, product_version, ruleset_hash) do update set
             (decision, decided_by, note, evidence_ref, decided_at)
             = (excluded.decision, excluded.decided_by, excluded.note, excluded.evidence_ref, excluded.decided_at)",
    )
    .bind(&found.sku_norm)
    .bind(found.product_version)
    .bind(&found.ruleset_hash)
    .bind(decision.word())
    .bind(by.actor)
    .bind(note)
    .bind(evidence)
    .bind(by.at)
    .execute(&mut **tx)
    .await?;
    weigh(tx, queue, &found, by).await.map_err(DeskError::from)
}

/// Catches and clears the orders of a product by what it is now.
async fn weigh(tx: &mut TenantTx, queue: &Queue, product: &Reviewed, by: &By<'_>) -> sqlx::Result<Catch> {
    let config = detection::load(tx).await?;
    if !config.enabled {
        return Ok(Catch::default());
    }
    // No job of the queue: what it raises is told here.
    let job = Job::at(Uuid::new_v4(), by.at).by_the_clock_of(tx).await?;
    let orders = catching::orders_of(tx, std::slice::from_ref(&product.sku_norm)).await?;
    let weighed = catching::refresh(tx, &job, &orders, &config, &product.ruleset_hash).await?;
    events::tell_raised(tx, queue, job.id).await?;
    Ok(weighed)
}
