//! Workers are killed, connections are cut, and the server crashes and is restarted while jobs run: every job ends once, under its own tenant, and a lane with a limit keeps it.
//! Some of the workers keep what is completed, and some delete it.
//!
//! A short run by itself; the soak is `cargo soak`, which sets `RLS_CRASH_JOBS`, `RLS_CRASH_TENANTS` and `RLS_CRASH_KILLS`.
//! The program runs itself again as the workers that it kills.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rls_runtime::queue::{NewJob, Queue, Schema};
use rls_runtime::testing::{Shutdown, TestDb};
use rls_runtime::worker::{Backoff, Context, Job, JobError, Lane, Outcome, Worker};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

const WORKERS: usize = 3;
/// Says to the program that it is a worker, and where its database is.
const WORKER: &str = "RLS_CRASH_WORKER";
/// Says to a worker that it is to keep nothing that is completed.
const FORGETS: &str = "RLS_CRASH_FORGETS";
/// So long a run may take before it is called stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

const TABLES: &str = "
CREATE TABLE begun (tenant_id uuid NOT NULL, job uuid NOT NULL, lease text NOT NULL, meant_for uuid NOT NULL,
                    number int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE done (tenant_id uuid NOT NULL, job uuid NOT NULL, lease text NOT NULL, number int NOT NULL,
                   at timestamptz NOT NULL DEFAULT clock_timestamp());
ALTER TABLE begun ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE done ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON begun USING (tenant_id = (SELECT current_setting('app.tenant_id')::uuid));
CREATE POLICY tenant ON done USING (tenant_id = (SELECT current_setting('app.tenant_id')::uuid))";

#[derive(Serialize, Deserialize)]
struct Work {
    meant_for: String,
    number: usize,
}

/// What is to become of a job, by its number.
#[derive(Debug, PartialEq)]
enum Fate {
    /// Done and settled in one scope, so exactly once.
    Once,
    /// Done in one scope and settled later, so at least once.
    AtLeastOnce,
    FailsFirst,
    Dies,
}

fn fate(number: usize) -> Fate {
    match number % 10 {
        0 => Fate::Dies,
        1 | 2 => Fate::FailsFirst,
        3 | 4 => Fate::AtLeastOnce,
        _ => Fate::Once,
    }
}

impl Job for Work {
    type State = ();
    const LANE: &'static str = "work";
    const KIND: &'static str = "work";
    const MAX_ATTEMPTS: u16 = 1000;

    async fn run(self, cx: Context<()>) -> Result<Outcome, JobError> {
        let (tenant, job, lease) = (cx.tenant(), cx.job().as_uuid(), format!("{:?}", cx.lease()));
        let number = i32::try_from(self.number).expect("they are not that many");
        cx.with_tenant(async |mut tx| {
            let begun =
                "INSERT INTO begun (tenant_id, job, lease, meant_for, number) VALUES ($1, $2, $3, $4::uuid, $5)";
            let begun = sqlx::query(begun).bind(tenant).bind(job).bind(&lease).bind(&self.meant_for).bind(number);
            begun.execute(&mut *tx).await
        })
        .await?;
        let done =
            || sqlx::query("INSERT INTO done VALUES ($1, $2, $3, $4)").bind(tenant).bind(job).bind(&lease).bind(number);
        match fate(self.number) {
            Fate::Dies => Err(JobError::fail("as it was meant to")),
            Fate::FailsFirst if cx.attempt() == 1 => Err(JobError::retry("the first time")),
            Fate::FailsFirst | Fate::AtLeastOnce => {
                cx.with_tenant(async |mut tx| done().execute(&mut *tx).await).await?;
                Ok(Outcome::Complete)
            }
            Fate::Once => {
                cx.with_tenant(async |mut tx| {
                    done().execute(&mut *tx).await?;
                    cx.complete(&mut tx, None).await
                })
                .await
            }
        }
    }
}

/// Of all workers together, no more than so many jobs of this lane run at once.
const NARROW: &str = "narrow";
const SLOTS: u32 = 3;

fn lane(number: usize) -> &'static str {
    if [0, 5].contains(&(number % 8)) { NARROW } else { Work::LANE }
}

fn from_environment(name: &str, otherwise: usize) -> usize {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

async fn work(url: &str) {
    let pool = RlsPool::connect(url).await.expect("connects");
    let moment = Duration::from_millis(50);
    let queue = if env::var_os(FORGETS).is_some() { Queue::new().forget_completed() } else { Queue::new() };
    Worker::new(pool, ())
        .queue(queue)
        .register::<Work>()
        .lane(Lane::new(Work::LANE).slots(8))
        .lane(Lane::new(NARROW).slots(4).at_once(SLOTS))
        .poll(moment)
        .lease(Duration::from_millis(1500))
        .heartbeat(Duration::from_millis(200))
        .backoff(Backoff::new(moment, moment))
        .maintain_every(Duration::from_secs(2))
        .run(std::future::pending())
        .await;
}

/// A worker that does not outlive the test.
struct Victim(Child);

impl Victim {
    /// The first of them keeps nothing.
    fn start(url: &str, place: usize) -> Victim {
        let program = env::current_exe().expect("the program knows where it is");
        let mut worker = Command::new(program);
        worker.env(WORKER, url).stdout(Stdio::null()).stderr(Stdio::null());
        if place == 0 {
            worker.env(FORGETS, "1");
        }
        Victim(worker.spawn().expect("the worker starts"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // On Unix this is SIGKILL.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

struct Run {
    db: TestDb,
    observer: PgPool,
    tenants: Vec<TenantId>,
    jobs: usize,
}

impl Run {
    async fn prepare() -> Run {
        let (jobs, tenants) = (from_environment("RLS_CRASH_JOBS", 600), from_environment("RLS_CRASH_TENANTS", 20));
        let db = TestDb::new().await;
        let owner = db.owner_pool().await.expect("connects");
        Schema::new().role(db.runtime()).apply(&owner).await.expect("is valid");
        db.execute(TABLES).await.expect("is valid");
        // As a service has it.
        let durable = format!("ALTER DATABASE {} SET synchronous_commit = on", db.name());
        db.execute_as_superuser(&durable).await.expect("the superuser may");
        let tenants: Vec<_> =
            (1..=tenants).map(|tenant| TenantId::new(uuid::Uuid::from_u128(tenant as u128))).collect();
        let (pool, queue) = (db.pool().await, Queue::new());
        for (place, tenant) in tenants.iter().enumerate() {
            let numbers = (place..jobs).step_by(tenants.len());
            let new = |number| {
                let work = Work { meant_for: tenant.to_string(), number };
                NewJob::new(lane(number), Work::KIND, &work).expect("it is JSON").max_attempts(Work::MAX_ATTEMPTS)
            };
            let new: Vec<_> = numbers.map(new).collect();
            with_tenant(&pool, *tenant, async |mut tx| queue.enqueue_many(&mut tx, &new).await)
                .await
                .expect("enqueues");
        }
        pool.close().await;
        let observer = PgPool::connect_with(db.superuser_options()).await.expect("connects");
        Run { db, observer, tenants, jobs }
    }

    /// How many have ended, after a moment. The server may be away.
    async fn ended(&self) -> Option<usize> {
        let look = "
            SELECT (SELECT count(*) FROM rls_jobs WHERE due_at IS NOT NULL),
                   (SELECT coalesce(sum(held), 0) FROM rls_lane_slots WHERE held_until > now())
            FROM pg_sleep(0.05)";
        let (left, held): (i64, i64) = sqlx::query_as(look).fetch_one(&self.observer).await.ok()?;
        assert!(held <= i64::from(SLOTS), "{held} slots are lent");
        self.jobs.checked_sub(usize::try_from(left).ok()?)
    }

    /// Kill something whenever a further part of the jobs has ended.
    async fn let_it_run(&self) -> usize {
        let kills = from_environment("RLS_CRASH_KILLS", 9);
        let url = self.db.url(&self.db.runtime());
        let mut workers: Vec<_> = (0..WORKERS).map(|place| Victim::start(&url, place)).collect();
        let (started, mut killed) = (Instant::now(), 0);
        loop {
            assert!(started.elapsed() < PATIENCE, "stuck with {:?} of {} jobs ended", self.ended().await, self.jobs);
            let Some(ended) = self.ended().await else { continue };
            if ended == self.jobs {
                return killed;
            }
            if killed < kills && ended * (kills + 1) >= self.jobs * (killed + 1) {
                match killed % 9 {
                    0 | 3 | 6 => self.cut_connections().await,
                    1 => self.crash_the_server().await,
                    4 => self.restart_the_server(Shutdown::Immediate),
                    7 => self.restart_the_server(Shutdown::Fast),
                    _ => {
                        let place = uuid::Uuid::new_v4().as_u128() as usize % WORKERS;
                        workers[place] = Victim::start(&url, place);
                    }
                }
                killed += 1;
            }
        }
    }

    /// Again, should the server be away.
    async fn cut_connections(&self) {
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1";
        while sqlx::query(cut).bind(self.db.runtime()).execute(&self.observer).await.is_err() {}
    }

    /// When a backend dies like this the server ends all others and recovers.
    async fn crash_the_server(&self) {
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&self.observer).await.expect("reads");
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
        assert!(killed.expect("kill runs").success());
    }

    fn restart_the_server(&self, shutdown: Shutdown) {
        self.db.cluster().restart(shutdown).expect("the server starts again");
    }

    async fn count(&self, what: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}")))
            .fetch_one(&self.observer)
            .await
            .expect("reads")
    }

    async fn check(&self) {
        let with_fate = |wanted: Fate| (0..self.jobs).filter(|number| fate(*number) == wanted).count() as i64;
        let (all, die) = (self.jobs as i64, with_fate(Fate::Dies));
        assert_eq!(self.count("(SELECT FROM begun GROUP BY tenant_id, job) t").await, all, "no job is lost");
        assert_eq!(self.count("rls_jobs WHERE state = 'discarded'").await, die);
        let kept = self.count("rls_jobs WHERE state = 'completed'").await;
        assert_eq!(self.count("rls_jobs").await, die + kept);
        assert!((1..all - die).contains(&kept), "some are kept and some are not");
        let wrong = "begun WHERE tenant_id <> meant_for";
        assert_eq!(self.count(wrong).await, 0, "none ran under a wrong tenant");
        // A crash may undo a claim, for that is committed asynchronously; then the attempt is begun again, under another lease.
        let twice = "(SELECT FROM begun GROUP BY lease HAVING count(*) > 1) t";
        assert_eq!(self.count(twice).await, 0, "no lease is given out twice");
        let once = with_fate(Fate::Once);
        assert_eq!(self.count("done WHERE number % 10 >= 5").await, once, "what is settled in its scope is done once");
        assert_eq!(self.count("(SELECT DISTINCT number FROM done WHERE number % 10 >= 5) t").await, once);
        let later = with_fate(Fate::FailsFirst) + with_fate(Fate::AtLeastOnce);
        let done_later = self.count("(SELECT DISTINCT number FROM done WHERE number % 10 BETWEEN 1 AND 4) t").await;
        assert_eq!(done_later, later, "what is settled later is done at least once");
        assert_eq!(self.count("done WHERE number % 10 = 0").await, 0);
    }

    /// Of the narrow lane, by the server's clock. How long those ran that were killed nobody knows, nor is a handler that has lost its slot gone at once.
    async fn most_at_once(&self) -> i64 {
        let most = "
            SELECT max(running)::int8 FROM (
                SELECT sum(step) OVER (ORDER BY at, step) AS running FROM (
                    SELECT b.at, 1 AS step FROM begun b JOIN done d USING (lease) WHERE b.number % 8 IN (0, 5)
                    UNION ALL SELECT d.at, -1 FROM done d WHERE d.number % 8 IN (0, 5)) steps) t";
        sqlx::query_scalar(most).fetch_one(&self.observer).await.expect("reads")
    }
}

#[tokio::main]
async fn main() {
    if let Ok(url) = env::var(WORKER) {
        return work(&url).await;
    }
    let run = Run::prepare().await;
    let started = Instant::now();
    let killed = run.let_it_run().await;
    run.check().await;
    let fail_first = (0..run.jobs).filter(|number| fate(*number) == Fate::FailsFirst).count();
    let repeated = run.count("begun").await - (run.jobs + fail_first) as i64;
    println!(
        "{} jobs of {} tenants ended in {:.1} s, through {killed} kills, which cost {repeated} attempts; at most {} of the narrow lane ran at once",
        run.jobs,
        run.tenants.len(),
        started.elapsed().as_secs_f64(),
        run.most_at_once().await
    );
}
