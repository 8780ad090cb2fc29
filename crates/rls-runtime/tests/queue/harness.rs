//! A database with the queue's tables, a queue that goes by a fixed clock, and short words for what tests do.

use std::time::{Duration, SystemTime};

use rls_runtime::queue::{
    Claim, ClaimedJob, Due, JobId, JobState, JobStatus, NewJob, Queue, Schema, Settled, Settlement,
};
use rls_runtime::testing::{FixedClock, TestDb};
use rls_runtime::{RlsPool, RlsPoolOptions, TenantId, with_tenant};

pub const LANE: &str = "upload";
pub const LEASE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Site {
    pub db: TestDb,
    pub pool: RlsPool,
    pub queue: Queue,
    pub clock: FixedClock,
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn job(text: &str) -> NewJob {
    NewJob::new(LANE, "copy", &text).expect("text is JSON")
}

impl Site {
    pub async fn new() -> Site {
        Site::with_connections(4).await
    }

    pub async fn with_connections(connections: u32) -> Site {
        Site::prepared(connections, |_| String::new()).await
    }

    /// After what the superuser has to say about the database of this name.
    pub async fn prepared(connections: u32, sql: fn(&str) -> String) -> Site {
        let db = TestDb::new().await;
        db.execute_as_superuser(&sql(db.name())).await.expect("the superuser may");
        let owner = db.owner_pool().await.expect("the owner connects");
        Schema::new().role(db.runtime()).apply(&owner).await.expect("the schema is valid");
        let pool = db.pool_with(RlsPoolOptions::new().max_connections(connections)).await;
        let clock = FixedClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let shown = clock.clone();
        Site { db, pool, queue: Queue::with_clock(move || shown.now()), clock }
    }

    /// What the queue's statements take for now.
    pub fn now_in_micros(&self) -> u128 {
        self.clock.now().duration_since(SystemTime::UNIX_EPOCH).expect("is later").as_micros()
    }

    pub async fn enqueue(&self, tenant: TenantId, job: &NewJob) -> JobId {
        with_tenant(&self.pool, tenant, async |mut tx| self.queue.enqueue(&mut tx, job).await)
            .await
            .expect("enqueues")
            .id()
    }

    pub async fn claim(&self, tenant: TenantId, claim: &Claim) -> Vec<ClaimedJob> {
        with_tenant(&self.pool, tenant, async |mut tx| self.queue.claim(&mut tx, claim).await).await.expect("claims")
    }

    /// At most so many of the one lane.
    pub async fn claim_some(&self, tenant: TenantId, limit: u32) -> Vec<ClaimedJob> {
        self.claim(tenant, &Claim::new(LANE, limit).lease(LEASE)).await
    }

    pub async fn settle(&self, job: &ClaimedJob, settlement: Settlement) -> Settled {
        with_tenant(&self.pool, job.tenant, async |mut tx| self.queue.settle(&mut tx, job.lease, settlement).await)
            .await
            .expect("settles")
    }

    pub async fn find(&self, tenant: TenantId, job: JobId) -> JobStatus {
        let found = with_tenant(&self.pool, tenant, async |mut tx| self.queue.find(&mut tx, job).await).await;
        found.expect("reads").expect("it exists")
    }

    pub async fn state(&self, tenant: TenantId, job: JobId) -> JobState {
        self.find(tenant, job).await.state
    }

    /// When no job of the tenant runs: before the clock is moved, or its lease runs out.
    pub async fn rests(&self, tenant: TenantId) {
        let running = async || {
            let lanes = with_tenant(&self.pool, tenant, async |mut tx| self.queue.lanes(&mut tx).await).await;
            lanes.expect("reads").iter().any(|lane| lane.running > 0)
        };
        while running().await {}
    }

    pub async fn due(&self) -> Vec<Due> {
        self.queue.due(&self.pool, &[LANE.to_owned()], None, 100).await.expect("reads")
    }
}

pub fn payloads(jobs: &[ClaimedJob]) -> Vec<&str> {
    jobs.iter().filter_map(|job| job.payload.as_str()).collect()
}
