//! One text and the bodies that nobody needs in, facts without those bodies out; and such bodies later, one by one.
//!
//! Only what reads without any trouble is read in parts: else nothing is returned, and the file is to be read whole.

use std::borrow::Cow;

use proc_macro2::TokenStream;
use rustc_hash::FxHashMap;

use super::compact;
use super::cut::{self, Offsets};
use super::lower::Lower;
use super::outline::Outline;
use super::places::Places;
use super::{HAS_LARGE_STACK, SMALL_DEPTH, SMALL_LENGTH, nesting, prepare, read_tokens};
use crate::facts::{Block, FileFacts};
use crate::source::{Span, to_u32};

/// The text with spaces in place of what is compiled for tests only.
#[must_use]
pub fn without_tests<'t>(text: &'t str, outline: &Outline) -> Cow<'t, str> {
    prepare::blanked(text, outline.tests.iter().map(|inside| inside.start as usize..inside.end as usize))
}

/// Reads a file without what is inside these braces, given in order. The functions whose bodies they are look like declarations.
#[must_use]
pub fn parse_partly(text: &str, is_test_target: bool, insides: &[Span]) -> Option<FileFacts> {
    let short = cut::without(text, insides);
    let read = prepare::without_numbers(&short.text);
    let depth = nesting::of_text(&read);
    let partly = safely(depth, read.len(), || {
        let tokens = read.parse::<TokenStream>().ok()?;
        let places = Places::at(&read, to_u32(text.len()), short.offsets);
        let mut lower = Lower::with_places(text, places, is_test_target);
        let facts = read_tokens(&mut lower, tokens, depth);
        let is_whole = facts.blind_spots.is_empty() && !lower.has_left_over;
        let is_clean = is_whole && !facts.functions.iter().any(|function| function.is_recovered);
        is_clean.then_some(facts)
    })?;
    declared(partly, insides)
}

/// Takes the empty bodies away again that stand where bodies were left out.
fn declared(mut facts: FileFacts, insides: &[Span]) -> Option<FileFacts> {
    let by_end: FxHashMap<u32, usize> = (0..).zip(&facts.functions).map(|(at, found)| (found.span.end, at)).collect();
    let function = |inside: &Span| {
        let at = *by_end.get(&(inside.end + 1))?;
        let is_empty = facts.functions[at].body.as_ref().is_some_and(|body| body.stmts.is_empty());
        is_empty.then_some(at)
    };
    let functions = insides.iter().map(function).collect::<Option<Vec<usize>>>()?;
    for at in &functions {
        facts.functions[*at].body = None;
    }
    compact::compact(&mut facts);
    Some(facts)
}

/// Reads bodies that were left out.
#[must_use]
pub fn read_bodies(text: &str, insides: &[Span]) -> Option<Vec<Block>> {
    insides.iter().map(|inside| read_body(text, *inside)).collect()
}

fn read_body(text: &str, inside: Span) -> Option<Block> {
    let base = inside.start.checked_sub(1)?;
    let part = &*prepare::without_numbers(text.get(base as usize..inside.end as usize + 1)?);
    let depth = nesting::of_text(part);
    safely(depth, part.len(), || {
        let tokens = part.parse::<TokenStream>().ok()?;
        let places = Places::at(part, to_u32(text.len()), Offsets::from(base));
        let mut lower = Lower::with_places(text, places, false).for_part(part);
        let block = syn::parse2::<syn::Block>(tokens).ok()?;
        let mut block = lower.block(&block);
        compact::block(&mut block);
        let facts = lower.facts;
        let has_no_items = facts.functions.is_empty() && facts.types.is_empty() && facts.uses.is_empty();
        (facts.blind_spots.is_empty() && has_no_items).then_some(block)
    })
}

/// Nothing where the parser gives up or would need more stack than there is.
fn safely<T>(depth: u32, length: usize, read: impl FnOnce() -> Option<T>) -> Option<T> {
    let is_small = depth <= SMALL_DEPTH && length <= SMALL_LENGTH;
    if !(is_small || (depth <= nesting::DEEPEST && HAS_LARGE_STACK.get())) {
        return None;
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    proc_macro2::extra::invalidate_current_thread_spans();
    result.ok().flatten()
}
