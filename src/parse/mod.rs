//! One SourceFile in, one FileFacts out. The only stage that may name syn.

mod attrs;
mod exprs;
mod functions;
mod items;
mod loose;
mod lower;
mod macros;
mod patterns;
mod places;
mod recover;
#[cfg(test)]
mod tests;
mod types;

use proc_macro2::TokenStream;

use self::lower::Lower;
use self::recover::Members;
use crate::facts::{Blind, FileFacts};
use crate::source::{Span, to_u32};

/// Reads one file. Never fails: what is no Rust becomes a blind spot.
///
/// `is_test_target` says that cargo builds the file for tests, benches or examples only.
#[must_use]
pub fn parse(text: &str, is_test_target: bool) -> FileFacts {
    let mut lower = Lower::new(text, is_test_target);
    match text.parse::<TokenStream>() {
        Ok(tokens) => lower.items_of(tokens, Members::Module),
        Err(error) => {
            let span = Span { start: 0, end: to_u32(text.len()) };
            lower.facts.blind_spots.push(Blind { span, reason: format!("not understood as Rust: {error}") });
        }
    }
    proc_macro2::extra::invalidate_current_thread_spans();
    let mut facts = lower.facts;
    facts.blind_spots.sort_by_key(|blind| blind.span);
    facts.blind_spots.dedup_by_key(|blind| blind.span.start);
    facts
}
