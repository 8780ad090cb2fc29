//! Findings and exceptions in, findings with their status out, and what became of every exception.

mod allow;
mod baseline;
mod exempt;
mod fingerprint;

use std::collections::BTreeMap;

use crate::discover::Coverage;
use crate::finding::{Exception, Finding, Level, Mode, Status};
use crate::program::{FileId, Place, Statement};
use crate::rules::{Rules, RulesFile};
use crate::source::{SourceFile, Span, Target};

pub use allow::{Allow, allows};
pub use baseline::{Baseline, Entry};
pub use exempt::check_lints;
pub use fingerprint::set_fingerprints;

/// Everything that can except a finding.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The census: findings are cut to one line, and exceptions speak of whole statements.
    pub statements: &'a [Statement],
    /// Levels that differ from the lints' own.
    pub levels: &'a [(&'static str, Level)],
    /// Allow comments of all files.
    pub allows: &'a [Allow],
    /// The active rules.
    pub rules: &'a Rules,
    /// The project's own rules file, whose rows can be stale.
    pub rules_file: Option<&'a RulesFile>,
    /// Rows of the scope rules that matched something.
    pub used_rules: &'a std::collections::BTreeSet<String>,
    /// Findings accepted for now.
    pub baseline: Option<&'a Baseline>,
    /// How much was read.
    pub coverage: Coverage,
    /// Test code that was found and not judged.
    pub left_out: &'a [SourceFile],
    /// How it was judged.
    pub mode: Mode,
    /// Whether test code was judged.
    pub tests: crate::discover::Tests,
}

/// Sets the fingerprint and the status of every finding. The first exception that fits counts: the comment at the place,
/// then the row of the rules, then the baseline. Files that hold exceptions are added to `files`, so that they have places.
pub fn apply(findings: &mut [Finding], files: &mut Vec<SourceFile>, sources: Sources<'_>) -> Vec<Exception> {
    set_fingerprints(findings, files, sources.statements);
    let mut exceptions = allow::apply(findings, files, &sources);
    exceptions.extend(exempt::apply(findings, files, &sources));
    allow_through(findings, sources.statements);
    exceptions.extend(baseline::apply(findings, files, &sources));
    exceptions
}

/// Who allows the statement in a function that sends what it is given allows the calls of it.
fn allow_through(findings: &mut [Finding], statements: &[Statement]) {
    let start = |place: Place| (place.file, place.span.start);
    let reasons: BTreeMap<_, String> = findings
        .iter()
        .filter_map(|finding| match &finding.status {
            Status::Allowed(reason) => Some((start(finding.place), reason.clone())),
            Status::Open | Status::Baselined => None,
        })
        .collect();
    let through: BTreeMap<_, Place> =
        statements.iter().filter_map(|statement| Some((start(statement.place), statement.through?))).collect();
    for finding in open_findings(findings) {
        let sender = through.get(&start(finding.place));
        if let Some(reason) = sender.and_then(|sender| reasons.get(&start(*sender))) {
            finding.status = Status::Allowed(reason.clone());
        }
    }
}

/// Adds a file that the user wrote beside the code.
fn add_file(files: &mut Vec<SourceFile>, path: &str, text: &str) -> FileId {
    files.push(SourceFile::new(path.to_owned(), text.to_owned(), Target::default()));
    crate::source::to_u32(files.len() - 1)
}

/// All of the statement that a finding is about.
fn whole(place: Place, statements: &[Statement]) -> Place {
    let start = |place: Place| (place.file, place.span.start);
    let from = statements.partition_point(|statement| start(statement.place) < start(place));
    let same = statements[from..].iter().take_while(|statement| start(statement.place) == start(place));
    let end = same.map(|statement| statement.place.span.end).max().unwrap_or(place.span.end);
    Place { file: place.file, span: Span { start: place.span.start, end: end.max(place.span.end) } }
}

fn open_findings(findings: &mut [Finding]) -> impl Iterator<Item = &mut Finding> {
    findings.iter_mut().filter(|finding| finding.status == Status::Open)
}

impl Sources<'_> {
    /// Whether a finding of this lint, had there been one, would have been found: call paths need all callers,
    /// and lexical mode does not look for what only the full analysis finds.
    fn would_find(&self, code: &str) -> bool {
        let needs_all = !matches!(code, "RLS001" | "RLS002" | "RLS004" | "RLS005" | "RLS006" | "RLS007" | "RLS008");
        let level = self.levels.iter().rev().find(|(known, _)| *known == code).map(|(_, level)| *level);
        level != Some(Level::Allow) && self.mode == Mode::Flow && (self.coverage == Coverage::Whole || !needs_all)
    }
}
