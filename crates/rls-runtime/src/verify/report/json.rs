//! The report for programs: one JSON document, `rls-verify/1`.

use serde::Serialize;

use super::super::{Finding, Report, Severity, Status};
use super::fingerprint;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    database: &'a str,
    roles: &'a [String],
    tables: &'a [String],
    summary: Summary,
    findings: Vec<Row<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    advice: usize,
    allowed: usize,
    elapsed_ms: u128,
}

#[derive(Serialize)]
struct Row<'a> {
    check: &'a str,
    name: &'a str,
    severity: &'a str,
    status: &'a str,
    object: &'a str,
    message: &'a str,
    fix: &'a str,
    reason: Option<&'a str>,
    fingerprint: String,
}

/// Renders the report as one JSON document.
#[must_use]
pub fn json(report: &Report) -> String {
    let open = |severity| report.open().filter(|finding| finding.severity == severity).count();
    let count = |is: fn(&Status) -> bool| report.findings.iter().filter(|finding| is(&finding.status)).count();
    let document = Document {
        schema: "rls-verify/1",
        tool: Tool { name: "rls-verify", version: env!("CARGO_PKG_VERSION") },
        database: &report.database,
        roles: &report.roles,
        tables: &report.tables,
        summary: Summary {
            errors: open(Severity::Error),
            warnings: open(Severity::Warning),
            advice: count(|status| *status == Status::Advice),
            allowed: count(|status| matches!(status, Status::Allowed(_))),
            elapsed_ms: report.elapsed.as_millis(),
        },
        findings: report.findings.iter().map(row).collect(),
        notes: &report.notes,
    };
    // Plain structs of texts and numbers always serialise.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn row(finding: &Finding) -> Row<'_> {
    let (status, reason) = match &finding.status {
        Status::Open => ("open", None),
        Status::Advice => ("advice", None),
        Status::Allowed(reason) => ("allowed", Some(reason.as_str())),
    };
    Row {
        check: finding.check,
        name: finding.name,
        severity: finding.severity.word(),
        status,
        object: &finding.object,
        message: &finding.message,
        fix: &finding.fix,
        reason,
        fingerprint: fingerprint(finding.check, &finding.object),
    }
}
