//! Deliveries that wait in, what became of each out.
//!
//! A delivery is claimed in one scope, sent while no scope is open, and settled in another.
//! A claim that was never settled says that nobody knows how the sending ended: then it is sent once more, and not again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rls_runtime::TenantTx;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::templates::Template;
use super::transport::{Sending, Transport};
use super::webhook::endpoint;
use super::webhook::signature::Secret;
use crate::fingerprint;

/// How often the end of a sending may stay unknown.
const MOST_UNKNOWN: i32 = 1;

/// One message to one recipient, claimed for sending.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// Its template.
    pub template: String,
    /// `EMAIL` or `WEBHOOK`.
    pub channel: String,
    /// Who gets it: a user, or an endpoint by its name.
    pub recipient: String,
    /// Where it goes: a mail address, or the endpoint's URL; nothing where that is gone.
    pub address: String,
    /// What it is signed with, if it goes to an endpoint.
    pub secret: Option<Secret>,
    /// What makes it the only one of its kind.
    pub dedupe_key: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body_text: String,
    /// The same as HTML.
    pub body_html: String,
    /// The same as JSON, if it goes to an endpoint.
    pub body_json: Option<Value>,
    /// When this attempt was claimed.
    pub sending_since: DateTime<Utc>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// Which attempt this is, counted from 1.
    pub attempt: i32,
    /// How many attempts ended in a way that nobody knows.
    pub unknown_ends: i32,
}

impl Delivery {
    /// Made of what makes it the only one of its kind: the same however often it is sent.
    #[must_use]
    pub fn key_hash(&self) -> String {
        let tenant = self.tenant_id.to_string();
        let mut hash = fingerprint::of_texts([tenant.as_str(), &self.template, &self.recipient, &self.dedupe_key]);
        hash.truncate(40);
        hash
    }
}

/// The deliveries of one event or window.
#[derive(Debug, Default)]
pub struct Batch {
    /// What makes them one; nothing where there is nothing to tell.
    pub key: Option<(Template, String)>,
    /// Those that are to be sent.
    pub claimed: Vec<Delivery>,
}

/// What became of the messages of a batch.
#[derive(Debug, Default)]
pub struct Sent {
    key: Option<(Template, String)>,
    results: Vec<(Delivery, Sending)>,
    /// A sending panicked. Its delivery stays claimed, which says that its end is not known.
    is_one_lost: bool,
}

/// Whether the job may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It may.
    More,
    /// What cannot be delivered now never will be.
    Last,
}

/// The result of the job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Summary {
    /// All of them.
    pub deliveries: i64,
    /// Those that got through.
    pub sent: i64,
    /// Those that were held back.
    pub suppressed: i64,
    /// Those that may get through later.
    pub deferred: i64,
    /// Those that never will.
    pub failed: i64,
}

/// Claims what waits under a key, so that it is seen that somebody is sending it.
///
/// # Errors
/// When the database says no.
pub async fn claim(tx: &mut TenantTx, template: Template, dedupe_key: &str, now: DateTime<Utc>) -> sqlx::Result<Batch> {
    sqlx::query(
        "update notification_deliveries set status = 'FAILED', sending_since = null,
             reason = 'DELIVERY_UNKNOWN: the worker was stopped while it sent the message again'
         where template = $1 and dedupe_key = $2 and status in ('QUEUED', 'DEFERRED')
             and sending_since is not null and unknown_ends >= $3",
    )
    .bind(template.name())
    .bind(dedupe_key)
    .bind(MOST_UNKNOWN)
    .execute(&mut **tx)
    .await?;
    let claimed: Vec<Delivery> = sqlx::query_as(
        "with claimed as (
             update notification_deliveries set sending_since = $3, attempt = attempt + 1,
                 unknown_ends = unknown_ends + (sending_since is not null)::integer
             where template = $1 and dedupe_key = $2 and status in ('QUEUED', 'DEFERRED')
             returning id, tenant_id, template, channel, recipient, address, dedupe_key, subject, body_text, body_html,
                 body_json, sending_since, created_at, attempt, unknown_ends
         )
         select d.id, d.tenant_id, d.template, d.channel, d.recipient, coalesce(d.address, e.url, '') as address, e.secret,
             d.dedupe_key, d.subject, d.body_text, d.body_html, d.body_json, d.sending_since, d.created_at, d.attempt,
             d.unknown_ends
         from claimed d left join webhook_endpoints e on e.tenant_id = d.tenant_id and e.name = d.recipient
             and d.channel = 'WEBHOOK' and e.off_since is null
         order by d.recipient, d.channel",
    )
    .bind(template.name())
    .bind(dedupe_key)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(Batch { key: Some((template, dedupe_key.to_owned())), claimed })
}

/// Sends what is claimed, as much at once as the transport allows; no scope is open meanwhile.
pub async fn send(transport: &Transport, batch: Batch, attempt: Attempt) -> Sent {
    let mut sending = JoinSet::new();
    for delivery in batch.claimed {
        let transport = transport.clone();
        let delivery = Arc::new(delivery);
        sending.spawn(async move {
            let result = transport.send(&delivery).await;
            (Arc::unwrap_or_clone(delivery), result)
        });
    }
    let mut sent = Sent { key: batch.key, ..all_ended(sending, attempt).await };
    sent.results.sort_by_key(|(delivery, _)| delivery.id);
    sent
}

async fn all_ended(mut sending: JoinSet<(Delivery, Sending)>, attempt: Attempt) -> Sent {
    let mut sent = Sent::default();
    while let Some(ended) = sending.join_next().await {
        match ended {
            Ok((delivery, result)) => {
                let result = result.settled(&delivery, attempt);
                sent.results.push((delivery, result));
            }
            Err(_) => sent.is_one_lost = true,
        }
    }
    sent
}

impl Sending {
    /// What it comes to for this delivery: nothing is tried for ever, and nothing of unknown end more than once again.
    fn settled(self, delivery: &Delivery, attempt: Attempt) -> Sending {
        match (self, attempt) {
            (Sending::Unknown(reason), _) if delivery.unknown_ends >= MOST_UNKNOWN => {
                Sending::Failed(format!("DELIVERY_UNKNOWN: {reason}"))
            }
            (Sending::Unknown(reason), Attempt::Last) => Sending::Failed(format!("DELIVERY_UNKNOWN: {reason}")),
            (Sending::Deferred(reason), Attempt::Last) => Sending::Failed(format!("GAVE_UP: {reason}")),
            (other, _) => other,
        }
    }
}

impl Sent {
    /// Whether something is to be tried again.
    #[must_use]
    pub fn has_deferred(&self) -> bool {
        let may_be_sent = |(_, result): &_| matches!(result, Sending::Deferred(_) | Sending::Unknown(_));
        self.is_one_lost || self.results.iter().any(may_be_sent)
    }
}

/// Writes down what became of the messages. That one got through counts whoever has claimed it meanwhile.
///
/// # Errors
/// When the database says no.
pub async fn record(tx: &mut TenantTx, sent: &Sent) -> sqlx::Result<()> {
    for (delivery, result) in &sent.results {
        let (status, reason) = match result {
            Sending::Sent => ("SENT", None),
            Sending::Deferred(reason) | Sending::Unknown(reason) => ("DEFERRED", Some(reason)),
            Sending::Failed(reason) | Sending::Gone(reason) => ("FAILED", Some(reason)),
        };
        if let Sending::Gone(reason) = result {
            endpoint::turn_off(tx, &delivery.recipient, &delivery.address, reason, delivery.sending_since).await?;
        }
        sqlx::query(
            "update notification_deliveries set status = $2, reason = $3, sending_since = null,
                 unknown_ends = unknown_ends + $4
             where id = $1 and status in ('QUEUED', 'DEFERRED') and (attempt = $5 or $2 = 'SENT')",
        )
        .bind(delivery.id)
        .bind(status)
        .bind(reason)
        .bind(i32::from(matches!(result, Sending::Unknown(_))))
        .bind(delivery.attempt)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Counts all deliveries of a batch, those of earlier attempts among them.
///
/// # Errors
/// When the database says no.
pub async fn summary(tx: &mut TenantTx, sent: &Sent) -> sqlx::Result<Summary> {
    let Some((template, dedupe_key)) = &sent.key else { return Ok(Summary::default()) };
    sqlx::query_as(
        "select count(*) as deliveries, count(*) filter (where status = 'SENT') as sent,
             count(*) filter (where status = 'SUPPRESSED') as suppressed,
             count(*) filter (where status in ('QUEUED', 'DEFERRED')) as deferred,
             count(*) filter (where status = 'FAILED') as failed
         from notification_deliveries where template = $1 and dedupe_key = $2",
    )
    .bind(template.name())
    .bind(dedupe_key)
    .fetch_one(&mut **tx)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(unknown_ends: i32) -> Delivery {
        let text = String::new;
        Delivery {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            template: text(),
            channel: text(),
            recipient: text(),
            address: text(),
            secret: None,
            dedupe_key: text(),
            subject: text(),
            body_text: text(),
            body_html: text(),
            body_json: None,
            sending_since: DateTime::UNIX_EPOCH,
            created_at: DateTime::UNIX_EPOCH,
            attempt: 1,
            unknown_ends,
        }
    }

    fn settled(result: Sending, unknown_ends: i32, attempt: Attempt) -> Sending {
        result.settled(&delivery(unknown_ends), attempt)
    }

    #[tokio::test]
    async fn a_sending_that_panics_is_tried_again_and_the_others_count() {
        let mut sending = JoinSet::new();
        sending.spawn(async { (delivery(0), Sending::Sent) });
        assert!(!all_ended(sending, Attempt::More).await.has_deferred());
        let mut sending = JoinSet::new();
        sending.spawn(async { (delivery(0), Sending::Sent) });
        sending.spawn(async { panic!("no transport does this") });
        let sent = all_ended(sending, Attempt::More).await;
        assert_eq!(sent.results, [(delivery(0), Sending::Sent)]);
        assert!(sent.has_deferred());
    }

    #[test]
    fn nothing_is_tried_for_ever() {
        let (deferred, unknown) = (Sending::Deferred("r".into()), Sending::Unknown("r".into()));
        assert_eq!(settled(deferred.clone(), 1, Attempt::More), deferred);
        assert_eq!(settled(deferred, 0, Attempt::Last), Sending::Failed("GAVE_UP: r".into()));
        assert_eq!(settled(unknown.clone(), 0, Attempt::More), unknown);
        assert_eq!(settled(unknown.clone(), 1, Attempt::More), Sending::Failed("DELIVERY_UNKNOWN: r".into()));
        assert_eq!(settled(unknown, 0, Attempt::Last), Sending::Failed("DELIVERY_UNKNOWN: r".into()));
        assert_eq!(settled(Sending::Sent, 1, Attempt::Last), Sending::Sent);
    }
}
