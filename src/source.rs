//! The text of one file and the positions in it. Every span of the program is bytes into such a text.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A half-open range of bytes in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether `other` lies inside this span.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// A position as people count: line and column from 1, columns in Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One file that was read: its path as reports print it, and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Relative to the audited root, with `/`.
    pub path: String,
    /// The text, as read; a byte-order mark is kept, so that offsets are those of the file.
    pub text: String,
    /// Where the file belongs.
    pub target: Target,
    /// Worked out on first use: most files are never reported on.
    line_starts: OnceLock<Vec<u32>>,
}

/// What cargo would build from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The package's name; empty where there is no manifest.
    pub package: String,
    /// Cargo's package id; empty where there is no manifest.
    pub package_id: String,
    /// Absolute path of the package's manifest; empty where there is none.
    pub manifest_path: String,
    /// The target's name as cargo spells it.
    pub name: String,
    /// Cargo's kinds: `lib`, `bin`, `test`, `example`, `bench`, `custom-build`.
    pub kind: Vec<String>,
    /// The target's root file, absolute.
    pub src_path: String,
    /// The crate's name in paths: `-` as `_`. Empty where there is no manifest.
    pub crate_name: String,
    /// The module path of this file inside its crate, where the `mod` tree reached it.
    pub module: Vec<String>,
    /// Tests, examples and benches, or a module reached only under `#[cfg(test)]`.
    pub is_test: bool,
}

impl SourceFile {
    /// A file from its path and text.
    #[must_use]
    pub fn new(path: String, text: String, target: Target) -> Self {
        Self { path, text, target, line_starts: OnceLock::new() }
    }

    fn line_starts(&self) -> &[u32] {
        let breaks = || memchr::memchr_iter(b'\n', self.text.as_bytes());
        self.line_starts.get_or_init(|| std::iter::once(0).chain(breaks().map(|at| to_u32(at + 1))).collect())
    }

    /// The position of a byte offset. Offsets past the end mean the end.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line_starts().partition_point(|start| *start <= offset).max(1) - 1;
        let start = self.line_starts()[line] as usize;
        let before = self.text.as_bytes().get(start..(offset as usize).min(self.text.len())).unwrap_or_default();
        // Counting the bytes that are not continuation bytes counts the characters, also when the cut is in one.
        let column = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        Position { line: to_u32(line + 1), column: to_u32(column + 1) }
    }

    /// The line of a byte offset, from 1.
    #[must_use]
    pub fn line(&self, offset: u32) -> u32 {
        to_u32(self.line_starts().partition_point(|start| *start <= offset).max(1))
    }

    /// The text of a line without its line break. `line` counts from 1; unknown lines are empty.
    #[must_use]
    pub fn line_text(&self, line: u32) -> &str {
        let span = self.line_span(line);
        self.text.get(span.start as usize..span.end as usize).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// The bytes of a line with its line break. `line` counts from 1.
    #[must_use]
    pub fn line_span(&self, line: u32) -> Span {
        let index = (line as usize).saturating_sub(1);
        let end = to_u32(self.text.len());
        let start = self.line_starts().get(index).copied().unwrap_or(end);
        Span { start, end: self.line_starts().get(index + 1).copied().unwrap_or(end) }
    }

    /// How many lines the file has.
    #[must_use]
    pub fn line_count(&self) -> u32 {
        let last_is_open = self.text.as_bytes().last().is_some_and(|byte| *byte != b'\n');
        to_u32(memchr::memchr_iter(b'\n', self.text.as_bytes()).count() + usize::from(last_is_open))
    }

    /// The text of a span; empty where the span is not of this file.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

/// Files of 4 GiB and more are refused by `discover`, so offsets fit; a larger number is capped, never wrapped.
#[must_use]
pub fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
