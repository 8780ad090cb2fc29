//! `check`: audit and report.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Outcome;
use super::args::{Check, Sources, With};
use super::levels::Levels;
use super::output::{MessageFormat, Output, to_file, to_stdout};
use super::run::{Run, color};
use crate::finding::{Level, Verdict};
use crate::inventory::Inventory;
use crate::report::{self, Color, Context, Format, Times, Verbosity, cargo_json, github};
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// With the user's first mistake, before anything is written.
pub fn check(args: &Check, levels: &Levels) -> Result<Outcome, UserError> {
    let outputs = outputs(args)?;
    let run = Run::prepare(&args.sources, &args.paths, levels)?;
    let built = args.with.map(|with| build_first(with, args)).transpose()?;
    let before = args.diff.as_deref().map(|revision| run.before(revision)).transpose()?;
    let (mut verdict, rules, root) = run.audit(&args.sources);
    if let Some(before) = before {
        verdict.findings.retain(|finding| !before.contains(&finding.fingerprint));
    }
    if levels.blind_spots == Some(Level::Allow) {
        verdict.blind_spots.clear();
    }
    let inventory = Inventory::of(&verdict, &rules.rules.areas);
    let prefix = path_prefix(&root);
    let context = Context {
        inventory: &inventory,
        areas: &rules.rules.areas,
        color: color(args.sources.color, &io::stdout()),
        verbosity: verbosity(&args.sources),
        times: if args.stats { Times::Shown } else { Times::Hidden },
        path_prefix: &prefix,
    };
    let denied = denied(&verdict, levels);
    write_reports(&outputs, &verdict, &context)?;
    if let Some(format) = json_lines(args) {
        let rendered = if format == MessageFormat::JsonAnsi { Color::Ansi } else { Color::Plain };
        to_stdout(|out| {
            cargo_json::render(&verdict, rendered, out)?;
            cargo_json::finished(!denied && built != Some(Outcome::Denied), out)
        })?;
    }
    Ok(if denied || built == Some(Outcome::Denied) { Outcome::Denied } else { Outcome::Clean })
}

/// Whether the run fails.
#[must_use]
pub fn denied(verdict: &Verdict, levels: &Levels) -> bool {
    let blind = levels.blind_spots == Some(Level::Deny) && !verdict.blind_spots.is_empty();
    blind || verdict.open().any(|finding| finding.level == Level::Deny)
}

fn verbosity(args: &Sources) -> Verbosity {
    match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    }
}

fn json_lines(args: &Check) -> Option<MessageFormat> {
    args.message_format.iter().copied().find(|format| matches!(format, MessageFormat::Json | MessageFormat::JsonAnsi))
}

/// The reports to write. Two documents on one stream would be none.
fn outputs(args: &Check) -> Result<Vec<Output>, UserError> {
    let mut outputs = args.format.clone();
    let stdout = |format| Output { format, file: None };
    let by_message_format = args.message_format.iter().filter_map(|format| match format {
        MessageFormat::Human => Some(Format::Human),
        MessageFormat::Short => Some(Format::Short),
        MessageFormat::Json | MessageFormat::JsonAnsi => None,
    });
    outputs.extend(by_message_format.map(stdout));
    let prints_json_lines = json_lines(args).is_some();
    if outputs.is_empty() && !prints_json_lines {
        outputs.push(stdout(Format::Human));
    }
    let printed: Vec<Format> =
        outputs.iter().filter(|output| output.file.is_none()).map(|output| output.format).collect();
    let prints_document = printed.contains(&Format::Json) || prints_json_lines;
    if prints_document && printed.len() + usize::from(prints_json_lines) > 1 {
        return Err(UserError::new("JSON and another format cannot share standard output")
            .help("give one of them a file: `--format json=report.json`"));
    }
    Ok(outputs)
}

fn write_reports(outputs: &[Output], verdict: &Verdict, context: &Context<'_>) -> Result<(), UserError> {
    for output in outputs {
        match &output.file {
            Some(path) => {
                let context = Context { color: Color::Plain, ..*context };
                to_file(path, |out| report::render(output.format, verdict, &context, out))?;
            }
            None => to_stdout(|out| report::render(output.format, verdict, context, out))?,
        }
    }
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    match summary {
        Some(path) if outputs.iter().any(|output| output.format == Format::Github) => {
            append(Path::new(&path), &github::summary(verdict))
        }
        _ => Ok(()),
    }
}

fn append(path: &Path, text: &str) -> Result<(), UserError> {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| UserError::new(format!("`{}` cannot be written: {error}", path.display())))
}

/// GitHub reads paths from the repository's root, which may lie above the audited root.
fn path_prefix(root: &Path) -> String {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").unwrap_or_default();
    let below = if workspace.is_empty() { None } else { root.strip_prefix(Path::new(&workspace)).ok() };
    below.filter(|below| !below.as_os_str().is_empty()).map(|below| format!("{}/", below.display())).unwrap_or_default()
}

/// Runs cargo and passes its messages on. Its last line is left out: ours comes last.
fn build_first(with: With, args: &Check) -> Result<Outcome, UserError> {
    let Sources { manifest_path, package, exclude, workspace, all_targets, cargo, .. } = &args.sources;
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&program);
    command.arg(with.command()).args(cargo.for_build());
    command.args(manifest_path.iter().flat_map(|path| [Path::new("--manifest-path"), path.as_path()]));
    command.args(package.iter().flat_map(|spec| ["--package", spec]));
    command.args(exclude.iter().flat_map(|spec| ["--exclude", spec]));
    let is_whole = *workspace || package.is_empty();
    command.args(is_whole.then_some("--workspace")).args(all_targets.then_some("--all-targets"));
    let format = json_lines(args);
    command.args(format.map(|format| match format {
        MessageFormat::JsonAnsi => "--message-format=json-diagnostic-rendered-ansi",
        _ => "--message-format=json",
    }));
    let failed = |error: io::Error| {
        UserError::new(format!("`cargo {}` cannot be run: {error}", with.command()))
            .help("install cargo, or leave `--with` out")
    };
    let Some(_) = format else {
        let status = command.stdout(Stdio::inherit()).status().map_err(failed)?;
        return Ok(outcome(status));
    };
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(stdout) = child.stdout.take() {
        to_stdout(|out| pass_on(stdout, out))?;
    }
    Ok(outcome(child.wait().map_err(failed)?))
}

fn outcome(status: std::process::ExitStatus) -> Outcome {
    if status.success() { Outcome::Clean } else { Outcome::Denied }
}

fn pass_on(lines: impl io::Read, out: &mut dyn io::Write) -> io::Result<()> {
    use std::io::BufRead;
    for line in io::BufReader::new(lines).lines() {
        let line = line?;
        if !line.starts_with("{\"reason\":\"build-finished\"") {
            writeln!(out, "{line}")?;
            out.flush()?;
        }
    }
    Ok(())
}
