//! A freight charge and its agreement in, the one thing that is wrong with it out.

use rust_decimal::Decimal;

use super::Finding;
use super::case::Case;
use super::shipment::Shipment;
use crate::money::plain;
use crate::ship::agreement::{Agreement, less, same_zone};
use crate::ship::charge::{CM_OF_IN, Charge, KG_OF_LB};

/// What makes pounds of cubic inches unless agreed otherwise.
const DIM_DIVISOR: Decimal = Decimal::from_parts(139, 0, 0, false, 0);

/// What makes kilograms of cubic centimetres unless agreed otherwise.
const METRIC_DIM_DIVISOR: Decimal = Decimal::from_parts(5_000, 0, 0, false, 0);

/// The first that fits: late, service, zone, dimensional weight, missing discount, minimum, rate.
///
/// What is expected takes in all that comes after in this order, so that the one finding holds all the money.
/// A delay that is past its own window gives way to a price that can still be disputed.
pub(super) fn audit(case: &Case<'_>, agreement: &Agreement, shipment: &Shipment<'_>) -> Option<Finding> {
    let late = shipment.late(case);
    if late.as_ref().is_some_and(Finding::is_disputable) {
        return late;
    }
    let price = Price::of(case, agreement);
    let of_price = price
        .service(shipment)
        .or_else(|| price.zone())
        .or_else(|| price.dim_weight())
        .or_else(|| price.discount())
        .or_else(|| price.rate());
    match (of_price, late) {
        (Some(price), late) if price.is_disputable() || late.is_none() => Some(price),
        (price, late) => late.or(price),
    }
}

/// What the price of a freight charge is made of.
struct Price<'a> {
    case: &'a Case<'a>,
    charge: &'a Charge,
    agreement: &'a Agreement,
    /// The larger of weight and volume.
    agreed: Option<Decimal>,
    billed: Option<Decimal>,
}

impl<'a> Price<'a> {
    fn of(case: &'a Case<'a>, agreement: &'a Agreement) -> Price<'a> {
        let charge = case.charge;
        let agreed = agreed_weight(case, agreement);
        Price { case, charge, agreement, agreed, billed: charge.billed_weight_lb.map(|weight| rounded(weight, charge)) }
    }

    /// The rate of the service that was asked for.
    fn service(&self, shipment: &Shipment<'_>) -> Option<Finding> {
        let ordered =
            self.charge.ordered_service.as_ref().or(shipment.order.and_then(|order| order.service.as_ref()))?;
        if *ordered == self.charge.service {
            return None;
        }
        let zone = self.agreed_zone().or(self.charge.zone.as_deref()).unwrap_or_default();
        let expected = self.net_at(ordered, zone, self.fair_weight()?)?;
        let evidence = format!("{ordered} was ordered, {} is billed", self.charge.service);
        self.case.finding("SERVICE_MISMATCH", expected, evidence)
    }

    /// The rate of the zone that was agreed.
    fn zone(&self) -> Option<Finding> {
        let (agreed, billed) = self.agreed_zone().zip(self.charge.zone.as_deref())?;
        if same_zone(agreed, billed) {
            return None;
        }
        let expected = self.net_at(&self.charge.service, agreed, self.fair_weight()?)?;
        self.case.finding("ZONE_MISMATCH", expected, format!("zone {agreed} is agreed, zone {billed} is billed"))
    }

    fn dim_weight(&self) -> Option<Finding> {
        let (agreed, billed) = self.agreed.zip(self.billed).filter(|(agreed, billed)| billed > agreed)?;
        let unit = if self.charge.is_metric { "kg" } else { "lb" };
        let evidence =
            format!("{} {unit} billed, {} {unit} by weight and size", billed.normalize(), agreed.normalize());
        self.case.finding("DIM_WEIGHT_ERROR", self.net_in_billed_zone(agreed)?, evidence)
    }

    fn discount(&self) -> Option<Finding> {
        let (pct, _) = self.terms(&self.charge.service);
        let is_missing = self.charge.discount.is_zero() && !pct.is_zero();
        let expected = is_missing.then(|| self.discounted(&self.charge.service, self.charge.gross))?;
        self.case.finding("MISSING_DISCOUNT", expected, format!("the discount of {} % is missing", pct.normalize()))
    }

    fn rate(&self) -> Option<Finding> {
        let charge = self.charge;
        let (weight, zone) = (self.billed.or(self.agreed)?, charge.zone.as_deref().unwrap_or_default());
        let list = self.list_at(&charge.service, zone, weight)?;
        let (pct, minimum) = self.terms(&charge.service);
        let above_floor = minimum.is_some_and(|minimum| less(list, pct) > minimum);
        let is_cut_short = charge.gross == list && !charge.discount.is_zero();
        let unit = if charge.is_metric { "kg" } else { "lb" };
        let found = |kind, why| {
            let evidence = format!(
                "{why}: {} less {} % at {} {unit} in zone {zone}",
                plain(list),
                pct.normalize(),
                weight.normalize()
            );
            self.case.finding(kind, self.discounted(&charge.service, list), evidence)
        };
        let minimum = (above_floor && is_cut_short)
            .then(|| found("MINIMUM_MISAPPLIED", "a floor was charged, though the price is above it"));
        minimum.flatten().or_else(|| found("RATE_MISMATCH", "not the agreed price"))
    }

    /// What a file says, or else what the agreement has for the address.
    fn agreed_zone(&self) -> Option<&str> {
        let by_address = || {
            let postal = self.charge.dest_postal.as_deref()?;
            self.agreement.zone(&self.charge.service, postal, self.case.day)
        };
        self.charge.agreed_zone.as_deref().or_else(by_address)
    }

    /// The lower one of the weight that is billed and the one that is agreed.
    fn fair_weight(&self) -> Option<Decimal> {
        self.agreed.into_iter().chain(self.billed).min()
    }

    fn terms(&self, service: &str) -> (Decimal, Option<Decimal>) {
        self.agreement.discount(service, "FRT", self.case.day).unwrap_or_default()
    }

    fn discounted(&self, service: &str, list: Decimal) -> Decimal {
        let (pct, minimum) = self.terms(service);
        less(list, pct).max(minimum.unwrap_or_default())
    }

    fn list_at(&self, service: &str, zone: &str, weight: Decimal) -> Option<Decimal> {
        let pounds = if self.charge.is_metric { (weight / KG_OF_LB).round_dp(6) } else { weight };
        self.agreement.rate(service, zone, pounds, self.case.day)
    }

    fn net_at(&self, service: &str, zone: &str, weight: Decimal) -> Option<Decimal> {
        self.list_at(service, zone, weight).map(|list| self.discounted(service, list))
    }

    fn net_in_billed_zone(&self, weight: Decimal) -> Option<Decimal> {
        self.net_at(&self.charge.service, self.charge.zone.as_deref().unwrap_or_default(), weight)
    }
}

/// The larger of weight and volume, in whole pounds or kilograms; the sides are rounded up to whole inches or centimetres.
fn agreed_weight(case: &Case<'_>, agreement: &Agreement) -> Option<Decimal> {
    let charge = case.charge;
    let usual = if charge.is_metric { METRIC_DIM_DIVISOR } else { DIM_DIVISOR };
    let divisor = case.settings.dim_divisor.or(agreement.dim_divisor(case.day)).unwrap_or(usual);
    let side = |inches: Decimal| if charge.is_metric { (inches * CM_OF_IN).round_dp(3) } else { inches }.ceil();
    let sides = [charge.length_in, charge.width_in, charge.height_in];
    let volume = sides.into_iter().try_fold(Decimal::ONE, |volume, inches| volume.checked_mul(side(inches?)));
    let by_size = volume.and_then(|volume| volume.checked_div(divisor)).map(|weight| weight.ceil());
    charge.actual_weight_lb.map(|weight| rounded(weight, charge)).max(by_size)
}

/// Rounded up in the unit in which it was weighed.
fn rounded(pounds: Decimal, charge: &Charge) -> Decimal {
    if charge.is_metric { (pounds * KG_OF_LB).round_dp(3).ceil() } else { pounds.ceil() }
}
