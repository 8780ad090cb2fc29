//! A screening request in, verdicts on products out, and the orders that they catch.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::notifications::catching::{self, Catch};
use crate::notifications::events::{Event, raise};
use crate::orders::row::sku_norm;
use crate::table::FileError;
use crate::trade::measure::ruleset_hash;
use crate::trade::screening::{self, Flip, Policy, Run};
use crate::trade::{detection, law};
use crate::workers::outcome::{Job, LaneError, Outcome};
use crate::workers::planning;

/// Products that are screened at once.
const BATCH: i64 = 1_000;

/// What is to be screened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Payload {
    /// The products; the whole catalog when there are none.
    #[serde(default)]
    pub skus: Option<Vec<String>>,
    /// `always`, `changed_only` or `stale_only`.
    #[serde(default)]
    pub run_policy: Option<String>,
    /// How old a verdict may be with `stale_only`.
    #[serde(default)]
    pub days: Option<u32>,
    /// Whose law.
    pub screening_authority: String,
    /// The day; the job's own when there is none.
    #[serde(default)]
    pub as_of: Option<NaiveDate>,
    /// Who asked.
    #[serde(default)]
    pub trigger: Option<String>,
}

impl Payload {
    /// Reads the payload of a job.
    ///
    /// # Errors
    /// `PAYLOAD_INVALID`.
    pub fn read(text: &[u8]) -> Result<Payload, FileError> {
        serde_json::from_slice(text).map_err(|error| FileError::new("PAYLOAD_INVALID", error.to_string()))
    }

    /// Products whose current version has no verdict yet.
    #[must_use]
    pub fn of_changed(trigger: &str) -> Payload {
        Payload {
            run_policy: Some("changed_only".to_owned()),
            screening_authority: "CA".to_owned(),
            trigger: Some(trigger.to_owned()),
            ..Payload::default()
        }
    }

    fn policy(&self) -> Result<Policy, FileError> {
        match (self.run_policy.as_deref(), self.days) {
            (None | Some("always"), _) => Ok(Policy::Always),
            (Some("changed_only"), _) => Ok(Policy::ChangedOnly),
            (Some("stale_only"), Some(days)) => Ok(Policy::StaleOnly(days)),
            (Some("stale_only"), None) => Err(FileError::new("PAYLOAD_INVALID", "`stale_only` needs `days`")),
            (Some(other), _) => Err(FileError::new("PAYLOAD_INVALID", format!("no run policy `{other}`"))),
        }
    }
}

/// Screens products.
///
/// # Errors
/// When the request is refused, or the database says no.
pub async fn handle(tx: &mut TenantTx, job: &Job, payload: &Payload) -> Result<Outcome, LaneError> {
    if payload.screening_authority != "CA" {
        let message = format!("there are no rules of `{}`", payload.screening_authority);
        return Err(FileError::new("AUTHORITY_UNSUPPORTED", message).into());
    }
    let policy = payload.policy()?;
    let as_of = payload.as_of.unwrap_or(job.today);
    planning::by_key(tx).await?;
    let law = law::load(tx, as_of).await?;
    let ruleset = ruleset_hash(&law.measures);
    let config = detection::load(tx).await?;
    let detects = config.runs_in("sima_validation");
    let skus: Option<Vec<String>> = payload.skus.as_ref().map(|skus| skus.iter().map(|sku| sku_norm(sku)).collect());
    let run = Run { sku_norms: skus.as_deref(), policy, as_of, law: &law, ruleset: &ruleset };

    let mut outcome = Outcome::default();
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut flips = Vec::new();
    let mut caught = Catch::default();
    let mut after = String::new();
    loop {
        let products = screening::next(tx, &run, &after, BATCH).await?;
        let Some(last) = products.last() else { break };
        after = last.sku_norm.clone();
        outcome.rows_total += products.len() as u64;
        let (found, changed) = screening::screen(tx, &run, &products).await?;
        found.iter().for_each(|verdict| *verdicts.entry(verdict.word()).or_default() += 1);
        raise(tx, job, &changed.iter().map(|flip| event(flip, &ruleset, as_of)).collect::<Vec<_>>()).await?;
        flips.extend(changed);
        if detects {
            let touched: Vec<String> = products.into_iter().map(|product| product.sku_norm).collect();
            let orders = catching::orders_of(tx, &touched).await?;
            caught.add(catching::refresh(tx, job, &orders, &config, &ruleset).await?);
        }
    }
    let newly_subject: Vec<&str> =
        flips.iter().filter(|flip| flip.is_now == "SUBJECT").map(|flip| flip.sku.as_str()).take(1_000).collect();
    outcome.rows_imported = outcome.rows_total;
    outcome.output("verdicts", verdicts);
    outcome.output("flips", flips.len());
    outcome.output("newlySubject", newly_subject);
    outcome.output("caughtOrders", caught.caught);
    outcome.output("leftOut", caught.left_out);
    outcome.output("ruleset", &ruleset);
    Ok(outcome)
}

fn event(flip: &Flip, ruleset: &str, as_of: NaiveDate) -> Event {
    let short = ruleset.get(..8).unwrap_or(ruleset);
    Event {
        key: format!("evt:verdict:{}:{short}:{as_of}:{}", flip.sku, flip.is_now),
        kind: "trade.verdict.changed",
        payload: json!({"sku": flip.sku, "was": flip.was, "is": flip.is_now}),
    }
}
