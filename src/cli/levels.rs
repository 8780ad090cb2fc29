//! `--deny`, `--warn` and `--allow` in, levels out. The last one typed counts.

use clap::ArgMatches;

use crate::finding::Level;
use crate::lints;
use crate::user_error::{UserError, nearest};

/// The levels that the user gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// By code, in the order typed.
    pub lints: Vec<(&'static str, Level)>,
    /// Of places that could not be analysed.
    pub blind_spots: Option<Level>,
}

impl Levels {
    /// Reads the flags in the order in which they were typed.
    ///
    /// # Errors
    /// Where a flag names a lint that does not exist.
    pub fn of(matches: &ArgMatches) -> Result<Self, UserError> {
        let mut typed: Vec<(usize, &str, &str, Level)> = Vec::new();
        for (flag, level) in [("deny", Level::Deny), ("warn", Level::Warn), ("allow", Level::Allow)] {
            let words = matches.get_many::<String>(flag).into_iter().flatten();
            let positions = matches.indices_of(flag).into_iter().flatten();
            typed.extend(positions.zip(words).map(|(position, word)| (position, flag, word.as_str(), level)));
        }
        typed.sort_unstable_by_key(|(position, ..)| *position);
        let mut levels = Self::default();
        for (_, flag, word, level) in typed {
            levels.add(flag, word, level)?;
        }
        Ok(levels)
    }

    fn add(&mut self, flag: &str, word: &str, level: Level) -> Result<(), UserError> {
        match word {
            "blind-spot" | "blind-spots" => self.blind_spots = Some(level),
            "all" => self.lints.extend(lints::LINTS.iter().map(|lint| (lint.code, level))),
            _ => match lints::find(word) {
                Some(lint) => self.lints.push((lint.code, level)),
                None => return Err(unknown(flag, word)),
            },
        }
        Ok(())
    }
}

fn unknown(flag: &str, word: &str) -> UserError {
    let help = match nearest(word, lints::words().chain(["blind-spot", "all"])) {
        Some(meant) => format!("write `--{flag} {meant}`"),
        None => format!(
            "write a code such as `--{flag} RLS001`, a name such as `--{flag} unscoped-query`, `all` or `blind-spot`"
        ),
    };
    UserError::new(format!("unknown lint `{word}`")).help(help)
}
