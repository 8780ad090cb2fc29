//! What does not parse hides nothing else.

use super::broken;

#[test]
fn a_broken_function_keeps_its_name_params_and_good_statements() {
    assert_eq!(
        broken("fn a() { x() } async fn b(pool: &PgPool) -> R { let y = q().fetch(pool).await?; let = ; z(y); } fn c() { w() }"),
        (
            "fn a() { x() }\nrecovered fn b(pool: &PgPool) -> R { let y = <q()>.fetch(pool).await?; let _; z(y); }\nfn c() { w() }"
                .to_owned(),
            vec!["= ; z(y)".to_owned()]
        )
    );
}

#[test]
fn new_syntax_hides_only_itself() {
    let (shown, blind) = broken(
        "fn f(p: &P) { super let x = q().run(p).await?; with(p, |tx| async move { do yeet a.b(tx); c(tx) }).await; g(gen { yield 1; }, p.d()); }",
    );
    assert_eq!(
        shown,
        "recovered fn f(p: &P) { let x = <q()>.run(p).await?; <with(p, |tx| async { return <a>.b(tx); c(tx) })>.await; g({ return 1; }, <p>.d()); }"
    );
    assert_eq!(blind, ["let x = ", "do yeet ", "yield 1;"]);
}

#[test]
fn what_is_decided_on_is_read_however_broken() {
    let block = "{ let Ok(_) = { q().run(p) } else { r() }; done() }";
    let shown_block = "{ let Ok(_) = { <q()>.run(p) } else { r() }; done() }";
    for (written, shown) in [
        ("match @ { Ok(_) => a(), Err(_) => b() }", "match @ { Ok(_) => a(), Err(_) => b() }"),
        ("match @.c { A if @ => a(), _ => b() }", "match <@>.c { A if @ => a(), _ => b() }"),
        ("match (1, @) { _ => b() }", "match (1, @) { _ => b() }"),
        ("if @ { a() } else { b() }", "if @ { a() } else { b() }"),
        ("if c && @ { a() }", "if op[c, @] { a() }"),
        ("if let Ok(_) = @ { a() } else { b() }", "if let Ok(_) = @ { a() } else { b() }"),
        ("if LIMIT == @ { a() }", "if op[LIMIT, @] { a() }"),
        ("while @ { a() }", "while @ { a() }"),
        ("for x in @ { a() }", "for x in @ { a() }"),
    ] {
        let (found, blind) = broken(&format!("fn f(p: &P) {{ {} }}", written.replace('@', block)));
        assert_eq!(found, format!("recovered fn f(p: &P) {{ {} }}", shown.replace('@', shown_block)), "{written}");
        assert!(!blind.is_empty(), "{written}");
    }
    let (found, _) = broken("fn f(p: &P) { match q().run(p).await; let = LIMIT; if x == LIMIT { ~; a() } }");
    assert_eq!(found, "recovered fn f(p: &P) { <q()>.run(p).await; let _ = LIMIT; if op[x, LIMIT] { a() } }");
}

#[test]
fn what_has_no_place_belongs_to_the_block_around_it() {
    for (written, shown) in [
        // No pattern, no type, no field, no parameter.
        ("let q().run(p).await?;", "let _; <q()>.run(p).await?;"),
        ("for q!(a).run(p) { b() }", "for _ in <q!(a)>.run(p) { b() }"),
        ("match a { q().run(p) => b(), _ => c() }", "match a { _ => b(), _ => c() } <q()>.run(p);"),
        ("match a { b if |x| { q().run(p) } };", "match a {  }; |x| { <q()>.run(p) };"),
        ("if x { a() } | q().run(p);", "if x { a() } <q()>.run(p);"),
        ("if x as u8 ! { q().run(p) } else { a() }", "if op[x, u8!(<q()>.run(p))] {} else { a() }"),
        // No item.
        ("fn q().run(p).await?;", "<q()>.run(p).await?;"),
        ("use q().run(p);", "<q()>.run(p);"),
        ("mod q::r().run(p);", "<q::r()>.run(p);"),
        ("const q().run(p);", "<q()>.run(p);"),
        ("struct { a: b, c: q().run(p) }", "{ a b c <q()>.run(p) }"),
        ("enum x = q().run(p);", "x = <q()>.run(p);"),
        ("extern q().run(p);", "<q()>.run(p);"),
        // No body.
        ("match q().run(p).await;", "<q()>.run(p).await;"),
        ("a loop (q().run(p));", "a <loop {}>(<q()>.run(p));"),
    ] {
        let (found, _) = broken(&format!("fn f(p: &P) {{ z(); {written} }} fn g() {{ y() }}"));
        assert_eq!(found, format!("recovered fn f(p: &P) {{ z(); {shown} }}\nfn g() {{ y() }}"), "{written}");
    }
}

#[test]
fn what_the_parser_leaves_over_is_read() {
    for (written, shown) in [
        ("S { a: 1, ..b, c: q().run(p) };", "S { a: 1, : op[b], c: <q()>.run(p) };"),
        ("x[1, q().run(p)];", "<x>[op[1, <q()>.run(p)]];"),
        ("a as (q(1).run(p));", "a as ? <q(1)>.run(p);"),
        ("m!(x[1, q().run(p)]);", "m!(<x>[op[1, <q()>.run(p)]]);"),
    ] {
        let (found, _) = broken(&format!("fn f(p: &P) {{ {written} }} fn g() {{ y() }}"));
        let head = if written.starts_with("m!") { "" } else { "recovered " };
        assert_eq!(found, format!("{head}fn f(p: &P) {{ {shown} }}\nfn g() {{ y() }}"), "{written}");
    }
}

#[test]
fn broken_members_hide_only_themselves() {
    let (shown, _) = broken(
        "impl const Repo for Pg { fn a(&self) { x(self) } fn b(&self, p: &P) { y(; p); } type T = U; } mod m { fn c() { z() } fn d( { w() } }",
    );
    assert_eq!(
        shown,
        "fn Pg::a(self: Self) { x(self) }\nrecovered fn Pg::b(self: Self, p: &P) { y(p); }\nfn m::c() { z() }\nrecovered fn m::d() { w() }"
    );
}

#[test]
fn a_header_that_does_not_parse_keeps_name_and_params() {
    let (shown, blind) = broken("gen fn f(pool: &PgPool, n: @) -> u8 { q().fetch(pool); }");
    assert_eq!(shown, "recovered fn f(pool: &PgPool) { <q()>.fetch(pool); }");
    assert_eq!(blind.len(), 1);
}

#[test]
fn code_among_parameters_belongs_to_the_function() {
    let (shown, _) = broken("fn f(p: &P, { fn g() { x() } q().run(p) }) { y() }");
    assert_eq!(shown, "recovered fn f(p: &P) { { <q()>.run(p) }; y() }\nfn g() { x() }");
}

#[test]
fn a_constant_that_does_not_parse_keeps_its_code() {
    let (shown, _) = broken("static X: T = { a.run(p) ~ b };");
    assert!(shown.contains("<a>.run(p)"), "{shown}");
}

#[test]
fn unbalanced_brackets_hide_one_statement() {
    let (shown, blind) = broken(
        "fn a(p: &P) {\n    x().go(p;\n    y(p);\n}\n\nfn b(p: &P) {\n    if z {\n        w(p);\n}\n\nfn c(p: &P) { v(p) }\n",
    );
    assert_eq!(
        shown,
        "recovered fn a(p: &P) { <x()>.go(p) y(p); }\nfn b(p: &P) { if z { w(p); } }\nfn c(p: &P) { v(p) }"
    );
    assert_eq!(blind[0], "(p;\n    ");
    let (shown, _) = broken("impl A {\n    fn a() { x() } }\n    fn b() { y() }\n}\nfn c() { z() }");
    assert_eq!(shown, "fn A::a() { x() }\nfn b() { y() }\nfn c() { z() }");
    let (shown, _) = broken("mod m {\nfn a() {\n  if x {\n\nfn b() { y() }\n}\n");
    assert_eq!(shown, "fn m::a() { if x {} }\nfn m::b() { y() }");
}

#[test]
fn unterminated_literals_hide_one_line() {
    let (shown, blind) = broken("fn a() {\n    x(\"oops);\n    y(1);\n}\n\nfn b() { z(\"fine\") }\n");
    assert!(shown.contains("y(1)") && shown.contains("fn b() { z(\"fine\") }"), "{shown}");
    assert!(blind.contains(&"\"oops);\n".to_owned()), "{blind:?}");
}

#[test]
fn tokens_that_are_none_hide_only_themselves() {
    let (shown, blind) = broken("fn a() { x(f#\"a\", \"b\\q\", `c`); y(\u{1f980}, 0x, k#d, 'ab'); z() }");
    assert!(shown.contains("z()"), "{shown}");
    assert!(blind.len() >= 3, "{blind:?}");
}

#[test]
fn a_string_with_a_wrong_escape_stays_a_string() {
    let (shown, blind) = broken("fn a() { x(\"\\/ \\\" { // \u{e4}\", y()) }");
    assert_eq!(shown, "fn a() { x(\"      { // \u{e4}\", y()) }");
    assert_eq!(blind.len(), 1);
}

#[test]
fn what_stands_before_the_code_keeps_offsets() {
    let text =
        "\u{feff}#!/usr/bin/env cargo\r\n---\r\n[dependencies]\r\n---\r\nfn f() { \u{e4}(\"\u{e4}\") }\r\nfn g() {}";
    let facts = super::facts(text);
    let g = facts.functions[1].name_span;
    assert_eq!(&text[g.start as usize..g.end as usize], "g");
}

#[test]
fn nesting_of_any_depth_is_read() {
    let n = 2_000;
    let far = 100_000;
    for (deep, calls) in [
        (format!("x({}y.fetch_one(&p){})", "(".repeat(far), ")".repeat(far)), 1),
        (format!("{}y.fetch_one(&p){}", "{ a.fetch_one(&p); ".repeat(n), "}".repeat(n)), n + 1),
        (format!("{}y.fetch_one(&p){}", "f(a.fetch_one(&p), ".repeat(n), ")".repeat(n)), n + 1),
        (format!("{}y.fetch_one(&p)", "!".repeat(far)), 1),
        (format!("{}y.fetch_one(&p)", "|a, b| ".repeat(n)), 1),
        (format!("{}y.fetch_one(&p)", "|a|".repeat(n)), 1),
        (format!("{} y.fetch_one(&p)", "return ".repeat(n)), 1),
        (format!("if a {{}} {}", "else if b { c.fetch_one(&p); } ".repeat(n)), n),
        (format!("let x: {}u8{} = y.fetch_one(&p);", "A<".repeat(n), ">".repeat(n)), 1),
        (format!("m!({}y.fetch_one(&p){})", "[".repeat(n), "]".repeat(n)), 1),
    ] {
        let facts = super::super::parse(&format!("fn f() {{ {deep} }} fn g() {{ z() }}"), false);
        let shown = facts.functions.iter().map(|function| function.name.as_str());
        assert!(shown.clone().any(|name| name == "f") && shown.clone().any(|name| name == "g"));
        assert!(!facts.blind_spots.is_empty());
        let debug = format!("{facts:?}");
        assert_eq!(debug.matches("Method(\"fetch_one\"").count(), calls, "{}", &deep[..60]);
    }
}

#[test]
fn long_chains_and_sums_are_no_nesting() {
    let n = 20_000;
    let chain = format!("fn f() {{ let x = a{}.fetch_one(&p).await; }}", ".bind(b)".repeat(n));
    let facts = super::facts(&chain);
    let shown = super::show::functions(&facts);
    assert!(shown.ends_with(".fetch_one(&p).await; }"));
    let sum = format!("fn f() {{ let x = {} a.fetch_one(&p); }}", "b + ".repeat(n));
    assert!(super::show::functions(&super::facts(&sum)).ends_with("<a>.fetch_one(&p)]; }"));
}

#[test]
fn syntax_that_is_taken_but_not_understood_is_read_by_hand() {
    let (shown, _) = broken("fn f() { become g(a.b()); let x = builtin # offset_of(T, c.d()); }");
    assert_eq!(shown, "fn f() { op[return g(<a>.b())]; let x = op[builtin, offset_of(T, <c>.d())]; }");
    let (shown, _) = broken(
        "fn g(); const trait T { fn h() { x() } } static A: B; macro m($x:expr) { y.z($x) } task! { static C: D; }",
    );
    assert!(shown.contains("fn trait T::h() { x() }"), "{shown}");
    assert!(shown.contains("<y>.z(x)"), "{shown}");
}
