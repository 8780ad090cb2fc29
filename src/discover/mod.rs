//! Paths in, Sources out: which files there are, whose they are, and their text.

mod manifest;
mod modules;
mod packages;
mod project;
mod read;
pub mod revision;
mod walk;

use std::path::{Path, PathBuf};

use crate::finding::BlindSpot;
use crate::source::SourceFile;

pub use project::Project;

/// What the caller asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Where relative paths start; absolute.
    pub cwd: PathBuf,
    /// Files and folders; the whole project where empty.
    pub paths: Vec<PathBuf>,
    /// `--manifest-path`.
    pub manifest_path: Option<PathBuf>,
    /// `-p`: package-id specs; all members where empty.
    pub packages: Vec<String>,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// Whether test targets are read.
    pub tests: Tests,
    /// The text of one file as an editor has it, not as the disk has it.
    pub stdin: Option<(PathBuf, String)>,
    /// `--locked`, `--offline`, `--frozen`, handed to cargo.
    pub cargo_flags: Vec<String>,
}

/// Whether tests, examples, benches and `#[cfg(test)]` code are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tests {
    /// Left out.
    #[default]
    Out,
    /// Judged like all other code.
    In,
}

/// Everything that was read, by path.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The audited root; every path is relative to it.
    pub root: PathBuf,
    /// Rust files.
    pub files: Vec<SourceFile>,
    /// SQL files: migrations, and texts that macros include.
    pub sql: Vec<SourceFile>,
    /// Test code that was found and is not judged: what only it needs is not needless.
    pub left_out: Vec<SourceFile>,
    /// What could not be read.
    pub blind_spots: Vec<BlindSpot>,
    /// Wall time of each step, in order, in microseconds.
    pub stages: Vec<(&'static str, u64)>,
    /// Whether this is all of the project or the part that the caller chose.
    pub coverage: Coverage,
}

/// How much of a project was read. An exception can only be called stale when everything it could match was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// All of it.
    #[default]
    Whole,
    /// Some files, folders or packages.
    Part,
}

impl Sources {
    /// Sources from texts that are already in memory.
    #[must_use]
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sources = Self::default();
        for (path, text) in texts {
            let file = SourceFile::new(path.to_owned(), text.to_owned(), crate::source::Target::default());
            if has_extension(Path::new(path), "sql") { sources.sql.push(file) } else { sources.files.push(file) }
        }
        sources.files.sort_by(|a, b| a.path.cmp(&b.path));
        sources.sql.sort_by(|a, b| a.path.cmp(&b.path));
        sources
    }
}

/// The path as reports print it: relative to the root where it lies inside, with `/`.
fn shown(path: &Path, root: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let text = relative.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

/// Joins and removes `.` and `..` without asking the disk, so that links keep the names the user gave them.
fn absolute(path: &Path, cwd: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in cwd.join(path).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
