//! Posts to a tenant's own programs: what they get, what is tried again, and where nothing is ever posted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::worker::Worker;
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::roots::Roots;
use rls_worker::notifications::templates::Template;
use rls_worker::notifications::transport::{Posts, Transport};
use rls_worker::notifications::webhook::Webhooks;
use rls_worker::notifications::webhook::address::Reach;
use rls_worker::notifications::webhook::endpoint;
use rls_worker::workers::job_processor::{State, worker};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::authority::Authority;
use crate::http_server::{Answer, HttpServer, Posted};
use crate::outbox::*;
use crate::support::*;

/// A worker whose posts go out.
fn posting(pool: &RlsPool, reach: Reach, roots: &Roots, patience: Duration) -> Worker<State> {
    let webhooks = Webhooks::new(reach, roots, 4, patience).unwrap();
    let transport = Transport { webhooks: Posts::Http(Arc::new(webhooks)), ..Transport::files(Path::new("")) };
    worker(pool.clone(), State { now: Arc::new(now), ..State::new(transport) }, 2)
}

/// Adds an endpoint that is told of everything, and gives its secret.
async fn add(pool: &RlsPool, tenant: TenantId, name: &str, url: &str) -> String {
    let target = url.parse().unwrap();
    with_tenant(pool, tenant, async |mut tx| {
        preferences::subscribe(&mut tx, name, Channel::Webhook, &Template::ALL, Wants::Everything).await?;
        endpoint::put(&mut tx, name, &target).await
    })
    .await
    .map(|secret| secret.reveal())
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"))
}

/// A database in which a tenant has an endpoint at a server, and a worker that posts to it.
async fn listening(server: &HttpServer, patience: Duration) -> (TestDb, RlsPool, Worker<State>, String) {
    let db = database().await;
    let pool = db.pool().await;
    let secret = add(&pool, TENANT_A, "erp", &format!("http://127.0.0.1:{}/hook?x=1", server.port)).await;
    let worker = posting(&pool, Reach::Anywhere, &Roots::default(), patience);
    (db, pool, worker, secret)
}

/// What whoever has the secret checks, as the specification says.
fn is_signed_by(posted: &Posted, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, time) = (&posted.headers["webhook-id"], &posted.headers["webhook-timestamp"]);
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let mac = mac.chain_update(format!("{id}.{time}.{}", posted.body)).finalize().into_bytes();
    posted.headers["webhook-signature"] == format!("v1,{}", STANDARD.encode(mac))
}

#[tokio::test]
async fn an_endpoint_gets_what_is_told_signed_by_its_secret() {
    let server = HttpServer::start(&[]).await;
    let (_db, pool, worker, secret) = listening(&server, PATIENT).await;
    let stranger = add(&pool, TENANT_B, "erp", &format!("http://127.0.0.1:{}/strange", server.port)).await;
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    let posted = server.posted();
    assert_eq!(posted.len(), 1, "the other tenant's endpoint gets nothing");
    let [only] = posted.as_slice() else { panic!("{posted:?}") };
    assert_eq!(only.line, "POST /hook?x=1 HTTP/1.1");
    assert_eq!(only.headers["content-type"], "application/json");
    assert_eq!(only.headers["host"], format!("127.0.0.1:{}", server.port));
    assert_eq!(only.headers["webhook-timestamp"], now().timestamp().to_string());
    assert!(only.headers["webhook-id"].starts_with("msg_"), "{only:?}");
    assert!(is_signed_by(only, &secret) && !is_signed_by(only, &stranger), "{only:?}");
    let body: Value = serde_json::from_str(&only.body).unwrap();
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("ship.exception"), &json!("2026-02-17T14:00:00Z")));
    assert_eq!((&body["data"]["key"], &body["data"]["event"]), (&json!("k"), &json!({"kind": "LINK_AMBIGUOUS"})));
    assert_eq!(body["data"]["variables"]["next_step"], "choose the order of each shipment");
    let sent = json!({"deliveries": 1, "sent": 1, "suppressed": 0, "deferred": 0, "failed": 0});
    assert_eq!(summary(&pool).await, json!({"state": "completed", "result": sent}));
}

#[tokio::test]
async fn an_endpoint_that_is_busy_is_asked_again_with_the_same_id() {
    let server = HttpServer::start(&[Answer::Status(429), Answer::Status(503)]).await;
    let (_db, pool, worker, _) = listening(&server, PATIENT).await;
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    for said in ["HTTP 429", "HTTP 503"] {
        let waiting = deliveries(&pool).await;
        assert_eq!((&waiting[0]["status"], &waiting[0]["reason"]), (&json!("DEFERRED"), &json!(said)));
        retry_now(&pool).await;
        worker.drain(TENANT_A).await.unwrap();
    }
    assert_eq!(deliveries(&pool).await[0]["status"], "SENT");
    let posted = server.posted();
    assert_eq!(posted.len(), 3);
    assert!(posted.iter().all(|post| post.headers["webhook-id"] == posted[0].headers["webhook-id"]), "{posted:?}");
}

#[tokio::test]
async fn what_an_endpoint_refuses_is_over_and_a_redirect_leads_nowhere() {
    for (answer, said) in [(Answer::Status(400), "HTTP 400"), (Answer::Redirect, "HTTP 302")] {
        let server = HttpServer::start(&[answer]).await;
        let (_db, pool, worker, _) = listening(&server, PATIENT).await;
        exception(&pool, "k").await;
        worker.drain(TENANT_A).await.unwrap();
        let failed = deliveries(&pool).await;
        assert_eq!(failed[0]["status"], "FAILED", "{failed}");
        assert!(failed[0]["reason"].as_str().unwrap().starts_with(said), "{failed}");
        assert_eq!((summary(&pool).await["state"].clone(), server.posted().len()), (json!("completed"), 1));
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_no_more_until_it_is_added_again() {
    let server = HttpServer::start(&[Answer::Status(410)]).await;
    let (_db, pool, worker, _) = listening(&server, PATIENT).await;
    let others = HttpServer::start(&[]).await;
    add(&pool, TENANT_A, "crm", &format!("http://127.0.0.1:{}/", others.port)).await;
    for key in ["first", "second"] {
        exception(&pool, key).await;
        worker.drain(TENANT_A).await.unwrap();
    }
    assert_eq!((server.posted().len(), others.posted().len()), (1, 2), "the others are not held up");
    let listed = with_tenant(&pool, TENANT_A, async |mut tx| endpoint::list(&mut tx).await).await.unwrap();
    assert_eq!((listed[1].name.as_str(), listed[1].off_since, listed[0].off_since), ("erp", Some(now()), None));
    assert!(listed[1].off_because.as_ref().unwrap().starts_with("HTTP 410"), "{listed:?}");
    add(&pool, TENANT_A, "erp", &format!("http://127.0.0.1:{}/", server.port)).await;
    exception(&pool, "third").await;
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!((server.posted().len(), others.posted().len()), (2, 3));
}

#[tokio::test]
async fn no_answer_is_tried_once_more_and_not_again() {
    for (answer, patience) in
        [(Answer::HangUp, PATIENT), (Answer::Garbage, PATIENT), (Answer::Endless, PATIENT), (Answer::Silent, IMPATIENT)]
    {
        let server = HttpServer::start(&[answer; 5]).await;
        let (_db, pool, worker, _) = listening(&server, patience).await;
        tries_once_more(&pool, &worker).await;
        let posted = server.posted();
        assert_eq!(posted.len(), 2);
        assert_eq!(posted[0].headers["webhook-id"], posted[1].headers["webhook-id"], "whoever got it twice can tell");
    }
}

#[tokio::test]
async fn nobody_is_there_means_that_it_was_not_posted() {
    let server = HttpServer::start(&[]).await;
    let (_db, pool, worker, _) = listening(&server, PATIENT).await;
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    add(&pool, TENANT_A, "erp", &format!("http://127.0.0.1:{port}/secret-path")).await;
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    let waiting = deliveries(&pool).await;
    assert_eq!((&waiting[0]["status"], &waiting[0]["unknown_ends"]), (&json!("DEFERRED"), &json!(0)), "{waiting}");
    let reason = waiting[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("CONNECTION: ") && !reason.contains("secret-path"), "{reason}");
}

#[tokio::test]
async fn nothing_is_posted_into_a_private_network_unless_that_is_allowed() {
    let server = HttpServer::start(&[]).await;
    let (_db, pool, _, _) = listening(&server, PATIENT).await;
    for (name, host) in [("name", "localhost"), ("mapped", "[::ffff:127.0.0.1]"), ("hidden", "0x7f.0.0.1")] {
        add(&pool, TENANT_A, name, &format!("http://{host}:{}/", server.port)).await;
    }
    exception(&pool, "k").await;
    posting(&pool, Reach::Public, &Roots::default(), PATIENT).drain(TENANT_A).await.unwrap();
    let failed = deliveries(&pool).await;
    let rows = failed.as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["reason"].as_str().unwrap().starts_with("ADDRESS_REFUSED")), "{failed}");
    assert_eq!(server.posted().len(), 0);
}

#[tokio::test]
async fn a_certificate_is_believed_that_a_known_authority_gave_to_the_host() {
    let (known, strange) = (Authority::new(), Authority::new());
    for (acceptor, said) in [
        (known.server(&["localhost"]), None),
        (strange.server(&["localhost"]), Some("invalid peer certificate")),
        (known.server(&["example.com"]), Some("not valid for name")),
    ] {
        let server = HttpServer::start_with(Some(acceptor), &[]).await;
        let db = database().await;
        let pool = db.pool().await;
        add(&pool, TENANT_A, "erp", &format!("https://localhost:{}/", server.port)).await;
        exception(&pool, "k").await;
        posting(&pool, Reach::Anywhere, &known.roots(), PATIENT).drain(TENANT_A).await.unwrap();
        let found = deliveries(&pool).await;
        match said {
            None => assert_eq!((&found[0]["status"], server.posted().len()), (&json!("SENT"), 1), "{found}"),
            Some(said) => {
                assert_eq!((&found[0]["status"], server.posted().len()), (&json!("DEFERRED"), 0), "{found}");
                assert!(found[0]["reason"].as_str().unwrap().contains(said), "{found}");
            }
        }
    }
}

/// The fields of each type as the page on webhooks has them.
fn documented() -> Value {
    let page = include_str!("../../WEBHOOKS.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, kind, template, fields, _] = cells.as_slice() else { return None };
        let mut fields: Vec<&str> = fields.split('`').skip(1).step_by(2).collect();
        fields.sort_unstable();
        template.starts_with('`').then(|| (kind.trim_matches('`').to_owned(), json!(fields)))
    });
    Value::Object(rows.collect())
}

#[tokio::test]
async fn every_message_has_the_fields_that_the_page_on_webhooks_promises() {
    let db = database().await;
    let pool = db.pool().await;
    let folder = tempfile::tempdir().unwrap();
    add(&pool, TENANT_A, "erp", "https://erp.example.com/").await;
    let worker = processor(&pool, folder.path());
    for (lane, file) in
        [("catalog_upload", CATALOG), ("order_upload", ORDERS), ("ship_upload", AGREEMENT), ("ship_upload", SHIP)]
    {
        hand_in(&pool, TENANT_A, lane, file).await;
        worker.drain(TENANT_A).await.unwrap();
    }
    change(&pool, TENANT_A, "update ship_finding_events set at = '2025-12-01T00:00Z'").await;
    let spike = json!({"type": "trade.spike", "scope": "UDS", "value_cad": "14210.00", "median_cad": "300.00"});
    enqueue(&pool, TENANT_A, "notification_event", spike).await;
    enqueue(&pool, TENANT_A, "notification_event", json!({"type": "ship.exception", "kind": "LINK_AMBIGUOUS"})).await;
    for template in ["trade-digest", "ship-stale"] {
        let window = json!({"template": template, "from": "2026-02-16T13:00:00Z", "to": "2026-02-17T13:00:00Z"});
        enqueue(&pool, TENANT_A, "notification_digest", window).await;
    }
    worker.drain(TENANT_A).await.unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let found = files.map(|file| {
        let body: Value = serde_json::from_slice(&file).unwrap();
        let fields: Vec<&String> = body["data"]["variables"].as_object().unwrap().keys().collect();
        (body["type"].as_str().unwrap().to_owned(), json!(fields))
    });
    assert_eq!(Value::Object(found.collect()), documented());
}
