//! Scopes behind a trait whose methods return `impl Future + Send`, and behind a boxed one.
use std::future::Future;
use std::pin::Pin;

use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};

trait Orders {
    fn count(&self, tenant: TenantId) -> impl Future<Output = anyhow::Result<i64>> + Send;
}

trait BoxedOrders {
    fn count<'a>(&'a self, tenant: TenantId) -> Pin<Box<dyn Future<Output = sqlx::Result<i64>> + Send + 'a>>;
}

struct Store {
    pool: RlsPool,
    table_is_empty: bool,
}

impl Orders for Store {
    async fn count(&self, tenant: TenantId) -> anyhow::Result<i64> {
        with_tenant(&self.pool, tenant, async |mut tx| {
            if self.table_is_empty {
                anyhow::bail!("nothing to count");
            }
            Ok(count(&mut tx).await?)
        })
        .await
    }
}

impl BoxedOrders for Store {
    fn count<'a>(&'a self, tenant: TenantId) -> Pin<Box<dyn Future<Output = sqlx::Result<i64>> + Send + 'a>> {
        Box::pin(with_tenant(&self.pool, tenant, async |mut tx| count(&mut tx).await))
    }
}

async fn count(tx: &mut TenantTx) -> sqlx::Result<i64> {
    let mut part = tx.savepoint().await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *part).await?;
    part.release().await?;
    Ok(count)
}

/// A function passed by name.
async fn whole_scope(mut tx: TenantTx) -> sqlx::Result<i64> {
    count(&mut tx).await
}

async fn spawned(store: Store, tenant: TenantId) {
    tokio::spawn(async move {
        let by_name = with_tenant(&store.pool, tenant, whole_scope).await?;
        let by_trait = Orders::count(&store, tenant).await?;
        anyhow::Ok(by_name + by_trait)
    });
}

fn main() {
    let _ = spawned;
}
