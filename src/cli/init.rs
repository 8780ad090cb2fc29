//! `init`: a rules file from what the code shows.

use super::Outcome;
use super::args::Init;
use super::levels::Levels;
use super::output::{to_file, to_stdout};
use super::run::Run;
use crate::report::inferred;
use crate::rules::RULES_FILE;
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// With the user's first mistake, and where there is a rules file already.
pub fn init(args: &Init, levels: &Levels) -> Result<Outcome, UserError> {
    let run = Run::prepare(&args.sources, &args.paths, levels)?;
    let path = run.root.join(RULES_FILE);
    if path.exists() && !args.print {
        return Err(UserError::new(format!("`{}` exists already", path.display()))
            .help("run `cargo rls-audit init --print` to see what would be written"));
    }
    let (verdict, _, _) = run.audit(&args.sources);
    super::say_blind_spots(&verdict);
    if args.print {
        to_stdout(|out| inferred::render(&verdict, out))?;
        return Ok(Outcome::Clean);
    }
    to_file(&path, |out| inferred::render(&verdict, out))?;
    if !args.sources.quiet {
        eprintln!("{}: {} rows inferred", path.display(), verdict.program.inferred.len());
    }
    Ok(Outcome::Clean)
}
