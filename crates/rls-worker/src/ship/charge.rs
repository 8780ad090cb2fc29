//! One charge of one invoice, whatever file it came from.

use chrono::{NaiveDate, NaiveTime};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::fingerprint;

/// The charge codes that we know.
pub const CODES: &[&str] =
    &["FRT", "FUEL", "RES", "DAS", "ADC", "AHS", "LPS", "SAT", "SIG", "DUTY", "TAX", "BROK", "ADJ", "CREDIT", "OTHER"];

/// What carriers call charges, in lower case, and what we call them.
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("fuel", "FUEL"),
    ("residential", "RES"),
    ("delivery area", "DAS"),
    ("extended area", "DAS"),
    ("remote area", "DAS"),
    ("address correction", "ADC"),
    ("additional handling", "AHS"),
    ("oversize", "LPS"),
    ("large package", "LPS"),
    ("saturday", "SAT"),
    ("signature", "SIG"),
    ("delivery confirmation", "SIG"),
    ("brokerage", "BROK"),
    ("clearance", "BROK"),
    ("duty", "DUTY"),
    ("gst", "TAX"),
    ("hst", "TAX"),
    ("tax", "TAX"),
    ("adjustment", "ADJ"),
    ("credit", "CREDIT"),
];

/// One charge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
#[sqlx(default)]
pub struct Charge {
    /// The file's own line.
    pub row_number: i64,
    /// The carrier, in upper case.
    pub carrier: String,
    /// The account that is billed.
    pub account: String,
    /// The invoice.
    pub invoice_number: String,
    /// The day of the invoice.
    pub invoice_date: NaiveDate,
    /// The shipment; nothing for a charge of the whole invoice.
    pub tracking: Option<String>,
    /// The service as the agreement has it.
    pub service: String,
    /// When it was shipped.
    pub ship_date: Option<NaiveDate>,
    /// When it arrived.
    pub delivered_on: Option<NaiveDate>,
    /// The time of that day.
    pub delivered_time: Option<NaiveTime>,
    /// When it was to arrive at the latest.
    pub committed_on: Option<NaiveDate>,
    /// The time of that day.
    pub committed_time: Option<NaiveTime>,
    /// The service that was asked for.
    pub ordered_service: Option<String>,
    /// Whether the carrier ever saw the label.
    pub scanned: Option<bool>,
    /// Whether the carrier says that it went to a home.
    pub residential: Option<bool>,
    /// The zone that is billed.
    pub zone: Option<String>,
    /// The zone that was agreed.
    pub agreed_zone: Option<String>,
    /// Weighed and measured in kilograms and centimetres.
    pub is_metric: bool,
    /// As weighed, in pounds.
    pub actual_weight_lb: Option<Decimal>,
    /// As billed, in pounds.
    pub billed_weight_lb: Option<Decimal>,
    /// In inches.
    pub length_in: Option<Decimal>,
    /// In inches.
    pub width_in: Option<Decimal>,
    /// In inches.
    pub height_in: Option<Decimal>,
    /// Where it went.
    pub dest_postal: Option<String>,
    /// Where it went.
    pub dest_country: Option<String>,
    /// One of [`CODES`].
    pub code: String,
    /// The code that it would have without the tenant's own map, where that gives it another.
    #[serde(skip)]
    #[sqlx(skip)]
    pub mapped_from: Option<String>,
    /// The carrier's own code.
    pub carrier_code: Option<String>,
    /// What the carrier calls it.
    pub description: Option<String>,
    /// Before the discount.
    pub gross: Decimal,
    /// The discount, not negative.
    pub discount: Decimal,
    /// What is billed.
    pub net: Decimal,
    /// The currency.
    pub currency: String,
    /// What the shipper wrote on it.
    pub references: Vec<String>,
    /// The total of the invoice, where the carrier states it.
    pub stated_total: Option<Decimal>,
}

impl Charge {
    /// The same charge has the same fingerprint in whatever invoice or file it stands, and however the tenant maps its code.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let day = self.ship_date.map_or(String::new(), |day| day.to_string());
        let tracking = self.tracking.as_deref().unwrap_or_default();
        let code = self.mapped_from.as_ref().unwrap_or(&self.code);
        fingerprint::of_texts([tracking, code, &self.service, &money(self.net), &self.currency, &day])
    }

    /// Whether it is freight of a shipment that nobody names. Other charges may be of the whole invoice.
    #[must_use]
    pub fn is_astray(&self) -> bool {
        self.code == "FRT" && self.tracking.is_none()
    }

    /// Whether the amounts belong together to two cents.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        (self.gross - self.discount - self.net).abs() <= Decimal::new(2, 2)
    }
}

/// A figure as text that is the same whatever zeros it was written with.
fn money(value: Decimal) -> String {
    value.normalize().to_string()
}

/// What a description means; nothing where it is not known.
#[must_use]
pub fn code_of(description: &str) -> Option<&'static str> {
    let lower = description.to_lowercase();
    DESCRIPTIONS.iter().find(|(words, _)| lower.contains(words)).map(|(_, code)| *code)
}

/// Letters and digits only, in upper case.
#[must_use]
pub fn tracking(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
    (!plain.is_empty()).then_some(plain)
}

/// Whether a spreadsheet has made a number of it, and lost its digits.
#[must_use]
pub fn is_corrupted(text: &str) -> bool {
    let mantissa = text.to_uppercase().split_once("E+").map(|(mantissa, _)| mantissa.to_owned());
    mantissa.is_some_and(|mantissa| mantissa.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// What a pound weighs, in kilograms.
pub const KG_OF_LB: Decimal = Decimal::from_parts(45_359_237, 0, 0, false, 8);

/// What an inch measures, in centimetres.
pub const CM_OF_IN: Decimal = Decimal::from_parts(254, 0, 0, false, 2);

/// Whether a weight is in kilograms.
#[must_use]
pub fn is_kilograms(unit: &str) -> bool {
    unit.to_uppercase().starts_with('K')
}

/// Whether a length is in centimetres.
#[must_use]
pub fn is_centimetres(unit: &str) -> bool {
    unit.to_uppercase().starts_with('C')
}

/// A weight in pounds.
#[must_use]
pub fn pounds(value: Decimal, unit: &str) -> Decimal {
    if is_kilograms(unit) { (value / KG_OF_LB).round_dp(6) } else { value }
}

/// A length in inches.
#[must_use]
pub fn inches(value: Decimal, unit: &str) -> Decimal {
    if is_centimetres(unit) { (value / CM_OF_IN).round_dp(6) } else { value }
}
