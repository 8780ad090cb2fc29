//! The worker's process is killed in the middle of each lane, and started again: the end is the same.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use rls_runtime::testing::{TENANT_A, TestDb};
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::parity::Snapshot;
use rls_worker::samples::throwaway;
use rls_worker::smoke::{Input, enqueue, inputs};
use rls_worker::workers::outcome::LaneError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Every lane writes to one of these before it is through.
const HALFWAY: &[&str] = &[
    "catalog_product_versions",
    "sima_results",
    "order_line_products",
    "carrier_agreements",
    "ship_findings",
    "notification_deliveries",
];

/// A database of a tenant who wants to hear of everything, and its worker.
struct Bench {
    db: TestDb,
    pool: RlsPool,
    mail: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let db = throwaway(None, TestDb::runtime).await.unwrap();
        let wants = "insert into notification_preferences (user_id, template, channel, address)
            select 'ann', template, 'EMAIL', 'ann@example.com'
            from unnest(array['trade-caught', 'trade-digest', 'ship-recon', 'ship-exception']) as template";
        db.execute_as_tenant(TENANT_A, wants).await.unwrap();
        Bench { pool: db.pool().await, db, mail: tempfile::tempdir().unwrap() }
    }

    async fn hand_in(&self, lane: &'static str, input: &Input) {
        enqueue(&self.pool, &rls_runtime::queue::Queue::new(), TENANT_A, lane, input).await.unwrap();
    }

    fn worker(&self) -> Worker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rls-worker"));
        let url = self.db.url(&self.db.runtime());
        command.args(["run", "--database-url", &url, "--mail"]).arg(self.mail.path());
        Worker(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Until every job has ended; what waits for another attempt need not wait for its time.
    async fn finish(&self) {
        let mut worker = self.worker();
        while worker.0.try_wait().unwrap().is_none() {
            let hurry = "update rls_jobs set due_at = now(), run_at = now(), rank = now() where state = 'retryable' and due_at > now()";
            self.change(hurry).await;
            let open = self.count("select count(*) from rls_jobs where due_at is not null").await;
            if open == 0 {
                return;
            }
        }
        panic!("the worker gives up");
    }

    async fn change(&self, sql: &'static str) -> u64 {
        with_tenant(&self.pool, TENANT_A, async |mut tx| {
            Ok::<_, LaneError>(sqlx::query(sql).execute(&mut *tx).await?.rows_affected())
        })
        .await
        .unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        with_tenant(&self.pool, TENANT_A, async |mut tx| {
            Ok::<_, LaneError>(sqlx::query_scalar(sql).fetch_one(&mut *tx).await?)
        })
        .await
        .unwrap()
    }

    /// All rows; how many messages went out in which hour is another matter.
    async fn contents(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut all = Snapshot::take(&self.pool, TENANT_A).await.unwrap().tables;
        all.remove("notification_rate_buckets");
        all
    }

    fn mails(&self) -> usize {
        std::fs::read_dir(self.mail.path()).map(Iterator::count).unwrap_or(0)
    }
}

/// Nothing outlives the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Where the lanes have to wait, as long as somebody holds the lock.
async fn stop_halfway(db: &TestDb) -> PgConnection {
    let mut owner = PgConnection::connect_with(&db.owner_options()).await.unwrap();
    let mut sql = "create function halfway() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(7); return null; end $$;"
        .to_owned();
    for table in HALFWAY {
        sql += &format!("create trigger halfway after insert on {table} for each row execute function halfway();");
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    owner
}

async fn kill_halfway(bench: &Bench, lock: &mut PgConnection) {
    sqlx::query("select pg_advisory_lock(7)").execute(&mut *lock).await.unwrap();
    let mut worker = bench.worker();
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and objid = 7 and not granted
        and database = (select oid from pg_database where datname = current_database())";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut *lock).await.unwrap() == 0 {
        assert!(worker.0.try_wait().unwrap().is_none(), "the worker gives up");
    }
    worker.0.kill().unwrap();
    worker.0.wait().unwrap();
    // The end of the lease, without the wait for it.
    assert!(bench.change("update rls_jobs set due_at = now() where state = 'executing'").await > 0);
    sqlx::query("select pg_advisory_unlock(7)").execute(&mut *lock).await.unwrap();
}

#[tokio::test]
async fn every_lane_that_is_killed_halfway_ends_as_if_it_had_not_been() {
    let (calm, killed) = (Bench::new().await, Bench::new().await);
    let mut lock = stop_halfway(&killed.db).await;
    for (lane, input) in inputs() {
        calm.hand_in(lane, &input).await;
        calm.finish().await;
        killed.hand_in(lane, &input).await;
        kill_halfway(&killed, &mut lock).await;
        killed.finish().await;
    }
    let twice = "select count(distinct lane) from rls_jobs where attempt > 1";
    assert_eq!(killed.count(twice).await, 6, "in every lane a job took two attempts");
    assert_eq!(killed.count("select count(*) from rls_jobs where state <> 'completed'").await, 0);
    let expected = calm.contents().await;
    assert!(expected.values().filter(|rows| !rows.is_empty()).count() >= 18);
    let found = killed.contents().await;
    for (table, expected) in &expected {
        assert_eq!(&found[table], expected, "{table}");
    }
    assert!(calm.mails() > 0);
    assert_eq!(killed.mails(), calm.mails(), "each message is a file of its own key");
}
