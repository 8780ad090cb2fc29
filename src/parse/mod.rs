//! One SourceFile in, one FileFacts out. The only stage that may name syn.
//!
//! In layers, so that one thing the parser does not know hides nothing else: the file item by item (`recover`),
//! a broken item part by part, a broken statement as far as it goes (`loose`); what nests too deep in cuts (`nesting`);
//! what does not even lex or balance after a repair that keeps every offset (`repair`).
//!
//! A file can also be read without the bodies of some functions (`outline`, `partly`), which can be read later.

mod attempts;
mod attrs;
mod broken;
mod compact;
mod cut;
mod directives;
mod exprs;
mod functions;
mod items;
mod keywords;
mod lex;
mod loose;
mod lower;
mod macros;
mod nesting;
mod odd;
mod outline;
mod partly;
mod patterns;
mod places;
mod prepare;
mod recover;
mod repair;
mod strays;
#[cfg(test)]
mod tests;
mod tokens;
mod types;

use std::cell::Cell;

use proc_macro2::TokenStream;
use syn::parse::Parser as _;

pub use self::outline::{Body, Outline, outline, word_hash};
pub use self::partly::{parse_partly, read_bodies, without_tests};

use self::lower::Lower;
use self::recover::Members;
use crate::facts::{Blind, FileFacts};
use crate::source::{Span, to_u32};

/// Up to this depth and length a file is read on the caller's stack, however small.
const SMALL_DEPTH: u32 = 24;
const SMALL_LENGTH: usize = 32 * 1024;

/// The stack for all other files: for the deepest nesting and the longest chain that are read uncut.
pub const LARGE_STACK: usize = 256 * 1024 * 1024;

thread_local! {
    static HAS_LARGE_STACK: Cell<bool> = const { Cell::new(false) };
}

/// Says that this thread was started with a stack of [`LARGE_STACK`], so that no file needs a thread of its own here.
pub fn on_large_stack() {
    HAS_LARGE_STACK.set(true);
}

/// Whether an attribute says that what follows is compiled for tests only: `#[cfg(test)]`.
#[must_use]
pub fn is_for_tests(attribute: &str) -> bool {
    if nesting::of_text(attribute) > SMALL_DEPTH {
        return false;
    }
    let attributes = syn::Attribute::parse_outer.parse_str(attribute);
    let is_for_tests = attributes.is_ok_and(|attributes| attrs::is_test(&attributes));
    proc_macro2::extra::invalidate_current_thread_spans();
    is_for_tests
}

/// Reads one file. Never fails: what is no Rust becomes a blind spot.
///
/// `is_test_target` says that cargo builds the file for tests, benches or examples only.
#[must_use]
pub fn parse(text: &str, is_test_target: bool) -> FileFacts {
    let text = prepare::prepared(text);
    let text = prepare::without_numbers(&text);
    let depth = nesting::of_text(&text);
    let is_small = depth <= SMALL_DEPTH && text.len() <= SMALL_LENGTH;
    if is_small || HAS_LARGE_STACK.get() {
        return read_safely(&text, depth, is_test_target);
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(LARGE_STACK);
        let reader = builder.spawn_scoped(scope, || read_safely(&text, depth, is_test_target));
        match reader.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(facts)) => facts,
            _ => unread(&text, "no memory to read this file"),
        }
    })
}

/// Whatever goes wrong in one file is a blind spot of that file.
fn read_safely(text: &str, depth: u32, is_test_target: bool) -> FileFacts {
    let facts = std::panic::catch_unwind(|| read(text, depth, is_test_target));
    proc_macro2::extra::invalidate_current_thread_spans();
    finished(facts.unwrap_or_else(|_| unread(text, "the parser gave up on this file")))
}

fn read(text: &str, depth: u32, is_test_target: bool) -> FileFacts {
    let limit = to_u32(text.len());
    match text.parse::<TokenStream>() {
        Ok(tokens) => read_wholly(text, limit, is_test_target, tokens, depth),
        Err(_) => read_repaired(text, is_test_target),
    }
}

/// Reads what is left after a repair, the mild one if it is enough.
fn read_repaired(text: &str, is_test_target: bool) -> FileFacts {
    let limit = to_u32(text.len());
    for repair in [repair::repaired, repair::salvaged] {
        let repaired = repair(text);
        let Ok(tokens) = repaired.text.parse::<TokenStream>() else { continue };
        let depth = nesting::of_text(&repaired.text);
        let mut facts = read_wholly(&repaired.text, limit, is_test_target, tokens, depth);
        facts.blind_spots.extend(repaired.blind_spots);
        return facts;
    }
    unread(text, "not understood as Rust")
}

/// Reads once, and if the parser leaves something over, again with care.
fn read_wholly(text: &str, limit: u32, is_test_target: bool, tokens: TokenStream, depth: u32) -> FileFacts {
    let mut lower = Lower::new(text, limit, is_test_target);
    let facts = read_tokens(&mut lower, tokens, depth);
    if !lower.has_left_over {
        return facts;
    }
    let Ok(tokens) = text.parse::<TokenStream>() else { return facts };
    let mut strict = Lower::new(text, limit, is_test_target);
    strict.is_strict = true;
    read_tokens(&mut strict, tokens, depth)
}

fn read_tokens(lower: &mut Lower<'_>, tokens: TokenStream, depth: u32) -> FileFacts {
    let text = lower.text;
    lower.is_shallow = depth <= nesting::DEEPEST;
    let has_directives = memchr::memmem::find(text.as_bytes(), directives::MARKER.as_bytes()).is_some();
    lower.anchors = has_directives.then(Vec::new);
    lower.items_of(tokens, Members::Module);
    let mut facts = std::mem::take(&mut lower.facts);
    facts.directives = lower.anchors.take().map_or_else(Vec::new, |anchors| directives::directives(text, anchors));
    facts
}

fn finished(mut facts: FileFacts) -> FileFacts {
    facts.blind_spots.sort_by_key(|blind| blind.span);
    facts.blind_spots.dedup_by_key(|blind| blind.span.start);
    compact::compact(&mut facts);
    facts
}

/// The facts of a file that could not be read at all.
fn unread(text: &str, reason: &str) -> FileFacts {
    let span = Span { start: 0, end: to_u32(text.len()) };
    FileFacts { blind_spots: vec![Blind { span, reason: reason.to_owned() }], ..FileFacts::default() }
}
