//! `apalis-postgres`, in large batches, without the lock before each job and without stored results, each job a task.

use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};

use crate::{AT_ONCE, Counter, Measured, Stopwatch, database, plain_pool, until_none};

const BATCH: usize = 5000;

async fn nothing(_: u64, counter: Data<Counter>) -> Result<(), BoxDynError> {
    counter.one_more();
    Ok(())
}

pub async fn run(jobs: usize) -> Measured {
    let db = database().await;
    db.execute_as_superuser("CREATE EXTENSION IF NOT EXISTS hstore").await.expect("hstore is installed");
    let (pool, done) = (plain_pool(&db).await, Counter::default());
    PostgresStorage::setup(&pool).await.expect("migrates");
    let config = Config::default().queue("nothing").batch_size(BATCH).lock_tasks(false);
    let mut backend = PostgresStorage::<u64>::new(&pool).with_config(config);
    for first in (0..jobs).step_by(BATCH) {
        let new: Vec<u64> = (first..jobs.min(first + BATCH)).map(|number| number as u64).collect();
        backend.push_bulk(new).await.expect("enqueues");
    }
    db.execute("ANALYZE").await.expect("is valid");
    let often = Strategy::new().interval(Duration::from_millis(5));
    let worker = WorkerBuilder::new("peer")
        .backend(backend.poll_with_strategy(often))
        .data(done.clone())
        .concurrency(AT_ONCE)
        .parallelize(tokio::spawn)
        .build(nothing);
    let watch = Stopwatch::start(&db).await;
    let running = tokio::spawn(worker.run());
    done.reaches(jobs).await;
    until_none(&pool, "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'").await;
    let measured = watch.stop(jobs);
    running.abort();
    running.await.ok();
    pool.close().await;
    measured
}
