//! Texts in, what they define by name out. Found by the words before the names, so a few more than there are.

use std::hash::{Hash, Hasher};

use aho_corasick::{AhoCorasick, MatchKind};
use rayon::prelude::*;
use rustc_hash::FxHasher;

use super::words::{is_word, words};
use crate::source::SourceFile;

/// What stands before the name of a definition.
const KEYWORDS: [&str; 10] =
    ["fn", "const", "static", "ref", "struct", "enum", "union", "trait", "type", "macro_rules"];

/// Which files define a name.
pub struct Definitions {
    /// Hashes of names with the files, sorted. Two names of one hash only cost time.
    rows: Vec<(u64, u32)>,
}

impl Definitions {
    /// Looks through the files for which `wanted` says so.
    pub fn new(files: &[SourceFile], wanted: impl Fn(usize) -> bool + Sync) -> Self {
        let Ok(keywords) = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(KEYWORDS) else {
            return Self { rows: Vec::new() };
        };
        let rows = |at: usize| {
            let file = crate::source::to_u32(at);
            defined(&files[at].text, &keywords).map(move |name| (hash(name), file)).collect::<Vec<_>>()
        };
        let mut rows: Vec<(u64, u32)> =
            (0..files.len()).into_par_iter().filter(|at| wanted(*at)).flat_map_iter(rows).collect();
        rows.par_sort_unstable();
        rows.dedup();
        Self { rows }
    }

    /// The files that define a name.
    pub fn of(&self, name: &str) -> impl Iterator<Item = usize> + '_ {
        let wanted = hash(name);
        let first = self.rows.partition_point(|(hash, _)| *hash < wanted);
        self.rows[first..].iter().take_while(move |(hash, _)| *hash == wanted).map(|(_, file)| *file as usize)
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    hasher.finish()
}

fn defined<'t>(text: &'t str, keywords: &'t AhoCorasick) -> impl Iterator<Item = &'t str> {
    let bytes = text.as_bytes();
    keywords.find_iter(text).filter_map(move |found| {
        let starts = found.start() == 0 || !is_word(&bytes[found.start() - 1]);
        let ends = bytes.get(found.end()).is_some_and(|byte| !is_word(byte));
        if !(starts && ends) {
            return None;
        }
        // `static mut X`, `const fn f` (found by its `fn`), `fn r#type`.
        let names = words(&text[found.end()..]).map(|word| word.text);
        names.into_iter().find(|name| !matches!(*name, "mut" | "r"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Target;

    #[test]
    fn definitions_are_found() {
        let text = "pub const fn one() {}\nstatic mut TWO: u8 = 0;\nmacro_rules! three { () => {} }\n\
                    pub(crate) struct\n    Four;\nlet reference = confn five;";
        let files = [SourceFile::new("a.rs".to_owned(), text.to_owned(), Target::default())];
        let definitions = Definitions::new(&files, |_| true);
        let is_defined = |name: &str| definitions.of(name).next() == Some(0);
        assert!(["one", "TWO", "three", "Four"].into_iter().all(is_defined));
        assert!(!is_defined("five"));
    }
}
