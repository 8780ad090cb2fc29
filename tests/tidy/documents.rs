//! Paths that documents name exist; one sentence stands on one line; headings are in sentence case.

use crate::{Text, assert_none, files, root};

const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs", "fixtures/README.md", "src/lints"];

#[test]
fn documented_paths_exist() {
    let exists = |path: &str| root().join(path).exists();
    assert_none(&documents().iter().flat_map(|file| missing_paths(file, exists)).collect::<Vec<_>>());
}

#[test]
fn one_sentence_stands_on_one_line() {
    assert_none(&documents().iter().flat_map(crowded_lines).collect::<Vec<_>>());
}

#[test]
fn the_architecture_is_short() {
    let lines = files(&["ARCHITECTURE.md"], ".md")[0].text.lines().count();
    assert!(lines < 150, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn a_missing_path_is_seen() {
    let file =
        Text { path: "d".into(), text: "See `src/here.rs`, `src/gone.rs`, `a b/c` and [it](docs/gone.md).\n".into() };
    let found = missing_paths(&file, |path| path == "src/here.rs");
    assert_eq!(found, ["d:1: `src/gone.rs` does not exist", "d:1: `docs/gone.md` does not exist"]);
    let block = Text { path: "d".into(), text: "```\n`src/gone.rs`\n```\n".into() };
    assert!(missing_paths(&block, |_| false).is_empty());
}

#[test]
fn a_crowded_line_is_seen() {
    let file = Text { path: "d".into(), text: "One. Two.\nAlone, e.g. this one.\n| A cell. | B. |\n".into() };
    assert_eq!(crowded_lines(&file), ["d:1: more than one sentence"]);
}

fn documents() -> Vec<Text> {
    files(DOCUMENTS, ".md")
}

/// Lines outside of code blocks, with their numbers.
fn prose(file: &Text) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    (1..).zip(file.text.lines()).filter(move |(_, line)| {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            return false;
        }
        !in_block
    })
}

/// What starts like a path of this repository: with one of its folders, or a file of its root.
fn missing_paths(file: &Text, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folders =
        ["src/", "crates/", "tests/", "fixtures/", "docs/", "fuzz/", "benches/", ".ci/", ".cargo/", ".github/"];
    let mut broken = Vec::new();
    for (number, line) in prose(file) {
        let quoted = line.split('`').skip(1).step_by(2);
        let linked = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for path in quoted.chain(linked) {
            let is_path =
                folders.iter().any(|folder| path.starts_with(folder)) && !path.contains([' ', '*', '{', '<', ':']);
            let is_name = path.contains("NNN");
            if is_path && !is_name && !exists(path) {
                broken.push(format!("{}:{number}: `{path}` does not exist", file.path));
            }
        }
    }
    broken
}

fn crowded_lines(file: &Text) -> Vec<String> {
    let crowded = prose(file).filter(|(_, line)| {
        let words: Vec<&str> = line.split(' ').collect();
        let ends = |word: &str| {
            word.ends_with(['.', '?', '!']) && !word.ends_with("e.g.") && !word.ends_with("i.e.") && word.len() > 2
        };
        let starts = |word: &str| word.starts_with(|c: char| c.is_uppercase() || c == '`');
        !line.starts_with('|') && words.windows(2).any(|pair| ends(pair[0]) && starts(pair[1]))
    });
    crowded.map(|(number, _)| format!("{}:{number}: more than one sentence", file.path)).collect()
}
