//! Neither the pool nor the handle gives the connection away.
use rls_runtime::{RlsPool, TenantTx};
use sqlx::PgConnection;

async fn from_the_pool(pool: &RlsPool) {
    sqlx::query("SELECT 1").execute(pool).await;
}

async fn acquire(pool: &RlsPool) {
    pool.acquire().await;
}

fn from_the_handle(tx: &mut TenantTx) -> &mut PgConnection {
    tx
}

fn main() {}
