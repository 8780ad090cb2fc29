//! A surcharge in, why it is not due out.

use chrono::{Datelike as _, Weekday};
use rust_decimal::Decimal;

use super::case::Case;
use super::shipment::Shipment;
use super::{Finding, OrderFacts};
use crate::money::plain;
use crate::orders::linkage::normalised;
use crate::ship::charge::Charge;
use crate::ship::tenant_carrier_overrides::ResidentialSource;

/// Nothing is due where its reason is not there; else what was agreed is.
pub(super) fn audit(case: &Case<'_>, shipment: &Shipment<'_>) -> Option<Finding> {
    let nothing = |(kind, evidence): (&str, String)| case.finding(kind, Decimal::ZERO, evidence);
    not_due(case, shipment).and_then(nothing).or_else(|| {
        let (charge, agreement) = (case.charge, case.agreement?);
        let expected = agreement.accessorial(&charge.service, &charge.code, case.day)?;
        case.finding("RATE_MISMATCH", expected, format!("{} is agreed at {}", charge.code, plain(expected)))
    })
}

fn not_due(case: &Case<'_>, shipment: &Shipment<'_>) -> Option<(&'static str, String)> {
    let (charge, settings, order) = (case.charge, &case.settings, shipment.order);
    let invalid = |evidence: String| Some(("SURCHARGE_INVALID", evidence));
    match charge.code.as_str() {
        "RES" => not_a_home(charge, settings.residential_source, order).map(|why| ("RES_MISAPPLIED", why)),
        "ADC" => {
            let ordered = order.and_then(|order| order.ship_to_postal.as_deref()).map(normalised);
            let is_same = ordered.is_some() && ordered == charge.dest_postal.as_deref().map(normalised);
            is_same.then(|| ("ADDRESS_CORRECTION_INVALID", "the address is that of the order".to_owned()))
        }
        "AHS" if is_small(charge) => invalid("no side reaches what additional handling is for".to_owned()),
        "SAT" => {
            let (day, _) = shipment.delivered?;
            (day.weekday() != Weekday::Sat).then(|| ("SURCHARGE_INVALID", "not delivered on a Saturday".to_owned()))
        }
        "DAS" => {
            let (areas, postal) = settings.das_postal_codes.as_ref().zip(charge.dest_postal.as_deref())?;
            let is_listed = areas.iter().any(|start| normalised(postal).starts_with(start.as_str()));
            (!is_listed).then(|| ("SURCHARGE_INVALID", format!("{postal} is in no delivery area of the tenant's list")))
        }
        "LPS" => {
            let (listed, order) = settings.lps_skus.as_ref().zip(order.filter(|order| !order.skus.is_empty()))?;
            let is_listed = order.skus.iter().any(|sku| listed.contains(sku));
            let why = || format!("order {} has no product of the tenant's oversize list", order.order_number);
            (!is_listed).then(|| ("SURCHARGE_INVALID", why()))
        }
        _ => None,
    }
}

fn not_a_home(charge: &Charge, source: ResidentialSource, order: Option<&OrderFacts>) -> Option<String> {
    match source {
        ResidentialSource::Order => {
            let order = order.filter(|order| order.address_type.as_deref() == Some("C"))?;
            Some(format!("order {} goes to a business", order.order_number))
        }
        ResidentialSource::Carrier => {
            (charge.residential == Some(false)).then(|| "the carrier itself says that it is no home".to_owned())
        }
    }
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
