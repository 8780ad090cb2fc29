//! Macro calls and definitions.

use super::{body, facts, show};

#[test]
fn expression_lists_with_named_values() {
    assert_eq!(body("try_join!(a.b(), c(d))?;"), "<try_join!(<a>.b(), c(d))>?;");
    assert_eq!(body("format!(\"{a}\", a = q.go(), 1)"), "format!(\"{a}\", <q>.go(), 1)");
    assert_eq!(body("sqlx::query!(\"s\", id).fetch_one(&p).await"), "<sqlx::query!(\"s\", id)>.fetch_one(&p).await");
}

#[test]
fn statements() {
    assert_eq!(body("m! { let x = a.b(); x.c(); }"), "m!({ let x = <a>.b(); <x>.c(); })");
}

#[test]
fn select_arms() {
    assert_eq!(
        body("select! { biased; Some(j) = rx.recv(), if ready => run(j).await, _ = stop() => { break } else => c }"),
        "select!(match <rx>.recv() { Some(j) if ready => <run(j)>.await }, match stop() { _ => { break } }, match op[] { _ => c })"
    );
}

#[test]
fn unknown_grammars_are_read_in_pieces() {
    assert_eq!(body("db_run!(conn: { q.load(conn) } => go)"), "db_run!(conn, { <q>.load(conn) }, go)");
    assert_eq!(body("json!({ \"a\": x.get(p), \"b\": [y] })"), "json!([<x>.get(p), [y]])");
    assert_eq!(body("info!(%id, n = ?x.len(), \"done\")"), "info!(id, n, <x>.len(), \"done\")");
}

#[test]
fn nested_macros() {
    assert_eq!(body("assert!(matches!(f(&p).await, Ok(_)))"), "assert!(matches!(<f(&p)>.await, Ok(op[])))");
}

#[test]
fn definitions_are_functions_of_their_metavariables() {
    let facts = facts(
        "macro_rules! count { ($pool:expr, $($id:ident),* $(,)?) => {{ let x = q($($id),*)$(.bind($id))*.fetch_one($pool).await?; $crate::log(x) }}; () => { f() }; }",
    );
    assert_eq!(
        show::functions(&facts),
        "fn macro count(pool: _, id: _) { { let x = <q(id)>.bind(id).fetch_one(pool).await?; crate::log(x) } }\nfn macro count() { f() }"
    );
}

#[test]
fn macros_among_items() {
    let facts = facts(
        "lazy_static! { static ref POOL: PgPool = connect(); } cfg_if_all! { fn f() { g() } } table! { users (id) { id -> Int4, } }",
    );
    assert_eq!(facts.consts[0].name, "POOL");
    assert_eq!(
        show::functions(&facts),
        "fn POOL() { connect() }\nfn f() { g() }\nfn table() { table!(users(id), { id Int4 }); }"
    );
}

#[test]
fn names_and_literals_alone_are_expressions() {
    assert_eq!(body("m!(tx, \"a\", 1, r#try,)"), "m!(tx, \"a\", 1, try)");
    assert_eq!(body("m!(true, self)"), "m!(true, self)");
    assert_eq!(body("m!(a b)"), "m!(a, b)");
}
