//! A text and what is not to be read in out, a shorter text and the way back to the bytes of the long one.

use crate::source::{Span, to_u32};

/// A text without some of its parts.
pub(super) struct Cut {
    pub(super) text: String,
    pub(super) offsets: Offsets,
}

/// From bytes of a text with parts left out to bytes of the whole one.
#[derive(Default)]
pub(super) struct Offsets {
    /// What stood before the text.
    base: u32,
    /// Where parts were left out, in bytes of the short text, with how much is missing by then.
    missing: Vec<(u32, u32)>,
}

impl Offsets {
    /// A text that starts at this byte of the whole one.
    pub(super) fn from(base: u32) -> Self {
        Self { base, missing: Vec::new() }
    }

    pub(super) fn whole(&self, byte: u32) -> u32 {
        let before = self.missing.partition_point(|(at, _)| *at <= byte);
        let missing = before.checked_sub(1).map_or(0, |last| self.missing[last].1);
        self.base + byte + missing
    }
}

/// Leaves out the insides of groups but for their first byte, so that what opens and closes the group stays where it is.
/// The spans are in order and do not overlap.
pub(super) fn without(text: &str, insides: &[Span]) -> Cut {
    let mut short = String::with_capacity(text.len());
    let mut missing = Vec::with_capacity(insides.len());
    let (mut from, mut left_out) = (0, 0);
    for inside in insides {
        let start = inside.start as usize + 1;
        let (Some(kept), true) = (text.get(from..start), start < inside.end as usize) else { continue };
        short.push_str(kept);
        left_out += inside.end - to_u32(start);
        missing.push((to_u32(short.len()), left_out));
        from = inside.end as usize;
    }
    short.push_str(text.get(from..).unwrap_or(""));
    Cut { text: short, offsets: Offsets { base: 0, missing } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_is_left_is_found_again() {
        let text = "a { bcd } e {f} { ghi }j";
        let inside = |part: &str| {
            let start = text.find(part).unwrap();
            Span { start: to_u32(start), end: to_u32(start + part.len()) }
        };
        let cut = without(text, &[inside(" bcd "), inside("f"), inside(" ghi ")]);
        assert_eq!(cut.text, "a { } e {f} { }j");
        for (at, byte) in cut.text.bytes().enumerate() {
            assert_eq!(text.as_bytes()[cut.offsets.whole(to_u32(at)) as usize], byte, "{at}");
        }
    }
}
