//! The plan, reproduced: the audited tree has the plan's inventory, entry by entry, and the remediated tree has none.

use std::path::Path;
use std::process::{Command, Output};

/// Areas, entries and risks as the hardening plan lists them.
const PLAN: &str = include_str!("inventory.md");

#[test]
fn the_inventory_is_the_plans() {
    let output = audit(&["inventory", "fixtures/staging"]);
    let printed = entries(&String::from_utf8_lossy(&output.stdout));
    let planned = entries(PLAN);
    assert_eq!(planned.iter().filter(|line| line.starts_with("- ")).count(), 45);
    assert_eq!(printed, planned);
}

#[test]
fn the_audited_tree_fails() {
    let output = audit(&["check", "--format", "short", "fixtures/staging"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert_eq!(shown.matches("RLS001").count(), 45, "{shown}");
}

#[test]
fn the_remediated_tree_is_clean() {
    let output = audit(&["check", "--format", "short", "fixtures/staging-hardened"]);
    let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}");
}

#[test]
fn the_inventory_of_the_remediated_tree_is_empty() {
    let output = audit(&["inventory", "fixtures/staging-hardened"]);
    assert_eq!(entries(&String::from_utf8_lossy(&output.stdout)), Vec::<String>::new());
}

fn audit(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"));
    command.arg("rls-audit").args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    command.output().unwrap()
}

/// Headings of areas, entries and risks, without what stands around them.
fn entries(text: &str) -> Vec<String> {
    let is_entry = |line: &&str| ["### ", "- ", "Risk: "].iter().any(|start| line.starts_with(start));
    text.lines().map(str::trim_end).filter(is_entry).map(str::to_owned).collect()
}
