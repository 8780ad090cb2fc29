//! Mail over TLS: what is believed, what is not, and what is never said in the clear.

use rls_worker::notifications::roots::Roots;
use serde_json::json;

use crate::authority::Authority;
use crate::mail::{mailing_to, subscribed};
use crate::mail_server::{MailServer, Security};
use crate::outbox::*;
use rls_runtime::testing::TENANT_A;

/// One message through a server: what became of it, and why.
async fn send(server: &MailServer, url: &str, roots: &Roots) -> (String, String) {
    let (_db, pool) = subscribed(&["ann"]).await;
    let url = url.replace("PORT", &server.port.to_string());
    exception(&pool, "k").await;
    mailing_to(&pool, &url, roots, PATIENT, 1).drain(TENANT_A).await.unwrap();
    let found = deliveries(&pool).await;
    let text = |name: &str| found[0][name].as_str().unwrap_or_default().to_owned();
    assert!(!found.to_string().contains("hunter2"), "a password is in no reason: {found}");
    (text("status"), text("reason"))
}

#[tokio::test]
async fn a_password_and_a_message_are_only_said_inside_of_tls() {
    let authority = Authority::new();
    let tls = authority.server(&["localhost"]);
    for (security, url) in [
        (Security::StartTls(tls.clone()), "smtp://ann:hunter2@localhost:PORT?tls=required"),
        (Security::FromTheStart(tls), "smtps://ann:hunter2@localhost:PORT"),
    ] {
        let server = MailServer::start_with(security, &[]).await;
        assert_eq!(send(&server, url, &authority.roots()).await, ("SENT".to_owned(), String::new()), "{url}");
        let (clear, encrypted) = server.said();
        assert!(clear.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{clear:?}");
        assert!(encrypted.iter().any(|line| line.starts_with("AUTH ")), "{encrypted:?}");
        assert_eq!(server.messages().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_believed_gets_nothing() {
    let (known, strange) = (Authority::new(), Authority::new());
    let wrong = [
        (strange.server(&["localhost"]), "invalid peer certificate"),
        (known.server(&["mail.example.com"]), "not valid for name"),
    ];
    for (tls, said) in wrong {
        for (security, url) in [
            (Security::StartTls(tls.clone()), "smtp://ann:hunter2@localhost:PORT?tls=required"),
            (Security::FromTheStart(tls.clone()), "smtps://ann:hunter2@localhost:PORT"),
        ] {
            let server = MailServer::start_with(security, &[]).await;
            let (status, reason) = send(&server, url, &known.roots()).await;
            assert_eq!(status, "DEFERRED", "{url}: {reason}");
            assert!(reason.starts_with("CONNECTION: ") && reason.contains(said), "{url}: {reason}");
            let (clear, encrypted) = server.said();
            assert!(encrypted.is_empty() && !clear.iter().any(|line| line.starts_with("AUTH")), "{clear:?}");
            assert_eq!(server.messages().len(), 0);
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_where_tls_is_required() {
    let server = MailServer::start(&[]).await;
    let url = "smtp://ann:hunter2@localhost:PORT?tls=required";
    let (status, reason) = send(&server, url, &Roots::default()).await;
    assert_eq!(status, "DEFERRED", "{reason}");
    assert!(reason.contains("STARTTLS"), "{reason}");
    let (clear, _) = server.said();
    assert!(clear.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{clear:?}");
    assert_eq!((server.messages().len(), json!(clear).to_string().contains("hunter2")), (0, false));
}
