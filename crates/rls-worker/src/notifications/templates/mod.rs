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

use super::pages::Pages;
use super::zone;
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

    /// What it tells of, as programs know it.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Template::TradeCaught => "trade.order.caught",
            Template::TradeSpike => "trade.spike",
            Template::TradeDigest => "trade.digest",
            Template::ShipRecon => "ship.recon.completed",
            Template::ShipException => "ship.exception",
            Template::ShipStale => "ship.stale",
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

impl std::str::FromStr for Template {
    type Err = String;

    fn from_str(name: &str) -> Result<Template, String> {
        let known = Template::ALL.map(Template::name).join(", ");
        Template::ALL.into_iter().find(|of| of.name() == name).ok_or_else(|| format!("there are {known}"))
    }
}

/// What the template of an event needs to know. The subject of the event must be the tenant's own.
pub(super) async fn of_event(
    tx: &mut TenantTx,
    template: Template,
    payload: &Map<String, Value>,
    pages: Option<&Pages>,
) -> Result<Value, LaneError> {
    match template {
        Template::TradeCaught => trade_caught::variables(tx, payload, pages).await,
        Template::TradeSpike => trade_spike::variables(tx, payload).await,
        Template::ShipException => ship_exception::variables(tx, payload).await,
        Template::ShipRecon => ship_recon::of_job(tx, payload).await,
        Template::TradeDigest | Template::ShipStale => {
            Err(FileError::new("EVENT_TYPE_UNKNOWN", "no event has this template").into())
        }
    }
}

/// What one message about the alerts of a kind needs to know that were held back in an hour.
pub(super) async fn of_group(tx: &mut TenantTx, kind: &str, group: &str) -> Result<Value, LaneError> {
    ship_exception::of_group(tx, kind, group).await
}

/// What the template of a window needs to know; nothing when there is nothing to tell.
pub(super) async fn of_window(
    tx: &mut TenantTx,
    template: Template,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Option<Value>, LaneError> {
    let zone = zone::of_tenant(tx).await?;
    let days = zone::day(from, zone)..zone::day(to, zone);
    Ok(match template {
        Template::TradeDigest => trade_digest::variables(tx, from..to, days).await?,
        Template::ShipStale => ship_stale::variables(tx, days.end, zone).await?,
        _ => ship_recon::of_window(tx, days).await?,
    })
}

/// What mail programs need beside each element, for they drop style sheets.
const CSS: &[(&str, &str)] = &[
    ("p", "margin:0 0 16px"),
    ("h2", "margin:24px 0 8px;font-size:16px"),
    ("ul", "margin:0 0 16px;padding-left:20px"),
    ("soft", "font-size:13px;color:#5b6776"),
    ("table", "width:100%;margin:0 0 20px;border-collapse:collapse;font-size:14px"),
    ("caption", "padding:0 0 6px;text-align:left;font-weight:600"),
    ("th", "padding:6px 12px 6px 0;text-align:left;font-weight:600;vertical-align:top"),
    ("th_number", "padding:6px 0 6px 12px;text-align:right;font-weight:600;vertical-align:top"),
    ("fact", "padding:8px 12px 8px 0;border-top:1px solid #d9dee5;text-align:left;font-weight:600;vertical-align:top"),
    ("td", "padding:8px 12px 8px 0;border-top:1px solid #d9dee5;vertical-align:top"),
    ("td_number", "padding:8px 0 8px 12px;border-top:1px solid #d9dee5;text-align:right;vertical-align:top"),
    (
        "button",
        "display:inline-block;padding:11px 18px;background:#1f5fae;border-radius:6px;color:#ffffff;font-weight:600;text-decoration:none",
    ),
    ("act", "margin:20px 0 0;padding:12px 14px;background:#fff6df;border-left:4px solid #b98a1b;border-radius:4px"),
];

/// Fills a template in. Nothing that comes from a tenant's files can break out of its place:
/// the page escapes it, and it has no line breaks, which would end a header or start a line of its own.
///
/// # Errors
/// `TEMPLATE_INVALID`, which no input can bring about.
pub fn render(template: Template, variables: &Value) -> Result<Rendered, FileError> {
    let failed =
        |error: minijinja::Error| FileError::new("TEMPLATE_INVALID", format!("{}: {error:#}", template.name()));
    let (text, html) = template.files();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_global("css", minijinja::Value::from_pairs(CSS.iter().copied()));
    environment.add_template("page.html", include_str!("../../../templates/page.html")).map_err(failed)?;
    environment.add_template("message.txt", text).map_err(failed)?;
    environment.add_template("message.html", html).map_err(failed)?;
    let variables = on_one_line(variables);
    let fill = |name: &str| environment.get_template(name)?.render(minijinja::value::Serde(&variables));
    let text = fill("message.txt").map_err(failed)?;
    let html = fill("message.html").map_err(failed)?;
    let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
    Ok(Rendered { subject: subject.chars().take(200).collect(), text: wrap(text.trim_start()), html })
}

/// The same with a space for each control character of its texts.
fn on_one_line(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace(char::is_control, " ").into(),
        Value::Array(items) => items.iter().map(on_one_line).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), on_one_line(value))).collect(),
        other => other.clone(),
    }
}

/// How long the lines of a text are, where its words allow it.
const WIDTH: usize = 76;

/// Breaks long lines between words; what continues an item of a list is indented under it.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / WIDTH);
    for line in text.lines() {
        let indent = if line.starts_with("- ") { "  " } else { "" };
        let mut width = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if width > indent.len() && width + 1 + length > WIDTH {
                wrapped.push('\n');
                wrapped.push_str(indent);
                width = indent.len();
            } else if width > 0 {
                wrapped.push(' ');
                width += 1;
            }
            wrapped.push_str(word);
            width += length;
        }
        wrapped.push('\n');
    }
    wrapped
}

/// What a template may be filled in with, to see what it looks like.
#[must_use]
pub fn example(template: Template) -> Value {
    let mut values: Value = serde_json::from_str(include_str!("../../../templates/examples.json")).unwrap_or_default();
    match template {
        Template::ShipException => values["kind"] = "DISPUTE_DEADLINE".into(),
        Template::TradeDigest => values["exposure"] = "4,563.64".into(),
        _ => {}
    }
    values
}

/// So much of a list is told one by one; of the rest only how much it is.
const MOST: i32 = 50;

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
    use proptest::prelude::*;

    use super::*;

    /// All that any template asks for; every text is the given one.
    fn everything(text: &str) -> Value {
        fn put(value: &mut Value, text: &str) {
            match value {
                Value::String(place) => *place = text.to_owned(),
                Value::Array(items) => items.iter_mut().for_each(|item| put(item, text)),
                Value::Object(fields) => fields.values_mut().for_each(|field| put(field, text)),
                _ => {}
            }
        }
        let mut value = example(Template::TradeCaught);
        value["items"] = Value::from(vec!["an item"]);
        put(&mut value, text);
        value
    }

    #[test]
    fn every_template_fills_in_and_escapes() {
        for template in Template::ALL {
            let rendered = render(template, &everything("<b>&\"'\nBcc: x")).unwrap();
            assert!(!rendered.subject.is_empty() && !rendered.subject.contains('\n'), "{rendered:?}");
            assert!(rendered.html.starts_with("<!doctype html>") && rendered.html.trim_end().ends_with("</html>"));
            assert!(!rendered.html.contains("<b>") && rendered.html.contains("&lt;b&gt;"), "{}", rendered.html);
            assert!(!rendered.text.lines().any(|line| line.starts_with("Bcc")) && rendered.text.contains("<b>"));
        }
    }

    #[test]
    fn every_page_can_be_read_by_all() {
        for template in Template::ALL {
            let page = render(template, &everything("x")).unwrap().html;
            for needed in ["lang=\"en\"", "<title>", "<h1", "color-scheme", "scope=\"", "charset=\"utf-8\""] {
                assert!(page.contains(needed), "{} has no `{needed}`", template.name());
            }
            assert!(!page.contains("<img") && !page.contains("http"), "nothing is loaded, so nobody is watched");
        }
    }

    #[test]
    fn the_examples_look_like_what_they_are_examples_of() {
        for template in Template::ALL {
            let rendered = render(template, &example(template)).unwrap();
            assert!(!rendered.text.contains("none") && !rendered.text.contains("undefined"), "{}", rendered.text);
            assert!(rendered.text.lines().count() > 3, "{}", rendered.text);
        }
        let deadline = render(Template::ShipException, &example(Template::ShipException)).unwrap();
        assert_eq!(deadline.subject, "[Exception] DISPUTE_DEADLINE: DUPLICATE_CHARGE on 794600000014");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let words = "word ".repeat(40);
        let wrapped = wrap(&format!("- {words}\nshort\n{}", "x".repeat(100)));
        let lines: Vec<&str> = wrapped.lines().collect();
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"), "{wrapped}");
        assert!(lines[..lines.len() - 1].iter().all(|line| line.chars().count() <= WIDTH), "{wrapped}");
        assert_eq!(lines.last().map(|line| line.len()), Some(100), "a word is not cut");
    }

    proptest! {
        #[test]
        fn no_text_of_a_tenant_breaks_out(text in ".{1,60}") {
            let plain = render(Template::TradeCaught, &everything("x")).unwrap();
            let found = render(Template::TradeCaught, &everything(&text)).unwrap();
            let tags = |page: &str| page.matches('<').count();
            prop_assert_eq!(tags(&found.html), tags(&plain.html));
            prop_assert!(!found.subject.chars().any(char::is_control));
        }
    }
}
