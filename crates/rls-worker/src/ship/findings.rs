//! The charges of one shipment in, what was billed too much out.
//!
//! Money is counted once: a charge has one finding, the first that fits in the order
//! duplicate, void, late, service, zone, dimensional weight, missing discount, minimum, rate.
//! The fuel that was billed on too much is a child of its finding.

mod case;
mod freight;
mod fuel;
mod shipment;
mod surcharge;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use self::case::Case;
pub(super) use self::shipment::LABEL;
use self::shipment::Shipment;
use super::agreement::Agreement;
use super::charge::Charge;
use super::tenant_carrier_overrides::Override;
use crate::fingerprint;

/// All kinds of findings.
pub const KINDS: &[&str] = &[
    "DUPLICATE_CHARGE",
    "VOID_BILLED",
    "LATE_DELIVERY",
    "SERVICE_MISMATCH",
    "ZONE_MISMATCH",
    "DIM_WEIGHT_ERROR",
    "MISSING_DISCOUNT",
    "MINIMUM_MISAPPLIED",
    "RATE_MISMATCH",
    "FUEL_MISMATCH",
    "FUEL_ON_VARIANCE",
    "RES_MISAPPLIED",
    "ADDRESS_CORRECTION_INVALID",
    "SURCHARGE_INVALID",
    "UNAUTHORIZED_ACCOUNT",
];

/// One charge of a shipment, as it is on file.
#[derive(Debug, Clone, PartialEq)]
pub struct Billed {
    /// The charge.
    pub charge: Charge,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Which of the same charges in its invoice it is.
    pub occurrence: i32,
}

/// What the order of a shipment says.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct OrderFacts {
    /// The order.
    pub order_number: String,
    /// `R` for a home, `C` for a business.
    pub address_type: Option<String>,
    /// Where it was to go.
    pub ship_to_postal: Option<String>,
    /// The service that was asked for.
    pub service: Option<String>,
    /// Its products, where somebody wants to know them.
    pub skus: Vec<String>,
}

/// What was billed too much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The same finding has the same key however often it is found.
    pub dedupe_key: String,
    /// The same charge has the same key whatever is found of it.
    pub charge_key: String,
    /// What is wrong.
    pub kind: String,
    /// The shipment.
    pub tracking: Option<String>,
    /// The carrier.
    pub carrier: String,
    /// The account.
    pub account: String,
    /// The invoice.
    pub invoice_number: String,
    /// The charge's code.
    pub code: String,
    /// What was billed.
    pub billed: Decimal,
    /// What is due.
    pub expected: Decimal,
    /// The difference.
    pub variance: Decimal,
    /// The currency of the three.
    pub currency: String,
    /// `INFO` when it is too late to dispute it.
    pub severity: String,
    /// The last day to dispute it.
    pub dispute_by: NaiveDate,
    /// The finding that this one follows from.
    pub parent_key: Option<String>,
    /// It is large enough to be disputed without asking anybody.
    #[serde(skip)]
    pub is_auto_disputed: bool,
    /// In words.
    pub evidence: String,
}

impl Finding {
    /// Whether it is not too late to dispute it.
    #[must_use]
    pub fn is_disputable(&self) -> bool {
        self.severity != "INFO"
    }
}

/// What charges are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// All versions of the tenant's agreements.
    pub agreements: &'a [Agreement],
    /// All that the tenant has set.
    pub overrides: &'a [Override],
    /// The order, where one is linked.
    pub order: Option<&'a OrderFacts>,
    /// The day of the audit.
    pub today: NaiveDate,
}

/// Audits all charges of one shipment, of all invoices.
#[must_use]
pub fn audit(charges: &[Billed], basis: &Basis<'_>) -> Vec<Finding> {
    let mut sorted: Vec<&Billed> = charges.iter().collect();
    sorted.sort_by_key(|billed| {
        let charge = &billed.charge;
        (charge.invoice_date, charge.invoice_number.as_str(), charge.row_number, billed.occurrence)
    });
    let cases = sorted.into_iter().map(|billed| Case::of(billed, basis)).collect();
    let (good, mut findings) = without_duplicates(cases);
    let shipment = Shipment::of(&good, basis.order, basis.today);
    let mut found: BTreeMap<usize, Finding> = BTreeMap::new();
    for (at, case) in good.iter().enumerate().filter(|(_, case)| case.charge.code != "FUEL") {
        found.extend(judged(case, &shipment).map(|finding| (at, finding)));
    }
    for fuel in good.iter().filter(|case| case.charge.code == "FUEL") {
        match (shipment.void(fuel), fuel.agreement) {
            (Some(void), _) => findings.push(void),
            (None, Some(agreement)) => findings.extend(fuel::audit(fuel, agreement, &good, &found)),
            (None, None) => {}
        }
    }
    findings.extend(found.into_values());
    findings.extend(good.iter().filter_map(|case| unauthorized(case, basis.agreements)));
    findings.sort_by(|a, b| a.dedupe_key.cmp(&b.dedupe_key));
    findings.dedup_by(|a, b| a.dedupe_key == b.dedupe_key);
    findings
}

/// What is wrong with a charge that is not the fuel.
fn judged(case: &Case<'_>, shipment: &Shipment<'_>) -> Option<Finding> {
    shipment.void(case).or_else(|| match (case.charge.code.as_str(), case.agreement) {
        ("FRT", Some(agreement)) => freight::audit(case, agreement, shipment),
        ("FRT", None) => None,
        _ => surcharge::audit(case, shipment),
    })
}

/// The first of each charge, and what is found of those that repeat it. Where nobody wants to know, nothing repeats.
fn without_duplicates(cases: Vec<Case<'_>>) -> (Vec<Case<'_>>, Vec<Finding>) {
    let (mut good, mut findings): (Vec<Case<'_>>, Vec<Finding>) = (Vec::new(), Vec::new());
    for case in cases {
        let earlier = good.iter().find(|earlier| is_same(earlier.charge, case.charge));
        match earlier.filter(|_| case.wants("DUPLICATE_CHARGE")) {
            Some(earlier) => {
                let evidence = format!("billed before on invoice {}", earlier.charge.invoice_number);
                findings.extend(case.finding("DUPLICATE_CHARGE", Decimal::ZERO, evidence));
            }
            None => good.push(case),
        }
    }
    (good, findings)
}

/// Billed again: on another invoice, or twice on one. Charges that we have no name for are the same by the carrier's.
fn is_same(a: &Charge, b: &Charge) -> bool {
    let names = |charge: &Charge| (charge.carrier_code.clone(), charge.description.clone());
    let same_code = a.code == b.code && (a.code != "OTHER" || names(a) == names(b));
    let same = a.tracking.is_some() && a.tracking == b.tracking && same_code && a.net == b.net;
    same && a.currency == b.currency && a.net.is_sign_positive() && !["ADJ", "CREDIT"].contains(&b.code.as_str())
}

/// The key of the one finding that says that there is no agreement for an account.
pub(super) fn unauthorized_key(carrier: &str, account: &str) -> String {
    fingerprint::of_texts(["UNAUTHORIZED_ACCOUNT", carrier, account])
}

/// An account that the tenant has no agreement for: nothing is billed too much, but somebody should know.
fn unauthorized(case: &Case<'_>, agreements: &[Agreement]) -> Option<Finding> {
    let charge = case.charge;
    let is_known = agreements.iter().any(|of| of.carrier == charge.carrier && of.account == charge.account);
    if is_known || !case.wants("UNAUTHORIZED_ACCOUNT") {
        return None;
    }
    let evidence = format!("there is no agreement for account {}", charge.account);
    let mut finding = case.raise("UNAUTHORIZED_ACCOUNT", charge.net, evidence);
    finding.dedupe_key = unauthorized_key(&charge.carrier, &charge.account);
    finding.charge_key.clone_from(&finding.dedupe_key);
    finding.tracking = None;
    finding.severity = "EXCEPTION".to_owned();
    finding.is_auto_disputed = false;
    Some(finding)
}

#[cfg(test)]
mod tests;
