//! One event or one window in, deliveries out.
//!
//! The order of the checks: preference, dedupe, cooldown, rate limit, send.
//! A delivery is written before it is sent, so that a crash sends it at most once more, under the same key.

use chrono::{DateTime, Duration, DurationRound as _, SecondsFormat, Utc};
use rls_runtime::TenantTx;
use rls_runtime::queue::{NewJob, OnConflict, Queue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::outbox::{self, Batch};
use super::pages::Pages;
use super::templates::{self, Rendered, Template};
use crate::fingerprint;
use crate::table::FileError;
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

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
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
    fn of(template: Template, payload: &Map<String, Value>) -> Severity {
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
    const fn admits(self) -> &'static [&'static str] {
        match self {
            Severity::Low => &["LOW"],
            Severity::Normal => &["LOW", "NORMAL"],
            Severity::High | Severity::Digest => &["LOW", "NORMAL", "HIGH"],
        }
    }
}

/// How often somebody may hear of something.
#[derive(Debug, Default)]
struct Limit {
    /// So many per hour of this kind.
    per_hour: Option<(i32, String)>,
    /// Once a day of this.
    cooldown_key: Option<String>,
    /// What is too much in an hour is told of together at its end, under this kind.
    grouped_as: Option<String>,
}

impl Limit {
    fn of(template: Template, payload: &Map<String, Value>) -> Limit {
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
struct Told<'a> {
    template: Template,
    dedupe_key: &'a str,
    severity: Severity,
    limit: Limit,
    /// Only those are told from whom something of this group was held back.
    group: Option<&'a str>,
    /// What programs are told: the event as it was raised, or the window.
    about: Value,
}

/// Who wants to hear of a template.
#[derive(Debug, sqlx::FromRow)]
struct Recipient {
    user_id: String,
    channel: String,
    address: Option<String>,
    cadence: String,
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
    let job = NewJob::of(&event)?.unique_key_or(format!("notification_event:{group}"), OnConflict::Keep).run_in(wait);
    queue.enqueue(tx, &job).await?;
    Ok(())
}

impl Told<'_> {
    /// The kind and the hour that are told of together.
    fn group_key(&self, now: DateTime<Utc>) -> Option<(&str, String)> {
        let kind = self.limit.grouped_as.as_deref()?;
        Some((kind, format!("{}:{kind}:{}", self.template.name(), hour(now).format("%Y-%m-%dT%HZ"))))
    }
}

fn hour(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(Duration::hours(1)).unwrap_or(time)
}

/// Why a message is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// The recipient wants digests only.
    DigestOnly,
    /// The recipient heard of the same thing within a day.
    Cooling,
    /// The hour has had too many of its kind.
    TooMuch,
}

impl Held {
    const fn reason(self) -> &'static str {
        match self {
            Held::DigestOnly => "CADENCE",
            Held::Cooling => "COOLDOWN",
            Held::TooMuch => "RATE_LIMIT",
        }
    }
}

/// One message before it is a delivery.
struct Message<'a> {
    told: &'a Told<'a>,
    variables: &'a Value,
    rendered: &'a Rendered,
    recipient: &'a Recipient,
}

impl Message<'_> {
    /// Writes it down, unless it was written down before, and says why it is held back, if it is.
    async fn write(&self, tx: &mut TenantTx, job: &Job) -> sqlx::Result<Option<Held>> {
        if self.is_known(tx).await? {
            return Ok(None);
        }
        let held = self.held_back(tx, job.now).await?;
        let status = match (held, self.recipient.channel.as_str()) {
            (Some(_), _) => "SUPPRESSED",
            (None, "IN_APP") => "SENT",
            (None, _) => "QUEUED",
        };
        let group = held.filter(|held| *held == Held::TooMuch).and_then(|_| self.told.group_key(job.now));
        sqlx::query(
            "insert into notification_deliveries (template, channel, recipient, address, dedupe_key, cooldown_key, status,
                 reason, subject, body_text, body_html, job_id, created_at, group_key, body_json)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             on conflict (tenant_id, template, channel, recipient, dedupe_key) do nothing",
        )
        .bind(self.told.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(&self.recipient.address)
        .bind(self.told.dedupe_key)
        .bind(&self.told.limit.cooldown_key)
        .bind(status)
        .bind(held.map(Held::reason))
        .bind(&self.rendered.subject)
        .bind(&self.rendered.text)
        .bind(&self.rendered.html)
        .bind(job.id)
        .bind(job.now)
        .bind(group.map(|(_, group)| group))
        .bind((self.recipient.channel == "WEBHOOK").then(|| self.body_json(job.now)))
        .execute(&mut **tx)
        .await?;
        Ok(held)
    }

    /// What an endpoint gets. The page on webhooks says what it is made of.
    fn body_json(&self, now: DateTime<Utc>) -> Value {
        json!({"type": self.told.template.event(), "timestamp": now.to_rfc3339_opts(SecondsFormat::Secs, true), "data": {
            "key": self.told.dedupe_key, "subject": self.rendered.subject, "event": self.told.about,
            "variables": self.variables}})
    }

    async fn is_known(&self, tx: &mut TenantTx) -> sqlx::Result<bool> {
        sqlx::query_scalar(
            "select exists (select from notification_deliveries where template = $1 and channel = $2 and recipient = $3
                 and dedupe_key = $4)",
        )
        .bind(self.told.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(self.told.dedupe_key)
        .fetch_one(&mut **tx)
        .await
    }

    async fn held_back(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<Option<Held>> {
        let is_event = self.told.severity != Severity::Digest && self.told.group.is_none();
        if is_event && self.recipient.cadence == "DIGEST" {
            return Ok(Some(Held::DigestOnly));
        }
        if self.is_cooling(tx, now).await? {
            return Ok(Some(Held::Cooling));
        }
        Ok(self.is_too_much(tx, now).await?.then_some(Held::TooMuch))
    }

    /// Whether the recipient heard of the same thing within a day.
    async fn is_cooling(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<bool> {
        let Some(key) = &self.told.limit.cooldown_key else { return Ok(false) };
        sqlx::query_scalar(
            "select exists (select from notification_deliveries where template = $1 and channel = $2 and recipient = $3
                 and cooldown_key = $4 and status in ('QUEUED', 'DEFERRED', 'SENT') and created_at > $5)",
        )
        .bind(self.told.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(key)
        .bind(now - Duration::hours(24))
        .fetch_one(&mut **tx)
        .await
    }

    /// Takes one of the hour's places, if there is one left.
    async fn is_too_much(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<bool> {
        let Some((most, bucket)) = &self.told.limit.per_hour else { return Ok(false) };
        let taken: Option<i32> = sqlx::query_scalar(
            "insert into notification_rate_buckets as b (bucket, recipient, bucket_start, count) values ($1, $2, $3, 1)
             on conflict (tenant_id, bucket, recipient, bucket_start) do update set count = b.count + 1
                 where b.count < $4
             returning count",
        )
        .bind(format!("{bucket}:{}", self.recipient.channel))
        .bind(&self.recipient.user_id)
        .bind(hour(now))
        .bind(most)
        .fetch_optional(&mut **tx)
        .await?;
        Ok(taken.is_none())
    }
}
