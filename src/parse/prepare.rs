//! A file's text as the lexer of `proc_macro2` wants it, with every offset where it was.

use std::borrow::Cow;
use std::ops::Range;

use ra_ap_rustc_lexer::{FrontmatterAllowed, LiteralKind, TokenKind, strip_shebang, tokenize};

use super::lex::lexed;

/// A list of numbers longer than this is read as if it were empty.
const LONGEST_LIST: usize = 256 * 1024;

/// Overwrites what stands before the Rust of a file with spaces: byte-order mark, shebang, frontmatter.
pub(super) fn prepared(text: &str) -> Cow<'_, str> {
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let shebang = bom + strip_shebang(&text[bom..]).unwrap_or(0);
    let end = shebang + frontmatter(&text[shebang..]);
    blanked(text, std::iter::once(0..end).filter(|head| !head.is_empty()))
}

/// The text with spaces in place of these bytes, given in order. Line breaks stay.
pub(super) fn blanked(text: &str, parts: impl Iterator<Item = Range<usize>>) -> Cow<'_, str> {
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    for Range { start, end } in parts {
        result.push_str(&text[from..start]);
        result.extend(text[start..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        from = end;
    }
    result.push_str(&text[from..]);
    Cow::Owned(result)
}

/// Overwrites what is in long lists of numbers, which say nothing to anybody here, with spaces: as trees they take
/// a hundred times the memory of their text.
pub(super) fn without_numbers(text: &str) -> Cow<'_, str> {
    let lists = if text.len() > LONGEST_LIST { lists_of_numbers(text) } else { Vec::new() };
    blanked(text, lists.into_iter())
}

/// What is between the brackets of long lists of numbers.
fn lists_of_numbers(text: &str) -> Vec<Range<usize>> {
    let mut lists: Vec<Range<usize>> = Vec::new();
    // Of each open group: where it starts, and whether there are only numbers in it so far.
    let mut open: Vec<(usize, bool)> = Vec::new();
    for (kind, at) in lexed(text) {
        let is_number = match kind {
            TokenKind::OpenBracket | TokenKind::OpenParen => {
                open.push((at.end, true));
                continue;
            }
            TokenKind::CloseBracket | TokenKind::CloseParen => {
                let (start, has_only_numbers) = open.pop().unwrap_or_default();
                if has_only_numbers && kind == TokenKind::CloseBracket && at.start - start > LONGEST_LIST {
                    lists.retain(|inner| inner.start < start);
                    lists.push(start..at.start);
                }
                has_only_numbers
            }
            TokenKind::Literal { kind, .. } => matches!(
                kind,
                LiteralKind::Int { .. }
                    | LiteralKind::Float { .. }
                    | LiteralKind::Char { .. }
                    | LiteralKind::Byte { .. }
            ),
            TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => true,
            TokenKind::Comma | TokenKind::Minus | TokenKind::And => true,
            _ => false,
        };
        if let Some((_, has_only_numbers)) = open.last_mut() {
            *has_only_numbers &= is_number;
        }
    }
    lists
}

/// The length of a cargo script's frontmatter, with the white space before it.
fn frontmatter(text: &str) -> usize {
    if !text.trim_start().starts_with("---") {
        return 0;
    }
    let mut end = 0;
    for token in tokenize(text, FrontmatterAllowed::Yes).take(2) {
        end += token.len as usize;
        match token.kind {
            TokenKind::Whitespace => {}
            TokenKind::Frontmatter { .. } => return end,
            _ => return 0,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_code_becomes_spaces() {
        for head in
            ["\u{feff}", "#!/usr/bin/env cargo\n", "\u{feff}#!/x\n---\na = \"\u{e4}\"\n---\n", "---cargo\n[x]\n---\n"]
        {
            let text = format!("{head}fn f() {{}}");
            let prepared = prepared(&text);
            assert_eq!(prepared.len(), text.len(), "{head}");
            assert_eq!(prepared.trim(), "fn f() {}", "{head}");
            assert_eq!(prepared.matches('\n').count(), text.matches('\n').count(), "{head}");
        }
        let list = |count| "[[1, -2u8], [b'a', 0.5]],\n".repeat(count);
        let table = format!("static A: T = &[{}]; const B: T = [{}];", list(20_000), list(2));
        let text = format!("{table} static C: T = [{}f(), 1]; fn f() {{}}", list(20_000));
        let read = without_numbers(&text);
        assert_eq!((read.len(), read.matches('\n').count()), (text.len(), text.matches('\n').count()));
        let (empty, kept) = (read[..table.len()].trim_end(), &read[table.len()..]);
        assert_eq!(
            empty.split_whitespace().collect::<String>(),
            format!("staticA:T=&[];constB:T=[{}];", list(2).replace([' ', '\n'], ""))
        );
        assert_eq!(kept, &text[table.len()..], "a call is no number");
        for kept in ["#![allow(x)]\n", "// ---\n", ""] {
            assert!(matches!(prepared(kept), Cow::Borrowed(_)), "{kept}");
        }
    }
}
