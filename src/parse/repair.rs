//! A text that does not lex or balance in, one of the same length that does out.
//!
//! `proc_macro2` refuses a file for one wrong quote or bracket. Here the wrong bytes become spaces, or the bracket
//! that was forgotten, so that the rest is read as if nothing had happened, and every offset stays where it was.

use std::ops::Range;

use proc_macro2::{Literal, TokenStream};
use ra_ap_rustc_lexer::{LiteralKind, TokenKind};

use super::lex::{self, lexed};
use crate::facts::Blind;
use crate::source::{Span, to_u32};

/// How often the rest of a region is lexed again after a literal without an end, before it is read line by line.
const RETRIES: usize = 16;

/// How many open brackets a closing one may leave behind.
const FARTHEST: usize = 64;

/// How long the line may be that opens a module or an impl.
const LONGEST_HEAD: usize = 400;

/// A repaired text and what was wrong with it. The text may be longer: closing brackets follow at its end.
pub(super) struct Repaired {
    pub(super) text: String,
    pub(super) blind_spots: Vec<Blind>,
}

/// Repairs a text.
pub(super) fn repaired(text: &str) -> Repaired {
    let mut repair =
        Repair { text: text.as_bytes().to_vec(), source: text, blind_spots: Vec::new(), tokens: Vec::new() };
    repair.lex();
    repair.validate();
    let closers = repair.balance();
    let mut bytes = repair.text;
    bytes.extend(closers);
    let text = String::from_utf8(bytes).unwrap_or_default();
    Repaired { text, blind_spots: repair.blind_spots }
}

/// What is left of a text when nothing else helped: the regions between items at the first column that lex alone.
pub(super) fn salvaged(text: &str) -> Repaired {
    let mut repair =
        Repair { text: text.as_bytes().to_vec(), source: text, blind_spots: Vec::new(), tokens: Vec::new() };
    let mut starts = item_lines(text);
    starts.push(text.len());
    let mut start = 0;
    for end in starts {
        if text[start..end].parse::<TokenStream>().is_err() {
            repair.blind(start..end, "not understood as Rust");
            repair.blank(start..end);
        }
        start = end;
    }
    Repaired { text: String::from_utf8(repair.text).unwrap_or_default(), blind_spots: repair.blind_spots }
}

struct Token {
    kind: TokenKind,
    at: Range<usize>,
}

struct Repair<'t> {
    source: &'t str,
    text: Vec<u8>,
    blind_spots: Vec<Blind>,
    tokens: Vec<Token>,
}

impl Repair<'_> {
    /// Lexes the whole; if a literal or comment has no end, each region between items at the first column alone.
    fn lex(&mut self) {
        let tokens: Vec<Token> = tokens(self.source, 0).collect();
        if tokens.iter().all(|token| is_terminated(token.kind)) {
            self.tokens = tokens;
            return;
        }
        let mut starts = item_lines(self.source);
        starts.push(self.source.len());
        let mut start = 0;
        for end in starts {
            self.lex_region(start..end);
            start = end;
        }
    }

    fn lex_region(&mut self, region: Range<usize>) {
        let mut start = region.start;
        for attempt in 0.. {
            let end = if attempt < RETRIES { region.end } else { line_end(self.source, start).min(region.end) };
            let known = self.tokens.len();
            self.tokens.extend(tokens(&self.source[start..end], start));
            let Some(open) = self.tokens[known..].iter().position(|token| !is_terminated(token.kind)) else {
                start = end;
                if start >= region.end {
                    return;
                }
                continue;
            };
            let token = &self.tokens[known + open];
            let is_comment = matches!(token.kind, TokenKind::BlockComment { .. });
            let from = token.at.start;
            let to = if is_comment { end } else { line_end(self.source, from).min(end) };
            let what = if is_comment { "comment without an end" } else { "literal without an end" };
            self.tokens.truncate(known + open);
            self.blank(from..to);
            self.blind(from..to, what);
            start = to;
            if start >= region.end {
                return;
            }
        }
    }

    /// Blanks every token that the stricter lexer would refuse.
    fn validate(&mut self) {
        for index in 0..self.tokens.len() {
            let Token { kind, at } = &self.tokens[index];
            let (kind, at) = (*kind, at.clone());
            let written = &self.source[at.clone()];
            let is_fine = match kind {
                TokenKind::Literal { .. } | TokenKind::RawIdent | TokenKind::Lifetime { .. } => {
                    written.parse::<TokenStream>().is_ok()
                }
                TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => !has_bare_return(written),
                TokenKind::UnknownPrefix
                | TokenKind::UnknownPrefixLifetime
                | TokenKind::RawLifetime
                | TokenKind::InvalidIdent
                | TokenKind::ForcedKeywordIdent
                | TokenKind::GuardedStrPrefix
                | TokenKind::Unknown
                | TokenKind::Frontmatter { .. } => false,
                TokenKind::Ident => written.is_ascii() || written.parse::<TokenStream>().is_ok(),
                _ => true,
            };
            if !is_fine {
                self.replace(kind, at);
            }
        }
    }

    fn replace(&mut self, kind: TokenKind, at: Range<usize>) {
        let is_text = matches!(
            kind,
            TokenKind::Literal {
                kind: LiteralKind::Str { .. } | LiteralKind::ByteStr { .. } | LiteralKind::CStr { .. },
                ..
            }
        );
        let is_number =
            matches!(kind, TokenKind::Literal { kind: LiteralKind::Int { .. } | LiteralKind::Float { .. }, .. });
        let is_comment = matches!(kind, TokenKind::LineComment { .. } | TokenKind::BlockComment { .. });
        if !is_comment {
            self.blind(at.clone(), "not a token of Rust");
        }
        let plain = without_escapes(&self.source[at.clone()]);
        if is_text && plain.parse::<Literal>().is_ok() {
            self.text[at].copy_from_slice(plain.as_bytes());
        } else if is_text && at.len() >= 2 {
            self.blank(at.clone());
            self.text[at.start] = b'"';
            self.text[at.end - 1] = b'"';
        } else if is_number {
            self.text[at].fill(b'0');
        } else {
            self.blank(at);
        }
    }

    /// Pairs the brackets. Returns what has to follow at the end of the text.
    fn balance(&mut self) -> Vec<u8> {
        let mut open: Vec<Open> = Vec::new();
        for index in 0..self.tokens.len() {
            let Token { kind, at } = &self.tokens[index];
            let (kind, at) = (*kind, at.clone());
            match kind {
                TokenKind::OpenBrace | TokenKind::OpenBracket | TokenKind::OpenParen => {
                    let holds_items = kind == TokenKind::OpenBrace && self.holds_items(at.start);
                    open.push(Open { closer: closer_of(kind), at: at.start, semicolon: None, holds_items });
                }
                TokenKind::CloseBrace | TokenKind::CloseBracket | TokenKind::CloseParen => {
                    self.close(&mut open, self.source.as_bytes()[at.start], at);
                }
                TokenKind::Semi => {
                    if let Some(last) = open.last_mut().filter(|last| last.closer == b')') {
                        last.semicolon = last.semicolon.or(Some(at.start));
                    }
                }
                TokenKind::Ident | TokenKind::Pound if !open.is_empty() && is_item_line(self.source, at.start) => {
                    self.close_before_item(&mut open, index);
                }
                _ => {}
            }
        }
        let mut closers = Vec::new();
        while let Some(last) = open.pop() {
            if last.closer == b'}' {
                self.blind(last.at..last.at + 1, "bracket without its pair");
                closers.push(last.closer);
            } else {
                self.give_up(&last);
            }
        }
        closers
    }

    fn close(&mut self, open: &mut Vec<Open>, closer: u8, at: Range<usize>) {
        // A parenthesis or bracket closes nothing beyond the block that it stands in.
        let far = open.len().saturating_sub(FARTHEST);
        let block = open[far..].iter().rposition(|open| open.closer == b'}');
        let reach = block.filter(|_| closer != b'}').map_or(far, |block| far + block + 1);
        match open[reach..].iter().rposition(|open| open.closer == closer) {
            Some(pair) => {
                for unclosed in open.drain(reach + pair + 1..).collect::<Vec<_>>() {
                    self.give_up(&unclosed);
                }
                open.pop();
            }
            None => {
                self.blind(at.clone(), "bracket without its pair");
                self.blank(at);
            }
        }
    }

    /// An item at the first column is not inside a function: whatever is open there has lost its end.
    fn close_before_item(&mut self, open: &mut Vec<Open>, index: usize) {
        let keep = open.iter().rposition(|open| open.holds_items).map_or(0, |at| at + 1);
        let mut unclosed = open.split_off(keep);
        // The white space before the item has room for the brackets.
        let before = index.checked_sub(1).map(|before| &self.tokens[before]);
        let mut room = match before {
            Some(Token { kind: TokenKind::Whitespace, at }) => self.room_in(at.clone(), index - 1),
            _ => 0..0,
        };
        while let Some(last) = unclosed.pop() {
            match (last.semicolon, room.next()) {
                (None, Some(place)) if self.text[place].is_ascii_whitespace() => {
                    self.blind(last.at..last.at + 1, "bracket without its pair");
                    self.text[place] = last.closer;
                }
                _ => self.give_up(&last),
            }
        }
    }

    /// White space that may be overwritten: not the line break that ends a comment.
    fn room_in(&self, space: Range<usize>, index: usize) -> Range<usize> {
        let before = index.checked_sub(1).map(|before| self.tokens[before].kind);
        let is_after_comment = matches!(before, Some(TokenKind::LineComment { .. }));
        let start = if is_after_comment { line_end(self.source, space.start).min(space.end) } else { space.start };
        start..space.end
    }

    /// Closes a parenthesis at the end of its statement, or blanks the bracket.
    fn give_up(&mut self, open: &Open) {
        self.blind(open.at..open.at + 1, "bracket without its pair");
        match open.semicolon {
            Some(semicolon) => self.text[semicolon] = open.closer,
            None => self.blank(open.at..open.at + 1),
        }
    }

    /// Whether a brace opens a module, an impl, a trait or a macro at the first column.
    fn holds_items(&self, brace: usize) -> bool {
        let far = brace.saturating_sub(LONGEST_HEAD);
        let line_break = memchr::memrchr(b'\n', &self.source.as_bytes()[far..brace]);
        let start = match line_break {
            Some(at) => far + at + 1,
            None if far == 0 => 0,
            None => return false,
        };
        let line = &self.source[start..brace];
        let is_indented = line.starts_with([' ', '\t']);
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        !is_indented && (line.contains('!') || words.any(|word| matches!(word, "mod" | "impl" | "trait" | "extern")))
    }

    fn blank(&mut self, at: Range<usize>) {
        for byte in &mut self.text[at] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }

    fn blind(&mut self, at: Range<usize>, what: &str) {
        let span = Span { start: to_u32(at.start), end: to_u32(at.end) };
        self.blind_spots.push(Blind { span, reason: what.to_owned() });
    }
}

/// A bracket that waits for its pair.
struct Open {
    closer: u8,
    at: usize,
    /// The first `;` inside a parenthesis, where it should have ended.
    semicolon: Option<usize>,
    holds_items: bool,
}

fn closer_of(kind: TokenKind) -> u8 {
    match kind {
        TokenKind::OpenBrace => b'}',
        TokenKind::OpenBracket => b']',
        _ => b')',
    }
}

fn tokens(text: &str, offset: usize) -> impl Iterator<Item = Token> {
    lexed(text).map(move |(kind, at)| Token { kind, at: at.start + offset..at.end + offset })
}

fn is_terminated(kind: TokenKind) -> bool {
    match kind {
        TokenKind::BlockComment { terminated, .. } => terminated,
        TokenKind::Literal { kind, .. } => lex::is_terminated(kind),
        _ => true,
    }
}

/// Where lines start that look like an item at the first column.
fn item_lines(text: &str) -> Vec<usize> {
    let line_starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
    line_starts.filter(|start| is_item_line(text, *start)).collect()
}

/// Whether an item starts here, at the first column.
fn is_item_line(text: &str, start: usize) -> bool {
    let is_first_column = start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n');
    let Some(rest) = text.get(start..) else { return false };
    let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    let is_keyword = matches!(
        word,
        "fn" | "pub"
            | "impl"
            | "mod"
            | "struct"
            | "enum"
            | "trait"
            | "use"
            | "const"
            | "static"
            | "async"
            | "unsafe"
            | "type"
            | "extern"
            | "macro_rules"
            | "union"
    );
    is_first_column && (is_keyword || rest.starts_with("#["))
}

fn line_end(text: &str, from: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[from..]).map_or(text.len(), |at| from + at + 1)
}

/// A string literal with spaces for its escapes, right or wrong, of the same length.
fn without_escapes(literal: &str) -> String {
    let mut plain = String::with_capacity(literal.len());
    let mut is_escaped = false;
    for character in literal.chars() {
        let is_backslash = character == '\\' && !is_escaped;
        if is_backslash || is_escaped || matches!(character, '\r' | '\0') {
            plain.extend(std::iter::repeat_n(' ', character.len_utf8()));
        } else {
            plain.push(character);
        }
        is_escaped = is_backslash;
    }
    plain
}

fn has_bare_return(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}
