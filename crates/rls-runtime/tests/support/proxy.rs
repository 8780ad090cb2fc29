//! A proxy in front of PostgreSQL that delays every byte, counts round trips and cuts connections.
//!
//! It runs on threads of its own, so that the runtime under test does not schedule it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

pub struct DelayProxy {
    dir: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    server: PathBuf,
    one_way: Duration,
    round_trips: AtomicU64,
    /// Emptied by the first cut.
    cut_at: Mutex<Option<Vec<u8>>>,
}

impl DelayProxy {
    /// A proxy in front of the server's socket whose round trip takes this long.
    ///
    /// The first connection that sends `cut_at` is cut once the server has got it and before the client hears of it.
    pub fn start(server: &Path, round_trip: Duration, cut_at: Option<&str>) -> DelayProxy {
        let dir = std::env::temp_dir().join(format!("rls-proxy-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).expect("a folder for the proxy's socket");
        let listener = UnixListener::bind(dir.join(".s.PGSQL.5432")).expect("the proxy listens");
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            one_way: round_trip / 2,
            round_trips: AtomicU64::new(0),
            cut_at: Mutex::new(cut_at.map(Vec::from)),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.serve(client);
            }
        });
        DelayProxy { dir, shared }
    }

    /// The same connection, by way of the proxy.
    pub fn route(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.socket(&self.dir)
    }

    /// How often clients have waited for the server so far.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::SeqCst)
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

impl Shared {
    fn serve(self: &Arc<Shared>, client: UnixStream) {
        let Ok(server) = UnixStream::connect(&self.server) else {
            return;
        };
        let server_spoke = Arc::new(AtomicBool::new(true));
        let (client_out, server_out) = (client.try_clone(), server.try_clone());
        let (Ok(client_out), Ok(server_out)) = (client_out, server_out) else {
            return;
        };
        let (spoke, this) = (Arc::clone(&server_spoke), Arc::clone(self));
        let client_again = client.try_clone().expect("a socket can be cloned");
        self.pump(client, server_out, move |bytes| {
            if spoke.swap(false, Ordering::SeqCst) {
                this.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            let mut cut_at = this.cut_at.lock().expect("no panic holds it");
            let cut = cut_at.as_ref().is_some_and(|text| bytes.windows(text.len()).any(|window| window == text));
            if cut {
                *cut_at = None;
                client_again.shutdown(Shutdown::Write).ok();
            }
        });
        self.pump(server, client_out, move |_| server_spoke.store(true, Ordering::SeqCst));
    }

    /// One direction: a thread that reads and stamps, a thread that writes when the time has come.
    fn pump(&self, mut from: UnixStream, mut to: UnixStream, on_bytes: impl Fn(&[u8]) + Send + 'static) {
        let one_way = self.one_way;
        let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length) = from.read(&mut buffer) {
                if length == 0 {
                    break;
                }
                on_bytes(&buffer[..length]);
                if sender.send((Instant::now() + one_way, buffer[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || {
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            to.shutdown(Shutdown::Both).ok();
        });
    }
}
