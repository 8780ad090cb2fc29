use rls_runtime::{TenantConn, TenantTx};

fn forge(conn: TenantConn) -> TenantTx {
    TenantTx { conn }
}

fn main() {
    let _ = forge;
    let _ = TenantTx::default();
}
