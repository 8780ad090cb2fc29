//! What a carrier agreed to in, what a charge should cost on a day out.

use std::cmp::Reverse;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::money::cents;
use crate::orders::linkage::normalised;

/// What a row of an agreement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// The agreement itself.
    Header,
    /// A price by service, zone and weight.
    Rate,
    /// A percentage off, by service and charge code, with a floor.
    Discount,
    /// A price of a surcharge, less a percentage.
    Accessorial,
    /// The fuel surcharge of a week.
    Fuel,
    /// A service that is paid back when late.
    Guarantee,
    /// The zone of the postal codes that start with its code.
    Zone,
}

/// One row of an agreement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// What it is.
    pub kind: Kind,
    /// The service; all when empty.
    pub service: Option<String>,
    /// The zone; all when empty.
    pub zone: Option<String>,
    /// The charge code.
    pub code: Option<String>,
    /// The heaviest weight that a rate is for, in pounds.
    pub weight_to: Option<Decimal>,
    /// A price.
    pub amount: Option<Decimal>,
    /// A percentage.
    pub pct: Option<Decimal>,
    /// The floor of a discounted price.
    pub minimum: Option<Decimal>,
    /// What makes a weight of a volume.
    pub dim_divisor: Option<Decimal>,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

/// What one carrier agreed to for one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The carrier, in upper case.
    pub carrier: String,
    /// The account.
    pub account: String,
    /// The currency of all amounts.
    pub currency: String,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Its terms.
    pub terms: Vec<Term>,
}

impl Agreement {
    /// What makes a weight of a volume, where it was negotiated.
    #[must_use]
    pub fn dim_divisor(&self, day: NaiveDate) -> Option<Decimal> {
        self.on(Kind::Header, day).find_map(|term| term.dim_divisor)
    }

    /// The list price of a service in a zone at a weight.
    #[must_use]
    pub fn rate(&self, service: &str, zone: &str, weight: Decimal, day: NaiveDate) -> Option<Decimal> {
        let rates = self.on(Kind::Rate, day).filter(|term| {
            let in_zone = term.zone.as_deref().is_none_or(|of| same_zone(of, zone));
            in_zone && fits(&term.service, service) && term.weight_to.is_none_or(|heaviest| weight <= heaviest)
        });
        let order = |term: &&Term| (Reverse(own(term)), term.weight_to.unwrap_or(Decimal::MAX));
        rates.min_by_key(order).and_then(|term| term.amount)
    }

    /// The percentage off a charge, and its floor.
    #[must_use]
    pub fn discount(&self, service: &str, code: &str, day: NaiveDate) -> Option<(Decimal, Option<Decimal>)> {
        let discounts =
            self.on(Kind::Discount, day).filter(|term| fits(&term.service, service) && fits(&term.code, code));
        discounts.max_by_key(|term| own(term)).and_then(|term| Some((term.pct?, term.minimum)))
    }

    /// What a surcharge costs after its discount.
    #[must_use]
    pub fn accessorial(&self, service: &str, code: &str, day: NaiveDate) -> Option<Decimal> {
        let of_code = self.on(Kind::Accessorial, day).filter(|term| term.code.as_deref() == Some(code));
        let price = of_code.filter(|term| fits(&term.service, service)).max_by_key(|term| own(term));
        price.and_then(|term| Some(less(term.amount?, term.pct.unwrap_or_default())))
    }

    /// The fuel surcharge of the week of a day, in percent.
    #[must_use]
    pub fn fuel(&self, service: &str, day: NaiveDate) -> Option<Decimal> {
        let rates = self.on(Kind::Fuel, day).filter(|term| fits(&term.service, service));
        rates.max_by_key(|term| own(term)).and_then(|term| term.pct)
    }

    /// Whether a service is paid back when it is late.
    #[must_use]
    pub fn guarantees(&self, service: &str, day: NaiveDate) -> bool {
        self.on(Kind::Guarantee, day).any(|term| fits(&term.service, service))
    }

    /// The zone of a postal code, by the longest start that the agreement lists.
    #[must_use]
    pub fn zone(&self, service: &str, postal: &str, day: NaiveDate) -> Option<&str> {
        let postal = normalised(postal);
        let starts = |term: &&Term| term.code.as_deref().is_some_and(|code| postal.starts_with(&normalised(code)));
        let zones = self.on(Kind::Zone, day).filter(|term| fits(&term.service, service)).filter(starts);
        zones.max_by_key(|term| (term.code.as_deref().map(str::len), own(term))).and_then(|term| term.zone.as_deref())
    }

    fn on(&self, kind: Kind, day: NaiveDate) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(move |term| term.kind == kind && (term.from..=term.to).contains(&day))
    }
}

/// A price less a percentage, in cents.
#[must_use]
pub fn less(price: Decimal, pct: Decimal) -> Decimal {
    cents(price * (Decimal::ONE_HUNDRED - pct) / Decimal::ONE_HUNDRED)
}

/// How much of it is said for itself: a term of a service and a zone goes before one of all.
fn own(term: &Term) -> usize {
    [&term.service, &term.zone, &term.code].into_iter().flatten().count()
}

/// Zones are the same in whatever case, and with zeros in front or not.
#[must_use]
pub fn same_zone(one: &str, other: &str) -> bool {
    let plain = |zone: &str| zone.trim().trim_start_matches('0').to_uppercase();
    plain(one) == plain(other)
}

/// A term without a service is for all services.
fn fits(term: &Option<String>, value: &str) -> bool {
    term.as_deref().is_none_or(|term| term == value)
}
