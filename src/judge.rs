//! A `Program` in, findings in order out: every lint asked once, levels applied, places cut to one line.

use crate::finding::{BlindSpot, Exception, Finding, Fix, Level};
use crate::lints::{Check, LINTS, Lint};
use crate::program::{Place, Program};
use crate::schema::{Schema, SchemaInUse};
use crate::source::{SourceFile, Span};

/// Asks every lint.
///
/// `levels` differ from the lints' own, by code; the last one of a code counts.
#[must_use]
pub fn judge(program: &Program, files: &[SourceFile], levels: &[(&'static str, Level)]) -> Vec<Finding> {
    let ask = |lint: &Lint| match lint.check {
        Check::Program(check) => check(lint, program),
        Check::Schema(_) | Check::Exceptions(_) => Vec::new(),
    };
    finish(LINTS.iter().flat_map(ask).collect(), files, levels)
}

/// Asks the lints about what became of every exception.
#[must_use]
pub fn judge_exceptions(
    exceptions: &[Exception],
    files: &[SourceFile],
    levels: &[(&'static str, Level)],
) -> Vec<Finding> {
    let ask = |lint: &Lint| match lint.check {
        Check::Exceptions(check) => check(lint, exceptions),
        Check::Program(_) | Check::Schema(_) => Vec::new(),
    };
    finish(LINTS.iter().flat_map(ask).collect(), files, levels)
}

/// Asks the lints on migrations.
#[must_use]
pub fn judge_schema(used: &SchemaInUse<'_>, files: &[SourceFile], levels: &[(&'static str, Level)]) -> Vec<Finding> {
    let ask = |lint: &Lint| match lint.check {
        Check::Schema(check) => check(lint, used),
        Check::Program(_) | Check::Exceptions(_) => Vec::new(),
    };
    finish(LINTS.iter().flat_map(ask).collect(), files, levels)
}

/// What could not be replayed of the migrations, as the reports print it.
#[must_use]
pub fn schema_blind_spots(schema: &Schema, files: &[SourceFile]) -> Vec<BlindSpot> {
    let spot = |(place, reason): &(Place, String)| {
        let file = files.get(place.file as usize)?;
        let position = file.position(place.span.start);
        let (line, column) = (position.line, position.column);
        Some(BlindSpot { file: file.path.clone(), line, column, reason: reason.clone() })
    };
    schema.blind_spots.iter().filter_map(spot).collect()
}

/// Applies levels, cuts places to one line, offers the allow comment as a fix, and sorts.
#[must_use]
pub fn finish(findings: Vec<Finding>, files: &[SourceFile], levels: &[(&'static str, Level)]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = findings
        .into_iter()
        .map(|finding| at_level(finding, levels))
        .filter(|finding| finding.level != Level::Allow)
        .map(|finding| shaped(finding, files))
        .collect();
    findings.sort_by(|left, right| (left.place, left.code).cmp(&(right.place, right.code)));
    findings
}

fn at_level(mut finding: Finding, levels: &[(&'static str, Level)]) -> Finding {
    if let Some((_, level)) = levels.iter().rev().find(|(code, _)| *code == finding.code) {
        finding.level = *level;
    }
    finding
}

/// Code-scanning services show a finding in a change only where all its lines are part of it: one line it is.
fn shaped(mut finding: Finding, files: &[SourceFile]) -> Finding {
    let file = &files[finding.place.file as usize];
    finding.place.span = first_line(file, finding.place.span);
    for (place, _) in &mut finding.related {
        place.span = first_line(&files[place.file as usize], place.span);
    }
    let can_be_allowed = file.path.ends_with(".rs") && !finding.code.starts_with("RLS9");
    if finding.fix.is_none() && can_be_allowed {
        finding.fix = Some(allow_fix(&finding, file));
    }
    finding
}

fn first_line(file: &SourceFile, span: Span) -> Span {
    let line = file.line_span(file.line(span.start));
    let text = file.line_text(file.line(span.start));
    let end = line.start + crate::source::to_u32(text.trim_end().len());
    Span { start: span.start, end: span.end.min(end).max(span.start) }
}

/// An allow comment above the line, its reason left to be written.
fn allow_fix(finding: &Finding, file: &SourceFile) -> Fix {
    let line = file.line(finding.place.span.start);
    let text = file.line_text(line);
    let indent: String = text.chars().take_while(|letter| letter.is_whitespace()).collect();
    let start = file.line_span(line).start;
    Fix {
        place: Place { file: finding.place.file, span: Span { start, end: start } },
        text: format!("{indent}// rls-audit: allow({}, reason = \"\")\n", finding.code),
        title: format!("allow {} here, with a reason", finding.code),
    }
}
