//! What the server's disk is waited for: every settlement and every new job, and no claim.

use rls_runtime::queue::{Claim, NewJob};
use rls_runtime::testing::TENANT_A;
use rls_runtime::worker::{Context, Job, JobError, Lane, Outcome, Worker};
use rls_runtime::{ScopeOptions, with_tenant, with_tenant_opts};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::harness::{LANE, Site, job};

/// Notes, for every state that a job comes to, whether that commit waits for the disk.
const WITNESS: &str = "
CREATE TABLE seen (state text NOT NULL, waits text NOT NULL);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (new.state, current_setting('synchronous_commit'));
    RETURN NULL;
END
$$;
CREATE TRIGGER witness AFTER INSERT OR UPDATE OF state ON rls_jobs FOR EACH ROW EXECUTE FUNCTION witness()";

#[derive(Serialize, Deserialize)]
struct Chain {
    links: u32,
}

impl Job for Chain {
    type State = mpsc::UnboundedSender<u32>;
    const LANE: &'static str = LANE;
    const KIND: &'static str = "chain";

    async fn run(self, cx: Context<Self::State>) -> Result<Outcome, JobError> {
        if self.links > 0 {
            let next = NewJob::of(&Chain { links: self.links - 1 })?;
            cx.with_tenant(async |mut tx| cx.queue().enqueue(&mut tx, &next).await).await?;
        }
        cx.state().send(self.links).ok();
        Ok(Outcome::Complete)
    }
}

/// On the one connection of its pool, so that a setting that outlived its scope would be seen.
async fn site() -> Site {
    Site::prepared(1, |name| format!("ALTER DATABASE {name} SET synchronous_commit = on")).await
}

#[tokio::test]
async fn a_worker_waits_for_the_disk_when_it_settles_and_not_when_it_claims() {
    let site = site().await;
    site.db.execute(WITNESS).await.expect("is valid");
    site.enqueue(TENANT_A, &NewJob::of(&Chain { links: 5 }).expect("it is JSON")).await;
    let (sender, mut log) = mpsc::unbounded_channel();
    let worker = Worker::new(site.pool.clone(), sender).queue(site.queue.clone()).register::<Chain>();
    let until_the_last = async { while log.recv().await.expect("the worker runs") > 0 {} };
    worker.lane(Lane::new(LANE).slots(2)).poll(std::time::Duration::from_millis(10)).run(until_the_last).await;
    let owner = site.db.owner_pool().await.expect("connects");
    let seen: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT state, waits, count(*) FROM seen GROUP BY state, waits ORDER BY state")
            .fetch_all(&owner)
            .await
            .expect("reads");
    let expected = [("available", "on", 6), ("completed", "on", 6), ("executing", "off", 6)];
    assert_eq!(seen, expected.map(|(state, waits, count)| (state.to_owned(), waits.to_owned(), count)));
}

#[tokio::test]
async fn the_option_ends_with_its_scope() {
    let site = site().await;
    site.enqueue(TENANT_A, &job("x")).await;
    let waits = "SELECT current_setting('synchronous_commit')";
    let options = ScopeOptions::new().asynchronous_commit();
    let within: sqlx::Result<String> = with_tenant_opts(&site.pool, TENANT_A, &options, async |mut tx| {
        site.queue.claim(&mut tx, &Claim::new(LANE, 1)).await?;
        sqlx::query_scalar(waits).fetch_one(&mut *tx).await
    })
    .await;
    let after: sqlx::Result<String> =
        with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::query_scalar(waits).fetch_one(&mut *tx).await).await;
    assert_eq!((within.expect("reads"), after.expect("reads")), ("off".to_owned(), "on".to_owned()));
}
