//! What is told at once, what is told together, and what waits for a digest.

use chrono::{DateTime, Utc};
use rls_runtime::queue::Queue;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::notifications::calendar::Calendar;
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::scheduler;
use rls_worker::notifications::templates::Template;
use serde_json::{Value, json};

use crate::support::*;

async fn reads(pool: &RlsPool, user: &str, channel: Channel<'_>, wants: Wants) {
    with_tenant(pool, TENANT_A, async |mut tx| {
        preferences::subscribe(&mut tx, user, channel, &Template::ALL, wants).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
}

fn exception(key: usize) -> Value {
    json!({"key": format!("k{key}"), "type": "ship.exception", "kind": "LINK_AMBIGUOUS", "shipments": key})
}

#[tokio::test]
async fn what_an_hour_has_too_much_of_is_told_together_at_its_end() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    reads(&pool, "ann", Channel::Email("ann@example.com"), Wants::Everything).await;
    reads(&pool, "bob", Channel::InApp, Wants::DigestsOnly).await;
    let worker = processor(&pool, mail.path());
    for key in 1..=8 {
        enqueue(&pool, TENANT_A, "notification_event", exception(key)).await;
    }
    worker.drain(TENANT_A).await.unwrap();
    let waiting = "select state from rls_jobs where payload ->> 'type' = 'ship.exception.grouped'";
    assert_eq!(select(&pool, TENANT_A, waiting).await, json!([{"state": "scheduled"}]), "one, for the end of the hour");
    let later = "update rls_jobs set due_at = now(), run_at = now(), rank = now(), state = 'available' where state = 'scheduled'";
    assert_eq!(change(&pool, TENANT_A, later).await, 1);
    worker.drain(TENANT_A).await.unwrap();
    let told = "select recipient, status, reason, count(*), max(subject) filter (where dedupe_key like 'ship-exception:%') as grouped
                from notification_deliveries group by 1, 2, 3 order by 1, 2";
    assert_eq!(
        select(&pool, TENANT_A, told).await,
        json!([
            {"recipient": "ann", "status": "SENT", "reason": null, "count": 6,
             "grouped": "[Exception] LINK_AMBIGUOUS: 3 more in one hour"},
            {"recipient": "ann", "status": "SUPPRESSED", "reason": "RATE_LIMIT", "count": 3, "grouped": null},
            {"recipient": "bob", "status": "SUPPRESSED", "reason": "CADENCE", "count": 8, "grouped": null},
        ])
    );
    let text = "select body_text from notification_deliveries where dedupe_key like 'ship-exception:%'";
    let text = select(&pool, TENANT_A, text).await;
    let text = text[0]["body_text"].as_str().unwrap();
    assert!(["- 6 shipments", "- 7 shipments", "- 8 shipments"].iter().all(|item| text.contains(item)), "{text}");
}

#[tokio::test]
async fn who_wants_what_is_urgent_only_hears_of_nothing_else() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    reads(&pool, "ann", Channel::InApp, Wants::Urgent).await;
    reads(&pool, "bob", Channel::InApp, Wants::Normal).await;
    enqueue(&pool, TENANT_A, "notification_event", exception(1)).await;
    let spike =
        json!({"key": "s", "type": "trade.spike", "scope": "UDS", "value_cad": "14210.00", "median_cad": "300.00"});
    enqueue(&pool, TENANT_A, "notification_event", spike).await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let told = select(&pool, TENANT_A, "select recipient, template from notification_deliveries order by 1, 2").await;
    assert_eq!(
        told,
        json!([
            {"recipient": "ann", "template": "trade-spike"},
            {"recipient": "bob", "template": "ship-exception"},
            {"recipient": "bob", "template": "trade-spike"},
        ])
    );
    assert_eq!(std::fs::read_dir(mail.path()).unwrap().count(), 0, "what a page shows is no mail");
}

#[tokio::test]
async fn the_scheduler_raises_what_only_time_brings_about() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_A).await;
    reads(&pool, "ann", Channel::InApp, Wants::Urgent).await;
    reads(&pool, "bob", Channel::InApp, Wants::Normal).await;
    let soon = "update ship_findings set dispute_by = '2026-02-20' where kind = 'RES_MISAPPLIED'";
    let past = "update ship_findings set dispute_by = '2026-02-16' where kind = 'FUEL_MISMATCH'";
    assert_eq!((change(&pool, TENANT_A, soon).await, change(&pool, TENANT_A, past).await), (1, 1));
    let worker = processor(&pool, mail.path());
    for lane in ["ship_upload", "catalog_upload"] {
        hand_in(&pool, TENANT_A, lane, "no such layout\n1\n").await;
    }
    worker.drain(TENANT_A).await.unwrap();
    let queue = Queue::new();
    assert_eq!(scheduler::tick(&pool, &queue, now()).await.unwrap(), 2, "a deadline and a job");
    assert_eq!(scheduler::tick(&pool, &queue, now()).await.unwrap(), 0, "each is raised once");
    worker.drain(TENANT_A).await.unwrap();
    let told = select(&pool, TENANT_A, "select recipient, subject from notification_deliveries order by 1, 2").await;
    assert_eq!(
        told,
        json!([
            {"recipient": "ann", "subject": "[Exception] DISPUTE_DEADLINE: RES_MISAPPLIED on 794600000015"},
            {"recipient": "bob", "subject": "[Exception] DISPUTE_DEADLINE: RES_MISAPPLIED on 794600000015"},
            {"recipient": "bob", "subject": "[Exception] JOB_FAILED: the job of sample.csv"},
        ])
    );
    let failed = select(&pool, TENANT_A, "select count(*) from notification_events where type = 'job.failed'").await;
    assert_eq!(failed, json!([{"count": 2}]), "both are in the digest");
}

#[tokio::test]
async fn what_waits_for_too_long_by_each_of_its_rules() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_A).await;
    reads(&pool, "ann", Channel::InApp, Wants::Everything).await;
    let digest = |to: &str| json!({"template": "ship-stale", "from": "2026-02-16T13:00:00Z", "to": to});
    let stale = async |key: &str| {
        enqueue(&pool, TENANT_A, "notification_digest", digest("2026-02-17T13:00:00Z")).await;
        processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
        let told = select(&pool, TENANT_A, "select subject, body_text from notification_deliveries").await;
        change(&pool, TENANT_A, "delete from notification_deliveries").await;
        let found = told.as_array().unwrap().iter().map(|row| row["body_text"].as_str().unwrap().to_owned());
        (key.to_owned(), found.collect::<String>())
    };
    assert_eq!(stale("nothing").await.1, "", "nothing waits yet, and nothing is sent about that");
    // Everything is moved into the past by one day less than each rule allows, and then by one day more.
    for (rule, sql, days, says) in [
        ("open", "update ship_finding_events set at = $d", 14, "nobody has looked at"),
        (
            "disputed",
            "update ship_finding_events set at = $d; update ship_findings set state = 'DISPUTED'",
            7,
            "not submitted",
        ),
        (
            "submitted",
            "update ship_finding_events set at = $d; update ship_findings set state = 'SUBMITTED'",
            30,
            "not answered",
        ),
        (
            "review",
            "update ship_finding_events set at = $d; update ship_findings set state = 'CARRIER_REVIEW'",
            30,
            "not answered",
        ),
        (
            "shipment",
            "update ship_findings set state = 'DISMISSED'; update shipments set ship_date = $d, link_state = 'UNMATCHED'",
            21,
            "without an order",
        ),
        (
            "feed",
            "update shipments set link_state = 'LINKED'; update carrier_invoices set invoice_date = $d",
            14,
            "no new invoice from FEDEX",
        ),
    ] {
        for (more, expected) in [(0, false), (1, true)] {
            let day = format!("(timestamptz '2026-02-17T13:00Z' - interval '{} days')", days + more);
            for statement in sql.replace("$d", &day).split("; ") {
                change(&pool, TENANT_A, statement).await;
            }
            let (rule, text) = stale(rule).await;
            assert_eq!(text.contains(says), expected, "{rule} after {} days: {text}", days + more);
        }
    }
    let claimed =
        "insert into ship_claims (carrier, account, currency, state) values ('FEDEX', '1', 'CAD', 'SUBMITTED')";
    let submitted = "insert into ship_claim_events (claim_id, to_state, actor, at)
                     select id, 'SUBMITTED', 'ann', '2026-02-06T13:00Z' from ship_claims";
    change(&pool, TENANT_A, claimed).await;
    change(&pool, TENANT_A, submitted).await;
    let (_, text) = stale("claim").await;
    assert!(text.contains("the carrier has not acknowledged: 1, the oldest for 11 days"), "{text}");
    assert!(text.contains("with ann"), "who moved it last has it: {text}");
}

#[tokio::test]
async fn a_digest_comes_by_the_clock_of_the_tenant_also_when_the_clock_is_changed() {
    let db = database().await;
    let pool = db.pool().await;
    let queue = Queue::new();
    hand_in(&pool, TENANT_A, "catalog_upload", CATALOG).await;
    hand_in(&pool, TENANT_B, "catalog_upload", CATALOG).await;
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let daily = Calendar { cadence: "daily".parse().unwrap(), hour: 8, zone: "America/Toronto".parse().unwrap() };
    let weekly = Calendar { cadence: "monday".parse().unwrap(), hour: 8, zone: "Asia/Tokyo".parse().unwrap() };
    let start = at("2026-03-06T14:00:00Z");
    with_tenant(&pool, TENANT_A, async |mut tx| {
        scheduler::schedule(&mut tx, Template::TradeDigest, &daily, start).await?;
        scheduler::schedule(&mut tx, Template::ShipRecon, &weekly, start).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    for (now, enqueued) in [
        ("2026-03-07T12:59:59Z", 0),
        ("2026-03-07T13:00:00Z", 1),
        ("2026-03-08T11:59:59Z", 0),
        ("2026-03-08T12:00:00Z", 1),
        // Monday morning in Tokyo is Sunday night in London.
        ("2026-03-08T23:00:00Z", 1),
        // Two days are missed: one digest over both.
        ("2026-03-10T15:00:00Z", 1),
    ] {
        assert_eq!(scheduler::tick(&pool, &queue, at(now)).await.unwrap(), enqueued, "{now}");
    }
    let windows = "select payload ->> 'from' as from, payload ->> 'to' as to from rls_jobs
                   where lane = 'notification_digest' and payload ->> 'template' = 'trade-digest' order by 1";
    assert_eq!(
        select(&pool, TENANT_A, windows).await,
        json!([
            {"from": "2026-03-06T13:00:00Z", "to": "2026-03-07T13:00:00Z"},
            {"from": "2026-03-07T13:00:00Z", "to": "2026-03-08T12:00:00Z"},
            {"from": "2026-03-08T12:00:00Z", "to": "2026-03-10T12:00:00Z"},
        ])
    );
    // A schedule that cannot be read is one tenant's trouble.
    change(&pool, TENANT_A, "update notification_schedules set time_zone = 'Mars/Olympus', next_run_at = '2026-03-01'")
        .await;
    with_tenant(&pool, TENANT_B, async |mut tx| {
        scheduler::schedule(&mut tx, Template::TradeDigest, &daily, start).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    let error = scheduler::tick(&pool, &queue, at("2026-03-10T15:00:00Z")).await.unwrap_err();
    assert!(error.to_string().contains("Mars/Olympus"), "{error}");
    let other = select(&pool, TENANT_B, "select count(*) from rls_jobs where lane = 'notification_digest'").await;
    assert_eq!(other, json!([{"count": 1}]));
}

#[tokio::test]
async fn every_kind_of_exception_names_what_it_is_about() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_A).await;
    reads(&pool, "ann", Channel::InApp, Wants::Everything).await;
    let key = select(&pool, TENANT_A, "select dedupe_key from ship_findings where kind = 'DUPLICATE_CHARGE'").await;
    for (event, subject, says) in [
        (
            json!({"kind": "HIGH_VALUE_FINDING", "finding": key[0]["dedupe_key"], "account": "601234567"}),
            "DUPLICATE_CHARGE on 794600000014",
            "Amount: 10.45 CAD",
        ),
        (
            json!({"kind": "AGREEMENT_MISSING", "account": "601234567", "amount": "0.00"}),
            "account 601234567",
            "Amount: 0.00",
        ),
        (
            json!({"kind": "INVOICE_TOTAL_MISMATCH", "invoice": "FX-26-0410"}),
            "invoice FX-26-0410 of FEDEX",
            "Account: 601234567",
        ),
        (
            json!({"kind": "SHIPPED_WHILE_CAUGHT", "order": "SO-70011", "exposure_cad": "2176.82"}),
            "order SO-70011",
            "Amount: 2,176.82 CAD",
        ),
        (json!({"kind": "LINK_AMBIGUOUS", "shipments": 3}), "3 shipments", "choose the order"),
    ] {
        let mut event = event;
        let kind = event["kind"].as_str().unwrap().to_owned();
        event["type"] = "ship.exception".into();
        enqueue(&pool, TENANT_A, "notification_event", event).await;
        processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
        let told = select(&pool, TENANT_A, "select subject, body_text from notification_deliveries").await;
        change(&pool, TENANT_A, "delete from notification_deliveries").await;
        assert_eq!(told[0]["subject"], format!("[Exception] {kind}: {subject}"));
        assert!(told[0]["body_text"].as_str().unwrap().contains(says), "{kind}: {told}");
    }
}

#[tokio::test]
async fn the_lanes_raise_what_they_see() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    // Another account, without an agreement, and a charge that is large and billed twice.
    let other = SHIP.replace("601234567", "709999999").replace("FX-26", "FX-99").replace("7946", "8946");
    let large = other.replace("16.85,6.40,10.45", "916.85,6.40,910.45");
    done(&pool, TENANT_A, "ship_upload", &large).await;
    let raised =
        "select distinct payload ->> 'kind' as kind from notification_events where type = 'ship.exception' order by 1";
    let kinds = select(&pool, TENANT_A, raised).await;
    assert_eq!(kinds, json!([{"kind": "AGREEMENT_MISSING"}, {"kind": "HIGH_VALUE_FINDING"}]));
}
