//! The tenants whose schedules ring in, their jobs enqueued, each tenant's in its own scope.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Error;
use crate::queue::SCHEDULES;
use crate::scope::with_tenant;

use super::{Shared, metrics};

const AT_ONCE: u32 = 100;

pub(crate) async fn keep<S>(shared: Arc<Shared<S>>, mut stopping: watch::Receiver<bool>)
where
    S: Clone + Send + Sync + 'static,
{
    while !*stopping.borrow() {
        if let Err(error) = shared.tick_all(&stopping).await {
            tracing::warn!(%error, "schedules cannot be read now");
        }
        tokio::select! {
            () = tokio::time::sleep(shared.poll) => {}
            _ = stopping.changed() => {}
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    /// Every tenant has its turn, whatever becomes of the others.
    async fn tick_all(&self, stopping: &watch::Receiver<bool>) -> Result<(), Error> {
        let lanes = [SCHEDULES.to_owned()];
        let due = self.queue.due(&self.pool, &lanes, None, AT_ONCE).await?;
        for due in due {
            if *stopping.borrow() {
                break;
            }
            let ticked = with_tenant(&self.pool, due.tenant, async |mut tx| self.queue.tick(&mut tx).await).await;
            match ticked {
                Ok(enqueued) => metrics::scheduled(enqueued.len()),
                Err(error) => tracing::warn!(%error, tenant = %due.tenant, "schedules cannot be kept now"),
            }
        }
        Ok(())
    }
}
