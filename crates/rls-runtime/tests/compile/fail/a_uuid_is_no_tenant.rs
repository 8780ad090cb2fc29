use rls_runtime::{RlsPool, with_tenant};
use uuid::Uuid;

async fn by_user_id(pool: &RlsPool, user: Uuid) -> sqlx::Result<()> {
    with_tenant(pool, user, async |_tx| Ok(())).await
}

fn main() {
    let _ = by_user_id;
}
