use super::replay::Origin;
use super::{Migration, RowCommand, Schema, Tenancy, exemption, predicate, replay};
use crate::rules::TableRules;
use crate::sql::TableName;

fn schema(sql: &str) -> Schema {
    replay(&[Migration { text: sql, origin: Origin::file(0) }])
}

fn named(name: &str) -> TableName {
    TableName::parse(name)
}

/// The state of a table: `E`nabled, `F`orced, and its policies.
fn state(schema: &Schema, table: &str) -> String {
    let Some(table) = schema.table(&named(table)) else { return "none".to_owned() };
    let mut out = String::new();
    out.push_str(if table.enabled.is_some() { "E" } else { "-" });
    out.push_str(if table.forced.is_some() { "F" } else { "-" });
    for policy in &table.policies {
        out.push_str(&format!(" {}:{}", policy.name, policy.command.word()));
    }
    out
}

#[test]
fn tables_with_columns_and_security() {
    let schema = schema(
        "CREATE TABLE orders (tenant_id uuid NOT NULL REFERENCES tenants (id), id uuid, PRIMARY KEY (tenant_id, id), CHECK (id <> tenant_id));
         ALTER TABLE orders ADD COLUMN note text, ADD total numeric(10, 2), ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         ALTER TABLE ONLY public.orders RENAME COLUMN note TO remark;
         CREATE POLICY p ON orders FOR INSERT TO app, PUBLIC WITH CHECK (tenant_id = current_setting('app.x')::uuid);",
    );
    assert_eq!(state(&schema, "orders"), "EF p:INSERT");
    let table = schema.table(&named("public.orders")).unwrap();
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["tenant_id", "id", "remark", "total"]);
    assert_eq!(table.references, [named("tenants")]);
    assert_eq!(table.policies[0].roles, ["app"]);
    assert_eq!(table.policies[0].check.as_ref().unwrap().text, "tenant_id = current_setting('app.x')::uuid");
    assert_eq!(schema.tenant_settings.keys().collect::<Vec<_>>(), ["app.x"]);
}

#[test]
fn a_table_of_two_databases_has_the_columns_of_both() {
    let here = "CREATE TABLE notes (id uuid, tenant_id uuid); ALTER TABLE notes ENABLE ROW LEVEL SECURITY;";
    let there = "CREATE TABLE IF NOT EXISTS notes (id text, body text);";
    for sql in [format!("{here} {there}"), format!("{there} {here}")] {
        let schema = schema(&sql);
        assert_eq!(state(&schema, "notes"), "E-", "{sql}");
        let table = schema.table(&named("notes")).unwrap();
        assert!(["id", "body", "tenant_id"].iter().all(|column| table.column(column).is_some()), "{sql}");
    }
}

#[test]
fn the_last_word_counts() {
    let base = "CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (true);";
    for (more, expected) in [
        ("", "EF p:ALL"),
        ("ALTER TABLE t NO FORCE ROW LEVEL SECURITY", "E- p:ALL"),
        ("ALTER TABLE t DISABLE ROW LEVEL SECURITY", "-F p:ALL"),
        ("DROP POLICY IF EXISTS p ON t", "EF"),
        ("ALTER POLICY p ON t RENAME TO q", "EF q:ALL"),
        ("DROP TABLE t", "none"),
        ("DROP TABLE IF EXISTS other, public.t CASCADE", "none"),
        ("CREATE TABLE IF NOT EXISTS t (b int)", "EF p:ALL"),
        ("ALTER TABLE t RENAME TO u", "none"),
        ("ALTER TABLE t SET SCHEMA s", "none"),
    ] {
        assert_eq!(state(&schema(&format!("{base}{more}")), "t"), expected, "{more}");
    }
    assert_eq!(state(&schema(&format!("{base} ALTER TABLE t RENAME TO u")), "u"), "EF p:ALL");
    assert_eq!(state(&schema(&format!("{base} ALTER TABLE t SET SCHEMA s")), "s.t"), "EF p:ALL");
}

#[test]
fn blocks_are_unrolled() {
    let tables = "CREATE TABLE a (tenant_id int); CREATE TABLE \"B\" (tenant_id int); CREATE TABLE c (id int);";
    for block in [
        "DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['a', 'B'] LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); EXECUTE format('CREATE POLICY %I ON %I USING (true)', 'p', t); END LOOP; END $$;",
        "DO $do$ DECLARE names text[] := ARRAY['a', 'B']; t text; BEGIN FOREACH t IN ARRAY names LOOP EXECUTE 'ALTER TABLE ' || quote_ident(t) || ' ENABLE ROW LEVEL SECURITY'; EXECUTE format($f$CREATE POLICY p ON %1$I USING (true)$f$, t); END LOOP; END $do$ LANGUAGE plpgsql;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT unnest(ARRAY['a', 'B']) AS name LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %I USING (true)', r.name, r.name); END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM (VALUES ('a', 1), ('B', 2)) AS v (name, n) LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %I USING (true)', r.name, r.name); END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id' LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %I USING (true)', r.table_name, r.table_name); END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('c') LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %I USING (true)', r.tablename, r.tablename); END LOOP; END $$;",
        "CREATE FUNCTION guard(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); EXECUTE format('CREATE POLICY p ON %I USING (true)', t); END $$; SELECT guard('a'); SELECT guard('B');",
        "CREATE FUNCTION guard(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); EXECUTE format('CREATE POLICY p ON %I USING (true)', t); END $$; SELECT guard(t) FROM unnest(ARRAY['a', 'B']) t;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_policies WHERE tablename = 'a') THEN CREATE POLICY p ON a USING (true); END IF; ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE \"B\" ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON \"B\" USING (true); EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
    ] {
        let schema = schema(&format!("{tables}{block}"));
        assert_eq!(state(&schema, "a"), "E- p:ALL", "{block}");
        assert_eq!(state(&schema, "B"), "E- p:ALL", "{block}");
        assert_eq!(state(&schema, "c"), "--", "{block}");
        assert!(schema.blind_spots.is_empty(), "{block}: {:?}", schema.blind_spots);
    }
}

#[test]
fn what_only_the_database_knows_is_a_blind_spot() {
    let schema = schema(
        "CREATE TABLE a (tenant_id int);
         DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'x%' LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', r.tablename); END LOOP; END $$;
         ALTER TABLE a FORCE ROW LEVEL SECURITY;",
    );
    assert_eq!(state(&schema, "a"), "-F");
    assert_eq!(schema.blind_spots.len(), 1);
}

#[test]
fn views_functions_roles_and_partitions() {
    let schema = schema(
        "CREATE TABLE t (tenant_id int, day date) PARTITION BY RANGE (day);
         CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
         CREATE VIEW v AS SELECT * FROM t; CREATE VIEW w WITH (security_invoker = true) AS SELECT * FROM v;
         CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; ALTER VIEW v SET (security_invoker = on);
         CREATE FUNCTION f(x int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$ BEGIN UPDATE t SET day = now(); RETURN 1; END $$;
         CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION g() SECURITY DEFINER;
         CREATE ROLE boss LOGIN BYPASSRLS; CREATE ROLE ex SUPERUSER; ALTER ROLE ex NOSUPERUSER;",
    );
    assert_eq!(schema.table(&named("t_1")).unwrap().parent, Some(named("t")));
    assert!(schema.table(&named("t_1")).unwrap().column("tenant_id").is_some());
    assert!(schema.view(&named("v")).unwrap().security_invoker);
    assert_eq!(schema.view(&named("w")).unwrap().reads, [named("v")]);
    assert!(schema.view(&named("m")).unwrap().materialized);
    let f = &schema.functions[&named("f")];
    assert!(f.security_definer);
    assert_eq!(f.touches, [named("t")]);
    assert!(schema.functions[&named("g")].security_definer);
    assert_eq!(schema.bypass_roles.keys().collect::<Vec<_>>(), ["boss"]);
}

#[test]
fn tenancy_of_every_table() {
    let schema = schema(
        "CREATE TABLE tenants (id uuid PRIMARY KEY); CREATE TABLE orders (org_uuid uuid, id uuid);
         CREATE TABLE lines (order_id uuid REFERENCES orders (id)); CREATE TABLE countries (code text);
         CREATE TABLE secrets (user_id uuid); ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
         CREATE TABLE units (code text); ALTER TABLE units ENABLE ROW LEVEL SECURITY;
         CREATE POLICY units_read_all ON units FOR SELECT USING (TRUE);
         CREATE TABLE notes (owner text); CREATE POLICY own ON notes USING (owner = current_user);
         CREATE POLICY notes_read_all ON notes FOR SELECT USING (TRUE);
         CREATE VIEW v AS SELECT * FROM lines; CREATE VIEW w AS SELECT * FROM countries;
         CREATE POLICY p ON orders USING (org_uuid = (SELECT current_setting('app.org')::uuid));",
    );
    let tenancies = schema.tenancies(&TableRules::default());
    let is_tenant = |name: &str| matches!(tenancies.get(&named(name)), Some(Tenancy::Tenant(_)));
    for name in ["orders", "lines", "secrets", "notes", "v"] {
        assert!(is_tenant(name), "{name}");
    }
    for name in ["tenants", "countries", "units", "w"] {
        assert!(matches!(tenancies.get(&named(name)), Some(Tenancy::Shared(_))), "{name}");
    }
    assert_eq!(
        exemption(&tenancies, &[named("public.countries")]).unwrap(),
        "`public.countries` has no tenant column and no policies"
    );
    assert_eq!(
        exemption(&tenancies, &[named("units")]).unwrap(),
        "`units` has no tenant column and policies that show it to everybody"
    );
    assert_eq!(exemption(&tenancies, &[named("countries"), named("orders")]), None);
    assert_eq!(exemption(&tenancies, &[named("unheard_of")]), None);
    assert_eq!(exemption(&tenancies, &[]), None);
}

#[test]
fn without_tenants_nothing_is_known_to_be_shared() {
    let tenancies = schema("CREATE TABLE crates (id int)").tenancies(&TableRules::default());
    assert!(tenancies.is_empty());
}

#[test]
fn weak_conditions() {
    use predicate::Weakness::{AlwaysTrue, MissingTenantMatches};
    let functions = schema(
        "CREATE FUNCTION tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT NULLIF(current_setting('app.t', true), '')::uuid $$;
         CREATE FUNCTION app.slow() RETURNS uuid LANGUAGE plpgsql AS $$ BEGIN RETURN current_setting('app.t', true)::uuid; END $$;",
    );
    for (condition, expected) in [
        ("true", Some(AlwaysTrue)),
        ("(1 = 1)", Some(AlwaysTrue)),
        ("tenant_id = tenant_id", Some(AlwaysTrue)),
        ("true AND tenant_id = current_setting('app.t')::uuid", None),
        ("tenant_id = current_setting('app.t')::uuid", None),
        ("tenant_id = (SELECT current_setting('app.t', true)::uuid)", None),
        ("tenant_id = (SELECT NULLIF(current_setting('app.t', true), '')::uuid)", None),
        ("tenant_id::text = current_setting('app.t', true)", None),
        (
            "current_setting('app.t', true) IS NULL OR tenant_id = current_setting('app.t', true)::uuid",
            Some(MissingTenantMatches),
        ),
        (
            "tenant_id = current_setting('app.t', true)::uuid OR current_setting('app.t', true) = ''",
            Some(MissingTenantMatches),
        ),
        (
            "COALESCE(current_setting('app.t', true), '') = '' OR tenant_id::text = current_setting('app.t', true)",
            Some(MissingTenantMatches),
        ),
        (
            "tenant_id = COALESCE(NULLIF(current_setting('app.t', true), '')::uuid, tenant_id)",
            Some(MissingTenantMatches),
        ),
        ("tenant_id::text = COALESCE(current_setting('app.t', true), tenant_id::text)", Some(MissingTenantMatches)),
        (
            "CASE WHEN current_setting('app.t', true) IS NULL THEN true ELSE tenant_id = current_setting('app.t')::uuid END",
            Some(MissingTenantMatches),
        ),
        ("tenant_id = tenant()", None),
        ("tenant() IS NULL OR tenant_id = tenant()", Some(MissingTenantMatches)),
        ("app.slow() IS NULL OR tenant_id = app.slow()", Some(MissingTenantMatches)),
        ("unheard_of() OR tenant_id = tenant()", None),
        ("current_setting('app.bypass', true) = 'on'", None),
        ("current_setting('app.bypass', true) IS DISTINCT FROM 'off'", Some(MissingTenantMatches)),
        ("NOT (current_setting('app.t', true) <> '')", Some(MissingTenantMatches)),
        ("order_id IN (SELECT id FROM orders WHERE tenant_id = current_setting('app.t')::uuid)", None),
        ("current_setting('app.t', true) IN ('', 'x')", Some(MissingTenantMatches)),
    ] {
        assert_eq!(predicate::weakness(condition, &functions), Ok(expected), "{condition}");
    }
    assert!(predicate::weakness("tenant_id = = 1", &functions).is_err());
}

#[test]
fn hostile_conditions_are_survived() {
    let nothing = Schema::default();
    for condition in
        ["a or ".repeat(1_500) + "a", "(".repeat(4_000), "not ".repeat(1_900) + "a", "case when ".repeat(700)]
    {
        assert_ne!(predicate::weakness(&condition, &nothing), Ok(Some(predicate::Weakness::AlwaysTrue)), "{condition}");
    }
}

/// As PostgreSQL 15 does it: tried, not read.
#[test]
fn a_policy_without_its_condition_permits_nothing() {
    let schema = schema(
        "CREATE TABLE t (a int); CREATE POLICY i ON t FOR INSERT; CREATE POLICY s ON t FOR SELECT; CREATE POLICY z ON t;
         CREATE TABLE u (a int); CREATE POLICY c ON u WITH CHECK (true);
         CREATE TABLE v (a int); CREATE POLICY r ON v AS RESTRICTIVE USING (true);",
    );
    assert!(!schema.table(&named("t")).unwrap().lets_rows_through());
    let only_new_rows = &schema.table(&named("u")).unwrap().policies[0];
    assert!(only_new_rows.permits(RowCommand::Insert) && !only_new_rows.permits(RowCommand::Update));
    assert!(!schema.table(&named("v")).unwrap().lets_rows_through());
}

#[test]
fn commands_cover() {
    assert!(RowCommand::All.covers(RowCommand::Insert));
    assert!(!RowCommand::Select.covers(RowCommand::Insert));
}

proptest::proptest! {
    #[test]
    fn any_migration_is_survived(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60)) {
        let text = words.join(" ");
        let schema = schema(&text);
        for (place, _) in &schema.blind_spots {
            proptest::prop_assert!(place.span.end as usize <= text.len());
        }
        proptest::prop_assert!(schema.tenancies(&TableRules::default()).len() <= schema.tables.len() + schema.views.len());
    }
}

const WORDS: &[&str] = &[
    "CREATE",
    "TABLE",
    "ALTER",
    "DROP",
    "POLICY",
    "ON",
    "t",
    "s.u",
    "(",
    ")",
    ",",
    ";",
    "USING",
    "WITH",
    "CHECK",
    "FOR",
    "TO",
    "AS",
    "VIEW",
    "FUNCTION",
    "DO",
    "$$",
    "BEGIN",
    "END",
    "LOOP",
    "FOREACH",
    "FOR",
    "x",
    "IN",
    "ARRAY",
    "[",
    "]",
    "'t'",
    "EXECUTE",
    "format",
    "'ALTER TABLE %I ENABLE ROW LEVEL SECURITY'",
    "ENABLE ROW LEVEL SECURITY",
    "RENAME",
    "COLUMN",
    "tenant_id",
    "int",
    "REFERENCES",
    "PARTITION OF",
    "SELECT",
    "{}",
    "'",
    "DO $$ BEGIN",
    "ROLE",
    "BYPASSRLS",
    "DECLARE",
    ":=",
    "||",
    "IF",
    "THEN",
    "LIKE",
    "INHERITS",
    "ADD",
    "FORCE ROW LEVEL SECURITY",
    "public.",
    ".",
];
