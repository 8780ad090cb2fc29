//! A file's text as the lexer of `proc_macro2` wants it, with every offset where it was.

use std::borrow::Cow;

use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, strip_shebang, tokenize};

/// Overwrites what stands before the Rust of a file with spaces: byte-order mark, shebang, frontmatter.
pub(super) fn prepared(text: &str) -> Cow<'_, str> {
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let shebang = bom + strip_shebang(&text[bom..]).unwrap_or(0);
    let end = shebang + frontmatter(&text[shebang..]);
    if end == 0 { Cow::Borrowed(text) } else { Cow::Owned(blanked(text, 0, end)) }
}

/// The text with spaces in place of these bytes. Line breaks stay.
pub(super) fn blanked(text: &str, start: usize, end: usize) -> String {
    let mut result = String::with_capacity(text.len());
    result.push_str(&text[..start]);
    result.extend(text[start..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    result.push_str(&text[end..]);
    result
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
        for kept in ["#![allow(x)]\n", "// ---\n", ""] {
            assert!(matches!(prepared(kept), Cow::Borrowed(_)), "{kept}");
        }
    }
}
