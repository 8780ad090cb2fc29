//! What a scope costs, beside a bare transaction and beside what people do today.
//!
//! `cargo bench -p rls-runtime --bench scope` prints ratios; `RLS_BENCH_ROUNDS` sets how many rounds, 15 unless told.
//! Each round runs every shape once, so that a slow moment of the machine meets them all.
//! Beside the rates it prints what the processor did per run, in the client and in the server, which a busy machine changes less (Linux only).

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rls_runtime::testing::{TENANT_A, TestDb};
use rls_runtime::{RlsPool, RlsPoolOptions, with_tenant};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

use support::proxy::DelayProxy;
use tokio::task::JoinSet;

const PLAIN: &str = "SELECT note FROM plain WHERE tenant_id = $1 AND id = $2";
const FORCED: &str = "SELECT note FROM orders WHERE tenant_id = $1 AND id = $2";

const CONNECTIONS: u32 = 4;

/// The first two are what the others are compared with: without a policy, and with the tenant bound when the connection was opened.
const SHAPES: [&str; 5] =
    ["bare BEGIN; SELECT; COMMIT", "bare, under the policy", "with_tenant", "begin() + set_config", "session hooks"];

struct Pools {
    bare: PgPool,
    bound: PgPool,
    scoped: RlsPool,
    hooked: PgPool,
}

impl Pools {
    async fn connect(options: PgConnectOptions) -> Pools {
        let same = || PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        let hooks = same()
            .after_connect(|connection, _| Box::pin(bind_session(connection)))
            .before_acquire(|connection, _| Box::pin(async move { bind_session(connection).await.map(|()| true) }))
            .after_release(|connection, _| {
                Box::pin(async move { sqlx::query("RESET app.tenant_id").execute(connection).await.map(|_| true) })
            });
        let bound = options.clone().options([("app.tenant_id", TENANT_A)]);
        Pools {
            bound: same().connect_with(bound).await.expect("connects"),
            bare: same().connect_with(options.clone()).await.expect("connects"),
            scoped: RlsPoolOptions::new()
                .max_connections(CONNECTIONS)
                .connect_with(options.clone())
                .await
                .expect("connects"),
            hooked: hooks.connect_with(options).await.expect("connects"),
        }
    }

    async fn run(&self, shape: usize) -> sqlx::Result<String> {
        match shape {
            0 => transaction(&self.bare, PLAIN).await,
            1 => transaction(&self.bound, FORCED).await,
            2 => {
                with_tenant(&self.scoped, TENANT_A, async |mut tx| {
                    sqlx::query_scalar(FORCED).bind(TENANT_A).bind(2_i64).fetch_one(&mut *tx).await
                })
                .await
            }
            3 => {
                let mut tx = self.bare.begin().await?;
                let bind = "SELECT set_config('app.tenant_id', $1::text, true)";
                sqlx::query(bind).bind(TENANT_A).execute(&mut *tx).await?;
                let note = sqlx::query_scalar(FORCED).bind(TENANT_A).bind(2_i64).fetch_one(&mut *tx).await?;
                tx.commit().await?;
                Ok(note)
            }
            _ => sqlx::query_scalar(FORCED).bind(TENANT_A).bind(2_i64).fetch_one(&self.hooked).await,
        }
    }
}

async fn transaction(pool: &PgPool, select: &'static str) -> sqlx::Result<String> {
    let mut tx = pool.begin().await?;
    let note = sqlx::query_scalar(select).bind(TENANT_A).bind(2_i64).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(note)
}

async fn bind_session(connection: &mut PgConnection) -> sqlx::Result<()> {
    let bind = "SELECT set_config('app.tenant_id', $1::text, false)";
    sqlx::query(bind).bind(TENANT_A).execute(connection).await.map(drop)
}

async fn database() -> TestDb {
    let db = support::database().await;
    db.execute(
        "CREATE TABLE plain (tenant_id uuid NOT NULL, id bigint NOT NULL, note text NOT NULL, PRIMARY KEY (tenant_id, id))",
    )
    .await
    .expect("is valid");
    for table in ["plain", "orders"] {
        let rows = format!("INSERT INTO {table} SELECT '{TENANT_A}', n, 'many' FROM generate_series(4, 100000) n");
        db.execute_as_tenant(TENANT_A, &rows).await.expect("the owner may");
    }
    db.execute(&format!("INSERT INTO plain SELECT '{TENANT_A}', n, 'few' FROM generate_series(1, 3) n; ANALYZE"))
        .await
        .expect("the owner may");
    db
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a slice of one shape came to.
#[derive(Clone, Copy)]
struct Slice {
    per_second: f64,
    /// Microseconds of processor time per run.
    client: f64,
    server: f64,
}

async fn measure(setting: &Setting<'_>, shape: usize) -> Slice {
    let Setting { pools, slice, server, clients, .. } = setting;
    let (slice, server) = (*slice, *server);
    let before = (processor_time(std::process::id()), server_time(server));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..*clients {
        let pools = Arc::clone(pools);
        running.spawn(async move {
            let mut done = 0_u32;
            while start.elapsed() < slice {
                pools.run(shape).await.expect("reads");
                done += 1;
            }
            done
        });
    }
    let done: u32 = running.join_all().await.into_iter().sum();
    let per_second = f64::from(done) / start.elapsed().as_secs_f64();
    let client = (processor_time(std::process::id()) - before.0) / f64::from(done);
    Slice { per_second, client, server: (server_time(server) - before.1) / f64::from(done) }
}

/// Microseconds that the threads of a process were running.
fn processor_time(process: u32) -> f64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return 0.0 };
    let running = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    threads.flatten().filter_map(|thread| running(thread.path())).sum::<f64>() / 1000.0
}

/// The same for all backends of the server.
fn server_time(postmaster: u32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).map(processor_time).sum()
}

async fn postmaster(db: &TestDb) -> u32 {
    let observer = PgPool::connect_with(db.superuser_options()).await.expect("connects");
    let pid_file = "SELECT pg_read_file('postmaster.pid')";
    let text: String = sqlx::query_scalar(pid_file).fetch_one(&observer).await.expect("the superuser may");
    text.lines().next().and_then(|pid| pid.parse().ok()).expect("the first line is the process")
}

/// What is compared, and where.
struct Setting<'s> {
    link: &'s str,
    pools: Arc<Pools>,
    /// How many ask at once; each pool has a connection for each.
    clients: u32,
    rounds: usize,
    slice: Duration,
    /// The process of the server.
    server: u32,
    proxy: Option<&'s DelayProxy>,
}

async fn compare(setting: &Setting<'_>) {
    let mut slices = vec![Vec::new(); SHAPES.len()];
    for shape in 0..SHAPES.len() {
        measure(setting, shape).await;
    }
    for _ in 0..setting.rounds {
        for (shape, slices) in slices.iter_mut().enumerate() {
            slices.push(measure(setting, shape).await);
        }
    }
    println!("\n{}, {} at once", setting.link, setting.clients);
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>16} {:>10} {:>10} {:>12}",
        "shape", "1/s", "to bare", "(least)", "to bare + policy", "client us", "server us", "round trips"
    );
    for (shape, name) in SHAPES.iter().enumerate() {
        let column = |pick: fn(&Slice) -> f64| median(slices[shape].iter().map(pick).collect());
        let ratios = |other: usize| -> Vec<f64> {
            slices[shape].iter().zip(&slices[other]).map(|(own, other)| own.per_second / other.per_second).collect()
        };
        let least = ratios(0).into_iter().fold(f64::INFINITY, f64::min);
        let counted = match setting.proxy {
            Some(proxy) => format!("{:.1}", count(proxy, &setting.pools, shape).await),
            None => "-".to_owned(),
        };
        println!(
            "{name:<28} {:>8.0} {:>8.2} {least:>8.2} {:>16.2} {:>10.0} {:>10.0} {counted:>12}",
            column(|slice| slice.per_second),
            median(ratios(0)),
            median(ratios(1)),
            column(|slice| slice.client),
            column(|slice| slice.server),
        );
    }
}

/// Round trips per run, the pool's pings on release among them.
async fn count(proxy: &DelayProxy, pools: &Pools, shape: usize) -> f64 {
    const RUNS: u32 = 50;
    let before = proxy.round_trips();
    for _ in 0..RUNS {
        pools.run(shape).await.expect("reads");
        // A ping that is under way counts for this run.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (proxy.round_trips() - before) as f64 / f64::from(RUNS)
}

#[tokio::main]
async fn main() {
    let rounds =
        std::env::var("RLS_BENCH_ROUNDS").map_or(15, |text| text.parse().expect("RLS_BENCH_ROUNDS is a number"));
    let db = database().await;
    let server = postmaster(&db).await;
    let direct = Arc::new(Pools::connect(db.runtime_options()).await);
    for clients in [1, CONNECTIONS] {
        let (pools, slice) = (Arc::clone(&direct), Duration::from_millis(200));
        compare(&Setting { link: "Unix socket", pools, clients, rounds, slice, server, proxy: None }).await;
    }
    let proxy = DelayProxy::start(&db.cluster().socket_path(), Duration::from_millis(1), None);
    let pools = Arc::new(Pools::connect(proxy.route(db.runtime_options())).await);
    let (slice, proxy) = (Duration::from_millis(400), Some(&proxy));
    compare(&Setting { link: "1 ms away", pools, clients: 1, rounds, slice, server, proxy }).await;
}
