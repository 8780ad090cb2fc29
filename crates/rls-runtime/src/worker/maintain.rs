//! Every tenant in, its doorbell checked and its old jobs pruned: now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Error;
use crate::options::ScopeOptions;
use crate::scope::with_tenant_opts;
use crate::tenant::TenantId;

use super::{Shared, metrics, within};

/// However many jobs a tenant has, this is enough for one scope.
const PATIENCE: Duration = Duration::from_secs(300);

/// A transaction that rings the doorbell and does not end puts off the check of its own tenant, and no others.
const IMPATIENT: ScopeOptions = ScopeOptions::new().lock_timeout(Duration::from_millis(500)).label("maintain");

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
            if let Err(error) = self.maintain_one(tenant, stopping).await {
                tracing::warn!(%error, %tenant, "doorbell cannot be checked now");
            }
        }
        Ok(())
    }

    async fn maintain_one(&self, tenant: TenantId, stopping: &watch::Receiver<bool>) -> sqlx::Result<()> {
        self.prune(tenant, stopping).await?;
        let heal = with_tenant_opts(&self.pool, tenant, &IMPATIENT, async |mut tx| self.queue.heal(&mut tx).await);
        let healed = within(PATIENCE, heal).await?;
        if healed > 0 {
            tracing::warn!(%tenant, lanes = healed, "doorbell would have rung too late");
        }
        Ok(())
    }

    /// A scope for each batch, so that none is long.
    async fn prune(&self, tenant: TenantId, stopping: &watch::Receiver<bool>) -> sqlx::Result<()> {
        if self.retention.keeps_all() {
            return Ok(());
        }
        while !*stopping.borrow() {
            let prune = with_tenant_opts(&self.pool, tenant, &IMPATIENT, async |mut tx| {
                self.queue.prune(&mut tx, &self.retention).await
            });
            let deleted = within(PATIENCE, prune).await?;
            metrics::pruned(deleted);
            if !self.retention.is_full_batch(deleted) {
                break;
            }
        }
        Ok(())
    }
}
