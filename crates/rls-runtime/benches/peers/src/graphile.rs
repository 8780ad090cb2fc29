//! `graphile_worker` with the settings of its own `benches/perf_test.rs`.

use std::sync::Arc;
use std::time::Duration;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};

use crate::{AT_ONCE, Counter, Measured, Stopwatch, database, plain_pool, until_none};

#[derive(Serialize, Deserialize)]
struct Nothing {}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, cx: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(counter) = cx.get_ext::<Counter>() {
            counter.one_more();
        }
        Ok::<(), String>(())
    }
}

pub async fn run(jobs: usize) -> Measured {
    let db = database().await;
    let (pool, done) = (plain_pool(&db).await, Counter::default());
    let worker = WorkerOptions::default()
        .pg_pool(pool.clone())
        .concurrency(AT_ONCE)
        .poll_interval(Duration::from_millis(5))
        .complete_job_batch_delay(Duration::from_millis(5))
        .local_queue(LocalQueueConfig::default().with_size(5000))
        .listen_os_shutdown_signals(false)
        .add_extension(done.clone())
        .define_job::<Nothing>()
        .init()
        .await
        .expect("starts");
    let new =
        |_| RawJobSpec { identifier: "nothing".to_owned(), payload: serde_json::json!({}), spec: JobSpec::default() };
    let new: Vec<_> = (0..jobs).map(new).collect();
    worker.create_utils().add_raw_jobs(&new).await.expect("enqueues");
    db.execute("ANALYZE").await.expect("is valid");
    let worker = Arc::new(worker);
    let watch = Stopwatch::start(&db).await;
    let running = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.run().await }
    });
    done.reaches(jobs).await;
    until_none(&pool, "SELECT count(*) FROM graphile_worker._private_jobs").await;
    let measured = watch.stop(jobs);
    worker.request_shutdown();
    running.await.expect("no panic").expect("ends");
    pool.close().await;
    measured
}
