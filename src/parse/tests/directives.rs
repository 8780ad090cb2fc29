//! Allow comments and what they cover.

use crate::facts::{Covers, Directive};

/// The directives of a text with what they cover, as text.
fn found(text: &str) -> Vec<(Directive, String)> {
    let covered = |covers: Covers| match covers {
        Covers::Line => "line".to_owned(),
        Covers::File => "file".to_owned(),
        Covers::Item(span) => text[span.start as usize..span.end as usize].to_owned(),
    };
    super::facts(text).directives.into_iter().map(|found| (found.clone(), covered(found.covers))).collect()
}

fn covered(text: &str) -> Vec<String> {
    found(text).into_iter().map(|(_, covered)| covered).collect()
}

fn error(comment: &str) -> String {
    let found = found(&format!("{comment}\nfn f() {{}}"));
    found[0].0.error.clone().expect("an error")
}

#[test]
fn lints_and_reason_are_read() {
    let text = "// rls-audit: allow(RLS001, unscoped-path, reason = \"says \\\"so\\\" (here)\")\nfn f() {}";
    let (directive, covers) = found(text).remove(0);
    assert_eq!(directive.lints, ["RLS001", "unscoped-path"]);
    assert_eq!(directive.reason, "says \"so\" (here)");
    assert_eq!((directive.error, covers.as_str()), (None, "fn f() {}"));
    assert_eq!(&text[..directive.span.end as usize], text.lines().next().unwrap());
}

#[test]
fn a_reason_may_go_on_below_and_block_comments_count() {
    let text = "fn f() {\n    // rls-audit: allow(RLS001,\n    //   reason = \"a\n    // b\")\n    x();\n    /* rls-audit: allow(RLS002, reason = \"c\") */ y();\n}";
    let found = found(text);
    assert_eq!(found[0].0.reason, "a b");
    assert_eq!((found[0].1.as_str(), found[1].1.as_str()), ("x();", "y();"));
}

#[test]
fn what_follows_is_covered() {
    let allow = "// rls-audit: allow(RLS001, reason = \"r\")\n";
    assert_eq!(covered(&format!("{allow}#[test]\n/// Doc.\nfn f() {{ x() }}")), ["#[test]\n/// Doc.\nfn f() { x() }"]);
    assert_eq!(covered(&format!("{allow}pub mod m {{ fn g() {{}} }}")), ["pub mod m { fn g() {} }"]);
    assert_eq!(covered(&format!("{allow}impl A {{ fn g() {{}} }}")), ["impl A { fn g() {} }"]);
    assert_eq!(covered(&format!("struct S {{\n{allow} pub pool: P, }}")), ["pub pool"]);
    assert_eq!(covered(&format!("fn f() {{\n{allow} #[cfg(x)] let a = b.c(); }}")), ["#[cfg(x)] let a = b.c();"]);
    assert_eq!(covered(&format!("fn f() {{ match a {{\n{allow} Some(b) => c.d(), }} }}")), ["Some(b) => c.d()"]);
    assert_eq!(covered(&format!("fn f() {{ join!(a.b(),\n{allow} c.d()) }}")), ["c.d()"]);
}

#[test]
fn in_a_chain_its_statement_is_covered() {
    let text = "fn f() {\n    let x = q()\n        // rls-audit: allow(RLS001, reason = \"r\")\n        .fetch(&p);\n}";
    assert_eq!(covered(text), [&text[text.find("let").unwrap()..text.find("\n}").unwrap()]]);
}

#[test]
fn behind_code_the_line_is_covered() {
    assert_eq!(covered("fn f() {\n    x(); // rls-audit: allow(RLS001, reason = \"r\")\n    y();\n}"), ["line"]);
}

#[test]
fn at_the_top_the_file_is_covered() {
    assert_eq!(covered("//! Doc.\n//! rls-audit: allow(RLS001, reason = \"r\")\n#![x]\nfn f() {}"), ["file"]);
    assert!(found("fn f() {\n//! rls-audit: allow(RLS001)\n}")[0].0.error.is_some());
}

#[test]
fn before_a_closing_bracket_nothing_is_covered() {
    let text = "fn f() { x();\n// rls-audit: allow(RLS001, reason = \"r\")\n}";
    assert_eq!(covered(text), ["// rls-audit: allow(RLS001, reason = \"r\")"]);
}

#[test]
fn strings_documentation_and_prose_are_none() {
    for text in [
        "const A: &str = \"\n// rls-audit: allow(RLS001)\n\";",
        "/// rls-audit: allow(RLS001)\nfn f() {}",
        "//! ```\n//! rls-audit: allow(RLS001)\n//! ```",
        "// rls-audit checks this\nfn f() {}",
        "// see rls-audit: allow(RLS001)\nfn f() {}",
    ] {
        assert_eq!(found(text).len(), 0, "{text}");
    }
}

#[test]
fn errors_say_what_to_type() {
    for (comment, part) in [
        ("// rls-audit allow(RLS001)", "a colon is missing"),
        ("// rls-audit: deny(RLS001)", "only `allow` is known"),
        ("// rls-audit: allow RLS001", "`(` is missing"),
        ("// rls-audit: allow(RLS001", "`)` is missing"),
        ("// rls-audit: allow()", "no lint is named"),
        ("// rls-audit: allow(RLS001, reason = because)", "not in quotes"),
        ("// rls-audit: allow(RLS001, reason \"x\")", "`=` is missing"),
        ("// rls-audit: allow(RLS001, reason = \"x)", "closing quote is missing"),
        ("// rls-audit: allow(*RLS001, %)", "`%` is not a lint"),
    ] {
        assert!(error(comment).contains(part), "{comment}: {}", error(comment));
    }
}
