//! What sets the worker up, and the worker itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, Utc};
use rls_runtime::RlsPool;
use rls_runtime::queue::Queue;
use rls_worker::notifications::scheduler;
use rls_worker::workers::job_processor::{State, worker};
use rls_worker::{schema, stop};
use rust_decimal::Decimal;
use sqlx::{Connection as _, PgConnection};

use super::Passed;
use super::say::say;

/// How often schedules are looked at.
const TICK: Duration = Duration::from_secs(30);

/// What a currency is worth on a day.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    day: NaiveDate,
    currency: String,
    cad: Decimal,
}

/// Reads `2026-02-17:USD=1.37`.
pub(super) fn fx(text: &str) -> Result<Rate, String> {
    let parsed = text.split_once(':').and_then(|(day, rest)| {
        let (currency, rate) = rest.split_once('=')?;
        Some(Rate { day: day.parse().ok()?, currency: currency.to_owned(), cad: rls_worker::money::parse(rate)? })
    });
    parsed.ok_or_else(|| "write it as `2026-02-17:USD=1.37`".to_owned())
}

pub(super) async fn migrate(url: &str, role: &str, to: Option<i64>, rates: &[Rate]) -> anyhow::Result<Passed> {
    let mut owner = owner(url).await?;
    schema::set_up(&mut owner, role, to).await?;
    for rate in rates {
        schema::set_fx(&mut owner, rate.day, &[(&rate.currency, rate.cad)]).await?;
    }
    say(format_args!("the tables are up to date, and `{role}` has its rights"))?;
    Ok(Passed::Yes)
}

pub(super) async fn revert(url: &str, to: i64) -> anyhow::Result<Passed> {
    schema::MIGRATOR.undo(&mut owner(url).await?, to).await?;
    say(format_args!("back at version {to}"))?;
    Ok(Passed::Yes)
}

async fn owner(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url).await.context("cannot connect as the owner")
}

pub(super) async fn run(pool: RlsPool, slots: usize, state: State) -> anyhow::Result<Passed> {
    // A worker outlives whatever happens to the database, and would look for tables that nobody has made for ever.
    let tenants =
        Queue::new().tenants(&pool).await.context("there is no queue to read, `rls-worker migrate` makes it")?;
    say(format_args!(
        "running for all tenants, of whom {} have had jobs, {slots} jobs at once in each lane; Ctrl-C or SIGTERM ends it",
        tenants.len()
    ))?;
    let schedule = tokio::spawn(schedule(pool.clone(), Arc::clone(&state.now)));
    worker(pool, state, slots).run(stop::requested()).await;
    schedule.abort();
    Ok(Passed::Yes)
}

/// Digests are enqueued by whichever worker looks first.
pub(super) async fn schedule(pool: RlsPool, now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>) {
    let queue = Queue::new();
    loop {
        if let Err(error) = scheduler::tick(&pool, &queue, now()).await {
            eprintln!("schedules cannot be looked at now: {error}");
        }
        tokio::time::sleep(TICK).await;
    }
}
