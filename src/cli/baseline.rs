//! `baseline`: the findings of today, as a file that `check --baseline` accepts.

use std::path::{Path, PathBuf};

use super::Outcome;
use super::args::BaselineArgs;
use super::levels::Levels;
use super::output::{to_file, to_stdout};
use super::run::Run;
use crate::exceptions::Baseline;
use crate::user_error::UserError;

const DEFAULT_FILE: &str = "rls-audit-baseline.json";

/// Runs the command. An old file is read first, so that the reasons in it are kept.
///
/// # Errors
/// With the user's first mistake, before anything is written.
pub fn baseline(args: &mut BaselineArgs, levels: &Levels) -> Result<Outcome, UserError> {
    let given = args.sources.baseline.take();
    let mut run = Run::prepare(&args.sources, &args.paths, levels)?;
    let path = given.unwrap_or_else(|| run.root.join(DEFAULT_FILE));
    let old = if path.exists() { Some(Baseline::read(&path)?) } else { None };
    run.options.baseline.clone_from(&old);
    let tests = run.options.tests;
    let (verdict, _, _) = run.audit(&args.sources);
    let new = Baseline::of(&verdict, tests, old.as_ref(), args.reason.as_deref());
    if !args.write {
        to_stdout(|out| out.write_all(new.to_json().as_bytes()))?;
        return Ok(Outcome::Clean);
    }
    to_file(&path, |out| out.write_all(new.to_json().as_bytes()))?;
    if !args.sources.quiet {
        report(&path, old.as_ref(), &new);
    }
    Ok(Outcome::Clean)
}

/// New debt is never accepted silently.
fn report(path: &Path, old: Option<&Baseline>, new: &Baseline) {
    let known = |baseline: Option<&Baseline>, fingerprint: &str| {
        baseline.is_some_and(|baseline| baseline.entries.iter().any(|entry| entry.fingerprint == fingerprint))
    };
    let added = new.entries.iter().filter(|entry| !known(old, &entry.fingerprint)).count();
    let kept = new.entries.len() - added;
    let removed = old.map_or(0, |old| old.entries.len() - kept);
    let shown = path.file_name().map(PathBuf::from).unwrap_or_default();
    eprintln!("{}: {} findings, {added} new, {removed} gone", path.display(), new.entries.len());
    eprintln!("run `cargo rls-audit --baseline {}` from its folder to accept them", shown.display());
}
