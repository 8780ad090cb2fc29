use rls_runtime::TenantTx;

async fn load(tx: &mut TenantTx) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await
}

async fn outlive(tx: &mut TenantTx) {
    tokio::spawn(async move { load(tx).await });
}

fn main() {
    let _ = outlive;
}
