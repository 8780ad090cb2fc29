//! A product and the law in, a verdict with its evidence out.
//!
//! The steps are those of the decision procedure, in its order; each leaves a trace.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::duty::{Assessed, Case, Fx, NormalValue};
use super::exporter::{self, Exporter};
use super::measure::{Duty, Measure, Status};
use super::product::Product;
use super::scope_rules::{self, Listed, Scope};
use crate::money::cents;

/// What a product is, as far as duties go. The later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// No duty is due.
    NotSubject,
    /// Somebody has to look.
    NeedsReview,
    /// Duty is due.
    Subject,
}

impl Verdict {
    /// The word that files and tables have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::NotSubject => "NOT_SUBJECT",
            Verdict::NeedsReview => "NEEDS_REVIEW",
            Verdict::Subject => "SUBJECT",
        }
    }
}

/// What verdicts rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// All measures.
    pub measures: Vec<Measure>,
    /// The currencies.
    pub fx: Fx,
    /// The values that the tenant holds.
    pub normal_values: Vec<NormalValue>,
}

/// One step of the procedure, as evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its number.
    pub step: u8,
    /// What it found.
    pub found: String,
}

/// What one measure means for the product.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessment {
    /// The measure.
    pub measure: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why; the first one leads.
    pub reasons: Vec<String>,
    /// The duties on one unit, where they were computed.
    pub duties: Vec<Assessed>,
    /// The duties at the rate of all others, in Canadian dollars, where the exporter's own are open.
    pub upper_bound_cad: Option<Decimal>,
    /// How sure it is.
    pub confidence: Decimal,
    /// How it came about.
    pub trace: Vec<Step>,
}

/// The verdict on a product.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// The worst verdict of all measures.
    pub verdict: Verdict,
    /// The measure that it comes from.
    pub measure: Option<String>,
    /// Why; the first one leads.
    pub reasons: Vec<String>,
    /// Anti-dumping duty on one unit.
    pub ad_cad: Option<Decimal>,
    /// Countervailing duty on one unit.
    pub cvd_cad: Option<Decimal>,
    /// What is known of both.
    pub total_cad: Option<Decimal>,
    /// What it could be at most, where an exporter's own rate is open.
    pub upper_bound_cad: Option<Decimal>,
    /// How sure it is.
    pub confidence: Decimal,
    /// All measures that were considered, with their traces.
    pub evidence: Vec<Assessment>,
}

/// Decides about a product on a day.
#[must_use]
pub fn decide(product: &Product, as_of: NaiveDate, law: &Law) -> Decision {
    let evidence: Vec<Assessment> =
        law.measures.iter().filter_map(|measure| assess(measure, product, as_of, law)).collect();
    let worst = evidence.iter().max_by(|a, b| {
        let weight = |of: &Assessment| (of.verdict, of.confidence, of.total());
        weight(a).cmp(&weight(b)).then_with(|| b.measure.cmp(&a.measure))
    });
    let Some(worst) = worst else {
        return Decision {
            verdict: Verdict::NotSubject,
            measure: None,
            reasons: vec!["NO_MEASURE".to_owned()],
            ad_cad: Some(Decimal::ZERO),
            cvd_cad: Some(Decimal::ZERO),
            total_cad: Some(Decimal::ZERO),
            upper_bound_cad: None,
            confidence: Decimal::ONE,
            evidence,
        };
    };
    Decision {
        verdict: worst.verdict,
        measure: Some(worst.measure.clone()),
        reasons: worst.reasons.clone(),
        ad_cad: worst.cad(Duty::Ad),
        cvd_cad: worst.cad(Duty::Cvd),
        total_cad: worst.total(),
        upper_bound_cad: worst.upper_bound_cad,
        confidence: worst.confidence,
        evidence,
    }
}

impl Assessment {
    fn cad(&self, duty: Duty) -> Option<Decimal> {
        match self.verdict {
            Verdict::NotSubject => Some(Decimal::ZERO),
            _ => self.duties.iter().find(|assessed| assessed.duty == duty).and_then(|assessed| assessed.cad),
        }
    }

    fn total(&self) -> Option<Decimal> {
        match (self.cad(Duty::Ad), self.cad(Duty::Cvd)) {
            (None, None) => None,
            (ad, cvd) => Some(ad.unwrap_or_default() + cvd.unwrap_or_default()),
        }
    }
}

/// One measure at work.
struct Procedure<'a> {
    measure: &'a Measure,
    product: &'a Product,
    as_of: NaiveDate,
    law: &'a Law,
    hs_score: Decimal,
    trace: Vec<Step>,
    /// Reasons to look at the case, whatever else is found.
    reviews: Vec<String>,
}

/// The six digits that a tariff number has at least.
const LISTED: Decimal = Decimal::from_parts(60, 0, 0, false, 2);

fn assess(measure: &Measure, product: &Product, as_of: NaiveDate, law: &Law) -> Option<Assessment> {
    let hs_score = product.hs_code.as_deref().map_or(Decimal::ZERO, |hs| measure.hs_score(hs));
    let mut procedure = Procedure { measure, product, as_of, law, hs_score, trace: Vec::new(), reviews: Vec::new() };
    procedure.run()
}

impl Procedure<'_> {
    fn run(&mut self) -> Option<Assessment> {
        if !self.in_force() {
            return None;
        }
        let country = match self.country() {
            Some(country) => country.to_owned(),
            None => return self.country_missing(),
        };
        self.note(0, format!("rates of {country}"));
        self.note(4, format!("tariff number matches by {}", self.hs_score));
        let listed = if self.hs_score >= LISTED { Listed::Yes } else { Listed::No };
        let scope = scope_rules::apply(&self.measure.scope_key, self.product, listed);
        self.note(5, format!("{}: {scope:?}", self.measure.scope_key));
        let is_candidate = matches!((scope, listed), (Scope::In(_) | Scope::Out(_), _) | (_, Listed::Yes));
        if !is_candidate || scope == Scope::OtherKind {
            return None;
        }
        if let Some(outside) = self.outside() {
            return Some(self.not_subject(outside));
        }
        match scope {
            Scope::Out(code) => Some(self.not_subject(code)),
            Scope::Missing(name) => Some(self.perhaps_covered(&country, format!("ATTRIBUTE_MISSING:{name}"))),
            Scope::NotEncoded | Scope::OtherKind => {
                Some(self.perhaps_covered(&country, "SCOPE_NOT_ENCODED".to_owned()))
            }
            Scope::In(code) => {
                if listed == Listed::No {
                    self.reviews.push("HS_NOT_LISTED".to_owned());
                }
                Some(self.covered(&country, code))
            }
        }
    }

    /// Step 1. A measure whose nominal end has passed may have been continued by an order.
    fn in_force(&mut self) -> bool {
        let started = self.measure.effective_from.is_none_or(|from| from <= self.as_of);
        if self.measure.status == Status::Negative || !started {
            return false;
        }
        if self.measure.nominal_expiry.is_some_and(|expiry| expiry < self.as_of) {
            self.reviews.push("MEASURE_EXPIRY_UNCONFIRMED".to_owned());
        }
        self.note(1, format!("in force on {}", self.as_of));
        true
    }

    /// Steps 0 and 2: the origin if the measure names it, else the country of export.
    fn country(&self) -> Option<&str> {
        let countries = [self.product.origin.as_deref(), self.product.export_country.as_deref()];
        countries.into_iter().flatten().find(|country| self.measure.names(country))
    }

    fn country_missing(&mut self) -> Option<Assessment> {
        let is_missing = self.product.origin.is_none() || self.product.export_country.is_none();
        (is_missing && self.hs_score >= LISTED).then(|| {
            self.note(2, "origin or country of export is not known".to_owned());
            self.undecided("ORIGIN_MISSING".to_owned())
        })
    }

    /// Step 3.
    fn outside(&mut self) -> Option<&'static str> {
        let season = self.measure.season_excluded.is_some_and(|season| season.holds(self.as_of));
        if season {
            self.note(3, "out of season".to_owned());
            return Some("SEASON_OUT");
        }
        if self.measure.regions.is_empty() {
            return None;
        }
        match &self.product.region {
            Some(region) if self.measure.regions.contains(region) => None,
            Some(region) => {
                let found = format!("{region} is not one of {}", self.measure.regions.join(", "));
                self.note(3, found);
                Some("REGION_OUT")
            }
            None => {
                self.reviews.push("ATTRIBUTE_MISSING:ship_to_region".to_owned());
                None
            }
        }
    }

    /// Steps 6 to 8 for a product that the definition covers.
    fn covered(&mut self, country: &str, scope: &str) -> Assessment {
        let (name, id) = (self.product.exporter_name.as_deref(), self.product.exporter_id.as_deref());
        let exporter = exporter::find(self.measure, country, name, id);
        self.note(7, format!("{exporter:?}"));
        if matches!(exporter, Exporter::Ambiguous(_)) {
            self.reviews.push("EXPORTER_AMBIGUOUS".to_owned());
        }
        let case = self.case(country, &exporter);
        let duties = vec![case.assess(Duty::Ad), case.assess(Duty::Cvd)];
        let is_open = duties.iter().any(|assessed| assessed.open.is_some());
        let upper_bound_cad =
            is_open.then(|| sum(&[case.assess_as_others(Duty::Ad), case.assess_as_others(Duty::Cvd)])).flatten();
        let mut notes = vec![scope.to_owned()];
        for assessed in &duties {
            self.note(8, format!("{:?}: rate {:?}, {:?} CAD", assessed.duty, assessed.rate_id, assessed.cad));
            match assessed.open {
                // The duty is due; only its amount has to be found.
                Some("RATE_UNKNOWN") => notes.push("RATE_UNKNOWN".to_owned()),
                Some(open) => self.reviews.push(open.to_owned()),
                None => {}
            }
        }
        if self.product.unit_cost.is_some() {
            notes.push("EP_ASSUMED".to_owned());
        }
        if self.measure.status == Status::Provisional {
            notes.push("PROVISIONAL_DUTY".to_owned());
        }
        let by_exporter = if matches!(exporter, Exporter::ByName(_) | Exporter::Ambiguous(_)) { 90 } else { 100 };
        let confidence = cents(self.hs_score * Decimal::new(by_exporter, 2));
        let mut reasons = std::mem::take(&mut self.reviews);
        reasons.dedup();
        let verdict = if reasons.is_empty() { Verdict::Subject } else { Verdict::NeedsReview };
        reasons.extend(notes);
        self.note(6, verdict.word().to_owned());
        self.assessment(verdict, reasons, duties, upper_bound_cad, confidence)
    }

    fn not_subject(&mut self, reason: &str) -> Assessment {
        self.note(6, format!("not subject: {reason}"));
        self.assessment(Verdict::NotSubject, vec![reason.to_owned()], Vec::new(), None, self.hs_score)
    }

    /// Step 8 for a product that may be covered: what the duty could be at most.
    fn perhaps_covered(&mut self, country: &str, reason: String) -> Assessment {
        let case = self.case(country, &Exporter::Unlisted);
        let duties = [case.assess(Duty::Ad), case.assess(Duty::Cvd)];
        if duties.iter().any(|assessed| assessed.open == Some("RATE_UNKNOWN")) {
            self.reviews.push("RATE_UNKNOWN".to_owned());
        }
        let upper_bound_cad = sum(&duties);
        Assessment { upper_bound_cad, ..self.undecided(reason) }
    }

    fn case<'c>(&'c self, country: &'c str, exporter: &'c Exporter) -> Case<'c> {
        Case {
            measure: self.measure,
            country,
            exporter,
            product: self.product,
            as_of: self.as_of,
            fx: &self.law.fx,
            normal_values: &self.law.normal_values,
        }
    }

    fn undecided(&mut self, reason: String) -> Assessment {
        self.note(6, format!("to be reviewed: {reason}"));
        let mut reasons = vec![reason];
        reasons.append(&mut self.reviews);
        let confidence = cents(self.hs_score * LISTED);
        self.assessment(Verdict::NeedsReview, reasons, Vec::new(), None, confidence)
    }

    fn assessment(
        &mut self,
        verdict: Verdict,
        reasons: Vec<String>,
        duties: Vec<Assessed>,
        upper_bound_cad: Option<Decimal>,
        confidence: Decimal,
    ) -> Assessment {
        let mut trace = std::mem::take(&mut self.trace);
        trace.sort_by_key(|step| step.step);
        let measure = self.measure.code.clone();
        Assessment { measure, verdict, reasons, duties, upper_bound_cad, confidence, trace }
    }

    fn note(&mut self, step: u8, found: String) {
        self.trace.push(Step { step, found });
    }
}

/// Both duties together, where both are known.
fn sum(duties: &[Assessed; 2]) -> Option<Decimal> {
    duties[0].cad.zip(duties[1].cad).map(|(ad, cvd)| ad + cvd)
}
