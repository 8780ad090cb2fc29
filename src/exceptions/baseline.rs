//! The file of findings that are accepted for now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Sources, add_file, fingerprint, open_findings, whole};
use crate::discover::{Coverage, Tests};
use crate::finding::{Exception, ExceptionKind, Finding, Status, Verdict};
use crate::program::Place;
use crate::source::{SourceFile, Span, to_u32};
use crate::user_error::UserError;

const SCHEMA: &str = "rls-audit-baseline/1";
/// The reason of entries that nobody gave one.
pub const DEFAULT_REASON: &str = "found when the baseline was written";

/// Findings accepted for now.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The file as the user named it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Whether it accepts what is in test code.
    pub tests: Tests,
    /// What it accepts.
    pub entries: Vec<Entry>,
}

/// One accepted finding. Only the fingerprint decides; the rest is for whoever reads the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// See [`Finding::fingerprint`].
    pub fingerprint: String,
    /// The lint.
    pub code: String,
    /// Relative to the audited root.
    pub file: String,
    /// The function.
    pub function: String,
    /// The beginning of the statement.
    pub statement: String,
    /// Why it is accepted.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    /// Test code was judged too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all_targets: bool,
    findings: Vec<Entry>,
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// Where the file cannot be read or is no baseline.
    pub fn read(path: &Path) -> Result<Self, UserError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            UserError::new(format!("baseline `{}` cannot be read: {error}", path.display()))
                .help(format!("write it with `cargo rls-audit baseline --write --baseline {}`", path.display()))
        })?;
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Self, UserError> {
        let document: Document = serde_json::from_str(&text).map_err(|error| {
            let span = offset(&text, error.line(), error.column());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
            UserError::new(message)
                .at(path, &text, span, "here")
                .help("write the file anew with `cargo rls-audit baseline --write`")
        })?;
        if document.schema != SCHEMA {
            let at = text.find(&document.schema).unwrap_or(0);
            let span = at..at + document.schema.len();
            return Err(UserError::new(format!("schema `{}` is not known", document.schema))
                .at(path, &text, span, "here")
                .help(format!("write `{SCHEMA}`")));
        }
        let tests = if document.all_targets { Tests::In } else { Tests::Out };
        Ok(Self { path: path.to_owned(), text, tests, entries: document.findings })
    }

    /// The baseline of all findings that no other exception covers. Reasons of entries that stay are kept.
    #[must_use]
    pub fn of(verdict: &Verdict, tests: Tests, old: Option<&Self>, reason: Option<&str>) -> Self {
        let reasons: BTreeMap<&str, &str> = old
            .iter()
            .flat_map(|old| old.entries.iter())
            .map(|entry| (entry.fingerprint.as_str(), entry.reason.as_str()))
            .collect();
        let accepted = verdict.findings.iter().filter(|finding| {
            // An exception cannot be excepted, or stale ones would pile up unseen.
            !matches!(finding.status, Status::Allowed(_)) && !finding.code.starts_with("RLS9")
        });
        let entries = accepted.map(|finding| {
            let file = verdict.file(finding.place.file);
            let kept = reasons.get(finding.fingerprint.as_str()).copied();
            let statement = fingerprint::normalised(file.slice(whole(finding.place, &verdict.program.statements).span));
            Entry {
                fingerprint: finding.fingerprint.clone(),
                code: finding.code.to_owned(),
                file: file.path.clone(),
                function: finding.function.clone(),
                statement: statement.chars().take(100).collect(),
                reason: kept.or(reason).unwrap_or(DEFAULT_REASON).to_owned(),
            }
        });
        Self { tests, entries: entries.collect(), ..Self::default() }
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let all_targets = self.tests == Tests::In;
        let document = Document { schema: SCHEMA.to_owned(), all_targets, findings: self.entries.clone() };
        // Strings in a fixed shape always serialise.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}

fn offset(text: &str, line: usize, column: usize) -> std::ops::Range<usize> {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at..text[at..].chars().next().map_or(at, |c| at + c.len_utf8())
}

/// Sets the status of findings that the baseline accepts.
pub fn apply(findings: &mut [Finding], files: &mut Vec<SourceFile>, sources: &Sources<'_>) -> Vec<Exception> {
    let Some(baseline) = sources.baseline else { return Vec::new() };
    let accepted: BTreeMap<&str, usize> =
        baseline.entries.iter().enumerate().map(|(index, entry)| (entry.fingerprint.as_str(), index)).collect();
    let mut used = vec![false; baseline.entries.len()];
    for finding in open_findings(findings) {
        if let Some(index) = accepted.get(finding.fingerprint.as_str()) {
            finding.status = Status::Baselined;
            used[*index] = true;
        }
    }
    let was_read: Vec<bool> =
        baseline.entries.iter().map(|entry| files.iter().any(|file| file.path == entry.file)).collect();
    let reads_all = sources.tests == Tests::In || baseline.tests == Tests::Out;
    let file = add_file(files, &baseline.path.display().to_string(), &baseline.text);
    let mut from = 0;
    let entries = baseline.entries.iter().enumerate();
    entries
        .map(|(index, entry)| {
            // One that is written with escapes is not found as it reads.
            let found = baseline.text[from..].find(&entry.fingerprint).map(|at| from + at);
            let (at, end) = found.map_or((from, from), |at| (at, at + entry.fingerprint.len()));
            from = end;
            let could_match = reads_all
                && sources.would_find(&entry.code)
                && (was_read[index] || sources.coverage == Coverage::Whole);
            Exception {
                kind: ExceptionKind::Baseline,
                place: Place { file, span: Span { start: to_u32(at), end: to_u32(end) } },
                names: format!("{} in {}", entry.code, entry.file),
                reason: entry.reason.clone(),
                problem: None,
                is_used: used[index] || !could_match,
            }
        })
        .collect()
}
