//! Changes of the code that mean nothing change no verdict; a planted statement changes exactly its own; no program keeps the audit from its end.

mod circles;
mod extracting;
mod generating;
mod planting;
#[path = "../planted/programs.rs"]
mod programs;
mod rewriting;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use rls_audit::audit::{AuditOptions, audit};
use rls_audit::discover::Sources;
use rls_audit::rules::{Rules, load};

/// A fixture that is one Rust file.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) text: String,
    /// What is said of it as it stands.
    pub(crate) census: Census,
}

/// What an audit says of each line: codes of findings and verdicts of statements, sorted.
pub(crate) type Census = BTreeMap<u32, Vec<String>>;

/// So many cases, the same in every run; or as many new ones as `PROPTEST_CASES` asks for, to search for mistakes.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return config;
    }
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..config }
}

/// The probes and idioms.
pub(crate) static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(fixtures);

fn fixtures() -> Vec<Fixture> {
    let mut found = Vec::new();
    for folder in ["probes", "idioms"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            // What does not parse is read by other means, which do not promise as much.
            if !name.starts_with("syntax_error") && !name.starts_with("newer_syntax") {
                let text = fs::read_to_string(&path).unwrap();
                let census = census(&text);
                found.push(Fixture { name, text, census });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 20, "the fixtures were not found");
    found
}

pub(crate) fn census(text: &str) -> Census {
    let options = AuditOptions { jobs: Some(1), ..AuditOptions::default() };
    let verdict = audit(Sources::from_texts([("src/example.rs", text)]), &RULES, &options);
    let mut census = Census::new();
    for finding in verdict.open() {
        let line = verdict.file(finding.place.file).line(finding.place.span.start);
        census.entry(line).or_default().push(finding.code.to_owned());
    }
    for statement in &verdict.program.statements {
        let line = verdict.file(statement.place.file).line(statement.place.span.start);
        census.entry(line).or_default().push(statement.cover.verdict().to_owned());
    }
    census.values_mut().for_each(|words| words.sort());
    census
}

pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(|| load(None, Path::new("")).unwrap().rules);
