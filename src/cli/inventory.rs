//! `inventory`: print the gap inventory, or keep it up to date in a document.

use std::path::Path;

use super::Outcome;
use super::args::Inventory as Args;
use super::levels::Levels;
use super::output::{to_file, to_stdout};
use super::run::Run;
use crate::inventory::Inventory;
use crate::report::markdown;
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// With the user's first mistake, before anything is written.
pub fn inventory(args: &Args, levels: &Levels) -> Result<Outcome, UserError> {
    let run = Run::prepare(&args.sources, &args.paths, levels)?;
    let document = args.update.as_deref().map(read).transpose()?;
    let (verdict, rules, _) = run.audit(&args.sources);
    let inventory = Inventory::of(&verdict, &rules.rules.areas);
    for spot in &verdict.blind_spots {
        eprintln!("blind spot: {}:{}:{}: {}", spot.file, spot.line, spot.column, spot.reason);
    }
    match (&args.update, document) {
        (Some(path), Some(document)) => {
            let mut text = Vec::new();
            markdown::render(&inventory, &mut text)
                .map_err(|error| UserError::new(format!("the inventory cannot be printed: {error}")))?;
            let updated = markdown::update(&document, &String::from_utf8_lossy(&text));
            if updated != document {
                to_file(path, |out| out.write_all(updated.as_bytes()))?;
            }
        }
        _ => to_stdout(|out| markdown::render(&inventory, out))?,
    }
    Ok(Outcome::Clean)
}

fn read(path: &Path) -> Result<String, UserError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(UserError::new(format!("`{}` cannot be read: {error}", path.display()))),
    }
}
