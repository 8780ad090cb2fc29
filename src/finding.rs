//! What the lints say: findings, how severe they are, and what the exceptions made of them.

use crate::program::{FileId, Place, Program, Step};
use crate::schema::Schema;
use crate::source::SourceFile;

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not reported.
    Allow,
    /// Reported; does not fail the run.
    Warn,
    /// Reported; fails the run.
    Deny,
}

impl Level {
    /// `error` or `warning`, as every format calls them.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "error",
            Self::Allow | Self::Warn => "warning",
        }
    }
}

/// One lint at one place.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `RLS001`.
    pub code: &'static str,
    /// `unscoped-query`.
    pub name: &'static str,
    /// How severe.
    pub level: Level,
    /// Where; on one line where possible.
    pub place: Place,
    /// Lower-case, no full stop.
    pub message: String,
    /// What stands under the place.
    pub label: String,
    /// Other places with what stands under them.
    pub related: Vec<(Place, String)>,
    /// One imperative sentence that says what to type.
    pub help: String,
    /// A replacement of a place's text that fixes it, where there is one.
    pub fix: Option<Fix>,
    /// The function it is in.
    pub function: String,
    /// The tables concerned.
    pub tables: Vec<String>,
    /// The call path that proves it; empty for most.
    pub path: Vec<Step>,
    /// Whether it is a gap of the inventory.
    pub is_gap: bool,
    /// What the exceptions made of it.
    pub status: Status,
    /// Survives moved lines and reformatting; set by `fingerprint`.
    pub fingerprint: String,
}

impl Finding {
    /// Whether it is a gap that nobody gave a reason for. What the baseline accepts for now is still one.
    #[must_use]
    pub fn is_open_gap(&self) -> bool {
        self.is_gap && !matches!(self.status, Status::Allowed(_))
    }
}

/// A replacement that an editor can offer.
#[derive(Clone, Debug)]
pub struct Fix {
    /// The place to replace.
    pub place: Place,
    /// The new text.
    pub text: String,
    /// What it does, for the editor's menu.
    pub title: String,
}

/// What the exceptions made of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody excepts it.
    Open,
    /// An allow comment or an `[[exempt]]` row does; the reason.
    Allowed(String),
    /// It is in the baseline.
    Baselined,
}

/// Something that excepts findings, and whether it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What it is.
    pub kind: ExceptionKind,
    /// Where it is written.
    pub place: Place,
    /// What it excepts, in its own words: `RLS001`, a function, a path.
    pub names: String,
    /// Why; empty where none is given.
    pub reason: String,
    /// What is wrong with it beside that, as a lower-case fragment.
    pub problem: Option<String>,
    /// Whether it excepted something, or cannot be judged because not everything was read.
    pub is_used: bool,
}

/// The kinds of [`Exception`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExceptionKind {
    /// An allow comment.
    Allow,
    /// An `[[exempt]]` row.
    Exemption,
    /// A baseline entry.
    Baseline,
    /// A row of the scope rules.
    ScopeRow,
}

/// A place that was not analysed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlindSpot {
    /// Relative to the audited root.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// Lower-case fragment.
    pub reason: String,
}

/// The whole outcome of a run: what every report prints from.
#[derive(Debug)]
pub struct Verdict {
    /// The files, by [`FileId`].
    pub files: Vec<SourceFile>,
    /// The program with its census.
    pub program: Program,
    /// What the migrations leave behind.
    pub schema: Schema,
    /// Findings of every status, by file and position.
    pub findings: Vec<Finding>,
    /// Blind spots, by file and position.
    pub blind_spots: Vec<BlindSpot>,
    /// Numbers and times.
    pub stats: Stats,
    /// `flow` or `lexical`.
    pub mode: Mode,
}

impl Verdict {
    /// The file of a place.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id as usize]
    }

    /// Findings that nobody excepts.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status == Status::Open)
    }
}

/// How statements are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every statement not lexically inside a scope function's closure is a gap.
    Lexical,
    /// Handles are followed.
    #[default]
    Flow,
}

/// Numbers of a run.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Files read.
    pub files: usize,
    /// Files parsed (the others hold none of the names that matter).
    pub parsed: usize,
    /// Lines read.
    pub lines: usize,
    /// Bytes read.
    pub bytes: usize,
    /// Wall time of each stage, in order, in microseconds.
    pub stages: Vec<(&'static str, u64)>,
}
