//! The fuel charges of a shipment and what was found of its other charges in, what is wrong with the fuel out.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Finding;
use super::case::Case;
use crate::fingerprint;
use crate::money::{cents, plain};
use crate::ship::agreement::Agreement;

/// What is wrong with a fuel charge, and the fuel on what was billed too much on the same invoice.
///
/// `found` are the findings of the other charges by the places of their cases.
pub(super) fn audit(
    fuel: &Case<'_>,
    agreement: &Agreement,
    cases: &[Case<'_>],
    found: &BTreeMap<usize, Finding>,
) -> Vec<Finding> {
    let on_invoice = || {
        let cases = cases.iter().enumerate();
        cases.filter(|(_, case)| case.charge.invoice_number == fuel.charge.invoice_number)
    };
    let freight = on_invoice().find(|(_, case)| case.charge.code == "FRT");
    let late = freight.and_then(|(at, _)| found.get(&at)).filter(|finding| finding.kind == "LATE_DELIVERY");
    if let Some(parent) = late {
        return late_too(fuel, parent).into_iter().collect();
    }
    // The carriers' exports name the service of the freight only.
    let service = freight.map_or(&fuel.charge.service, |(_, freight)| &freight.charge.service);
    let Some(pct) = agreement.fuel(service, fuel.day) else { return Vec::new() };
    let share = |amount: Decimal| cents(amount * pct / Decimal::ONE_HUNDRED);
    let fuelable: Vec<(usize, &Case<'_>)> =
        on_invoice().filter(|(_, case)| fuel.settings.fuel_applies_to.contains(&case.charge.code)).collect();
    let base: Decimal = fuelable.iter().map(|(_, case)| case.charge.net).sum();
    let mismatch = fuel.finding("FUEL_MISMATCH", share(base), format!("{} % of {}", pct.normalize(), plain(base)));

    let parents: Vec<&Finding> = fuelable.iter().filter_map(|(at, _)| found.get(at)).collect();
    let too_much: Decimal = parents.iter().map(|parent| parent.variance).sum();
    let of_mismatch = mismatch.as_ref().map_or(Decimal::ZERO, |finding| finding.variance);
    let mut left = fuel.charge.net - share(base - too_much) - of_mismatch;
    let mut findings: Vec<Finding> = mismatch.into_iter().collect();
    for parent in parents {
        let variance = share(parent.variance).min(left);
        if variance > Decimal::ZERO && fuel.wants("FUEL_ON_VARIANCE") {
            left -= variance;
            findings.push(child(fuel, parent, variance, pct));
        }
    }
    findings
}

/// The fuel of a delivery that is paid back is paid back too.
fn late_too(fuel: &Case<'_>, freight: &Finding) -> Option<Finding> {
    let mut finding = fuel.finding("LATE_DELIVERY", Decimal::ZERO, freight.evidence.clone())?;
    finding.parent_key = Some(freight.dedupe_key.clone());
    finding.is_auto_disputed |= freight.is_auto_disputed;
    Some(finding)
}

fn child(fuel: &Case<'_>, parent: &Finding, variance: Decimal, pct: Decimal) -> Finding {
    let evidence = format!("{} % of the {} of {}", pct.normalize(), plain(parent.variance), parent.kind);
    let mut child = fuel.raise("FUEL_ON_VARIANCE", fuel.charge.net - variance, evidence);
    child.dedupe_key = fingerprint::of_texts(["FUEL_ON_VARIANCE", &parent.dedupe_key]);
    child.charge_key = fingerprint::of_texts(["FUEL_ON_VARIANCE", &parent.charge_key]);
    child.parent_key = Some(parent.dedupe_key.clone());
    child.is_auto_disputed |= parent.is_auto_disputed;
    child
}
