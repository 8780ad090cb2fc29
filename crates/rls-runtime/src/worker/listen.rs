//! Notifications in, the lanes woken: a hint only, for whoever does not hear it looks by itself.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;

use crate::pool::RlsPool;
use crate::queue::CHANNEL;

use super::Shared;

const PAUSE: Duration = Duration::from_millis(500);

/// On a connection of its own, until the worker stops. When that is lost it takes another one.
pub(crate) async fn listen<S>(shared: Arc<Shared<S>>, wake: watch::Sender<()>, mut stopping: watch::Receiver<bool>) {
    if !shared.pool.keeps_sessions() {
        tracing::info!("a transaction pooler passes no notifications on, work is found by looking for it");
        return;
    }
    while !*stopping.borrow() {
        tokio::select! {
            lost = hear(&shared.pool, &wake) => {
                if let Err(error) = lost {
                    tracing::warn!(%error, "no notifications now, work is found by looking for it");
                }
            }
            _ = stopping.changed() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stopping.changed() => return,
        }
    }
}

/// Until the connection is lost.
async fn hear(pool: &RlsPool, wake: &watch::Sender<()>) -> sqlx::Result<()> {
    let own = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let mut listener = PgListener::connect_with(&own.connect_lazy_with(pool.connect_options())).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    loop {
        // The first time for what came before it listened.
        wake.send_replace(());
        if listener.try_recv().await?.is_none() {
            return Ok(());
        }
    }
}
