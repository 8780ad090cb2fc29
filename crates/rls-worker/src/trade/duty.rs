//! A rate and a product in, the duty on one unit out, in the rate's currency and in Canadian dollars.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use super::exporter::Exporter;
use super::measure::{Duty, Measure, Rate, RateKind};
use super::product::Product;
use crate::money::cents;

/// What currencies are worth, by their codes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fx {
    /// The last rate of each currency.
    pub rates: BTreeMap<String, Rated>,
}

/// What a currency is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rated {
    /// The day that the rate is of.
    pub day: NaiveDate,
    /// Canadian dollars for one.
    pub cad: Decimal,
}

impl Fx {
    fn rate(&self, currency: &str) -> Option<Decimal> {
        if currency == "CAD" { Some(Decimal::ONE) } else { self.rates.get(currency).map(|rated| rated.cad) }
    }
}

/// A value that an exporter gave to this tenant in confidence.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct NormalValue {
    /// The measure.
    pub measure: String,
    /// The exporter's number.
    pub exporter_id: String,
    /// The model; empty for all.
    pub model_id: String,
    /// The value per unit.
    pub value: Decimal,
    /// Its currency.
    pub currency: String,
    /// Its unit.
    pub unit: String,
}

/// The duty of one kind on one unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessed {
    /// The duty.
    pub duty: Duty,
    /// The rate's row, where there is one.
    pub rate_id: Option<i32>,
    /// The amount in its own currency, before rounding.
    pub amount: Option<Decimal>,
    /// That currency.
    pub currency: Option<String>,
    /// Canadian cents, rounded half up.
    pub cad: Option<Decimal>,
    /// What that currency was worth, and on which day; nothing for Canadian dollars.
    pub fx: Option<Rated>,
    /// Why there is no amount.
    pub open: Option<&'static str>,
}

/// What the computation of a duty goes by.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The measure.
    pub measure: &'a Measure,
    /// The country whose rates apply.
    pub country: &'a str,
    /// Whose rates apply.
    pub exporter: &'a Exporter,
    /// What is imported.
    pub product: &'a Product,
    /// The day.
    pub as_of: NaiveDate,
    /// The currencies.
    pub fx: &'a Fx,
    /// The values that the tenant holds.
    pub normal_values: &'a [NormalValue],
}

impl<'a> Case<'a> {
    /// The duty of one kind: the exporter's own rate, else that of all others, else none.
    #[must_use]
    pub fn assess(&self, duty: Duty) -> Assessed {
        let own = self.exporter.name().and_then(|name| self.rate(duty, Some(name)));
        match own.or_else(|| self.rate(duty, None)) {
            Some(Ok(rate)) => self.by_rate(rate),
            Some(Err(open)) => Assessed::open(duty, None, open),
            None => Assessed {
                duty,
                rate_id: None,
                amount: Some(Decimal::ZERO),
                currency: None,
                cad: Some(Decimal::ZERO),
                fx: None,
                open: None,
            },
        }
    }

    /// The same, had the exporter no rate of its own: an upper bound where its own cannot be computed.
    #[must_use]
    pub fn assess_as_others(&self, duty: Duty) -> Assessed {
        Case { exporter: &Exporter::Unlisted, ..*self }.assess(duty)
    }

    /// The rate in force for an exporter; where rates differ by model, the one of the product's model.
    fn rate(&self, duty: Duty, exporter: Option<&str>) -> Option<Result<&'a Rate, &'static str>> {
        let rates = self.measure.rates.iter().filter(|rate| {
            let in_force = rate.effective_from.is_none_or(|from| from <= self.as_of);
            in_force && rate.duty == duty && rate.country == self.country && rate.exporter.as_deref() == exporter
        });
        let mut rates: Vec<&Rate> = rates.collect();
        rates.sort_by_key(|rate| (rate.effective_from, rate.id));
        let by_model = rates.iter().any(|rate| rate.model.is_some());
        if !by_model {
            return rates.pop().map(Ok);
        }
        let Some(model) = self.product.word("model_id") else { return Some(Err("ATTRIBUTE_MISSING:model_id")) };
        let fitting =
            rates.into_iter().rfind(|rate| rate.model.as_deref().map(str::to_lowercase) == Some(model.clone()));
        Some(fitting.ok_or("MODEL_UNKNOWN"))
    }

    fn by_rate(&self, rate: &Rate) -> Assessed {
        let open = |why| Assessed::open(rate.duty, Some(rate.id), why);
        let amount = match rate.kind {
            RateKind::Terminated | RateKind::None => Ok((Decimal::ZERO, "CAD".to_owned())),
            RateKind::Unknown => Err("RATE_UNKNOWN"),
            RateKind::PctExportPrice => self.share_of_price(rate),
            RateKind::AmountPerUnit => self.amount_per_unit(rate),
            RateKind::NormalValuePerUnit => {
                self.below_normal_value(rate.value, rate.currency.as_deref(), rate.unit.as_deref())
            }
            RateKind::NormalValueConfidential => match self.held_value(rate) {
                Some(held) => self.below_normal_value(Some(held.value), Some(&held.currency), Some(&held.unit)),
                None => Err("NORMAL_VALUE_REQUIRED"),
            },
        };
        let (amount, currency) = match amount {
            Ok(amount) => amount,
            Err(why) => return open(why),
        };
        let Some(fx) = self.fx.rate(&currency) else { return open("FX_MISSING") };
        let Some(cad) = amount.checked_mul(fx).map(cents) else { return open("AMOUNT_TOO_LARGE") };
        Assessed {
            duty: rate.duty,
            rate_id: Some(rate.id),
            amount: Some(amount),
            fx: self.fx.rates.get(&currency).copied(),
            currency: Some(currency),
            cad: Some(cad),
            open: None,
        }
    }

    fn price(&self) -> Result<(Decimal, &str), &'static str> {
        let price = self.product.unit_cost.ok_or("EXPORT_PRICE_MISSING")?;
        Ok((price, self.product.currency.as_deref().ok_or("EXPORT_PRICE_MISSING")?))
    }

    fn share_of_price(&self, rate: &Rate) -> Result<(Decimal, String), &'static str> {
        let (price, currency) = self.price()?;
        let share = rate.value.ok_or("RATE_UNKNOWN")? / Decimal::ONE_HUNDRED;
        let amount = price.checked_mul(share).ok_or("AMOUNT_TOO_LARGE")?;
        Ok((amount, currency.to_owned()))
    }

    fn amount_per_unit(&self, rate: &Rate) -> Result<(Decimal, String), &'static str> {
        let (value, currency) = rate.value.zip(rate.currency.as_deref()).ok_or("RATE_UNKNOWN")?;
        let units = self.units(rate.unit.as_deref())?;
        let amount = value.checked_mul(units).ok_or("AMOUNT_TOO_LARGE")?;
        Ok((amount, currency.to_owned()))
    }

    fn below_normal_value(
        &self,
        value: Option<Decimal>,
        currency: Option<&str>,
        unit: Option<&str>,
    ) -> Result<(Decimal, String), &'static str> {
        let (value, currency) = value.zip(currency).ok_or("RATE_UNKNOWN")?;
        let normal = value.checked_mul(self.units(unit)?).ok_or("AMOUNT_TOO_LARGE")?;
        let (price, price_currency) = self.price()?;
        let price = match price_currency == currency {
            true => price,
            false => {
                let (from, to) = self.fx.rate(price_currency).zip(self.fx.rate(currency)).ok_or("FX_MISSING")?;
                price.checked_mul(from).and_then(|cad| cad.checked_div(to)).ok_or("AMOUNT_TOO_LARGE")?
            }
        };
        Ok(((normal - price).max(Decimal::ZERO), currency.to_owned()))
    }

    /// How many units of the rate are in one unit of the product.
    fn units(&self, rate_unit: Option<&str>) -> Result<Decimal, &'static str> {
        let rate_unit = rate_unit.unwrap_or("NMB");
        let own_unit = self.product.unit.as_deref().unwrap_or("NMB");
        let is_piece = |unit: &str| ["NMB", "EA", "PCE", "PCS"].contains(&unit);
        if own_unit == rate_unit || (is_piece(own_unit) && is_piece(rate_unit)) {
            return Ok(Decimal::ONE);
        }
        if rate_unit == "WTT" {
            return self.product.figure("watts").ok_or("UNIT_MISSING");
        }
        let own_kilograms = kilograms(own_unit).or(self.product.net_weight_kg.filter(|_| is_piece(own_unit)));
        let rate_kilograms = kilograms(rate_unit).ok_or("UNIT_MISSING")?;
        let units = own_kilograms.and_then(|own| own.checked_div(rate_kilograms));
        units.ok_or("UNIT_MISSING")
    }

    fn held_value(&self, rate: &Rate) -> Option<&'a NormalValue> {
        let model = self.product.word("model_id").unwrap_or_default();
        let of_exporter = self.normal_values.iter().filter(|held| {
            held.measure == self.measure.code && Some(held.exporter_id.as_str()) == rate.exporter_id.as_deref()
        });
        let fits = |held: &&NormalValue| held.model_id.is_empty() || held.model_id.to_lowercase() == model;
        of_exporter.filter(fits).max_by_key(|held| held.model_id.len())
    }
}

impl Assessed {
    fn open(duty: Duty, rate_id: Option<i32>, why: &'static str) -> Assessed {
        Assessed { duty, rate_id, amount: None, currency: None, cad: None, fx: None, open: Some(why) }
    }
}

/// A unit of weight in kilograms.
fn kilograms(unit: &str) -> Option<Decimal> {
    match unit {
        "KGM" | "KG" => Some(Decimal::ONE),
        "TNE" => Some(Decimal::from(1000)),
        "LBR" | "LB" => Some(Decimal::new(45_359_237, 8)),
        "CWT" => Some(Decimal::new(45_359_237, 6)),
        _ => None,
    }
}
