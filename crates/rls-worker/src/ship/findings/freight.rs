//! A freight charge and its agreement in, the one thing that is wrong with it out.

use rust_decimal::Decimal;

use super::{Basis, Billed, Finding, day, finding};
use crate::ship::carrier_agreement_import::{Agreement, less};
use crate::ship::charge::Charge;

/// What makes a weight of a volume unless agreed otherwise.
const DIM_DIVISOR: Decimal = Decimal::from_parts(139, 0, 0, false, 0);

/// The first that fits: dimensional weight, missing discount, minimum, rate.
pub(super) fn audit(billed: &Billed, agreement: &Agreement, basis: &Basis<'_>) -> Option<Finding> {
    let charge = &billed.charge;
    let day = day(charge);
    let zone = charge.zone.as_deref().unwrap_or_default();
    let (pct, minimum) = agreement.discount(&charge.service, "FRT", day).unwrap_or_default();
    let net = |list: Decimal| less(list, pct).max(minimum.unwrap_or_default());
    let net_at = |weight: Decimal| agreement.rate(&charge.service, zone, weight, day).map(net);
    let agreed = agreed_weight(charge, agreement, basis);
    let billed_weight = charge.billed_weight_lb.map(|weight| weight.ceil());

    if let Some((weight, billed_weight)) = agreed.zip(billed_weight).filter(|(agreed, billed)| billed > agreed) {
        let evidence = format!("{billed_weight} lb billed, {weight} lb by weight and size");
        let found = net_at(weight).and_then(|expected| finding("DIM_WEIGHT_ERROR", billed, expected, evidence, basis));
        if found.is_some() {
            return found;
        }
    }
    if charge.discount.is_zero() && !pct.is_zero() {
        let evidence = format!("the discount of {pct} % is missing");
        let found = finding("MISSING_DISCOUNT", billed, net(charge.gross), evidence, basis);
        if found.is_some() {
            return found;
        }
    }
    let weight = billed_weight.or(agreed)?;
    let list = agreement.rate(&charge.service, zone, weight, day)?;
    let expected = net(list);
    let above_floor = minimum.is_some_and(|minimum| less(list, pct) > minimum);
    let is_cut_short = charge.gross == list && !charge.discount.is_zero();
    let (kind, why) = match above_floor && is_cut_short {
        true => ("MINIMUM_MISAPPLIED", "a floor was charged, though the price is above it"),
        false => ("RATE_MISMATCH", "not the agreed price"),
    };
    finding(kind, billed, expected, format!("{why}: {list} less {pct} % at {weight} lb in zone {zone}"), basis)
}

/// The larger of weight and volume, both rounded up to pounds.
fn agreed_weight(charge: &Charge, agreement: &Agreement, basis: &Basis<'_>) -> Option<Decimal> {
    let divisor = basis.settings.dim_divisor.or(agreement.dim_divisor(day(charge))).unwrap_or(DIM_DIVISOR);
    let area = charge.length_in.zip(charge.width_in).and_then(|(length, width)| length.checked_mul(width));
    let volume = area.zip(charge.height_in).and_then(|(area, height)| area.checked_mul(height));
    let by_size = volume.and_then(|volume| volume.checked_div(divisor)).map(|weight| weight.ceil());
    charge.actual_weight_lb.map(|weight| weight.ceil()).max(by_size)
}
