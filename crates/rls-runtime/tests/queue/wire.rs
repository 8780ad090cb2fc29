//! A wire to PostgreSQL that can go dead without a word, as when a machine on the way is gone.

use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

pub struct Wire {
    dir: PathBuf,
    dead: watch::Sender<()>,
}

impl Wire {
    pub fn to(server: &Path) -> Wire {
        let dir = std::env::temp_dir().join(format!("rls-wire-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).expect("a folder for the wire's socket");
        let listener = UnixListener::bind(dir.join(".s.PGSQL.5432")).expect("the wire listens");
        let (dead, is_dead) = watch::channel(());
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), is_dead.clone()));
            }
        });
        Wire { dir, dead }
    }

    /// The same connection, by way of the wire.
    pub fn route(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.socket(&self.dir)
    }

    /// The connections that there are carry nothing any more and are not closed; new ones do.
    pub fn goes_dead(&self) {
        self.dead.send_replace(());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

async fn carry(mut client: UnixStream, server: PathBuf, mut is_dead: watch::Receiver<()>) {
    is_dead.mark_unchanged();
    let Ok(mut server) = UnixStream::connect(server).await else { return };
    let went_dead = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        dead = is_dead.changed() => dead.is_ok(),
    };
    if went_dead {
        // Both ends stay open until the test ends.
        std::future::pending::<()>().await;
    }
}
