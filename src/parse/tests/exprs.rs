//! One test per construct of expressions.

use super::{body, facts};

#[test]
fn a_chain_is_one_node_with_its_links_in_order() {
    assert_eq!(
        body("let x = sqlx::query(\"select 1\").bind(id).fetch_one(&mut *tx).await?;"),
        "let x = <sqlx::query(\"select 1\")>.bind(id).fetch_one(&*tx).await?;"
    );
}

#[test]
fn parentheses_around_a_chain_are_not_a_new_root() {
    assert_eq!(body("(a.b()?).c().0[1](2)"), "<a>.b()?.c().0[1](2)");
    assert_eq!(body("(a + b).c()"), "<op[a, b]>.c()");
}

#[test]
fn a_call_of_a_field_is_a_link() {
    assert_eq!(body("(self.callback)(x)"), "<self>.callback(x)");
    assert_eq!(body("f(a)(b)"), "<f(a)>(b)");
}

#[test]
fn qualified_paths_keep_their_type() {
    assert_eq!(body("<Db as Executor>::execute(&db, q)"), "<Db as>::Executor::execute(&db, q)");
    assert_eq!(body("query_as::<_, (i64, String)>(sql)"), "query_as<_, (i64, String)>(sql)");
}

#[test]
fn strings_are_unescaped() {
    assert_eq!(body(r##"f("a\n", r#"b"c"#, b"d", 'e', 1_u8, -2.0)"##), r#"f("a\n", "b\"c", "d", 'e', 1_u8, op[2.0])"#);
}

#[test]
fn operators_are_flat() {
    assert_eq!(body("a + b * c == d && !e"), "op[a, b, c, d, op[e]]");
}

#[test]
fn closures_have_params_and_flags() {
    assert_eq!(
        body("with_tenant(pool, id, async move |tx: &mut Tx| { tx.go() })"),
        "with_tenant(pool, id, |tx: &Tx| { <tx>.go() })"
    );
    assert_eq!(body("f(|(a, b), _| Box::pin(async move { a }))"), "f(|(a, b), _| Box::pin(async { a }))");
}

#[test]
fn branches_and_loops() {
    assert_eq!(
        body("if let Some(x) = a && b { c } else if d { e } else { g }"),
        "if op[let Some(x) = a, b] { c } else if d { e } else { g }"
    );
    assert_eq!(
        body("match a { Some(x) if x.ok() => b, None | Other { y, z: 1 } => { c } }"),
        "match a { Some(x) if <x>.ok() => b, None | Other { y: y, z: _ } => { c } }"
    );
    assert_eq!(body("'a: while let Some(x) = it.next() { break 'a }"), "while let Some(x) = <it>.next() { break }");
    assert_eq!(
        body("for (i, x) in xs { continue; } loop { return 1 }"),
        "for (i, x) in xs { break; } loop { return 1 }"
    );
}

#[test]
fn let_else_and_types() {
    assert_eq!(
        body("let Some(tx): Option<Transaction<'_, Postgres>> = a else { return };"),
        "let Some(tx): Option<Transaction<Postgres>> = a else { return };"
    );
}

#[test]
fn struct_literals_and_casts() {
    assert_eq!(body("S { a: 1, b, ..c() } as T as U"), "S { a: 1, b: b, ..c() } as U");
}

#[test]
fn spans_are_bytes_of_the_text() {
    let text = "fn f() { // \u{e4}\u{1f980}\n    let x = (self.pool).get()\n        .await?; }";
    let facts = facts(text);
    let Some(crate::facts::Stmt::Let { init: Some(init), .. }) =
        &facts.functions[0].body.as_ref().unwrap().stmts.first()
    else {
        panic!("no let");
    };
    let slice = |span: crate::source::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(slice(init.span), "(self.pool).get()\n        .await?");
    let crate::facts::ExprKind::Chain(_, links) = &init.kind else { panic!("no chain") };
    assert_eq!(links.iter().map(|link| slice(link.span)).collect::<Vec<_>>(), ["pool", "get", "await", "?"]);
    assert!(text[..links[1].end as usize].ends_with("get()"));
}
