//! Every tenant in, its doorbell checked and its old jobs pruned: now and then.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Error;
use crate::scope::with_tenant;
use crate::tenant::TenantId;

use super::{Shared, metrics};

const PRUNED_AT_ONCE: u32 = 1000;

pub(crate) async fn maintain<S>(shared: Arc<Shared<S>>, mut stopping: watch::Receiver<bool>)
where
    S: Clone + Send + Sync + 'static,
{
    while !*stopping.borrow() {
        tokio::select! {
            () = tokio::time::sleep(shared.heal_every) => {}
            _ = stopping.changed() => return,
        }
        if let Err(error) = shared.maintain_all(&stopping).await {
            tracing::warn!(%error, "doorbells cannot be checked now");
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    async fn maintain_all(&self, stopping: &watch::Receiver<bool>) -> Result<(), Error> {
        for tenant in self.queue.tenants(&self.pool).await? {
            if *stopping.borrow() {
                break;
            }
            if let Err(error) = self.maintain_one(tenant).await {
                tracing::warn!(%error, %tenant, "doorbell cannot be checked now");
            }
        }
        Ok(())
    }

    async fn maintain_one(&self, tenant: TenantId) -> sqlx::Result<()> {
        let healed = with_tenant(&self.pool, tenant, async |mut tx| {
            if let Some(age) = self.retention {
                metrics::pruned(self.queue.prune(&mut tx, age, PRUNED_AT_ONCE).await?);
            }
            self.queue.heal(&mut tx).await
        })
        .await?;
        if healed > 0 {
            tracing::warn!(%tenant, lanes = healed, "doorbell would have rung too late");
        }
        Ok(())
    }
}
