use super::{SettingScope, analyse};

/// The tables as `name:operation`, a `?` at the end where they are not all.
fn tables(text: &str) -> String {
    let facts = analyse(text);
    let mut out: Vec<String> =
        facts.tables.iter().map(|table| format!("{}:{}", table.table(), table.operation)).collect();
    if !facts.complete {
        out.push("?".to_owned());
    }
    out.join(" ")
}

#[test]
fn tables_of_queries() {
    for (text, expected) in [
        ("SELECT 1", ""),
        ("select * from orders where id = $1", "orders:select"),
        (
            "SELECT * FROM ONLY app.\"Orders\" o, b AS x LEFT JOIN c USING (id), d",
            "b:select c:select d:select app.Orders:select",
        ),
        ("SELECT a FROM (SELECT b FROM t1) s JOIN (t2 JOIN t3 ON true) ON true", "t1:select t2:select t3:select"),
        (
            "SELECT (SELECT count(*) FROM a) FROM b WHERE EXISTS (SELECT 1 FROM c WHERE c.x IN (SELECT y FROM d))",
            "a:select b:select c:select d:select",
        ),
        ("SELECT extract(year FROM ts), trim(both 'x' from y), substring(z from 1 for 2) FROM t", "t:select"),
        ("SELECT a IS NOT DISTINCT FROM b FROM t", "t:select"),
        ("SELECT DISTINCT ON (a) a FROM t ORDER BY a, b", "t:select"),
        ("SELECT * FROM generate_series(1, 2) g, unnest($1::text[]) WITH ORDINALITY u(a, b), t", "t:select"),
        ("SELECT * FROM ROWS FROM (f(1), g(2)) x JOIN t ON true", "t:select"),
        ("SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.id = t.id) l, LATERAL f(t.x)", "t:select u:select"),
        ("SELECT * FROM a UNION ALL SELECT * FROM b EXCEPT (SELECT * FROM c)", "a:select b:select c:select"),
        ("(SELECT * FROM a) UNION (SELECT * FROM b)", "a:select b:select"),
        ("SELECT id FROM jobs FOR UPDATE OF jobs SKIP LOCKED LIMIT 1", "jobs:select"),
        ("SELECT sum(x) FILTER (WHERE y) OVER (PARTITION BY a, b) FROM t WINDOW w AS (), v AS ()", "t:select"),
        ("TABLE t", "t:select"),
        ("VALUES (1), (2)", ""),
        ("EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM t", "t:select"),
        ("EXPLAIN ANALYZE VERBOSE DELETE FROM t", "t:delete"),
        ("PREPARE p AS SELECT * FROM t", "t:select"),
        ("DECLARE c CURSOR FOR SELECT * FROM t", "t:select"),
        ("SELECT * FROM t WHERE a = ANY($1) AND b @> '{\"x\": \"FROM y\"}' -- FROM z", "t:select"),
        ("SELECT t.from, \"from\" FROM t", "t:select"),
    ] {
        assert_eq!(tables(text), expected, "{text}");
    }
}

#[test]
fn tables_of_changes() {
    for (text, expected) in [
        (
            "INSERT INTO a (x, y) VALUES ($1, $2) ON CONFLICT (x) DO UPDATE SET y = excluded.y RETURNING a, b",
            "a:insert",
        ),
        ("INSERT INTO a SELECT * FROM b, c", "a:insert b:select c:select"),
        (
            "UPDATE a SET x = 1, y = (SELECT z FROM b) FROM c, d WHERE a.id = c.id",
            "a:update b:select c:select d:select",
        ),
        ("UPDATE ONLY s.a AS q SET x = 1", "s.a:update"),
        ("DELETE FROM a USING b JOIN c USING (id), d WHERE true RETURNING x, y", "a:delete b:select c:select d:select"),
        (
            "MERGE INTO a AS t USING (SELECT * FROM b) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET x = 1, y = 2 WHEN NOT MATCHED THEN INSERT (x, y) VALUES (1, 2)",
            "a:merge b:select",
        ),
        ("COPY a (x, y) FROM STDIN WITH (FORMAT csv)", "a:copy"),
        ("COPY (SELECT * FROM a) TO STDOUT", "a:select"),
        ("TRUNCATE TABLE a, s.b RESTART IDENTITY CASCADE", "a:truncate s.b:truncate"),
        ("LOCK TABLE a, b IN EXCLUSIVE MODE", "a:lock b:lock"),
        ("CREATE TABLE IF NOT EXISTS a (id int REFERENCES b)", "a:ddl"),
        ("CREATE VIEW v AS SELECT * FROM a JOIN b USING (id)", "a:select b:select v:ddl"),
        ("ALTER TABLE IF EXISTS ONLY a ENABLE ROW LEVEL SECURITY", "a:ddl"),
        ("DROP TABLE IF EXISTS a, b CASCADE", "a:ddl b:ddl"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON a (x)", "a:ddl"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", "v:ddl"),
    ] {
        assert_eq!(tables(text), expected, "{text}");
    }
}

#[test]
fn names_of_with_are_no_tables() {
    for (text, expected) in [
        (
            "WITH x AS (SELECT * FROM a), y (p, q) AS MATERIALIZED (SELECT * FROM x, b) SELECT * FROM y JOIN c USING (id)",
            "a:select b:select c:select",
        ),
        ("WITH orders AS (SELECT * FROM orders) SELECT * FROM orders", "orders:select"),
        ("WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT n FROM t JOIN u ON true) SELECT * FROM t", "u:select"),
        (
            "WITH due AS MATERIALIZED (SELECT id FROM jobs LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE jobs SET x = 1 FROM due RETURNING jobs.id, jobs.x",
            "jobs:select jobs:update",
        ),
        ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "a:delete b:insert"),
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) s, x", "x:select"),
        ("WITH x AS (SELECT 1) SELECT * FROM s.x", "s.x:select"),
    ] {
        assert_eq!(tables(text), expected, "{text}");
    }
}

#[test]
fn a_hole_counts_where_a_table_fits() {
    for (text, expected) in [
        ("SELECT * FROM {} WHERE id = $1", "?"),
        ("SELECT * FROM {}.orders", "?"),
        ("SELECT * FROM log_{} JOIN b ON true", "b:select ?"),
        ("SELECT {} FROM t WHERE a = {} AND b IN ({}) ORDER BY {} LIMIT {}", "t:select"),
        ("SELECT * FROM t WHERE {}", "t:select ?"),
        ("SELECT * FROM t {}", "t:select ?"),
        ("SELECT * FROM t WHERE EXISTS ({})", "t:select ?"),
        ("SELECT * FROM ({}) x", "?"),
        ("WITH x AS ({}) SELECT * FROM x", "?"),
        ("INSERT INTO t (a) VALUES {}", "t:insert"),
        ("INSERT INTO t (a) VALUES ('{}', {})", "t:insert"),
        ("UPDATE t SET {} = $1 WHERE id = $2", "t:update"),
        ("DELETE FROM \"{}\"", "?"),
        ("{}", "?"),
        ("", "?"),
        ("WHERE id = $1", "?"),
        ("SELECT * FROM ", "?"),
        ("SELECT * FROM t WHERE (a = 1", "t:select ?"),
        ("SELECT * FROM t WHERE a = 'x", "t:select ?"),
        ("CREATE TABLE {} (id int)", "?"),
    ] {
        assert_eq!(tables(text), expected, "{text}");
    }
}

/// Settings as `name=scope`, `!` after an empty value.
fn settings(text: &str) -> String {
    let facts = analyse(text);
    let show = |scope| match scope {
        SettingScope::Local => "local",
        SettingScope::Session => "session",
        SettingScope::Reset => "reset",
    };
    let each = facts.settings.iter().map(|change| {
        let name = change.name.as_deref().unwrap_or("*");
        format!("{name}={}{}", show(change.scope), if change.value_is_empty { "!" } else { "" })
    });
    each.collect::<Vec<_>>().join(" ")
}

#[test]
fn settings_in_every_spelling() {
    for (text, expected) in [
        ("SET LOCAL app.tenant_id = '42'", "app.tenant_id=local"),
        ("set local \"app.tenant_id\" to $1", "app.tenant_id=local"),
        ("SET LOCAL app.Tenant_Id TO DEFAULT", "app.tenant_id=local!"),
        ("SET SESSION app.x = ''", "app.x=session!"),
        ("SET app.x = {}", "app.x=session"),
        ("SET LOCAL {} = '{}'", "*=local"),
        ("RESET app.x", "app.x=reset!"),
        ("RESET ALL", "*=reset!"),
        ("DISCARD ALL", "*=reset!"),
        ("SELECT set_config('app.x', $1, true)", "app.x=local"),
        (
            "SELECT set_config('app.x', $1::text, true::boolean), pg_catalog.set_config('app.y', '', false)",
            "app.x=local app.y=session!",
        ),
        ("SELECT set_config($1, $2, $3)", "*=session"),
        ("SELECT set_config('app.x', $1, $2)", "app.x=session"),
        ("SELECT set_config(setting_name => 'app.x', is_local => true, new_value => $1)", "app.x=local"),
        ("SELECT set_config('app.' || $1, $2, true)", "*=local"),
        ("WITH t AS (SELECT set_config('app.x', (SELECT max(id) FROM t)::text, (true))) SELECT 1", "app.x=local"),
        ("BEGIN; SET LOCAL app.x = '1'; SELECT 1", "app.x=local"),
        ("DO $$ BEGIN PERFORM set_config('app.x', '1', true); END $$", "app.x=local"),
        ("UPDATE t SET app = 1", ""),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", ""),
        ("SELECT 'SET LOCAL app.x = 1'", ""),
    ] {
        assert_eq!(settings(text), expected, "{text}");
    }
}

#[test]
fn roles_and_row_security() {
    let role = |text: &str| analyse(text).role.map(|role| (role.name.unwrap_or_default(), role.local));
    assert_eq!(role("SET LOCAL ROLE app"), Some(("app".to_owned(), true)));
    assert_eq!(role("SET ROLE \"App\""), Some(("App".to_owned(), false)));
    assert_eq!(role("SET SESSION AUTHORIZATION 'boss'"), Some(("boss".to_owned(), false)));
    assert_eq!(role("SELECT set_config('role', $1, true)"), Some((String::new(), true)));
    assert_eq!(role("SET ROLE {}"), Some((String::new(), false)));
    assert_eq!(role("SET ROLE app; RESET ROLE"), None);
    for text in [
        "SET LOCAL row_security = off",
        "SET row_security TO 'off'",
        "SELECT set_config('row_security', 'off', true)",
        "ALTER ROLE x SET row_security = off",
    ] {
        assert!(analyse(text).row_security_off, "{text}");
    }
    assert!(!analyse("SET row_security = on").row_security_off);
    assert!(analyse("ALTER ROLE x WITH BYPASSRLS").grants_bypass);
    assert!(!analyse("ALTER ROLE x NOBYPASSRLS").grants_bypass);
}

#[test]
fn transactions_and_operations() {
    let facts = analyse("BEGIN; SET LOCAL app.x = '1'; INSERT INTO t VALUES (1); COMMIT");
    assert!(facts.begins && facts.commits && !facts.rolls_back);
    assert_eq!(facts.operation, Some("insert"));
    assert!(!analyse("ROLLBACK TO SAVEPOINT a").rolls_back);
    assert!(analyse("ROLLBACK").rolls_back);
    for (text, operation) in [
        ("SET x.y = 1", "set"),
        ("START TRANSACTION READ ONLY", "transaction"),
        ("LISTEN jobs", "listen"),
        ("NOTIFY jobs", "notify"),
        ("CALL p(1)", "call"),
        ("WITH x AS (SELECT 1) DELETE FROM t", "delete"),
        ("CREATE INDEX ON t (x)", "ddl"),
        ("SHOW all", "other"),
    ] {
        assert_eq!(analyse(text).operation, Some(operation), "{text}");
    }
    assert_eq!(analyse("SELECT current_setting('App.Tenant_Id', true)").settings_read, ["app.tenant_id"]);
}

#[test]
fn hostile_texts_take_linear_time() {
    for piece in [
        "(",
        "((select ",
        "set_config(",
        "with x as (",
        "'",
        "$$",
        "/*",
        "{}",
        "a.",
        ", ",
        "from ",
        "WITH RECURSIVE a AS (",
    ] {
        let facts = analyse(&piece.repeat(60_000));
        assert!(!facts.complete, "{piece}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,80}") {
        let facts = analyse(&text);
        proptest::prop_assert!(facts.tables.len() <= text.len());
    }

    #[test]
    fn any_mix_of_words_is_survived(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..40)) {
        let facts = analyse(&words.join(" "));
        let mut sorted = facts.tables.clone();
        sorted.sort();
        proptest::prop_assert_eq!(facts.tables, sorted);
    }

    /// What stands in strings and comments changes nothing.
    #[test]
    fn comments_and_strings_hold_no_tables(inner in "[a-z ,;()]{0,40}") {
        let text = format!("SELECT '{inner}' /* {inner} */ FROM t -- {inner}");
        proptest::prop_assert_eq!(tables(&text), "t:select");
    }
}

const WORDS: &[&str] = &[
    "select",
    "from",
    "(",
    ")",
    ",",
    ";",
    "with",
    "as",
    "recursive",
    "insert",
    "into",
    "update",
    "set",
    "delete",
    "using",
    "merge",
    "join",
    "on",
    "t",
    "s.u",
    "{}",
    "$1",
    "'x'",
    "values",
    "copy",
    "create",
    "table",
    "view",
    "set_config",
    "local",
    "exists",
    "only",
    "lateral",
    "union",
    "do",
    "$$ begin",
    "$$",
    "drop",
    ".",
    "::",
    "\"",
];
