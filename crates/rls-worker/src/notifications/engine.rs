//! One event or one window in, deliveries out.
//!
//! The order of the checks: preference, dedupe, cooldown, rate limit, send.
//! A delivery is written before it is sent, so that a crash sends it at most once more, under the same key.

use chrono::{DateTime, Duration, Utc};
use rls_runtime::TenantTx;
use rls_runtime::queue::{NewJob, OnConflict, Queue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::message::{Held, Message, Recipient};
use super::outbox::{self, Batch};
use super::pages::Pages;
use super::templates::{self, Template};
use super::told::{Limit, Severity, Told, hour};
use crate::fingerprint;
use crate::table::FileError;
use crate::workers::envelope::created_by;
use crate::workers::outcome::{Job, LaneError};

/// An event, as a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationEvent {
    /// The same event has the same key; made of the payload when there is none.
    #[serde(default)]
    pub key: Option<String>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is known of it.
    #[serde(flatten)]
    pub payload: Map<String, Value>,
}

/// A window of a template, as a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationDigest {
    /// `trade-digest`, `ship-stale` or `ship-recon`.
    pub template: String,
    /// The window's start.
    pub from: DateTime<Utc>,
    /// The window's end.
    pub to: DateTime<Utc>,
}

impl NotificationEvent {
    /// An event with its key.
    #[must_use]
    pub fn new(key: &str, kind: &str, payload: Value) -> NotificationEvent {
        let payload = if let Value::Object(payload) = payload { payload } else { Map::new() };
        NotificationEvent { key: Some(key.to_owned()), kind: kind.to_owned(), payload }
    }

    fn dedupe_key(&self) -> String {
        let of_payload = || {
            fingerprint::of_texts(
                [&self.kind, &Value::Object(self.payload.clone()).to_string()].map(|text| text.as_str()),
            )
        };
        self.key.clone().unwrap_or_else(of_payload)
    }
}

/// The template of an event; nothing where only digests tell of it.
#[must_use]
pub fn template_of(kind: &str) -> Option<Template> {
    let of_events =
        [Template::TradeCaught, Template::TradeSpike, Template::ShipRecon, Template::ShipException].into_iter();
    of_events.into_iter().find(|template| template.event() == kind)
}

/// Events that only digests tell of.
const DIGEST_ONLY: &[&str] = &["trade.verdict.changed", "job.failed"];

/// What tells of the alerts that an hour had too many of. No lane raises it.
const GROUPED: &str = "ship.exception.grouped";

/// Plans what an event is told by.
///
/// # Errors
/// When the event is refused, or the database says no.
pub async fn plan_event(
    tx: &mut TenantTx,
    queue: &Queue,
    job: &Job,
    pages: Option<&Pages>,
    event: &NotificationEvent,
) -> Result<Batch, LaneError> {
    if event.kind == GROUPED {
        return plan_group(tx, queue, job, event).await;
    }
    let Some(template) = template_of(&event.kind) else {
        return match DIGEST_ONLY.contains(&event.kind.as_str()) {
            true => Ok(Batch::default()),
            false => Err(FileError::new("EVENT_TYPE_UNKNOWN", format!("no event `{}`", event.kind)).into()),
        };
    };
    let variables = templates::of_event(tx, template, &event.payload, pages).await?;
    let told = Told {
        template,
        dedupe_key: &event.dedupe_key(),
        severity: Severity::of(template, &event.payload),
        limit: Limit::of(template, &event.payload),
        group: None,
        about: event.payload.clone().into(),
    };
    plan(tx, queue, job, &told, &variables).await
}

/// Plans what tells of the alerts that were held back in an hour: those who would have got them get one message.
async fn plan_group(
    tx: &mut TenantTx,
    queue: &Queue,
    job: &Job,
    event: &NotificationEvent,
) -> Result<Batch, LaneError> {
    let group = templates::subject(&event.payload, "group")?;
    let variables = templates::of_group(tx, templates::subject(&event.payload, "kind")?, group).await?;
    let told = Told {
        template: Template::ShipException,
        dedupe_key: group,
        severity: Severity::High,
        limit: Limit::default(),
        group: Some(group),
        about: event.payload.clone().into(),
    };
    plan(tx, queue, job, &told, &variables).await
}

/// Plans what a window is told by. An empty window is not told at all.
///
/// # Errors
/// When the window is refused, or the database says no.
pub async fn plan_digest(
    tx: &mut TenantTx,
    queue: &Queue,
    job: &Job,
    digest: &NotificationDigest,
) -> Result<Batch, LaneError> {
    if digest.to <= digest.from || digest.to > job.now {
        return Err(FileError::new("WINDOW_INVALID", "the window ends before it starts, or in the future").into());
    }
    let template = Template::of_digest(&digest.template);
    let template =
        template.ok_or_else(|| FileError::new("TEMPLATE_UNKNOWN", format!("no digest `{}`", digest.template)))?;
    let Some(variables) = templates::of_window(tx, template, digest.from, digest.to).await? else {
        return Ok(Batch::default());
    };
    let dedupe_key = &format!("{}:{}", digest.template, digest.from.format("%Y-%m-%dT%H:%MZ"));
    let told = Told {
        template,
        dedupe_key,
        severity: Severity::Digest,
        limit: Limit::default(),
        group: None,
        about: json!({"from": digest.from, "to": digest.to}),
    };
    plan(tx, queue, job, &told, &variables).await
}

async fn plan(
    tx: &mut TenantTx,
    queue: &Queue,
    job: &Job,
    told: &Told<'_>,
    variables: &Value,
) -> Result<Batch, LaneError> {
    let rendered = templates::render(told.template, variables)?;
    let recipients: Vec<Recipient> = sqlx::query_as(
        "select user_id, channel, address, cadence from notification_preferences p
         where template = $1 and enabled and min_severity = any ($2) and ($3::text is null or exists (
             select from notification_deliveries d where d.tenant_id = p.tenant_id and d.group_key = $3
                 and d.recipient = p.user_id and d.channel = p.channel))
             and (channel <> 'WEBHOOK' or exists (select from webhook_endpoints e where e.tenant_id = p.tenant_id
                 and e.name = p.user_id and e.off_since is null))
         order by user_id, channel",
    )
    .bind(told.template.name())
    .bind(told.severity.admits())
    .bind(told.group)
    .fetch_all(&mut **tx)
    .await?;
    for recipient in &recipients {
        let message = Message { told, variables, rendered: &rendered, recipient };
        if message.write(tx, job).await? == Some(Held::TooMuch) {
            tell_at_the_hours_end(tx, queue, job, told).await?;
        }
    }
    Ok(outbox::claim(tx, told.template, told.dedupe_key, job.now).await?)
}

/// Enqueues the one message about all that is too much in this hour.
async fn tell_at_the_hours_end(tx: &mut TenantTx, queue: &Queue, job: &Job, told: &Told<'_>) -> sqlx::Result<()> {
    let Some((kind, group)) = told.group_key(job.now) else { return Ok(()) };
    let event = NotificationEvent::new(&group, GROUPED, json!({"kind": kind, "group": group}));
    let wait = (hour(job.now) + Duration::hours(1) - job.now).to_std().unwrap_or_default();
    let job = created_by(NewJob::of(&event)?, "notifications").run_in(wait);
    let job = job.unique_key_or(format!("notification_event:{group}"), OnConflict::Keep);
    queue.enqueue(tx, &job).await?;
    Ok(())
}
