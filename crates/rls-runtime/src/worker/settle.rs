//! Ended jobs in, their settlements written, those of a tenant together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::error::sqlstate;
use crate::queue::{Lease, Settled, Settlement};
use crate::scope::with_tenant;
use crate::tenant::TenantId;

use super::context::Stop;
use super::quota::Slot;
use super::running::Entry;
use super::{Shared, metrics};

/// A job whose attempt is over.
pub(crate) struct Ended {
    pub(crate) tenant: TenantId,
    pub(crate) lease: Lease,
    pub(crate) lane: String,
    pub(crate) settlement: Settlement,
    /// Heartbeats go on until it is written.
    pub(crate) entry: Entry,
    /// The lane takes nothing new for it until it is written.
    pub(crate) _slot: Slot,
}

const AT_ONCE: usize = 4;
const MOST: usize = 1000;
const PAUSE: Duration = Duration::from_millis(200);

/// While some are written others end, so that the batches grow with the load.
pub(crate) async fn settle_all<S>(shared: Arc<Shared<S>>, mut ended: mpsc::UnboundedReceiver<Ended>)
where
    S: Clone + Send + Sync + 'static,
{
    let mut batch = Vec::new();
    while ended.recv_many(&mut batch, MOST).await > 0 {
        let mut by_tenant: BTreeMap<TenantId, Vec<Ended>> = BTreeMap::new();
        batch.drain(..).for_each(|ended| by_tenant.entry(ended.tenant).or_default().push(ended));
        stream::iter(by_tenant).for_each_concurrent(AT_ONCE, |(tenant, ended)| shared.settle(tenant, ended)).await;
    }
}

/// A value or a limit is wrong, and will be the next time; everything else may pass.
fn is_about_the_content(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
}

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    /// Until it is written, or the leases are lost.
    async fn settle(&self, tenant: TenantId, mut ended: Vec<Ended>) {
        loop {
            ended.retain(|ended| {
                let is_lost = ended.entry.stop_requested() == Some(Stop::LeaseLost);
                if is_lost {
                    metrics::settled(&ended.lane, Settled::LeaseLost);
                }
                !is_lost
            });
            if ended.is_empty() {
                return;
            }
            match self.write(tenant, &ended).await {
                Ok(()) => return,
                Err(error) if is_about_the_content(&error) => break,
                Err(error) => {
                    tracing::warn!(%error, %tenant, "jobs cannot be settled yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // The server refuses what one of them says: find out which, and let that one fail.
        for ended in ended {
            self.settle_alone(tenant, ended).await;
        }
    }

    async fn settle_alone(&self, tenant: TenantId, mut ended: Ended) {
        let Err(refused) = self.write(tenant, std::slice::from_ref(&ended)).await else { return };
        if is_about_the_content(&refused) {
            ended.settlement = Settlement::Discard { error: format!("its end could not be written: {refused}") };
        }
        if let Err(error) = self.write(tenant, std::slice::from_ref(&ended)).await {
            tracing::error!(%error, %tenant, job = %ended.lease.job(), "job cannot be settled, its lease will run out");
        }
    }

    async fn write(&self, tenant: TenantId, ended: &[Ended]) -> sqlx::Result<()> {
        let settlements: Vec<_> = ended.iter().map(|ended| (ended.lease, ended.settlement.clone())).collect();
        let settled =
            with_tenant(&self.pool, tenant, async |mut tx| self.queue.settle_many(&mut tx, &settlements).await).await?;
        for (ended, settled) in ended.iter().zip(settled) {
            metrics::settled(&ended.lane, settled);
            if settled == Settled::LeaseLost {
                tracing::warn!(%tenant, job = %ended.lease.job(), "job was settled too late, another worker has it");
            }
        }
        Ok(())
    }
}
