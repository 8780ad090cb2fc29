//! A worker that looks for work once an hour, and listens.

use std::time::Duration;

use rls_runtime::queue::Schema;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection};

use crate::acting::{enqueue, start, worker};
use crate::harness::{Site, job, seconds};

const HOUR: Duration = Duration::from_secs(3600);

async fn notifying() -> Site {
    let site = Site::new().await;
    let owner = site.db.owner_pool().await.expect("connects");
    Schema::new().role(site.db.runtime()).notify().apply(&owner).await.expect("is valid");
    site
}

/// Once it listens.
async fn cut_the_listener(site: &Site) {
    let cut = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let mut superuser = PgConnection::connect_with(&site.db.superuser_options()).await.expect("connects");
    while sqlx::query_scalar::<_, i64>(cut).fetch_one(&mut superuser).await.expect("the superuser may") == 0 {}
}

#[tokio::test]
async fn it_is_woken_for_every_job() {
    let site = notifying().await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.poll(HOUR).listen(), log);
    for tenant in [TENANT_A, TENANT_B].into_iter().cycle().take(12) {
        let job = enqueue(&site, tenant, "ok").await;
        assert_eq!(running.wait_for("gone", 1).await, [(tenant, job)]);
    }
    running.stop().await;
}

#[tokio::test]
async fn it_listens_again_after_its_connection_was_lost_and_looks_for_what_it_missed() {
    let site = notifying().await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.poll(HOUR).listen(), log);
    for _ in 0..3 {
        enqueue(&site, TENANT_A, "ok").await;
        running.wait_for("gone", 1).await;
        cut_the_listener(&site).await;
    }
    enqueue(&site, TENANT_A, "ok").await;
    running.wait_for("gone", 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_notify_is_looked_at() {
    let site = Site::new().await;
    let (worker, log) = worker(&site);
    let mut running = start(worker.listen(), log);
    for _ in 0..3 {
        enqueue(&site, TENANT_A, "ok").await;
        running.wait_for("gone", 1).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_notification_says_nothing_and_comes_only_when_a_silent_doorbell_rings() {
    let site = notifying().await;
    let mut listener =
        PgListener::connect_with(&site.db.owner_pool().await.expect("connects")).await.expect("connects");
    listener.listen("rls_doorbell").await.expect("listens");
    listener.listen("end").await.expect("listens");
    for _ in 0..3 {
        site.enqueue(TENANT_A, &job("x")).await;
    }
    site.enqueue(TENANT_B, &job("y").run_in(seconds(60))).await;
    site.db.execute("NOTIFY \"end\"").await.expect("notifies");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|(channel, _)| channel != "end") {
        let notification = listener.recv().await.expect("hears");
        heard.push((notification.channel().to_owned(), notification.payload().to_owned()));
    }
    let rings = ("rls_doorbell".to_owned(), String::new());
    assert_eq!(heard[..heard.len() - 1], [rings.clone(), rings], "one for each tenant");
}
