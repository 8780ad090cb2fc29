//! The low-water marks: a held snapshot does not make a claim slow, and whatever comes below a mark is found all the same.

use rls_runtime::queue::{Claim, NewJob, Settlement};
use rls_runtime::testing::TENANT_A;
use rls_runtime::{TenantTx, with_tenant};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::{LANE, LEASE, Site, job, payloads, seconds};

const FORGET: &str = "UPDATE rls_doorbell SET low_rank = '-infinity', low_lease = '-infinity'";

/// How many blocks the claim of one job reads, by the very statement that the connection has prepared for claims.
async fn blocks_of_a_claim(site: &Site, before: &str) -> i64 {
    let now = site.now_in_micros();
    with_tenant(&site.pool, TENANT_A, async |mut tx| {
        let claimed = site.queue.claim(&mut tx, &Claim::new(LANE, 1).lease(LEASE)).await?;
        assert_eq!(claimed.len(), 1);
        sqlx::raw_sql(AssertSqlSafe(before)).execute(&mut *tx).await?;
        blocks_of_next_claim(&mut tx, now, 1).await
    })
    .await
    .expect("claims")
}

async fn blocks_of_next_claim(tx: &mut TenantTx, now: u128, limit: u32) -> sqlx::Result<i64> {
    let prepared = "SELECT name FROM pg_prepared_statements WHERE statement LIKE $1";
    let name: String = sqlx::query_scalar(prepared).bind("%picked AS MATERIALIZED%").fetch_one(&mut **tx).await?;
    let (tenant, lease) = (TENANT_A, LEASE.as_micros());
    let execute = format!("EXECUTE {name}('{tenant}', '{LANE}', {now}, {limit}, '', {lease}, NULL, gen_random_uuid())");
    blocks_of(tx, &execute).await
}

async fn blocks_of(tx: &mut TenantTx, statement: &str) -> sqlx::Result<i64> {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}");
    let plan: serde_json::Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut **tx).await?;
    let blocks = |name: &str| plan[0]["Plan"][name].as_i64().expect("is counted");
    Ok(blocks("Shared Hit Blocks") + blocks("Shared Read Blocks"))
}

#[tokio::test]
async fn a_claim_passes_few_of_the_remains_that_a_held_snapshot_keeps() {
    let site = Site::with_connections(1).await;
    let jobs: Vec<_> = (0..6000).map(|_| job("x")).collect();
    with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.enqueue_many(&mut tx, &jobs).await)
        .await
        .expect("enqueues");
    let fresh = blocks_of_a_claim(&site, "").await;
    let mut holder = PgConnection::connect_with(&site.db.superuser_options()).await.expect("connects");
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()";
    sqlx::raw_sql(hold).execute(&mut holder).await.expect("holds");
    for _ in 0..100 {
        // So that the first leases would have run out.
        site.clock.advance(seconds(1));
        with_tenant(&site.pool, TENANT_A, async |mut tx| {
            let claimed = site.queue.claim(&mut tx, &Claim::new(LANE, 50).lease(LEASE)).await?;
            let ended: Vec<_> = claimed.iter().map(|job| (job.lease, Settlement::Complete(None))).collect();
            site.queue.settle_many(&mut tx, &ended).await
        })
        .await
        .expect("completes");
    }
    let held = blocks_of_a_claim(&site, "").await;
    assert!(held <= 2 * fresh, "{held} blocks over 5,000 remains, {fresh} without them");
    // Without the marks it is slow, or else this test would see nothing.
    let crawling = blocks_of_a_claim(&site, FORGET).await;
    assert!(crawling > 4 * fresh, "{crawling} blocks without the marks, {fresh} without remains");
    // A claim that has crawled raises them again.
    let again = blocks_of_a_claim(&site, "").await;
    assert!(again <= 2 * fresh, "{again} blocks, {fresh} without remains");
    holder.close().await.expect("closes");
}

/// The workers' claims are planned once per connection, and so may be planned before there are any jobs.
const PLAN_ONCE: &str = "SET LOCAL plan_cache_mode = 'force_generic_plan'";

async fn blocks_of_a_claim_planned_early(site: &Site, jobs: &[NewJob], limit: u32) -> i64 {
    with_tenant(&site.pool, TENANT_A, async |mut tx| {
        sqlx::raw_sql(PLAN_ONCE).execute(&mut *tx).await?;
        let claim = Claim::new(LANE, limit).lease(LEASE);
        assert_eq!(site.queue.claim(&mut tx, &claim).await?, []);
        site.queue.enqueue_many(&mut tx, jobs).await
    })
    .await
    .expect("enqueues");
    let now = site.now_in_micros();
    with_tenant(&site.pool, TENANT_A, async |mut tx| {
        sqlx::raw_sql(PLAN_ONCE).execute(&mut *tx).await?;
        blocks_of_next_claim(&mut tx, now, limit).await
    })
    .await
    .expect("claims")
}

#[tokio::test]
async fn a_claim_that_was_planned_for_an_empty_table_does_not_read_a_full_one() {
    let site = Site::with_connections(1).await;
    let jobs: Vec<_> = (0..5000).map(|_| job("x")).collect();
    let blocks = blocks_of_a_claim_planned_early(&site, &jobs, 1).await;
    assert!(blocks < 100, "{blocks} blocks for one of 5,000 jobs");
}

#[tokio::test]
async fn a_claim_does_not_read_the_jobs_of_the_next_hours() {
    let site = Site::with_connections(1).await;
    let later = (0..5000).map(|number| job("later").run_in(seconds(60 + number)));
    let jobs: Vec<_> = later.chain((0..3).map(|_| job("now"))).collect();
    let blocks = blocks_of_a_claim_planned_early(&site, &jobs, 10).await;
    assert!(blocks < 150, "{blocks} blocks for 3 that are due and 5,000 that are not");
}

#[tokio::test]
async fn a_due_job_that_stands_after_now_is_claimed_after_all_others() {
    let site = Site::new().await;
    for (name, priority) in [("very patient", -1000), ("patient", -10), ("plain", 0), ("urgent", 10)] {
        site.enqueue(TENANT_A, &job(name).priority(priority)).await;
    }
    site.enqueue(TENANT_A, &job("patient and later").priority(-10).run_in(seconds(60))).await;
    assert_eq!(payloads(&site.claim_some(TENANT_A, 3).await), ["urgent", "plain", "patient"]);
    assert_eq!(payloads(&site.claim_some(TENANT_A, 3).await), ["very patient"]);
}

/// Claims everything that is due, and so raises the marks.
async fn claim_all(site: &Site) -> Vec<String> {
    let claimed = site.claim_some(TENANT_A, 100).await;
    payloads(&claimed).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn whoever_comes_below_the_mark_is_found() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("early")).await;
    site.clock.advance(seconds(600));
    assert_eq!(claim_all(&site).await, ["early"]);
    site.enqueue(TENANT_A, &job("late").run_in(seconds(60))).await;
    assert_eq!(claim_all(&site).await, [""; 0], "the mark is at what comes next");
    site.enqueue(TENANT_A, &job("past").run_at(site.clock.now() - seconds(5000))).await;
    site.enqueue(TENANT_A, &job("urgent").priority(100)).await;
    assert_eq!(claim_all(&site).await, ["urgent", "past"]);
    site.clock.advance(seconds(60));
    assert_eq!(claim_all(&site).await, ["late"]);
}

#[tokio::test]
async fn whoever_goes_back_into_the_line_below_the_mark_is_found() {
    let site = Site::new().await;
    for name in ["first", "second", "third"] {
        site.enqueue(TENANT_A, &job(name).priority(500)).await;
    }
    let claimed = site.claim_some(TENANT_A, 10).await;
    site.enqueue(TENANT_A, &job("waits").run_in(seconds(60))).await;
    assert_eq!(claim_all(&site).await, [""; 0]);
    let retry = Settlement::Retry { after: seconds(1), error: "on purpose".to_owned() };
    site.settle(&claimed[0], retry).await;
    site.settle(&claimed[1], Settlement::Release).await;
    assert_eq!(claim_all(&site).await, ["second"]);
    site.clock.advance(seconds(1));
    assert_eq!(claim_all(&site).await, ["first"]);
    site.clock.advance(LEASE);
    assert_eq!(claim_all(&site).await, [""; 0], "the leases have run out, and are taken back first");
    assert_eq!(claim_all(&site).await, ["first", "second", "third"]);
}

#[tokio::test]
async fn the_mark_does_not_pass_a_claim_that_may_yet_be_undone() {
    let site = Site::new().await;
    for name in ["1", "2", "3"] {
        site.enqueue(TENANT_A, &job(name)).await;
    }
    let undone: sqlx::Result<()> = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        let claimed = site.queue.claim(&mut tx, &Claim::new(LANE, 2).lease(LEASE)).await?;
        assert_eq!(payloads(&claimed), ["1", "2"]);
        // Another worker, meanwhile. It is another task, for a scope in a scope is refused.
        let (pool, queue) = (site.pool.clone(), site.queue.clone());
        let meanwhile = tokio::spawn(async move {
            with_tenant(&pool, TENANT_A, async |mut tx| queue.claim(&mut tx, &Claim::new(LANE, 10)).await).await
        });
        assert_eq!(payloads(&meanwhile.await.expect("no panic")?), ["3"]);
        Err(sqlx::Error::RowNotFound)
    })
    .await;
    assert!(undone.is_err());
    assert_eq!(claim_all(&site).await, ["1", "2"]);
}

#[tokio::test]
async fn marks_that_are_too_high_heal() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("x")).await;
    let broken = "UPDATE rls_doorbell SET low_rank = 'infinity', low_lease = 'infinity'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(broken).execute(&mut *tx).await)
        .await
        .expect("the tenant may");
    assert_eq!(site.claim(TENANT_A, &Claim::new("other", 1)).await, []);
    let heal = async || with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.heal(&mut tx).await).await;
    assert_eq!(heal().await.expect("heals"), 1);
    assert_eq!(heal().await.expect("heals"), 0, "there is nothing left to do");
    assert_eq!(claim_all(&site).await, ["x"]);
}
