//! One thing that is told and one recipient in, a delivery out, or why it is held back.

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use rls_runtime::TenantTx;
use serde_json::{Value, json};

use super::templates::Rendered;
use super::told::{Severity, Told, hour};
use crate::trade::detection;
use crate::workers::outcome::Job;

/// Who wants to hear of a template.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Recipient {
    user_id: String,
    channel: String,
    address: Option<String>,
    cadence: String,
}

/// Why a message is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
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
pub(super) struct Message<'a> {
    pub(super) told: &'a Told<'a>,
    pub(super) variables: &'a Value,
    pub(super) rendered: &'a Rendered,
    pub(super) recipient: &'a Recipient,
}

impl Message<'_> {
    /// Writes it down, unless it was written down before, and says why it is held back, if it is.
    pub(super) async fn write(&self, tx: &mut TenantTx, job: &Job) -> sqlx::Result<Option<Held>> {
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

    /// Whether the recipient heard of the same thing that stands out just now.
    async fn is_cooling(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<bool> {
        let Some(key) = &self.told.limit.cooldown_key else { return Ok(false) };
        let hours = detection::load(tx).await?.spike_cooldown_hours;
        sqlx::query_scalar(
            "select exists (select from notification_deliveries where template = $1 and channel = $2 and recipient = $3
                 and cooldown_key = $4 and status in ('QUEUED', 'DEFERRED', 'SENT') and created_at > $5)",
        )
        .bind(self.told.template.name())
        .bind(&self.recipient.channel)
        .bind(&self.recipient.user_id)
        .bind(key)
        .bind(now - Duration::hours(hours.into()))
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
