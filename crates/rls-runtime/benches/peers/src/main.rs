//! Whole no-op jobs per second through workers on PostgreSQL: ours under FORCE row-level security, two others without any, in one run on one throwaway server.
//!
//! `cargo run --release --manifest-path crates/rls-runtime/benches/peers/Cargo.toml` prints jobs per second, ratios, and what a job costs the processors of the client and of the server.
//! `PEERS_JOBS` sets how many jobs, 100,000 unless told, `PEERS_ROUNDS` how many rounds, 5 unless told, and `PEERS_FSYNC=1` makes the server wait for its disk.
//! `PEERS_ONLY` runs those alone whose names hold it.
//! Each has the settings that its own benchmark or documentation has for speed, and each counts until its table says that every job has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rls_runtime::testing::TestDb;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use processor::{Meter, Used};

mod apalis_worker;
mod graphile;
mod ours;
mod processor;

/// How many handlers run at once, everywhere.
const AT_ONCE: usize = 500;

/// Who takes part; the first two are the others.
const NAMES: [&str; 8] = [
    "graphile_worker",
    "apalis-postgres",
    "ours, 1 tenant",
    "ours, 100 tenants",
    "ours, 1000 tenants",
    "ours kept, 1 tenant",
    "ours kept, 100 tenants",
    "ours kept, 1000 tenants",
];
const OTHERS: usize = 2;

/// One more for each job that has run.
#[derive(Debug, Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    async fn reaches(&self, jobs: usize) {
        while self.0.load(Ordering::Relaxed) < jobs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// What a run has come to.
#[derive(Debug, Clone, Copy)]
struct Measured {
    per_second: f64,
    /// In microseconds of a processor for each job.
    client: f64,
    server: f64,
}

/// From when the worker starts until its table says that all jobs have ended.
struct Stopwatch {
    meter: Meter,
    used: Used,
    start: Instant,
}

impl Stopwatch {
    async fn start(db: &TestDb) -> Stopwatch {
        let meter = Meter::of(db).await;
        Stopwatch { used: meter.read(), meter, start: Instant::now() }
    }

    fn stop(self, jobs: usize) -> Measured {
        let (took, used, jobs) = (self.start.elapsed(), self.meter.read().since(self.used), jobs as f64);
        let microseconds = |seconds: f64| seconds * 1e6 / jobs;
        Measured {
            per_second: jobs / took.as_secs_f64(),
            client: microseconds(used.client),
            server: microseconds(used.server),
        }
    }
}

/// A database that waits for its commits, as a service has it.
async fn database() -> TestDb {
    let db = TestDb::new().await;
    let durable = format!("ALTER DATABASE {} SET synchronous_commit = on", db.name());
    db.execute_as_superuser(&durable).await.expect("the superuser may");
    db
}

async fn plain_pool(db: &TestDb) -> PgPool {
    PgPoolOptions::new().max_connections(20).connect_with(db.owner_options()).await.expect("connects")
}

/// Until a query that counts what has not ended says that there is nothing.
async fn until_none(pool: &PgPool, count: &str) {
    loop {
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(pool).await.expect("counts");
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn from_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Of an even number, what lies between the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().saturating_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(low), Some(high)) => low.midpoint(*high),
        _ => f64::NAN,
    }
}

async fn run(place: usize, jobs: usize) -> Measured {
    match place {
        0 => graphile::run(jobs).await,
        1 => apalis_worker::run(jobs).await,
        _ => {
            let tenants = [1, 100, 1000][(place - OTHERS) % 3];
            let kept = if place < OTHERS + 3 { ours::Ended::Deleted } else { ours::Ended::Kept };
            ours::run(tenants, jobs, kept).await
        }
    }
}

#[tokio::main]
async fn main() {
    let (jobs, rounds) = (from_environment("PEERS_JOBS", 100_000), from_environment("PEERS_ROUNDS", 5));
    let fsync = if std::env::var("PEERS_FSYNC").is_ok() { "on" } else { "off" };
    let only = std::env::var("PEERS_ONLY").unwrap_or_default();
    let any = database().await;
    any.execute_as_superuser(&format!("ALTER SYSTEM SET fsync = {fsync}")).await.expect("the superuser may");
    any.execute_as_superuser("SELECT pg_reload_conf()").await.expect("the superuser may");
    let mut measured: [Vec<Measured>; NAMES.len()] = Default::default();
    for _ in 0..rounds {
        for (place, name) in NAMES.iter().enumerate().filter(|(_, name)| name.contains(&only)) {
            let one = run(place, jobs).await;
            eprintln!("{name}: {one:.0?}");
            measured[place].push(one);
        }
    }
    // Of each round, for the machine is not the same in all of them.
    let best = |round: usize| {
        let rates = measured[..OTHERS].iter().filter_map(|all| all.get(round)).map(|one| one.per_second);
        rates.fold(f64::NAN, f64::max)
    };
    println!("{jobs} jobs, fsync {fsync}, medians of {rounds} rounds; the ratio is to the better of the two others");
    println!("{:<24} {:>9} {:>8} {:>12} {:>12}", "", "jobs/s", "ratio", "client µs/job", "server µs/job");
    for (name, all) in NAMES.iter().zip(&measured).filter(|(_, all)| !all.is_empty()) {
        let of = |part: fn(&Measured) -> f64| median(all.iter().map(part));
        let ratio = median(all.iter().enumerate().map(|(round, one)| one.per_second / best(round)));
        let (rate, client, server) = (of(|one| one.per_second), of(|one| one.client), of(|one| one.server));
        println!("{name:<24} {rate:>9.0} {ratio:>8.2} {client:>13.1} {server:>13.1}");
    }
}
