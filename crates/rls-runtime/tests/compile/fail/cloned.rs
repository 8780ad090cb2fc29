use rls_runtime::{RlsPool, TenantId, with_tenant};

async fn keep_a_copy(pool: &RlsPool, tenant: TenantId) -> sqlx::Result<()> {
    with_tenant(pool, tenant, async |tx| {
        let copy = tx.clone();
        drop(copy);
        Ok(())
    })
    .await
}

fn main() {
    let _ = keep_a_copy;
}
