//! SQL text in, tokens with their bytes out. Linear, without recursion, and it cannot fail: hostile text gives odd tokens.

use crate::source::{Span, to_u32};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string: `'..'`, `E'..'`, `$tag$..$tag$`.
    Text,
    /// A number.
    Number,
    /// `$1`, `?`, `:name`.
    Placeholder,
    /// A name or word that holds `{}`: what is put in at run time.
    Hole,
    /// One character, or `::`, `:=` and `=>`.
    Symbol,
    /// A string, comment or quoted name that nothing ends; it reaches to the end of the text.
    Unterminated,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the text.
    pub span: Span,
}

/// The tokens of a text, comments and spaces left out.
#[must_use]
pub fn tokenize(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text: text.as_bytes(), at: 0 };
    let mut tokens = Vec::with_capacity(text.len() / 6);
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn next_token(&mut self) -> Option<Token> {
        if let Some(unended) = self.skip_blank() {
            return Some(unended);
        }
        let start = self.at;
        let first = *self.text.get(start)?;
        let kind = match first {
            b'\'' => self.string(false),
            b'"' => self.until_quote(b'"', Kind::Quoted),
            b'e' | b'E' if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                self.string(true)
            }
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                self.string(false)
            }
            b'u' | b'U' if self.peek(1) == Some(b'&') && matches!(self.peek(2), Some(b'\'' | b'"')) => {
                self.at += 2;
                if self.text[self.at] == b'"' { self.until_quote(b'"', Kind::Quoted) } else { self.string(false) }
            }
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'{' if self.hole_len(start).is_some() => self.word(),
            _ if is_word_start(first) => self.word(),
            b':' => self.colon(),
            b'?' => self.take(1, Kind::Placeholder),
            b'=' if self.peek(1) == Some(b'>') => self.take(2, Kind::Symbol),
            _ => self.take(1, Kind::Symbol),
        };
        Some(Token { kind, span: Span { start: to_u32(start), end: to_u32(self.at) } })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn take(&mut self, len: usize, kind: Kind) -> Kind {
        self.at += len;
        kind
    }

    /// Skips spaces and comments; a comment that nothing ends is a token, so that the reader of the tokens knows.
    fn skip_blank(&mut self) -> Option<Token> {
        loop {
            match (self.peek(0)?, self.peek(1)) {
                (b' ' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C, _) => self.at += 1,
                (b'-', Some(b'-')) => {
                    let rest = &self.text[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                (b'/', Some(b'*')) => {
                    let start = self.at;
                    if !self.skip_block_comment() {
                        let span = Span { start: to_u32(start), end: to_u32(self.at) };
                        return Some(Token { kind: Kind::Unterminated, span });
                    }
                }
                // A byte-order mark.
                (0xEF, Some(0xBB)) if self.peek(2) == Some(0xBF) => self.at += 3,
                _ => return None,
            }
        }
    }

    fn skip_block_comment(&mut self) -> bool {
        let mut depth = 0_u32;
        while let (Some(byte), next) = (self.peek(0), self.peek(1)) {
            match (byte, next) {
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return true;
                    }
                }
                _ => self.at += 1,
            }
        }
        false
    }

    fn string(&mut self, backslash_escapes: bool) -> Kind {
        if !backslash_escapes {
            return self.until_quote(b'\'', Kind::Text);
        }
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                b'\'' if self.peek(1) == Some(b'\'') => self.at += 2,
                b'\'' => return self.take(1, Kind::Text),
                _ => self.at += 1,
            }
        }
        Kind::Unterminated
    }

    /// A doubled quote is part of the token.
    fn until_quote(&mut self, quote: u8, kind: Kind) -> Kind {
        self.at += 1;
        while let Some(found) = memchr::memchr(quote, &self.text[self.at..]) {
            self.at += found + 1;
            if self.peek(0) != Some(quote) {
                return kind;
            }
            self.at += 1;
        }
        self.at = self.text.len();
        Kind::Unterminated
    }

    fn dollar(&mut self) -> Kind {
        let rest = &self.text[self.at..];
        let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            return self.take(1 + digits, Kind::Placeholder);
        }
        let tag_len = rest[1..].iter().take_while(|byte| **byte != b'$' && is_word_part(**byte)).count();
        if rest.get(1 + tag_len) != Some(&b'$') {
            return self.take(1, Kind::Symbol);
        }
        let tag = &rest[..tag_len + 2];
        match memchr::memmem::find(&rest[tag.len()..], tag) {
            Some(found) => self.take(found + 2 * tag.len(), Kind::Text),
            None => self.take(rest.len(), Kind::Unterminated),
        }
    }

    fn number(&mut self) -> Kind {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_') {
            self.at += 1;
        }
        Kind::Number
    }

    /// A word may be glued to holes: `{}_events`, `log_{}`.
    fn word(&mut self) -> Kind {
        let mut kind = Kind::Word;
        while let Some(byte) = self.peek(0) {
            if is_word_part(byte) {
                self.at += 1;
            } else if let Some(len) = self.hole_len(self.at) {
                self.at += len;
                kind = Kind::Hole;
            } else {
                break;
            }
        }
        kind
    }

    /// `{}`, `{name}`, `{0}`, `{name:?}`.
    fn hole_len(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        if rest.first() != Some(&b'{') {
            return None;
        }
        let inner = rest[1..].iter().take_while(|byte| is_word_part(**byte) || b":?#.<>*".contains(byte)).count();
        (rest.get(1 + inner) == Some(&b'}')).then_some(inner + 2)
    }

    fn colon(&mut self) -> Kind {
        match self.peek(1) {
            Some(b':' | b'=') => self.take(2, Kind::Symbol),
            Some(next) if is_word_start(next) => {
                self.at += 1;
                self.word();
                Kind::Placeholder
            }
            _ => self.take(1, Kind::Symbol),
        }
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::{Kind, tokenize};

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        tokenize(text).into_iter().map(|t| (t.kind, &text[t.span.start as usize..t.span.end as usize])).collect()
    }

    #[test]
    fn strings_of_every_kind_are_one_token() {
        for text in ["'a''b'", r"E'a\'b'", "$$ it's $$", "$q$ $$ $q$", "U&'x'", "B'01'"] {
            assert_eq!(kinds(text), [(Kind::Text, text)], "{text}");
        }
        assert_eq!(kinds("'open"), [(Kind::Unterminated, "'open")]);
        assert_eq!(kinds("$x$ open $$"), [(Kind::Unterminated, "$x$ open $$")]);
    }

    #[test]
    fn comments_nest_and_are_left_out() {
        assert_eq!(kinds("a /* b /* c */ d */ -- e\n f"), [(Kind::Word, "a"), (Kind::Word, "f")]);
        assert_eq!(kinds("a /* b"), [(Kind::Word, "a"), (Kind::Unterminated, "/* b")]);
    }

    #[test]
    fn placeholders_and_casts_are_told_apart() {
        assert_eq!(
            kinds("$1::int :id ?"),
            [
                (Kind::Placeholder, "$1"),
                (Kind::Symbol, "::"),
                (Kind::Word, "int"),
                (Kind::Placeholder, ":id"),
                (Kind::Placeholder, "?"),
            ]
        );
    }

    #[test]
    fn holes_are_glued_to_their_word() {
        assert_eq!(kinds("{} log_{}_x {name:?}").iter().map(|k| k.0).collect::<Vec<_>>(), [Kind::Hole; 3]);
        assert_eq!(kinds("{ }")[0].0, Kind::Symbol);
    }
}
