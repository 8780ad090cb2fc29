//! What a guest may do, and what a guest never sees.

use chrono::Duration;
use rls_runtime::queue::Queue;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, ScopeOptions, TenantId, with_tenant, with_tenant_opts};
use rls_worker::guest::{self, Offer, Token};
use rls_worker::notifications::scheduler;
use rls_worker::schema::{GUEST_SETTING, TENANT_TABLES};
use rls_worker::workers::outcome::LaneError;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::*;

async fn invite(pool: &RlsPool, tenant: TenantId, offer: Offer) -> Token {
    with_tenant(pool, tenant, async |mut tx| {
        guest::invite(&mut tx, &Queue::new(), "Gast@Example.com", offer, Duration::days(7), now()).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"))
}

fn code<T: std::fmt::Debug>(result: Result<T, LaneError>) -> String {
    match result.unwrap_err() {
        LaneError::Refused(refusal) => refusal.error.code,
        other => panic!("{other}"),
    }
}

async fn session_of(pool: &RlsPool, tenant: TenantId) -> Uuid {
    let found = select(pool, tenant, "select id from guest_sessions").await;
    found[0]["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_guest_gets_verdicts_on_one_file_and_nothing_of_it_reaches_the_tenant() {
    let db = database().await;
    let pool = db.pool().await;
    let token = invite(&pool, TENANT_A, Offer::Catalog).await;
    let summary = guest::upload(&pool, &token, CATALOG.as_bytes(), now()).await.unwrap();
    assert_eq!((summary.rows_total, summary.rows_rejected, summary.results), (5, 0, 5));
    let found = guest::results(&pool, &token, now()).await.unwrap();
    assert_eq!(found["summary"]["rowsTotal"], 5);
    assert_eq!(
        (&found["results"][0]["sku"], &found["results"][0]["totalCad"]),
        (&json!("REC-LTH-01"), &json!("1088.41"))
    );
    assert_eq!(found["results"][2]["reasons"][0], "NORMAL_VALUE_REQUIRED");
    assert_eq!(code(guest::upload(&pool, &token, CATALOG.as_bytes(), now()).await), "GUEST_FILE_USED");
    for table in TENANT_TABLES.iter().filter(|table| !table.starts_with("guest_")) {
        assert_eq!(select(&pool, TENANT_A, &format!("select from {table}")).await, json!([]), "{table}");
    }
    let jobs = select(&pool, TENANT_A, "select lane from rls_jobs").await;
    assert_eq!(jobs, json!([{"lane": "guest_farewell"}]), "none but the one that ends it");
    let kept = select(&pool, TENANT_A, "select email_hash, token_hash from guest_sessions").await.to_string();
    assert!(!kept.to_lowercase().contains("example") && !kept.contains(token.to_string().rsplit('.').next().unwrap()));
}

#[tokio::test]
async fn a_guest_is_told_what_is_wrong_with_charges() {
    let db = database().await;
    let pool = db.pool().await;
    let token = invite(&pool, TENANT_A, Offer::Ship).await;
    guest::upload(&pool, &token, SHIP.as_bytes(), now()).await.unwrap();
    let found = guest::results(&pool, &token, now()).await.unwrap();
    let kinds: Vec<_> = found["results"].as_array().unwrap().iter().map(|finding| finding["kind"].clone()).collect();
    assert_eq!(kinds, [json!("DUPLICATE_CHARGE")], "what needs an agreement or an order is not there: {found}");
}

#[tokio::test]
async fn a_file_that_is_refused_may_be_followed_by_a_better_one() {
    let db = database().await;
    let pool = db.pool().await;
    let token = invite(&pool, TENANT_A, Offer::Catalog).await;
    let too_many = format!("sku,title\n{}", "A,b\n".repeat(600));
    let too_large = format!("sku,title\nA,{}\n", "x".repeat(300 << 10));
    for file in [too_many.as_str(), &too_large, "", "no,such\ntitles,x\n"] {
        code(guest::upload(&pool, &token, file.as_bytes(), now()).await);
    }
    assert_eq!(guest::results(&pool, &token, now()).await.unwrap()["summary"], Value::Null);
    guest::upload(&pool, &token, CATALOG.as_bytes(), now()).await.unwrap();
    let token = invite(&pool, TENANT_A, Offer::Ship).await;
    assert_eq!(code(guest::upload(&pool, &token, AGREEMENT.as_bytes(), now()).await), "FORMAT_UNSUPPORTED");
}

#[tokio::test]
async fn of_two_files_at_once_one_is_taken() {
    let db = database().await;
    let pool = db.pool().await;
    let token = invite(&pool, TENANT_A, Offer::Catalog).await;
    let upload = || guest::upload(&pool, &token, CATALOG.as_bytes(), now());
    let (one, other) = tokio::join!(upload(), upload());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let results = select(&pool, TENANT_A, "select count(*) from guest_results").await;
    assert_eq!(results, json!([{"count": 5}]));
}

#[tokio::test]
async fn a_token_is_good_for_its_own_session_and_its_own_time() {
    let db = database().await;
    let pool = db.pool().await;
    let (mine, other) = (invite(&pool, TENANT_A, Offer::Catalog).await, invite(&pool, TENANT_B, Offer::Catalog).await);
    guest::upload(&pool, &mine, CATALOG.as_bytes(), now()).await.unwrap();
    let part = |token: &Token, at: usize| token.to_string().split('.').nth(at).unwrap().to_owned();
    let forged = [
        format!("{}.{}.{}", part(&mine, 0), part(&mine, 1), part(&other, 2)),
        format!("{}.{}.{}", part(&other, 0), part(&mine, 1), part(&mine, 2)),
        format!("{}.{}.{}", part(&mine, 0), part(&other, 1), part(&mine, 2)),
    ];
    for token in forged {
        let token: Token = token.parse().unwrap();
        assert_eq!(code(guest::results(&pool, &token, now()).await), "GUEST_TOKEN_INVALID");
    }
    let later = now() + Duration::days(7);
    assert_eq!(code(guest::results(&pool, &mine, later).await), "GUEST_TOKEN_INVALID");
    assert_eq!(code(guest::upload(&pool, &mine, CATALOG.as_bytes(), later).await), "GUEST_TOKEN_INVALID");
}

/// How many rows of a table a guest's scope has, whatever it asks for.
async fn seen(pool: &RlsPool, session: Uuid, table: &str) -> i64 {
    let options = ScopeOptions::new().also(GUEST_SETTING, session);
    let sql = format!("select count(*) from {table}");
    with_tenant_opts(pool, TENANT_A, &options, async |mut tx| {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{table}: {error}"))
}

#[tokio::test]
async fn in_a_guests_scope_nothing_of_the_tenant_and_of_other_guests_is_there() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_A).await;
    hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let first = invite(&pool, TENANT_A, Offer::Catalog).await;
    let session = session_of(&pool, TENANT_A).await;
    let second = invite(&pool, TENANT_A, Offer::Catalog).await;
    for token in [&first, &second] {
        guest::upload(&pool, token, CATALOG.as_bytes(), now()).await.unwrap();
    }
    for table in TENANT_TABLES.iter().chain(&["rls_jobs", "rls_schedules"]) {
        let expected = match *table {
            "guest_sessions" => 1,
            "guest_results" => 5,
            _ => 0,
        };
        assert_eq!(seen(&pool, session, table).await, expected, "{table}");
    }
    assert_eq!(select(&pool, TENANT_A, "select count(*) from guest_results").await, json!([{"count": 10}]));

    let options = ScopeOptions::new().also(GUEST_SETTING, session);
    for sql in [
        "insert into notification_preferences (user_id, template, channel) values ('guest', 'trade-digest', 'IN_APP')",
        "insert into ship_claims (carrier, account, currency) values ('FEDEX', '1', 'CAD')",
        "insert into uploads (lane, effective_key, file_name, bytes) values ('catalog_upload', 'k', 'f', '')",
        "insert into guest_results (guest_session_id, position, result) values (gen_random_uuid(), 1, '{}')",
        "insert into guest_sessions (email_hash, lane, token_hash, expires_at) values ('e', 'ship_upload', 't', now())",
        "update guest_results set guest_session_id = gen_random_uuid()",
    ] {
        let written = with_tenant_opts(&pool, TENANT_A, &options, async |mut tx| {
            sqlx::query(sql).execute(&mut *tx).await.map(|done| done.rows_affected())
        })
        .await;
        let error: sqlx::Error = written.unwrap_err();
        assert!(error.to_string().contains("row-level security"), "{sql}: {error}");
    }
    let touched = with_tenant_opts(&pool, TENANT_A, &options, async |mut tx| {
        let orders = sqlx::query("update orders set po_number = 'x'").execute(&mut *tx).await?.rows_affected();
        let guests = sqlx::query("delete from guest_results").execute(&mut *tx).await?.rows_affected();
        Ok::<_, sqlx::Error>((orders, guests))
    })
    .await;
    assert_eq!(touched.unwrap(), (0, 5), "of two guests' rows only the own ones");
}

#[tokio::test]
async fn what_is_left_of_a_guest_is_deleted_when_the_time_is_over() {
    let db = database().await;
    let pool = db.pool().await;
    let token = invite(&pool, TENANT_A, Offer::Catalog).await;
    guest::upload(&pool, &token, CATALOG.as_bytes(), now()).await.unwrap();
    let queue = Queue::new();
    let tick =
        async |at| with_tenant(&pool, TENANT_A, async |mut tx| scheduler::tick_tenant(&mut tx, &queue, at).await).await;
    let left =
        "select (select count(*) from guest_sessions) as sessions, (select count(*) from guest_results) as results";
    tick(now() + Duration::days(6)).await.unwrap();
    assert_eq!(select(&pool, TENANT_A, left).await, json!([{"sessions": 1, "results": 5}]));
    tick(now() + Duration::days(7)).await.unwrap();
    assert_eq!(select(&pool, TENANT_A, left).await, json!([{"sessions": 0, "results": 0}]));
}

#[tokio::test]
async fn a_tenant_without_any_other_job_gets_rid_of_its_guests_too() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    let token = invite(&pool, TENANT_A, Offer::Catalog).await;
    guest::upload(&pool, &token, CATALOG.as_bytes(), now()).await.unwrap();
    assert_eq!(Queue::new().tenants(&pool).await.unwrap(), [TENANT_A]);
    let left =
        "select (select count(*) from guest_sessions) as sessions, (select count(*) from guest_results) as results,
        (select state from rls_jobs) as job";
    for (days, sessions, results, job) in [(6, 1, 5, "scheduled"), (7, 0, 0, "completed")] {
        change(&pool, TENANT_A, "update rls_jobs set due_at = now(), rank = now()").await;
        processor_at(&pool, mail.path(), now() + Duration::days(days)).drain(TENANT_A).await.unwrap();
        let expected = json!([{"sessions": sessions, "results": results, "job": job}]);
        assert_eq!(select(&pool, TENANT_A, left).await, expected, "after {days} days");
    }
}
