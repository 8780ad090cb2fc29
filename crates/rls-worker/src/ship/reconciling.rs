//! What was found of shipments and what is on file for them in, findings that are written, left alone or superseded out.
//!
//! What somebody has decided is never changed. A finding that nobody has touched and that is not justified any more is
//! dismissed, and its audit row says that the worker did it; if it is justified again it is opened again.

use std::collections::{BTreeMap, BTreeSet};

use rls_runtime::TenantTx;
use sqlx::types::Json;

use super::findings::{Finding, unauthorized_key};
use crate::workers::outcome::Job;

/// A finding that is on file.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
struct Known {
    dedupe_key: String,
    charge_key: Option<String>,
    parent_key: Option<String>,
    state: String,
    /// It was not justified any more at some time.
    is_superseded: bool,
    /// Somebody has done something about it, or claims it.
    is_touched: bool,
}

impl Known {
    /// Somebody is at it, or has got the money for it: the charge cannot be disputed for another reason as well.
    fn is_held(&self) -> bool {
        ["DISPUTED", "SUBMITTED", "CARRIER_REVIEW", "CREDITED"].contains(&self.state.as_str())
    }

    /// The worker closed it, and nobody has said anything about that.
    fn can_come_back(&self) -> bool {
        self.state == "DISMISSED" && self.is_superseded && !self.is_touched
    }
}

/// What is to be done.
#[derive(Debug, Default)]
struct Plan {
    /// What is new or is brought up to date.
    findings: Vec<Finding>,
    /// Those that were superseded and are justified again.
    again: Vec<String>,
    /// Those that are not justified any more.
    superseded: Vec<String>,
}

fn plan(known: &[Known], found: Vec<Finding>) -> Plan {
    let held: BTreeMap<&str, &str> = known
        .iter()
        .filter(|of| of.is_held())
        .filter_map(|of| Some((of.charge_key.as_deref()?, of.dedupe_key.as_str())))
        .collect();
    let is_kept_off =
        |finding: &Finding| held.get(finding.charge_key.as_str()).is_some_and(|key| *key != finding.dedupe_key);
    let kept_off: BTreeSet<String> =
        found.iter().filter(|finding| is_kept_off(finding)).map(|finding| finding.dedupe_key.clone()).collect();
    let is_written = |finding: &Finding| {
        let of_parent = finding.parent_key.as_ref().is_some_and(|parent| kept_off.contains(parent));
        !of_parent && !kept_off.contains(&finding.dedupe_key)
    };
    let findings: Vec<Finding> = found.into_iter().filter(is_written).collect();
    let justified: BTreeSet<&str> = findings.iter().map(|finding| finding.dedupe_key.as_str()).collect();
    let held_keys: BTreeSet<&str> = held.values().copied().collect();
    let goes_with_held = |of: &Known| of.parent_key.as_deref().is_some_and(|parent| held_keys.contains(parent));
    let gone = known.iter().filter(|of| of.state == "OPEN" && !of.is_touched && !goes_with_held(of));
    let superseded =
        gone.filter(|of| !justified.contains(of.dedupe_key.as_str())).map(|of| of.dedupe_key.clone()).collect();
    let again = known.iter().filter(|of| of.can_come_back() && justified.contains(of.dedupe_key.as_str()));
    let again = again.map(|of| of.dedupe_key.clone()).collect();
    Plan { findings, again, superseded }
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// All findings that are justified and are not kept off by what somebody does about the same charge.
    pub(super) findings: Vec<Finding>,
    /// The keys of those that are new, or justified again.
    pub(super) news: BTreeSet<String>,
    /// How many are not justified any more.
    pub(super) superseded: u64,
}

/// Brings the findings of shipments, by carrier and tracking number, in line with what was found.
pub(super) async fn write(
    tx: &mut TenantTx,
    job: &Job,
    shipments: &[(String, String)],
    found: Vec<Finding>,
    settings: &str,
) -> sqlx::Result<Written> {
    let plan = plan(&known(tx, shipments).await?, found);
    let superseded: Vec<&str> = plan.superseded.iter().map(String::as_str).collect();
    let superseded = act(tx, job, Move::Supersede, &superseded).await?;
    let news = store(tx, job, &plan, settings).await?;
    let auto =
        plan.findings.iter().filter(|finding| finding.is_auto_disputed).map(|finding| finding.dedupe_key.as_str());
    act(tx, job, Move::Dispute, &auto.collect::<Vec<_>>()).await?;
    Ok(Written { findings: plan.findings, news: news.into_iter().collect(), superseded })
}

/// Closes the warnings that there is no agreement for an account, now that there is one.
pub(super) async fn supersede_unauthorized(
    tx: &mut TenantTx,
    job: &Job,
    carrier: &str,
    account: &str,
) -> sqlx::Result<u64> {
    act(tx, job, Move::Supersede, &[&unauthorized_key(carrier, account)]).await
}

async fn known(tx: &mut TenantTx, shipments: &[(String, String)]) -> sqlx::Result<Vec<Known>> {
    let (carriers, trackings): (Vec<&str>, Vec<&str>) =
        shipments.iter().map(|(carrier, tracking)| (carrier.as_str(), tracking.as_str())).unzip();
    sqlx::query_as(
        "select f.dedupe_key, f.charge_key, f.parent_key, f.state, f.superseded_by is not null as is_superseded,
             exists (select from ship_finding_events e where e.finding_id = f.id and e.actor <> 'worker')
                 or exists (select from ship_claim_findings k where k.finding_id = f.id) as is_touched
         from unnest($1::text[], $2::text[]) as wanted (carrier, tracking), lateral (
             select id, dedupe_key, charge_key, parent_key, state, superseded_by from ship_findings f
             where f.carrier = wanted.carrier and f.tracking_norm = wanted.tracking offset 0) f",
    )
    .bind(carriers)
    .bind(trackings)
    .fetch_all(&mut *tx)
    .await
}

/// Writes findings, and gives the keys of those that are new or open again. An open one is brought up to date.
async fn store(tx: &mut TenantTx, job: &Job, plan: &Plan, settings: &str) -> sqlx::Result<Vec<String>> {
    if plan.findings.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "with stored as (
             insert into ship_findings as f (dedupe_key, charge_key, kind, tracking_norm, carrier, account,
                 invoice_number, code, billed, expected, variance, currency, severity, dispute_by, parent_key, evidence,
                 settings_hash, job_id)
             select dedupe_key, charge_key, kind, tracking, carrier, account, invoice_number, code, billed, expected,
                 variance, currency, severity, dispute_by, parent_key, evidence, $2, $3
             from jsonb_to_recordset($1) as r (dedupe_key text, charge_key text, kind text, tracking text, carrier text,
                 account text, invoice_number text, code text, billed numeric, expected numeric, variance numeric,
                 currency text, severity text, dispute_by date, parent_key text, evidence text)
             on conflict (tenant_id, dedupe_key) do update set (charge_key, billed, expected, variance, severity,
                 dispute_by, evidence, settings_hash, state, superseded_by) = (excluded.charge_key, excluded.billed,
                 excluded.expected, excluded.variance, excluded.severity, excluded.dispute_by, excluded.evidence,
                 excluded.settings_hash, 'OPEN', null)
             where f.state = 'OPEN' or (f.state = 'DISMISSED' and f.dedupe_key = any ($4))
             returning f.id, f.dedupe_key, xmax = 0 as created
         ), news as (
             select id, dedupe_key, created from stored where created or dedupe_key = any ($4)
         ), noted as (
             insert into ship_finding_events (finding_id, from_state, to_state, job_id)
             select id, case when not created then 'DISMISSED' end, 'OPEN', $3 from news
         )
         select dedupe_key from news",
    )
    .bind(Json(&plan.findings))
    .bind(settings)
    .bind(job.id)
    .bind(&plan.again)
    .fetch_all(&mut *tx)
    .await
}

/// What the worker does about a finding by itself.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// It is not justified any more.
    Supersede,
    /// It is large enough.
    Dispute,
}

impl Move {
    const fn to(self) -> &'static str {
        match self {
            Move::Supersede => "DISMISSED",
            Move::Dispute => "DISPUTED",
        }
    }

    const fn note(self) -> &'static str {
        match self {
            Move::Supersede => "superseded: not justified any more",
            Move::Dispute => "the amount reaches auto_dispute_min",
        }
    }
}

/// Moves those that are open and that nobody has touched, each with its audit row: what somebody has done meanwhile is let be.
async fn act(tx: &mut TenantTx, job: &Job, action: Move, keys: &[&str]) -> sqlx::Result<u64> {
    if keys.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(
        "with moved as (
             update ship_findings f set state = $3, superseded_by = case when $3 = 'DISMISSED' then $2 else f.superseded_by end
             where f.dedupe_key = any (array(select unnest($1::text[]))) and f.state = 'OPEN' and not exists (
                 select from ship_finding_events e where e.finding_id = f.id and e.actor <> 'worker')
             returning f.id
         )
         insert into ship_finding_events (finding_id, from_state, to_state, job_id, note)
         select id, 'OPEN', $3, $2, $4 from moved",
    )
    .bind(keys)
    .bind(job.id)
    .bind(action.to())
    .bind(action.note())
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u128, state: &str) -> Known {
        Known {
            dedupe_key: format!("DIM{id}"),
            charge_key: Some(format!("charge{id}")),
            state: state.to_owned(),
            ..Known::default()
        }
    }

    fn found(key: &str, charge: &str, parent: Option<&str>) -> Finding {
        let finding = serde_json::json!({"dedupe_key": key, "charge_key": charge, "kind": "X", "carrier": "", "account": "",
            "invoice_number": "", "code": "FRT", "billed": "1", "expected": "0", "variance": "1", "currency": "CAD",
            "severity": "ERROR", "dispute_by": "2026-04-01", "parent_key": parent, "evidence": "", "tracking": null});
        serde_json::from_value(finding).unwrap()
    }

    /// The keys that are written, those that come back, and those that are superseded.
    fn planned(known: &[Known], found: Vec<Finding>) -> (Vec<String>, Vec<String>, Vec<String>) {
        let plan = plan(known, found);
        let written = plan.findings.into_iter().map(|finding| finding.dedupe_key).collect();
        (written, plan.again, plan.superseded)
    }

    #[test]
    fn an_open_finding_stays_while_it_is_justified() {
        assert_eq!(
            planned(&[known(1, "OPEN")], vec![found("DIM1", "charge1", None)]),
            (vec!["DIM1".into()], vec![], vec![])
        );
        assert_eq!(planned(&[known(1, "OPEN")], vec![]), (vec![], vec![], vec!["DIM1".into()]));
        let other_kind = planned(&[known(1, "OPEN")], vec![found("RATE1", "charge1", None)]);
        assert_eq!(other_kind, (vec!["RATE1".into()], vec![], vec!["DIM1".into()]), "one charge has one finding");
    }

    #[test]
    fn what_somebody_did_is_left_alone() {
        let touched = Known { is_touched: true, ..known(1, "OPEN") };
        assert_eq!(planned(&[touched], vec![]), (vec![], vec![], vec![]));
        for state in ["DISPUTED", "SUBMITTED", "CARRIER_REVIEW", "CREDITED", "REJECTED", "DISMISSED"] {
            assert_eq!(planned(&[known(1, state)], vec![]), (vec![], vec![], vec![]), "{state}");
        }
        let dismissed = planned(&[known(1, "DISMISSED")], vec![found("DIM1", "charge1", None)]);
        assert_eq!(dismissed.1, [""; 0], "somebody dismissed it");
    }

    #[test]
    fn a_charge_that_is_disputed_is_not_found_under_another_name() {
        for state in ["DISPUTED", "SUBMITTED", "CARRIER_REVIEW", "CREDITED"] {
            let new = vec![found("RATE1", "charge1", None), found("FUEL", "fuel", Some("RATE1"))];
            let child = Known { dedupe_key: "FUEL0".into(), parent_key: Some("DIM1".into()), ..known(2, "OPEN") };
            assert_eq!(planned(&[known(1, state), child], new), (vec![], vec![], vec![]), "{state}");
        }
        let rejected = planned(&[known(1, "REJECTED")], vec![found("RATE1", "charge1", None)]);
        assert_eq!(rejected.0, ["RATE1"], "the carrier has denied another reason");
    }

    #[test]
    fn what_the_worker_superseded_comes_back_when_it_is_justified_again() {
        let superseded = Known { is_superseded: true, ..known(1, "DISMISSED") };
        let again = planned(std::slice::from_ref(&superseded), vec![found("DIM1", "charge1", None)]);
        assert_eq!(again, (vec!["DIM1".into()], vec!["DIM1".into()], vec![]));
        let decided = Known { is_touched: true, ..superseded };
        assert_eq!(planned(&[decided], vec![found("DIM1", "charge1", None)]).1, [""; 0]);
    }
}
