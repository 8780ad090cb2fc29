//! One document with everything: the census, the findings, the areas and the blind spots. Its shape is a contract.

use std::io::{self, Write};

use serde::Serialize;

use super::{Context, Counts, Times, range, with_verdict};
use crate::finding::{Finding, Mode, Status, Verdict};
use crate::inventory::area_of;
use crate::program::{Cover, Place, Program, Scope, Statement};
use crate::rules::HandleKind;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    mode: &'static str,
    summary: Summary,
    statements: Vec<StatementRow<'a>>,
    findings: Vec<FindingRow<'a>>,
    areas: Vec<AreaRow<'a>>,
    blind_spots: Vec<BlindRow<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Summary {
    files: usize,
    lines: usize,
    statements: usize,
    scoped: usize,
    gap: usize,
    escaped: usize,
    caller: usize,
    bypass: usize,
    exempt: usize,
    allowed: usize,
    baselined: usize,
    blind_spots: usize,
    /// Null unless times were asked for, so that the same input gives the same bytes.
    elapsed_ms: Option<u64>,
}

#[derive(Serialize)]
struct StatementRow<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    exec_line: u32,
    api: &'a str,
    method: &'a str,
    handle: &'a str,
    handle_kind: Option<&'static str>,
    verdict: &'static str,
    scope: Option<ScopeRow<'a>>,
    function: &'a str,
    tables: &'a [String],
    operation: Option<&'a str>,
    in_macro: bool,
    in_test: bool,
}

#[derive(Serialize)]
struct ScopeRow<'a> {
    kind: &'static str,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    code: &'static str,
    name: &'static str,
    level: &'static str,
    status: &'static str,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    function: &'a str,
    message: &'a str,
    help: &'a str,
    area: Option<&'a str>,
    tables: &'a [String],
    path: Vec<StepRow<'a>>,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct StepRow<'a> {
    function: &'a str,
    file: &'a str,
    line: u32,
}

#[derive(Serialize)]
struct AreaRow<'a> {
    name: &'a str,
    risk: &'a str,
    gaps: Vec<String>,
}

#[derive(Serialize)]
struct BlindRow<'a> {
    file: &'a str,
    line: u32,
    reason: &'a str,
}

/// Prints the document.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(verdict: &Verdict, context: &Context<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Program { statements, .. } = &verdict.program;
    let document = Document {
        schema: "rls-audit/1",
        tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
        mode: match verdict.mode {
            Mode::Flow => "flow",
            Mode::Lexical => "lexical",
        },
        summary: summary(verdict, context.times),
        statements: statements.iter().map(|statement| statement_row(verdict, statement)).collect(),
        findings: verdict.findings.iter().map(|finding| finding_row(verdict, context, finding)).collect(),
        areas: areas(context),
        blind_spots: verdict
            .blind_spots
            .iter()
            .map(|spot| BlindRow { file: &spot.file, line: spot.line, reason: &spot.reason })
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn summary(verdict: &Verdict, times: Times) -> Summary {
    let Counts { allowed, baselined, .. } = Counts::of(verdict);
    let elapsed = verdict.stats.stages.iter().map(|(_, micros)| micros).sum::<u64>() / 1000;
    Summary {
        files: verdict.stats.files,
        lines: verdict.stats.lines,
        statements: verdict.program.statements.len(),
        scoped: with_verdict(verdict, "scoped"),
        gap: with_verdict(verdict, "gap"),
        escaped: with_verdict(verdict, "escaped"),
        caller: with_verdict(verdict, "caller"),
        bypass: with_verdict(verdict, "bypass"),
        exempt: with_verdict(verdict, "exempt"),
        allowed,
        baselined,
        blind_spots: verdict.blind_spots.len(),
        elapsed_ms: (times == Times::Shown).then_some(elapsed),
    }
}

fn statement_row<'a>(verdict: &'a Verdict, statement: &'a Statement) -> StatementRow<'a> {
    let file = verdict.file(statement.place.file);
    let (start, end) = range(verdict, statement.place);
    StatementRow {
        file: &file.path,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        exec_line: file.line(statement.exec.start),
        api: &statement.api,
        method: &statement.method,
        handle: &statement.handle,
        handle_kind: statement.handle_kind.map(handle_kind),
        verdict: statement.cover.verdict(),
        scope: scope(&statement.cover).map(|scope| scope_row(verdict, scope)),
        function: &statement.function,
        tables: &statement.tables,
        operation: statement.operation.as_deref(),
        in_macro: statement.in_macro,
        in_test: statement.in_test,
    }
}

fn handle_kind(kind: HandleKind) -> &'static str {
    match kind {
        HandleKind::Pool => "pool",
        HandleKind::Connection => "connection",
        HandleKind::Transaction => "transaction",
        HandleKind::Generic => "generic",
        HandleKind::Migration => "migration",
        HandleKind::OtherDatabase => "other-database",
    }
}

fn scope(cover: &Cover) -> Option<&Scope> {
    match cover {
        Cover::Scoped(scope) | Cover::Escaped(scope, _) | Cover::AfterScope(scope, _) => Some(scope),
        Cover::Unscoped | Cover::Caller | Cover::Path(_) | Cover::Bypass(_) | Cover::Exempt(_) => None,
    }
}

fn scope_row<'a>(verdict: &'a Verdict, scope: &Scope) -> ScopeRow<'a> {
    let line = |place: Place| verdict.file(place.file).line(place.span.start);
    ScopeRow {
        kind: scope.kind.name(),
        file: scope.place.map(|place| verdict.file(place.file).path.as_str()),
        line: scope.place.map(line),
    }
}

fn finding_row<'a>(verdict: &'a Verdict, context: &Context<'a>, finding: &'a Finding) -> FindingRow<'a> {
    let file = verdict.file(finding.place.file).path.as_str();
    let (start, end) = range(verdict, finding.place);
    FindingRow {
        code: finding.code,
        name: finding.name,
        level: finding.level.word(),
        status: match finding.status {
            Status::Open => "open",
            Status::Allowed(_) => "allowed",
            Status::Baselined => "baselined",
        },
        file,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        function: &finding.function,
        message: &finding.message,
        help: &finding.help,
        area: area_of(context.areas, file),
        tables: &finding.tables,
        path: finding
            .path
            .iter()
            .map(|step| {
                let file = verdict.file(step.place.file);
                StepRow { function: &step.function, file: &file.path, line: file.line(step.place.span.start) }
            })
            .collect(),
        fingerprint: &finding.fingerprint,
    }
}

fn areas<'a>(context: &Context<'a>) -> Vec<AreaRow<'a>> {
    let areas = context.inventory.areas.iter();
    areas
        .map(|area| AreaRow {
            name: &area.name,
            risk: &area.risk,
            gaps: area.gaps.iter().map(ToString::to_string).collect(),
        })
        .collect()
}
