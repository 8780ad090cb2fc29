//! Invitations, and what comes of them; what comes back is JSON.

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Duration, Utc};
use clap::{Subcommand, ValueEnum};
use rls_runtime::queue::Queue;
use rls_runtime::{TenantId, with_tenant};
use rls_worker::guest::{self, Offer, Token};
use rls_worker::workers::outcome::LaneError;
use serde_json::{Value, json};

use super::say::{say, say_json};
use super::{Passed, Runtime};

#[derive(Subcommand)]
pub(super) enum GuestCommand {
    /// Invite somebody to try one small file; the token is shown this once
    Invite {
        /// The guest's address; only a hash of it is kept
        email: String,
        /// What the guest may try
        #[arg(long, value_enum, default_value = "catalog")]
        offer: Kind,
        /// How long, in days
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=90))]
        days: i64,
        /// Who invites
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Hand in the guest's file
    Upload {
        /// The token of the invitation
        token: String,
        /// The file
        file: PathBuf,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Read what became of the guest's file
    Results {
        /// The token of the invitation
        token: String,
        #[command(flatten)]
        runtime: Runtime,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// A catalog, for the duties on its products
    Catalog,
    /// A carrier's file, for what is wrong with it
    Ship,
}

pub(super) async fn guest(command: &GuestCommand) -> anyhow::Result<Passed> {
    let now = DateTime::<Utc>::from(std::time::SystemTime::now());
    match command {
        GuestCommand::Invite { email, offer, days, tenant, runtime } => {
            let offer = match offer {
                Kind::Catalog => Offer::Catalog,
                Kind::Ship => Offer::Ship,
            };
            let lasts = Duration::days(*days);
            let pool = runtime.pool().await?;
            let token = with_tenant(&pool, *tenant, async |mut tx| {
                guest::invite(&mut tx, &Queue::new(), email, offer, lasts, now).await
            })
            .await?;
            say(&token)?;
            Ok(Passed::Yes)
        }
        GuestCommand::Upload { token, file, runtime } => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            show(upload(token, &bytes, runtime, now).await)
        }
        GuestCommand::Results { token, runtime } => show(results(token, runtime, now).await),
    }
}

async fn upload(token: &str, file: &[u8], runtime: &Runtime, now: DateTime<Utc>) -> anyhow::Result<Value> {
    let token: Token = token.parse().map_err(LaneError::from)?;
    Ok(json!(guest::upload(&runtime.pool().await?, &token, file, now).await?))
}

async fn results(token: &str, runtime: &Runtime, now: DateTime<Utc>) -> anyhow::Result<Value> {
    let token: Token = token.parse().map_err(LaneError::from)?;
    Ok(guest::results(&runtime.pool().await?, &token, now).await?)
}

/// What was refused is said in the form of the public interface.
fn show(done: anyhow::Result<Value>) -> anyhow::Result<Passed> {
    let (value, passed) = match done.map_err(|error| error.downcast::<LaneError>()) {
        Ok(value) => (value, Passed::Yes),
        Err(Ok(LaneError::Refused(refusal))) => {
            let (error, rows) = (&refusal.error, &refusal.row_errors);
            (json!({"code": error.code, "message": error.message, "details": {"rows": rows}}), Passed::No)
        }
        Err(Ok(other)) => return Err(other.into()),
        Err(Err(other)) => return Err(other),
    };
    say_json(&value)?;
    Ok(passed)
}
