//! Arguments in, exit status out.

mod args;
mod baseline;
mod cargo_flags;
mod check;
mod explain;
mod force;
mod init;
mod inventory;
mod levels;
mod output;
mod progress;
mod rules;
mod run;
mod tables;
mod trace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::finding::Verdict;
use crate::report::{cargo_json, human};
use crate::user_error::UserError;
use args::{Cli, ColorArg, Command};
use levels::Levels;

/// How a run ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing denied.
    Clean,
    /// Denied findings.
    Denied,
}

/// Runs the program: 0 clean, 1 denied findings, 2 a mistake of the user or of the machine.
#[must_use]
pub fn main() -> ExitCode {
    let argv = normalised(std::env::args_os().collect());
    let matches = match Cli::command().try_get_matches_from(&argv) {
        Ok(matches) => matches,
        Err(error) => return usage(&error, &argv),
    };
    match run(&matches) {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Denied) => ExitCode::from(1),
        Err(error) => fail(&error, &argv),
    }
}

fn run(matches: &ArgMatches) -> Result<Outcome, UserError> {
    let cli = Cli::from_arg_matches(matches).map_err(|error| UserError::new(error.to_string()))?;
    let levels = match matches.subcommand() {
        Some((_, own)) if takes_levels(own) => Levels::of(own)?,
        _ => Levels::default(),
    };
    match cli.command {
        Command::Check(args) => check::check(&args, &levels),
        Command::Inventory(args) => inventory::inventory(&args, &levels),
        Command::Tables(args) => tables::tables(&args, &levels),
        Command::Force(args) => force::force(&args, &levels),
        Command::Init(args) => init::init(&args, &levels),
        Command::Explain(args) => explain::explain(&args.lint),
        Command::Rules(args) => rules::rules(&args),
        Command::Trace(args) => trace::trace(&args, &levels),
        Command::Baseline(mut args) => baseline::baseline(&mut args, &levels),
    }
}

fn takes_levels(command: &ArgMatches) -> bool {
    command.try_contains_id("deny").is_ok()
}

/// Blind spots go to standard error where the report has no place for them.
fn say_blind_spots(verdict: &Verdict) {
    for spot in &verdict.blind_spots {
        eprintln!("blind spot: {}:{}:{}: {}", spot.file, spot.line, spot.column, spot.reason);
    }
}

/// `cargo rls-audit X` comes as `cargo-rls-audit rls-audit X`, and `check` may be left out.
fn normalised(mut argv: Vec<OsString>) -> Vec<OsString> {
    if argv.get(1).is_some_and(|first| first == "rls-audit") {
        argv.remove(1);
    }
    let first = argv.get(1).and_then(|first| first.to_str()).unwrap_or_default();
    let is_of_program = matches!(first, "-h" | "--help" | "-V" | "--version");
    let is_command = Cli::command().get_subcommands().any(|command| command.get_name() == first);
    if !is_of_program && !is_command {
        argv.insert(1, "check".into());
    }
    argv
}

/// What clap says, with the program's own exit statuses.
fn usage(error: &clap::Error, argv: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // Help and version.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if wants_json(argv) {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return fail(&UserError::new(message), argv);
    }
    let _ = error.print();
    ExitCode::from(2)
}

/// A mistake goes to standard error, and to an editor as a diagnostic.
fn fail(error: &UserError, argv: &[OsString]) -> ExitCode {
    let color = run::color(color_of(argv), &std::io::stderr());
    eprint!("{}", human::user_error(error, color));
    if wants_json(argv) {
        let manifest = value_of(argv, "--manifest-path").unwrap_or_else(|| "Cargo.toml".to_owned());
        let plain = crate::report::Color::Plain;
        let printed = output::to_stdout(|out| {
            cargo_json::user_error(error, &manifest, plain, out)?;
            cargo_json::finished(false, out)
        });
        drop(printed);
    }
    ExitCode::from(2)
}

fn wants_json(argv: &[OsString]) -> bool {
    value_of(argv, "--message-format").is_some_and(|format| format.contains("json"))
}

fn color_of(argv: &[OsString]) -> ColorArg {
    match value_of(argv, "--color").as_deref() {
        Some("always") => ColorArg::Always,
        Some("never") => ColorArg::Never,
        _ => ColorArg::Auto,
    }
}

/// The value of a flag in arguments that may not even parse.
fn value_of(argv: &[OsString], flag: &str) -> Option<String> {
    let words: Vec<&str> = argv.iter().filter_map(|word| word.to_str()).collect();
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(flag)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None if rest.is_empty() => words.get(at + 1).map(|value| (*value).to_owned()),
            None => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn check_may_be_left_out_and_cargo_adds_its_name() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["x"], &["x", "check"]),
            (&["x", "rls-audit"], &["x", "check"]),
            (&["x", "rls-audit", "src"], &["x", "check", "src"]),
            (&["x", "--workspace"], &["x", "check", "--workspace"]),
            (&["x", "rls-audit", "inventory"], &["x", "inventory"]),
            (&["x", "rls-audit", "--help"], &["x", "--help"]),
        ];
        for (typed, expected) in cases {
            assert_eq!(normalised(words(typed)), words(expected));
        }
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_rust_analyzer_passes_parses() {
        let argv = "x check --workspace --message-format=json-diagnostic-rendered-ansi --manifest-path /abs/Cargo.toml --keep-going \
                    --all-targets --all-features --no-default-features --features a,b --target-dir t --target x86 --lib --bins \
                    --examples --bin n --example n --test n --bench n --config k=v -p path+file:///a#b@1.0.0";
        Cli::command().try_get_matches_from(argv.split_whitespace()).unwrap();
    }

    #[test]
    fn the_last_level_counts() {
        let argv = ["x", "check", "--allow", "RLS001,rls002", "--deny", "unscoped-query", "--deny", "blind-spot"];
        let matches = Cli::command().try_get_matches_from(argv).unwrap();
        let levels = Levels::of(matches.subcommand().unwrap().1).unwrap();
        use crate::finding::Level::{Allow, Deny};
        assert_eq!(levels.lints, [("RLS001", Allow), ("RLS002", Allow), ("RLS001", Deny)]);
        assert_eq!(levels.blind_spots, Some(Deny));
    }
}
