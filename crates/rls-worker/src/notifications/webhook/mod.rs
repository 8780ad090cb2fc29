//! A delivery in, what the endpoint of a webhook says to it out.
//!
//! The request follows Standard Webhooks: an id that stays the same when it is sent again, the time, and a signature.
//! Each delivery has a connection of its own, to an address that was looked at first; a redirect is never followed.

pub mod address;
pub mod endpoint;
pub mod signature;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use self::address::Reach;
use self::endpoint::Target;
use super::outbox::Delivery;
use super::roots::Roots;
use super::transport::Sending;

/// What posts to endpoints.
pub struct Webhooks {
    reach: Reach,
    tls: TlsConnector,
    patience: Duration,
    /// There are never more requests at once than this many.
    permits: Semaphore,
}

/// Why there is no answer.
enum Fault {
    /// The endpoint is where no request goes, which trying again does not change.
    Refused(&'static str),
    /// There was no connection, so nothing was posted.
    Connection(String),
    /// The connection was lost after the request may have gone out.
    Lost(String),
}

impl Webhooks {
    /// Posts to endpoints within reach, over so many connections at once, and gives each request so long.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(reach: Reach, roots: &Roots, connections: usize, patience: Duration) -> anyhow::Result<Webhooks> {
        let tls = TlsConnector::from(Arc::new(roots.client()?));
        Ok(Webhooks { reach, tls, patience, permits: Semaphore::new(connections.max(1)) })
    }

    /// Posts a delivery, and gives up when all of it together takes too long.
    pub async fn send(&self, delivery: &Delivery) -> Sending {
        let (Ok(target), Some(secret)) = (delivery.address.parse::<Target>(), &delivery.secret) else {
            return Sending::Failed("ENDPOINT_OFF: the endpoint was removed or turned off".to_owned());
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return Sending::Deferred("CLOSED: the worker sends no more".to_owned());
        };
        let request = match request(&target, delivery, secret) {
            Ok(request) => request,
            Err(error) => return Sending::Failed(format!("MESSAGE_INVALID: {error}")),
        };
        let is_out = AtomicBool::new(false);
        match tokio::time::timeout(self.patience, self.post(&target, request, &is_out)).await {
            Ok(Ok(status)) => judge(status),
            Ok(Err(Fault::Refused(reason))) => Sending::Failed(format!("ADDRESS_REFUSED: {reason}")),
            Ok(Err(Fault::Connection(reason))) => Sending::Deferred(format!("CONNECTION: {reason}")),
            Ok(Err(Fault::Lost(reason))) => Sending::Unknown(format!("CONNECTION_LOST: {reason}")),
            Err(_) if is_out.into_inner() => Sending::Unknown("TIMEOUT: the endpoint did not answer".to_owned()),
            Err(_) => Sending::Deferred("TIMEOUT: the endpoint took too long to be reached".to_owned()),
        }
    }

    async fn post(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        is_out: &AtomicBool,
    ) -> Result<StatusCode, Fault> {
        let stream = self.connect(target).await?;
        if !target.is_https() {
            return exchange(stream, request, is_out).await;
        }
        let name = ServerName::try_from(target.host().to_owned()).map_err(|_| Fault::Refused("its host is no name"))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| Fault::Connection(error.to_string()))?;
        exchange(stream, request, is_out).await
    }

    /// Connects to the addresses that the name has now, and that are within reach: there is no second look-up.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Fault> {
        let found = lookup_host((target.host(), target.port())).await;
        let found: Vec<SocketAddr> = found.map_err(|error| Fault::Connection(error.to_string()))?.collect();
        let within: Vec<SocketAddr> = found.iter().filter(|at| self.reach.holds(at.ip())).copied().collect();
        if within.is_empty() && !found.is_empty() {
            return Err(Fault::Refused("it is not on the public internet"));
        }
        TcpStream::connect(within.as_slice()).await.map_err(|error| Fault::Connection(error.to_string()))
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// Only the status counts; what else the endpoint says is not read, so it cannot be too long.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    is_out: &AtomicBool,
) -> Result<StatusCode, Fault> {
    let lost = |error: hyper::Error| Fault::Lost(error.to_string());
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| Fault::Connection(error.to_string()))?;
    // Dropped with this call, and the connection with it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    is_out.store(true, Ordering::Relaxed);
    Ok(sender.send_request(request).await.map_err(lost)?.status())
}

fn request(
    target: &Target,
    delivery: &Delivery,
    secret: &signature::Secret,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let body = delivery.body_json.as_ref().map(ToString::to_string).unwrap_or_default();
    // Made of what makes the delivery the only one of its kind, so that whoever gets it twice can tell.
    let id = format!("msg_{}", delivery.key_hash());
    let time = delivery.sending_since.timestamp();
    Request::post(Uri::try_from(target.path())?)
        .header(HOST, target.authority())
        .header(USER_AGENT, concat!("rls-worker/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-signature", secret.sign(&id, time, &body))
        .header("webhook-id", id)
        .header("webhook-timestamp", time)
        .body(Full::new(Bytes::from(body)))
}

fn judge(status: StatusCode) -> Sending {
    let said = format!("HTTP {}", status.as_u16());
    match status {
        StatusCode::GONE => Sending::Gone(format!("{said}: the endpoint wants no more")),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Sending::Deferred(said),
        _ if status.is_success() => Sending::Sent,
        _ if status.is_server_error() => Sending::Deferred(said),
        _ if status.is_redirection() => Sending::Failed(format!("{said}: a redirect is not followed")),
        _ => Sending::Failed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        let judged = |status: u16| judge(StatusCode::from_u16(status).unwrap());
        assert_eq!((judged(200), judged(204)), (Sending::Sent, Sending::Sent));
        for later in [408, 429, 500, 502, 503] {
            assert!(matches!(judged(later), Sending::Deferred(_)), "{later}");
        }
        for never in [101, 301, 307, 400, 401, 404, 413] {
            assert!(matches!(judged(never), Sending::Failed(_)), "{never}");
        }
        assert!(matches!(judged(410), Sending::Gone(_)));
    }
}
