use rls_runtime::TenantTx;

async fn commit(tx: TenantTx) {
    tx.commit().await;
}

async fn rollback(mut tx: TenantTx) {
    tx.rollback().await;
}

async fn begin(mut tx: TenantTx) {
    sqlx::Connection::begin(&mut *tx).await;
}

async fn close(tx: TenantTx) {
    tx.close().await;
}

fn main() {}
