//! A mail server that answers as a test says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;

/// What the server does with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accept,
    /// Says this about the recipient.
    Recipient(&'static str),
    /// Says this at the end of the message.
    End(&'static str),
    /// Never says anything about the recipient.
    SilentRecipient,
    /// Takes the message and never says so.
    SilentEnd,
    /// Takes the message and hangs up.
    HangUp,
    /// Takes the message, says so to the test, and waits for it.
    Hold,
}

/// How the server encrypts.
#[derive(Clone)]
pub enum Security {
    /// It does not, and does not offer to.
    Plain,
    /// From the first byte.
    FromTheStart(TlsAcceptor),
    /// When it is asked to.
    StartTls(TlsAcceptor),
}

#[derive(Clone)]
pub struct MailServer {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    answers: Mutex<VecDeque<Answer>>,
    messages: Mutex<Vec<String>>,
    /// What was said outside of TLS.
    in_the_clear: Mutex<Vec<String>>,
    /// What was said inside of it.
    encrypted: Mutex<Vec<String>>,
    open: AtomicUsize,
    most: AtomicUsize,
    accepted: AtomicUsize,
    held: Notify,
    released: Semaphore,
}

impl MailServer {
    /// Gives these answers, one for each message, and accepts what comes after them.
    pub async fn start(answers: &[Answer]) -> MailServer {
        MailServer::start_with(Security::Plain, answers).await
    }

    /// The same behind TLS.
    pub async fn start_with(security: Security, answers: &[Answer]) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            answers: Mutex::new(answers.iter().copied().collect()),
            messages: Mutex::default(),
            in_the_clear: Mutex::default(),
            encrypted: Mutex::default(),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            held: Notify::new(),
            released: Semaphore::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, security) = (Arc::clone(&shared), security.clone());
                state.accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
                    state.most.fetch_max(open, Ordering::SeqCst);
                    state.serve(stream, security).await.ok();
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        MailServer { port, state }
    }

    /// All messages that came to their end.
    pub fn messages(&self) -> Vec<String> {
        self.state.messages.lock().expect("no panic").clone()
    }

    /// The commands that were sent outside of TLS, and inside of it.
    pub fn said(&self) -> (Vec<String>, Vec<String>) {
        let said = |lines: &Mutex<Vec<String>>| lines.lock().expect("no panic").clone();
        (said(&self.state.in_the_clear), said(&self.state.encrypted))
    }

    /// The most connections that were open at once, and all of them.
    pub fn connections(&self) -> (usize, usize) {
        (self.state.most.load(Ordering::SeqCst), self.state.accepted.load(Ordering::SeqCst))
    }

    /// Until a message is held.
    pub async fn held(&self) {
        self.state.held.notified().await;
    }

    /// Lets the message go that is held.
    pub fn release(&self) {
        self.state.released.add_permits(1);
    }
}

impl State {
    async fn serve(&self, mut stream: TcpStream, security: Security) -> std::io::Result<()> {
        const GREETING: &[u8] = b"220 test ESMTP\r\n";
        let (clear, encrypted) = (&self.in_the_clear, &self.encrypted);
        match security {
            Security::FromTheStart(tls) => {
                let mut stream = tls.accept(stream).await?;
                stream.write_all(GREETING).await?;
                self.talk(stream, encrypted, false).await?;
            }
            Security::StartTls(tls) => {
                stream.write_all(GREETING).await?;
                if let Some(stream) = self.talk(stream, clear, true).await? {
                    self.talk(tls.accept(stream).await?, encrypted, false).await?;
                }
            }
            Security::Plain => {
                stream.write_all(GREETING).await?;
                self.talk(stream, clear, false).await?;
            }
        }
        Ok(())
    }

    /// Talks until the client hangs up, or starts TLS, if that is offered: then the connection goes on.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        said: &Mutex<Vec<String>>,
        offers_tls: bool,
    ) -> std::io::Result<Option<S>> {
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        let mut answer = Answer::Accept;
        while let Some(line) = lines.next_line().await? {
            said.lock().expect("no panic").push(line.clone());
            let verb = line.get(..4).unwrap_or_default().to_uppercase();
            let reply = match verb.as_str() {
                "EHLO" if offers_tls => "250-test\r\n250-STARTTLS\r\n250 SIZE 1000000".to_owned(),
                "EHLO" => "250-test\r\n250-AUTH PLAIN\r\n250 SIZE 1000000".to_owned(),
                "STAR" if offers_tls => {
                    write.write_all(b"220 go ahead\r\n").await?;
                    return Ok(Some(lines.into_inner().into_inner().unsplit(write)));
                }
                "AUTH" => "235 welcome".to_owned(),
                "MAIL" => {
                    answer = self.answers.lock().expect("no panic").pop_front().unwrap_or(Answer::Accept);
                    "250 ok".to_owned()
                }
                "RCPT" => match answer {
                    Answer::Recipient(says) => says.to_owned(),
                    Answer::SilentRecipient => continue,
                    _ => "250 ok".to_owned(),
                },
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut message = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        message.push_str(&line);
                        message.push('\n');
                    }
                    self.messages.lock().expect("no panic").push(message);
                    match answer {
                        Answer::End(says) => says.to_owned(),
                        Answer::SilentEnd => continue,
                        Answer::HangUp => return Ok(None),
                        Answer::Hold => {
                            self.held.notify_one();
                            self.released.acquire().await.expect("it is never closed").forget();
                            "250 taken".to_owned()
                        }
                        _ => "250 taken".to_owned(),
                    }
                }
                "QUIT" => {
                    write.write_all(b"221 bye\r\n").await?;
                    return Ok(None);
                }
                _ => "250 ok".to_owned(),
            };
            write.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
        Ok(None)
    }
}
