//! For people at a terminal: each finding with its source, what to type, and a summary at the end.

use std::fmt;
use std::io::{self, Write};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents,
};

use super::{Color, Context, Counts, Times, Verbosity, counted, range, with_verdict};
use crate::finding::{Finding, Level, Status, Verdict};
use crate::program::{Cover, FileId, Place};
use crate::source::{SourceFile, Span};
use crate::user_error::UserError;

/// Prints the findings by file and position, the blind spots and the summary.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(verdict: &Verdict, context: &Context<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in verdict.open() {
        writeln!(out, "{}", one(verdict, finding, context.color))?;
    }
    let paint = Paint(context.color);
    for spot in &verdict.blind_spots {
        let heading = format!("{} {}", paint.warning("blind spot:"), spot.reason);
        writeln!(out, "{heading}\n  {} {}:{}:{}\n", paint.dim("-->"), spot.file, spot.line, spot.column)?;
    }
    if context.verbosity == Verbosity::Verbose {
        excepted(verdict, paint, out)?;
        unsettled(verdict, paint, out)?;
    }
    match context.verbosity {
        Verbosity::Quiet => Ok(()),
        Verbosity::Normal | Verbosity::Verbose => summary(verdict, context, out),
    }
}

/// Findings that somebody excepts, one line each.
fn excepted(verdict: &Verdict, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    for finding in &verdict.findings {
        let (word, reason) = match &finding.status {
            Status::Open => continue,
            Status::Allowed(reason) => ("allowed", reason.as_str()),
            Status::Baselined => ("baselined", ""),
        };
        let heading = paint.dim(&format!("{word}[{}]: {}", finding.code, finding.message));
        writeln!(out, "{heading}\n  {} {}", paint.dim("-->"), at(verdict, finding.place))?;
        if !reason.is_empty() {
            writeln!(out, "  {} {reason}", paint.note("reason:"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Statements on a handle that came in as a parameter, where no caller was found.
fn unsettled(verdict: &Verdict, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    for statement in verdict.program.statements.iter().filter(|statement| statement.cover == Cover::Caller) {
        let heading = paint.dim(&format!("caller: `{}` runs on whatever its caller passes", statement.method));
        writeln!(
            out,
            "{heading}\n  {} {} in `{}`\n",
            paint.dim("-->"),
            at(verdict, statement.place),
            statement.function
        )?;
    }
    Ok(())
}

/// One finding as text that ends in a line break.
#[must_use]
pub fn one(verdict: &Verdict, finding: &Finding, color: Color) -> String {
    let paint = Paint(color);
    let heading = format!("{}[{}]", finding.level.word(), finding.code);
    let heading = if finding.level == Level::Deny { paint.error(&heading) } else { paint.warning(&heading) };
    let mut text = format!("{heading}{}\n", paint.bold(&format!(": {}", finding.message)));
    text.push_str(&snippet(verdict, finding, color));
    // What the path shows is not noted a second time.
    let in_path = |place: &Place| finding.path.iter().any(|step| step.place == *place);
    let elsewhere = finding.related.iter().filter(|(place, _)| place.file != finding.place.file && !in_path(place));
    for (place, label) in elsewhere {
        text.push_str(&format!("  {} {label}: {}\n", paint.note("note:"), at(verdict, *place)));
    }
    for (depth, step) in finding.path.iter().enumerate() {
        let arrow = if depth == 0 { "path:" } else { "  ->" };
        text.push_str(&format!("  {} `{}` at {}\n", paint.note(arrow), step.function, at(verdict, step.place)));
    }
    if !finding.help.is_empty() {
        text.push_str(&format!("  {} {}\n", paint.help("help:"), finding.help));
    }
    text
}

fn at(verdict: &Verdict, place: Place) -> String {
    let (start, _) = range(verdict, place);
    format!("{}:{}:{}", verdict.file(place.file).path, start.line, start.column)
}

/// The source with its labels. miette prints a message above it, which our heading replaces.
fn snippet(verdict: &Verdict, finding: &Finding, color: Color) -> String {
    let labels = labels(verdict, finding);
    let label = labels.first().map_or(0, LabeledSpan::offset);
    let file = View { file: verdict.file(finding.place.file), start: finding.place.span.start, label };
    let shown = Shown { file: &file, labels, level: finding.level };
    let mut text = String::new();
    let rendered = handler(color).render_report(&mut text, &shown);
    if rendered.is_err() {
        return format!("  --> {}\n", at(verdict, finding.place));
    }
    text.split_once('\n').map(|(_, snippet)| snippet.to_owned()).unwrap_or_default()
}

fn handler(color: Color) -> GraphicalReportHandler {
    let theme = match color {
        Color::Ansi => GraphicalTheme::unicode(),
        Color::Plain => GraphicalTheme::unicode_nocolor(),
    };
    GraphicalReportHandler::new_themed(theme).with_context_lines(1).without_cause_chain().with_links(false)
}

fn labels(verdict: &Verdict, finding: &Finding) -> Vec<LabeledSpan> {
    let file = finding.place.file;
    let nested = finding.related.iter().filter(|(place, _)| place.file == file).map(|(place, _)| place.span);
    let primary = clipped(verdict, file, beside_nested(finding.place.span, nested, &verdict.file(file).text));
    let label = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut labels = vec![LabeledSpan::new_primary_with_span(label(&finding.label), primary)];
    for (place, text) in finding.related.iter().filter(|(place, _)| place.file == file) {
        labels.push(LabeledSpan::new_with_span(label(text), clipped(verdict, file, place.span)));
    }
    labels
}

/// The part of a span on its first line: what goes over many lines is drawn as a bow round all of them, which hides more
/// than it shows.
fn clipped(verdict: &Verdict, file: FileId, span: Span) -> SourceSpan {
    let source = verdict.file(file);
    let line = source.line_span(source.line(span.start));
    let text_end = line.start + crate::source::to_u32(source.line_text(source.line(span.start)).len());
    let end = span.end.min(text_end.max(span.start));
    (span.start as usize..end as usize).into()
}

/// Two labels cannot underline the same characters: the outer one ends where the first inner one starts,
/// or starts where an inner one ends that starts with it.
fn beside_nested(outer: Span, nested: impl Iterator<Item = Span>, text: &str) -> Span {
    let inner = nested.filter(|inner| outer.contains(*inner) && inner.end < outer.end).min_by_key(|inner| inner.start);
    let Some(inner) = inner else { return outer };
    let slice = |span: Span| text.get(span.start as usize..span.end as usize).unwrap_or_default();
    if inner.start == outer.start {
        let rest = Span { start: inner.end, ..outer };
        let cut = slice(rest).len() - slice(rest).trim_start_matches(['.', ')', ' ']).len();
        return Span { start: rest.start + crate::source::to_u32(cut), ..rest };
    }
    let before = Span { end: inner.start, ..outer };
    let shown = slice(before).trim_end_matches(['(', '&', ' ', '*']).len();
    Span { end: before.start + crate::source::to_u32(shown), ..before }
}

fn summary(verdict: &Verdict, context: &Context<'_>, out: &mut dyn Write) -> io::Result<()> {
    let counts = Counts::of(verdict);
    let number = |name| with_verdict(verdict, name);
    writeln!(
        out,
        "{} in {}: {} scoped, {}, {} escaped, {} caller, {} bypass, {} exempt",
        counted(verdict.program.statements.len(), "statement"),
        counted(verdict.stats.files, "file"),
        number("scoped"),
        counted(number("gap"), "gap"),
        number("escaped"),
        number("caller"),
        number("bypass"),
        number("exempt"),
    )?;
    let mut parts = vec![counted(counts.errors, "error"), counted(counts.warnings, "warning")];
    parts.extend((counts.allowed > 0).then(|| format!("{} allowed", counts.allowed)));
    parts.extend((counts.baselined > 0).then(|| format!("{} baselined", counts.baselined)));
    parts.extend((!verdict.blind_spots.is_empty()).then(|| counted(verdict.blind_spots.len(), "blind spot")));
    let paint = Paint(context.color);
    let line = parts.join(", ");
    let line = match (counts.errors, counts.warnings) {
        (0, 0) if verdict.blind_spots.is_empty() => paint.help(&line),
        (0, _) => paint.warning(&line),
        _ => paint.error(&line),
    };
    writeln!(out, "{line}")?;
    if context.times == Times::Shown { stats(verdict, out) } else { Ok(()) }
}

fn stats(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let stats = &verdict.stats;
    writeln!(
        out,
        "\n{} files, {} parsed, {} lines, {:.1} MB",
        stats.files,
        stats.parsed,
        stats.lines,
        stats.bytes as f64 / 1e6
    )?;
    for (stage, micros) in &stats.stages {
        writeln!(out, "  {stage:<10} {:>8.1} ms", *micros as f64 / 1e3)?;
    }
    inferred(verdict, out)
}

/// What was taken for a scope without a rule that says so, and why.
fn inferred(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let settings = &verdict.schema.tenant_settings;
    if !settings.is_empty() {
        let names: Vec<String> = settings.keys().map(|name| format!("`{name}`")).collect();
        writeln!(out, "\ntenant settings that policies read: {}", names.join(", "))?;
    }
    if !verdict.program.inferred.is_empty() {
        writeln!(out, "\ninferred scopes")?;
    }
    for row in &verdict.program.inferred {
        let file = verdict.file(row.place.file);
        let line = file.line(row.place.span.start);
        writeln!(out, "  {} `{}` ({}) {}, at {}:{line}", row.kind, row.name, row.handle, row.why, file.path)?;
    }
    Ok(())
}

/// A mistake of the user as text.
#[must_use]
pub fn user_error(error: &UserError, color: Color) -> String {
    let paint = Paint(color);
    let mut text = format!("{}{}\n", paint.error("error"), paint.bold(&format!(": {}", error.message)));
    let mut rendered = String::new();
    if error.at.is_some() && handler(color).with_width(10_000).render_report(&mut rendered, error).is_ok() {
        let body = rendered.split_once('\n').map(|(_, body)| body).unwrap_or_default();
        text.push_str(body.split("\n  help: ").next().unwrap_or_default().trim_end());
        text.push('\n');
    }
    if let Some(help) = &error.help {
        text.push_str(&format!("  {} {help}\n", paint.help("help:")));
    }
    text
}

/// What miette draws.
struct Shown<'a> {
    file: &'a View<'a>,
    labels: Vec<LabeledSpan>,
    level: Level,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("labels", &self.labels).finish_non_exhaustive()
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The heading that is dropped; one word, so that it is one line whatever the terminal's width.
        f.write_str("finding")
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(if self.level == Level::Deny { Severity::Error } else { Severity::Warning })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// A file as miette reads it, through the line index: miette's own reader starts at the first byte for every finding.
struct View<'a> {
    file: &'a SourceFile,
    /// Where the finding starts.
    start: u32,
    /// Where its label starts, which may be later.
    label: usize,
}

impl SourceCode for View<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let file = self.file;
        let (start, end) = (span.offset(), span.offset() + span.len());
        if end > file.text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let line_of = |offset: usize| file.line(crate::source::to_u32(offset));
        let (first, last) = (line_of(start), line_of(end.saturating_sub(1).max(start)));
        let whole = file.line_span(first).start as usize..file.line_span(last).end as usize;
        // Without context miette asks for the column that its header prints; with context it wants whole lines.
        let wants_column = before == 0;
        let shown_start = if start == self.label { self.start } else { crate::source::to_u32(start) };
        let column = file.position(shown_start).column as usize - 1;
        let (bytes, column) = if wants_column { (start..end, column) } else { (whole, 0) };
        let contents = MietteSpanContents::new_named(
            file.path.clone(),
            &file.text.as_bytes()[bytes.clone()],
            (bytes.start, bytes.len()).into(),
            first as usize - 1,
            column,
            (last + 1 - first + MERGED_LINES) as usize,
        );
        Ok(Box::new(contents))
    }
}

/// Labels at most this many lines apart are drawn in one picture, with the lines between them.
const MERGED_LINES: u32 = 5;

/// The few styles of our own lines.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) Color);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            Color::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Color::Plain => text.to_owned(),
        }
    }

    fn error(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn warning(self, text: &str) -> String {
        self.with("1;33", text)
    }

    fn note(self, text: &str) -> String {
        self.with("1;34", text)
    }

    fn help(self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
}
