//! Who hears of what, how often, and in which words.

use rls_runtime::queue::Queue;
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::notifications::scheduler;
use rls_worker::notifications::transport::Transport;
use rls_worker::workers::job_processor::{State, worker};
use serde_json::{Value, json};

use crate::support::*;

async fn wants(db: &TestDb, user: &str, template: &str, channel: &str) {
    let sql = format!(
        "insert into notification_preferences (user_id, template, channel, address)
         values ('{user}', '{template}', '{channel}', '{user}@example.com')"
    );
    db.execute_as_tenant(TENANT_A, &sql).await.unwrap();
}

async fn deliveries(pool: &RlsPool) -> Value {
    let sql = "select template, recipient, status, reason, subject from notification_deliveries order by template, recipient, created_at, dedupe_key";
    select(pool, TENANT_A, sql).await
}

/// All lanes, through the queue.
async fn through_the_queue(pool: &RlsPool, mail: &std::path::Path) {
    let worker = processor(pool, mail);
    for (lane, file) in
        [("catalog_upload", CATALOG), ("order_upload", ORDERS), ("ship_upload", AGREEMENT), ("ship_upload", SHIP)]
    {
        hand_in(pool, TENANT_A, lane, file).await;
        worker.drain(TENANT_A).await.unwrap();
    }
}

#[tokio::test]
async fn those_who_want_to_hear_of_a_caught_order() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    wants(&db, "ann", "trade-caught", "EMAIL").await;
    wants(&db, "bob", "trade-caught", "IN_APP").await;
    wants(&db, "cid", "ship-recon", "EMAIL").await;
    through_the_queue(&pool, mail.path()).await;
    assert_eq!(
        deliveries(&pool).await,
        json!([
            {"template": "ship-recon", "recipient": "cid", "status": "SENT", "reason": null,
             "subject": "Invoice reconciliation FEDEX 2: 17.29 CAD recoverable"},
            {"template": "trade-caught", "recipient": "ann", "status": "SENT", "reason": null,
             "subject": "[Action] SO-70011: 2,176.82 CAD SIMA exposure (UDS)"},
            {"template": "trade-caught", "recipient": "bob", "status": "SENT", "reason": null,
             "subject": "[Action] SO-70011: 2,176.82 CAD SIMA exposure (UDS)"},
        ])
    );
    let files: Vec<_> = std::fs::read_dir(mail.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "a text and a page for each mail");
    let page = files
        .iter()
        .find(|file| file.to_string_lossy().contains("trade-caught") && file.extension().unwrap() == "html");
    let page = std::fs::read_to_string(page.unwrap()).unwrap();
    assert!(page.contains("REC-LTH-01") && page.contains("824.19") && page.contains("2026-02-19"), "{page}");
    let preview =
        select(&pool, TENANT_A, "select body_text from notification_deliveries where recipient = 'cid'").await;
    assert!(preview[0]["body_text"].as_str().unwrap().contains("DUPLICATE_CHARGE: 1, 10.45 CAD"), "{preview}");
}

#[tokio::test]
async fn the_same_event_twice_is_told_once_and_too_many_are_held_back() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    wants(&db, "ann", "ship-exception", "EMAIL").await;
    wants(&db, "ann", "trade-spike", "EMAIL").await;
    let exception = |key: String| json!({"key": key, "type": "ship.exception", "kind": "LINK_AMBIGUOUS"});
    for key in 0..7 {
        enqueue(&pool, TENANT_A, "notification_event", exception(format!("k{key}"))).await;
    }
    enqueue(&pool, TENANT_A, "notification_event", exception("k0".to_owned())).await;
    let spike = |key: &str| json!({"key": key, "type": "trade.spike", "scope": "UDS", "value_cad": "14210.00", "z": "9.8", "median_cad": "300.00"});
    enqueue(&pool, TENANT_A, "notification_event", spike("s1")).await;
    enqueue(&pool, TENANT_A, "notification_event", spike("s2")).await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let counts = select(
        &pool,
        TENANT_A,
        "select template, status, reason, count(*) from notification_deliveries group by 1, 2, 3 order by 1, 2",
    )
    .await;
    assert_eq!(
        counts,
        json!([
            {"template": "ship-exception", "status": "SENT", "reason": null, "count": 5},
            {"template": "ship-exception", "status": "SUPPRESSED", "reason": "RATE_LIMIT", "count": 2},
            {"template": "trade-spike", "status": "SENT", "reason": null, "count": 1},
            {"template": "trade-spike", "status": "SUPPRESSED", "reason": "COOLDOWN", "count": 1},
        ])
    );
    let subject =
        select(&pool, TENANT_A, "select subject from notification_deliveries where template = 'trade-spike' limit 1")
            .await;
    assert_eq!(subject[0]["subject"], "SIMA exposure spike: UDS 47.4× normal");
    change(&pool, TENANT_A, "insert into trade_detection_config (spike_cooldown_hours) values (0)").await;
    enqueue(&pool, TENANT_A, "notification_event", spike("s3")).await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let sent = "select count(*) from notification_deliveries where template = 'trade-spike' and status = 'SENT'";
    assert_eq!(select(&pool, TENANT_A, sent).await, json!([{"count": 2}]), "this tenant wants to hear of all");
}

#[tokio::test]
async fn events_that_are_refused() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_B).await;
    for (payload, code) in [
        (json!({"type": "trade.order.lost"}), "EVENT_TYPE_UNKNOWN"),
        (json!({"type": "trade.order.caught"}), "EVENT_SUBJECT_MISSING"),
        (json!({"type": "trade.order.caught", "order": "SO-70011"}), "SUBJECT_NOT_FOUND"),
        (json!({"type": "ship.exception", "kind": "DISPUTE_DEADLINE", "finding": "fnd-77"}), "SUBJECT_NOT_FOUND"),
        (
            json!({"type": "ship.exception", "kind": "INVOICE_TOTAL_MISMATCH", "invoice": "FX-26-0410"}),
            "SUBJECT_NOT_FOUND",
        ),
    ] {
        enqueue(&pool, TENANT_A, "notification_event", payload).await;
        processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
        let last = select(&pool, TENANT_A, "select state, last_error from rls_jobs order by id desc limit 1").await;
        assert_eq!(last[0]["state"], "discarded", "{code}: another tenant's rows are not there");
        assert!(last[0]["last_error"].as_str().unwrap().starts_with(code), "{last}");
    }
    let window = json!({"template": "trade-digest", "from": "2026-02-17T05:00:00Z", "to": "2026-02-16T05:00:00Z"});
    enqueue(&pool, TENANT_A, "notification_digest", window).await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let last = select(&pool, TENANT_A, "select last_error from rls_jobs where lane = 'notification_digest'").await;
    assert!(last[0]["last_error"].as_str().unwrap().starts_with("WINDOW_INVALID"), "{last}");
}

#[tokio::test]
async fn mail_that_cannot_go_out_waits_and_goes_out_once() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    wants(&db, "ann", "ship-exception", "EMAIL").await;
    let blocked = mail.path().join("blocked");
    std::fs::write(&blocked, "not a folder").unwrap();
    enqueue(
        &pool,
        TENANT_A,
        "notification_event",
        json!({"key": "k", "type": "ship.exception", "kind": "LINK_AMBIGUOUS"}),
    )
    .await;
    let worker = processor(&pool, &blocked);
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(deliveries(&pool).await[0]["status"], "DEFERRED");
    std::fs::remove_file(&blocked).unwrap();
    assert_eq!(
        change(&pool, TENANT_A, "update rls_jobs set due_at = now(), rank = now() where state = 'retryable'").await,
        1
    );
    worker.drain(TENANT_A).await.unwrap();
    let found = select(&pool, TENANT_A, "select status, attempt from notification_deliveries").await;
    assert_eq!(found, json!([{"status": "SENT", "attempt": 2}]));
    assert_eq!(std::fs::read_dir(&blocked).unwrap().count(), 2);
}

#[tokio::test]
async fn the_digests_of_a_schedule() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    for template in ["trade-digest", "ship-stale", "ship-recon"] {
        wants(&db, "ann", template, "EMAIL").await;
        let sql = format!(
            "insert into notification_schedules values
             ('{TENANT_A}', '{template}', 'DAILY', '2026-02-15T13:00:00Z', '2026-02-10T13:00:00Z')"
        );
        db.execute_as_tenant(TENANT_A, &sql).await.unwrap();
    }
    through_the_queue(&pool, mail.path()).await;
    let queue = Queue::new();
    assert_eq!(scheduler::tick(&pool, &queue, now()).await.unwrap(), 3);
    assert_eq!(scheduler::tick(&pool, &queue, now()).await.unwrap(), 0, "one digest spans what was missed");
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let subjects = select(&pool, TENANT_A, "select template, subject from notification_deliveries order by 1, 2").await;
    assert_eq!(
        subjects,
        json!([
            {"template": "ship-recon", "subject": "Invoice reconciliation FEDEX 1: 6.84 CAD recoverable"},
            {"template": "ship-recon", "subject": "Invoice reconciliation FEDEX 2: 17.29 CAD recoverable"},
            {"template": "trade-digest", "subject": "Trade digest 2026-02-17: 0 caught, 0.00 CAD"},
        ]),
        "nothing is stale, and nothing is sent about that"
    );
    let next =
        select(&pool, TENANT_A, "select distinct next_run_at::text, last_window_end::text from notification_schedules")
            .await;
    assert_eq!(next[0]["last_window_end"].as_str().unwrap().get(..10), Some("2026-02-17"));
    let other = with_tenant(&pool, TENANT_B, async |mut tx| scheduler::tick_tenant(&mut tx, &queue, now()).await).await;
    assert_eq!(other.unwrap(), 0);
}

#[tokio::test]
async fn a_day_that_stands_out_is_told_once() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    wants(&db, "ann", "trade-spike", "EMAIL").await;
    // Three orders a day around 300 CAD for four weeks; then six of 2,000, one of an order that is a month old.
    let history = "
        insert into orders (source, order_number, number_norm, order_date, ship_to_country)
        select 'file', 'H' || d || '-' || n, 'H' || d || '-' || n, date '2026-02-16' - d, 'CA'
        from generate_series(1, 28) d, generate_series(1, 3) n
        union all select 'file', 'S' || n, 'S' || n, date '2026-02-15', 'CA' from generate_series(1, 6) n
        union all select 'file', 'OLD', 'OLD', date '2026-01-10', 'CA';
        insert into trade_caught_orders (order_id, ruleset_hash, line_numbers, measure_codes, exposure_cad, exposure_kind, first_caught_on)
        select id, 'r', '{1}', '{UDS}', case when order_number like 'H%' then 90 + 5 * (extract(day from order_date)::integer % 5) else 2000 end,
            'CONFIRMED', case when order_number like 'H%' then order_date else date '2026-02-16' end
        from orders";
    db.execute_as_tenant(TENANT_A, history).await.unwrap();
    let queue = Queue::new();
    let tick = async || {
        with_tenant(&pool, TENANT_A, async |mut tx| scheduler::tick_tenant(&mut tx, &queue, now()).await).await.unwrap()
    };
    // In one week there is nothing that stands out: its days are missing.
    let week = "insert into trade_detection_config (spike_baseline_days) values (7);
        update trade_caught_orders set first_caught_on = first_caught_on + 100 where first_caught_on between '2026-02-09' and '2026-02-12'";
    db.execute_as_tenant(TENANT_A, week).await.unwrap();
    assert_eq!(tick().await, 0);
    let usual = "update trade_detection_config set spike_baseline_days = 28;
        update trade_caught_orders set first_caught_on = first_caught_on - 100 where first_caught_on > '2026-03-01'";
    db.execute_as_tenant(TENANT_A, usual).await.unwrap();
    assert_eq!(tick().await, 2, "the measure, and all of them");
    assert_eq!(tick().await, 0);
    let spikes =
        select(&pool, TENANT_A, "select scope, value_cad::numeric(18, 2)::text as value from trade_spikes order by 1")
            .await;
    assert_eq!(spikes, json!([{"scope": "ALL", "value": "12000.00"}, {"scope": "UDS", "value": "12000.00"}]));
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let told = select(&pool, TENANT_A, "select subject, status from notification_deliveries order by subject").await;
    assert_eq!(told[0]["status"], "SENT", "{told}");
    assert!(told[0]["subject"].as_str().unwrap().starts_with("SIMA exposure spike: ALL 40"), "{told}");
    assert_eq!(told.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_caught_order_has_a_link_to_its_review_where_there_are_pages() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    wants(&db, "ann", "trade-caught", "IN_APP").await;
    everything(&pool, TENANT_A).await;
    let state = |pages: Option<&str>| State {
        now: std::sync::Arc::new(now),
        pages: pages.map(|url| url.parse().unwrap()),
        ..State::new(Transport::files(mail.path()))
    };
    let bodies = async |key: &str, pages: Option<&str>| {
        let event = json!({"key": key, "type": "trade.order.caught", "order": "SO-70011"});
        enqueue(&pool, TENANT_A, "notification_event", event).await;
        worker(pool.clone(), state(pages), 1).drain(TENANT_A).await.unwrap();
        let sql = format!("select body_text, body_html from notification_deliveries where dedupe_key = '{key}'");
        let found = select(&pool, TENANT_A, &sql).await;
        [found[0]["body_text"].as_str().unwrap().to_owned(), found[0]["body_html"].as_str().unwrap().to_owned()]
    };
    for body in bodies("without", None).await {
        assert!(!body.contains("caught-orders"), "{body}");
    }
    let id = select(&pool, TENANT_A, "select id from trade_caught_orders").await[0]["id"].clone();
    let [text, page] = bodies("with", Some("https://app.example.com/trade")).await;
    let link = format!("https://app.example.com/trade/caught-orders/{}", id.as_str().unwrap());
    assert!(text.lines().any(|line| line == link), "{text}");
    assert!(page.replace("&#x2f;", "/").contains(&format!("href=\"{link}\"")), "{page}");
}

#[tokio::test]
async fn a_long_list_is_told_in_part_and_its_length_in_full() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    wants(&db, "ann", "trade-digest", "IN_APP").await;
    let flips = "insert into notification_events (event_key, type, payload, job_id, raised_at)
        select 'k' || n, 'trade.verdict.changed', jsonb_build_object('sku', 'SKU-' || n, 'was', 'NEEDS_REVIEW', 'is', 'SUBJECT'),
            gen_random_uuid(), '2026-02-17T01:00Z' from generate_series(100, 162) n";
    assert_eq!(change(&pool, TENANT_A, flips).await, 63);
    let digest = json!({"template": "trade-digest", "from": "2026-02-16T13:00:00Z", "to": "2026-02-17T13:00:00Z"});
    enqueue(&pool, TENANT_A, "notification_digest", digest).await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let told = select(&pool, TENANT_A, "select body_text, body_html from notification_deliveries").await;
    let text = told[0]["body_text"].as_str().unwrap();
    assert_eq!(text.matches("- SKU-").count(), 50, "{text}");
    assert!(text.contains("\n- and 13 more\n") && !text.contains("SKU-150"), "{text}");
    assert!(told[0]["body_html"].as_str().unwrap().contains("<li>and 13 more</li>"));
}
