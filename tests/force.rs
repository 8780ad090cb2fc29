//! What `force` writes, on a real PostgreSQL: it applies, the runtime's verifier is content, and the way back leads back.

use std::path::Path;
use std::process::Command;

use rls_runtime::testing::TestDb;
use rls_runtime::verify::{Options, verify};
use sqlx::{Connection, PgConnection};

const SCHEMA: &str = r#"
create schema "Odd Schema";
grant usage on schema "Odd Schema" to {app};
create table orders (
    tenant_id uuid not null,
    id uuid not null,
    primary key (tenant_id, id)
);
create table "Odd Schema"."Order ""Lines""" (
    tenant_id uuid not null,
    order_id uuid not null,
    line int not null,
    primary key (tenant_id, order_id, line),
    foreign key (tenant_id, order_id) references orders (tenant_id, id)
);
create table "user" (
    tenant_id uuid not null,
    id uuid not null,
    primary key (tenant_id, id)
);
alter table orders enable row level security;
do $$
declare t text;
begin
    foreach t in array array['orders', '"Odd Schema"."Order ""Lines"""', '"user"'] loop
        execute format('create policy tenant on %s to {app}
            using (tenant_id = (select current_setting(''app.tenant_id'')::uuid))
            with check (tenant_id = (select current_setting(''app.tenant_id'')::uuid))', t);
        execute format('grant select, insert, update, delete on %s to {app}', t);
    end loop;
end $$;
"#;

/// What the verifier finds, as `V02 orders`.
async fn found(db: &TestDb) -> Vec<String> {
    let mut connection = PgConnection::connect_with(&db.superuser_options()).await.unwrap();
    let mut options = Options::default();
    options.roles = vec![db.runtime()];
    let report = verify(&mut connection, &options).await.unwrap();
    report.open().map(|finding| format!("{} {}", finding.check, finding.object)).collect()
}

fn audit(folder: &Path, args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit")).current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_migration_applies_and_satisfies_the_verifier() {
    let db = TestDb::new().await;
    let schema = SCHEMA.replace("{app}", &db.runtime());
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join("1_schema.sql"), &schema).unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"a\"\nversion = \"0.1.0\"\n").unwrap();
    std::fs::create_dir_all(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    audit(folder.path(), &["force", "-o", "migrations/2_force.up.sql"]);
    let up = std::fs::read_to_string(migrations.join("2_force.up.sql")).unwrap();
    let down = std::fs::read_to_string(migrations.join("2_force.down.sql")).unwrap();

    let no_defaults = format!(
        "alter default privileges for role {owner} in schema public revoke all on tables from {app};
         alter default privileges for role {owner} in schema public revoke all on sequences from {app}",
        owner = db.owner(),
        app = db.runtime()
    );
    db.execute_as_superuser(&no_defaults).await.unwrap();
    db.execute(&schema).await.unwrap();
    let before = found(&db).await;
    assert!(before.iter().any(|finding| finding.starts_with("V02")), "{before:?}");

    db.execute(&up).await.unwrap();
    assert_eq!(found(&db).await, [""; 0]);
    db.execute(&down).await.unwrap();
    assert_eq!(found(&db).await, before, "the way back leads to where it was");
    db.execute(&up).await.unwrap();
    assert_eq!(found(&db).await, [""; 0]);

    audit(folder.path(), &["check", "--deny", "all"]);
}
