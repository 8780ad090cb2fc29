use rls_runtime::{RlsPool, TenantConn, TenantId, with_tenant};

async fn store(pool: &RlsPool, tenant: TenantId) -> sqlx::Result<()> {
    let mut stored: Option<&mut TenantConn> = None;
    with_tenant(pool, tenant, async |mut tx| {
        stored = Some(&mut *tx);
        Ok(())
    })
    .await
}

fn main() {
    let _ = store;
}
