//! The rows of the measures file in, measures with their rates out.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exporter;
use crate::fingerprint;

/// Raise it whenever the encoded rules change: it is part of the ruleset's hash.
const RULES_VERSION: &str = "1";

/// A duty that a rate is for. The two are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Duty {
    /// Anti-dumping duty.
    Ad,
    /// Countervailing duty.
    Cvd,
}

/// How a rate is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RateKind {
    /// A percentage of the export price.
    PctExportPrice,
    /// An amount per unit.
    AmountPerUnit,
    /// The normal value less the export price, per unit.
    NormalValuePerUnit,
    /// The same, with a value that only the exporter knows.
    NormalValueConfidential,
    /// The investigation of this exporter was terminated.
    Terminated,
    /// In force, but the rate was not found. Never zero.
    Unknown,
    /// No duty.
    None,
}

/// Whether a measure is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// With evidence.
    InForce,
    /// With evidence that is old.
    InForceConfirm,
    /// Provisional duty is due.
    Provisional,
    /// There was no injury: no measure.
    Negative,
}

/// One rate of one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The row of the file that it comes from.
    pub id: i32,
    /// The duty.
    pub duty: Duty,
    /// The country that it is for.
    pub country: String,
    /// The exporter that it is for, normalised; nothing for all others.
    pub exporter: Option<String>,
    /// The exporter's number.
    pub exporter_id: Option<String>,
    /// How to read it.
    pub kind: RateKind,
    /// A percentage, an amount or a normal value.
    pub value: Option<Decimal>,
    /// The currency of the value.
    pub currency: Option<String>,
    /// The unit of the value.
    pub unit: Option<String>,
    /// The model that it is for.
    pub model: Option<String>,
    /// The first day.
    pub effective_from: Option<NaiveDate>,
}

/// Months and days of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Season {
    from: (u32, u32),
    to: (u32, u32),
}

impl Season {
    /// Reads `05-01..07-31`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Season> {
        let day = |text: &str| {
            let (month, day) = text.split_once('-')?;
            Some((month.parse().ok()?, day.parse().ok()?))
        };
        let (from, to) = text.split_once("..")?;
        Some(Season { from: day(from)?, to: day(to)? })
    }

    /// Whether a day is in it.
    #[must_use]
    pub fn holds(&self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&(day.month(), day.day()))
    }
}

impl std::fmt::Display for Season {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((from_month, from_day), (to_month, to_day)) = (self.from, self.to);
        write!(f, "{from_month:02}-{from_day:02}..{to_month:02}-{to_day:02}")
    }
}

/// A measure in force, or one that is known not to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its code, as on the declaration.
    pub code: String,
    /// Whether it is in force.
    pub status: Status,
    /// What it covers, in short.
    pub product: String,
    /// Tariff numbers of ten digits, without dots.
    pub hs10: Vec<String>,
    /// Tariff numbers of six digits.
    pub hs6: Vec<String>,
    /// The regions of use that it is for; all when empty.
    pub regions: Vec<String>,
    /// When it does not apply.
    pub season_excluded: Option<Season>,
    /// The rules that decide the scope.
    pub scope_key: String,
    /// The first day.
    pub effective_from: Option<NaiveDate>,
    /// When it lapses unless an order continues it.
    pub nominal_expiry: Option<NaiveDate>,
    /// Its rates.
    pub rates: Vec<Rate>,
}

impl Measure {
    /// Whether goods of this country are named.
    #[must_use]
    pub fn names(&self, country: &str) -> bool {
        self.rates.iter().any(|rate| rate.country == country)
    }

    /// How well a tariff number matches, from none to exact.
    #[must_use]
    pub fn hs_score(&self, hs: &str) -> Decimal {
        let shares = |length: usize| {
            let start = hs.get(..length);
            let listed = self.hs10.iter().chain(&self.hs6);
            start.is_some_and(|start| listed.into_iter().any(|number| number.starts_with(start)))
        };
        let scores = [(10, 100), (8, 80), (6, 60), (4, 30)];
        let best = scores.into_iter().find(|(length, _)| shares(*length));
        best.map_or(Decimal::ZERO, |(_, score)| Decimal::new(score, 2))
    }
}

/// One row of the file.
#[derive(Debug, Deserialize)]
struct Record {
    measure_code: String,
    status: Status,
    product: String,
    duty_type: Duty,
    country: String,
    exporter: String,
    exporter_id: Option<String>,
    rate_kind: RateKind,
    rate_value: Option<Decimal>,
    rate_currency: Option<String>,
    rate_unit: Option<String>,
    rate_effective_from: Option<NaiveDate>,
    finding_date: Option<NaiveDate>,
    nominal_expiry: Option<NaiveDate>,
    hs10: String,
    hs6: String,
    region: String,
    season_excluded: String,
    scope_key: String,
    notes: String,
}

impl Record {
    fn rate(&self, id: i32) -> Rate {
        let is_named = !["ALL_OTHERS", "ALL", ""].contains(&self.exporter.as_str());
        Rate {
            id,
            duty: self.duty_type,
            country: self.country.clone(),
            exporter: is_named.then(|| exporter::normalised(&self.exporter)),
            exporter_id: self.exporter_id.clone(),
            kind: self.rate_kind,
            value: self.rate_value,
            currency: self.rate_currency.clone(),
            unit: self.rate_unit.clone(),
            model: self.notes.strip_prefix("model_id=").map(str::to_owned),
            effective_from: self.rate_effective_from,
        }
    }

    fn measure(&self) -> Measure {
        Measure {
            code: self.measure_code.clone(),
            status: self.status,
            product: self.product.clone(),
            hs10: numbers(&self.hs10),
            hs6: numbers(&self.hs6),
            regions: list(&self.region),
            season_excluded: Season::parse(&self.season_excluded),
            scope_key: self.scope_key.clone(),
            effective_from: None,
            nominal_expiry: self.nominal_expiry,
            rates: Vec::new(),
        }
    }
}

/// Reads the measures file; rows of one measure stand together or apart.
///
/// # Errors
/// When a row is not as the file's format has it.
pub fn from_csv(text: &str) -> Result<Vec<Measure>, csv::Error> {
    let mut measures: BTreeMap<String, Measure> = BTreeMap::new();
    for (id, record) in (1..).zip(csv::Reader::from_reader(text.as_bytes()).into_deserialize()) {
        let record: Record = record?;
        let measure = measures.entry(record.measure_code.clone()).or_insert_with(|| record.measure());
        let starts = [record.rate_effective_from, record.finding_date, measure.effective_from];
        measure.effective_from = starts.into_iter().flatten().min();
        measure.nominal_expiry = measure.nominal_expiry.or(record.nominal_expiry);
        measure.rates.push(record.rate(id));
    }
    Ok(measures.into_values().collect())
}

/// What a result rests on: the measures and the rules.
#[must_use]
pub fn ruleset_hash(measures: &[Measure]) -> String {
    let data = serde_json::to_string(measures).unwrap_or_default();
    fingerprint::of_texts([RULES_VERSION, &data])
}

fn list(text: &str) -> Vec<String> {
    text.split('|').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn numbers(text: &str) -> Vec<String> {
    list(text).iter().map(|number| number.replace('.', "")).collect()
}
