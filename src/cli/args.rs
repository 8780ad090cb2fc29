//! What can be typed. Help text lists only what works.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::cargo_flags::CargoFlags;
use super::output::Output;
use crate::finding::Mode;

/// Find every database call that runs outside a tenant-scoped transaction.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-rls-audit",
    bin_name = "cargo rls-audit",
    version,
    disable_help_subcommand = true,
    after_help = "Without a command, `check` is run: `cargo rls-audit src` is `cargo rls-audit check src`.\n\
                  Exit status: 0 nothing denied, 1 denied findings, 2 bad usage, rules or paths."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Audit the workspace, or just these files and folders
    Check(Box<Check>),
    /// Print the gap inventory, area by area with its risk
    Inventory(Box<Inventory>),
    /// Say of every table with tenant data whether it can be forced, and what stands in the way
    Tables(Box<Tables>),
    /// Write the migration that forces every table that is ready
    Force(Box<Force>),
    /// Write a rules file from what the code shows: guards, scope functions, setters
    Init(Box<Init>),
    /// Explain a lint
    Explain(Explain),
    /// Print the active rules
    Rules(Box<RulesArgs>),
    /// Say what every stage saw of the statements on one line
    Trace(Box<Trace>),
    /// Print or write the file of findings that are accepted for now
    Baseline(Box<BaselineArgs>),
}

/// Which code, under which rules.
#[derive(Debug, Args)]
pub struct Sources {
    /// Path of a Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Audit all members; the default
    #[arg(long, alias = "all")]
    pub workspace: bool,
    /// Audit only this package
    #[arg(short, long, value_name = "SPEC")]
    pub package: Vec<String>,
    /// Leave this package out
    #[arg(long, value_name = "SPEC")]
    pub exclude: Vec<String>,
    /// Rules file that extends the shipped rules; `rls-audit.toml` of the project where not given
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// `lexical`: every statement not inside a closure of a scope function is a gap; `flow`: handles are followed
    #[arg(long, value_enum, default_value = "flow")]
    pub mode: ModeArg,
    /// Audit tests, examples, benches and `#[cfg(test)]` code too
    #[arg(long)]
    pub all_targets: bool,
    /// Read this file's text from standard input
    #[arg(long, value_name = "FILE")]
    pub stdin_filename: Option<PathBuf>,
    /// Analyse everything again, and remember nothing for the next run
    #[arg(long)]
    pub no_cache: bool,
    /// Threads
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Make findings of a lint errors: a code, a name, `all` or `blind-spot`
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    pub deny: Vec<String>,
    /// Make findings of a lint warnings, which do not fail the run
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    pub warn: Vec<String>,
    /// Do not report findings of a lint
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Accept the findings of this file
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto")]
    pub color: ColorArg,
    /// Print findings only
    #[arg(short, long)]
    pub quiet: bool,
    /// Print also what is allowed and what no caller settles
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Flags of cargo that callers pass.
    #[command(flatten)]
    pub cargo: CargoFlags,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Files and folders; no Cargo.toml needed
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
    /// Report format, to a file with `=FILE`; can be given several times
    #[arg(long, value_name = "FORMAT[=FILE]", help = super::output::HELP)]
    pub format: Vec<Output>,
    /// As cargo has it: `human`, `short` or `json`, for editors
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    pub message_format: Vec<super::output::MessageFormat>,
    /// Run `cargo check` or `cargo clippy` first and print its messages too
    #[arg(long, value_enum, value_name = "COMMAND")]
    pub with: Option<With>,
    /// Report only what the change since this revision brought, wherever its cause is
    #[arg(long, value_name = "REV")]
    pub diff: Option<String>,
    /// Print numbers and times
    #[arg(long)]
    pub stats: bool,
}

/// `inventory`.
#[derive(Debug, Args)]
pub struct Inventory {
    /// Files and folders; no Cargo.toml needed
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Rewrite the generated part of this document instead of printing
    #[arg(long, value_name = "FILE.md")]
    pub update: Option<PathBuf>,
    /// Remember gaps in this file, so that resolved ones stay in the inventory with their date
    #[arg(long, value_name = "FILE.json")]
    pub ledger: Option<PathBuf>,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `tables`.
#[derive(Debug, Args)]
pub struct Tables {
    /// Files and folders; no Cargo.toml needed
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value = "human")]
    pub format: TablesFormat,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Files and folders; no Cargo.toml needed
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print it instead of writing `rls-audit.toml`
    #[arg(long)]
    pub print: bool,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `tables --format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TablesFormat {
    /// For people at a terminal
    Human,
    /// One document for scripts
    Json,
    /// A table for a document
    Markdown,
}

/// `force`.
#[derive(Debug, Args)]
pub struct Force {
    /// Force exactly these tables, also where something stands in the way
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Write to this file instead of printing; `X.up.sql` and `up.sql` get their way back as `X.down.sql` and `down.sql`
    #[arg(short, long, value_name = "FILE.sql")]
    pub output: Option<PathBuf>,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A code such as `RLS001`, or a name such as `unscoped-query`
    pub lint: String,
}

/// `rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `trace`.
#[derive(Debug, Args)]
pub struct Trace {
    /// The place
    #[arg(value_name = "FILE:LINE")]
    pub place: String,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `baseline`.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// Files and folders; no Cargo.toml needed
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write the file that `--baseline` names, `rls-audit-baseline.json` where not given
    #[arg(long)]
    pub write: bool,
    /// Why new entries are accepted
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Which code, under which rules.
    #[command(flatten)]
    pub sources: Sources,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeArg {
    /// The strict reading.
    Lexical,
    /// The full analysis.
    Flow,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Lexical => Self::Lexical,
            ModeArg::Flow => Self::Flow,
        }
    }
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `--with`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum With {
    /// `cargo check`.
    Check,
    /// `cargo clippy`.
    Clippy,
}

impl With {
    /// Cargo's command.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Clippy => "clippy",
        }
    }
}
