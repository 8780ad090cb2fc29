//! One text in, its functions out as far as tokens alone show them: which bodies can be left unread, and their words.
//!
//! Far cheaper than parsing. Whatever is not perfectly plain has no outline, and is read whole.

use std::hash::Hasher;
use std::ops::Range;

use ra_ap_rustc_lexer::{LiteralKind, TokenKind};
use rustc_hash::FxHasher;

use super::lex::{is_terminated, lexed};
use super::odd::{self, Shape};
use super::{directives, prepare};
use crate::source::{Span, to_u32};

/// A body shorter than this is not worth leaving out.
const SHORTEST: u32 = 16;

/// Words that start items, which are listed in the facts wherever they stand.
const ITEMS: [&str; 13] = [
    "use",
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "mod",
    "type",
    "static",
    "const",
    "extern",
    "macro_rules",
];

/// What may stand before the word that says what an item is.
const MODIFIERS: [&str; 9] = ["pub", "crate", "in", "super", "self", "async", "unsafe", "default", "safe"];

/// Methods that nobody calls by name, so that no name leads to them.
const CALLED_UNNAMED: [&str; 14] = [
    "Deref",
    "DerefMut",
    "AsRef",
    "AsMut",
    "Borrow",
    "BorrowMut",
    "From",
    "TryFrom",
    "Into",
    "TryInto",
    "Future",
    "IntoFuture",
    "Iterator",
    "Drop",
];

/// What texts of statements start with.
const STATEMENTS: [&str; 24] = [
    "select", "insert", "update", "delete", "with", "merge", "set", "reset", "begin", "start", "commit", "rollback",
    "create", "alter", "drop", "truncate", "grant", "revoke", "copy", "call", "do", "lock", "explain", "values",
];

/// The hash of a word, by which outlines know it. Two words of one hash only cost time.
#[must_use]
pub fn word_hash(word: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(word.as_bytes());
    let hash = hasher.finish();
    to_u32(usize::try_from((hash >> 32) ^ (hash & 0xFFFF_FFFF)).unwrap_or(0))
}

/// The functions of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// By position.
    pub bodies: Vec<Body>,
    /// What is between the braces of modules that are compiled for tests only, in order; of nested ones the outer one.
    pub tests: Vec<Span>,
    /// Words of all functions and headers.
    words: Vec<u32>,
}

/// A function that has a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The hash of its name.
    pub name: u32,
    /// What is between its braces.
    pub inside: Span,
    /// Whether it can be left unread: no item is in it, no mistake shows, it is called by its name if at all,
    /// and it is long enough to be worth it.
    pub is_optional: bool,
    /// Whether a string in it starts like a statement.
    pub has_sql: bool,
    words: Range<u32>,
    /// Of the `impl` or `trait` around it, where the body says `self`.
    header: Range<u32>,
}

impl Outline {
    /// The words of a function, its signature and its owner's header included. Some come twice.
    pub fn words(&self, body: &Body) -> impl Iterator<Item = u32> + '_ {
        let slice = |range: &Range<u32>| self.words.get(range.start as usize..range.end as usize).unwrap_or_default();
        slice(&body.words).iter().chain(slice(&body.header)).copied()
    }
}

/// The outline of a text; nothing for a text that has to be read whole.
#[must_use]
pub fn outline(text: &str) -> Option<Outline> {
    let is_plain = matches!(prepare::prepared(text), std::borrow::Cow::Borrowed(_));
    let has_directives = memchr::memmem::find(text.as_bytes(), directives::MARKER.as_bytes()).is_some();
    if !is_plain || has_directives {
        return None;
    }
    let mut reader = Reader { text, ..Reader::default() };
    reader.levels.push(Level::items());
    for (kind, at) in lexed(text) {
        match kind {
            TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => {}
            _ => reader.take(kind, &at)?,
        }
    }
    (reader.levels.len() == 1).then_some(reader.outline)
}

/// What an item turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// Only attributes and modifiers so far.
    #[default]
    Start,
    Fn,
    /// Holds items.
    Module,
    Owner,
    /// Ends with `;` only: `const`, `static`, `use`, `type`, `let`.
    Value,
    Other,
}

/// What is between two braces, or the file.
#[derive(Debug, Default)]
struct Level {
    close: u8,
    /// Whether items stand here.
    has_items: bool,
    kind: Kind,
    /// The words of the item so far.
    words: u32,
    /// The name of a function.
    name: Option<u32>,
    is_test: bool,
    /// After the word `where` of a signature.
    in_where: bool,
    /// The words of the header around these items.
    header: Range<u32>,
    /// Where the level starts, behind its brace.
    start: u32,
    has_nested_items: bool,
    says_self: bool,
    has_sql: bool,
    is_odd: bool,
}

impl Level {
    fn items() -> Self {
        Self { has_items: true, ..Self::default() }
    }

    fn next_item(&mut self, words: u32) {
        (self.kind, self.words, self.is_test, self.in_where) = (Kind::Start, words, false, false);
        self.name = None;
    }
}

#[derive(Debug, Default)]
struct Reader<'t> {
    text: &'t str,
    outline: Outline,
    levels: Vec<Level>,
    /// The last token's last byte.
    last: u8,
    /// What the last token is to the next one.
    shape: Shape,
    /// Inside `#[..]` at this many levels, where its text starts.
    attribute: Option<(usize, usize)>,
}

impl Reader<'_> {
    fn take(&mut self, kind: TokenKind, at: &Range<usize>) -> Option<()> {
        let shape = odd::shape(kind, self.text.get(at.clone())?, self.shape);
        self.levels.last_mut()?.is_odd |= odd::is_odd(self.shape, shape);
        self.shape = shape;
        match kind {
            TokenKind::OpenParen => self.open(b')', at),
            TokenKind::OpenBracket => self.open(b']', at),
            TokenKind::OpenBrace => self.open_brace(at)?,
            TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseBrace => self.close(at)?,
            TokenKind::Ident => self.word(self.text.get(at.clone())?),
            TokenKind::RawIdent => self.word(self.text.get(at.start + 2..at.end)?),
            TokenKind::Semi => {
                let words = self.count();
                let level = self.levels.last_mut()?;
                if level.has_items {
                    level.next_item(words);
                }
            }
            TokenKind::Literal { kind, .. } if !is_whole(kind) => return None,
            TokenKind::Literal { kind: LiteralKind::Str { .. } | LiteralKind::RawStr { .. }, .. } => {
                let is_sql = starts_like_a_statement(self.text.get(at.clone())?);
                self.levels.last_mut()?.has_sql |= is_sql;
            }
            TokenKind::Unknown
            | TokenKind::InvalidIdent
            | TokenKind::UnknownPrefix
            | TokenKind::UnknownPrefixLifetime
            | TokenKind::GuardedStrPrefix
            | TokenKind::Frontmatter { .. } => return None,
            _ => {}
        }
        self.last = *self.text.as_bytes().get(at.end.checked_sub(1)?)?;
        Some(())
    }

    fn count(&self) -> u32 {
        to_u32(self.outline.words.len())
    }

    fn word(&mut self, word: &str) {
        let hash = word_hash(word);
        self.outline.words.push(hash);
        let Some(level) = self.levels.last_mut() else { return };
        if !level.has_items {
            level.has_nested_items |= ITEMS.contains(&word);
            level.says_self |= matches!(word, "self" | "Self");
            return;
        }
        if level.kind == Kind::Fn && level.name.is_none() {
            level.name = Some(hash);
        }
        level.in_where |= word == "where";
        if level.kind == Kind::Start && self.attribute.is_none() {
            level.kind = match word {
                "fn" => Kind::Fn,
                "mod" => Kind::Module,
                "impl" | "trait" => Kind::Owner,
                // `const fn` and `extern "C" fn` are looked at again at their `fn`.
                "const" | "static" | "use" | "type" => Kind::Value,
                _ if MODIFIERS.contains(&word) || word == "extern" => Kind::Start,
                _ => Kind::Other,
            };
        } else if level.kind == Kind::Value && self.last == b't' && matches!(word, "fn" | "unsafe" | "async" | "extern")
        {
            // Directly behind `const`: a name cannot be a keyword.
            level.kind = if word == "fn" { Kind::Fn } else { Kind::Start };
        }
    }

    fn open(&mut self, close: u8, at: &Range<usize>) {
        let is_attribute = close == b']' && matches!(self.last, b'#' | b'!') && self.attribute.is_none();
        if is_attribute && self.levels.last().is_some_and(|level| level.has_items) {
            self.attribute = Some((self.levels.len(), at.end));
        }
        self.levels.push(Level { close, start: to_u32(at.end), words: self.count(), ..Level::default() });
    }

    fn open_brace(&mut self, at: &Range<usize>) -> Option<()> {
        let (start, count, last) = (to_u32(at.end), self.count(), self.last);
        let level = self.levels.last()?;
        let holds_items = level.has_items && matches!(level.kind, Kind::Module | Kind::Owner);
        // `Foo<{ N }>` in a signature would be taken for a body.
        let is_constant = matches!(last, b'<' | b'=') || (last == b',' && !level.in_where);
        if level.has_items && matches!(level.kind, Kind::Fn | Kind::Owner) && is_constant {
            return None;
        }
        let header = if level.kind == Kind::Owner { level.words..count } else { level.header.clone() };
        let next = Level { close: b'}', start, words: count, has_items: holds_items, ..Level::default() };
        self.levels.push(if holds_items { Level { header, ..next } } else { next });
        Some(())
    }

    fn close(&mut self, at: &Range<usize>) -> Option<()> {
        let inner = self.levels.pop()?;
        if self.levels.is_empty() || inner.close != *self.text.as_bytes().get(at.start)? {
            return None;
        }
        if let Some((depth, start)) = self.attribute
            && depth == self.levels.len()
        {
            self.attribute = None;
            let is_test = is_cfg_test(self.text.get(start..at.start)?);
            self.levels.last_mut()?.is_test |= is_test;
            return Some(());
        }
        let inside = Span { start: inner.start, end: to_u32(at.start) };
        let count = self.count();
        let outer = self.levels.last_mut()?;
        if !outer.has_items {
            outer.has_nested_items |= inner.has_nested_items;
            outer.says_self |= inner.says_self;
            outer.has_sql |= inner.has_sql;
            outer.is_odd |= inner.is_odd;
        } else if inner.close == b'}' {
            if outer.kind == Kind::Module && outer.is_test {
                self.outline.tests.retain(|inner| !inside.contains(*inner));
                self.outline.tests.push(inside);
            }
            if outer.kind == Kind::Fn {
                let header = outer.header.clone();
                let words = outer.words..count;
                let name = outer.name?;
                self.body(name, inside, &inner, words, header);
            }
            let outer = self.levels.last_mut()?;
            if outer.kind != Kind::Value {
                outer.next_item(count);
            }
        }
        Some(())
    }

    fn body(&mut self, name: u32, inside: Span, inner: &Level, words: Range<u32>, header: Range<u32>) {
        let first = self.text.as_bytes().get(inside.start as usize);
        let is_spaced = first.is_some_and(u8::is_ascii_whitespace);
        let is_long = inside.end - inside.start >= SHORTEST;
        let called_unnamed = {
            let of_header = self.outline.words.get(header.start as usize..header.end as usize).unwrap_or_default();
            CALLED_UNNAMED.iter().any(|name| of_header.contains(&word_hash(name)))
        };
        self.outline.bodies.push(Body {
            name,
            inside,
            is_optional: is_spaced && is_long && !inner.has_nested_items && !inner.is_odd && !called_unnamed,
            has_sql: inner.has_sql,
            words,
            header: if inner.says_self { header } else { 0..0 },
        });
    }
}

/// Whether a literal's first word is one that statements start with.
fn starts_like_a_statement(literal: &str) -> bool {
    let text = literal.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic() || letter == 'r');
    let end = text.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    STATEMENTS.iter().any(|word| text[..end].eq_ignore_ascii_case(word))
}

/// Whether a literal ends where it should.
fn is_whole(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Int { empty_int, .. } => !empty_int,
        LiteralKind::Float { empty_exponent, .. } => !empty_exponent,
        other => is_terminated(other),
    }
}

/// `cfg(test)` and nothing else: whatever is more is left to the parser.
fn is_cfg_test(attribute: &str) -> bool {
    attribute.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq("cfg(test)".bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<(&str, bool)> {
        let outline = outline(text).expect("an outline");
        let shown = |body: &Body| (text[body.inside.start as usize..body.inside.end as usize].trim(), body.is_optional);
        outline.bodies.iter().map(shown).collect()
    }

    #[test]
    fn bodies_are_found() {
        let text = "use a::{b, c};\npub(crate) async fn one(x: [u8; 2]) -> X { one_one_one_one() }\n\
            mod m { #[x({})] pub const unsafe extern \"C\" fn two() { two_two_two_two() } }\n\
            impl<T> Foo<T> where T: X, { fn three(&self) { self.three_three() } const X: Y = Y { a: 1 }; }\n\
            const F: fn() = { not_a_body_of_ours }; static G: u8 = { 1 };\n\
            macro_rules! m { () => { fn no() { no_no_no_no_no_no() } } }\n\
            trait Tr { fn decl(); fn four() { four_four_four_four() } }\nstruct S { f: fn() }\nfn five() {five()}";
        assert_eq!(
            bodies(text),
            [
                ("one_one_one_one()", true),
                ("two_two_two_two()", true),
                ("self.three_three()", true),
                ("four_four_four_four()", true),
                ("five()", false),
            ]
        );
    }

    #[test]
    fn bodies_with_items_are_kept() {
        assert!(!bodies("fn f() { { use a::b; } b::c::d::e() }")[0].1);
        assert!(!bodies("impl Deref for X { fn deref(&self) -> &Y { &self.inner_inner } }")[0].1);
    }

    #[test]
    fn test_modules_are_found() {
        let text = "#[cfg(test)]\n#[allow(x)]\nmod tests { #[cfg(test)] mod b { } }\n#[cfg(any(test, x))] mod more { }\nmod plain { }";
        let outline = outline(text).unwrap();
        assert_eq!(outline.tests.len(), 1);
        assert_eq!(&text[outline.tests[0].start as usize..outline.tests[0].end as usize], " #[cfg(test)] mod b { } ");
    }

    #[test]
    fn words_are_those_of_the_function_and_of_its_owner() {
        let text =
            "impl Store for Pg { fn with(&self, id: Id) { self.go(id); } fn without(id: Id) { \"Sql\".go(id) } }";
        let outline = outline(text).unwrap();
        let has = |body: usize, word: &str| outline.words(&outline.bodies[body]).any(|hash| hash == word_hash(word));
        assert!(has(0, "Store") && has(0, "Pg") && has(0, "Id") && has(0, "go") && has(0, "with"));
        assert!(!has(1, "Store") && has(1, "Id") && !has(1, "Sql") && !has(0, "without"));
    }

    #[test]
    fn what_is_not_plain_has_no_outline() {
        for text in [
            "fn f() { ( }",
            "fn f() { }}",
            "fn f() -> X<{ N }> { }",
            "\u{feff}fn f() {}",
            "// rls-audit: allow(RLS001)\nfn f() {}",
            "fn f() { \"open }",
        ] {
            assert_eq!(outline(text), None, "{text}");
        }
    }
}
