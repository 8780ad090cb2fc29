use super::Readiness;
use crate::audit::{AuditOptions, audit};
use crate::discover::Sources;
use crate::finding::Verdict;
use crate::force::force;
use crate::rules::Rules;
use crate::sql::TableName;

const SQL: &str = "
    create table done (tenant_id uuid); alter table done enable row level security, force row level security;
    create policy p on done using (tenant_id = current_setting('app.tenant_id')::uuid);
    create table ready (tenant_id uuid); alter table ready enable row level security;
    create policy p on ready using (tenant_id = current_setting('app.tenant_id')::uuid);
    create table \"Fresh\" (tenant_id uuid);
    create policy p on \"Fresh\" using (tenant_id = current_setting('app.tenant_id')::uuid);
    create table naked (tenant_id uuid);
    create table gappy (tenant_id uuid); alter table gappy enable row level security;
    create policy p on gappy for select using (tenant_id = current_setting('app.tenant_id')::uuid);
    create view gappy_view as select * from gappy;
    create table currencies (code text);
";

const RUST: &str = r#"
use sqlx::{PgPool, Postgres, Transaction};
async fn gaps(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("select * from gappy_view").execute(pool).await?;
    sqlx::query("update gappy set x = 1").execute(pool).await?;
    sqlx::query("select * from currencies").execute(pool).await?;
    sqlx::query(&make()).execute(pool).await?;
    sqlx::query("select * from elsewhere").execute(pool).await?;
    Ok(())
}
fn make() -> String { std::env::var("Q").unwrap() }
"#;

fn verdict() -> (Verdict, Rules) {
    let sources = Sources::from_texts([("migrations/1.sql", SQL), ("src/lib.rs", RUST)]);
    let rules: Rules = toml::from_str(include_str!("../../rules.toml")).unwrap();
    (audit(sources, &rules, &AuditOptions::default()), rules)
}

fn readiness() -> Readiness {
    let (verdict, rules) = verdict();
    Readiness::of(&verdict, &rules.tables)
}

#[test]
fn every_table_has_its_state() {
    let readiness = readiness();
    let states: Vec<String> = readiness
        .tables
        .iter()
        .map(|table| format!("{} {} {}", table.name, table.state.word(), table.state.reasons().join(", ")))
        .collect();
    assert_eq!(
        states,
        [
            "Fresh ready ",
            "done done ",
            "elsewhere blocked 1 open gap, no migration makes it",
            "gappy blocked 2 open gaps, no policy for UPDATE",
            "naked blocked no policy lets any row through",
            "ready ready ",
        ]
    );
    let gappy = &readiness.tables[3];
    assert_eq!(gappy.gaps.iter().map(|gap| gap.line).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(gappy.statements.get("gap"), Some(&2));
    assert_eq!(readiness.shared.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), ["currencies"]);
    assert_eq!(readiness.unknown.iter().map(|gap| gap.line).collect::<Vec<_>>(), [7]);
}

#[test]
fn ready_tables_are_forced_and_others_only_by_name() {
    let readiness = readiness();
    let all = force(&readiness, &[]).unwrap();
    assert_eq!(all.tables.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Fresh", "ready"]);
    assert_eq!(all.refused.len(), 3);
    assert!(
        all.up.contains(
            "ALTER TABLE \"Fresh\" ENABLE ROW LEVEL SECURITY;\nALTER TABLE \"Fresh\" FORCE ROW LEVEL SECURITY;"
        )
    );
    assert!(all.up.contains("ALTER TABLE ready FORCE ROW LEVEL SECURITY;") && !all.up.contains("ready ENABLE"));
    assert!(all.down.contains("ALTER TABLE ready NO FORCE ROW LEVEL SECURITY;") && !all.down.contains("ready DISABLE"));
    let named = force(&readiness, &[TableName::parse("public.gappy")]).unwrap();
    assert_eq!(named.tables, [TableName::parse("gappy")]);
    assert!(named.up.contains("-- forced by name, although: 2 open gaps"));
    assert_eq!(force(&readiness, &[TableName::parse("nobody")]), Err(TableName::parse("nobody")));
}
