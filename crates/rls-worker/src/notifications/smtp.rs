//! A delivery in, what the mail server says to it out.
//!
//! The dialogue is led command by command, because one thing must be known when a connection is lost:
//! whether the end of the message was said already. Before it nothing was delivered; after it only the server knows.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::{Message, address::Envelope};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::mail::Letterhead;
use super::outbox::Delivery;
use super::roots::Roots;
use super::transport::Sending;

/// A mail server and how to talk to it.
pub struct Smtp {
    server: Server,
    letterhead: Letterhead,
    patience: Duration,
    /// There are never more connections than this many.
    permits: Semaphore,
    /// Connections that wait for the next message.
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// Where the server is.
struct Server {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
}

enum Security {
    None,
    StartTls(TlsParameters),
    FromTheStart(TlsParameters),
}

/// Why a message did not get through.
enum Fault {
    /// There was no connection: the message itself is not to blame.
    Connection(Error),
    /// The dialogue about the message ended badly.
    Dialogue(Error),
    /// The server does not take such an address.
    Address,
}

impl Smtp {
    /// Reads `smtp://host`, `smtp://user:password@host?tls=required` or `smtps://user:password@host`.
    ///
    /// # Errors
    /// When the URL is none of these, or would send a password that everybody can read.
    pub fn new(
        url: &str,
        roots: &Roots,
        letterhead: Letterhead,
        connections: usize,
        patience: Duration,
    ) -> anyhow::Result<Smtp> {
        let server = Server::read(url, roots)?;
        let permits = Semaphore::new(connections.max(1));
        Ok(Smtp { server, letterhead, patience, permits, idle: Mutex::default() })
    }

    /// Sends a message, and gives up when all of it together takes too long.
    pub async fn send(&self, delivery: &Delivery) -> Sending {
        let message = match self.letterhead.write(delivery) {
            Ok(message) => message,
            Err(reason) => return Sending::Failed(reason),
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return Sending::Deferred("CLOSED: the worker sends no more".to_owned());
        };
        let has_ended = AtomicBool::new(false);
        match tokio::time::timeout(self.patience, self.deliver(&message, &has_ended)).await {
            Ok(Ok(())) => Sending::Sent,
            Ok(Err(fault)) => fault.judge(has_ended.into_inner()),
            Err(_) => unanswered(has_ended.into_inner(), "TIMEOUT: the mail server took too long"),
        }
    }

    async fn deliver(&self, message: &Message, has_ended: &AtomicBool) -> Result<(), Fault> {
        let mut connection = self.connection().await.map_err(Fault::Connection)?;
        let envelope = message.envelope();
        let parameters = parameters(&connection, envelope)?;
        connection.command(Mail::new(envelope.from().cloned(), parameters)).await.map_err(Fault::Dialogue)?;
        for recipient in envelope.to() {
            connection.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(Fault::Dialogue)?;
        }
        connection.command(Data).await.map_err(Fault::Dialogue)?;
        // The body is asked for its next part when all of it was written, just before its end is said.
        let body = std::iter::once(message.formatted()).chain(std::iter::from_fn(|| {
            has_ended.store(true, Ordering::Relaxed);
            None
        }));
        connection.message_iter(body).await.map_err(Fault::Dialogue)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }

    /// One that waits and still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some(mut connection) = self.take_idle() {
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
        self.server.connect(self.patience).await
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.server.host).field("port", &self.server.port).finish_non_exhaustive()
    }
}

fn parameters(connection: &AsyncSmtpConnection, envelope: &Envelope) -> Result<Vec<MailParameter>, Fault> {
    let mut addresses = envelope.to().iter().chain(envelope.from());
    if addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        return Ok(Vec::new());
    }
    match connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        true => Ok(vec![MailParameter::SmtpUtfEight]),
        false => Err(Fault::Address),
    }
}

impl Fault {
    fn judge(self, has_ended: bool) -> Sending {
        match self {
            Fault::Address => Sending::Failed("ADDRESS_UNSUPPORTED: the mail server takes ASCII only".to_owned()),
            Fault::Connection(error) => Sending::Deferred(format!("CONNECTION: {}", in_words(&error))),
            Fault::Dialogue(error) if error.is_permanent() => Sending::Failed(in_words(&error)),
            Fault::Dialogue(error) if error.is_transient() => Sending::Deferred(in_words(&error)),
            Fault::Dialogue(error) => unanswered(has_ended, &format!("CONNECTION_LOST: {}", in_words(&error))),
        }
    }
}

/// What no answer means.
fn unanswered(has_ended: bool, reason: &str) -> Sending {
    match has_ended {
        true => Sending::Unknown(reason.to_owned()),
        false => Sending::Deferred(reason.to_owned()),
    }
}

/// The error and its causes in one line, cut to what a column needs.
fn in_words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

impl Server {
    fn read(url: &str, roots: &Roots) -> anyhow::Result<Server> {
        // The text may hold a password, and is not repeated.
        let url = Url::parse(url).context("the mail server's URL is none; write it as `smtp://host:25`")?;
        let host = url.host().context("the mail server's URL has no host")?;
        let is_local = match &host {
            Host::Domain(name) => *name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let host = host.to_string().trim_matches(['[', ']']).to_owned();
        let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let parameters = || roots.mail(&host);
        let (security, usual) = match (url.scheme(), tls.as_deref()) {
            ("smtp", None) => (Security::None, 25),
            ("smtp", Some("required")) => (Security::StartTls(parameters()?), 587),
            ("smtps", None) => (Security::FromTheStart(parameters()?), 465),
            _ => bail!(
                "the mail server's URL starts with `smtp://` or `smtps://`; after `smtp://` it may end with `?tls=required`"
            ),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = url.password().map(|password| Credentials::new(decoded(url.username()), decoded(password)));
        if credentials.is_some() && matches!(security, Security::None) && !is_local {
            bail!("a password would be sent in the clear; add `?tls=required` or write `smtps://`");
        }
        Ok(Server { port: url.port().unwrap_or(usual), host, security, credentials, hello: ClientId::default() })
    }

    async fn connect(&self, patience: Duration) -> Result<AsyncSmtpConnection, Error> {
        let tls = match &self.security {
            Security::FromTheStart(parameters) => Some(parameters.clone()),
            Security::None | Security::StartTls(_) => None,
        };
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(patience), &self.hello, tls, None).await?;
        if let Security::StartTls(parameters) = &self.security {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(String, u16), String> {
        Server::read(url, &Roots::default()).map(|server| (server.host, server.port)).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_that_are_understood() {
        assert_eq!(read("smtp://localhost:2525"), Ok(("localhost".to_owned(), 2525)));
        assert_eq!(read("smtp://mail.example.com"), Ok(("mail.example.com".to_owned(), 25)));
        assert_eq!(read("smtp://u:p@mail.example.com?tls=required"), Ok(("mail.example.com".to_owned(), 587)));
        assert_eq!(read("smtps://u:p@mail.example.com"), Ok(("mail.example.com".to_owned(), 465)));
        assert_eq!(read("smtp://u:p@[::1]:26"), Ok(("::1".to_owned(), 26)));
    }

    #[test]
    fn urls_that_are_refused_and_not_repeated() {
        for (url, said) in [
            ("smtp://u:secret@mail.example.com", "in the clear"),
            ("smtp://u:secret@mail.example.com?tls=maybe", "tls=required"),
            ("https://u:secret@mail.example.com", "smtp://"),
            ("u:secret", "host"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
