//! An open order and the verdicts on its products in, its exposure to duties out.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::trade::decision::Verdict;
use crate::trade::detection::Config;

/// A line of an order that has not been shipped.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLine {
    /// Its place in the order.
    pub line_number: i32,
    /// The product.
    pub sku: String,
    /// How many.
    pub quantity: Decimal,
    /// When it is to be shipped.
    pub requested_ship_date: Option<NaiveDate>,
    /// Where it is made.
    pub origin: Option<String>,
    /// The tariff number.
    pub hs_code: Option<String>,
    /// What the product is.
    pub verdict: Verdict,
    /// How sure that is.
    pub confidence: Decimal,
    /// By which measure.
    pub measure: Option<String>,
    /// The duties on one unit.
    pub total_cad: Option<Decimal>,
    /// What they could be at most.
    pub upper_bound_cad: Option<Decimal>,
}

/// Whether duty is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// Somebody has to look at a product.
    Potential,
    /// At least one product is subject.
    Confirmed,
}

impl Kind {
    /// The word that files and tables have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Potential => "POTENTIAL",
            Kind::Confirmed => "CONFIRMED",
        }
    }
}

/// An order that duties would be due on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Caught {
    /// Its lines that are caught.
    pub line_numbers: Vec<i32>,
    /// The measures.
    pub measures: Vec<String>,
    /// The duties, in Canadian dollars.
    pub exposure_cad: Decimal,
    /// Whether that is certain.
    pub kind: Kind,
    /// Whether somebody should hear of it.
    pub notify: bool,
}

/// Weighs the open lines of an order that goes to a country.
#[must_use]
pub fn catch(country: &str, lines: &[OpenLine], config: &Config, today: NaiveDate) -> Option<Caught> {
    if !config.enabled || !config.destination_countries.iter().any(|of| of == country) {
        return None;
    }
    let caught: Vec<&OpenLine> = lines.iter().filter(|line| is_caught(line, config, today)).collect();
    let kind = caught.iter().map(|line| kind(line)).max()?;
    let exposure_cad: Decimal = caught.iter().map(|line| exposure(line)).sum();
    let confidence = caught.iter().map(|line| line.confidence).max().unwrap_or_default();
    let mut measures: Vec<String> = caught.iter().filter_map(|line| line.measure.clone()).collect();
    measures.sort();
    measures.dedup();
    Some(Caught {
        line_numbers: caught.iter().map(|line| line.line_number).collect(),
        measures,
        exposure_cad,
        kind,
        notify: exposure_cad >= config.min_exposure_cad && confidence >= config.min_confidence,
    })
}

fn is_caught(line: &OpenLine, config: &Config, today: NaiveDate) -> bool {
    let days = u64::try_from(config.caught_horizon_days).unwrap_or(0);
    let horizon = today.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX);
    let is_near = line.requested_ship_date.is_none_or(|day| day <= horizon);
    let of_verdict = match line.verdict {
        Verdict::Subject => true,
        Verdict::NeedsReview => config.include_needs_review,
        Verdict::NotSubject => false,
    };
    let all_or = |list: &[String], value: &Option<String>| {
        list.is_empty()
            || value.as_deref().is_some_and(|value| list.iter().any(|start| value.starts_with(start.as_str())))
    };
    let in_scope = all_or(&config.origin_countries, &line.origin) && all_or(&config.hs_prefixes, &line.hs_code);
    is_near && of_verdict && in_scope && !config.excluded_skus.contains(&line.sku)
}

fn kind(line: &OpenLine) -> Kind {
    if line.verdict == Verdict::Subject { Kind::Confirmed } else { Kind::Potential }
}

/// The rounded duty on one unit times the quantity; the upper bound where the duty itself is open.
fn exposure(line: &OpenLine) -> Decimal {
    let per_unit = match line.verdict {
        Verdict::Subject => line.total_cad.max(line.upper_bound_cad),
        _ => line.upper_bound_cad.max(line.total_cad),
    };
    per_unit.and_then(|per_unit| per_unit.checked_mul(line.quantity)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: i32, verdict: Verdict, total: &str, quantity: i64) -> OpenLine {
        OpenLine {
            line_number: number,
            sku: format!("S{number}"),
            quantity: quantity.into(),
            requested_ship_date: "2026-02-19".parse().ok(),
            origin: Some("CN".into()),
            hs_code: Some("9401611010".into()),
            verdict,
            confidence: Decimal::ONE,
            measure: Some("UDS".into()),
            total_cad: total.parse().ok(),
            upper_bound_cad: None,
        }
    }

    fn caught(lines: &[OpenLine], config: &Config) -> Option<(String, Kind, bool)> {
        let found = catch("CA", lines, config, "2026-02-17".parse().unwrap())?;
        Some((found.exposure_cad.to_string(), found.kind, found.notify))
    }

    #[test]
    fn the_sample_order_is_caught_with_2176_82() {
        let lines = [line(1, Verdict::Subject, "1088.41", 2), line(2, Verdict::NotSubject, "0.00", 1)];
        let found = catch("CA", &lines, &Config::default(), "2026-02-17".parse().unwrap()).unwrap();
        assert_eq!(found.exposure_cad.to_string(), "2176.82");
        assert_eq!(
            (found.line_numbers.as_slice(), found.measures.as_slice()),
            ([1].as_slice(), ["UDS".to_owned()].as_slice())
        );
        assert_eq!((found.kind, found.notify), (Kind::Confirmed, true));
    }

    #[test]
    fn what_is_open_counts_with_its_upper_bound() {
        let open = OpenLine { upper_bound_cad: "254.87".parse().ok(), ..line(1, Verdict::NeedsReview, "0.86", 1) };
        let found = caught(std::slice::from_ref(&open), &Config::default());
        assert_eq!(found, Some(("254.87".to_owned(), Kind::Potential, true)));
        let certain_only = Config { include_needs_review: false, ..Config::default() };
        assert_eq!(caught(&[open], &certain_only), None);
    }

    #[test]
    fn the_filters_of_a_tenant() {
        let lines = [line(1, Verdict::Subject, "20", 2)];
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            caught(&lines, &config)
        };
        assert_eq!(with(|_| {}), Some(("40".to_owned(), Kind::Confirmed, false)), "too little to tell anybody");
        assert_eq!(with(|config| config.enabled = false), None);
        assert_eq!(with(|config| config.destination_countries = vec!["US".into()]), None);
        assert_eq!(with(|config| config.origin_countries = vec!["VN".into()]), None);
        assert_eq!(with(|config| config.hs_prefixes = vec!["9404".into()]), None);
        assert_eq!(with(|config| config.excluded_skus = vec!["S1".into()]), None);
        assert_eq!(with(|config| config.caught_horizon_days = 1), None);
    }
}
