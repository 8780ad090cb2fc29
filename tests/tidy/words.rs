//! Words that no file may hold.

use crate::{Text, assert_none, files};

/// In Rust code, tests included. Put together here, so that this file does not break its own law.
const IN_CODE: &[(&str, &str)] = &[
    (concat!("#[", "allow("), "use `#[expect(lint, reason = \"..\")]`"),
    (concat!("#![", "allow("), "use `#[expect(lint, reason = \"..\")]`"),
    (concat!("#[", "ignore"), "mark what happens now and say why it is wrong"),
    (concat!("todo", "!("), "leave it out or build it"),
    (concat!("unimplemented", "!("), "leave it out or build it"),
    (concat!("db", "g!("), "remove it"),
];

/// In tests. A support server that delays bytes as a network does is no test.
const IN_TESTS: &[(&str, &str)] = &[
    (concat!("thread::", "sleep"), "wait for the event, not for the clock"),
    (concat!("time::", "sleep"), "wait for the event, not for the clock"),
];

/// Anywhere: paths of one machine.
const ANYWHERE: &[(&str, &str)] = &[
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
];

#[test]
fn code_holds_no_forbidden_word() {
    let code = files(&["src", "crates", "tests", "benches", "fuzz"], ".rs");
    assert_none(&code.iter().flat_map(|file| forbidden(file, IN_CODE)).collect::<Vec<_>>());
}

#[test]
fn tests_do_not_sleep() {
    let mut tests = files(&["tests", "crates", "fuzz"], ".rs");
    tests.retain(|file| file.path.contains("tests/") && !file.path.contains("/support/"));
    assert_none(&tests.iter().flat_map(|file| forbidden(file, IN_TESTS)).collect::<Vec<_>>());
}

#[test]
fn nothing_names_one_machine() {
    for ending in [".rs", ".md", ".toml", ".yml", ".yaml", ".sql"] {
        let found = files(
            &["src", "crates", "tests", "benches", "fuzz", "fixtures", "docs", ".ci", ".github", ".cargo"],
            ending,
        );
        assert_none(&found.iter().flat_map(|file| forbidden(file, ANYWHERE)).collect::<Vec<_>>());
    }
}

#[test]
fn a_forbidden_word_is_seen() {
    let file = Text { path: "f".into(), text: format!("fn a() {{}}\n{}dead_code)]\n", IN_CODE[0].0) };
    assert_eq!(forbidden(&file, IN_CODE), [format!("f:2: `{}`: {}", IN_CODE[0].0, IN_CODE[0].1)]);
}

/// Attributes count where they stand as such: at the start of a line.
fn forbidden(file: &Text, words: &[(&str, &str)]) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let found = words.iter().filter(|(word, _)| match word.starts_with('#') {
            true => line.trim_start().starts_with(word),
            false => line.contains(word),
        });
        broken.extend(found.map(|(word, why)| format!("{}:{number}: `{word}`: {why}", file.path)));
    }
    broken
}
