//! How mail goes out, who gets it, and who no longer does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use lettre::Address;
use lettre::message::Mailbox;
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::notifications::calendar::{Cadence, Calendar};
use rls_worker::notifications::mail::Letterhead;
use rls_worker::notifications::pages::Pages;
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::roots::Roots;
use rls_worker::notifications::scheduler;
use rls_worker::notifications::smtp::Smtp;
use rls_worker::notifications::templates::{Template, example, render};
use rls_worker::notifications::transport::Mail;
use rls_worker::notifications::unsubscribe::{self, Key, Subscription};

use super::say::say;
use super::{Passed, Runtime};

/// How mail goes out.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The folder that mail is written to when there is no mail server; `mail`, or for `dev` one that goes away
    #[arg(long, value_name = "DIR")]
    mail: Option<PathBuf>,
    /// The mail server, as `smtp://host`, `smtp://user:password@host?tls=required` or `smtps://user:password@host`
    #[arg(
        long, env = "SMTP_URL", hide_env_values = true, value_name = "URL",
        requires_all = ["mail_from", "unsubscribe_url", "unsubscribe_key"],
    )]
    smtp_url: Option<String>,
    /// Who mail is from, as `Alerts <alerts@example.com>`
    #[arg(long, env = "MAIL_FROM", value_name = "MAILBOX")]
    mail_from: Option<Mailbox>,
    /// The page whose one click ends a subscription; it gets `?token=`
    #[arg(long, env = "UNSUBSCRIBE_URL", value_name = "URL")]
    unsubscribe_url: Option<String>,
    /// The address that ends a subscription when it gets a mail with the token as its subject
    #[arg(long, env = "UNSUBSCRIBE_MAIL", value_name = "ADDRESS")]
    unsubscribe_mail: Option<Address>,
    /// What the tokens of unsubscribe links are signed with, 16 bytes or more
    #[arg(long, env = "UNSUBSCRIBE_KEY", hide_env_values = true, value_name = "KEY", value_parser = Key::new)]
    unsubscribe_key: Option<Key>,
    /// Connections to the mail server at most
    #[arg(long, default_value_t = 4, value_name = "N")]
    smtp_connections: usize,
    /// How long the delivery of one message may take, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    smtp_timeout: u64,
    /// A PEM file with authorities that are believed besides the public ones, for mail servers and endpoints
    #[arg(long, env = "EXTRA_CA", value_name = "FILE")]
    extra_ca: Option<PathBuf>,
    /// The URL of your own application, which has a page for each caught order below `caught-orders/`; without it messages have no links
    #[arg(long, env = "APP_URL", value_name = "URL")]
    app_url: Option<Pages>,
}

/// What the tokens of unsubscribe links are signed with.
#[derive(clap::Args)]
pub(super) struct UnsubscribeKey {
    /// What the token was signed with
    #[arg(long = "unsubscribe-key", env = "UNSUBSCRIBE_KEY", hide_env_values = true, value_name = "KEY", value_parser = Key::new)]
    key: Key,
}

impl Options {
    /// Where links lead.
    pub(super) fn pages(&self) -> Option<Pages> {
        self.app_url.clone()
    }

    /// Who vouches for servers.
    pub(super) fn roots(&self) -> anyhow::Result<Roots> {
        let Some(path) = &self.extra_ca else { return Ok(Roots::default()) };
        let pem = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Roots::with(pem).with_context(|| format!("`{}` cannot be used", path.display()))
    }

    /// The mail server, or the folder.
    pub(super) fn mail(self, usual: &Path) -> anyhow::Result<Mail> {
        let roots = self.roots()?;
        let folder = self.mail.unwrap_or_else(|| usual.to_owned());
        let Some(url) = self.smtp_url else { return Ok(Mail::Files(folder)) };
        let (from, page) = self.mail_from.zip(self.unsubscribe_url).context("mail needs a sender")?;
        let letterhead = Letterhead {
            from,
            unsubscribe_url: page,
            unsubscribe_mail: self.unsubscribe_mail,
            key: self.unsubscribe_key.context("mail needs a key for its unsubscribe links")?,
        };
        let patience = Duration::from_secs(self.smtp_timeout);
        Ok(Mail::Smtp(Arc::new(Smtp::new(&url, &roots, letterhead, self.smtp_connections, patience)?)))
    }
}

/// Who wants to hear of what.
#[derive(clap::Args)]
pub(super) struct Reader {
    /// The user
    user: String,
    #[command(flatten)]
    topics: Topics,
    /// Where mail goes; without it messages are only kept for the user to look at
    #[arg(long, value_name = "ADDRESS")]
    mail: Option<Address>,
}

/// What somebody wants to hear of.
#[derive(clap::Args)]
pub(super) struct Topics {
    /// Of what: `trade-caught`, `trade-spike`, `trade-digest`, `ship-recon`, `ship-exception` or `ship-stale`; all when there is none
    templates: Vec<Template>,
    /// What is told at once: `all`, `normal` or `urgent` things, or `none` but digests
    #[arg(long, default_value = "all", value_name = "HOW_MUCH", value_parser = wants)]
    pub(super) at_once: Wants,
}

impl Topics {
    pub(super) fn templates(&self) -> &[Template] {
        if self.templates.is_empty() { &Template::ALL } else { &self.templates }
    }
}

fn wants(text: &str) -> Result<Wants, String> {
    match text {
        "all" => Ok(Wants::Everything),
        "normal" => Ok(Wants::Normal),
        "urgent" => Ok(Wants::Urgent),
        "none" => Ok(Wants::DigestsOnly),
        _ => Err("there are `all`, `normal`, `urgent` and `none`".to_owned()),
    }
}

/// Writes the page and the text of each template.
pub(super) fn preview(out: &Path) -> anyhow::Result<Passed> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make `{}`", out.display()))?;
    for template in Template::ALL {
        let rendered = render(template, &example(template))?;
        let text = format!("Subject: {}\n\n{}", rendered.subject, rendered.text);
        for (end, content) in [("html", &rendered.html), ("txt", &text)] {
            let path = out.join(format!("{}.{end}", template.name()));
            std::fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    }
    say(format_args!("six messages are in `{}`", out.display()))?;
    Ok(Passed::Yes)
}

pub(super) async fn subscribe(pool: &RlsPool, tenant: TenantId, reader: &Reader) -> anyhow::Result<Passed> {
    let Reader { user, topics, .. } = reader;
    let (templates, at_once) = (topics.templates(), topics.at_once);
    let address = reader.mail.as_ref().map(ToString::to_string);
    let channel = address.as_deref().map_or(Channel::InApp, Channel::Email);
    with_tenant(pool, tenant, async |mut tx| preferences::subscribe(&mut tx, user, channel, templates, at_once).await)
        .await?;
    say(format_args!("`{user}` hears of {}", templates.iter().map(|of| of.name()).collect::<Vec<_>>().join(", ")))?;
    Ok(Passed::Yes)
}

/// When a tenant has a digest.
#[derive(clap::Args)]
pub(super) struct Digest {
    /// Of what: `trade-digest`, `ship-recon` or `ship-stale`
    template: Template,
    /// `daily`, or a weekday as `monday`
    #[arg(long, default_value = "daily", value_name = "DAY")]
    on: Cadence,
    /// The hour, by the tenant's clock
    #[arg(long, default_value_t = 8, value_name = "HOUR", value_parser = clap::value_parser!(u8).range(0..24))]
    at: u8,
    /// The tenant's time zone
    #[arg(long, default_value = "America/Toronto", value_name = "ZONE")]
    zone: Tz,
}

pub(super) async fn schedule(pool: &RlsPool, tenant: TenantId, digest: &Digest) -> anyhow::Result<Passed> {
    let template = Template::of_digest(digest.template.name());
    let template = template.with_context(|| format!("`{}` is no digest", digest.template.name()))?;
    let calendar = Calendar { cadence: digest.on, hour: digest.at, zone: digest.zone };
    let now = DateTime::<Utc>::from(std::time::SystemTime::now());
    let next =
        with_tenant(pool, tenant, async |mut tx| scheduler::schedule(&mut tx, template, &calendar, now).await).await?;
    let (name, local) = (template.name(), next.with_timezone(&calendar.zone));
    say(format_args!(
        "{name} comes {} at {}:00 in {}, next on {local}",
        calendar.cadence, calendar.hour, calendar.zone
    ))?;
    Ok(Passed::Yes)
}

pub(super) async fn unsubscribe(token: &str, key: &UnsubscribeKey, runtime: &Runtime) -> anyhow::Result<Passed> {
    let subscription = Subscription::read(token, &key.key)?;
    let pool = runtime.pool().await?;
    let was_on =
        with_tenant(&pool, subscription.tenant, async |mut tx| unsubscribe::turn_off(&mut tx, &subscription).await)
            .await?;
    let (who, what) = (&subscription.recipient, subscription.template.name());
    say(format_args!("`{who}` gets no mail of {what} {}", if was_on { "any more" } else { "anyway" }))?;
    Ok(Passed::Yes)
}
