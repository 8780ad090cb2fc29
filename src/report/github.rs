//! Workflow commands of GitHub Actions, and the job's summary page.
//!
//! A step shows ten errors and ten warnings and drops the rest without a word, so the worst come first
//! and one line says how many are left.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Counts, counted, range, worst_first};
use crate::finding::{Finding, Level, Verdict};

const SHOWN_PER_LEVEL: usize = 10;
/// GitHub takes 1 MiB of summary per step and drops all of a longer one.
const SUMMARY_BYTES: usize = 1_000_000;

/// Prints the annotations. `prefix` leads from the repository's root to the audited root.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(verdict: &Verdict, prefix: &str, out: &mut dyn Write) -> io::Result<()> {
    let findings = worst_first(verdict);
    let mut left = 0;
    for level in [Level::Deny, Level::Warn] {
        let of_level: Vec<_> = findings.iter().filter(|finding| finding.level == level).collect();
        // The line that counts the rest needs one of the ten.
        let shown = if of_level.len() > SHOWN_PER_LEVEL { SHOWN_PER_LEVEL - 1 } else { of_level.len() };
        for finding in &of_level[..shown] {
            writeln!(out, "{}", annotation(verdict, prefix, finding))?;
        }
        let rest = of_level.len() - shown;
        if rest > 0 {
            let text = format!("{} more; the job summary and the log have all of them", counted(rest, "finding"));
            writeln!(out, "::{} title=rls-audit::{}", level.word(), data(&text))?;
        }
        left += rest;
    }
    if !verdict.blind_spots.is_empty() {
        let text = format!("{} could not be analysed", counted(verdict.blind_spots.len(), "place"));
        writeln!(out, "::notice title=rls-audit::{}", data(&text))?;
    }
    let counts = Counts::of(verdict);
    writeln!(
        out,
        "rls-audit: {}, {}{}",
        counted(counts.errors, "error"),
        counted(counts.warnings, "warning"),
        if left > 0 { format!(" ({left} not annotated)") } else { String::new() }
    )
}

fn annotation(verdict: &Verdict, prefix: &str, finding: &Finding) -> String {
    let (start, end) = range(verdict, finding.place);
    let file = property(&format!("{prefix}{}", verdict.file(finding.place.file).path));
    let title = property(&format!("{} {}", finding.code, finding.name));
    let text = data(&format!("{}\nhelp: {}", finding.message, finding.help));
    let level = finding.level.word();
    // Columns are only valid where the annotation is on one line.
    let columns =
        if start.line == end.line { format!(",col={},endColumn={}", start.column, end.column) } else { String::new() };
    format!("::{level} file={file},line={},endLine={}{columns},title={title}::{text}", start.line, end.line)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The job's summary: a table of all findings, as far as it fits.
#[must_use]
pub fn summary(verdict: &Verdict) -> String {
    let findings = worst_first(verdict);
    let counts = Counts::of(verdict);
    let mut text = format!(
        "## rls-audit\n\n{}, {}, {} allowed, {} baselined, {}.\n",
        counted(counts.errors, "error"),
        counted(counts.warnings, "warning"),
        counts.allowed,
        counts.baselined,
        counted(verdict.blind_spots.len(), "blind spot"),
    );
    if !findings.is_empty() {
        text.push_str("\n| level | lint | where | what |\n|---|---|---|---|\n");
    }
    for (index, finding) in findings.iter().enumerate() {
        let (start, _) = range(verdict, finding.place);
        let file = &verdict.file(finding.place.file).path;
        let row = format!(
            "| {} | {} {} | `{file}:{}` | {} |\n",
            finding.level.word(),
            finding.code,
            finding.name,
            start.line,
            cell(&finding.message)
        );
        if text.len() + row.len() > SUMMARY_BYTES {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{} more.", counted(findings.len() - index, "finding"));
            break;
        }
        text.push_str(&row);
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
