//! What FORCE row-level security costs a queue, and what a worker gets done.
//!
//! `cargo bench -p rls-runtime --bench queue` prints ratios, all from one run on one throwaway server; `RLS_BENCH_ROUNDS` sets how many rounds, 5 unless told.
//! `RLS_BENCH_FSYNC=0` makes the server wait for its disk, `RLS_BENCH_FSYNC=1` as for one that is a millisecond slower; then it also says how long the disk takes, which is what a claim saves that does not wait.
//! Beside each number under the policies stands the same without policies and tenants, in a table of the same shape.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rls_runtime::queue::{Claim, NewJob, Queue, Schema, Settlement};
use rls_runtime::testing::TestDb;
use rls_runtime::worker::{Context, Job, JobError, Lane, Outcome, Worker};
use rls_runtime::{RlsPool, RlsPoolOptions, ScopeOptions, TenantId, with_tenant, with_tenant_opts};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

const LANE: &str = "work";
const CLAIMERS: usize = 2;

/// The same table, keys and columns that a claim uses, for everybody.
const PLAIN: &str = "
CREATE TABLE plain_jobs (LIKE rls_jobs INCLUDING DEFAULTS);
ALTER TABLE plain_jobs ADD PRIMARY KEY (id);
CREATE INDEX ON plain_jobs (lane, rank, id) WHERE state IN ('available', 'scheduled', 'retryable');
CREATE INDEX ON plain_jobs (lane, due_at) WHERE due_at IS NOT NULL";

const CLAIM_PLAIN: &str = "
WITH picked AS MATERIALIZED (
    SELECT id FROM plain_jobs
    WHERE lane = $1 AND state IN ('available', 'scheduled', 'retryable') AND due_at <= now()
    ORDER BY rank, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE plain_jobs j
SET state = 'executing', token = gen_random_uuid(), attempt = attempt + 1, worker = 'w', claimed_at = now(),
    due_at = now() + interval '30 seconds'
FROM picked WHERE j.id = picked.id
RETURNING j.id, j.token, j.kind, j.payload, j.attempt, j.max_attempts";

/// What a claim answers: id, token, kind, payload, attempt and how many there are.
type Claimed = (uuid::Uuid, uuid::Uuid, String, serde_json::Value, i32, i32);

#[derive(Serialize, Deserialize)]
struct Nothing;

impl Job for Nothing {
    type State = mpsc::UnboundedSender<(TenantId, Instant)>;
    const LANE: &'static str = LANE;
    const KIND: &'static str = "nothing";

    async fn run(self, cx: Context<Self::State>) -> Result<Outcome, JobError> {
        cx.state().send((cx.tenant(), Instant::now())).ok();
        Ok(Outcome::Complete)
    }
}

struct Site {
    db: TestDb,
    plain: PgPool,
    scoped: RlsPool,
    queue: Queue,
}

fn tenant(number: usize) -> TenantId {
    TenantId::new(uuid::Uuid::from_u128(number as u128 + 1))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many milliseconds a page of the log takes to the disk, as the server writes it: into a file that is there already, and with `fdatasync`.
fn disk_wait() -> f64 {
    const PAGE: [u8; 8192] = [1; 8192];
    let path = std::env::temp_dir().join(format!("rls-bench-{}", std::process::id()));
    let mut file = File::create(&path).expect("a temporary file can be made");
    file.write_all(&PAGE.repeat(256)).and_then(|()| file.sync_all()).expect("it can be written");
    let times = (0..500_u64).map(|round| {
        let start = Instant::now();
        file.seek(SeekFrom::Start(round % 256 * PAGE.len() as u64)).expect("it is that long");
        file.write_all(&PAGE).and_then(|()| file.sync_data()).expect("it can be written");
        start.elapsed().as_secs_f64() * 1000.0
    });
    let wait = median(times.collect());
    std::fs::remove_file(path).ok();
    wait
}

impl Site {
    async fn new() -> Site {
        let db = TestDb::new().await;
        // As a service has it.
        let durable = format!("ALTER DATABASE {} SET synchronous_commit = on", db.name());
        db.execute_as_superuser(&durable).await.expect("the superuser may");
        Schema::new().role(db.runtime()).apply(&db.owner_pool().await.expect("connects")).await.expect("is valid");
        db.execute(PLAIN).await.expect("is valid");
        let plain = PgPool::connect_with(db.runtime_options()).await.expect("connects");
        let scoped = db.pool_with(RlsPoolOptions::new().max_connections(12)).await;
        Site { db, plain, scoped, queue: Queue::new() }
    }

    /// Let the server wait for a disk that is so many milliseconds slower than this machine's, or not at all.
    ///
    /// Before it writes a commit the server may wait for others that commit too: here it waits for nobody.
    async fn have_disk(&self, slower: Option<f64>) {
        let fsync = if slower.is_some() { "on" } else { "off" };
        let delay = slower.unwrap_or_default() * 1000.0;
        for (name, value) in [("fsync", fsync), ("commit_siblings", "0"), ("commit_delay", &format!("{delay:.0}"))] {
            let set = format!("ALTER SYSTEM SET {name} = {value}");
            self.db.execute_as_superuser(&set).await.expect("the superuser may");
        }
        self.db.execute_as_superuser("SELECT pg_reload_conf()").await.expect("the superuser may");
    }

    /// So many waiting jobs in both tables, and nothing else.
    async fn fill(&self, tenants: usize, jobs: usize) {
        self.db.execute_as_superuser("TRUNCATE rls_jobs, rls_doorbell, plain_jobs").await.expect("the superuser may");
        let each = jobs / tenants;
        for number in 0..tenants {
            let new = vec![NewJob::of(&Nothing).expect("it is JSON"); each];
            with_tenant(&self.scoped, tenant(number), async |mut tx| self.queue.enqueue_many(&mut tx, &new).await)
                .await
                .expect("enqueues");
        }
        let copy = "INSERT INTO plain_jobs SELECT * FROM rls_jobs; ANALYZE rls_jobs; ANALYZE plain_jobs";
        self.db.execute_as_superuser(copy).await.expect("the superuser may");
    }

    /// Jobs per second, claimed by all claimers until nothing is left.
    async fn claim_plain(&self, batch: usize, jobs: usize) -> f64 {
        let start = Instant::now();
        let taken = AtomicUsize::new(0);
        let claimers = (0..CLAIMERS).map(|_| async {
            while taken.load(Ordering::Relaxed) < jobs {
                let claim = sqlx::query_as::<_, Claimed>(CLAIM_PLAIN).bind(LANE).bind(batch as i64);
                let claimed = claim.fetch_all(&self.plain).await.expect("claims");
                taken.fetch_add(claimed.len(), Ordering::Relaxed);
            }
        });
        futures_util::future::join_all(claimers).await;
        assert_eq!(taken.load(Ordering::Relaxed), jobs);
        jobs as f64 / start.elapsed().as_secs_f64()
    }

    /// The same, each claim in the scope of the next tenant.
    async fn claim_scoped(&self, batch: usize, tenants: usize, jobs: usize, options: &ScopeOptions) -> f64 {
        let start = Instant::now();
        let taken = AtomicUsize::new(0);
        let claimers = (0..CLAIMERS).map(|claimer| {
            let (taken, claim) = (&taken, Claim::new(LANE, u32::try_from(batch).expect("is small")).worker("w"));
            async move {
                // Each begins elsewhere, and goes around the tenants until everything is claimed.
                let mut turn = claimer * tenants / CLAIMERS;
                while taken.load(Ordering::Relaxed) < jobs {
                    let claimed = with_tenant_opts(&self.scoped, tenant(turn % tenants), options, async |mut tx| {
                        self.queue.claim(&mut tx, &claim).await
                    })
                    .await
                    .expect("claims");
                    taken.fetch_add(claimed.len(), Ordering::Relaxed);
                    turn += 1;
                }
            }
        });
        futures_util::future::join_all(claimers).await;
        assert_eq!(taken.load(Ordering::Relaxed), jobs);
        jobs as f64 / start.elapsed().as_secs_f64()
    }

    async fn compare_claims(&self, rounds: usize, disk: Option<f64>) {
        println!(
            "{:<28} {:>12} {:>12} {:>8} {:>12} {:>8}",
            "claims", "plain", "forced", "ratio", "forgettable", "ratio"
        );
        let (waits, forgettable) = (ScopeOptions::new(), ScopeOptions::new().asynchronous_commit());
        for (batch, tenants, jobs) in
            [(1, 1, 1000), (1, 100, 1000), (1, 1000, 1000), (100, 1, 20_000), (100, 100, 20_000), (100, 1000, 100_000)]
        {
            let (mut plain, mut scoped, mut quick) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                self.fill(tenants, jobs).await;
                plain.push(self.claim_plain(batch, jobs).await);
                scoped.push(self.claim_scoped(batch, tenants, jobs, &waits).await);
                self.fill(tenants, jobs).await;
                quick.push(self.claim_scoped(batch, tenants, jobs, &forgettable).await);
            }
            let ratio = |own: &[f64]| median(own.iter().zip(&plain).map(|(own, plain)| own / plain).collect());
            let (to_plain, quick_to_plain) = (ratio(&scoped), ratio(&quick));
            println!(
                "{:<28} {:>10.0}/s {:>10.0}/s {to_plain:>8.2} {:>10.0}/s {quick_to_plain:>8.2}",
                format!("{batch} at once, {tenants} tenants"),
                median(plain.clone()),
                median(scoped.clone()),
                median(quick.clone())
            );
            if batch == 1
                && let Some(disk) = disk
            {
                let each = |rates: &[f64]| 1000.0 * CLAIMERS as f64 / median(rates.to_vec());
                let (durable, quick) = (each(&scoped), each(&quick));
                println!(
                    "  {durable:.3} ms each, {quick:.3} without waiting, which is {:.2} times as fast; a page to the disk takes {disk:.3} ms",
                    durable / quick
                );
            }
        }
    }

    /// One job per scope, with the triggers of the doorbell and without.
    async fn compare_enqueueing(&self, rounds: usize) {
        for tenants in [1, 1000] {
            self.fill(tenants, 0).await;
            let mut ratios = Vec::new();
            for _ in 0..rounds {
                let mut rates = Vec::new();
                for trigger in ["DISABLE", "ENABLE"] {
                    let switch = format!("ALTER TABLE rls_jobs {trigger} TRIGGER USER");
                    self.db.execute_as_superuser(&switch).await.expect("the superuser may");
                    let (start, mut done) = (Instant::now(), 0);
                    while start.elapsed() < Duration::from_millis(400) {
                        let job = NewJob::of(&Nothing).expect("it is JSON");
                        let tenant = tenant(done % tenants);
                        with_tenant(&self.scoped, tenant, async |mut tx| self.queue.enqueue(&mut tx, &job).await)
                            .await
                            .expect("enqueues");
                        done += 1;
                    }
                    rates.push(done as f64 / start.elapsed().as_secs_f64());
                }
                ratios.push(rates[1] / rates[0]);
            }
            println!("{:<28} {:>34.2}", format!("enqueue, {tenants} tenants, doorbell"), median(ratios));
        }
    }

    async fn sweep(&self) {
        self.fill(1000, 1000).await;
        self.claim_scoped(2, 1000, 1000, &ScopeOptions::new()).await;
        let (start, lanes) = (Instant::now(), [LANE.to_owned()]);
        for _ in 0..500 {
            assert!(self.queue.due(&self.scoped, &lanes, None, 100).await.expect("reads").is_empty());
        }
        println!("{:<28} {:>31.3} ms", "sweep of 1000 idle tenants", start.elapsed().as_secs_f64() * 1000.0 / 500.0);
    }

    /// Jobs per second through a worker, and how long those of the others wait beside a flood.
    async fn work(&self, tenants: usize, jobs: usize, slots: usize) -> Vec<(TenantId, Instant)> {
        let (sender, mut log) = mpsc::unbounded_channel();
        let worker = Worker::new(self.scoped.clone(), sender).register::<Nothing>();
        let (stop, stopped) = oneshot::channel::<()>();
        let start = Instant::now();
        let run = worker.lane(Lane::new(LANE).slots(slots)).poll(Duration::from_millis(20)).run(async {
            stopped.await.ok();
        });
        let run = tokio::spawn(run);
        let mut begun = Vec::new();
        while begun.len() < jobs {
            begun.push(log.recv().await.expect("the worker runs"));
        }
        stop.send(()).ok();
        run.await.expect("the worker does not panic");
        let rate = jobs as f64 / start.elapsed().as_secs_f64();
        println!("{:<28} {rate:>32.0}/s", format!("worker, {tenants} tenants, {slots} slots"));
        begun
    }

    async fn flood(&self) {
        self.fill(1, 10_000).await;
        for other in 1..=50 {
            let job = NewJob::of(&Nothing).expect("it is JSON");
            with_tenant(&self.scoped, tenant(other), async |mut tx| self.queue.enqueue(&mut tx, &job).await)
                .await
                .expect("enqueues");
        }
        let start = Instant::now();
        let begun = self.work(51, 10_050, 20).await;
        let waited = |(_, at): &(TenantId, Instant)| at.duration_since(start).as_secs_f64() * 1000.0;
        let others: Vec<f64> = begun.iter().filter(|(of, _)| *of != tenant(0)).map(waited).collect();
        let last = others.iter().copied().fold(0.0, f64::max);
        let all = begun.last().map_or(0.0, waited);
        println!(
            "beside a flood of 10,000 the 50 others waited {:.0} ms in the median and {last:.0} ms at most; the flood took {all:.0} ms",
            median(others)
        );
    }

    /// A snapshot that is held keeps the dead rows of what was done meanwhile.
    async fn hold_a_snapshot(&self) {
        let claim_one = async || {
            let start = Instant::now();
            let claim = Claim::new(LANE, 1);
            let claimed =
                with_tenant(&self.scoped, tenant(0), async |mut tx| self.queue.claim(&mut tx, &claim).await).await;
            assert_eq!(claimed.expect("claims").len(), 1);
            start.elapsed().as_secs_f64() * 1000.0
        };
        let several = async || {
            let mut times = Vec::new();
            for _ in 0..21 {
                times.push(claim_one().await);
            }
            median(times)
        };
        self.fill(1, 51_000).await;
        let fresh = several().await;
        let mut holder = self.plain.begin().await.expect("begins");
        let snapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()";
        sqlx::raw_sql(snapshot).execute(&mut *holder).await.expect("reads");
        let claim = Claim::new(LANE, 1000);
        for _ in 0..50 {
            with_tenant(&self.scoped, tenant(0), async |mut tx| {
                let claimed = self.queue.claim(&mut tx, &claim).await?;
                let ended: Vec<_> = claimed.iter().map(|job| (job.lease, Settlement::Complete(None))).collect();
                self.queue.settle_many(&mut tx, &ended).await
            })
            .await
            .expect("completes");
        }
        let held = several().await;
        holder.rollback().await.expect("ends");
        println!("claim 1: {fresh:.2} ms fresh, {held:.2} ms over 50,000 rows that a held snapshot keeps");
    }
}

#[tokio::main]
async fn main() {
    let rounds =
        std::env::var("RLS_BENCH_ROUNDS").map_or(5, |text| text.parse().expect("RLS_BENCH_ROUNDS is a number"));
    let site = Site::new().await;
    let slower: Option<f64> = std::env::var("RLS_BENCH_FSYNC").ok().map(|text| text.parse().expect("milliseconds"));
    site.have_disk(slower).await;
    site.compare_claims(rounds, slower.map(|slower| disk_wait() + slower)).await;
    site.compare_enqueueing(rounds).await;
    site.sweep().await;
    for (tenants, jobs) in [(1, 20_000), (100, 20_000), (1000, 20_000)] {
        site.fill(tenants, jobs).await;
        site.work(tenants, jobs, 200).await;
    }
    site.flood().await;
    site.hold_a_snapshot().await;
}
