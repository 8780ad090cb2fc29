//! An open order and the verdicts on its products in, its exposure to duties out.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::trade::decision::Verdict;
use crate::trade::detection::{Config, Destination};

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
    /// The regions of use that the measure is for; all when empty.
    pub measure_regions: Vec<String>,
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

/// A line that duties would not be due on, or that nobody wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its place in the order.
    pub line: i32,
    /// The product.
    pub sku: String,
    /// The measure that it would be caught by.
    pub measure: Option<String>,
    /// Why: `REGION_OUT`.
    pub why: &'static str,
}

/// What an order comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weighed {
    /// What is caught, if anything is.
    pub caught: Option<Caught>,
    /// What is not, and why.
    pub left_out: Vec<LeftOut>,
}

/// Weighs the open lines of an order.
#[must_use]
pub fn catch(to: &Destination, lines: &[OpenLine], config: &Config, today: NaiveDate) -> Weighed {
    let of_order = if config.enabled { config.leaves_out(to) } else { Some("DETECTION_OFF") };
    let why = |line: &OpenLine| of_order.or_else(|| left_out(line, to, config, today));
    let left_out = lines.iter().filter_map(|line| {
        let (sku, measure) = (line.sku.clone(), line.measure.clone());
        why(line).map(|why| LeftOut { line: line.line_number, sku, measure, why })
    });
    let caught: Vec<&OpenLine> = lines.iter().filter(|line| why(line).is_none()).collect();
    Weighed { caught: summed(&caught, config), left_out: left_out.collect() }
}

fn summed(caught: &[&OpenLine], config: &Config) -> Option<Caught> {
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

/// Why a line is not caught.
fn left_out(line: &OpenLine, to: &Destination, config: &Config, today: NaiveDate) -> Option<&'static str> {
    let days = u64::try_from(config.caught_horizon_days).unwrap_or(0);
    let horizon = today.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX);
    let all_or = |list: &[String], value: &Option<String>| {
        list.is_empty()
            || value.as_deref().is_some_and(|value| list.iter().any(|start| value.starts_with(start.as_str())))
    };
    let is_of_region = line.measure_regions.is_empty() || to.region.is_none() || to.is_in(&line.measure_regions);
    let reasons = [
        (line.verdict == Verdict::NotSubject, "NOT_SUBJECT"),
        (line.verdict == Verdict::NeedsReview && !config.include_needs_review, "REVIEW_NOT_INCLUDED"),
        (!is_of_region, "REGION_OUT"),
        (line.requested_ship_date.is_some_and(|day| day > horizon), "AFTER_HORIZON"),
        (!all_or(&config.origin_countries, &line.origin), "ORIGIN_OUT"),
        (!all_or(&config.hs_prefixes, &line.hs_code), "HS_OUT"),
        (config.excluded_skus.contains(&line.sku), "SKU_EXCLUDED"),
    ];
    reasons.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
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
            measure_regions: Vec::new(),
            total_cad: total.parse().ok(),
            upper_bound_cad: None,
        }
    }

    fn to(region: &str) -> Destination {
        Destination { country: "CA".into(), region: Some(region.into()).filter(|region: &String| !region.is_empty()) }
    }

    fn weighed(to: Destination, lines: &[OpenLine], config: &Config) -> Weighed {
        catch(&to, lines, config, "2026-02-17".parse().unwrap())
    }

    fn caught(lines: &[OpenLine], config: &Config) -> Option<(String, Kind, bool)> {
        let found = weighed(to("ON"), lines, config).caught?;
        Some((found.exposure_cad.to_string(), found.kind, found.notify))
    }

    #[test]
    fn the_sample_order_is_caught_with_2176_82() {
        let lines = [line(1, Verdict::Subject, "1088.41", 2), line(2, Verdict::NotSubject, "0.00", 1)];
        let weighed = weighed(to("ON"), &lines, &Config::default());
        let left_out = [LeftOut { line: 2, sku: "S2".into(), measure: Some("UDS".into()), why: "NOT_SUBJECT" }];
        assert_eq!(weighed.left_out, left_out);
        let found = weighed.caught.unwrap();
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
            let weighed = weighed(to("ON"), &lines, &config);
            assert_eq!(weighed.caught.is_none(), weighed.left_out.len() == 1);
            weighed.left_out.first().map_or("", |left_out| left_out.why)
        };
        let little = caught(&lines, &Config::default());
        assert_eq!(little, Some(("40".to_owned(), Kind::Confirmed, false)), "too little to tell anybody");
        assert_eq!(with(|_| {}), "");
        assert_eq!(with(|config| config.enabled = false), "DETECTION_OFF");
        assert_eq!(with(|config| config.authorities = vec!["US".into()]), "AUTHORITY_OUT");
        assert_eq!(with(|config| config.authorities = vec!["US".into(), "CA".into()]), "");
        assert_eq!(with(|config| config.destination_countries = vec!["US".into()]), "DESTINATION_COUNTRY_OUT");
        assert_eq!(with(|config| config.destination_regions = vec!["BC".into()]), "DESTINATION_REGION_OUT");
        assert_eq!(with(|config| config.destination_regions = vec!["BC".into(), "ca-on".into()]), "");
        assert_eq!(with(|config| config.origin_countries = vec!["VN".into()]), "ORIGIN_OUT");
        assert_eq!(with(|config| config.hs_prefixes = vec!["9404".into()]), "HS_OUT");
        assert_eq!(with(|config| config.excluded_skus = vec!["S1".into()]), "SKU_EXCLUDED");
        assert_eq!(with(|config| config.caught_horizon_days = 1), "AFTER_HORIZON");
        assert_eq!(with(|config| config.caught_horizon_days = 2), "");
    }

    #[test]
    fn a_measure_of_a_region_is_left_out_elsewhere() {
        let potatoes = OpenLine { measure_regions: vec!["CA-BC".into()], ..line(1, Verdict::NeedsReview, "20", 2) };
        let why = |region: &str| {
            let weighed = weighed(to(region), std::slice::from_ref(&potatoes), &Config::default());
            weighed.left_out.first().map(|left_out| left_out.why)
        };
        assert_eq!((why("ON"), why("CA-ON")), (Some("REGION_OUT"), Some("REGION_OUT")));
        assert_eq!((why("BC"), why("CA-BC"), why("bc")), (None, None, None));
        assert_eq!(why(""), None, "nobody knows where it goes, so somebody has to look");
    }
}
