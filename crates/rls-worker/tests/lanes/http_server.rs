//! An endpoint that answers as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the endpoint does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Says this status.
    Status(u16),
    /// Says where else to go.
    Redirect,
    /// Reads the request and never says anything.
    Silent,
    /// Reads the request and hangs up.
    HangUp,
    /// Says what is no HTTP.
    Garbage,
    /// Says headers without an end.
    Endless,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Posted {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

#[derive(Clone)]
pub struct HttpServer {
    pub port: u16,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl HttpServer {
    /// Gives these answers, one for each request, and says 204 to what comes after them.
    pub async fn start(answers: &[Answer]) -> HttpServer {
        HttpServer::start_with(None, answers).await
    }

    /// The same, behind TLS if there is any.
    pub async fn start_with(tls: Option<TlsAcceptor>, answers: &[Answer]) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let server = HttpServer { port, answers, posted: Arc::default() };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => server.answer(stream).await.ok(),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => server.answer(stream).await.ok(),
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        server
    }

    /// All requests that came to their end.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().expect("no panic").clone()
    }

    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let body = String::from_utf8(body).expect("it is text");
        self.posted.lock().expect("no panic").push(Posted { line: line.trim_end().to_owned(), headers, body });
        let answer = self.answers.lock().expect("no panic").pop_front().unwrap_or(Answer::Status(204));
        match answer {
            Answer::Status(status) => {
                let reply = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).await
            }
            Answer::Redirect => {
                let reply = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{}/else\r\n\r\n", self.port);
                stream.write_all(reply.as_bytes()).await
            }
            Answer::Silent => std::future::pending().await,
            Answer::HangUp => Ok(()),
            Answer::Garbage => stream.write_all(b"\0\xff HTTP/9 \r\n\r\n\r\n").await,
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 Fine\r\n").await?;
                loop {
                    stream.write_all(b"x-more: and more and more and more\r\n").await?;
                }
            }
        }
    }
}
