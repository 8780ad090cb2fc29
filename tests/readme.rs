//! What the README shows is what the program prints.

use std::fs;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../README.md");

#[test]
fn the_finding_is_the_one_that_is_shown() {
    // Outside of this repository, so that the path is the one a user sees.
    let folder = std::env::temp_dir().join(format!("rls-audit-readme-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("orders.rs"), block("rust")).unwrap();
    let printed = run(&["check", "orders.rs"], &folder);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(printed.trim_end(), block("text").trim_end());
}

#[test]
fn the_inventory_is_the_one_that_is_shown() {
    let printed = run(&["inventory", "fixtures/staging"], Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(printed.contains(block("markdown").trim_end()), "{printed}");
}

/// The first code block in a language.
fn block(language: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

fn run(arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"));
    let output = command.arg("rls-audit").args(arguments).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
