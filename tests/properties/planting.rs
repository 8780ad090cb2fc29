//! Statements planted into fixtures: each changes the verdict of its own line and of no other.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::{Census, FIXTURES, Fixture, census};

/// What is planted, and what must be said of it.
const PLANTS: &[(&str, &[&str])] = &[
    ("sqlx::query(\"delete from planted\").execute(pool).await", &["RLS001", "gap"]),
    ("sqlx::query_scalar!(\"select id from planted\").fetch_all(pool).await", &["RLS001", "gap"]),
    (
        "rls_runtime::with_tenant(pool, one, async |mut own| sqlx::query(\"delete from planted\").execute(&mut *own).await).await",
        &["scoped"],
    ),
    (
        "rls_runtime::with_tenant(pool, one, async |_own| sqlx::query(\"delete from planted\").execute(pool).await).await",
        &["RLS002", "escaped"],
    ),
    ("planted_cache.get(pool).await", &[]),
    ("planted_client.execute(planted_request).await", &[]),
];

/// What a plant is wrapped in: it stands for `@`. All are expressions.
const WRAPPERS: &[&str] = &[
    "{ @ }",
    "if ready { @ } else { done() }",
    "if let Ok(_) = @ { done() } else { done() }",
    "match @ { Ok(_) => done(), Err(_) => done() }",
    "match kind { 1 => @, _ => done() }",
    "{ loop { let _ = @; break; } done() }",
    "{ for _ in 0..2 { let _ = @; } done() }",
    "{ while !ready { @?; } done() }",
    "async { @ }.await",
    "{ let Ok(_) = @ else { return Ok(()) }; done() }",
    "(1, @).1",
    "[@].pop()",
    "{ Box::pin(async move { @ }).await }",
    "{ let _ = Planted { field: @?, ..base() }; done() }",
    "done_with(@)",
    "done_with(@?).await.map(|row| row.get(0))",
    "{ println!(\"{:?}\", @); done() }",
    "{ assert!(@.is_ok()); done() }",
    "{ tokio::try_join!(async { @ })?; done() }",
    "{ tokio::select! { done = async { @ } => drop(done) } done() }",
    "{ unknown_grammar! { a => b; run @ } done() }",
    "{ let later = || async { @ }; later().await }",
    "unsafe { @ }",
    "!(@.is_ok())",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_statement_changes_its_own_verdict_only(
        place in any::<prop::sample::Index>(),
        plant in prop::sample::select(PLANTS),
        wrappers in prop::collection::vec(prop::sample::select(WRAPPERS), 0..4),
    ) {
        let (fixture, line) = place.get(&PLACES);
        let (code, expected) = plant;
        let planted = wrappers.iter().fold((*code).to_owned(), |inner, wrapper| wrapper.replace('@', &inner));
        let shifted = fixture.census.iter().map(|(at, words)| (if at > line { at + 1 } else { *at }, words.clone()));
        let mut wanted: Census = shifted.collect();
        if !expected.is_empty() {
            wanted.insert(line + 1, expected.iter().map(|word| (*word).to_owned()).collect());
        }
        let text = insert(&fixture.text, *line, &format!("{planted};"));
        prop_assert_eq!(census(&text), wanted, "planted {} in {} behind line {}", planted, fixture.name, line);
    }
}

/// Where to plant: a fixture and one of its lines.
static PLACES: LazyLock<Vec<(&'static Fixture, u32)>> = LazyLock::new(places);

/// Behind the opening line of each function that is given `pool: &PgPool`, whatever its body.
fn places() -> Vec<(&'static Fixture, u32)> {
    let mut places = Vec::new();
    for fixture in FIXTURES.iter() {
        for (number, line) in (1..).zip(fixture.text.lines()) {
            let is_opening = line.trim_start().starts_with("async fn ") && line.ends_with('{');
            if is_opening && line.contains("pool: &PgPool") {
                places.push((fixture, number));
            }
        }
    }
    places.retain(|(fixture, _)| !fixture.name.contains("cfg_test"));
    assert!(places.len() > 50, "there are few places to plant in");
    places
}

fn insert(text: &str, line: u32, planted: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(line as usize, planted);
    lines.join("\n")
}
