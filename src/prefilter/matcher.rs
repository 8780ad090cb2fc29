//! Names and a text in, whether one of them occurs out.

use aho_corasick::{AhoCorasick, Input, MatchKind};

use super::words::is_word;

/// What makes a file matter whatever the rules say: our own comments.
pub const ALWAYS: [&str; 1] = ["rls-audit"];

/// Names to look for in texts, as whole words.
pub struct Matcher {
    automaton: Option<AhoCorasick>,
}

impl Matcher {
    /// A matcher of these names.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        // Too many or too long names would be a fault of ours, not of the user: then every file matters.
        Self { automaton: AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names).ok() }
    }

    /// Whether one of the names occurs in a text as a whole word.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some(automaton) = &self.automaton else { return true };
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
}

#[cfg(test)]
mod tests {
    use super::Matcher;

    #[test]
    fn names_match_as_whole_words_only() {
        let matcher = Matcher::new(["sqlx", "PgPool", "Pool"]);
        assert!(matcher.matches("use sqlx::query;"));
        assert!(matcher.matches("PgPool"));
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
}
