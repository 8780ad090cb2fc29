//! A whole run against the floor: reading the same files. Prints ratios, and fails on none: times depend on the machine.
//! The first run analyses everything; the second takes from the cache what the first one found.
//!
//! The corpora are what this machine has: the sources in cargo's registry, chosen by name alone, so that two runs on one
//! machine read the same. `RLS_AUDIT_BENCH=DIR` measures a folder of your own beside them.

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
const RUNS: usize = 5;

fn main() {
    // `cargo test --all-targets` runs benches too, unoptimised; then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rules = load(None, Path::new("")).expect("the shipped rules are sound").rules;
    let found = Corpora::find(&RuleBook::new(&rules).identifiers());
    if found.with.files.is_empty() {
        println!("no registry sources below {}; build something first", registry().display());
    }
    measure("about databases", &found.with.files, &rules);
    let mut bytes = 0;
    let few = found.with.files.iter().take_while(|file| {
        bytes += fs::metadata(file).map_or(0, |data| data.len() as usize);
        bytes < ENOUGH / 20
    });
    let mostly_not: Vec<PathBuf> = found.without.files.iter().chain(few).cloned().collect();
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
    let cache = tempfile::tempdir().expect("a temporary folder");
    let first = Runs::of(folder.path(), rules, &AuditOptions::default());
    let remembering = AuditOptions { cache: Some(cache.path().to_owned()), ..AuditOptions::default() };
    let second = Runs::of(folder.path(), rules, &remembering);
    println!("  parsed: {} files ({:.1} %)", first.parsed, first.parsed as f64 * 100.0 / files.len() as f64);
    for (name, runs) in [("first run ", &first), ("second run", &second)] {
        let against_cat = cat.map_or_else(|| "no cat here".to_owned(), |cat| format!("{:.2}", ratio(runs.whole, cat)));
        println!("  {name} / read in this process: {:.2}; / cat: {against_cat}", ratio(runs.whole, read));
        println!("    {}", runs.shares());
    }
    let texts = mebibytes(bytes as u64);
    match peaks(folder.path()) {
        Some((first, second)) => println!(
            "  peak memory of the program: first run {:.0} MiB, second run {:.0} MiB, texts {texts:.0} MiB",
            mebibytes(first),
            mebibytes(second)
        ),
        None => println!("  peak memory of the program: not told by this system"),
    }
}

/// The peaks of a first and a second run of the program itself.
fn peaks(folder: &Path) -> Option<(u64, u64)> {
    // Runs are remembered below a workspace's target folder.
    fs::write(folder.join("Cargo.toml"), "[workspace]\n").expect("a writable temporary folder");
    let first = peak(folder, &["--no-cache"])?;
    peak(folder, &[])?;
    Some((first, peak(folder, &[])?))
}

/// The most memory that the program was seen to use. What it takes in its very last moment may be missed.
fn peak(folder: &Path, flags: &[&str]) -> Option<u64> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"));
    command.args(["--format", "short", "--quiet"]).args(flags).current_dir(folder);
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program was built");
    let mut most = None;
    while program.try_wait().expect("a child of ours").is_none() {
        most = memory(program.id(), "VmHWM:").or(most);
        std::thread::sleep(Duration::from_millis(1));
    }
    most
}

/// What was measured of several runs.
struct Runs {
    whole: Duration,
    /// Microseconds of all runs, by stage, in the order of the stages.
    stages: Vec<(&'static str, u64)>,
    parsed: usize,
}

impl Runs {
    /// The first run of all is not counted: it fills the cache, if there is one, and the system's.
    fn of(folder: &Path, rules: &Rules, options: &AuditOptions) -> Self {
        let mut stages: Vec<(&'static str, u64)> = Vec::new();
        let mut parsed = 0;
        let mut count = 0;
        let whole = median(|| {
            if count == 1 {
                stages.clear();
            }
            count += 1;
            let request = Request { cwd: folder.to_owned(), ..Request::default() };
            let sources =
                Project::find(&request).and_then(|project| project.read(&request)).expect("a readable folder");
            let verdict = audit(sources, rules, options);
            parsed = verdict.stats.parsed;
            for (stage, micros) in &verdict.stats.stages {
                match stages.iter_mut().find(|(name, _)| name == stage) {
                    Some((_, total)) => *total += micros,
                    None => stages.push((stage, *micros)),
                }
            }
            black_box(verdict);
        });
        Self { whole, stages, parsed }
    }

    fn shares(&self) -> String {
        let total: u64 = self.stages.iter().map(|(_, micros)| micros).sum();
        let share = |(stage, micros): &(&str, u64)| format!("{stage} {:.0} %", *micros as f64 * 100.0 / total as f64);
        self.stages.iter().map(share).collect::<Vec<_>>().join(", ")
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

/// A value of a process, in bytes, where the system tells it.
fn memory(process: u32, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Files of the registry's crates.
#[derive(Default)]
struct Corpus {
    files: Vec<PathBuf>,
    bytes: usize,
}

/// Crates that name something of the rules, and crates that do not.
#[derive(Default)]
struct Corpora {
    with: Corpus,
    without: Corpus,
}

impl Corpora {
    /// Takes crates by name until there is enough of both. Generated bindings would drown all other code, so huge files
    /// are left out.
    fn find(names: &[&str]) -> Self {
        let mut corpora = Self::default();
        let finders: Vec<_> = names.iter().map(memchr::memmem::Finder::new).collect();
        for folder in children(&registry()).iter().flat_map(|index| children(index)) {
            if corpora.with.bytes.min(corpora.without.bytes) >= ENOUGH {
                break;
            }
            let mut files = rust_files(&folder);
            files.retain(|file| fs::metadata(file).is_ok_and(|data| data.len() < 512 * 1024));
            let text: Vec<u8> = files.iter().filter_map(|file| fs::read(file).ok()).flatten().collect();
            let is_about_databases = finders.iter().any(|finder| finder.find(&text).is_some());
            let corpus = if is_about_databases { &mut corpora.with } else { &mut corpora.without };
            if corpus.bytes < ENOUGH {
                corpus.bytes += text.len();
                corpus.files.extend(files);
            }
        }
        corpora
    }
}

fn registry() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.unwrap_or_default().join("registry/src")
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
