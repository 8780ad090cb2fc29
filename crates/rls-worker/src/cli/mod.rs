//! Arguments in, an exit status out.

mod check;
mod desk;
mod dev;
mod feed;
mod guest;
mod mail;
mod reviews;
mod say;
mod serve;
mod verb;
mod webhook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rls_runtime::{RlsPool, TenantId};
use rls_worker::notifications::transport::Transport;
use rls_worker::workers::job_processor::State;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// A worker for trade and freight jobs under forced row-level security.
#[derive(Parser)]
#[command(
    name = "rls-worker",
    version,
    after_help = "Exit status: 0 done, 1 something did not pass, 2 bad usage or no database."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make or update the tables and the queue, give the worker's role its rights, and seed the measures
    Migrate {
        #[command(flatten)]
        owner: Owner,
        /// The role that the worker runs as
        #[arg(long, value_name = "ROLE")]
        role: String,
        /// Stop at this version; without it all are applied
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
        /// What a currency is worth in Canadian dollars, as `2026-02-17:USD=1.37`
        #[arg(long = "fx", value_name = "DAY:CURRENCY=RATE", value_parser = serve::fx)]
        fx: Vec<serve::Rate>,
    },
    /// Take back the migrations after a version; `20260302000000_reenable_force_rls_tenant_tables` is the last
    Revert {
        #[command(flatten)]
        owner: Owner,
        /// The version to go back to
        #[arg(long, value_name = "VERSION")]
        to: i64,
    },
    /// Run jobs until told to stop
    Run {
        #[command(flatten)]
        runtime: Runtime,
        /// Jobs at once in each lane
        #[arg(long, default_value_t = 2)]
        slots: usize,
        #[command(flatten)]
        mail: mail::Options,
        #[command(flatten)]
        webhooks: webhook::Posting,
    },
    /// Say who wants to hear of what
    Subscribe {
        #[command(flatten)]
        reader: mail::Reader,
        #[command(flatten)]
        runtime: Runtime,
        /// Whose user it is
        #[arg(long)]
        tenant: TenantId,
    },
    /// Let a tenant have a digest every day or week
    Schedule {
        #[command(flatten)]
        digest: mail::Digest,
        #[command(flatten)]
        runtime: Runtime,
        /// Whose digest
        #[arg(long)]
        tenant: TenantId,
    },
    /// Tell the endpoints of a tenant's own programs
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// End the mail that a token of an unsubscribe link is about
    Unsubscribe {
        /// The token
        token: String,
        #[command(flatten)]
        key: mail::UnsubscribeKey,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Hand in a file, or a payload as a JSON file
    Enqueue {
        #[command(flatten)]
        what: feed::HandedIn,
        #[command(flatten)]
        runtime: Runtime,
        /// Whose it is
        #[arg(long)]
        tenant: TenantId,
    },
    /// Count a tenant's jobs by lane and state, and say why the latest failed
    Status {
        #[command(flatten)]
        runtime: Runtime,
        /// Whose jobs
        #[arg(long)]
        tenant: TenantId,
    },
    /// Show a job with its result and the errors of its rows, cancel it, or give it another life
    Job(feed::JobCommand),
    /// List findings, or do something about them
    Finding(desk::FindingCommand),
    /// Let somebody try one small file without an account
    #[command(subcommand)]
    Guest(guest::GuestCommand),
    /// List claims, start one, or note what became of it
    Claim(desk::ClaimCommand),
    /// List the orders that are caught, or do something about them
    Caught(reviews::CaughtCommand),
    /// List the products that need a review, or decide about them
    Review(reviews::ReviewCommand),
    /// Write what each message looks like to a folder, with example values
    Preview {
        /// The folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Run everything with sample data on a throwaway PostgreSQL, and say where to look
    Dev {
        #[command(flatten)]
        mail: mail::Options,
    },
    /// Enqueue and process one job of each lane
    Smoke {
        /// The database, as the worker's role; a throwaway PostgreSQL if none is given
        #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
        database_url: Option<String>,
    },
    /// Go through the verification checklist, and print it as Markdown
    Verify {
        /// The database, as the worker's role; a throwaway PostgreSQL if none is given
        #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", requires = "owner_url")]
        database_url: Option<String>,
        /// The same database as its owner
        #[arg(long, env = "OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL", requires = "database_url")]
        owner_url: Option<String>,
        /// Write the checklist here too
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Run the same files before and after the migration, and write what differs
    Parity {
        /// The folder for `parity.json`, `parity.md` and `parity.html`; they are written also when a step fails, or the run is stopped
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
struct Owner {
    /// The database, as the owner of its tables
    #[arg(long, env = "OWNER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    owner_url: String,
}

#[derive(clap::Args)]
struct Runtime {
    /// The database, as the worker's role
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: String,
}

impl Runtime {
    async fn pool(&self) -> anyhow::Result<RlsPool> {
        Ok(RlsPool::connect(&self.database_url).await?)
    }
}

/// Whether everything passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Yes,
    No,
}

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let level = match arguments.command {
        Command::Run { .. } => LevelFilter::INFO,
        // The state before the migration is one that the pool warns of.
        Command::Parity { .. } => LevelFilter::ERROR,
        _ => LevelFilter::WARN,
    };
    // What is said inside of a job or scope says whose it is, however little is said.
    let shown =
        filter_fn(move |told| *told.level() <= if told.is_span() { LevelFilter::INFO.max(level) } else { level });
    let printed = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(shown);
    tracing_subscriber::registry().with(printed).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(dispatch(arguments.command)) {
        Ok(Passed::Yes) => ExitCode::SUCCESS,
        Ok(Passed::No) => ExitCode::from(1),
        Err(error) => failed(&error),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<Passed> {
    match command {
        Command::Migrate { owner, role, to, fx } => serve::migrate(&owner.owner_url, &role, to, &fx).await,
        Command::Revert { owner, to } => serve::revert(&owner.owner_url, to).await,
        Command::Run { runtime, slots, mail, webhooks } => {
            let webhooks = webhooks.posts(&mail.roots()?)?;
            let pages = mail.pages();
            let transport = Transport { mail: mail.mail(Path::new("mail"))?, webhooks };
            serve::run(runtime.pool().await?, slots, State { pages, ..State::new(transport) }).await
        }
        Command::Subscribe { reader, runtime, tenant } => {
            mail::subscribe(&runtime.pool().await?, tenant, &reader).await
        }
        Command::Schedule { digest, runtime, tenant } => mail::schedule(&runtime.pool().await?, tenant, &digest).await,
        Command::Webhook(command) => webhook::webhook(&command).await,
        Command::Unsubscribe { token, key, runtime } => mail::unsubscribe(&token, &key, &runtime).await,
        Command::Enqueue { what, runtime, tenant } => feed::enqueue(&runtime.pool().await?, tenant, &what).await,
        Command::Status { runtime, tenant } => feed::status(&runtime.pool().await?, tenant).await,
        Command::Job(command) => feed::job(&command).await,
        Command::Finding(command) => desk::finding(&command).await,
        Command::Guest(command) => guest::guest(&command).await,
        Command::Claim(command) => desk::claim(&command).await,
        Command::Caught(command) => reviews::caught(&command).await,
        Command::Review(command) => reviews::review(&command).await,
        Command::Preview { out } => mail::preview(&out),
        Command::Dev { mail } => dev::dev(mail).await,
        Command::Smoke { database_url } => check::smoke(database_url.as_deref()).await,
        Command::Parity { out } => check::parity(&out).await,
        Command::Verify { database_url, owner_url, output } => {
            check::verify(database_url.zip(owner_url), output.as_deref()).await
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_can_be_called() {
        Arguments::command().debug_assert();
    }
}
