//! Attributes: their paths, and whether they make test code.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Meta};

use crate::facts::Name;

/// Attribute paths as written; `derive` is split, `cfg_attr` is looked through.
pub(super) fn names(attributes: &[Attribute]) -> Vec<Name> {
    let mut names = Vec::new();
    for attribute in attributes {
        let path = joined(attribute.meta.path());
        match (&attribute.meta, path.as_str()) {
            (_, "doc") => {}
            (Meta::List(list), "derive") => names.extend(paths(list.tokens.clone())),
            (Meta::List(list), "cfg_attr") => {
                names.push(path);
                names.extend(derives(list.tokens.clone()));
            }
            _ => names.push(path),
        }
    }
    names
}

/// Whether the attributes say that this is compiled for tests only, or is a test.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.meta.path();
        if path.is_ident("cfg") {
            return matches!(&attribute.meta, Meta::List(of) if list(of.tokens.clone()).into_iter().any(needs_test));
        }
        path.segments.last().is_some_and(|last| is_test_name(&last.ident.to_string()))
    })
}

/// `a::b` as it is written, without leading `::`.
pub(super) fn joined(path: &syn::Path) -> Name {
    let mut text = String::new();
    for segment in &path.segments {
        if !text.is_empty() {
            text.push_str("::");
        }
        text.push_str(&segment.ident.to_string());
    }
    Name::new(text)
}

/// Attributes whose last segment makes a function a test: `test` itself, in any crate, and those of the test libraries.
fn is_test_name(name: &str) -> bool {
    matches!(name, "test" | "rstest" | "test_case" | "quickcheck" | "wasm_bindgen_test" | "bench" | "traced_test")
}

/// Whether a `cfg` predicate holds only for tests: `any(test, feature = "test-utils")` does, and `any(test, feature = "ssr")`
/// does not. Of what is no predicate at all nothing is said.
fn needs_test(predicate: TokenStream) -> bool {
    let mut tokens = predicate.into_iter();
    let Some(TokenTree::Ident(word)) = tokens.next() else { return false };
    match tokens.next() {
        None => word == "test",
        Some(TokenTree::Group(group)) if word == "all" => list(group.stream()).into_iter().any(needs_test),
        Some(TokenTree::Group(group)) if word == "any" => {
            let (tests, others): (Vec<_>, Vec<_>) =
                list(group.stream()).into_iter().partition(|part| needs_test(part.clone()));
            !tests.is_empty() && others.into_iter().all(is_test_feature)
        }
        _ => false,
    }
}

/// `feature = "testing"`: what its name says it is for.
fn is_test_feature(predicate: TokenStream) -> bool {
    let mut tokens = predicate.into_iter();
    let is_feature = matches!(tokens.next(), Some(TokenTree::Ident(word)) if word == "feature");
    let name = tokens.last().map(|token| token.to_string()).unwrap_or_default();
    is_feature && ["test", "mock", "bench", "fuzz"].iter().any(|word| name.contains(word))
}

/// The parts of a comma-separated list.
fn list(tokens: TokenStream) -> Vec<TokenStream> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let parts = tokens.split(is_comma).filter(|part| !part.is_empty());
    parts.map(|part| part.iter().cloned().collect()).collect()
}

/// The derives inside `cfg_attr(predicate, derive(..))`.
fn derives(tokens: TokenStream) -> Vec<Name> {
    let mut after_derive = false;
    let mut names = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => after_derive = ident == "derive",
            TokenTree::Group(group) if after_derive => names.extend(paths(group.stream())),
            _ => {}
        }
    }
    names
}

/// The paths of a comma-separated list, as written.
fn paths(tokens: TokenStream) -> Vec<Name> {
    let written = |part: TokenStream| part.into_iter().map(|token| token.to_string()).collect::<String>();
    list(tokens).into_iter().map(written).map(Name::new).collect()
}
