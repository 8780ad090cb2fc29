//! The tenants whose schedules ring in, their jobs enqueued, each tenant's in its own scope.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::queue::{Due, SCHEDULES};
use crate::scope::with_tenant_opts;

use super::{Shared, metrics};

const AT_ONCE: u32 = 100;

/// A transaction that rings the doorbell and does not end holds up its own tenant's schedules, and no others.
const IMPATIENT: ScopeOptions = ScopeOptions::new().lock_timeout(Duration::from_millis(500)).label("tick");

pub(crate) async fn keep<S>(shared: Arc<Shared<S>>, mut stopping: watch::Receiver<bool>)
where
    S: Clone + Send + Sync + 'static,
{
    let mut last = None;
    while !*stopping.borrow() {
        match shared.tick_some(&mut last, &stopping).await {
            Ok(Round::MayGoOn) => continue,
            Ok(Round::Over) => {}
            Err(error) => tracing::warn!(%error, "schedules cannot be read now"),
        }
        tokio::select! {
            () = tokio::time::sleep(shared.poll) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// Whether there may be more to do at once.
enum Round {
    MayGoOn,
    Over,
}

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    /// Every tenant has its turn, whatever becomes of the others, those after the last one first.
    async fn tick_some(&self, last: &mut Option<Due>, stopping: &watch::Receiver<bool>) -> Result<Round, Error> {
        let lanes = [SCHEDULES.to_owned()];
        let due = self.in_time(self.queue.due(&self.pool, &lanes, last.as_ref(), AT_ONCE)).await?;
        let are_all = due.len() < AT_ONCE as usize;
        let mut ticked = 0;
        for due in due {
            if *stopping.borrow() {
                break;
            }
            let tick =
                with_tenant_opts(&self.pool, due.tenant, &IMPATIENT, async |mut tx| self.queue.tick(&mut tx).await);
            match self.in_time(tick).await {
                Ok(enqueued) => {
                    metrics::scheduled(enqueued.len());
                    ticked += enqueued.len();
                }
                Err(error) => tracing::warn!(%error, tenant = %due.tenant, "schedules cannot be kept now"),
            }
            *last = Some(due);
        }
        // Where nobody could be served it is no use to try at once again.
        Ok(if are_all || ticked == 0 { Round::Over } else { Round::MayGoOn })
    }
}
