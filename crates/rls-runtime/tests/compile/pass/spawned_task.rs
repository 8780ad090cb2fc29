//! A scope in a spawned task, with a closure that borrows what the task owns.
use rls_runtime::{Retry, RlsPool, ScopeOptions, TenantId, with_tenant, with_tenant_retry};

async fn spawn(pool: RlsPool, tenant: TenantId, ids: Vec<i64>) {
    let note = String::from("borrowed");
    tokio::spawn(async move {
        let note = &note;
        let ids = &ids[..];
        let total: i64 = with_tenant(&pool, tenant, async |mut tx| {
            for id in ids {
                sqlx::query("UPDATE orders SET note = $1 WHERE id = $2").bind(note).bind(id).execute(&mut *tx).await?;
            }
            sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await
        })
        .await?;
        let again = async |mut tx: rls_runtime::TenantTx| {
            sqlx::query("UPDATE orders SET note = $1").bind(note).execute(&mut *tx).await.map(drop)
        };
        with_tenant_retry(&pool, tenant, &ScopeOptions::new(), &Retry::attempts(3), again).await?;
        Ok::<i64, sqlx::Error>(total)
    });
}

fn main() {
    let _ = spawn;
}
