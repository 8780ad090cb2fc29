//! The doorbell: it rings when there is work, it is quiet when there is none, and never the other way round.

use std::time::Duration;

use rls_runtime::queue::{Claim, Due, NewJob, Settlement};
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::worker::Worker;
use rls_runtime::{Isolation, ScopeOptions, TenantId, with_tenant, with_tenant_opts};

use crate::harness::{LANE, LEASE, Site, job, payloads, seconds};

/// The whole scope sees what was there before it.
const FROM_BEFORE: ScopeOptions = ScopeOptions::new().isolation(Isolation::RepeatableRead);

fn tenants(due: &[Due]) -> Vec<TenantId> {
    due.iter().map(|due| due.tenant).collect()
}

#[tokio::test]
async fn it_names_the_tenants_with_work_those_after_the_last_one_first() {
    let site = Site::new().await;
    assert_eq!(site.due().await, []);
    for tenant in [TENANT_A, TENANT_B] {
        site.enqueue(tenant, &job("x")).await;
    }
    let due = site.due().await;
    assert_eq!(tenants(&due), [TENANT_A, TENANT_B]);
    let after_a = site.queue.due(&site.pool, &[LANE.to_owned()], due.first(), 10).await.expect("reads");
    assert_eq!(tenants(&after_a), [TENANT_B, TENANT_A]);
    let other_lane = site.queue.due(&site.pool, &["other".to_owned()], None, 10).await.expect("reads");
    assert_eq!(other_lane, []);
}

#[tokio::test]
async fn it_is_quiet_once_nothing_waits_and_rings_again_in_time() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("later").run_in(seconds(300))).await;
    assert_eq!(site.due().await, []);
    site.enqueue(TENANT_A, &job("now")).await;
    let claimed = site.claim_some(TENANT_A, 10).await;
    assert_eq!((claimed.len(), site.due().await), (1, vec![]));
    site.settle(&claimed[0], Settlement::Complete(None)).await;
    site.clock.advance(LEASE);
    assert_eq!(tenants(&site.due().await), [TENANT_A], "for the lease, which was settled meanwhile");
    assert_eq!(site.claim_some(TENANT_A, 10).await, []);
    assert_eq!(site.due().await, [], "too early is corrected");
    site.clock.advance(seconds(270));
    assert_eq!(tenants(&site.due().await), [TENANT_A]);
}

#[tokio::test]
async fn it_is_not_quieted_over_a_job_that_is_not_committed_yet() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("first")).await;
    let (queue, clock_pool) = (&site.queue, &site.pool);
    with_tenant(&site.pool, TENANT_A, async |mut tx| {
        queue.enqueue(&mut tx, &job("in the making")).await?;
        // Another worker, meanwhile. It is another task, for a scope in a scope is refused.
        let (pool, queue) = (clock_pool.clone(), queue.clone());
        let meanwhile = tokio::spawn(async move {
            with_tenant(&pool, TENANT_A, async |mut tx| {
                queue.claim(&mut tx, &rls_runtime::queue::Claim::new(LANE, 10)).await
            })
            .await
        });
        let claimed = meanwhile.await.expect("no panic")?;
        assert_eq!(claimed.len(), 1);
        Ok::<_, sqlx::Error>(())
    })
    .await
    .expect("commits");
    assert_eq!(tenants(&site.due().await), [TENANT_A]);
    assert_eq!(site.claim_some(TENANT_A, 10).await.len(), 1);
}

/// At a level that sees what was, and not what is, a bell that was quieted since still seems to ring.
#[tokio::test]
async fn who_sees_an_older_bell_is_told_to_try_again() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("first")).await;
    let enqueued = with_tenant_opts(&site.pool, TENANT_A, &FROM_BEFORE, async |mut tx| {
        sqlx::query("SELECT count(*) FROM rls_jobs").execute(&mut *tx).await?;
        let other = site.clone();
        let quieted = tokio::spawn(async move { other.claim_some(TENANT_A, 2).await.len() }).await;
        assert_eq!(quieted.ok(), Some(1));
        site.queue.enqueue(&mut tx, &job("second")).await
    })
    .await;
    let refused = enqueued.expect_err("it would not ring");
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("40001"));
    let again = with_tenant_opts(&site.pool, TENANT_A, &FROM_BEFORE, async |mut tx| {
        site.queue.enqueue(&mut tx, &job("second")).await
    });
    again.await.expect("enqueues");
    assert_eq!(tenants(&site.due().await), [TENANT_A]);
}

#[tokio::test]
async fn who_claims_by_an_older_view_quiets_nothing() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("first")).await;
    let claimed = with_tenant_opts(&site.pool, TENANT_A, &FROM_BEFORE, async |mut tx| {
        sqlx::query("SELECT count(*) FROM rls_jobs").execute(&mut *tx).await?;
        // It finds the bell ringing, and writes nothing that the claim could stumble over.
        let other = site.clone();
        tokio::spawn(async move { other.enqueue(TENANT_A, &job("second")).await }).await.expect("enqueues");
        site.queue.claim(&mut tx, &Claim::new(LANE, 2).lease(LEASE)).await
    })
    .await;
    assert_eq!(payloads(&claimed.expect("claims")), ["first"]);
    assert_eq!(tenants(&site.due().await), [TENANT_A]);
    assert_eq!(payloads(&site.claim_some(TENANT_A, 1).await), ["second"]);
}

#[tokio::test]
async fn it_heals() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("x")).await;
    silence(&site, &[TENANT_A]).await;
    let heal = async || with_tenant(&site.pool, TENANT_A, async |mut tx| site.queue.heal(&mut tx).await).await;
    assert_eq!(heal().await.expect("heals"), 1);
    assert_eq!(heal().await.expect("heals"), 0, "there is nothing left to do");
    assert_eq!(tenants(&site.due().await), [TENANT_A]);
    assert_eq!(site.queue.tenants(&site.pool).await.expect("reads"), [TENANT_A]);
}

/// Makes the bells of tenants silent, as a part of a backup would that was restored.
async fn silence(site: &Site, tenants: &[TenantId]) {
    for tenant in tenants {
        let silenced = with_tenant(&site.pool, *tenant, async |mut tx| {
            sqlx::query("UPDATE rls_doorbell SET next_due = 'infinity'").execute(&mut *tx).await
        });
        silenced.await.expect("the tenant may");
    }
    assert_eq!(site.due().await, []);
}

/// The check sees nothing of the job, and the bell is not silenced over it.
#[tokio::test]
async fn a_job_that_is_committed_after_a_check_is_heard_of() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("claimed")).await;
    assert_eq!(site.claim_some(TENANT_A, 2).await.len(), 1);
    assert_eq!(site.due().await, [], "the bell has to be rung");
    with_tenant(&site.pool, TENANT_A, async |mut tx| {
        site.queue.enqueue(&mut tx, &job("late")).await?;
        let other = site.clone();
        let check = async move {
            with_tenant(&other.pool, TENANT_A, async |mut tx| other.queue.heal(&mut tx).await).await.expect("checks")
        };
        assert_eq!(tokio::spawn(check).await.ok(), Some(0));
        Ok::<_, sqlx::Error>(())
    })
    .await
    .expect("commits");
    assert_eq!(tenants(&site.due().await), [TENANT_A]);
    assert_eq!(payloads(&site.claim_some(TENANT_A, 1).await), ["late"]);
}

#[tokio::test]
async fn who_holds_a_bell_puts_off_the_check_of_no_other_tenant() {
    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.enqueue(tenant, &NewJob::new(LANE, "unknown", &()).expect("it is JSON").run_in(seconds(60))).await;
    }
    site.clock.advance(seconds(60));
    silence(&site, &[TENANT_A, TENANT_B]).await;
    let held = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        sqlx::query("SELECT FROM rls_doorbell FOR UPDATE").execute(&mut *tx).await?;
        let worker = Worker::new(site.pool.clone(), ()).queue(site.queue.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(worker.maintain_every(Duration::from_millis(10)).run(async {
            stopped.await.ok();
        }));
        while tenants(&site.due().await) != [TENANT_B] {}
        stop.send(()).ok();
        running.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))
    });
    held.await.expect("the worker stops");
}

#[tokio::test]
async fn nobody_rings_for_another_tenant() {
    let site = Site::new().await;
    site.enqueue(TENANT_B, &job("x")).await;
    let as_a = "UPDATE rls_doorbell SET next_due = 'infinity'";
    with_tenant(&site.pool, TENANT_A, async |mut tx| sqlx::raw_sql(as_a).execute(&mut *tx).await)
        .await
        .expect("changes nothing");
    assert_eq!(tenants(&site.due().await), [TENANT_B]);
    let forged = format!("INSERT INTO rls_doorbell VALUES ('{TENANT_B}', 'forged', now())");
    let refused = with_tenant(&site.pool, TENANT_A, async |mut tx| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(forged.as_str())).execute(&mut *tx).await
    })
    .await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn the_schema_can_be_applied_again_and_taken_back() {
    let site = Site::new().await;
    site.enqueue(TENANT_A, &job("x")).await;
    let owner = site.db.owner_pool().await.expect("connects");
    let schema = rls_runtime::queue::Schema::new().role(site.db.runtime());
    schema.apply(&owner).await.expect("twice is no error");
    assert_eq!(site.claim_some(TENANT_A, 1).await.len(), 1);
    site.db.execute(&schema.down()).await.expect("is valid");
    schema.apply(&owner).await.expect("nothing was left behind");
}

/// What the README says about `rls-verify`.
#[cfg(feature = "verify")]
#[tokio::test]
async fn the_verifier_finds_what_workers_share_and_nothing_else() {
    use rls_runtime::verify::{Options, verify};
    use sqlx::{Connection, PgConnection};

    let site = Site::new().await;
    for tenant in [TENANT_A, TENANT_B] {
        site.enqueue(tenant, &job("x")).await;
    }
    let mut options = Options::default();
    options.roles = vec![site.db.runtime()];
    options.allows = vec!["V25=the database of a test grants by default".parse().expect("is an exception")];
    options.tenants = vec![TENANT_A.to_string(), TENANT_B.to_string()];
    options.global_tables = vec!["rls_lane_slots(lane,worker,held,held_until)".parse().expect("is a table")];
    let mut connection = PgConnection::connect_with(&site.db.superuser_options()).await.expect("connects");
    let report = verify(&mut connection, &options).await.expect("reads");
    assert!(!report.is_clean(), "every worker reads the doorbell");
    for finding in report.open() {
        let is_shared =
            ["public.rls_doorbell", "public.rls_lane_slots"].iter().any(|table| finding.object.starts_with(table));
        assert!(is_shared, "{finding:?}");
    }
    for allow in [
        "V08,P2,P3,P5,P6:public.rls_doorbell=workers look for work here",
        "V34:public.rls_lane_slots=workers share out slots here",
    ] {
        assert!(include_str!("../../README.md").contains(allow), "the README says so");
        options.allows.push(allow.parse().expect("is an exception"));
    }
    let report = verify(&mut connection, &options).await.expect("reads");
    assert_eq!(report.open().collect::<Vec<_>>(), Vec::<&rls_runtime::verify::Finding>::new());
}
