//! The laws of the house. What matters is here; what is not here is not argued about in review.
//! Every law is also tried on a small text that breaks it, because a law that cannot fail is none.

mod documents;
mod layers;
mod lints;
mod size;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the workspace.
pub(crate) struct Text {
    /// Relative to the workspace, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files with this ending below one of the folders; build output is left out.
pub(crate) fn files(folders: &[&str], ending: &str) -> Vec<Text> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        folders.iter().map(|folder| root().join(folder)).filter(|path| path.exists()).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let is_ours = !path.ends_with("target") && !path.ends_with(".git");
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).filter(|_| is_ours));
        } else if path.to_string_lossy().ends_with(ending) {
            let shown = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push(Text { path: shown, text: fs::read_to_string(&path).unwrap_or_default() });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Rust sources of the analyzer and of the crates, without tests and benches.
pub(crate) fn sources() -> Vec<Text> {
    let mut found = files(&["src", "crates"], ".rs");
    found.retain(|file| !["/tests/", "/benches/", "/examples/"].iter().any(|part| file.path.contains(part)));
    assert!(found.len() > 10, "the sources were not found");
    found
}

/// Fails with one line per broken law.
pub(crate) fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
