//! One lint, one file, one page, one folder, one row.

use std::collections::BTreeSet;
use std::fs;

use rls_audit::lints::LINTS;

use crate::{assert_none, files, root};

const HEADINGS: &[&str] = &["What it does", "Why is this bad", "Example", "Use instead", "Blind spots"];

#[test]
fn row_file_page_and_folder_agree() {
    let rows: BTreeSet<String> = LINTS.iter().map(|lint| stem(lint.code, lint.name)).collect();
    let pages = stems("src/lints", ".md");
    let folders = stems("fixtures", "");
    let modules = stems("src/lints", ".rs");
    assert_none(&disagreements(&[
        ("LINTS", &rows),
        ("src/lints/*.rs", &modules),
        ("src/lints/*.md", &pages),
        ("fixtures/", &folders),
    ]));
}

#[test]
fn every_page_has_its_title_and_headings() {
    let broken = LINTS.iter().flat_map(|lint| {
        let path = format!("src/lints/{}.md", stem(lint.code, lint.name));
        let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
        page_errors(&path, &format!("{} {}", lint.code, lint.name), &text)
    });
    assert_none(&broken.collect::<Vec<_>>());
}

#[test]
fn rows_are_sorted_and_say_what_is_wrong() {
    assert!(LINTS.is_sorted_by(|a, b| a.code < b.code), "LINTS is not sorted by code");
    let broken = LINTS.iter().filter(|lint| {
        lint.summary.ends_with('.')
            || lint.summary.starts_with(char::is_uppercase)
            || lint.name.starts_with("no-")
            || lint.name.starts_with("require-")
    });
    assert_none(
        &broken.map(|lint| format!("{}: name or summary does not read like one", lint.code)).collect::<Vec<_>>(),
    );
}

#[test]
fn every_lint_is_in_the_changelog_and_the_readme() {
    for document in files(&["README.md", "CHANGELOG.md"], ".md") {
        let missing = LINTS.iter().filter(|lint| !document.text.contains(lint.code));
        assert_none(&missing.map(|lint| format!("{}: does not name {}", document.path, lint.code)).collect::<Vec<_>>());
    }
}

#[test]
fn a_missing_page_is_seen() {
    let both = BTreeSet::from(["rls001_a".to_owned(), "rls002_b".to_owned()]);
    let one = BTreeSet::from(["rls001_a".to_owned()]);
    assert_eq!(disagreements(&[("rows", &both), ("pages", &one)]), ["rls002_b: is in rows, but not in pages"]);
    assert_eq!(disagreements(&[("rows", &one), ("pages", &both)]), ["rls002_b: is in pages, but not in rows"]);
}

#[test]
fn a_missing_heading_is_seen() {
    let whole =
        "# RLS001 a\n\n## What it does\n\n## Why is this bad\n\n## Example\n\n## Use instead\n\n## Blind spots\n";
    assert!(page_errors("p", "RLS001 a", whole).is_empty());
    assert_eq!(page_errors("p", "RLS001 a", &whole.replace("## Blind spots\n", "")).len(), 1);
    assert_eq!(page_errors("p", "RLS002 b", whole).len(), 1);
}

fn stem(code: &str, name: &str) -> String {
    format!("{}_{}", code.to_lowercase(), name.replace('-', "_"))
}

/// What in a folder is named like a lint.
fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with("rls"))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

fn disagreements(sets: &[(&str, &BTreeSet<String>)]) -> Vec<String> {
    let (first, all) = sets[0];
    let mut broken = Vec::new();
    for (other, names) in &sets[1..] {
        broken.extend(all.difference(names).map(|name| format!("{name}: is in {first}, but not in {other}")));
        broken.extend(names.difference(all).map(|name| format!("{name}: is in {other}, but not in {first}")));
    }
    broken
}

fn page_errors(path: &str, title: &str, text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.lines().next() != Some(&format!("# {title}")) {
        errors.push(format!("{path}: the first line is not `# {title}`"));
    }
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if headings != HEADINGS {
        errors.push(format!("{path}: the headings are not {HEADINGS:?}"));
    }
    errors
}
