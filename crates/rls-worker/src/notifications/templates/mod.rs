//! An event or a window in, a message as text and as HTML out.
//!
//! Each template has a module with its queries, and two files with its words; the subject is the first line of the text.

mod ship_exception;
mod ship_recon;
mod ship_stale;
mod trade_caught;
mod trade_digest;
mod trade_spike;

use chrono::{DateTime, Utc};
use minijinja::Environment;
use rls_runtime::TenantTx;
use serde_json::{Map, Value};

use crate::table::FileError;
use crate::workers::outcome::LaneError;

/// What messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// An order that duties would be due on.
    TradeCaught,
    /// A day that stands out.
    TradeSpike,
    /// What happened in a window.
    TradeDigest,
    /// What carriers billed.
    ShipRecon,
    /// Something that cannot wait.
    ShipException,
    /// What waits for too long.
    ShipStale,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl Template {
    /// All of them.
    pub const ALL: [Template; 6] = [
        Template::TradeCaught,
        Template::TradeSpike,
        Template::TradeDigest,
        Template::ShipRecon,
        Template::ShipException,
        Template::ShipStale,
    ];

    /// Its name in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Template::TradeCaught => "trade-caught",
            Template::TradeSpike => "trade-spike",
            Template::TradeDigest => "trade-digest",
            Template::ShipRecon => "ship-recon",
            Template::ShipException => "ship-exception",
            Template::ShipStale => "ship-stale",
        }
    }

    /// The template of a window.
    #[must_use]
    pub fn of_digest(name: &str) -> Option<Template> {
        [Template::TradeDigest, Template::ShipRecon, Template::ShipStale].into_iter().find(|of| of.name() == name)
    }

    const fn files(self) -> (&'static str, &'static str) {
        match self {
            Template::TradeCaught => (
                include_str!("../../../templates/trade-caught.txt"),
                include_str!("../../../templates/trade-caught.html"),
            ),
            Template::TradeSpike => (
                include_str!("../../../templates/trade-spike.txt"),
                include_str!("../../../templates/trade-spike.html"),
            ),
            Template::TradeDigest => (
                include_str!("../../../templates/trade-digest.txt"),
                include_str!("../../../templates/trade-digest.html"),
            ),
            Template::ShipRecon => {
                (include_str!("../../../templates/ship-recon.txt"), include_str!("../../../templates/ship-recon.html"))
            }
            Template::ShipException => (
                include_str!("../../../templates/ship-exception.txt"),
                include_str!("../../../templates/ship-exception.html"),
            ),
            Template::ShipStale => {
                (include_str!("../../../templates/ship-stale.txt"), include_str!("../../../templates/ship-stale.html"))
            }
        }
    }
}

/// What the template of an event needs to know. The subject of the event must be the tenant's own.
pub(super) async fn of_event(
    tx: &mut TenantTx,
    template: Template,
    payload: &Map<String, Value>,
) -> Result<Value, LaneError> {
    match template {
        Template::TradeCaught => trade_caught::variables(tx, payload).await,
        Template::TradeSpike => trade_spike::variables(tx, payload).await,
        Template::ShipException => ship_exception::variables(tx, payload).await,
        Template::ShipRecon => ship_recon::of_job(tx, payload).await,
        Template::TradeDigest | Template::ShipStale => {
            Err(FileError::new("EVENT_TYPE_UNKNOWN", "no event has this template").into())
        }
    }
}

/// What the template of a window needs to know; nothing when there is nothing to tell.
pub(super) async fn of_window(
    tx: &mut TenantTx,
    template: Template,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Option<Value>, LaneError> {
    Ok(match template {
        Template::TradeDigest => trade_digest::variables(tx, from, to).await?,
        Template::ShipStale => ship_stale::variables(tx, to).await?,
        _ => ship_recon::of_window(tx, from, to).await?,
    })
}

/// Fills a template in.
///
/// # Errors
/// `TEMPLATE_INVALID`, which no input can bring about.
pub fn render(template: Template, variables: &Value) -> Result<Rendered, FileError> {
    let failed =
        |error: minijinja::Error| FileError::new("TEMPLATE_INVALID", format!("{}: {error:#}", template.name()));
    let (text, html) = template.files();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_template("page.html", include_str!("../../../templates/page.html")).map_err(failed)?;
    environment.add_template("message.txt", text).map_err(failed)?;
    environment.add_template("message.html", html).map_err(failed)?;
    let fill = |name: &str| environment.get_template(name)?.render(minijinja::value::Serde(variables));
    let text = fill("message.txt").map_err(failed)?;
    let html = fill("message.html").map_err(failed)?;
    let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
    // A line break would end the header.
    let subject = subject.chars().filter(|c| !c.is_control()).take(200).collect();
    Ok(Rendered { subject, text: text.trim_start().to_owned(), html })
}

/// The text of a field that an event must have.
pub(super) fn subject<'a>(payload: &'a Map<String, Value>, name: &str) -> Result<&'a str, FileError> {
    let text = payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| FileError::new("EVENT_SUBJECT_MISSING", format!("the event has no `{name}`")))
}

/// What another tenant has, or nobody, is not there.
pub(super) fn not_found(what: &str) -> FileError {
    FileError::new("SUBJECT_NOT_FOUND", format!("{what} is not there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_fills_in_and_escapes() {
        let everything: Value = serde_json::from_str(
            r#"{
            "order": "SO-<1>\nBcc: x", "exposure": "10.00", "kind": "CONFIRMED", "measures": ["UDS"], "ship_by": "2026-02-19",
            "lines": [{"sku": "<b>", "quantity": "2", "verdict": "SUBJECT", "reasons": "R", "ad": "1", "cvd": "2"}],
            "scope": "UDS", "window": "2026-02-16", "value": "1", "median": "2", "z": "3", "ratio": "4", "orders": [],
            "date": "2026-02-17", "caught": 1, "cleared": 0, "missed": 0, "confirmed": "1", "potential": "2",
            "by_measure": [{"measure": "UDS", "exposure": "1"}], "flips": [{"sku": "a", "was": "b", "is": "c"}],
            "reviews_waiting": 1, "suppressed": 0, "expiring": [{"code": "SML", "on": "2026-03-24"}], "failed": [],
            "carriers": "FEDEX", "invoices": 1, "findings": [{"kind": "K", "count": 1, "amount": "1"}], "unmatched": 0,
            "overcharge": "1", "subject": "s", "amount": "1", "due": "d", "evidence": "e", "next_step": "n",
            "count": 1, "oldest": 20, "buckets": [{"what": "w", "count": 1, "oldest": 20}], "at_risk": "1", "deadlines": []
        }"#,
        )
        .unwrap();
        for template in Template::ALL {
            let rendered = render(template, &everything).unwrap();
            assert!(!rendered.subject.is_empty() && !rendered.subject.contains('\n'), "{rendered:?}");
            assert!(rendered.html.starts_with("<!doctype html>") && rendered.html.trim_end().ends_with("</html>"));
            assert!(!rendered.html.contains("<b>") && !rendered.html.contains("SO-<1>"));
        }
        let caught = render(Template::TradeCaught, &everything).unwrap();
        assert!(caught.html.contains("&lt;b&gt;") && caught.text.contains("<b>"));
    }
}
