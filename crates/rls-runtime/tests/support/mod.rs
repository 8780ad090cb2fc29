//! What several tests and the benchmark share: a schema of two tenants, and a delay proxy.

pub mod proxy;

use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};

/// Two tenants with the same keys, under FORCE, with the policy form of the documentation.
pub const SCHEMA: &str = "
CREATE TABLE orders (tenant_id uuid NOT NULL, id bigint NOT NULL, note text NOT NULL, PRIMARY KEY (tenant_id, id));
ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON orders USING (tenant_id = (SELECT current_setting('app.tenant_id')::uuid))";

/// A database with `SCHEMA` and three orders per tenant.
pub async fn database() -> TestDb {
    let db = TestDb::new().await;
    db.execute(SCHEMA).await.expect("the schema is valid");
    for tenant in [TENANT_A, TENANT_B] {
        let rows = format!("INSERT INTO orders SELECT '{tenant}', n, 'of {tenant}' FROM generate_series(1, 3) n");
        db.execute_as_tenant(tenant, &rows).await.expect("the owner may write as a tenant");
    }
    db
}
