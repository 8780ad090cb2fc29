//! What identifies a finding when lines move and the code is reformatted: the lint, the file, the function and the tokens
//! of the statement, and where several are alike, which of them it is.

use std::collections::BTreeMap;

use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, tokenize};

use super::whole;
use crate::finding::Finding;
use crate::program::Statement;
use crate::source::SourceFile;

/// Sets the fingerprints of findings that are sorted by file and position.
pub fn set_fingerprints(findings: &mut [Finding], files: &[SourceFile], statements: &[Statement]) {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    for finding in findings {
        let file = &files[finding.place.file as usize];
        let tokens = normalised(file.slice(whole(finding.place, statements).span));
        let parts = [finding.code, &file.path, &finding.function, &tokens];
        let hash = parts.iter().fold(OFFSET, |hash, part| fnv(fnv(hash, part.as_bytes()), b"\0"));
        let occurrence = seen.entry(hash).or_default();
        *occurrence += 1;
        finding.fingerprint = format!("{hash:016x}:{occurrence}");
    }
}

/// The tokens, without what a formatter may change: blanks, comments, and a comma before a closing bracket.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut tokens: Vec<&str> = Vec::new();
    let mut offset = 0;
    for token in tokenize(text, FrontmatterAllowed::No) {
        let end = offset + token.len as usize;
        let is_blank = matches!(
            token.kind,
            TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. }
        );
        let closes = matches!(token.kind, TokenKind::CloseParen | TokenKind::CloseBrace | TokenKind::CloseBracket);
        if closes && tokens.last() == Some(&",") {
            tokens.pop();
        }
        if !is_blank {
            tokens.push(&text[offset..end]);
        }
        offset = end;
    }
    tokens.join(" ")
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: the same on every machine and in every version, unlike the hashers of the standard library.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn formatting_changes_nothing() {
        let one = "sqlx::query(\"select 1\").bind(a, b).execute(&pool).await";
        let many = "sqlx::query(\"select 1\")\n    // why\n    .bind(\n        a,\n        b,\n    )\n    .execute(&pool)\n    .await";
        assert_eq!(normalised(one), normalised(many));
    }

    #[test]
    fn another_text_is_another_statement() {
        assert_ne!(normalised("query(\"a  b\")"), normalised("query(\"a b\")"));
    }
}
