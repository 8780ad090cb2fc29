//! What is remembered of a run changes no byte of a report, and nothing that is out of date or damaged is believed.

mod rendered;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rls_audit::audit::{AuditOptions, Tests, audit};
use rls_audit::discover::{Project, Request, Sources};
use rls_audit::finding::Verdict;
use rls_audit::rules::{Origin, RULES_FILE, Rules, load};

use self::rendered::rendered;

const UNSCOPED: &str =
    "pub async fn all(pool: &sqlx::PgPool) { sqlx::query(\"select * from orders\").execute(pool).await.unwrap(); }";

#[test]
fn fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for folder in ["", "probes", "idioms", "staging", "staging-hardened"] {
        for tests in [Tests::In, Tests::Out] {
            let request = Request { cwd: root.clone(), paths: vec![root.join(folder)], tests, ..Request::default() };
            let sources = Project::find(&request).unwrap().read(&request).unwrap();
            assert_same(folder, &sources, &rules_of(&root.join(folder)), tests);
        }
    }
}

/// Larger trees, where there are some: `RLS_AUDIT_TREES=DIR:DIR cargo test --test cache -- --nocapture`.
#[test]
fn trees_of_your_own() {
    let Some(folders) = std::env::var_os("RLS_AUDIT_TREES") else {
        return println!("skipped: RLS_AUDIT_TREES names no folder");
    };
    for folder in std::env::split_paths(&folders) {
        let request = Request { cwd: folder.clone(), ..Request::default() };
        let sources = Project::find(&request).unwrap().read(&request).unwrap();
        assert_same(&folder.to_string_lossy(), &sources, &rules_of(&folder), Tests::Out);
        println!("{}: the same", folder.display());
    }
}

#[test]
fn what_changed_is_analysed_again() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules_of(Path::new("none"));
    let run = |files: &[(&str, &str)], rules: &Rules, tests| {
        let options = AuditOptions { cache: Some(folder.path().into()), tests, ..AuditOptions::default() };
        let verdict = audit(Sources::from_texts(files.iter().copied()), rules, &options);
        (is_recalled(&verdict), verdict.program.statements.len())
    };
    let one = [("src/a.rs", UNSCOPED), ("b.sql", "create table orders (tenant_id uuid);")];
    assert_eq!(run(&one, &rules, Tests::Out), (false, 1));
    assert_eq!(run(&one, &rules, Tests::Out), (true, 1));
    // Another text, another path, another file, another text of SQL, other rules, other options.
    let two = UNSCOPED.replace(".unwrap();", ".unwrap(); sqlx::query(\"select 2\").execute(pool).await.unwrap();");
    assert_eq!(run(&[("src/a.rs", &two), one[1]], &rules, Tests::Out), (false, 2));
    assert_eq!(run(&[("src/c.rs", UNSCOPED), one[1]], &rules, Tests::Out), (false, 1));
    assert_eq!(run(&[one[0], one[1], ("src/d.rs", "fn d() {}")], &rules, Tests::Out), (false, 1));
    assert_eq!(run(&[one[0], ("b.sql", "create table orders (id int);")], &rules, Tests::Out), (false, 1));
    let mut others = rules.clone();
    others.packs.retain(|pack| pack.name != "sqlx");
    assert_eq!(run(&one, &others, Tests::Out), (false, 0));
    assert_eq!(run(&one, &rules, Tests::In), (false, 1));
    assert_eq!(run(&one, &rules, Tests::Out), (true, 1));
}

#[test]
fn what_is_damaged_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules_of(Path::new("none"));
    let options = AuditOptions { cache: Some(folder.path().join("new/folder")), ..AuditOptions::default() };
    let run = || audit(Sources::from_texts([("src/a.rs", UNSCOPED)]), &rules, &options);
    let first = report(&run());
    let file = runs(&folder.path().join("new/folder")).pop().unwrap();
    let sound = fs::read(&file).unwrap();
    let mut changed = sound.clone();
    let at = sound.windows(6).position(|part| part == b"orders").unwrap();
    changed[at] = b'b';
    for damaged in
        [&changed[..], &sound[..sound.len() / 2], &sound[..8], b"", b"\xFF\xFE", &[&sound[..], b" "].concat()]
    {
        fs::write(&file, damaged).unwrap();
        let verdict = run();
        assert!(!is_recalled(&verdict));
        assert_eq!(report(&verdict), first);
        assert!(is_recalled(&run()), "the damaged file was not replaced");
    }
}

#[test]
fn only_a_few_runs_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules_of(Path::new("none"));
    let options = AuditOptions { cache: Some(folder.path().join("runs")), ..AuditOptions::default() };
    for number in 0..12 {
        let text = format!("{UNSCOPED}\nfn f{number}() {{}}");
        let _ = audit(Sources::from_texts([("src/a.rs", text.as_str())]), &rules, &options);
    }
    assert_eq!(runs(&folder.path().join("runs")).len(), 8);
}

#[test]
fn a_folder_that_cannot_be_written_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let options = AuditOptions { cache: Some(file.join("runs")), ..AuditOptions::default() };
    let verdict = audit(Sources::from_texts([("src/a.rs", UNSCOPED)]), &rules_of(Path::new("none")), &options);
    assert_eq!(verdict.program.statements.len(), 1);
}

#[test]
fn the_command_remembers_below_cargos_target_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    file("src/lib.rs", UNSCOPED);
    let command = |flags: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"));
        command.args(["--format", "short"]).args(flags).current_dir(folder.path()).env_remove("CARGO_TARGET_DIR");
        command.output().unwrap()
    };
    let cache = folder.path().join("target/rls-audit");
    let without = command(&["--no-cache"]);
    assert!(!cache.exists(), "--no-cache wrote something");
    let first = command(&[]);
    assert_eq!(runs(&cache).len(), 1);
    let second = command(&[]);
    for output in [&first, &second] {
        assert_eq!((&output.stdout, output.status), (&without.stdout, without.status));
    }
    assert!(cache.join(".gitignore").exists());
    file("src/lib.rs", "pub fn nothing() {}");
    assert_ne!(command(&[]).stdout, first.stdout);
}

fn runs(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn rules_of(folder: &Path) -> Rules {
    let path = folder.join(RULES_FILE);
    let origin = path.exists().then_some(Origin::File(path));
    load(origin.as_ref(), folder).unwrap().rules
}

fn is_recalled(verdict: &Verdict) -> bool {
    verdict.stats.stages.iter().any(|(stage, _)| *stage == "recall")
}

/// The same report without a cache, with an empty one and with a full one.
fn assert_same(name: &str, sources: &Sources, rules: &Rules, tests: Tests) {
    let folder = tempfile::tempdir().unwrap();
    let plain = AuditOptions { tests, ..AuditOptions::default() };
    let cached = AuditOptions { cache: Some(folder.path().into()), ..plain.clone() };
    let without = audit(sources.clone(), rules, &plain);
    let first = audit(sources.clone(), rules, &cached);
    let second = audit(sources.clone(), rules, &cached);
    assert!(!is_recalled(&without) && !is_recalled(&first) && is_recalled(&second), "{name}");
    assert_eq!(without.stats.parsed, second.stats.parsed, "{name}");
    assert!(report(&without) == report(&first), "{name}: differs with an empty cache");
    assert!(report(&without) == report(&second), "{name}: differs with a full cache");
}

fn report(verdict: &Verdict) -> String {
    let program = &verdict.program;
    format!("{}{:?}{:?}{:?}", rendered(verdict), program.inferred, program.calls, program.statements)
}
