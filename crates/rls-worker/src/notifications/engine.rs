//! One event or one window in, deliveries out.
//!
//! The order of the checks: preference, dedupe, cooldown, rate limit, send.
//! A delivery is written before it is sent, so that a crash sends it at most once more, under the same key.

use chrono::{DateTime, Duration, DurationRound as _, Utc};
use rls_runtime::TenantTx;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::templates::{self, Rendered, Template};
use super::transport::{Sending, Transport};
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
    match kind {
        "trade.order.caught" => Some(Template::TradeCaught),
        "trade.spike" => Some(Template::TradeSpike),
        "ship.recon.completed" => Some(Template::ShipRecon),
        "ship.exception" => Some(Template::ShipException),
        _ => None,
    }
}

/// Events that only digests tell of.
const DIGEST_ONLY: &[&str] = &["trade.verdict.changed", "job.failed"];

/// What is to be sent.
#[derive(Debug, Default)]
pub struct Plan {
    queued: Vec<Delivery>,
    suppressed: u64,
    /// Channels that need no sending.
    shown: u64,
}

/// One message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// The template, for the unsubscribe link.
    pub template: String,
    /// Where it goes.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body_text: String,
    /// The same as HTML.
    pub body_html: String,
}

/// What became of the messages.
#[derive(Debug, Default)]
pub struct Sent {
    results: Vec<(Uuid, Sending)>,
    /// Those that may get through later.
    pub deferred: u64,
    suppressed: u64,
    shown: u64,
}

/// The result of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All of them.
    pub deliveries: u64,
    /// Those that got through.
    pub sent: u64,
    /// Those that were held back.
    pub suppressed: u64,
    /// Those that may get through later.
    pub deferred: u64,
    /// Those that never will.
    pub failed: u64,
}

/// Plans what an event is told by.
///
/// # Errors
/// When the event is refused, or the database says no.
pub async fn plan_event(tx: &mut TenantTx, job: &Job, event: &NotificationEvent) -> Result<Plan, LaneError> {
    let Some(template) = template_of(&event.kind) else {
        return match DIGEST_ONLY.contains(&event.kind.as_str()) {
            true => Ok(Plan::default()),
            false => Err(FileError::new("EVENT_TYPE_UNKNOWN", format!("no event `{}`", event.kind)).into()),
        };
    };
    let variables = templates::of_event(tx, template, &event.payload).await?;
    let limit = Limit::of(template, &event.payload);
    plan(tx, job, template, &variables, &event.dedupe_key(), &limit).await
}

/// Plans what a window is told by. An empty window is not told at all.
///
/// # Errors
/// When the window is refused, or the database says no.
pub async fn plan_digest(tx: &mut TenantTx, job: &Job, digest: &NotificationDigest) -> Result<Plan, LaneError> {
    if digest.to <= digest.from || digest.to > job.now {
        return Err(FileError::new("WINDOW_INVALID", "the window ends before it starts, or in the future").into());
    }
    let template = Template::of_digest(&digest.template);
    let template =
        template.ok_or_else(|| FileError::new("TEMPLATE_UNKNOWN", format!("no digest `{}`", digest.template)))?;
    match templates::of_window(tx, template, digest.from, digest.to).await? {
        Some(variables) => {
            let key = format!("{}:{}", digest.template, digest.from.format("%Y-%m-%dT%H:%MZ"));
            plan(tx, job, template, &variables, &key, &Limit::default()).await
        }
        None => Ok(Plan::default()),
    }
}

/// How often somebody may hear of something.
#[derive(Debug, Default)]
struct Limit {
    /// So many per hour of this kind.
    per_hour: Option<(i32, String)>,
    /// Once a day of this.
    cooldown_key: Option<String>,
}

impl Limit {
    fn of(template: Template, payload: &Map<String, Value>) -> Limit {
        let text = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match template {
            Template::TradeCaught => Limit { per_hour: Some((10, "trade-caught".to_owned())), cooldown_key: None },
            Template::ShipException => {
                Limit { per_hour: Some((5, format!("ship-exception:{}", text("kind")))), cooldown_key: None }
            }
            Template::TradeSpike => Limit { per_hour: None, cooldown_key: Some(text("scope")) },
            Template::TradeDigest | Template::ShipRecon | Template::ShipStale => Limit::default(),
        }
    }
}

/// Who wants to hear of a template.
#[derive(Debug, sqlx::FromRow)]
struct Recipient {
    user_id: String,
    channel: String,
    address: Option<String>,
}

async fn plan(
    tx: &mut TenantTx,
    job: &Job,
    template: Template,
    variables: &Value,
    dedupe_key: &str,
    limit: &Limit,
) -> Result<Plan, LaneError> {
    let rendered = templates::render(template, variables)?;
    let recipients: Vec<Recipient> = sqlx::query_as(
        "select user_id, channel, address from notification_preferences
         where template = $1 and enabled order by user_id, channel",
    )
    .bind(template.name())
    .fetch_all(&mut **tx)
    .await?;
    let mut plan = Plan::default();
    for recipient in &recipients {
        let message = Message { template, dedupe_key, limit, rendered: &rendered, recipient };
        let status = message.write(tx, job).await?;
        plan.suppressed += u64::from(status == Some("SUPPRESSED"));
        plan.shown += u64::from(status == Some("SENT"));
    }
    plan.queued = sqlx::query_as(
        "select id, template, address, subject, body_text, body_html from notification_deliveries
         where template = $1 and dedupe_key = $2 and channel = 'EMAIL' and status in ('QUEUED', 'DEFERRED') order by id",
    )
    .bind(template.name())
    .bind(dedupe_key)
    .fetch_all(&mut **tx)
    .await?;
    Ok(plan)
}

/// One message before it is a delivery.
struct Message<'a> {
    template: Template,
    dedupe_key: &'a str,
    limit: &'a Limit,
    rendered: &'a Rendered,
    recipient: &'a Recipient,
}

impl Message<'_> {
    /// Writes it down and says as what; nothing when it was written down before.
    async fn write(&self, tx: &mut TenantTx, job: &Job) -> sqlx::Result<Option<&'static str>> {
        let known: bool = sqlx::query_scalar(
            "select exists (select from notification_deliveries where template = $1 and channel = $2 and recipient = $3
                 and dedupe_key = $4)",
        )
        .bind(self.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(self.dedupe_key)
        .fetch_one(&mut **tx)
        .await?;
        if known {
            return Ok(None);
        }
        let (status, reason) = if self.is_cooling(tx, job.now).await? {
            ("SUPPRESSED", Some("COOLDOWN"))
        } else if self.is_too_much(tx, job.now).await? {
            ("SUPPRESSED", Some("RATE_LIMIT"))
        } else if self.recipient.channel == "EMAIL" {
            ("QUEUED", None)
        } else {
            ("SENT", None)
        };
        let written = sqlx::query(
            "insert into notification_deliveries (template, channel, recipient, address, dedupe_key, cooldown_key, status,
                 reason, subject, body_text, body_html, job_id, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             on conflict (tenant_id, template, channel, recipient, dedupe_key) do nothing",
        )
        .bind(self.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(&self.recipient.address)
        .bind(self.dedupe_key)
        .bind(&self.limit.cooldown_key)
        .bind(status)
        .bind(reason)
        .bind(&self.rendered.subject)
        .bind(&self.rendered.text)
        .bind(&self.rendered.html)
        .bind(job.id)
        .bind(job.now)
        .execute(&mut **tx)
        .await?;
        Ok((written.rows_affected() == 1).then_some(status))
    }

    /// Whether the recipient heard of the same thing within a day.
    async fn is_cooling(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<bool> {
        let Some(key) = &self.limit.cooldown_key else { return Ok(false) };
        sqlx::query_scalar(
            "select exists (select from notification_deliveries where template = $1 and channel = $2 and recipient = $3
                 and cooldown_key = $4 and status in ('QUEUED', 'DEFERRED', 'SENT') and created_at > $5)",
        )
        .bind(self.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(key)
        .bind(now - Duration::hours(24))
        .fetch_one(&mut **tx)
        .await
    }

    /// Takes one of the hour's places, if there is one left.
    async fn is_too_much(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<bool> {
        let Some((most, bucket)) = &self.limit.per_hour else { return Ok(false) };
        let hour = now.duration_trunc(Duration::hours(1)).unwrap_or(now);
        let taken: Option<i32> = sqlx::query_scalar(
            "insert into notification_rate_buckets as b (bucket, recipient, bucket_start, count) values ($1, $2, $3, 1)
             on conflict (tenant_id, bucket, recipient, bucket_start) do update set count = b.count + 1
                 where b.count < $4
             returning count",
        )
        .bind(format!("{bucket}:{}", self.recipient.channel))
        .bind(&self.recipient.user_id)
        .bind(hour)
        .bind(most)
        .fetch_optional(&mut **tx)
        .await?;
        Ok(taken.is_none())
    }
}

/// Sends what is planned; no scope is open meanwhile.
pub async fn send(transport: &Transport, plan: Plan) -> Sent {
    let mut sent = Sent { suppressed: plan.suppressed, shown: plan.shown, ..Sent::default() };
    for delivery in plan.queued {
        let result = transport.send(&delivery).await;
        sent.deferred += u64::from(matches!(result, Sending::Deferred(_)));
        sent.results.push((delivery.id, result));
    }
    sent
}

/// Writes down what became of the messages.
///
/// # Errors
/// When the database says no.
pub async fn record(tx: &mut TenantTx, sent: &Sent) -> sqlx::Result<()> {
    for (id, result) in &sent.results {
        let (status, reason) = match result {
            Sending::Sent => ("SENT", None),
            Sending::Deferred(reason) => ("DEFERRED", Some(reason)),
            Sending::Failed(reason) => ("FAILED", Some(reason)),
        };
        sqlx::query(
            "update notification_deliveries set status = $2, reason = $3, attempt = attempt + 1
             where id = $1 and status in ('QUEUED', 'DEFERRED')",
        )
        .bind(id)
        .bind(status)
        .bind(reason)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

impl Sent {
    /// The result of the job.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = |of: fn(&Sending) -> bool| self.results.iter().filter(|(_, result)| of(result)).count() as u64;
        Summary {
            deliveries: self.results.len() as u64 + self.suppressed + self.shown,
            sent: count(|result| matches!(result, Sending::Sent)) + self.shown,
            suppressed: self.suppressed,
            deferred: self.deferred,
            failed: count(|result| matches!(result, Sending::Failed(_))),
        }
    }
}
