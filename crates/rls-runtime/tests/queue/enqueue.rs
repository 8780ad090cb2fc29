//! Enqueueing: in the caller's scope, with keys, times and priorities.

use rls_runtime::queue::{Enqueued, JobState, NewJob, OnConflict};
use rls_runtime::testing::{TENANT_A, TENANT_B, assert_isolated};
use rls_runtime::with_tenant;

use crate::harness::{Site, job, payloads, seconds};

#[tokio::test]
async fn a_job_is_there_when_its_scope_commits_and_not_otherwise() {
    let site = Site::new().await;
    let failed: sqlx::Result<()> = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        site.queue.enqueue(&mut tx, &job("undone")).await?;
        Err(sqlx::Error::RowNotFound)
    })
    .await;
    assert!(failed.is_err());
    assert_eq!(site.due().await, []);
    site.enqueue(TENANT_A, &job("done")).await;
    assert_eq!(payloads(&site.claim_some(TENANT_A, 10).await), ["done"]);
}

#[tokio::test]
async fn tenants_do_not_meet() {
    let site = Site::new().await;
    let of_a = site.enqueue(TENANT_A, &job("of a").unique_key("same")).await;
    let of_b = site.enqueue(TENANT_B, &job("of b").unique_key("same")).await;
    assert_ne!(of_a, of_b);
    assert_isolated(&site.pool, "rls_jobs", "tenant_id").await;
    let found = with_tenant(&site.pool, TENANT_B, async |mut tx| site.queue.find(&mut tx, of_a).await).await;
    assert_eq!(found.expect("reads"), None);
    let cancelled = with_tenant(&site.pool, TENANT_B, async |mut tx| site.queue.cancel(&mut tx, of_a).await).await;
    assert_eq!(cancelled.expect("changes nothing"), None);
    assert_eq!(payloads(&site.claim_some(TENANT_B, 10).await), ["of b"]);
    assert_eq!(site.state(TENANT_A, of_a).await, JobState::Available);
}

#[tokio::test]
async fn many_are_enqueued_in_order_with_all_they_say() {
    let site = Site::new().await;
    let jobs = [
        job("first").tag("x").tag("y \"z\""),
        job("keyed").unique_key("k"),
        job("later").run_in(seconds(60)).max_attempts(3),
        job("again").unique_key("k"),
    ];
    let enqueued = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.enqueue_many(&mut tx, &jobs).await)
        .await
        .expect("enqueues");
    assert!(matches!(enqueued[..], [Enqueued::New(_), Enqueued::New(_), Enqueued::New(_), Enqueued::Kept(_)]));
    assert_eq!(enqueued[1].id(), enqueued[3].id());
    let first = site.find(TENANT_A, enqueued[0].id()).await;
    assert_eq!((first.payload, first.tags), ("first".into(), vec!["x".to_owned(), "y \"z\"".to_owned()]));
    let later = site.find(TENANT_A, enqueued[2].id()).await;
    assert_eq!((later.state, later.max_attempts), (JobState::Scheduled, 3));
    assert_eq!(payloads(&site.claim_some(TENANT_A, 10).await), ["first", "keyed"]);
    site.clock.advance(seconds(60));
    assert_eq!(payloads(&site.claim_some(TENANT_A, 10).await), ["later"]);
}

#[tokio::test]
async fn a_unique_key_keeps_or_replaces_what_waits() {
    let site = Site::new().await;
    let enqueue = async |job: NewJob| {
        with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.enqueue(&mut tx, &job).await)
            .await
            .expect("enqueues")
    };
    let old = enqueue(job("old").unique_key("k").run_in(seconds(60))).await.id();
    assert_eq!(enqueue(job("ignored").unique_key("k")).await, Enqueued::Kept(old));
    assert_eq!(enqueue(job("new").unique_key_or("k", OnConflict::Replace)).await, Enqueued::Replaced(old));
    let claimed = site.claim_some(TENANT_A, 10).await;
    assert_eq!(payloads(&claimed), ["new"], "it took over the time too, and the doorbell rang");
    let running = enqueue(job("too late").unique_key_or("k", OnConflict::Replace)).await;
    assert_eq!(running, Enqueued::Kept(old), "what runs is not replaced");
    site.settle(&claimed[0], rls_runtime::queue::Settlement::Complete(None)).await;
    assert!(matches!(enqueue(job("next").unique_key("k")).await, Enqueued::New(_)), "an ended job gives its key back");
}

#[tokio::test]
async fn a_start_in_a_far_year_is_kept() {
    let site = Site::new().await;
    let far = std::time::SystemTime::UNIX_EPOCH + seconds(7_258_118_400); // the year 2200
    site.enqueue(TENANT_A, &job("far").run_at(far)).await;
    site.clock.advance(far.duration_since(site.clock.now()).expect("it is later") - seconds(1));
    assert_eq!(site.claim_some(TENANT_A, 1).await, []);
    site.clock.advance(seconds(1));
    assert_eq!(payloads(&site.claim_some(TENANT_A, 1).await), ["far"]);
}

#[tokio::test]
async fn priority_goes_first_and_waiting_counts() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("old")).await;
    site.clock.advance(seconds(90));
    for (name, priority) in [("plain", 0), ("urgent", 5), ("a little urgent", 1), ("whenever", -5)] {
        site.enqueue(TENANT_A, &job(name).priority(priority)).await;
    }
    for expected in ["urgent", "old", "a little urgent", "plain", "whenever"] {
        assert_eq!(payloads(&site.claim_some(TENANT_A, 1).await), [expected]);
    }
}
