//! What the file lanes take for a long file, beside a bare insert of the same rows.
//!
//! `cargo bench -p rls-worker --bench lanes` prints one line per lane; `LANES_ROWS` sets how many rows, 20,000 unless told.
//! A lane reads the file, checks every cell, writes rows, links, audits and catches; the bare insert has the cells already,
//! and writes them through `unnest` into one table without a policy. The ratio says what all the rest costs.
//! The memory is the most that this process had at once while the lane ran, above what it had before (Linux only).

use std::time::{Duration, Instant};

use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::worker::{Lane, Worker};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::notifications::transport::Transport;
use rls_worker::samples::{AGREEMENT, now, throwaway};
use rls_worker::workers::handlers::sima_validation;
use rls_worker::workers::job_processor::State;
use rls_worker::workers::jobs::{HandedIn, submit};
use rls_worker::workers::upload::{Catalog, Charges, Orders, Upload};
use rls_worker::{long_samples, table};
use sqlx::{AssertSqlSafe, PgPool};

/// Rows that go to the database at once, as in the lanes.
const BATCH: usize = 2_000;

struct Bench {
    pool: RlsPool,
    bare: PgPool,
    rows: usize,
    mail: std::path::PathBuf,
}

fn main() {
    let rows = std::env::var("LANES_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("there are threads");
    runtime.block_on(run(rows));
}

async fn run(rows: usize) {
    let db = throwaway(None, TestDb::runtime).await.expect("a PostgreSQL");
    let mail = tempfile::tempdir().expect("a folder");
    let bare = db.owner_pool().await.expect("the owner connects");
    let bench = Bench { pool: db.pool().await, bare, rows, mail: mail.path().to_owned() };
    println!("{:<24} {:>10} {:>10} {:>12} {:>7} {:>9}", format!("{rows} rows"), "rows/s", "bare", "ratio", "s", "MiB");
    let book = |rows| {
        long_samples::workbook(&long_samples::catalog(rows), zip::CompressionMethod::Deflated).expect("a workbook")
    };
    let text = |make: fn(usize) -> String| make(rows).into_bytes();
    for tenant in [TENANT_A, TENANT_B] {
        bench.lane(tenant, "ship_upload", AGREEMENT.as_bytes()).await;
    }
    bench.compare("catalog_upload, CSV", TENANT_A, "catalog_upload", text(long_samples::catalog)).await;
    bench.screen(TENANT_A).await;
    bench.compare("order_upload", TENANT_A, "order_upload", text(long_samples::orders)).await;
    bench.compare("ship_upload, canonical", TENANT_A, "ship_upload", text(long_samples::canonical)).await;
    bench.compare("ship_upload, UPS", TENANT_A, "ship_upload", text(long_samples::ups)).await;
    bench.compare("catalog_upload, XLSX", TENANT_B, "catalog_upload", book(rows)).await;
    bench.compare("ship_upload, FedEx", TENANT_B, "ship_upload", text(long_samples::fedex)).await;
}

impl Bench {
    async fn compare(&self, name: &str, tenant: TenantId, lane: &str, file: Vec<u8>) {
        let before = memory::reset();
        let taken = self.lane(tenant, lane, &file).await;
        let peak = memory::peak().saturating_sub(before);
        let bare = self.insert(&file).await;
        self.print(name, taken, Some(bare), peak);
    }

    fn print(&self, name: &str, taken: Duration, bare: Option<Duration>, peak: u64) {
        let rate = |taken: Duration| self.rows as f64 / taken.as_secs_f64();
        let (bare_rate, ratio) = bare.map_or((f64::NAN, f64::NAN), |bare| (rate(bare), rate(taken) / rate(bare)));
        println!(
            "{name:<24} {:>10.0} {bare_rate:>10.0} {ratio:>12.3} {:>7.1} {:>9}",
            rate(taken),
            taken.as_secs_f64(),
            peak >> 20
        );
    }

    /// From the upload to the end of the job, through the queue.
    async fn lane(&self, tenant: TenantId, lane: &str, file: &[u8]) -> Duration {
        let file = HandedIn::new(lane, "long", file, "bench").expect("the lane takes files");
        with_tenant(&self.pool, tenant, async |mut tx| submit(&mut tx, &Queue::new(), &file).await)
            .await
            .expect("the file is taken");
        self.work(tenant, lane).await
    }

    /// All products.
    async fn screen(&self, tenant: TenantId) {
        let payload = serde_json::json!({"runPolicy": "always", "screeningAuthority": "CA"});
        let job = NewJob::new("sima_validation", "sima_validation", &payload).expect("it is JSON");
        with_tenant(&self.pool, tenant, async |mut tx| Queue::new().enqueue(&mut tx, &job).await.map(drop))
            .await
            .expect("the queue takes it");
        let before = memory::reset();
        let taken = self.work(tenant, "sima_validation").await;
        self.print("sima_validation", taken, None, memory::peak().saturating_sub(before));
    }

    async fn work(&self, tenant: TenantId, lane: &str) -> Duration {
        let state = State { now: std::sync::Arc::new(now), ..State::new(Transport::files(&self.mail)) };
        let worker = Worker::new(self.pool.clone(), state)
            .register::<Upload<Catalog>>()
            .register::<Upload<Orders>>()
            .register::<Upload<Charges>>()
            .register::<sima_validation::Payload>();
        let began = Instant::now();
        worker.lane(Lane::new(lane)).drain(tenant).await.expect("the jobs end");
        let taken = began.elapsed();
        let failed = with_tenant(&self.pool, tenant, async |mut tx| {
            sqlx::query_scalar::<_, Option<String>>(
                "select string_agg(last_error, '; ') from rls_jobs where state not in ('completed', 'available')",
            )
            .fetch_one(&mut *tx)
            .await
        })
        .await
        .expect("the queue answers");
        assert_eq!(failed, None, "{lane}");
        taken
    }

    /// The cells of the file into a table of texts.
    async fn insert(&self, file: &[u8]) -> Duration {
        let table = table::Table::open(file, &table::Limits::default()).expect("it is a file");
        let rows: Vec<Vec<String>> =
            table.rows().map(|row| row.expect("it is a row").cells().map(str::to_owned).collect()).collect();
        let width = rows.iter().map(Vec::len).max().unwrap_or(1);
        let column = |at: usize| format!("c{at}");
        let names: Vec<String> = (0..width).map(column).collect();
        let create = format!("create table bare (n bigserial primary key, {} text)", names.join(" text, "));
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&self.bare).await.expect("the owner makes tables");
        let arrays: Vec<String> = (1..=width).map(|at| format!("${at}::text[]")).collect();
        let insert = format!("insert into bare ({}) select * from unnest({})", names.join(", "), arrays.join(", "));
        let began = Instant::now();
        let mut transaction = self.bare.begin().await.expect("the owner connects");
        for batch in rows.chunks(BATCH) {
            let mut query = sqlx::query(AssertSqlSafe(insert.as_str()));
            for at in 0..width {
                let cells: Vec<Option<&str>> = batch.iter().map(|row| row.get(at).map(String::as_str)).collect();
                query = query.bind(cells);
            }
            query.execute(&mut *transaction).await.expect("the rows fit");
        }
        transaction.commit().await.expect("the rows fit");
        let taken = began.elapsed();
        sqlx::raw_sql("drop table bare").execute(&self.bare).await.expect("it is the owner's");
        taken
    }
}

/// What this process needs at most.
mod memory {
    /// Begins to measure anew, and says what is in use.
    pub(super) fn reset() -> u64 {
        std::fs::write("/proc/self/clear_refs", "5").ok();
        figure("VmRSS:")
    }

    pub(super) fn peak() -> u64 {
        figure("VmHWM:")
    }

    fn figure(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|figure| figure.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}
