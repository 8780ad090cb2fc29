//! What holds for every text: parsing never fails, positions are inside the text, and nothing planted is lost.

mod planted;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rls_audit::facts::{Expr, FileFacts};
use rls_audit::parse::parse;
use rls_audit::source::Span;

/// Real Rust to cut and to spoil: this crate's own.
const REAL: [&str; 4] = [
    include_str!("../src/facts.rs"),
    include_str!("../src/parse/loose.rs"),
    include_str!("../src/parse/tests/recovery.rs"),
    include_str!("planted/mod.rs"),
];

/// So many cases, the same in every run; or as many new ones as `PROPTEST_CASES` asks for, to search for mistakes.
fn cases(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return config;
    }
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..config }
}

/// Every position of the facts is inside the text, and at the boundary of a character.
fn check(text: &str) -> FileFacts {
    let facts = parse(text, false);
    let fits = |span: Span| {
        assert!(span.start <= span.end, "{span:?}");
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} of {}", text.len());
    };
    facts.functions.iter().for_each(|function| {
        fits(function.span);
        fits(function.name_span);
    });
    facts.blind_spots.iter().for_each(|blind| fits(blind.span));
    facts.modules.iter().for_each(|module| fits(module.span));
    facts.types.iter().for_each(|found| fits(found.span));
    facts.directives.iter().for_each(|directive| fits(directive.span));
    planted::each_expr(&facts, &mut |expr: &Expr| fits(expr.span));
    facts
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_text_is_read(text in "\\PC*") {
        check(&text);
    }

    #[test]
    fn any_mix_of_tokens_is_read(tokens in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..80)) {
        check(&tokens.concat());
        check(&format!("fn f() {{ {} }}", tokens.join(" ")));
    }

    #[test]
    fn real_code_cut_anywhere_is_read(file in 0..REAL.len(), from in 0.0..1.0_f64, length in 0..4000_usize) {
        let text = REAL[file];
        let at = |place: f64| (0..=(place * text.len() as f64) as usize).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (at(from), at((from + length as f64 / text.len() as f64).min(1.0)));
        check(&text[start..end]);
    }

    #[test]
    fn real_code_with_something_wrong_is_read(
        file in 0..REAL.len(), at in 0.0..1.0_f64, wrong in prop::sample::select(TOKENS.to_vec()), taken in 0..3_usize,
    ) {
        let text = REAL[file];
        let mut characters: Vec<char> = text.chars().collect();
        let at = (at * characters.len() as f64) as usize;
        let end = (at + taken).min(characters.len());
        characters.splice(at..end, wrong.chars());
        let spoiled: String = characters.into_iter().collect();
        let facts = check(&spoiled);
        // One wrong token hides at most what it is in; a comment without an end hides the rest of the item around it.
        let before = parse(text, false).functions.len();
        prop_assert!(wrong == "/*" || facts.functions.len() * 10 >= before * 3, "{} of {before} functions", facts.functions.len());
    }

    #[test]
    fn every_planted_statement_is_found(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        let planted = planted::planted(&choices);
        let facts = check(&planted.text);
        prop_assert_eq!(planted::found(&facts), planted::expected(planted.statements), "{}", planted.text);
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_wrong_token_hides_no_statement(
        choices in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        wrong in prop::sample::select(WRONG.to_vec()),
    ) {
        let planted = planted::planted(&choices);
        let is_free = |at: usize| !planted.places.iter().any(|place| place.start < at && at < place.end);
        let ends = planted.text.match_indices([' ', '(', ')', '{', '}', ',', ';']).map(|(at, _)| at);
        let places: Vec<usize> = ends.filter(|at| is_free(*at)).collect();
        let at = *at.get(&places);
        // `let m!(..)` is Rust: the macro makes a pattern, not a statement.
        let word = planted.text[at..].trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || "_:".contains(c));
        prop_assume!(wrong != "let" || !word.starts_with('!'));
        let mut text = planted.text.clone();
        text.insert_str(at, &format!(" {wrong} "));
        prop_assert_eq!(planted::found(&check(&text)), planted::expected(planted.statements), "{} in {}", wrong, text);
    }
}

/// Long repetitions of what once took time that grew with the square, or more stack than there is.
#[test]
fn repetitions_end() {
    for repeated in [
        "{",
        "(",
        "[(",
        "\"\n",
        "if a { ",
        "enum E { ",
        "a::",
        "|a|",
        "async ",
        "fn f(",
        "<",
        "pub ",
        "impl ",
        "x!(",
        "x(;",
        "~ a + ",
        "/*",
        "#[a] ",
        "else ",
        "r#\"",
        "macro_rules! m { ",
        "// rls-audit: allow(RLS001\n",
    ] {
        check(&format!("fn f() {{ {} }}\nfn g() {{}}", repeated.repeat(20_000 / repeated.len())));
    }
}

/// What can stand at a wrong place without opening a literal, a comment, an attribute or a bracket.
const WRONG: [&str; 50] = [
    "fn", "impl", "mod", "pub", "use", "const", "static", "trait", "struct", "enum", "type", "extern", "union", "let",
    "if", "else", "match", "while", "for", "loop", "in", "async", "move", "return", "break", "super", "unsafe",
    "where", "as", "dyn", "x", "A", "1", "\"s\"", "::", "<", ">", "|", "||", "&", "!", "=", "=>", "->", "..", ".", "?",
    ";", ",", "$",
];

/// What breaks parsers.
const TOKENS: [&str; 56] = [
    "fn ",
    "impl ",
    "mod ",
    "pub ",
    "use ",
    "const ",
    "static ",
    "macro_rules!",
    "trait ",
    "struct ",
    "let ",
    "if ",
    "else ",
    "match ",
    "async ",
    "move ",
    "return ",
    "super ",
    "x",
    "A",
    "::",
    "<",
    ">",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "|",
    "||",
    "&",
    "*",
    "!",
    "=",
    "=>",
    "->",
    "..",
    ".",
    "?",
    ";",
    ",",
    "#",
    "$",
    "'a",
    "'",
    "\"",
    "r#\"",
    "/*",
    "*/",
    "//",
    "\n",
    "1.",
    "\u{e4}",
    "\\",
    "\r",
];
