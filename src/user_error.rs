//! What the user typed or wrote is wrong: one message, the place in their own file, and what to type instead.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// A mistake in flags, rules, a baseline or a path. The run ends with status 2 and nothing is written.
#[derive(Debug)]
pub struct UserError {
    /// Lower-case fragment that names the thing.
    pub message: String,
    /// One imperative sentence that says what to type.
    pub help: Option<String>,
    /// Where in the user's file.
    pub at: Option<Box<UserPlace>>,
}

/// A place in a file that the user wrote.
#[derive(Debug)]
pub struct UserPlace {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The bytes in question.
    pub span: std::ops::Range<usize>,
    /// What stands under them.
    pub label: String,
    source: NamedSource<String>,
}

impl UserError {
    /// A mistake that is in no file.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, at: None }
    }

    /// What to type.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where it is written.
    #[must_use]
    pub fn at(mut self, path: &Path, text: &str, span: std::ops::Range<usize>, label: impl Into<String>) -> Self {
        let end = span.end.min(text.len());
        let span = span.start.min(end)..end;
        let source = NamedSource::new(path.display().to_string(), text.to_owned());
        let (path, text, label) = (path.to_owned(), text.to_owned(), label.into());
        self.at = Some(Box::new(UserPlace { path, text, span, label, source }));
        self
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UserError {}

impl Diagnostic for UserError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.at.as_ref().map(|place| &place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.at.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(place.label.clone()), place.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// A message of somebody else's as a fragment of ours.
#[must_use]
pub fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// The candidate that somebody who typed `typed` most likely meant.
#[must_use]
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let limit = (typed.chars().count() / 3).max(1);
    let mut scored: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(&typed, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score <= limit)
        .collect();
    scored.sort();
    scored.first().map(|(_, candidate)| *candidate)
}

/// Edits between two words: a letter more, less or changed, or two neighbours swapped.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let changed = rows[i][j] + usize::from(a != b);
            let mut best = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            let is_swap = i > 0 && j > 0 && left[i - 1] == *b && right[j - 1] == *a;
            if is_swap {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_the_one_meant() {
        assert_eq!(nearest("unscoped-qury", ["unscoped-query", "unscoped-path"]), Some("unscoped-query"));
        assert_eq!(nearest("jsno", ["json", "short"]), Some("json"));
        assert_eq!(nearest("rls01", ["RLS001", "RLS002"]), Some("RLS001"));
    }

    #[test]
    fn an_unrelated_word_is_nobodys_neighbour() {
        assert_eq!(nearest("banana", ["unscoped-query", "RLS001"]), None);
    }
}
