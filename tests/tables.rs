//! The readiness table in every format.

use rls_audit::audit::{AuditOptions, audit};
use rls_audit::discover::Sources;
use rls_audit::readiness::Readiness;
use rls_audit::report::{Color, tables};
use rls_audit::rules::Rules;

const SQL: &str = "
create table done (tenant_id uuid);
alter table done enable row level security, force row level security;
create policy p on done using (tenant_id = current_setting('app.tenant_id')::uuid);
create table ready (tenant_id uuid);
alter table ready enable row level security;
create policy p on ready using (tenant_id = current_setting('app.tenant_id')::uuid);
create table naked (tenant_id uuid);
create table gappy (tenant_id uuid);
alter table gappy enable row level security;
create policy p on gappy for select using (tenant_id = current_setting('app.tenant_id')::uuid);
create table broken (tenant_id uuid);
alter table broken enable row level security, force row level security;
create policy p on broken using (tenant_id = current_setting('app.tenant_id')::uuid);
create table currencies (code text);
";

const RUST: &str = r#"
use sqlx::PgPool;
async fn gaps(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("select * from gappy").execute(pool).await?;
    sqlx::query("update gappy set x = 1").execute(pool).await?;
    sqlx::query("delete from broken").execute(pool).await?;
    sqlx::query(&make()).execute(pool).await?;
    Ok(())
}
fn make() -> String { std::env::var("Q").unwrap() }
"#;

#[test]
fn the_reports_say_the_same() {
    let sources = Sources::from_texts([("migrations/1.sql", SQL), ("src/lib.rs", RUST)]);
    let rules: Rules = toml::from_str(include_str!("../rules.toml")).unwrap();
    let verdict = audit(sources, &rules, &AuditOptions::default());
    let readiness = Readiness::of(&verdict, &rules.tables);
    let text = |print: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    };
    let human = text(&|out| tables::human(&readiness, Color::Plain, out).unwrap());
    let markdown = text(&|out| tables::markdown(&readiness, out).unwrap());
    let json = text(&|out| tables::json(&readiness, &verdict, out).unwrap());
    insta::assert_snapshot!("tables_human", human);
    insta::assert_snapshot!("tables_markdown", markdown);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["schema"], "rls-audit-tables/1");
    assert_eq!(document["tables"][2]["gaps"], serde_json::json!(["src/lib.rs:4", "src/lib.rs:5"]));
    assert_eq!(document["tables"][2]["policies"][0]["command"], "SELECT");
    assert_eq!(document["tables"][1]["forced"]["file"], "migrations/1.sql");
}
