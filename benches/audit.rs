//! A whole run against the floor: reading the same files. Prints ratios, and fails on none: times depend on the machine.
//!
//! The corpora are what this machine has: the sources in cargo's registry, chosen by name alone, so that two runs on one
//! machine read the same. `RLS_AUDIT_BENCH=DIR` measures a folder of your own beside them.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rls_audit::audit::{AuditOptions, audit};
use rls_audit::discover::{Project, Request};
use rls_audit::index::RuleBook;
use rls_audit::rules::{Rules, load};

/// What a corpus holds at least, if the machine has as much.
const ENOUGH: usize = 16 * 1024 * 1024;
/// The median of this many runs counts.
const RUNS: usize = 7;

fn main() {
    // `cargo test --all-targets` runs benches too, unoptimised; then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rules = load(None, Path::new("")).expect("the shipped rules are sound").rules;
    let crates = registry_crates();
    if crates.is_empty() {
        println!("no registry sources below {}; build something first", registry().display());
    }
    let identifiers = RuleBook::new(&rules).identifiers();
    let (with, without): (Vec<Crate>, Vec<Crate>) =
        crates.into_iter().partition(|found| found.mentions_one_of(&identifiers));
    measure("about databases", &files_of(&with, ENOUGH), &rules);
    let mut mostly_not = files_of(&without, ENOUGH);
    mostly_not.extend(files_of(&with, ENOUGH / 20));
    measure("mostly not about databases", &mostly_not, &rules);
    if let Some(folder) = std::env::var_os("RLS_AUDIT_BENCH") {
        measure("your folder", &rust_files(Path::new(&folder)), &rules);
    }
}

/// One corpus: the floor, the whole run, and where its time goes.
fn measure(name: &str, files: &[PathBuf], rules: &Rules) {
    if files.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = gather(files, folder.path());
    println!("\n{name}: {} files, {:.1} MB, medians of {RUNS} warm runs", files.len(), bytes as f64 / 1e6);
    let copies = rust_files(folder.path());
    let read = median(|| read_all(&copies));
    let cat = has_cat().then(|| median(|| cat(&copies)));
    reset_peak();
    let base = memory("VmRSS:");
    let mut stages: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut order = Vec::new();
    let mut parsed = 0;
    let whole = median(|| {
        let request = Request { cwd: folder.path().to_owned(), ..Request::default() };
        let sources = Project::find(&request).and_then(|project| project.read(&request)).expect("a readable folder");
        let verdict = audit(sources, rules, &AuditOptions::default());
        parsed = verdict.stats.parsed;
        for (stage, micros) in &verdict.stats.stages {
            if !order.contains(stage) {
                order.push(*stage);
            }
            *stages.entry(stage).or_default() += micros;
        }
        black_box(verdict);
    });
    println!("  parsed: {parsed} files ({:.1} %)", parsed as f64 * 100.0 / files.len() as f64);
    println!("  whole run / read in this process: {:.2}", ratio(whole, read));
    match cat {
        Some(cat) => println!("  whole run / cat: {:.2}", ratio(whole, cat)),
        None => println!("  whole run / cat: there is no cat here"),
    }
    let total: u64 = stages.values().sum();
    let shares = order.iter().map(|stage| format!("{stage} {:.0} %", stages[stage] as f64 * 100.0 / total as f64));
    println!("  of which: {}", shares.collect::<Vec<_>>().join(", "));
    match (memory("VmHWM:"), base) {
        (Some(peak), Some(base)) => {
            let (peak, added) = (mebibytes(peak), mebibytes(peak.saturating_sub(base)));
            println!(
                "  peak memory: {peak:.0} MiB, {added:.0} of it by the runs; texts alone: {:.0} MiB",
                mebibytes(bytes as u64)
            );
        }
        _ => println!("  peak memory: not told by this system"),
    }
}

fn ratio(left: Duration, right: Duration) -> f64 {
    left.as_secs_f64() / right.as_secs_f64()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1024 * 1024)
}

/// The median time of warm runs.
fn median(mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn read_all(files: &[PathBuf]) {
    for file in files {
        black_box(fs::read(file).expect("a file that was just written"));
    }
}

fn has_cat() -> bool {
    Command::new("cat").arg("/dev/null").status().is_ok_and(|status| status.success())
}

/// `cat FILES > /dev/null`, in as many calls as the system wants for that many names.
fn cat(files: &[PathBuf]) {
    for some in files.chunks(2000) {
        let status = Command::new("cat").args(some).stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "cat failed");
    }
}

/// A value of this process, in bytes, where the system tells it.
fn memory(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Forgets the peak so far, where the system can; where not, the peak is that of all corpora until now.
fn reset_peak() {
    if fs::write("/proc/self/clear_refs", "5").is_err() {
        println!("  the peak of memory is that of the whole bench");
    }
}

/// A crate of the registry.
struct Crate {
    files: Vec<PathBuf>,
    text: Vec<u8>,
}

impl Crate {
    fn mentions_one_of(&self, names: &[&str]) -> bool {
        let text = String::from_utf8_lossy(&self.text);
        names.iter().any(|name| text.contains(name))
    }
}

fn registry() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.unwrap_or_default().join("registry/src")
}

/// Every crate below the registry, by name. Generated bindings would drown all other code, so huge files are left out.
fn registry_crates() -> Vec<Crate> {
    let mut crates = Vec::new();
    for index in children(&registry()) {
        for folder in children(&index) {
            let mut files = rust_files(&folder);
            files.retain(|file| fs::metadata(file).is_ok_and(|data| data.len() < 512 * 1024));
            let text = files.iter().filter_map(|file| fs::read(file).ok()).flatten().collect();
            crates.push(Crate { files, text });
        }
    }
    crates
}

/// The files of the first crates that are enough together.
fn files_of(crates: &[Crate], enough: usize) -> Vec<PathBuf> {
    let mut bytes = 0;
    let chosen = crates.iter().take_while(|found| {
        let is_wanted = bytes < enough;
        bytes += found.text.len();
        is_wanted
    });
    chosen.flat_map(|found| found.files.clone()).collect()
}

/// Copies files into a folder, one folder per crate, so that they are walked and read like any other tree.
fn gather(files: &[PathBuf], folder: &Path) -> usize {
    let root = registry();
    let mut bytes = 0;
    for file in files {
        let inside = file.strip_prefix(&root).unwrap_or_else(|_| file.strip_prefix("/").unwrap_or(file));
        let copy = folder.join(inside);
        fs::create_dir_all(copy.parent().expect("a file has a folder")).expect("a writable temporary folder");
        bytes += fs::copy(file, &copy).expect("a writable temporary folder") as usize;
    }
    bytes
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let found = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    found.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).filter(is_rust).collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}
