//! Policies, migrations and bulk helpers against a real PostgreSQL.

use futures_util::TryStreamExt;
use rls_runtime::bulk::{self, BulkInsert};
use rls_runtime::migrate::{Backfill, Migration};
use rls_runtime::policy::{Command, TableName, TenantTable, TenantType};
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb, assert_isolated};
use rls_runtime::verify::{Options, Report, Status, verify};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

const TABLES: &str = "
    create table orders (tenant_id uuid not null, id bigint not null, sku text, total numeric, primary key (tenant_id, id));
    create table \"Odd \"\"Lines\" (tenant_id uuid, id bigint not null, order_id bigint not null, primary key (tenant_id, id),
      foreign key (tenant_id, order_id) references orders (tenant_id, id))";

async fn database() -> TestDb {
    let db = TestDb::new().await;
    let (owner, app) = (db.owner(), db.runtime());
    db.execute(&format!(
        "alter default privileges for role {owner} in schema public revoke all on tables from {app};
         alter default privileges for role {owner} in schema public revoke all on sequences from {app}; {TABLES};
         grant select, insert, update, delete on orders, \"Odd \"\"Lines\" to {app}"
    ))
    .await
    .unwrap();
    db
}

fn orders(db: &TestDb) -> TenantTable {
    TenantTable::new(TableName::in_schema("public", "orders")).role(db.runtime())
}

fn lines(db: &TestDb) -> TenantTable {
    TenantTable::new(TableName::new("Odd \"Lines")).role(db.runtime())
}

async fn verified(db: &TestDb) -> Report {
    let mut connection = PgConnection::connect_with(&db.owner_options()).await.unwrap();
    let mut options = Options::default();
    options.roles = vec![db.runtime()];
    verify(&mut connection, &options).await.unwrap()
}

fn open(report: &Report) -> Vec<String> {
    report.open().map(|finding| format!("{} {}", finding.check, finding.object)).collect()
}

/// Fills both tenants with the same keys, by unnest through the scope.
async fn fill(pool: &RlsPool, table: &TenantTable, tenant: TenantId) -> sqlx::Result<u64> {
    let sql = BulkInsert::into(table).column("id", "int8").column("sku", "text").skip_known().sql();
    with_tenant(pool, tenant, async |mut tx| {
        let ids: Vec<i64> = (1..=500).collect();
        let skus: Vec<String> = ids.iter().map(|id| format!("{tenant} {id}")).collect();
        let done = sqlx::query(AssertSqlSafe(sql)).bind(ids).bind(skus).execute(&mut *tx).await?;
        Ok::<_, sqlx::Error>(done.rows_affected())
    })
    .await
}

#[tokio::test]
async fn up_twice_and_down_leave_what_they_say() {
    let db = database().await;
    let migration = Migration::new(1, "rls").table(orders(&db)).table(lines(&db));
    assert!(!verified(&db).await.is_clean());
    for _ in 0..2 {
        db.execute(&format!("begin; {}; commit", migration.up_sql())).await.unwrap();
        let report = verified(&db).await;
        assert_eq!(open(&report), [""; 0]);
        assert!(report.findings.iter().all(|finding| finding.status != Status::Advice), "{:?}", report.findings);
    }
    // The index of the primary key serves: none was added.
    let indexes: i64 = sqlx::query_scalar("select count(*) from pg_indexes where schemaname = 'public'")
        .fetch_one(&db.owner_pool().await.unwrap())
        .await
        .unwrap();
    assert_eq!(indexes, 2);

    let pool = db.pool().await;
    fill(&pool, &orders(&db), TENANT_A).await.unwrap();
    fill(&pool, &orders(&db), TENANT_B).await.unwrap();
    assert_isolated(&pool, "orders", "tenant_id").await;

    for _ in 0..2 {
        db.execute(&format!("begin; {}; commit", migration.down_sql())).await.unwrap();
    }
    let left: i64 = sqlx::query_scalar("select count(*) from pg_policies")
        .fetch_one(&db.owner_pool().await.unwrap())
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn sqlx_runs_the_files_and_takes_them_back() {
    let db = database().await;
    let folder = std::env::temp_dir().join(format!("rls-migrations-{}-{}", std::process::id(), db.name()));
    std::fs::create_dir_all(&folder).unwrap();
    Migration::new(20260301000000, "rls").table(orders(&db)).table(lines(&db)).write_to(&folder).unwrap();
    Migration::force_only(20260302000000, "reenable_force").table(orders(&db)).write_to(&folder).unwrap();
    let pool = db.owner_pool().await.unwrap();
    let migrator = Migrator::new(folder.as_path()).await.unwrap();
    migrator.run(&pool).await.unwrap();
    assert_eq!(open(&verified(&db).await), [""; 0]);
    migrator.undo(&pool, 20260301000000).await.unwrap();
    assert_eq!(open(&verified(&db).await), ["V02 public.orders"]);
    migrator.undo(&pool, 0).await.unwrap();
    assert!(open(&verified(&db).await).contains(&"V01 public.orders".to_owned()));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn partitions_are_closed_with_their_table() {
    let db = database().await;
    db.execute(&format!(
        "drop table \"Odd \"\"Lines\", orders; \
         create table orders (tenant_id uuid not null, id bigint not null, sku text, primary key (tenant_id, id)) partition by hash (id); \
         create table p0 partition of orders for values with (modulus 2, remainder 0) partition by list (id); \
         create table p00 partition of p0 default; \
         create table p1 partition of orders for values with (modulus 2, remainder 1); \
         grant select, insert, update, delete on orders to {}",
        db.runtime()
    ))
    .await
    .unwrap();
    db.execute(&orders(&db).up()).await.unwrap();
    assert_eq!(open(&verified(&db).await), [""; 0]);
    let pool = db.pool().await;
    fill(&pool, &orders(&db), TENANT_A).await.unwrap();
    fill(&pool, &orders(&db), TENANT_B).await.unwrap();
    assert_isolated(&pool, "orders", "tenant_id").await;
    db.execute(&orders(&db).down()).await.unwrap();
    assert!(open(&verified(&db).await).contains(&"V01 public.p00".to_owned()));
}

#[tokio::test]
async fn a_key_without_the_tenant_stops_the_migration() {
    let db = database().await;
    db.execute("alter table orders add unique (sku)").await.unwrap();
    let error = db.execute(&orders(&db).check_keys()).await.unwrap_err().to_string();
    assert!(error.contains("orders_sku_key"), "{error}");
    db.execute("alter table orders drop constraint orders_sku_key; alter table orders add unique (id)").await.unwrap();
    db.execute("alter table \"Odd \"\"Lines\" add constraint short foreign key (order_id) references orders (id)")
        .await
        .unwrap();
    let error = db.execute(&lines(&db).check_keys()).await.unwrap_err().to_string();
    assert!(error.contains("short"), "{error}");
}

#[tokio::test]
async fn rows_go_in_by_array_and_come_out_by_tenant() {
    let db = database().await;
    db.execute(&orders(&db).up()).await.unwrap();
    let pool = db.pool().await;
    assert_eq!(fill(&pool, &orders(&db), TENANT_A).await.unwrap(), 500);
    assert_eq!(fill(&pool, &orders(&db), TENANT_B).await.unwrap(), 500);
    assert_eq!(fill(&pool, &orders(&db), TENANT_B).await.unwrap(), 0, "the rows are known");
    let table = orders(&db);
    let rows =
        with_tenant(&pool, TENANT_A, async |mut tx| bulk::export_json(&mut *tx, &table).try_collect::<Vec<_>>().await)
            .await
            .unwrap();
    assert_eq!(rows.len(), 500);
    assert!(rows.iter().all(|row| row.contains(&TENANT_A.to_string())), "{}", rows[0]);

    // As a superuser, whom no policy binds, COPY still writes one tenant.
    let mut superuser = PgConnection::connect_with(&db.superuser_options()).await.unwrap();
    let bind = format!("select set_config('app.tenant_id', '{TENANT_B}', false)");
    superuser.execute(AssertSqlSafe(bind)).await.unwrap();
    let csv: Vec<_> = superuser.copy_out_raw(&bulk::export_csv(&table)).await.unwrap().try_collect().await.unwrap();
    let csv = String::from_utf8(csv.concat()).unwrap();
    assert_eq!(csv.lines().count(), 501);
    assert!(!csv.contains(&TENANT_A.to_string()));
    assert_eq!(bulk::dump_options("app.tenant_id", "a b"), "-c app.tenant_id=a\\ b");
}

#[tokio::test]
async fn a_backfill_reaches_every_tenant_under_force() {
    let db = database().await;
    db.execute("create table tenants (id uuid primary key)").await.unwrap();
    db.execute(&format!("insert into tenants values ('{TENANT_A}'), ('{TENANT_B}')")).await.unwrap();
    db.execute(&orders(&db).up()).await.unwrap();
    let pool = db.pool().await;
    fill(&pool, &orders(&db), TENANT_A).await.unwrap();
    fill(&pool, &orders(&db), TENANT_B).await.unwrap();
    // The owner gets no policy of its own here, so the policies are for everybody while it migrates.
    db.execute(&TenantTable::new("orders".parse().unwrap()).policies()).await.unwrap();

    let statement = "update orders set sku = 'it''s', total = 1 where total is null";
    assert!(db.execute(statement).await.is_err(), "a plain backfill must be refused, not silent");
    let backfill = Backfill::new("tenants".parse().unwrap(), "id");
    db.execute(&format!("begin; {}; commit", backfill.sql(statement))).await.unwrap();

    let mut superuser = PgConnection::connect_with(&db.superuser_options()).await.unwrap();
    let open: i64 =
        sqlx::query_scalar("select count(*) from orders where total is null").fetch_one(&mut superuser).await.unwrap();
    let done: i64 =
        sqlx::query_scalar("select count(*) from orders where total = 1").fetch_one(&mut superuser).await.unwrap();
    assert_eq!((open, done), (0, 1000));
}

#[tokio::test]
async fn every_tenant_type_gets_policies_that_verify() {
    let db = TestDb::new().await;
    for (at, (sql_type, tenant_type)) in [
        ("bigint", TenantType::BigInt),
        ("integer", TenantType::Integer),
        ("text", TenantType::Text),
        ("uuid", TenantType::Uuid),
    ]
    .into_iter()
    .enumerate()
    {
        let (schema, app) = (format!("s{at}"), db.runtime());
        db.execute(&format!(
            "drop schema if exists s{} cascade; create schema {schema}; grant usage on schema {schema} to {app};
             create table {schema}.t (org {sql_type}, id bigint not null, primary key (org, id));
             grant select, insert on {schema}.t to {app}",
            at.max(1) - 1
        ))
        .await
        .unwrap();
        let table = TenantTable::new(TableName::in_schema(&schema, "t"))
            .column("org")
            .setting("my.org")
            .column_type(tenant_type)
            .commands(&[Command::Select, Command::Insert])
            .role(&app);
        db.execute(&(table.up() + &table.check_keys())).await.unwrap();
        let mut connection = PgConnection::connect_with(&db.superuser_options()).await.unwrap();
        let mut options = Options::default();
        options.roles = vec![app];
        options.tenant_column = "org".into();
        options.tenant_setting = "my.org".into();
        let report = verify(&mut connection, &options).await.unwrap();
        let policies = report.findings.iter().filter(|finding| finding.check != "V25").count();
        assert_eq!(policies, 0, "{sql_type}: {:?}", report.findings);
    }
}

/// The peer's prover must find the canonical policies proven in every mode, by form and live.
///
/// `pgrls` comes from PyPI: `pip install pgrls`.
#[tokio::test]
async fn pgrls_proves_the_canonical_policies() {
    let Ok(version) = std::process::Command::new("pgrls").arg("--version").output() else {
        eprintln!("skipped: pgrls is not on the path");
        return;
    };
    assert!(version.status.success());
    let db = database().await;
    // Its probe gives up on a table that needs rows in another.
    db.execute("drop table \"Odd \"\"Lines\"; create table notes (tenant_id bigint not null, id bigint, primary key (tenant_id, id))")
        .await
        .unwrap();
    let notes = TenantTable::new("notes".parse().unwrap()).column_type(TenantType::BigInt).role(db.runtime());
    let up = Migration::new(1, "rls").table(orders(&db)).table(notes).up_sql();
    db.execute(&format!("begin; {up}; commit")).await.unwrap();
    let url = db.url("postgres").replacen("postgres://", "postgresql://", 1);
    for mode in ["anon", "cross-tenant", "write"] {
        for extra in [&["--strict"][..], &["--strict", "--probe"]] {
            let output = std::process::Command::new("pgrls")
                .args(["verify", "--database-url", &url, "--schemas", "public", "--mode", mode])
                .args(extra)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{mode} {extra:?}: {text}");
            assert!(text.contains("2 proven isolated, 0 leaking, 0 unverified"), "{mode} {extra:?}: {text}");
        }
    }
}
