//! Mail through a server: what is sent, and what is not sent twice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::worker::Worker;
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::notifications::mail::Letterhead;
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::roots::Roots;
use rls_worker::notifications::smtp::Smtp;
use rls_worker::notifications::templates::Template;
use rls_worker::notifications::transport::{Mail, Transport};
use rls_worker::notifications::unsubscribe::{self, Key, Subscription};
use rls_worker::workers::job_processor::{State, worker};
use serde_json::json;

use crate::mail_server::{Answer, MailServer};
use crate::outbox::*;
use crate::support::*;

fn key() -> Key {
    Key::new("a key for tests only").unwrap()
}

fn mailing(pool: &RlsPool, server: &MailServer, patience: Duration, connections: usize) -> Worker<State> {
    let url = format!("smtp://127.0.0.1:{}", server.port);
    mailing_to(pool, &url, &Roots::default(), patience, connections)
}

/// A worker whose mail goes to the server of a URL.
pub fn mailing_to(pool: &RlsPool, url: &str, roots: &Roots, patience: Duration, connections: usize) -> Worker<State> {
    let letterhead = Letterhead {
        from: "Alerts <alerts@example.com>".parse().unwrap(),
        unsubscribe_url: "https://example.com/unsubscribe".to_owned(),
        unsubscribe_mail: Some("unsubscribe@example.com".parse().unwrap()),
        key: key(),
    };
    let smtp = Smtp::new(url, roots, letterhead, connections, patience).unwrap();
    let transport = Transport { mail: Mail::Smtp(Arc::new(smtp)), ..Transport::files(Path::new("")) };
    worker(pool.clone(), State { now: Arc::new(now), ..State::new(transport) }, 2)
}

/// A database in which these users want mail about exceptions.
pub async fn subscribed(users: &[&str]) -> (TestDb, RlsPool) {
    let db = database().await;
    let pool = db.pool().await;
    for user in users {
        let address = format!("{user}@example.com");
        with_tenant(&pool, TENANT_A, async |mut tx| {
            preferences::subscribe(
                &mut tx,
                user,
                Channel::Email(&address),
                &[Template::ShipException],
                Wants::Everything,
            )
            .await
        })
        .await
        .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    }
    (db, pool)
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(&format!("{name}: "))?;
    let end =
        rest.match_indices('\n').find(|(at, _)| !rest[at + 1..].starts_with(' ')).map_or(rest.len(), |(at, _)| at);
    Some(&rest[..end])
}

#[tokio::test]
async fn a_message_says_who_it_is_from_and_how_to_hear_no_more() {
    let (_db, pool) = subscribed(&["ann"]).await;
    let server = MailServer::start(&[]).await;
    let worker = mailing(&pool, &server, PATIENT, 2);
    exception(&pool, "first").await;
    worker.drain(TENANT_A).await.unwrap();
    let message = server.messages().pop().unwrap();
    assert_eq!(header(&message, "From"), Some("Alerts <alerts@example.com>"), "{message}");
    assert_eq!(header(&message, "To"), Some("ann@example.com"));
    assert_eq!(header(&message, "Auto-Submitted"), Some("auto-generated"));
    assert_eq!(header(&message, "List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    assert!(
        message.contains("multipart/alternative") && message.contains("text/plain") && message.contains("text/html")
    );
    assert_eq!(
        summary(&pool).await,
        json!({"state": "completed", "result": {"deliveries": 1, "sent": 1, "suppressed": 0, "deferred": 0, "failed": 0}})
    );

    let links = header(&message, "List-Unsubscribe").unwrap();
    let token = links.split_once("?token=").unwrap().1.split_once('>').unwrap().0;
    assert!(links.starts_with("<https://example.com/unsubscribe?token="), "{links}");
    assert!(links.contains(&format!("<mailto:unsubscribe@example.com?subject={token}>")), "{links}");
    let read = Subscription::read(token, &key()).unwrap();
    assert_eq!((read.tenant, read.recipient.as_str()), (TENANT_A, "ann"));
    let turn_off =
        async |tenant| with_tenant(&pool, tenant, async |mut tx| unsubscribe::turn_off(&mut tx, &read).await).await;
    let off: [Result<bool, sqlx::Error>; 3] =
        [turn_off(TENANT_B).await, turn_off(TENANT_A).await, turn_off(TENANT_A).await];
    assert_eq!(off.map(Result::unwrap), [false, true, false], "only in the tenant's own scope, and once");
    exception(&pool, "second").await;
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let (_db, pool) = subscribed(&["ann"]).await;
    let server = MailServer::start(&[Answer::Recipient("451 later"), Answer::End("452 too full")]).await;
    let worker = mailing(&pool, &server, PATIENT, 2);
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    let waiting = deliveries(&pool).await;
    assert_eq!((&waiting[0]["status"], &waiting[0]["attempt"]), (&json!("DEFERRED"), &json!(1)));
    assert!(waiting[0]["reason"].as_str().unwrap().contains("451"), "{waiting}");
    retry_now(&pool).await;
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(deliveries(&pool).await[0]["status"], "DEFERRED");
    retry_now(&pool).await;
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(deliveries(&pool).await, json!([{"status": "SENT", "reason": null, "attempt": 3, "unknown_ends": 0}]));
    let ids: Vec<_> =
        server.messages().iter().map(|message| header(message, "Message-ID").map(str::to_owned)).collect();
    assert!(ids.len() == 2 && ids[0].is_some() && ids[0] == ids[1], "{ids:?}");
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up() {
    let (_db, pool) = subscribed(&["ann"]).await;
    let server = MailServer::start(&[Answer::End("451 later"); 3]).await;
    let worker = mailing(&pool, &server, PATIENT, 2);
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    for _ in 0..2 {
        retry_now(&pool).await;
        worker.drain(TENANT_A).await.unwrap();
    }
    let failed = deliveries(&pool).await;
    assert_eq!((&failed[0]["status"], &failed[0]["attempt"]), (&json!("FAILED"), &json!(3)));
    assert!(failed[0]["reason"].as_str().unwrap().starts_with("GAVE_UP: "), "{failed}");
    assert_eq!(summary(&pool).await["result"]["failed"], 1);
}

#[tokio::test]
async fn an_address_that_does_not_exist_fails_at_once_and_the_others_get_theirs() {
    let (_db, pool) = subscribed(&["ann", "bob"]).await;
    let server = MailServer::start(&[Answer::Recipient("550 no such user")]).await;
    exception(&pool, "k").await;
    // One connection, so that the first answer is for one of the two, whichever comes first.
    mailing(&pool, &server, PATIENT, 1).drain(TENANT_A).await.unwrap();
    let done = deliveries(&pool).await;
    let failed: Vec<_> = done.as_array().unwrap().iter().filter(|row| row["status"] == "FAILED").collect();
    assert_eq!(failed.len(), 1, "{done}");
    assert!(failed[0]["reason"].as_str().unwrap().contains("550"), "{done}");
    assert_eq!(
        summary(&pool).await["result"],
        json!({"deliveries": 2, "sent": 1, "suppressed": 0, "deferred": 0, "failed": 1})
    );
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn no_answer_before_the_message_means_that_it_was_not_sent() {
    let (_db, pool) = subscribed(&["ann"]).await;
    let server = MailServer::start(&[Answer::SilentRecipient]).await;
    let worker = mailing(&pool, &server, IMPATIENT, 1);
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    let waiting = deliveries(&pool).await;
    assert!(waiting[0]["reason"].as_str().unwrap().starts_with("TIMEOUT"), "{waiting}");
    assert_eq!((&waiting[0]["status"], &waiting[0]["unknown_ends"]), (&json!("DEFERRED"), &json!(0)));
    retry_now(&pool).await;
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(deliveries(&pool).await[0]["status"], "SENT");
}

#[tokio::test]
async fn no_answer_after_the_message_is_tried_once_more_and_not_again() {
    for (answer, patience) in [(Answer::HangUp, PATIENT), (Answer::SilentEnd, IMPATIENT)] {
        let (_db, pool) = subscribed(&["ann"]).await;
        let server = MailServer::start(&[answer; 5]).await;
        tries_once_more(&pool, &mailing(&pool, &server, patience, 1)).await;
        let ids: Vec<_> =
            server.messages().iter().map(|message| header(message, "Message-ID").map(str::to_owned)).collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "the second can be told from a new one: {ids:?}");
    }
}

#[tokio::test]
async fn a_worker_that_was_killed_while_it_sent_sends_once_more_and_not_again() {
    let (_db, pool) = subscribed(&["ann"]).await;
    let server = MailServer::start(&[Answer::End("451 later"), Answer::End("451 later")]).await;
    let worker = mailing(&pool, &server, PATIENT, 1);
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    for (unknown_ends, status) in [(1, "DEFERRED"), (1, "FAILED")] {
        // As if it had been killed after it had claimed the message.
        assert_eq!(change(&pool, TENANT_A, "update notification_deliveries set sending_since = now()").await, 1);
        retry_now(&pool).await;
        worker.drain(TENANT_A).await.unwrap();
        let found = deliveries(&pool).await;
        assert_eq!((&found[0]["status"], &found[0]["unknown_ends"]), (&json!(status), &json!(unknown_ends)), "{found}");
    }
    assert_eq!(server.messages().len(), 2, "not a third time");
}

#[tokio::test]
async fn while_mail_is_sent_no_transaction_is_open_and_the_database_may_go_away() {
    let (db, pool) = subscribed(&["ann"]).await;
    let server = MailServer::start(&[Answer::Hold]).await;
    let worker = mailing(&pool, &server, PATIENT, 1);
    exception(&pool, "k").await;
    let draining = tokio::spawn(async move { worker.drain(TENANT_A).await });
    server.held().await;
    let others: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where usename = $1 and state <> 'idle' and pid <> pg_backend_pid()",
    )
    .bind(db.runtime())
    .fetch_one(&db.owner_pool().await.unwrap())
    .await
    .unwrap();
    assert_eq!(others, 0, "nothing waits for the mail server");
    let outbox =
        select(&pool, TENANT_A, "select status, sending_since is not null as claimed from notification_deliveries")
            .await;
    assert_eq!(outbox, json!([{"status": "QUEUED", "claimed": true}]), "it was written down before it is sent");
    let role = db.runtime();
    db.execute_as_superuser(&format!(
        "alter role {role} nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
    ))
    .await
    .unwrap();
    server.release();
    db.execute_as_superuser(&format!("alter role {role} login")).await.unwrap();
    draining.await.unwrap().unwrap();
    assert_eq!(deliveries(&pool).await[0]["status"], "SENT");
    assert_eq!(server.messages().len(), 1, "nothing is lost, and nothing is sent twice");
}

#[tokio::test]
async fn many_recipients_share_few_connections() {
    let users: Vec<String> = (0..12).map(|at| format!("user{at}")).collect();
    let (_db, pool) = subscribed(&users.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let server = MailServer::start(&[]).await;
    let worker = mailing(&pool, &server, PATIENT, 2);
    exception(&pool, "k").await;
    worker.drain(TENANT_A).await.unwrap();
    assert_eq!(server.messages().len(), 12);
    let (most, all) = server.connections();
    assert!(most <= 2 && all <= 2, "{most} at once, {all} together");
}
