//! How webhooks are posted, and the endpoints of a tenant.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use rls_runtime::{TenantId, TenantTx, with_tenant};
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::roots::Roots;
use rls_worker::notifications::templates::Template;
use rls_worker::notifications::transport::Posts;
use rls_worker::notifications::webhook::Webhooks;
use rls_worker::notifications::webhook::address::Reach;
use rls_worker::notifications::webhook::endpoint::{self, Target};

use super::say::{say, say_json};
use super::{Passed, Runtime, mail};

/// How webhooks are posted.
#[derive(clap::Args)]
pub(super) struct Posting {
    /// Where endpoints may be
    #[arg(long, env = "WEBHOOK_REACH", value_enum, default_value = "public")]
    webhook_reach: Where,
    /// Requests to endpoints at once at most
    #[arg(long, default_value_t = 8, value_name = "N")]
    webhook_connections: usize,
    /// How long an endpoint may take to answer, in seconds
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    webhook_timeout: u64,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Where {
    /// On the public internet
    Public,
    /// Also on this machine and in private networks
    Anywhere,
}

#[derive(Subcommand)]
pub(super) enum WebhookCommand {
    /// Add an endpoint, or move the one of that name; its secret is shown this once
    Add {
        /// What it is called
        name: String,
        /// Where it is
        url: Target,
        #[command(flatten)]
        wants: mail::Topics,
        /// Whose it is
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// List the endpoints as JSON, without their secrets
    List {
        /// Whose
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Remove an endpoint
    Remove {
        /// What it is called
        name: String,
        /// Whose it is
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        runtime: Runtime,
    },
}

impl Posting {
    /// Posts to the endpoints.
    pub(super) fn posts(&self, roots: &Roots) -> anyhow::Result<Posts> {
        let reach = match self.webhook_reach {
            Where::Public => Reach::Public,
            Where::Anywhere => Reach::Anywhere,
        };
        let patience = Duration::from_secs(self.webhook_timeout);
        Ok(Posts::Http(Arc::new(Webhooks::new(reach, roots, self.webhook_connections, patience)?)))
    }
}

pub(super) async fn webhook(command: &WebhookCommand) -> anyhow::Result<Passed> {
    match command {
        WebhookCommand::Add { name, url, wants, tenant, runtime } => {
            let (templates, wants) = (wants.templates(), wants.at_once);
            let pool = runtime.pool().await?;
            let secret =
                with_tenant(&pool, *tenant, async |mut tx| add(&mut tx, name, url, templates, wants).await).await?;
            say(&secret)?;
            Ok(Passed::Yes)
        }
        WebhookCommand::List { tenant, runtime } => {
            let pool = runtime.pool().await?;
            let listed = with_tenant(&pool, *tenant, async |mut tx| endpoint::list(&mut tx).await).await?;
            say_json(&listed)?;
            Ok(Passed::Yes)
        }
        WebhookCommand::Remove { name, tenant, runtime } => {
            let pool = runtime.pool().await?;
            let was_there = with_tenant(&pool, *tenant, async |mut tx| endpoint::remove(&mut tx, name).await).await?;
            was_there.then_some(Passed::Yes).with_context(|| format!("there is no endpoint `{name}`"))
        }
    }
}

async fn add(
    tx: &mut TenantTx,
    name: &str,
    url: &Target,
    templates: &[Template],
    wants: Wants,
) -> sqlx::Result<String> {
    let secret = endpoint::put(tx, name, url).await?;
    preferences::subscribe(tx, name, Channel::Webhook, templates, wants).await?;
    Ok(secret.reveal())
}
