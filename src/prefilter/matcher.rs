//! Names and a text in, whether one of them occurs out.

use aho_corasick::{AhoCorasick, Input, MatchKind};

use rustc_hash::FxHashSet;

use super::words::{is_word, words};
use crate::facts::Name;

/// What makes a file matter whatever the rules say: our own comments.
pub const ALWAYS: [&str; 1] = ["rls-audit"];

/// More names than these are looked up word by word: the time to build an automaton grows with their square.
const MANY: usize = 1_000;

/// Names to look for in texts, as whole words.
pub enum Matcher {
    /// A few names, in one pass over the bytes.
    Few(AhoCorasick),
    /// Many names, all of them words.
    Many(FxHashSet<Name>),
    /// Every text matches.
    All,
}

impl Matcher {
    /// A matcher of these names.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        // Nothing is not a word, and would be found everywhere without end.
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        if names.len() > MANY && names.iter().all(|name| name.bytes().all(|byte| is_word(&byte))) {
            return Self::Many(names.into_iter().map(Name::new).collect());
        }
        // Too long names would be a fault of ours, not of the user: then every file matters.
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names);
        automaton.map_or(Self::All, Self::Few)
    }

    /// Whether one of the names occurs in a text as a whole word.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Few(automaton) => has_word(automaton, text),
            Self::Many(names) => words(text).any(|word| names.contains(word.text)),
            Self::All => true,
        }
    }
}

fn has_word(automaton: &AhoCorasick, text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = automaton.find(Input::new(text).range(from..)) {
        let before = found.start().checked_sub(1).and_then(|at| bytes.get(at));
        if !before.is_some_and(is_word) && !bytes.get(found.end()).is_some_and(is_word) {
            return true;
        }
        // No other word starts inside a part of a word.
        let is_one_word = bytes[found.range()].iter().all(is_word);
        from = if is_one_word { found.end() } else { found.start() + 1 };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{MANY, Matcher};

    #[test]
    fn names_match_as_whole_words_only() {
        let matcher = Matcher::new(["sqlx", "PgPool", "Pool"]);
        assert!(matcher.matches("use sqlx::query;"));
        assert!(matcher.matches("PgPool"));
        assert!(!Matcher::new(["", "sqlx"]).matches("a b"));
        assert!(!matcher.matches("sqlx_like MyPgPoolish r_sqlx"));
        assert!(matcher.matches("a Pool."));
        assert!(matcher.matches("MyPool, Pool"));
    }

    #[test]
    fn the_longest_name_counts() {
        let matcher = Matcher::new(["sqlx", "sqlx_core", "pub use", "audit", "rls-audit"]);
        assert!(matcher.matches("sqlx_core"));
        assert!(matcher.matches("x_rls-audit"));
        assert!(!matcher.matches("sqlx_corex pub used"));
    }

    #[test]
    fn many_names_match_as_a_few_do() {
        let many: Vec<String> = (0..=MANY).map(|at| format!("name_{at}")).collect();
        let matcher = Matcher::new(many.iter().map(String::as_str));
        assert!(matches!(matcher, Matcher::Many(_)));
        assert!(matcher.matches("a.name_7(b)"));
        assert!(!matcher.matches("my_name_7 name_7s name_"));
    }
}
