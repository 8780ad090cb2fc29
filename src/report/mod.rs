//! Verdict in, text out: one file per format, one function each. A report owns what it prints or serialises.

pub mod cargo_json;
pub mod github;
pub mod human;
pub mod inferred;
pub mod json;
pub mod markdown;
pub mod short;
pub mod tables;

use std::io;

use crate::finding::{Finding, Level, Verdict};
use crate::inventory::Inventory;
use crate::program::Place;
use crate::source::Position;

/// Where a place starts and ends, as people count.
fn range(verdict: &Verdict, place: Place) -> (Position, Position) {
    let file = verdict.file(place.file);
    (file.position(place.span.start), file.position(place.span.end))
}

/// Findings that nobody excepts, worst first, then by file and position.
fn worst_first(verdict: &Verdict) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = verdict.open().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

/// `1 gap`, `2 gaps`.
fn counted(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// The numbers that every summary speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    errors: usize,
    warnings: usize,
    allowed: usize,
    baselined: usize,
}

impl Counts {
    fn of(verdict: &Verdict) -> Self {
        use crate::finding::Status;
        let mut counts = Self::default();
        for finding in &verdict.findings {
            match (&finding.status, finding.level) {
                (Status::Allowed(_), _) => counts.allowed += 1,
                (Status::Baselined, _) => counts.baselined += 1,
                (Status::Open, Level::Deny) => counts.errors += 1,
                (Status::Open, Level::Warn) => counts.warnings += 1,
                (Status::Open, Level::Allow) => {}
            }
        }
        counts
    }
}

/// How many statements have this verdict.
fn with_verdict(verdict: &Verdict, name: &str) -> usize {
    verdict.program.statements.iter().filter(|statement| statement.cover.verdict() == name).count()
}

/// A report format that `--format` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Human,
    /// One line per finding.
    Short,
    /// One document with the census.
    Json,
    /// Workflow commands of GitHub Actions.
    Github,
    /// The gap inventory.
    Markdown,
}

impl Format {
    /// Every format with its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("human", Self::Human),
        ("short", Self::Short),
        ("json", Self::Json),
        ("github", Self::Github),
        ("markdown", Self::Markdown),
    ];
}

/// How much people are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Findings and blind spots only.
    Quiet,
    /// A summary too.
    #[default]
    Normal,
    /// What is excepted and what no caller settles too.
    Verbose,
}

/// What reports need beside the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The gap inventory.
    pub inventory: &'a Inventory,
    /// The areas of the rules.
    pub areas: &'a [crate::rules::Area],
    /// Whether to colour what people read.
    pub color: Color,
    /// How much people are told.
    pub verbosity: Verbosity,
    /// Whether times are part of the report; they are never the same twice.
    pub times: Times,
    /// What stands before every path where the reader's root is above ours: empty, or it ends in `/`.
    pub path_prefix: &'a str,
}

/// Whether text for people is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// With ANSI escapes.
    Ansi,
    /// Plain text.
    #[default]
    Plain,
}

/// Whether measured times are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// They are.
    Shown,
    /// The same input gives the same bytes.
    #[default]
    Hidden,
}

/// Prints one format.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(format: Format, verdict: &Verdict, context: &Context<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    match format {
        Format::Human => human::render(verdict, context, out),
        Format::Short => short::render(verdict, out),
        Format::Json => json::render(verdict, context, out),
        Format::Github => github::render(verdict, context.path_prefix, out),
        Format::Markdown => markdown::render(context.inventory, out),
    }
}
