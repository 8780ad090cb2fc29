//! Cargo's own JSON lines, so that an editor that knows cargo shows our findings.
//!
//! Every key is printed, null where empty: rust-analyzer and ALE each drop messages that lack one they expect.

use std::io::{self, Write};

use serde::Serialize;

use super::{Color, human};
use crate::finding::{BlindSpot, Finding, Fix, Verdict};
use crate::program::Place;
use crate::source::{SourceFile, Span, Target, to_u32};
use crate::user_error::UserError;

#[derive(Serialize)]
struct Envelope<'a> {
    reason: &'static str,
    package_id: &'a str,
    manifest_path: &'a str,
    target: TargetRow<'a>,
    message: Message,
}

#[derive(Serialize)]
struct TargetRow<'a> {
    kind: Vec<&'a str>,
    crate_types: Vec<&'a str>,
    name: &'a str,
    src_path: &'a str,
    doc: bool,
    doctest: bool,
    test: bool,
}

#[derive(Serialize)]
struct Message {
    #[serde(rename = "$message_type")]
    message_type: &'static str,
    message: String,
    code: Option<Code>,
    level: &'static str,
    spans: Vec<SpanRow>,
    children: Vec<Message>,
    rendered: Option<String>,
}

#[derive(Serialize)]
struct Code {
    code: String,
    explanation: Option<String>,
}

#[derive(Serialize)]
struct SpanRow {
    file_name: String,
    byte_start: u32,
    byte_end: u32,
    line_start: u32,
    line_end: u32,
    column_start: u32,
    column_end: u32,
    is_primary: bool,
    text: Vec<TextRow>,
    label: Option<String>,
    suggested_replacement: Option<String>,
    suggestion_applicability: Option<&'static str>,
    expansion: Option<()>,
}

#[derive(Serialize)]
struct TextRow {
    text: String,
    highlight_start: u32,
    highlight_end: u32,
}

/// Whether a span is what the message is about or what explains it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Secondary,
}

/// Prints one line per finding that nobody excepts and one per blind spot.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(verdict: &Verdict, color: Color, out: &mut dyn Write) -> io::Result<()> {
    for finding in verdict.open() {
        let target = &verdict.file(finding.place.file).target;
        line(out, &envelope(target, message(verdict, finding, color)))?;
    }
    for spot in &verdict.blind_spots {
        let file = verdict.files.iter().find(|file| file.path == spot.file);
        let target = file.map(|file| file.target.clone()).unwrap_or_default();
        line(out, &envelope(&target, blind_spot(file, spot)))?;
    }
    Ok(())
}

/// The last line, as cargo prints it.
///
/// # Errors
/// Where `out` cannot be written.
pub fn finished(success: bool, out: &mut dyn Write) -> io::Result<()> {
    line(out, &serde_json::json!({ "reason": "build-finished", "success": success }))
}

/// A mistake in the user's flags or files as a diagnostic. An editor drops one without a place, so one that has none
/// is put at the top of `manifest`.
///
/// # Errors
/// Where `out` cannot be written.
pub fn user_error(error: &UserError, manifest: &str, color: Color, out: &mut dyn Write) -> io::Result<()> {
    let (file, span, label) = match &error.at {
        Some(place) => {
            let span = Span { start: to_u32(place.span.start), end: to_u32(place.span.end) };
            (plain_file(&place.path.display().to_string(), &place.text), span, Some(place.label.clone()))
        }
        None => (plain_file(manifest, ""), Span::default(), None),
    };
    let message = Message {
        message_type: "diagnostic",
        message: error.message.clone(),
        code: Some(Code { code: "rls_audit::configuration".to_owned(), explanation: None }),
        level: "error",
        spans: vec![span_row(&file, span, Role::Primary, label)],
        children: error.help.iter().map(|help| child(help, Vec::new())).collect(),
        rendered: Some(human::user_error(error, color)),
    };
    line(out, &envelope(&Target::default(), message))
}

fn plain_file(path: &str, text: &str) -> SourceFile {
    SourceFile::new(path.to_owned(), text.to_owned(), Target::default())
}

fn line(out: &mut dyn Write, row: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    writeln!(out)
}

fn envelope(target: &Target, message: Message) -> Envelope<'_> {
    let kinds: Vec<&str> = target.kind.iter().map(String::as_str).collect();
    let kinds = if kinds.is_empty() { vec!["lib"] } else { kinds };
    let crate_types = kinds.iter().map(|kind| if *kind == "lib" { "lib" } else { "bin" }).collect();
    let row = TargetRow {
        kind: kinds,
        crate_types,
        name: &target.name,
        src_path: &target.src_path,
        doc: false,
        doctest: false,
        test: target.is_test,
    };
    Envelope {
        reason: "compiler-message",
        package_id: &target.package_id,
        manifest_path: &target.manifest_path,
        target: row,
        message,
    }
}

fn message(verdict: &Verdict, finding: &Finding, color: Color) -> Message {
    let mut spans = vec![place_row(verdict, finding.place, Role::Primary, Some(finding.label.clone()))];
    for (place, label) in &finding.related {
        spans.push(place_row(verdict, *place, Role::Secondary, Some(label.clone())));
    }
    for step in &finding.path {
        spans.push(place_row(
            verdict,
            step.place,
            Role::Secondary,
            Some(format!("reached through `{}`", step.function)),
        ));
    }
    let mut children = vec![child(&finding.help, Vec::new())];
    children.extend(finding.fix.as_ref().map(|fix| child(&fix.title, vec![fix_row(verdict, finding, fix)])));
    children.retain(|child| !child.message.is_empty());
    children
        .push(child(&format!("for further information run `cargo rls-audit explain {}`", finding.code), Vec::new()));
    Message {
        message_type: "diagnostic",
        message: finding.message.clone(),
        code: Some(Code { code: format!("rls_audit::{}", finding.name.replace('-', "_")), explanation: None }),
        level: finding.level.word(),
        spans,
        children,
        rendered: Some(human::one(verdict, finding, color)),
    }
}

fn child(message: &str, spans: Vec<SpanRow>) -> Message {
    Message {
        message_type: "diagnostic",
        message: message.to_owned(),
        code: None,
        level: "help",
        spans,
        children: Vec::new(),
        rendered: None,
    }
}

fn blind_spot(file: Option<&SourceFile>, spot: &BlindSpot) -> Message {
    let unread = plain_file(&spot.file, "");
    let file = file.unwrap_or(&unread);
    let line = file.line_span(spot.line);
    let before: usize = file.slice(line).chars().take(spot.column as usize - 1).map(char::len_utf8).sum();
    let start = line.start + to_u32(before);
    let span = Span { start, end: start };
    let text = format!("not analysed: {}", spot.reason);
    Message {
        message_type: "diagnostic",
        code: Some(Code { code: "rls_audit::blind_spot".to_owned(), explanation: None }),
        level: "warning",
        spans: vec![span_row(file, span, Role::Primary, None)],
        children: Vec::new(),
        rendered: Some(format!("warning: {text}\n  --> {}:{}:{}\n", spot.file, spot.line, spot.column)),
        message: text,
    }
}

fn place_row(verdict: &Verdict, place: Place, role: Role, label: Option<String>) -> SpanRow {
    span_row(verdict.file(place.file), place.span, role, label)
}

/// What a fix replaces. rust-analyzer offers a fix only where the cursor is inside what it replaces, so one that inserts
/// before the finding replaces everything up to the finding's end by itself.
fn fix_row(verdict: &Verdict, finding: &Finding, fix: &Fix) -> SpanRow {
    let file = verdict.file(fix.place.file);
    let Span { start, end } = fix.place.span;
    let is_before = fix.place.file == finding.place.file && end <= finding.place.span.start;
    let covered = Span { start, end: if is_before { finding.place.span.end } else { end } };
    let kept = file.slice(Span { start: end, end: covered.end });
    let mut row = span_row(file, covered, Role::Primary, None);
    row.suggested_replacement = Some(format!("{}{kept}", fix.text));
    row.suggestion_applicability = Some("MaybeIncorrect");
    row
}

fn span_row(file: &SourceFile, span: Span, role: Role, label: Option<String>) -> SpanRow {
    let (start, end) = (file.position(span.start), file.position(span.end));
    let text = (start.line..=end.line)
        .map(|line| {
            let text = file.line_text(line).to_owned();
            let length = to_u32(text.chars().count());
            TextRow {
                highlight_start: if line == start.line { start.column } else { 1 },
                highlight_end: if line == end.line { end.column } else { length + 1 },
                text,
            }
        })
        .collect();
    SpanRow {
        file_name: file.path.clone(),
        byte_start: span.start,
        byte_end: span.end,
        line_start: start.line,
        line_end: end.line,
        column_start: start.column,
        column_end: end.column,
        is_primary: role == Role::Primary,
        text,
        label: label.filter(|label| !label.is_empty()),
        suggested_replacement: None,
        suggestion_applicability: None,
        expansion: None,
    }
}
