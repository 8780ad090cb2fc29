//! One test per kind of item.

use super::{facts, show};
use crate::facts::{Owner, Type, TypeKind};

#[test]
fn uses_are_one_per_name() {
    let facts = facts("pub use a::{self, b::*, c as d, e::{F as _}}; use ::g;");
    let shown: Vec<String> = facts
        .uses
        .iter()
        .map(|found| {
            let path = found.path.join("::");
            format!("{}{path} as {}", if found.is_public { "pub " } else { "" }, found.name.as_deref().unwrap_or("*"))
        })
        .collect();
    assert_eq!(shown, ["pub a as a", "pub a::b as *", "pub a::c as d", "pub a::e::F as _", "g as g"]);
}

#[test]
fn modules_nest_and_know_tests() {
    let facts = facts(
        "mod a { #[cfg(any(test, feature = \"test-x\"))] mod b { fn f() {} } #[path = \"z.rs\"] pub mod c; } fn g() {}",
    );
    let shown: Vec<_> = facts.modules.iter().map(|m| (m.path.join("::"), m.is_declaration, m.in_test)).collect();
    assert_eq!(
        shown,
        [
            (String::new(), false, false),
            ("a".into(), false, false),
            ("a::b".into(), false, true),
            ("a::c".into(), true, false),
        ]
    );
    assert_eq!(show::functions(&facts), "test fn a::b::f() {}\nfn g() {}");
}

#[test]
fn tests_are_known_by_their_attributes() {
    let facts = facts(
        "#[test] fn a() {} #[tokio::test] async fn b() {} #[sqlx::test] fn c() {} #[rstest] fn d() {} \
         #[cfg(not(test))] fn e() {} #[cfg(all(unix, test))] impl T { fn g() {} } #[tokio::main] fn h() {} \
         #[cfg(any(test, feature = \"ssr\"))] fn i() {} #[cfg(any(feature = \"testing\", test,))] fn j() {}",
    );
    let tests: Vec<_> = facts.functions.iter().filter(|f| f.in_test).map(|f| f.name.as_str()).collect();
    assert_eq!(tests, ["a", "b", "c", "d", "g", "j"]);
}

#[test]
fn functions_have_params_generics_and_output() {
    let facts = facts(
        "impl<'a, C> Repo<'a, C> where C: Conn { pub async fn f<E: Executor<'a>>(&mut self, ex: E, State(p): State<PgPool>, g: impl Fn(u8) -> R) -> Result<Self::X, E> where E: Send { 1 } }",
    );
    assert_eq!(
        show::functions(&facts),
        "fn Repo<C>::f(self: Self, ex: E, State(p): State<PgPool>, g: impl Fn(u8) -> R) -> Result<Self::X, E> { 1 }"
    );
    let bounds: Vec<String> = facts.functions[0].generics[0].bounds.iter().map(show::ty).collect();
    assert_eq!(bounds, ["Executor", "Send"]);
    assert_eq!(facts.impls[0].generics[0].bounds.iter().map(show::ty).collect::<Vec<_>>(), ["Conn"]);
}

#[test]
fn types_have_fields_and_derives() {
    let facts = facts(
        "#[derive(Clone, axum::FromRef)] #[serde(x)] struct A { pool: PgPool } struct B(C, Arc<D>); \
         enum E { F, G(H), I { j: K } } type L = M<N>; trait O: P + Q<R> { type S; fn t(&self); }",
    );
    assert_eq!(facts.types[0].attributes, ["Clone", "axum::FromRef", "serde"]);
    let TypeKind::Struct(fields) = &facts.types[1].kind else { panic!("no struct") };
    assert_eq!(
        fields.iter().map(|f| format!("{}: {}", f.name, show::ty(&f.ty))).collect::<Vec<_>>(),
        ["0: C", "1: Arc<D>"]
    );
    let TypeKind::Enum(variants) = &facts.types[2].kind else { panic!("no enum") };
    assert_eq!(
        variants.iter().map(|(name, fields)| format!("{name}{}", fields.len())).collect::<Vec<_>>(),
        ["F0", "G1", "I1"]
    );
    assert!(matches!(&facts.types[3].kind, TypeKind::Alias(Type::Path(path)) if show::path(path) == "M<N>"));
    assert!(matches!(&facts.types[4].kind, TypeKind::Trait(supers, _) if supers.len() == 2));
    assert_eq!(facts.functions[0].owner, Owner::Trait(4));
    assert!(facts.functions[0].body.is_none());
}

#[test]
fn impls_know_their_trait_and_types() {
    let facts = facts("impl FromRequest<S> for TenantDb { type Rejection = E; const X: u8 = 1; fn f() {} }");
    assert_eq!(show::ty(facts.impls[0].of_trait.as_ref().unwrap()), "FromRequest<S>");
    assert_eq!(show::ty(&facts.impls[0].self_type), "TenantDb");
    assert_eq!(facts.impls[0].types[0].name, "Rejection");
    assert_eq!(facts.consts[0].owner, Owner::Impl(0));
}

#[test]
fn items_in_functions_belong_to_the_module() {
    let facts = facts("mod m { fn f() { use a::b; struct S; impl S { fn g() {} } const C: u8 = 1; fn h() { q() } } }");
    assert_eq!(show::functions(&facts), "fn m::f() {}\nfn m::S::g() {}\nfn m::h() { q() }");
    assert_eq!((facts.uses[0].module, facts.types[0].module, facts.consts[0].module), (1, 1, 1));
}

#[test]
fn a_function_span_holds_attributes_and_body() {
    let text = "  #[get(\"/\")]\n  pub(crate) async fn f() { g() } // end";
    let facts = facts(text);
    let span = facts.functions[0].span;
    assert_eq!(&text[span.start as usize..span.end as usize], "#[get(\"/\")]\n  pub(crate) async fn f() { g() }");
    let span = facts.functions[0].name_span;
    assert_eq!(&text[span.start as usize..span.end as usize], "f");
}
