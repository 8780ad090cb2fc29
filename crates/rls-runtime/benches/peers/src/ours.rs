//! The worker of this crate, under FORCE row-level security.

use std::time::Duration;

use rls_runtime::queue::{NewJob, Queue, Schema};
use rls_runtime::worker::{Context, Job, JobError, Lane, Outcome, Worker};
use rls_runtime::{RlsPoolOptions, TenantId, with_tenant};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::oneshot;

use crate::{AT_ONCE, Counter, Measured, Stopwatch, database, until_none};

#[derive(Serialize, Deserialize)]
struct Nothing {}

impl Job for Nothing {
    type State = Counter;
    const LANE: &'static str = "work";
    const KIND: &'static str = "nothing";

    async fn run(self, cx: Context<Counter>) -> Result<Outcome, JobError> {
        cx.state().one_more();
        Ok(Outcome::Complete)
    }
}

/// What becomes of a job that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Deleted,
    Kept,
}

pub async fn run(tenants: usize, jobs: usize, ended: Ended) -> Measured {
    let (db, done) = (database().await, Counter::default());
    let queue = if ended == Ended::Deleted { Queue::new().forget_completed() } else { Queue::new() };
    Schema::new().role(db.runtime()).apply(&db.owner_pool().await.expect("connects")).await.expect("is valid");
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(20)).await;
    let new = vec![NewJob::of(&Nothing {}).expect("it is JSON"); jobs / tenants];
    for tenant in 1..=tenants {
        let tenant = TenantId::new(uuid::Uuid::from_u128(tenant as u128));
        with_tenant(&pool, tenant, async |mut tx| queue.enqueue_many(&mut tx, &new).await).await.expect("enqueues");
    }
    db.execute("ANALYZE").await.expect("is valid");
    // Only the superuser sees the jobs of all tenants.
    let observer = PgPool::connect_with(db.superuser_options()).await.expect("connects");
    let jobs = jobs / tenants * tenants;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(pool.clone(), done.clone()).queue(queue).register::<Nothing>();
    let worker = worker.poll(Duration::from_millis(5));
    let watch = Stopwatch::start(&db).await;
    let running = tokio::spawn(worker.lane(Lane::new("work").slots(AT_ONCE)).run(async {
        stopped.await.ok();
    }));
    done.reaches(jobs).await;
    until_none(&observer, "SELECT count(*) FROM rls_jobs WHERE due_at IS NOT NULL").await;
    let measured = watch.stop(jobs);
    stop.send(()).ok();
    running.await.expect("the worker does not panic");
    observer.close().await;
    pool.close().await;
    measured
}
