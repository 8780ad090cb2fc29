//! `rules`: the active rules as one file.

use super::Outcome;
use super::args::RulesArgs;
use super::output::to_stdout;
use super::run::{load_rules, request};
use crate::discover::Project;
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// Where the project or its rules are wrong.
pub fn rules(args: &RulesArgs) -> Result<Outcome, UserError> {
    let project = Project::find(&request(&args.sources, &[])?)?;
    let loaded = load_rules(&args.sources, &project)?;
    let text = toml::to_string(&loaded.merged)
        .map_err(|error| UserError::new(format!("the rules cannot be printed: {error}")))?;
    let origin = match &loaded.project {
        Some(file) => format!("the shipped rules, extended by {}", file.shown),
        None => "the shipped rules".to_owned(),
    };
    to_stdout(|out| write!(out, "# {origin}\n{text}"))?;
    Ok(Outcome::Clean)
}
