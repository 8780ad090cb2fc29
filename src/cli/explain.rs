//! `explain`: the page of a lint.

use super::Outcome;
use super::output::to_stdout;
use crate::lints;
use crate::user_error::{UserError, nearest};

/// Runs the command.
///
/// # Errors
/// Where no lint has this code or name.
pub fn explain(word: &str) -> Result<Outcome, UserError> {
    let Some(lint) = lints::find(word) else {
        let help = match nearest(word, lints::words()) {
            Some(meant) => format!("write `cargo rls-audit explain {meant}`"),
            None => {
                format!("write one of {}", lints::LINTS.iter().map(|lint| lint.code).collect::<Vec<_>>().join(", "))
            }
        };
        return Err(UserError::new(format!("unknown lint `{word}`")).help(help));
    };
    to_stdout(|out| write!(out, "{}", lint.page))?;
    Ok(Outcome::Clean)
}
