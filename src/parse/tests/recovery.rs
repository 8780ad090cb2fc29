//! What does not parse hides nothing else.

use super::broken;

#[test]
fn a_broken_function_keeps_its_name_params_and_good_statements() {
    assert_eq!(
        broken("fn a() { x() } async fn b(pool: &PgPool) -> R { let y = q().fetch(pool).await?; let = ; z(y); } fn c() { w() }"),
        (
            "fn a() { x() }\nasync recovered fn b(pool: &PgPool) -> R { let y = <q()>.fetch(pool).await?; let _; z(y); }\nfn c() { w() }"
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
