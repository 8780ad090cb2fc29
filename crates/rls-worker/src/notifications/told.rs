//! An event or a window in, what is told of it out: how much that matters, and how often somebody may hear of it.

use chrono::{DateTime, Duration, DurationRound as _, Utc};
use serde_json::{Map, Value};

use super::templates::Template;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// It is worth a look some day.
    Low,
    /// It is worth a look.
    Normal,
    /// Money is lost unless somebody acts.
    High,
    /// It is no event: whoever wants the digest gets it.
    Digest,
}

/// Exceptions that cost money when nobody acts.
const URGENT: &[&str] = &["DISPUTE_DEADLINE", "HIGH_VALUE_FINDING", "SHIPPED_WHILE_CAUGHT", "CLAIM_FAILED"];

impl Severity {
    pub(super) fn of(template: Template, payload: &Map<String, Value>) -> Severity {
        let is = |name: &str, words: &[&str]| {
            payload.get(name).and_then(Value::as_str).is_some_and(|found| words.contains(&found))
        };
        match template {
            Template::TradeSpike => Severity::High,
            Template::TradeCaught if is("kind", &["CONFIRMED"]) => Severity::High,
            Template::ShipException if is("kind", URGENT) => Severity::High,
            Template::TradeCaught | Template::ShipException => Severity::Normal,
            Template::ShipRecon => Severity::Low,
            Template::TradeDigest | Template::ShipStale => Severity::Digest,
        }
    }

    /// What a reader must have asked for at most to hear of it.
    pub(super) const fn admits(self) -> &'static [&'static str] {
        match self {
            Severity::Low => &["LOW"],
            Severity::Normal => &["LOW", "NORMAL"],
            Severity::High | Severity::Digest => &["LOW", "NORMAL", "HIGH"],
        }
    }
}

/// How often somebody may hear of something.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// So many per hour of this kind.
    pub(super) per_hour: Option<(i32, String)>,
    /// Once of this in the time that the tenant has set.
    pub(super) cooldown_key: Option<String>,
    /// What is too much in an hour is told of together at its end, under this kind.
    pub(super) grouped_as: Option<String>,
}

impl Limit {
    pub(super) fn of(template: Template, payload: &Map<String, Value>) -> Limit {
        let text = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match template {
            Template::TradeCaught => Limit { per_hour: Some((10, "trade-caught".to_owned())), ..Limit::default() },
            Template::ShipException => Limit {
                per_hour: Some((5, format!("ship-exception:{}", text("kind")))),
                grouped_as: Some(text("kind")),
                ..Limit::default()
            },
            Template::TradeSpike => Limit { cooldown_key: Some(text("scope")), ..Limit::default() },
            Template::TradeDigest | Template::ShipRecon | Template::ShipStale => Limit::default(),
        }
    }
}

/// What is told, before it is known whom.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) template: Template,
    pub(super) dedupe_key: &'a str,
    pub(super) severity: Severity,
    pub(super) limit: Limit,
    /// Only those are told from whom something of this group was held back.
    pub(super) group: Option<&'a str>,
    /// What programs are told: the event as it was raised, or the window.
    pub(super) about: Value,
}

impl Told<'_> {
    /// The kind and the hour that are told of together.
    pub(super) fn group_key(&self, now: DateTime<Utc>) -> Option<(&str, String)> {
        let kind = self.limit.grouped_as.as_deref()?;
        Some((kind, format!("{}:{kind}:{}", self.template.name(), hour(now).format("%Y-%m-%dT%HZ"))))
    }
}

/// The start of the hour.
pub(super) fn hour(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(Duration::hours(1)).unwrap_or(time)
}
