//! The tokens of any text, with their places. Never fails.

use std::ops::Range;

use ra_ap_rustc_lexer::{FrontmatterAllowed, LiteralKind, TokenKind, tokenize};

/// The tokens of a text, white space and comments included, as `proc_macro2` would separate them.
///
/// The one difference between the two lexers that matters: `#"` opens a string of a future edition in one
/// and is `#` before a string in the other.
pub(super) fn lexed(text: &str) -> impl Iterator<Item = (TokenKind, Range<usize>)> {
    let mut offset = 0;
    let mut tokens = tokenize(text, FrontmatterAllowed::No);
    std::iter::from_fn(move || {
        let token = tokens.next()?;
        let start = offset;
        if token.kind == TokenKind::GuardedStrPrefix {
            offset += 1;
            tokens = tokenize(&text[offset..], FrontmatterAllowed::No);
            return Some((TokenKind::Pound, start..offset));
        }
        offset += token.len as usize;
        Some((token.kind, start..offset))
    })
}

/// Whether a literal has its end.
pub(super) fn is_terminated(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Char { terminated }
        | LiteralKind::Byte { terminated }
        | LiteralKind::Str { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::CStr { terminated } => terminated,
        LiteralKind::RawStr { n_hashes } | LiteralKind::RawByteStr { n_hashes } | LiteralKind::RawCStr { n_hashes } => {
            n_hashes.is_some()
        }
        LiteralKind::Int { .. } | LiteralKind::Float { .. } => true,
    }
}
