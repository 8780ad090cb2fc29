//! The charges of one shipment in, what was billed too much out.
//!
//! Money is counted once: a charge has one finding, the first that fits in the order
//! duplicate, dimensional weight, missing discount, minimum, rate.
//! The fuel that was billed on too much is a child of its finding.

mod freight;

use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::carrier_agreement_import::Agreement;
use super::charge::Charge;
use super::tenant_carrier_overrides::{ResidentialSource, Settings};
use crate::fingerprint;
use crate::money::cents;

/// One charge of a shipment, as it is on file.
#[derive(Debug, Clone, PartialEq)]
pub struct Billed {
    /// The charge.
    pub charge: Charge,
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
}

/// What was billed too much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The same finding has the same key however often it is found.
    pub dedupe_key: String,
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
    /// In words.
    pub evidence: String,
}

/// What charges are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// All versions of the tenant's agreements.
    pub agreements: &'a [Agreement],
    /// What holds for the shipment's account.
    pub settings: &'a Settings,
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
    let mut findings = Vec::new();
    let mut good: Vec<&Billed> = Vec::new();
    for billed in sorted {
        match good.iter().find(|earlier| is_same(earlier, billed)) {
            Some(earlier) => {
                let evidence = format!("billed before on invoice {}", earlier.charge.invoice_number);
                findings.extend(finding("DUPLICATE_CHARGE", billed, Decimal::ZERO, evidence, basis));
            }
            None => good.push(billed),
        }
    }
    for billed in &good {
        let charge = &billed.charge;
        let Some(agreement) = agreement(charge, basis) else {
            if !has_agreement(charge, basis) {
                findings.push(unauthorized(billed, basis));
            }
            continue;
        };
        let found = match charge.code.as_str() {
            "FRT" => freight::audit(billed, agreement, basis),
            "FUEL" => fuel(billed, &good, agreement, basis),
            _ => surcharge(billed, agreement, basis),
        };
        if let Some(found) = found {
            findings.extend(fuel_on(&found, billed, &good, agreement, basis));
            findings.push(found);
        }
    }
    findings.retain(|finding| !basis.settings.disabled_findings.contains(&finding.kind));
    findings.sort_by(|a, b| a.dedupe_key.cmp(&b.dedupe_key));
    findings.dedup_by(|a, b| a.dedupe_key == b.dedupe_key);
    findings
}

/// Billed again: on another invoice, or twice on one.
fn is_same(earlier: &Billed, later: &Billed) -> bool {
    let (a, b) = (&earlier.charge, &later.charge);
    let same = a.tracking.is_some() && a.tracking == b.tracking && a.code == b.code && a.net == b.net;
    same && a.currency == b.currency && a.net.is_sign_positive() && !["ADJ", "CREDIT"].contains(&b.code.as_str())
}

/// The version in force when it was shipped; the newest one where several are.
fn agreement<'a>(charge: &Charge, basis: &Basis<'a>) -> Option<&'a Agreement> {
    let day = charge.ship_date.unwrap_or(charge.invoice_date);
    let valid = basis
        .agreements
        .iter()
        .filter(|of| of.carrier == charge.carrier && of.account == charge.account && (of.from..=of.to).contains(&day));
    valid.filter(|of| of.currency == charge.currency).max_by_key(|of| of.from)
}

fn has_agreement(charge: &Charge, basis: &Basis<'_>) -> bool {
    basis.agreements.iter().any(|of| of.carrier == charge.carrier && of.account == charge.account)
}

fn fuel(billed: &Billed, good: &[&Billed], agreement: &Agreement, basis: &Basis<'_>) -> Option<Finding> {
    let charge = &billed.charge;
    let pct = agreement.fuel(&charge.service, day(charge))?;
    let on_same_invoice = good.iter().map(|other| &other.charge).filter(|other| {
        other.invoice_number == charge.invoice_number && basis.settings.fuel_applies_to.contains(&other.code)
    });
    let fuelable: Decimal = on_same_invoice.map(|other| other.net).sum();
    let expected = cents(fuelable * pct / Decimal::ONE_HUNDRED);
    finding("FUEL_MISMATCH", billed, expected, format!("{pct} % of {fuelable}"), basis)
}

/// The fuel on what was billed too much, where fuel was billed at all.
fn fuel_on(
    found: &Finding,
    billed: &Billed,
    good: &[&Billed],
    agreement: &Agreement,
    basis: &Basis<'_>,
) -> Option<Finding> {
    let charge = &billed.charge;
    let is_fuelable = basis.settings.fuel_applies_to.contains(&charge.code);
    let fuel =
        good.iter().find(|other| other.charge.code == "FUEL" && other.charge.invoice_number == charge.invoice_number);
    let pct = agreement.fuel(&charge.service, day(charge))?;
    let variance = cents(found.variance * pct / Decimal::ONE_HUNDRED);
    let fuel = fuel.filter(|_| is_fuelable && variance.is_sign_positive() && !variance.is_zero())?;
    let evidence = format!("{pct} % of the {} of {}", found.variance, found.kind);
    let mut child = raise("FUEL_ON_VARIANCE", fuel, fuel.charge.net - variance, evidence, basis);
    child.dedupe_key = fingerprint::of_texts(["FUEL_ON_VARIANCE", &found.dedupe_key]);
    child.parent_key = Some(found.dedupe_key.clone());
    Some(child)
}

fn surcharge(billed: &Billed, agreement: &Agreement, basis: &Basis<'_>) -> Option<Finding> {
    let charge = &billed.charge;
    let nothing = |kind: &str, evidence: String| finding(kind, billed, Decimal::ZERO, evidence, basis);
    let order = basis.order;
    let commercial = order.filter(|order| order.address_type.as_deref() == Some("C"));
    let postal = |text: &str| text.replace([' ', '-'], "").to_uppercase();
    match charge.code.as_str() {
        "RES" if basis.settings.residential_source == ResidentialSource::Order => {
            if let Some(order) = commercial {
                return nothing("RES_MISAPPLIED", format!("order {} goes to a business", order.order_number));
            }
        }
        "ADC" => {
            let ordered = order.and_then(|order| order.ship_to_postal.as_deref()).map(postal);
            if ordered.is_some() && ordered == charge.dest_postal.as_deref().map(postal) {
                return nothing("ADDRESS_CORRECTION_INVALID", "the address is that of the order".to_owned());
            }
        }
        "AHS" if is_small(charge) => {
            return nothing("SURCHARGE_INVALID", "no side reaches what additional handling is for".to_owned());
        }
        "SAT" if charge.delivered_on.is_some_and(|day| day.weekday() != Weekday::Sat) => {
            return nothing("SURCHARGE_INVALID", "not delivered on a Saturday".to_owned());
        }
        _ => {}
    }
    let expected = agreement.accessorial(&charge.code, day(charge))?;
    finding("RATE_MISMATCH", billed, expected, format!("{} is agreed at {expected}", charge.code), basis)
}

/// Additional handling: longest over 48, second over 30, or length and girth over 105 inches.
fn is_small(charge: &Charge) -> bool {
    let (Some(length), Some(width), Some(height)) = (charge.length_in, charge.width_in, charge.height_in) else {
        return false;
    };
    let mut sides = [length, width, height];
    sides.sort();
    let [least, second, longest] = sides;
    let girth = longest + (least + second) * Decimal::TWO;
    longest <= Decimal::from(48) && second <= Decimal::from(30) && girth <= Decimal::from(105)
}

fn unauthorized(billed: &Billed, basis: &Basis<'_>) -> Finding {
    let charge = &billed.charge;
    let evidence = format!("there is no agreement for account {}", charge.account);
    let mut finding = raise("UNAUTHORIZED_ACCOUNT", billed, charge.net, evidence, basis);
    finding.dedupe_key = fingerprint::of_texts(["UNAUTHORIZED_ACCOUNT", &charge.carrier, &charge.account]);
    finding.tracking = None;
    finding.severity = "EXCEPTION".to_owned();
    finding
}

/// A finding, if the difference is above what is let be.
fn finding(kind: &str, billed: &Billed, expected: Decimal, evidence: String, basis: &Basis<'_>) -> Option<Finding> {
    let tolerance = basis.settings.tolerance_abs.max(expected * basis.settings.tolerance_pct / Decimal::ONE_HUNDRED);
    let variance = billed.charge.net - expected;
    (variance > tolerance).then(|| raise(kind, billed, expected, evidence, basis))
}

fn raise(kind: &str, billed: &Billed, expected: Decimal, evidence: String, basis: &Basis<'_>) -> Finding {
    let charge = &billed.charge;
    let window = Days::new(basis.settings.dispute_window_days);
    let dispute_by = charge.invoice_date.checked_add_days(window).unwrap_or(NaiveDate::MAX);
    let is_late = basis.today > dispute_by;
    let tracking = charge.tracking.as_deref().unwrap_or_default();
    let which = format!("{}@{}#{}", charge.fingerprint(), charge.invoice_number, billed.occurrence);
    Finding {
        dedupe_key: fingerprint::of_texts([kind, tracking, &charge.carrier, &which]),
        kind: kind.to_owned(),
        tracking: charge.tracking.clone(),
        carrier: charge.carrier.clone(),
        account: charge.account.clone(),
        invoice_number: charge.invoice_number.clone(),
        code: charge.code.clone(),
        billed: charge.net,
        expected,
        variance: charge.net - expected,
        currency: charge.currency.clone(),
        severity: if is_late { "INFO" } else { "ERROR" }.to_owned(),
        dispute_by,
        parent_key: None,
        evidence: if is_late { format!("{evidence}; WINDOW_CLOSED") } else { evidence },
    }
}

/// Agreements are those of the day of shipping.
fn day(charge: &Charge) -> NaiveDate {
    charge.ship_date.unwrap_or(charge.invoice_date)
}
