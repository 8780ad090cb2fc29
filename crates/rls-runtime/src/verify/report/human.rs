//! The report for people: what is wrong, what can happen, what to run.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::{Report, Severity, Status};

/// Renders the report as text.
#[must_use]
pub fn human(report: &Report) -> String {
    let mut out = String::new();
    let mut shown = BTreeSet::new();
    for finding in &report.findings {
        let word = match &finding.status {
            Status::Open => finding.severity.word(),
            Status::Advice => "advice",
            Status::Allowed(_) => "allowed",
        };
        _ = writeln!(out, "{word}[{}]: {}: {}", finding.check, finding.name, finding.object);
        _ = writeln!(out, "  {}", finding.message);
        if let Status::Allowed(reason) = &finding.status {
            _ = writeln!(out, "  allowed: {reason}");
        } else if !finding.fix.is_empty() && !shown.insert(&finding.fix) {
            _ = writeln!(out, "    -- the fix is the same as above");
        } else {
            for line in finding.fix.lines() {
                _ = writeln!(out, "    {line}");
            }
        }
        out.push('\n');
    }
    for note in &report.notes {
        _ = writeln!(out, "note: {note}");
    }
    out + &summary(report)
}

fn summary(report: &Report) -> String {
    let count = |severity: Severity| {
        let open = report.open();
        open.filter(|finding| finding.severity == severity).count()
    };
    let other = report.findings.len() - report.open().count();
    format!(
        "{}: {} errors, {} warnings, {other} advised or allowed; {} tenant tables, roles {}, {} ms\n",
        report.database,
        count(Severity::Error),
        count(Severity::Warning),
        report.tables.len(),
        if report.roles.is_empty() { "none".to_owned() } else { report.roles.join(", ") },
        report.elapsed.as_millis(),
    )
}
