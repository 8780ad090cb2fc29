//! `tables`: which tables can be forced today, and what stands in the way of the others.

use super::Outcome;
use super::args::{Tables as Args, TablesFormat};
use super::levels::Levels;
use super::output::to_stdout;
use super::run::{Run, color};
use crate::readiness::Readiness;
use crate::report::tables;
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// With the user's first mistake, before anything is written.
pub fn tables(args: &Args, levels: &Levels) -> Result<Outcome, UserError> {
    let run = Run::prepare(&args.sources, &args.paths, levels)?;
    let (verdict, rules, _) = run.audit(&args.sources);
    let readiness = Readiness::of(&verdict, &rules.rules.tables);
    super::say_blind_spots(&verdict);
    let color = color(args.sources.color, &std::io::stdout());
    to_stdout(|out| match args.format {
        TablesFormat::Human => tables::human(&readiness, color, out),
        TablesFormat::Json => tables::json(&readiness, &verdict, out),
        TablesFormat::Markdown => tables::markdown(&readiness, out),
    })?;
    Ok(Outcome::Clean)
}
