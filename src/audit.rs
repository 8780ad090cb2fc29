//! Sources in, Verdict out: the whole run, one call per stage. The command line, the editor and the tests all call this.

use std::path::PathBuf;

use crate::cache::{self, Remembered, Slot};
use crate::clock::Clock;
use crate::discover::Sources;
pub use crate::discover::Tests;
use crate::entities::name_tables;
use crate::exceptions::{self, Allow, Baseline, allows};
use crate::exempt::exempt;
use crate::facts::{FileFacts, Name};
use crate::finding::{BlindSpot, Finding, Level, Mode, Stats, Verdict};
use crate::index::Index;
use crate::judge::{judge, judge_schema, schema_blind_spots};
use crate::parse::{LARGE_STACK, on_large_stack};
pub use crate::prefilter::Parsing;
use crate::prefilter::{Reading, TestCode};
use crate::program::Program;
use crate::resolve;
use crate::rules::{Rules, RulesFile};
use crate::schema::{Schema, SchemaInUse};
use crate::source::SourceFile;

/// How a run is judged.
#[derive(Clone, Debug, Default)]
pub struct AuditOptions {
    /// `flow` or `lexical`.
    pub mode: Mode,
    /// Whether test code is judged.
    pub tests: Tests,
    /// Levels that differ from the lints' own, by code; the last one of a code counts.
    pub levels: Vec<(&'static str, Level)>,
    /// Findings accepted for now.
    pub baseline: Option<Baseline>,
    /// The project's own rules file, whose rows are called stale where they match nothing.
    pub rules_file: Option<RulesFile>,
    /// Threads; the machine's number where not given.
    pub jobs: Option<usize>,
    /// Which files are parsed.
    pub parsing: Parsing,
    /// The folder where runs are remembered; nothing is where it is not given.
    pub cache: Option<PathBuf>,
}

/// Audits what was read. Never fails: what cannot be analysed is a blind spot of the verdict.
#[must_use]
pub fn audit(sources: Sources, rules: &Rules, options: &AuditOptions) -> Verdict {
    // The work runs on threads of our own, whose stacks are large.
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs.unwrap_or(0))
        .stack_size(LARGE_STACK)
        .start_handler(|_| on_large_stack())
        .build();
    match threads {
        Ok(threads) => threads.install(|| run(sources, rules, options)),
        Err(_) => run(sources, rules, options),
    }
}

fn run(sources: Sources, rules: &Rules, options: &AuditOptions) -> Verdict {
    let Sources { files, sql, left_out, mut blind_spots, coverage, stages, .. } = sources;
    let mut clock = Clock::after(stages);
    let rust_files = files.len();
    let mut files: Vec<SourceFile> = files.into_iter().chain(sql).collect();
    let slot = options.cache.as_ref().and_then(|folder| Slot::new(folder, &files, &settings(rules, options)));
    let Resolved { mut program, schema, facts, parsed } = match slot.as_ref().and_then(Slot::recall) {
        Some(remembered) => recalled(remembered, &files, rust_files, rules, &mut clock),
        None => {
            let resolved = resolved(&files, rust_files, rules, options, &mut clock);
            if let Some(slot) = &slot {
                slot.remember(&Remembered::new(&resolved.program, &resolved.facts));
                clock.lap("remember");
            }
            resolved
        }
    };
    let mut stats = stats(&files[..rust_files], parsed);
    blind_spots.extend(files.iter().zip(&facts).flat_map(|(file, facts)| blind(file, facts)));
    blind_spots.extend(schema_blind_spots(&schema, &files));
    blind_spots.sort();
    name_tables(&mut program, &files);
    exempt(&mut program, &schema, &rules.tables);
    if options.mode == Mode::Lexical {
        program.judge_lexically();
    }
    clock.lap("resolve");
    let mut findings = judge(&program, &files, &options.levels);
    let used = SchemaInUse::new(&schema, &program, &rules.tables);
    findings.extend(judge_schema(&used, &files, &options.levels));
    let allows: Vec<Allow> = (0..).zip(&facts).flat_map(|(file, facts)| allows(file, facts)).collect();
    clock.lap("judge");
    let exceptions = exceptions::Sources {
        statements: &program.statements,
        levels: &options.levels,
        allows: &allows,
        rules,
        rules_file: options.rules_file.as_ref(),
        used_rules: &program.used_rules,
        baseline: options.baseline.as_ref(),
        coverage,
        left_out: &left_out,
        mode: options.mode,
        tests: options.tests,
    };
    except(&mut findings, &mut files, exceptions);
    clock.lap("except");
    stats.stages = clock.laps;
    Verdict { files, program, schema, findings, blind_spots, stats, mode: options.mode }
}

/// What is known when every function was read.
struct Resolved {
    program: Program,
    schema: Schema,
    facts: Vec<FileFacts>,
    parsed: usize,
}

fn resolved(
    files: &[SourceFile],
    rust_files: usize,
    rules: &Rules,
    options: &AuditOptions,
    clock: &mut Clock,
) -> Resolved {
    let (rust, sql) = files.split_at(rust_files);
    let test_code = if options.tests == Tests::In { TestCode::In } else { TestCode::Out };
    let mut reading = Reading::new(rust, rules, options.parsing, test_code, clock);
    let schema = Schema::read(files, &reading.facts, &rules.tables);
    clock.lap("schema");
    let resolve_options = resolve::Options {
        with_tests: options.tests == Tests::In,
        policy_settings: schema.tenant_settings.keys().cloned().collect(),
        stored_settings: schema.stored_settings(),
        definers: schema.definers(),
        bypass_roles: schema.bypass_roles.keys().cloned().collect(),
        includes: sql.iter().map(|file| (file.path.clone(), file.text.clone())).collect(),
    };
    // Paths lead from entry points, which may lie in files that name nothing of the rules.
    let program = loop {
        let index = Index::new(rust, &reading.facts, rules);
        clock.lap("index");
        let program = resolve::resolve(&index, rules, &resolve_options);
        clock.lap("resolve");
        let led_from: Vec<Name> = program.led_from.iter().cloned().collect();
        if !reading.add(&led_from, clock) {
            break program;
        }
    };
    let facts = reading.finish();
    Resolved { program, schema, parsed: cache::parsed(&facts), facts }
}

fn recalled(
    mut remembered: Remembered,
    files: &[SourceFile],
    rust_files: usize,
    rules: &Rules,
    clock: &mut Clock,
) -> Resolved {
    let facts = remembered.facts(rust_files);
    clock.lap("recall");
    let schema = Schema::read(files, &facts, &rules.tables);
    clock.lap("schema");
    Resolved { program: remembered.program, schema, parsed: remembered.parsed, facts }
}

/// Everything but the files that a resolved program depends on, as text.
fn settings(rules: &Rules, options: &AuditOptions) -> String {
    format!("{:?} {:?} {rules:?}", options.tests, options.parsing)
}

fn stats(files: &[SourceFile], parsed: usize) -> Stats {
    Stats {
        files: files.len(),
        parsed,
        lines: files.iter().map(|file| file.line_count() as usize).sum(),
        bytes: files.iter().map(|file| file.text.len()).sum(),
        stages: Vec::new(),
    }
}

/// Settles the status of every finding, and adds what is wrong with the exceptions themselves.
fn except(findings: &mut Vec<Finding>, files: &mut Vec<SourceFile>, sources: exceptions::Sources<'_>) {
    let exceptions = exceptions::apply(findings, files, sources);
    let mut own = crate::judge::judge_exceptions(&exceptions, files, sources.levels);
    exceptions::set_fingerprints(&mut own, files, sources.statements);
    findings.extend(own);
    let path = |finding: &Finding| &files[finding.place.file as usize].path;
    findings.sort_by(|a, b| (path(a), a.place, a.code).cmp(&(path(b), b.place, b.code)));
}

fn blind<'f>(file: &'f SourceFile, facts: &'f FileFacts) -> impl Iterator<Item = BlindSpot> + 'f {
    facts.blind_spots.iter().map(|blind| {
        let at = file.position(blind.span.start);
        BlindSpot { file: file.path.clone(), line: at.line, column: at.column, reason: blind.reason.clone() }
    })
}
