//! What every command does first: find the project, load its rules, read its files.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::args::{ColorArg, Sources as Args};
use super::levels::Levels;
use super::progress;
use crate::audit::{AuditOptions, Tests, audit};
use crate::discover::{self, Project, Request, Sources};
use crate::exceptions::{self, Baseline};
use crate::finding::Verdict;
use crate::report::Color;
use crate::rules::{self, Loaded};
use crate::user_error::UserError;

/// Everything that an audit needs.
pub struct Run {
    /// The audited root.
    pub root: PathBuf,
    /// The active rules.
    pub rules: Loaded,
    /// What was read.
    pub sources: Sources,
    /// How it is judged.
    pub options: AuditOptions,
}

impl Run {
    /// Finds, loads and reads. Nothing is analysed yet, and nothing was written.
    ///
    /// # Errors
    /// With the user's first mistake.
    pub fn prepare(args: &Args, paths: &[PathBuf], levels: &Levels) -> Result<Self, UserError> {
        let request = request(args, paths)?;
        let project = Project::find(&request)?;
        let root = project.root.clone();
        // What an editor types is audited at every key, and never again.
        let is_lasting = !args.no_cache && request.stdin.is_none();
        let cache = project.target.as_ref().filter(|_| is_lasting).map(|target| target.join("rls-audit"));
        let rules = load_rules(args, &project)?;
        let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
        let sources = project.read(&request)?;
        let options = AuditOptions {
            mode: args.mode.into(),
            tests: request.tests,
            levels: levels.lints.clone(),
            baseline,
            rules_file: rules.project.clone(),
            jobs: args.jobs.map(usize::from),
            cache,
            ..AuditOptions::default()
        };
        Ok(Self { root, rules, sources, options })
    }

    /// The fingerprints of what was found at an earlier revision, under the rules of today.
    ///
    /// # Errors
    /// Where git does not know the revision.
    pub fn before(&self, revision: &str) -> Result<BTreeSet<String>, UserError> {
        let sources = discover::revision::at(revision, &self.sources)?;
        let verdict = audit(sources, &self.rules.rules, &self.options);
        Ok(verdict.findings.into_iter().map(|finding| finding.fingerprint).collect())
    }

    /// Analyses. The rules stay for the reports.
    #[must_use]
    pub fn audit(self, args: &Args) -> (Verdict, Loaded, PathBuf) {
        let Self { root, rules, sources, options } = self;
        let files = sources.files.len();
        let verdict = progress::while_running(files, args.quiet, || audit(sources, &rules.rules, &options));
        (verdict, rules, root)
    }
}

/// The rules that hold for a project.
///
/// # Errors
/// Where the project's rules are wrong.
pub fn load_rules(args: &Args, project: &Project) -> Result<Loaded, UserError> {
    let given = args.rules.as_deref();
    let origin = rules::locate(given, &project.root, project.manifest.as_deref())?;
    let rules = rules::load(origin.as_ref(), &project.root)?;
    exceptions::check_lints(&rules)?;
    Ok(rules)
}

/// What the flags ask for.
///
/// # Errors
/// Where the working directory or standard input cannot be read.
pub fn request(args: &Args, paths: &[PathBuf]) -> Result<Request, UserError> {
    let cwd = std::env::current_dir()
        .map_err(|error| UserError::new(format!("the working directory cannot be read: {error}")))?;
    let stdin = args.stdin_filename.as_deref().map(read_stdin).transpose()?;
    Ok(Request {
        cwd,
        paths: paths.to_vec(),
        manifest_path: args.manifest_path.clone(),
        packages: args.package.clone(),
        exclude: args.exclude.clone(),
        tests: if args.all_targets { Tests::In } else { Tests::Out },
        stdin,
        cargo_flags: args.cargo.for_metadata(),
    })
}

fn read_stdin(path: &Path) -> Result<(PathBuf, String), UserError> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| UserError::new(format!("standard input cannot be read: {error}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| UserError::new("standard input is not UTF-8").help("pipe the text of the file in UTF-8"))?;
    Ok((path.to_owned(), text))
}

/// Whether to colour what goes to a stream.
#[must_use]
pub fn color(choice: ColorArg, stream: &dyn IsTerminal) -> Color {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let wants = match choice {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => !is_set("NO_COLOR") && (is_set("CLICOLOR_FORCE") || (stream.is_terminal() && !is_dumb)),
    };
    if wants { Color::Ansi } else { Color::Plain }
}
