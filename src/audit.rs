//! Sources in, Verdict out: the whole run, one call per stage. The command line, the editor and the tests all call this.

use std::time::Instant;

use crate::discover::Sources;
pub use crate::discover::Tests;
use crate::exceptions::Baseline;
use crate::finding::{Level, Mode, Stats, Verdict};
use crate::program::Program;
use crate::rules::Rules;

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
    /// Threads; the machine's number where not given.
    pub jobs: Option<usize>,
}

/// Audits what was read. Never fails: what cannot be analysed is a blind spot of the verdict.
#[must_use]
pub fn audit(sources: Sources, _rules: &Rules, options: &AuditOptions) -> Verdict {
    let started = Instant::now();
    let Sources { files, sql, blind_spots, .. } = sources;
    let stats = Stats {
        files: files.len(),
        parsed: 0,
        lines: files.iter().map(|file| file.line_count() as usize).sum(),
        bytes: files.iter().map(|file| file.text.len()).sum(),
        stages: vec![("read", u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))],
    };
    let files = files.into_iter().chain(sql).collect();
    Verdict { files, program: Program::default(), findings: Vec::new(), blind_spots, stats, mode: options.mode }
}
