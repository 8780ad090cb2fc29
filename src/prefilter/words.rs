//! A text in, its words out: everything that could be an identifier, in code, strings and comments alike.

/// A byte of a word. Every byte beyond ASCII is one, which takes some words for longer than they are, never for shorter.
pub fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80
}

/// A word with what stands around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// The word.
    pub text: &'t str,
    /// Where it starts.
    pub start: usize,
}

/// The words of a text, in order.
pub fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(is_word)?;
        let length = bytes[start..].iter().position(|byte| !is_word(byte)).unwrap_or(bytes.len() - start);
        at = start + length;
        Some(Word { text: &text[start..at], start })
    })
}

/// The names in a text that another file may define: what is called, what a path leads to, types and constants.
/// Methods that many types have are never looked up by their name alone.
pub fn used_names<'t>(text: &'t str, common: &'t [&str]) -> impl Iterator<Item = &'t str> {
    words(text).filter(|word| is_used(text, *word, common)).map(|word| word.text)
}

fn is_used(text: &str, word: Word<'_>, common: &[&str]) -> bool {
    let first = word.text.as_bytes()[0];
    if first.is_ascii_digit() {
        return false;
    }
    if first.is_ascii_uppercase() {
        return true;
    }
    let before = text[..word.start].trim_end();
    let after = text[word.start + word.text.len()..].trim_start();
    let is_path = before.ends_with("::");
    let is_called = after.starts_with(['(', '!']) || after.starts_with("::");
    let is_method = before.ends_with('.') || (is_path && owner_is_type(before));
    (is_path || is_called) && !(is_method && common.contains(&word.text))
}

/// Whether a path's last name so far is that of a type.
fn owner_is_type(before: &str) -> bool {
    let owner = before.trim_end_matches(':').trim_end();
    let start = owner.bytes().rposition(|byte| !is_word(&byte)).map_or(0, |at| at + 1);
    owner.ends_with('>') || owner[start..].starts_with(|letter: char| letter.is_uppercase())
}

/// Whether a text re-exports what it need not name: by a glob, under another name, or through a module.
/// Types that are re-exported by name are found by that name.
pub fn passes_names_on(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), b"pub").any(|at| {
        let item = text[at..].split(';').next().unwrap_or_default();
        let visibility = item["pub".len()..].trim_start();
        let rest = match visibility.strip_prefix('(') {
            Some(inside) => inside.split_once(')').map_or("", |(_, rest)| rest).trim_start(),
            None => visibility,
        };
        let Some(tree) = rest.strip_prefix("use").filter(|tree| tree.starts_with([' ', '\n', '\r', '\t', ':'])) else {
            return false;
        };
        let mut all = words(tree);
        tree.contains('*') || all.any(|word| word.text == "as" || is_last(tree, word) && !is_type(word.text))
    })
}

/// Whether a word ends its branch of a `use` tree.
fn is_last(tree: &str, word: Word<'_>) -> bool {
    !tree[word.start + word.text.len()..].trim_start().starts_with("::")
}

fn is_type(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let found: Vec<&str> = words("fn a_1(b: Ünique) { c.d() }").map(|word| word.text).collect();
        assert_eq!(found, ["fn", "a_1", "b", "Ünique", "c", "d"]);
    }

    #[test]
    fn re_exports_by_other_means_than_a_type_name_are_seen() {
        for text in ["pub use a::*;", "pub(crate) use a::B as C;", "pub use\n a::{B, c};", "pub(in crate::x) use a::b;"]
        {
            assert!(passes_names_on(text), "{text}");
        }
        for text in ["use a::*;", "pub use a::B;", "pub use a::{B, c::D};", "pub fn user() { a * b }"] {
            assert!(!passes_names_on(text), "{text}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_used() {
        let text = "let x = util::share (pool); x.timed(1); y.get(2); Wrap::new(LIMIT); run!(x); other::get(work)";
        let found: Vec<&str> = used_names(text, &["get", "new"]).collect();
        assert_eq!(found, ["util", "share", "timed", "Wrap", "LIMIT", "run", "other", "get"]);
    }
}
