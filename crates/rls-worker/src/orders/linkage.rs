//! Orders and shipments in, which belong together out.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

/// What is known of an order when shipments are looked for.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub struct OrderKey {
    /// The order.
    pub id: Uuid,
    /// Its number.
    pub order_number: String,
    /// The customer's own order.
    pub po_number: Option<String>,
    /// Its day.
    pub order_date: NaiveDate,
    /// The carrier, if known.
    pub carrier: Option<String>,
    /// The shipments that it names.
    pub tracking_numbers: Vec<String>,
    /// Where it goes.
    pub ship_to_postal: Option<String>,
    /// What its lines weigh, if known.
    pub weight_lb: Option<Decimal>,
}

/// What is known of a shipment when its order is looked for.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub struct ShipmentKey {
    /// The shipment.
    pub id: Uuid,
    /// Its carrier.
    pub carrier: String,
    /// Its number, normalised.
    pub tracking_norm: String,
    /// When it was shipped.
    pub ship_date: Option<NaiveDate>,
    /// What the shipper wrote on it.
    pub references: Vec<String>,
    /// Where it went.
    pub dest_postal: Option<String>,
    /// What it weighs.
    pub actual_weight_lb: Option<Decimal>,
}

/// A rule that makes an order and a shipment belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Rule {
    /// The tracking number.
    T1,
    /// The order's number is a reference of the shipment.
    R1,
    /// The customer's order is a reference of the shipment.
    P1,
    /// The address, the day and the weight.
    C1,
}

/// An order that may be the one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The order.
    pub order: Uuid,
    /// Why.
    pub rule: Rule,
    /// How likely, in hundredths.
    pub score: i32,
}

/// What was found for a shipment.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// These orders: several only where all name the tracking number.
    Linked(Vec<Candidate>),
    /// Somebody has to choose.
    Ambiguous(Vec<Candidate>),
    /// None.
    Unmatched,
}

/// Enough to link without asking.
const SURE: i32 = 90;
/// Enough to be a candidate.
const LIKELY: i32 = 60;
/// How much better than the next one.
const LEAD: i32 = 15;

/// Finds the orders of a shipment.
#[must_use]
pub fn link(shipment: &ShipmentKey, orders: &[OrderKey]) -> Link {
    let purchases = purchases(orders);
    let mut found: Vec<Candidate> = orders.iter().filter_map(|order| candidate(shipment, order, &purchases)).collect();
    found.sort_by_key(|candidate| (-candidate.score, candidate.order));
    let by_tracking: Vec<Candidate> = found.iter().filter(|candidate| candidate.rule == Rule::T1).cloned().collect();
    if !by_tracking.is_empty() {
        return Link::Linked(by_tracking);
    }
    let Some(top) = found.first().map(|candidate| candidate.score) else { return Link::Unmatched };
    let second = found.get(1).map_or(0, |candidate| candidate.score);
    if top >= SURE && top - second >= LEAD {
        found.truncate(1);
        return Link::Linked(found);
    }
    Link::Ambiguous(found)
}

/// How many orders share a customer's order.
fn purchases(orders: &[OrderKey]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for number in orders.iter().filter_map(|order| order.po_number.as_deref()) {
        *counts.entry(normalised(number)).or_default() += 1;
    }
    counts
}

/// The best rule that fits.
fn candidate(shipment: &ShipmentKey, order: &OrderKey, purchases: &BTreeMap<String, usize>) -> Option<Candidate> {
    let same_carrier = order.carrier.as_deref().is_none_or(|carrier| carrier == shipment.carrier);
    let is_referred = |number: &str| {
        let number = normalised(number);
        !number.is_empty() && shipment.references.iter().any(|reference| normalised(reference) == number)
    };
    let named = same_carrier && order.tracking_numbers.contains(&shipment.tracking_norm);
    let (rule, score) = if named {
        (Rule::T1, 100)
    } else if is_referred(&order.order_number) {
        (Rule::R1, if in_window(shipment, order, 1, 30) { 95 } else { 80 })
    } else if let Some(number) = order.po_number.as_deref().filter(|number| is_referred(number)) {
        let shared = purchases.get(&normalised(number)).is_some_and(|count| *count > 1);
        (Rule::P1, if shared { 70 } else { 90 })
    } else if is_alike(shipment, order) {
        (Rule::C1, 60)
    } else {
        return None;
    };
    (score >= LIKELY).then_some(Candidate { order: order.id, rule, score })
}

fn in_window(shipment: &ShipmentKey, order: &OrderKey, before: u64, after: u64) -> bool {
    let first = order.order_date.checked_sub_days(Days::new(before)).unwrap_or(NaiveDate::MIN);
    let last = order.order_date.checked_add_days(Days::new(after)).unwrap_or(NaiveDate::MAX);
    shipment.ship_date.is_some_and(|day| (first..=last).contains(&day))
}

fn is_alike(shipment: &ShipmentKey, order: &OrderKey) -> bool {
    let postal = |text: &Option<String>| text.as_deref().map(normalised).filter(|text| !text.is_empty());
    let same_place =
        postal(&order.ship_to_postal).is_some() && postal(&order.ship_to_postal) == postal(&shipment.dest_postal);
    let same_weight = order
        .weight_lb
        .zip(shipment.actual_weight_lb)
        .is_some_and(|(ordered, shipped)| !shipped.is_zero() && (ordered - shipped).abs() * Decimal::TEN <= shipped);
    same_place && same_weight && in_window(shipment, order, 3, 3)
}

/// Upper case, without spaces and hyphens, without the `#` in front.
#[must_use]
pub fn normalised(text: &str) -> String {
    let plain: String = text.to_uppercase().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    plain.trim_start_matches('#').to_owned()
}
