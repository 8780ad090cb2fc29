//! What is known of one product when it is screened.

use std::sync::OnceLock;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A product of the catalog, or a line of an order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// The tenant's own number.
    pub sku: String,
    /// Title, description and category.
    pub text: String,
    /// The tariff number, digits only.
    pub hs_code: Option<String>,
    /// Where it is made.
    pub origin: Option<String>,
    /// Where it is shipped from.
    pub export_country: Option<String>,
    /// Who exports it.
    pub exporter_name: Option<String>,
    /// The exporter's number.
    pub exporter_id: Option<String>,
    /// The price per unit.
    pub unit_cost: Option<Decimal>,
    /// The currency of the price.
    pub currency: Option<String>,
    /// The unit of the price.
    pub unit: Option<String>,
    /// The weight of one unit.
    pub net_weight_kg: Option<Decimal>,
    /// Where it will be used, as in `CA-BC`.
    pub region: Option<String>,
    /// What else is known, by name.
    pub attributes: Value,
    /// The text as words between single spaces, made when it is first asked for.
    #[serde(skip)]
    pub(super) words: OnceLock<String>,
}

impl Product {
    /// An attribute that is yes or no.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.attributes.get(name)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => match text.to_lowercase().as_str() {
                "yes" | "true" | "y" => Some(true),
                "no" | "false" | "n" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// An attribute that is a figure.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<Decimal> {
        match self.attributes.get(name)? {
            Value::Number(number) => number.as_i64().map(Decimal::from).or_else(|| Decimal::from_f64(number.as_f64()?)),
            Value::String(text) => crate::money::parse(text),
            _ => None,
        }
        .filter(|figure| figure.abs() < Decimal::from(1_000_000_000))
    }

    /// An attribute that is a text, in lower case.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<String> {
        self.attributes.get(name)?.as_str().map(str::to_lowercase).filter(|text| !text.trim().is_empty())
    }

    /// Whether the text has one of these words or phrases, in singular or plural, as whole words.
    #[must_use]
    pub fn says(&self, phrases: &[&str]) -> bool {
        let padded = self.words.get_or_init(|| padded(&self.text));
        let endings = ["", "s", "es"];
        phrases.iter().any(|phrase| endings.iter().any(|ending| padded.contains(&format!(" {phrase}{ending} "))))
    }
}

fn padded(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    format!(" {} ", words.collect::<Vec<_>>().join(" "))
}
