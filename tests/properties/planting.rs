//! Statements planted into fixtures: each changes the verdict of its own line and of no other.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::programs::WRAPPERS;
use crate::{Census, FIXTURES, Fixture, cases, census};

/// What is planted.
#[derive(Clone, Debug)]
struct Plant {
    code: &'static str,
    /// What must be said of it.
    here: &'static [&'static str],
    /// What must be said of the statement in `HELPER`.
    in_helper: &'static str,
}

/// Stands on the last line of every fixture.
const HELPER: &str = "mod planted { pub async fn extracted(c: &mut sqlx::PgConnection) -> sqlx::Result<()> { sqlx::query(\"delete from planted\").execute(c).await } }";

const fn plant(code: &'static str, here: &'static [&'static str], in_helper: &'static str) -> Plant {
    Plant { code, here, in_helper }
}

const PLANTS: &[Plant] = &[
    plant("sqlx::query(\"delete from planted\").execute(pool).await", &["RLS001", "gap"], "caller"),
    plant("sqlx::query_scalar!(\"select id from planted\").fetch_all(pool).await", &["RLS001", "gap"], "caller"),
    plant(
        "rls_runtime::with_tenant(pool, one, async |mut own| sqlx::query(\"delete from planted\").execute(&mut *own).await).await",
        &["scoped"],
        "caller",
    ),
    plant(
        "rls_runtime::with_tenant(pool, one, async |_own| sqlx::query(\"delete from planted\").execute(pool).await).await",
        &["RLS002", "escaped"],
        "caller",
    ),
    plant(
        "rls_runtime::with_tenant(pool, one, async |mut own| planted::extracted(&mut own).await).await",
        &[],
        "scoped",
    ),
    plant("rls_runtime::with_tenant(pool, one, planted::extracted).await", &[], "scoped"),
    plant("planted::extracted(&mut *pool.acquire().await?).await", &[], "RLS003 gap"),
    plant("planted::extracted(&mut *pool.begin().await?).await", &[], "RLS003 gap"),
    plant("planted_cache.get(pool).await", &[], "caller"),
    plant("planted_client.execute(planted_request).await", &[], "caller"),
];

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_planted_statement_changes_its_own_verdict_only(
        place in any::<prop::sample::Index>(),
        plant in prop::sample::select(PLANTS),
        wrappers in prop::collection::vec(prop::sample::select(WRAPPERS), 0..4),
    ) {
        let (fixture, line) = place.get(&PLACES);
        let planted = wrappers.iter().fold(plant.code.to_owned(), |inner, wrapper| wrapper.replace('@', &inner));
        let text = insert(&fixture.text, *line, &format!("{planted};"));
        let shifted = fixture.census.iter().map(|(at, words)| (if at > line { at + 1 } else { *at }, words.clone()));
        let mut wanted: Census = shifted.collect();
        if !plant.here.is_empty() {
            wanted.insert(line + 1, plant.here.iter().map(|word| (*word).to_owned()).collect());
        }
        let last = u32::try_from(text.lines().count()).unwrap();
        wanted.insert(last, plant.in_helper.split(' ').map(str::to_owned).collect());
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
            let name = line.trim_start().strip_prefix("async fn ").and_then(|rest| rest.split(['(', '<']).next());
            // What is called may be called inside a scope, and then a planted scope is a nested one, rightly.
            let is_called = name.is_none_or(|name| fixture.text.matches(&format!("{name}(")).count() > 1);
            if !is_called && line.ends_with('{') && line.contains("pool: &PgPool") {
                places.push((fixture, number));
            }
        }
    }
    places.retain(|(fixture, _)| !fixture.name.contains("cfg_test"));
    assert!(places.len() > 50, "there are few places to plant in");
    places
}

/// The text with the plant behind a line, and the helper at its end.
fn insert(text: &str, line: u32, planted: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(line as usize, planted);
    lines.push(HELPER);
    lines.join("\n")
}
