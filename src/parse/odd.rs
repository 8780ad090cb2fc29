//! Two tokens in, whether no Rust has them side by side out: mistakes that need no parser to be seen.
//!
//! A body that looks odd is read even where nobody needs it, so that its mistakes are reported.
//! What looks odd and is right, in a macro's own language for one, only costs time.

use ra_ap_rustc_lexer::TokenKind;

/// What a token is to its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing odd to tell.
    #[default]
    Other,
    Name,
    Literal,
    /// `=`, `+` and such: something follows.
    Operator,
    Dot,
    Comma,
    Semi,
    Open,
    OpenBrace,
    Close,
    CloseParen,
    Let,
    Else,
    /// `if`, `match`, `while`: a value follows.
    Condition,
    Keyword,
}

const KEYWORDS: [&str; 42] = [
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "enum",
    "extern",
    "fn",
    "for",
    "gen",
    "impl",
    "in",
    "loop",
    "macro_rules",
    "mod",
    "move",
    "mut",
    "pub",
    "raw",
    "ref",
    "return",
    "safe",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "try",
    "type",
    "union",
    "unsafe",
    "use",
    "where",
    "yeet",
    "yield",
    "default",
];

/// What a token is, behind this one.
pub(super) fn shape(kind: TokenKind, text: &str, before: Shape) -> Shape {
    match kind {
        TokenKind::Ident => match text {
            "let" => Shape::Let,
            "else" => Shape::Else,
            "if" | "match" | "while" => Shape::Condition,
            _ if KEYWORDS.contains(&text) => Shape::Keyword,
            _ => Shape::Name,
        },
        TokenKind::RawIdent => Shape::Name,
        TokenKind::Literal { .. } => Shape::Literal,
        TokenKind::Eq
        | TokenKind::Plus
        | TokenKind::Minus
        | TokenKind::Slash
        | TokenKind::Percent
        | TokenKind::Caret => Shape::Operator,
        // `..` may end what it stands in.
        TokenKind::Dot if before != Shape::Dot => Shape::Dot,
        TokenKind::Comma => Shape::Comma,
        TokenKind::Semi => Shape::Semi,
        TokenKind::OpenBrace => Shape::OpenBrace,
        TokenKind::OpenParen | TokenKind::OpenBracket => Shape::Open,
        TokenKind::CloseParen => Shape::CloseParen,
        TokenKind::CloseBrace | TokenKind::CloseBracket => Shape::Close,
        _ => Shape::Other,
    }
}

/// Whether a mistake shows between two tokens.
pub(super) fn is_odd(before: Shape, after: Shape) -> bool {
    use Shape::{Close, CloseParen, Comma, Condition, Dot, Else, Let, Literal, Name, Open, OpenBrace, Operator, Semi};
    match before {
        Name | Literal | CloseParen => matches!(after, Name | Literal),
        Operator | Dot => matches!(after, Semi | Comma | Close | CloseParen),
        Let => matches!(after, Semi | Comma | Close | CloseParen | Operator),
        Condition => matches!(after, Semi | Comma | Close | CloseParen | Operator | OpenBrace),
        Else => !matches!(after, OpenBrace | Condition),
        Comma => matches!(after, Comma | Semi),
        Open | OpenBrace => matches!(after, Comma | Semi),
        Semi => matches!(after, Comma | CloseParen),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lex::lexed;
    use super::*;

    fn looks_odd(text: &str) -> bool {
        let mut before = Shape::Other;
        lexed(text).filter(|(kind, _)| *kind != TokenKind::Whitespace).any(|(kind, at)| {
            let after = shape(kind, &text[at], before);
            is_odd(std::mem::replace(&mut before, after), after)
        })
    }

    #[test]
    fn mistakes_are_seen() {
        for text in
            ["let x = ;", "a b", "f(, a)", "x.;", "let = 1", "match { a => b }", "if x {} else else {}", "f() g()"]
        {
            assert!(looks_odd(text), "{text}");
        }
    }

    #[test]
    fn plain_code_is_not_odd() {
        for text in [
            "let Some(x) = y.z()? else { return Err(e) };",
            "for i in 0..=n { if a && b[1..] { break 'x 1; } else if let A { b, .. } = c { } else { } }",
            "match x { Foo { .. } | Bar(..) => |a| -> u8 { a as u8 }, _ => async move { } }",
            "let x: &'static dyn Fn(u8) -> ! = &raw const y; #[cfg(x)] f::<u8, _>(-1, &mut *z, !w);",
        ] {
            assert!(!looks_odd(text), "{text}");
        }
    }
}
