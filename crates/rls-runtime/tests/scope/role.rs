//! Which roles a pool refuses, and what it says about them.

use rls_runtime::testing::TestDb;
use rls_runtime::{Error, RlsPool, RlsPoolOptions, RoleProblem};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{SCHEMA, database};

async fn problems(options: PgConnectOptions) -> Vec<RoleProblem> {
    match RlsPool::connect_with(options).await {
        Ok(_) => Vec::new(),
        Err(Error::RoleRefused(refused)) => refused.problems,
        Err(error) => panic!("{error}"),
    }
}

/// Plant something as the superuser, and see what is found for the runtime role; `{APP}`, `{OWNER}` and `{DB}` are filled in.
async fn problems_after(planted: &str) -> (TestDb, Vec<RoleProblem>) {
    let db = database().await;
    let sql = planted.replace("{APP}", &db.runtime()).replace("{OWNER}", &db.owner()).replace("{DB}", db.name());
    db.execute_as_superuser(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let found = problems(db.runtime_options()).await;
    (db, found)
}

#[tokio::test]
async fn a_plain_runtime_role_is_accepted() {
    let (_db, found) = problems_after("SELECT 1").await;
    assert_eq!(found, []);
}

#[tokio::test]
async fn attributes_are_refused() {
    for attribute in ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION"] {
        let (db, found) = problems_after(&format!("ALTER ROLE {{APP}} {attribute}")).await;
        let role = db.runtime();
        assert_eq!(found, [RoleProblem::Attribute { role: role.clone(), attribute: attribute.to_owned() }]);
        let fix = format!("ALTER ROLE \"{role}\" NO{attribute};");
        assert!(found[0].to_string().ends_with(&fix), "{}", found[0]);
        db.execute_as_superuser(&fix).await.expect("the fix is valid");
        assert_eq!(problems(db.runtime_options()).await, [], "the fix helps");
    }
}

#[tokio::test]
async fn what_the_role_can_become_counts_also_over_two_steps_and_without_inheriting() {
    let planted = "CREATE ROLE {DB}_boss BYPASSRLS; CREATE ROLE {DB}_middle NOINHERIT;
                   GRANT {DB}_boss TO {DB}_middle; GRANT {DB}_middle TO {APP}; ALTER ROLE {APP} NOINHERIT";
    let (db, found) = problems_after(planted).await;
    let expected = RoleProblem::CanBecome {
        role: db.runtime(),
        becomes: format!("{}_boss", db.name()),
        attribute: "BYPASSRLS".to_owned(),
    };
    assert_eq!(found, [expected]);
}

/// Since PostgreSQL 16 a membership says what it allows; before, each lets its member become the role.
#[tokio::test]
async fn a_role_is_refused_for_what_it_can_become_by_the_options_of_its_memberships() {
    let told_apart = {
        let db = database().await;
        let mut connection = PgConnection::connect_with(&db.runtime_options()).await.expect("connects");
        let told_apart = "SELECT current_setting('server_version_num')::int >= 160000";
        sqlx::query_scalar::<_, bool>(told_apart).fetch_one(&mut connection).await.expect("reads")
    };
    let direct = |options: &str| format!("GRANT {{DB}}_boss TO {{APP}} WITH {options}");
    let memberships = [
        (direct("ADMIN FALSE, INHERIT FALSE, SET TRUE"), true),
        (direct("ADMIN TRUE, INHERIT FALSE, SET FALSE"), true),
        (direct("ADMIN FALSE, INHERIT FALSE, SET FALSE"), false),
        (direct("ADMIN FALSE, INHERIT TRUE, SET FALSE"), false),
        (
            "GRANT {DB}_boss TO {DB}_middle WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
             GRANT {DB}_middle TO {APP} WITH INHERIT TRUE, SET FALSE"
                .to_owned(),
            true,
        ),
        (
            "GRANT {DB}_boss TO {DB}_middle WITH SET TRUE; GRANT {DB}_middle TO {APP} WITH INHERIT TRUE, SET FALSE"
                .to_owned(),
            false,
        ),
    ];
    let old = [("GRANT {DB}_boss TO {APP}".to_owned(), true), ("SELECT 1".to_owned(), false)];
    let cases = if told_apart { Vec::from(memberships) } else { Vec::from(old) };
    for (granted, refused) in cases {
        let (db, found) =
            problems_after(&format!("CREATE ROLE {{DB}}_boss BYPASSRLS; CREATE ROLE {{DB}}_middle; {granted}")).await;
        assert_eq!(!found.is_empty(), refused, "{granted}: {found:?}");
        assert_eq!(can_become_the_boss(&db).await, refused, "what the server does after {granted}");
    }
}

/// What the role really can do, with every means that it has.
async fn can_become_the_boss(db: &TestDb) -> bool {
    let mut connection = PgConnection::connect_with(&db.runtime_options()).await.expect("connects");
    let mut run = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.is_ok();
    let (boss, app) = (format!("{}_boss", db.name()), db.runtime());
    run(format!("GRANT {boss} TO {app} WITH SET TRUE")).await;
    run(format!("SET ROLE {boss}")).await
}

#[tokio::test]
async fn the_rights_of_a_superuser_and_of_an_owner_count_without_becoming_it() {
    let db = database().await;
    let inherit_only = "DO $$ BEGIN
            IF current_setting('server_version_num')::int >= 160000 THEN
                EXECUTE 'GRANT {WHOM} TO {APP} WITH INHERIT TRUE, SET FALSE';
            ELSE
                EXECUTE 'GRANT {WHOM} TO {APP}';
            END IF; END $$";
    let grant = |whom: String| inherit_only.replace("{WHOM}", &whom).replace("{APP}", &db.runtime());
    db.execute_as_superuser(&grant(db.owner())).await.expect("is valid");
    db.execute("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY").await.expect("the owner may");
    let found = problems(db.runtime_options()).await;
    assert!(matches!(&found[..], [RoleProblem::OwnsUnforced { .. }]), "{found:?}");
    db.execute("ALTER TABLE orders FORCE ROW LEVEL SECURITY").await.expect("the owner may");
    db.execute_as_superuser(&grant("postgres".to_owned())).await.expect("is valid");
    let found = problems(db.runtime_options()).await;
    let superuser = |problem: &RoleProblem| matches!(problem, RoleProblem::CanBecome { attribute, .. } if attribute.starts_with("SUPERUSER"));
    assert!(found.iter().any(superuser), "{found:?}");
}

#[tokio::test]
async fn a_way_to_the_operating_system_is_a_way_past_the_policies() {
    for role in ["pg_execute_server_program", "pg_write_server_files", "pg_read_server_files"] {
        let (_db, found) = problems_after(&format!("GRANT {role} TO {{APP}}")).await;
        assert!(matches!(&found[..], [RoleProblem::CanBecome { becomes, .. }] if becomes == role), "{found:?}");
    }
}

#[tokio::test]
async fn owning_an_unforced_table_is_refused() {
    for planted in [
        "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY; ALTER TABLE orders OWNER TO {APP}",
        "ALTER TABLE orders DISABLE ROW LEVEL SECURITY; ALTER TABLE orders OWNER TO {APP}",
        "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY; GRANT {OWNER} TO {APP}",
        "ALTER TABLE orders DISABLE ROW LEVEL SECURITY; DROP POLICY tenant ON orders; GRANT {OWNER} TO {APP}",
    ] {
        let (db, found) = problems_after(planted).await;
        assert!(
            matches!(&found[..], [RoleProblem::OwnsUnforced { table, .. }] if table == "public.orders"),
            "after {planted}: {found:?}"
        );
        db.execute_as_superuser("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
            .await
            .expect("the fix is valid");
        assert_eq!(problems(db.runtime_options()).await, [], "the fix helps after {planted}");
    }
}

#[tokio::test]
async fn owning_forced_tables_and_tables_without_tenants_is_accepted() {
    let (_db, found) = problems_after("GRANT {OWNER} TO {APP}; CREATE TABLE public.countries (code text); ALTER TABLE public.countries OWNER TO {APP}").await;
    assert_eq!(found, []);
}

#[tokio::test]
async fn a_session_that_starts_with_a_tenant_is_refused() {
    let tenant = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";
    for planted in
        ["ALTER ROLE {APP} SET app.tenant_id = '{TENANT}'", "ALTER DATABASE {DB} SET app.tenant_id = '{TENANT}'"]
    {
        let (_db, found) = problems_after(&planted.replace("{TENANT}", tenant)).await;
        assert!(matches!(&found[..], [RoleProblem::StartsBound { value, .. }] if value == tenant), "{found:?}");
    }
}

#[tokio::test]
async fn the_superuser_is_refused_with_all_that_it_is() {
    let db = TestDb::new().await;
    db.execute(SCHEMA).await.expect("is valid");
    let refused = RlsPool::connect_with(db.superuser_options()).await.expect_err("a superuser must be refused");
    let text = refused.to_string();
    for attribute in ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION"] {
        assert!(text.contains(&format!("role `postgres` has {attribute}")), "{text}");
    }
}

#[tokio::test]
async fn local_development_may_opt_out_by_name() {
    let db = database().await;
    let options = RlsPoolOptions::new().dangerously_accept_any_role_for_local_development();
    options.connect_with(db.superuser_options()).await.expect("accepted, with a warning");
}

#[tokio::test]
async fn a_setting_that_is_no_name_is_refused() {
    let db = database().await;
    let options = RlsPoolOptions::new().tenant_setting("app.tenant'; DROP TABLE orders; --");
    let refused = options.connect_with(db.runtime_options()).await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
}
