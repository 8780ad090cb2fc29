//! The report for code scanning: SARIF 2.1.0.
//!
//! A database has no files, so each object gets a path of its own below `database/`.

use serde_json::{Value, json};

use super::super::{CHECKS, Check, Finding, Report, Severity, Status};
use super::fingerprint;

/// What the checks are about; a database tool has no page of its own on every machine.
const PAGE: &str = "https://www.postgresql.org/docs/current/ddl-rowsecurity.html";

/// Renders the report as one SARIF document.
#[must_use]
pub fn sarif(report: &Report) -> String {
    let rules: Vec<Value> = CHECKS.iter().map(rule).collect();
    let results: Vec<Value> = report.findings.iter().map(|finding| result(report, finding)).collect();
    let notes: Vec<Value> =
        report.notes.iter().map(|note| json!({ "level": "note", "message": { "text": note } })).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rls-verify",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": PAGE,
                "rules": rules,
            }},
            "automationDetails": { "id": format!("rls-verify/{}/", encode(&report.database)) },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn rule(check: &Check) -> Value {
    let (level, score) = match (check.severity, check.advice) {
        (Severity::Error, _) => ("error", "8.5"),
        (Severity::Warning, false) => ("warning", "5.0"),
        (Severity::Warning, true) => ("note", "2.0"),
    };
    json!({
        "id": check.id,
        "name": check.name,
        "shortDescription": { "text": check.summary },
        "fullDescription": { "text": check.summary },
        "help": { "text": check.page(), "markdown": check.page() },
        "helpUri": PAGE,
        "defaultConfiguration": { "level": level },
        "properties": {
            "tags": ["security", "postgresql", "row-level-security"],
            "precision": "high",
            "problem.severity": if level == "note" { "recommendation" } else { level },
            "security-severity": score,
        },
    })
}

fn result(report: &Report, finding: &Finding) -> Value {
    let rule_index = CHECKS.iter().position(|check| check.id == finding.check);
    let level = match (&finding.status, finding.severity) {
        (Status::Advice, _) => "note",
        (_, severity) => severity.word(),
    };
    let suppressions = match &finding.status {
        Status::Allowed(reason) => {
            json!([{ "kind": "external", "status": "accepted", "justification": reason }])
        }
        _ => json!([]),
    };
    let fix = if finding.fix.is_empty() { String::new() } else { format!("\nFix:\n{}", finding.fix.trim_end()) };
    let hash = fingerprint(finding.check, &finding.object);
    let uri = format!("database/{}/{}", encode(&report.database), encode(&finding.object));
    json!({
        "ruleId": finding.check,
        "ruleIndex": rule_index,
        "level": level,
        "message": { "text": format!("{}: {}{fix}", finding.object, finding.message) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri },
                "region": { "startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2 },
            },
            "logicalLocations": [{ "fullyQualifiedName": finding.object }],
        }],
        "partialFingerprints": { "primaryLocationLineHash": format!("{hash}:1"), "rlsVerify/v1": hash },
        "suppressions": suppressions,
    })
}

/// Percent-encodes everything that is not plain in a path.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
