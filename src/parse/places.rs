//! Positions of `proc_macro2` in, bytes of the file out.
//!
//! `Span::byte_range` keeps a growing tree of all offsets that were ever asked for and costs more than parsing.
//! Lines and columns come from one binary search, and the byte follows from a table of our own.

use proc_macro2::LineColumn;

use super::cut::Offsets;
use crate::source::{Span, to_u32};

/// Every `STRIDE`th character's byte is remembered, so that a lookup walks less than this many characters.
const STRIDE: usize = 64;

/// The way back from lines and columns to bytes for one text.
pub(super) struct Places {
    /// Where each line starts, in bytes for an ASCII text and in characters for any other.
    line_starts: Vec<u32>,
    /// For a text that is not ASCII: the text's length of each character block.
    wide: Option<Wide>,
    /// The length of the file; a repaired text goes on behind it.
    limit: u32,
    /// From the text that is read to the file's.
    offsets: Offsets,
}

struct Wide {
    text: Box<str>,
    /// The byte of the characters 0, 64, 128, ...
    checkpoints: Vec<u32>,
}

/// A span that is never negative, whatever was recovered.
pub(super) fn between(start: u32, end: u32) -> Span {
    Span { start, end: end.max(start) }
}

impl Places {
    pub(super) fn new(text: &str, limit: u32) -> Self {
        Self::at(text, limit, Offsets::default())
    }

    /// The way back through a text that is only a part of the file's.
    pub(super) fn at(text: &str, limit: u32, offsets: Offsets) -> Self {
        if text.is_ascii() {
            let breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| to_u32(at + 1));
            return Self { line_starts: std::iter::once(0).chain(breaks).collect(), wide: None, limit, offsets };
        }
        let mut line_starts = vec![0];
        let mut checkpoints = Vec::new();
        for (index, (byte, character)) in text.char_indices().enumerate() {
            if index % STRIDE == 0 {
                checkpoints.push(to_u32(byte));
            }
            if character == '\n' {
                line_starts.push(to_u32(index + 1));
            }
        }
        Self { line_starts, wide: Some(Wide { text: text.into(), checkpoints }), limit, offsets }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn start(&self, span: proc_macro2::Span) -> u32 {
        self.byte(span.start())
    }

    pub(super) fn end(&self, span: proc_macro2::Span) -> u32 {
        self.byte(span.end())
    }

    pub(super) fn span(&self, span: proc_macro2::Span) -> Span {
        Span { start: self.start(span), end: self.end(span) }
    }

    fn byte(&self, at: LineColumn) -> u32 {
        let line = at.line.saturating_sub(1).min(self.line_starts.len() - 1);
        let unit = self.line_starts[line] as usize + at.column;
        let byte = match &self.wide {
            None => to_u32(unit),
            Some(wide) => wide.byte(unit),
        };
        self.offsets.whole(byte).min(self.limit)
    }
}

impl Wide {
    fn byte(&self, character: usize) -> u32 {
        let checkpoint = self.checkpoints.get(character / STRIDE).copied().unwrap_or(to_u32(self.text.len())) as usize;
        let rest = self.text.get(checkpoint..).unwrap_or("");
        to_u32(rest.char_indices().nth(character % STRIDE).map_or(self.text.len(), |(byte, _)| checkpoint + byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_behind_wide_characters_and_line_breaks() {
        let text = format!("a\u{e4}\u{1f980}\r\n{}x\n\u{e4}y", "\u{e4}".repeat(200));
        let places = Places::new(&text, to_u32(text.len()));
        assert_eq!(places.byte(LineColumn { line: 2, column: 200 }) as usize, text.find('x').unwrap());
        assert_eq!(places.byte(LineColumn { line: 3, column: 1 }) as usize, text.find('y').unwrap());
        assert_eq!(places.byte(LineColumn { line: 3, column: 2 }) as usize, text.len());
    }
}
