//! From the claim to the end: leases, tokens, retries, cancelling, the dead and their second life.

use rls_runtime::queue::{Claim, Heartbeat, JobState, Settled, Settlement};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::with_tenant;
use serde_json::json;

use crate::harness::{LANE, LEASE, Site, job, payloads, seconds};

fn retry(after: u64) -> Settlement {
    Settlement::Retry { after: seconds(after), error: "on purpose".to_owned() }
}

#[tokio::test]
async fn a_job_completes_with_a_result_and_progress() {
    let site = Site::new().await;
    let id = site.enqueue(TENANT_A, &job("x")).await;
    let claimed = site.claim_some(TENANT_A, 1).await;
    assert_eq!((claimed[0].attempt, claimed[0].tenant, &*claimed[0].kind), (1, TENANT_A, "copy"));
    let lease = claimed[0].lease;
    let noted = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.progress(&mut tx, lease, 40).await).await;
    assert!(noted.expect("notes"));
    assert_eq!(site.find(TENANT_A, id).await.progress, 40);
    let settled = site.settle(&claimed[0], Settlement::Complete(Some(json!({ "rows": 3 })))).await;
    assert_eq!(settled, Settled::Done(JobState::Completed));
    let ended = site.find(TENANT_A, id).await;
    assert_eq!((ended.state, ended.progress, ended.result), (JobState::Completed, 100, Some(json!({ "rows": 3 }))));
    assert_eq!(site.settle(&claimed[0], Settlement::Complete(None)).await, Settled::LeaseLost, "only once");
}

#[tokio::test]
async fn a_job_says_when_it_is_due_who_has_it_and_when_it_ended() {
    let site = Site::new().await;
    let enqueued = site.clock.now();
    let id = site.enqueue(TENANT_A, &job("x").run_in(seconds(60)).priority(3).tag("urgent")).await;
    let waits = site.find(TENANT_A, id).await;
    assert_eq!((waits.enqueued, waits.due, waits.claimed), (enqueued, Some(enqueued + seconds(60)), None));
    site.clock.advance(seconds(60));
    let claimed = site.claim(TENANT_A, &Claim::new(LANE, 1).lease(LEASE).worker("host-1")).await;
    let runs = site.find(TENANT_A, id).await;
    assert_eq!((runs.worker.as_deref(), runs.priority), (Some("host-1"), 3));
    assert_eq!((runs.claimed, runs.due), (Some(site.clock.now()), Some(site.clock.now() + LEASE)));
    site.clock.advance(seconds(1));
    site.settle(&claimed[0], Settlement::Complete(Some(json!({ "rows": 3 })))).await;
    let ended = site.find(TENANT_A, id).await;
    assert_eq!((ended.finished, ended.due, &ended.worker), (Some(site.clock.now()), None, &None));
    let shown = json!({"id": id, "lane": LANE, "kind": "copy", "state": "completed", "payload": "x", "attempt": 1,
        "max_attempts": 20, "progress": 100, "result": {"rows": 3}, "last_error": null, "tags": ["urgent"],
        "priority": 3, "worker": null, "enqueued": "2027-01-15T08:00:00.000Z", "due": null,
        "claimed": "2027-01-15T08:01:00.000Z", "finished": "2027-01-15T08:01:01.000Z"});
    assert_eq!(ended.json(), shown);
    assert_eq!(serde_json::from_value(shown["id"].clone()).ok(), Some(id), "another job may name it");
}

#[tokio::test]
async fn a_failed_job_waits_and_is_discarded_after_its_last_attempt() {
    let site = Site::new().await;
    let id = site.enqueue(TENANT_A, &job("x").max_attempts(2)).await;
    let first = site.claim_some(TENANT_A, 1).await;
    assert_eq!(site.settle(&first[0], retry(10)).await, Settled::Done(JobState::Retryable));
    assert_eq!(site.claim_some(TENANT_A, 1).await, []);
    site.clock.advance(seconds(10));
    assert_eq!(site.due().await.len(), 1, "the doorbell rings for the retry");
    let second = site.claim_some(TENANT_A, 1).await;
    assert_eq!(second[0].attempt, 2);
    assert_eq!(site.settle(&second[0], retry(10)).await, Settled::Done(JobState::Discarded));
    assert_eq!(site.find(TENANT_A, id).await.last_error.as_deref(), Some("on purpose"));
    let requeue =
        async || with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.requeue(&mut tx, id).await).await;
    assert!(requeue().await.expect("requeues"));
    assert!(!requeue().await.expect("changes nothing"), "it waits already");
    let again = site.claim_some(TENANT_A, 1).await;
    assert_eq!((again[0].attempt, again[0].lease == second[0].lease), (1, false), "attempts begin anew, leases do not");
}

#[tokio::test]
async fn the_dead_letters_of_a_lane_can_be_read_and_requeued() {
    let site = Site::new().await;
    for (tenant, text) in [(TENANT_A, "first"), (TENANT_A, "second"), (TENANT_A, "done"), (TENANT_B, "another's")] {
        site.enqueue(tenant, &job(text)).await;
        let claimed = site.claim_some(tenant, 1).await;
        let died = Settlement::Discard { error: format!("{text} failed") };
        site.settle(&claimed[0], if text == "done" { Settlement::Complete(None) } else { died }).await;
        site.clock.advance(seconds(1));
    }
    let dead = async |limit| {
        let dead = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.dead(&mut tx, LANE, limit).await).await;
        dead.expect("reads")
    };
    let errors: Vec<_> = dead(9).await.into_iter().map(|job| job.last_error.unwrap_or_default()).collect();
    assert_eq!(errors, ["second failed", "first failed"]);
    let [latest] = &dead(1).await[..] else { panic!("there is one") };
    let requeued = with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.requeue(&mut tx, latest.id).await).await;
    assert!(requeued.expect("requeues"));
    assert_eq!(dead(9).await.len(), 1);
    assert_eq!(payloads(&site.claim_some(TENANT_A, 9).await), ["second"]);
}

#[tokio::test]
async fn a_lost_lease_is_reclaimed_and_its_worker_can_settle_nothing() {
    let site = Site::new().await;
    let id = site.enqueue(TENANT_A, &job("x")).await;
    let stale = site.claim_some(TENANT_A, 1).await;
    site.clock.advance(LEASE);
    assert_eq!(site.due().await.len(), 1, "a lease that runs out is work");
    assert_eq!(site.claim_some(TENANT_A, 1).await, [], "it is taken back first");
    assert_eq!(site.due().await.len(), 1);
    let fresh = site.claim_some(TENANT_A, 1).await;
    assert_eq!(fresh[0].attempt, 2);
    for settlement in [
        Settlement::Complete(None),
        retry(0),
        Settlement::Discard { error: "late".to_owned() },
        Settlement::Cancel { reason: "late".to_owned() },
        Settlement::Snooze(seconds(5)),
        Settlement::Release,
    ] {
        assert_eq!(site.settle(&stale[0], settlement).await, Settled::LeaseLost);
    }
    let beats = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        let noted = site.queue.progress(&mut tx, stale[0].lease, 50).await?;
        assert!(!noted);
        site.queue.heartbeat(&mut tx, &[stale[0].lease, fresh[0].lease], LEASE).await
    })
    .await;
    // One job, two tokens: the stale one must not pass for the fresh one.
    assert_eq!(beats.expect("beats"), [Heartbeat::LeaseLost, Heartbeat::Held]);
    assert_eq!(site.state(TENANT_A, id).await, JobState::Executing);
    assert_eq!(site.settle(&fresh[0], Settlement::Complete(None)).await, Settled::Done(JobState::Completed));
}

/// As after a crash of a server that commits asynchronously.
#[tokio::test]
async fn a_claim_that_the_server_has_forgotten_is_no_lease() {
    let site = Site::new().await;
    let id = site.enqueue(TENANT_A, &job("x")).await;
    let forgotten = site.claim_some(TENANT_A, 1).await;
    let forget = "UPDATE rls_jobs SET state = 'available', attempt = 0, token = NULL, due_at = run_at";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(forget).execute(&mut *tx).await)
        .await
        .expect("forgets");
    let again = site.claim_some(TENANT_A, 1).await;
    assert_eq!((again[0].lease.job(), again[0].attempt), (id, forgotten[0].attempt));
    assert_eq!(site.settle(&forgotten[0], Settlement::Complete(None)).await, Settled::LeaseLost);
    assert_eq!(site.settle(&again[0], Settlement::Complete(None)).await, Settled::Done(JobState::Completed));
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_discarded_in_the_end() {
    let site = Site::new().await;
    let id = site.enqueue(TENANT_A, &job("x").max_attempts(2)).await;
    for _ in 0..2 {
        assert_eq!(site.claim_some(TENANT_A, 1).await.len(), 1);
        site.clock.advance(LEASE);
        assert_eq!(site.claim_some(TENANT_A, 1).await.len(), 0);
    }
    let dead = site.find(TENANT_A, id).await;
    assert_eq!(dead.state, JobState::Discarded);
    assert_eq!(dead.last_error.as_deref(), Some("the lease of attempt 2 ran out"));
}

#[tokio::test]
async fn a_heartbeat_keeps_the_lease() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("x")).await;
    let claimed = site.claim_some(TENANT_A, 1).await;
    for _ in 0..5 {
        site.clock.advance(LEASE / 2);
        let beat = with_tenant(&site.pool, TENANT_A, async |mut tx| {
            site.queue.heartbeat(&mut tx, &[claimed[0].lease], LEASE).await
        })
        .await;
        assert_eq!(beat.expect("beats"), [Heartbeat::Held]);
        assert_eq!(site.claim_some(TENANT_A, 1).await, []);
    }
    assert_eq!(site.settle(&claimed[0], Settlement::Complete(None)).await, Settled::Done(JobState::Completed));
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_asks_what_runs() {
    let site = Site::new().await;
    let waiting = site.enqueue(TENANT_A, &job("waiting").run_in(seconds(60))).await;
    let running = site.enqueue(TENANT_A, &job("running")).await;
    let claimed = site.claim_some(TENANT_A, 1).await;
    let cancel = async |id| {
        with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.cancel(&mut tx, id).await).await.expect("cancels")
    };
    assert_eq!(cancel(waiting).await, Some(JobState::Cancelled));
    assert_eq!(cancel(waiting).await, None, "it has ended");
    assert_eq!(cancel(running).await, Some(JobState::Executing));
    let beat = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        site.queue.heartbeat(&mut tx, &[claimed[0].lease], LEASE).await
    })
    .await;
    assert_eq!(beat.expect("beats"), [Heartbeat::CancelRequested]);
    assert_eq!(site.settle(&claimed[0], retry(1)).await, Settled::Done(JobState::Cancelled), "it is not tried again");
}

#[tokio::test]
async fn a_snoozed_or_released_attempt_does_not_count() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("x").max_attempts(1)).await;
    let first = site.claim_some(TENANT_A, 1).await;
    assert_eq!(site.settle(&first[0], Settlement::Snooze(seconds(60))).await, Settled::Done(JobState::Scheduled));
    assert_eq!(site.claim_some(TENANT_A, 1).await, []);
    site.clock.advance(seconds(60));
    let second = site.claim_some(TENANT_A, 1).await;
    assert_eq!(site.settle(&second[0], Settlement::Release).await, Settled::Done(JobState::Available));
    assert_eq!(site.claim_some(TENANT_A, 1).await[0].attempt, 1);
}

#[tokio::test]
async fn the_work_and_its_settlement_are_one() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("x")).await;
    let stale = site.claim_some(TENANT_A, 1).await;
    site.clock.advance(LEASE);
    site.claim_some(TENANT_A, 1).await;
    site.claim_some(TENANT_A, 1).await;
    let done: sqlx::Result<()> = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        site.queue.enqueue(&mut tx, &job("what the work has written")).await?;
        match site.queue.settle(&mut tx, stale[0].lease, Settlement::Complete(None)).await? {
            Settled::Done(_) => Ok(()),
            Settled::LeaseLost => Err(sqlx::Error::RowNotFound),
        }
    })
    .await;
    assert!(done.is_err());
    assert_eq!(site.claim_some(TENANT_A, 10).await, [], "nothing of it was written");
}

#[tokio::test]
async fn a_limit_holds_over_all_claims_of_the_tenant() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        for name in ["1", "2", "3"] {
            site.enqueue(tenant, &job(name)).await;
        }
    }
    let two_at_once = Claim::new(LANE, 10).at_once(2);
    let first = site.claim(TENANT_A, &two_at_once).await;
    assert_eq!(payloads(&first), ["1", "2"]);
    assert_eq!(site.claim(TENANT_A, &two_at_once).await, []);
    assert_eq!(site.claim(TENANT_B, &two_at_once).await.len(), 2, "each tenant has its own");
    site.settle(&first[0], Settlement::Complete(None)).await;
    assert_eq!(payloads(&site.claim(TENANT_A, &two_at_once).await), ["3"]);
}

#[tokio::test]
async fn claims_at_once_never_take_the_same_job() {
    let site = Site::new().await;
    let jobs: Vec<_> = (0..200).map(|number| job(&number.to_string())).collect();
    with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.enqueue_many(&mut tx, &jobs).await)
        .await
        .expect("enqueues");
    let claimers = (0..4).map(|_| async {
        let mut taken = Vec::new();
        loop {
            match site.claim_some(TENANT_A, 7).await {
                none if none.is_empty() => return taken,
                some => taken.extend(some.into_iter().map(|job| job.lease.job())),
            }
        }
    });
    let mut taken = futures_util::future::join_all(claimers).await.concat();
    let all = taken.len();
    taken.sort();
    taken.dedup();
    assert_eq!((taken.len(), all), (200, 200));
}

#[tokio::test]
async fn the_status_says_how_much_there_is_to_do() {
    let site = Site::new().await;
    for (tenant, text) in [(TENANT_A, "runs"), (TENANT_A, "dies"), (TENANT_A, "fails"), (TENANT_B, "waits")] {
        site.enqueue(tenant, &job(text)).await;
    }
    site.enqueue(TENANT_A, &job("later").run_in(seconds(300))).await;
    let claimed = site.claim_some(TENANT_A, 3).await;
    site.settle(&claimed[1], Settlement::Discard { error: "no use".to_owned() }).await;
    site.settle(&claimed[2], retry(60)).await;
    site.clock.advance(seconds(10));
    let status = site.queue.status(&site.pool).await.expect("reads");
    assert_eq!(
        status.json(),
        json!({ "lanes": [
            { "tenant": TENANT_A.to_string(), "lane": LANE, "waiting": 2, "due": 0, "running": 1, "failing": 1,
              "dead": 1, "oldest_seconds": null },
            { "tenant": TENANT_B.to_string(), "lane": LANE, "waiting": 1, "due": 1, "running": 0, "failing": 0,
              "dead": 0, "oldest_seconds": 10.0 },
        ] })
    );
    let expected = "\
tenant                                lane    waiting      due  running  failing     dead    oldest
aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa  upload        2        0        1        1        1         -
bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb  upload        1        1        0        0        0      10 s
";
    assert_eq!(status.to_string(), expected);
}
