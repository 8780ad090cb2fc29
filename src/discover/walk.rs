//! Folders in, paths out: honours `.gitignore`, leaves out what is not the project's own code, survives link loops.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::{has_extension, shown};
use crate::finding::BlindSpot;
use crate::user_error::lower_first;

/// What a walk found. Every list is sorted.
#[derive(Debug, Default)]
pub struct Found {
    /// Rust files.
    pub rust: Vec<PathBuf>,
    /// SQL files.
    pub sql: Vec<PathBuf>,
    /// Cargo.toml files.
    pub manifests: Vec<PathBuf>,
    /// What could not be entered.
    pub blind_spots: Vec<BlindSpot>,
}

/// Walks files and folders. What is given is taken, whatever its name; what is below it is filtered.
pub fn walk(starts: &[PathBuf], root: &Path) -> Found {
    let mut found = Found::default();
    for start in starts {
        let walk = WalkBuilder::new(start)
            .follow_links(true)
            .require_git(false)
            .git_global(false)
            .parents(start.starts_with(root) && start != root)
            .filter_entry(|entry| !is_foreign_folder(entry))
            .build();
        for entry in walk {
            match entry {
                Ok(entry) => found.take(entry),
                Err(error) => found.blind_spots.extend(blind_spot(&error, start, root)),
            }
        }
    }
    found.rust = distinct_files(found.rust);
    found.sql = distinct_files(found.sql);
    found.manifests = distinct_files(found.manifests);
    found.blind_spots.sort();
    found.blind_spots.dedup();
    found
}

impl Found {
    fn take(&mut self, entry: ignore::DirEntry) {
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            return;
        }
        if entry.file_name() == "Cargo.toml" {
            self.manifests.push(entry.into_path());
        } else if has_extension(entry.path(), "rs") {
            self.rust.push(entry.into_path());
        } else if has_extension(entry.path(), "sql") {
            self.sql.push(entry.into_path());
        }
    }
}

/// Build output, vendored code and fixtures. Below `src` the same names are modules of the project.
fn is_foreign_folder(entry: &ignore::DirEntry) -> bool {
    let is_below_start = entry.depth() > 0;
    if !is_below_start || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return false;
    }
    let is_foreign_name = matches!(
        entry.file_name().to_str(),
        Some("target" | "vendor" | "third_party" | "node_modules" | "fixtures" | ".cargo")
    );
    is_foreign_name && !is_inside_src(entry)
}

fn is_inside_src(entry: &ignore::DirEntry) -> bool {
    entry.path().ancestors().skip(1).take(entry.depth()).any(|folder| folder.ends_with("src"))
}

/// One file reached by two names is one file: the name that goes through no link wins, then the smaller one.
fn distinct_files(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    let mut folders: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let mut by_identity: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for path in paths {
        let identity = identity(&path, &mut folders);
        let is_better =
            by_identity.get(&identity).is_none_or(|other| closeness(&path, &identity) > closeness(other, &identity));
        if is_better {
            by_identity.insert(identity, path);
        }
    }
    let mut distinct: Vec<PathBuf> = by_identity.into_values().collect();
    distinct.sort();
    distinct
}

/// The file's real path. Folders are asked once each, because asking costs a system call per component.
fn identity(path: &Path, folders: &mut BTreeMap<PathBuf, PathBuf>) -> PathBuf {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return path.to_path_buf() };
    if path.is_symlink() {
        return path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    }
    if !folders.contains_key(folder) {
        folders.insert(folder.to_path_buf(), folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()));
    }
    folders[folder].join(name)
}

/// How many components, from the end, a name shares with the real path.
fn closeness(path: &Path, identity: &Path) -> usize {
    path.components().rev().zip(identity.components().rev()).take_while(|(a, b)| a == b).count()
}

fn blind_spot(error: &ignore::Error, start: &Path, root: &Path) -> Option<BlindSpot> {
    let path = path_of(error).unwrap_or(start);
    let is_of_no_interest = path.extension().is_some() || leads_nowhere(path);
    if is_of_no_interest && !has_extension(path, "rs") {
        return None;
    }
    let reason = match innermost(error) {
        ignore::Error::Loop { ancestor, .. } if ancestor == root => "link loop back to the root".to_owned(),
        ignore::Error::Loop { ancestor, .. } => format!("link loop back to `{}`", shown(ancestor, root)),
        ignore::Error::Io(io) => format!("cannot be read: {}", reason(io)),
        _ => return None,
    };
    Some(BlindSpot { file: shown(path, root), line: 1, column: 1, reason })
}

/// A link to nothing, or to itself: `result -> /nix/store/..`, `LICENSE -> LICENSE`. No code is behind it.
fn leads_nowhere(path: &Path) -> bool {
    let target = || path.canonicalize();
    path.is_symlink() && target().is_err_and(|error| error.kind() != std::io::ErrorKind::PermissionDenied)
}

/// The reason of an I/O error, without its number and without the path that some add.
pub fn reason(error: &std::io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    };
    lower_first(text.split(" (os error").next().unwrap_or(&text))
}

fn innermost(error: &ignore::Error) -> &ignore::Error {
    match error {
        ignore::Error::WithPath { err, .. }
        | ignore::Error::WithDepth { err, .. }
        | ignore::Error::WithLineNumber { err, .. } => innermost(err),
        other => other,
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}
