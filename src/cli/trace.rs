//! `trace`: what every stage saw of the statements on one line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Outcome;
use super::args::Trace;
use super::levels::Levels;
use super::output::to_stdout;
use super::run::Run;
use crate::discover::Project;
use crate::finding::{Finding, Status, Verdict};
use crate::program::{After, Cover, Escape, Place, Scope, ScopeKind, Statement};
use crate::source::SourceFile;
use crate::user_error::{UserError, nearest};

/// Runs the command.
///
/// # Errors
/// Where the place is none, or its file was not read.
pub fn trace(args: &Trace, levels: &Levels) -> Result<Outcome, UserError> {
    let (path, line) = place(&args.place)?;
    let run = prepare(args, &path, levels)?;
    let (verdict, _, root) = run.audit(&args.sources);
    let path = relative(&path, &root);
    let Some(index) = verdict.files.iter().position(|file| file.path == path) else {
        let paths = verdict.files.iter().map(|file| file.path.as_str());
        let help = match nearest(&path, paths) {
            Some(known) => format!("write `{known}:{line}`"),
            None => "name a file of the project, relative to its root; tests need `--all-targets`".to_owned(),
        };
        return Err(UserError::new(format!("`{path}` was not read")).help(help));
    };
    to_stdout(|out| print(&verdict, index, line, out))?;
    Ok(Outcome::Clean)
}

/// The project around the caller if the file is part of it, else the one around the file.
fn prepare(args: &Trace, path: &Path, levels: &Levels) -> Result<Run, UserError> {
    let here = Run::prepare(&args.sources, &[], levels)?;
    let wanted = relative(path, &here.root);
    let is_part = here.sources.files.iter().any(|file| file.path == wanted);
    if is_part || !path.is_file() {
        return Ok(here);
    }
    let around = Project::around(path).unwrap_or_else(|| path.to_owned());
    Run::prepare(&args.sources, &[around], levels)
}

fn place(typed: &str) -> Result<(PathBuf, u32), UserError> {
    let parts = typed.rsplit_once(':').and_then(|(path, line)| Some((PathBuf::from(path), line.parse().ok()?)));
    parts.ok_or_else(|| UserError::new(format!("`{typed}` is not a place")).help("write `src/main.rs:12`"))
}

fn relative(path: &Path, root: &Path) -> String {
    let from_here = std::env::current_dir().unwrap_or_default().join(path);
    let is_there = from_here.exists();
    let path = if is_there { from_here.strip_prefix(root).unwrap_or(path) } else { path };
    path.to_string_lossy().replace('\\', "/").trim_start_matches("./").to_owned()
}

fn print(verdict: &Verdict, index: usize, line: u32, out: &mut dyn Write) -> io::Result<()> {
    let file = &verdict.files[index];
    let is_here = |span: crate::source::Span| (file.line(span.start)..=file.line(span.end)).contains(&line);
    let statements = verdict.program.statements.iter();
    let here: Vec<&Statement> =
        statements.filter(|it| it.place.file as usize == index && is_here(it.place.span)).collect();
    writeln!(out, "{}:{line}: {}", file.path, file.line_text(line).trim())?;
    if here.is_empty() {
        writeln!(out, "no statement on this line")?;
    }
    for statement in here {
        print_statement(verdict, file, statement, out)?;
    }
    let findings = verdict.findings.iter();
    for finding in findings.filter(|it| it.place.file as usize == index && is_here(it.place.span)) {
        writeln!(out, "{} {}: {} ({})", finding.code, finding.name, finding.message, status(finding))?;
    }
    for spot in verdict.blind_spots.iter().filter(|spot| spot.file == file.path) {
        writeln!(out, "blind spot on line {}: {}", spot.line, spot.reason)?;
    }
    Ok(())
}

fn print_statement(verdict: &Verdict, file: &SourceFile, statement: &Statement, out: &mut dyn Write) -> io::Result<()> {
    let (start, exec) = (file.position(statement.place.span.start), file.position(statement.exec.start));
    writeln!(
        out,
        "statement at {}:{}, executed by `{}` on line {}",
        start.line, start.column, statement.method, exec.line
    )?;
    writeln!(out, "  pack: {}", statement.api)?;
    let kind = statement.handle_kind.map_or("kind unknown", |kind| kind.word());
    writeln!(out, "  handle: `{}` ({kind})", statement.handle)?;
    writeln!(out, "  function: {}", statement.function)?;
    if let Some(text) = statement.sql.text() {
        writeln!(out, "  sql: {}", text.split_whitespace().collect::<Vec<_>>().join(" "))?;
    }
    let tables = if statement.tables.is_empty() { "none found".to_owned() } else { statement.tables.join(", ") };
    writeln!(out, "  tables: {tables}")?;
    writeln!(out, "  verdict: {}", statement.cover.verdict())?;
    for line in &statement.trace {
        writeln!(out, "  - {line}")?;
    }
    print_cover(verdict, &statement.cover, out)
}

/// What the verdict rests on, with its places.
fn print_cover(verdict: &Verdict, cover: &Cover, out: &mut dyn Write) -> io::Result<()> {
    let at = |place: Place| {
        let file = verdict.file(place.file);
        format!("{}:{}", file.path, file.line(place.span.start))
    };
    let opened = |scope: &Scope| {
        let place = scope.place.map(|place| format!(", at {}", at(place))).unwrap_or_default();
        format!("{} `{}`{place}", scope.kind.name(), scope.name.trim_matches('`'))
    };
    match cover {
        Cover::Scoped(scope) if scope.kind != ScopeKind::Callers && scope.kind != ScopeKind::Field => {
            writeln!(out, "  - covered: by {}", opened(scope))
        }
        Cover::Escaped(scope, Escape::OtherHandle) => {
            writeln!(out, "  - escaped: runs on another handle inside {}", opened(scope))
        }
        Cover::Escaped(scope, Escape::SpawnedTask) => {
            writeln!(out, "  - escaped: runs in a task spawned inside {}", opened(scope))
        }
        Cover::AfterScope(scope, After::End(place)) => {
            writeln!(out, "  - too late: {} ended at {}", opened(scope), at(*place))
        }
        Cover::AfterScope(scope, After::Begin) => {
            writeln!(out, "  - beside: {} is open, on another handle", opened(scope))
        }
        Cover::Bypass(reason) | Cover::Exempt(reason) => writeln!(out, "  - because: {reason}"),
        Cover::Path(steps) => {
            let (last, calls) =
                steps.split_last().map_or((None, steps.as_slice()), |(last, calls)| (Some(last), calls));
            for step in calls {
                writeln!(out, "  - path: `{}` calls at {}", step.function, at(step.place))?;
            }
            last.map_or(Ok(()), |step| writeln!(out, "  - path: `{}` sends it at {}", step.function, at(step.place)))
        }
        Cover::Scoped(_) | Cover::Unscoped | Cover::Caller => Ok(()),
    }
}

fn status(finding: &Finding) -> String {
    match &finding.status {
        Status::Open => finding.level.word().to_owned(),
        Status::Allowed(reason) => format!("allowed: {reason}"),
        Status::Baselined => "baselined".to_owned(),
    }
}
