//! Tokens of one text with questions to ask about them: is this word here, which name starts here.

use super::TableName;
use super::token::{Kind, Token, tokenize};
use crate::source::Span;

/// The tokens of a text.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

/// A name as SQL spells it, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its parts, folded to lower case where they are not quoted.
    pub parts: Vec<String>,
    /// The whole name's bytes.
    pub span: Span,
    /// The token after it.
    pub next: usize,
    /// A part is put in at run time.
    pub has_hole: bool,
}

impl Name {
    /// The name as that of a table.
    #[must_use]
    pub fn table(&self) -> TableName {
        let mut last = self.parts.iter().rev();
        let name = last.next().cloned().unwrap_or_default();
        TableName { schema: last.next().cloned(), name }
    }

    /// The parts with dots, as settings are called.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.parts.join(".")
    }
}

impl<'a> Tokens<'a> {
    /// The tokens of this text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, tokens: tokenize(text) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Its kind; `None` past the end.
    #[must_use]
    pub fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// Its bytes; empty past the end.
    #[must_use]
    pub fn span(&self, at: usize) -> Span {
        self.tokens.get(at).map(|token| token.span).unwrap_or_default()
    }

    /// Its text; empty past the end.
    #[must_use]
    pub fn text(&self, at: usize) -> &'a str {
        self.slice(self.span(at))
    }

    /// The text of a span.
    #[must_use]
    pub fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Whether this keyword or symbol is here. Names in quotes are no keywords.
    #[must_use]
    pub fn is(&self, at: usize, word: &str) -> bool {
        matches!(self.kind(at), Some(Kind::Word | Kind::Symbol)) && self.text(at).eq_ignore_ascii_case(word)
    }

    /// Whether these words stand here in a row.
    #[must_use]
    pub fn are(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, word)| self.is(at + index, word))
    }

    /// The token after these words, where they are here.
    #[must_use]
    pub fn after(&self, at: usize, words: &[&str]) -> Option<usize> {
        self.are(at, words).then_some(at + words.len())
    }

    /// The token after the words, or the same token where they are not here.
    #[must_use]
    pub fn skip(&self, at: usize, words: &[&str]) -> usize {
        self.after(at, words).unwrap_or(at)
    }

    /// The first token in the range that is this word.
    #[must_use]
    pub fn find(&self, range: std::ops::Range<usize>, word: &str) -> Option<usize> {
        range.into_iter().find(|at| self.is(*at, word))
    }

    /// The name that starts here: `t`, `s.t`, `"S"."T"`.
    #[must_use]
    pub fn name(&self, at: usize) -> Option<Name> {
        let (mut parts, mut next, mut has_hole) = (Vec::new(), at, false);
        loop {
            match self.kind(next) {
                Some(Kind::Word) => parts.push(self.text(next).to_lowercase()),
                Some(Kind::Quoted) => {
                    let part = unquote(self.text(next));
                    has_hole |= part.contains("{}");
                    parts.push(part);
                }
                Some(Kind::Hole) => {
                    has_hole = true;
                    parts.push(self.text(next).to_owned());
                }
                _ => return None,
            }
            next += 1;
            let more_follows =
                self.is(next, ".") && matches!(self.kind(next + 1), Some(Kind::Word | Kind::Quoted | Kind::Hole));
            if !more_follows {
                break;
            }
            next += 1;
        }
        Some(Name { parts, span: self.span(at).to(self.span(next - 1)), next, has_hole })
    }

    /// What a string holds, without its quotes. `None` where the token is no string.
    #[must_use]
    pub fn string(&self, at: usize) -> Option<String> {
        (self.kind(at)? == Kind::Text).then(|| unescape(self.text(at)))
    }

    /// The token that closes the parenthesis or bracket at `open`, before `end`.
    #[must_use]
    pub fn closing(&self, open: usize, end: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in open..end.min(self.len()) {
            if self.kind(at) != Some(Kind::Symbol) {
                continue;
            }
            match self.text(at) {
                "(" | "[" => depth += 1,
                ")" | "]" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The ranges between commas that stand outside parentheses.
    #[must_use]
    pub fn split_commas(&self, range: std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
        let (mut parts, mut start, mut depth) = (Vec::new(), range.start, 0_usize);
        for at in range.clone() {
            if self.kind(at) != Some(Kind::Symbol) {
                continue;
            }
            match self.text(at) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "," if depth == 0 => {
                    parts.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        if start < range.end {
            parts.push(start..range.end);
        }
        parts
    }

    /// The ranges between semicolons; empty ones are left out.
    #[must_use]
    pub fn statements(&self) -> Vec<std::ops::Range<usize>> {
        let ends = (0..self.len()).filter(|at| self.is(*at, ";")).chain([self.len()]);
        let mut start = 0;
        let mut statements = Vec::new();
        for end in ends {
            if start < end {
                statements.push(start..end);
            }
            start = end + 1;
        }
        statements
    }
}

fn unquote(text: &str) -> String {
    let inner = text.trim_start_matches(['u', 'U', '&']);
    let inner = inner.strip_prefix('"').unwrap_or(inner);
    inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"")
}

fn unescape(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$').unwrap_or(0) + 2;
        return text.get(tag..text.len().saturating_sub(tag)).unwrap_or("").to_owned();
    }
    let open = text.find('\'').map_or(0, |at| at + 1);
    let inner = text.get(open..text.len().saturating_sub(1)).unwrap_or("").replace("''", "'");
    if text.starts_with(['e', 'E']) { inner.replace("\\'", "'") } else { inner }
}
