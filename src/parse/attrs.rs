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
            return matches!(&attribute.meta, Meta::List(list) if needs_test(list.tokens.clone()));
        }
        path.segments.last().is_some_and(|last| is_test_name(&last.ident.to_string()))
    })
}

/// The value of `#[path = ".."]`.
pub(super) fn path_value(attributes: &[Attribute]) -> Option<Name> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(Name::new(text.value())),
            _ => None,
        },
        _ => None,
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

/// Whether a `cfg` predicate holds only with `test`: `any` and `all` count if `test` is in them, `not` never does.
fn needs_test(predicate: TokenStream) -> bool {
    let mut after_not = false;
    for token in predicate {
        match token {
            TokenTree::Ident(ident) if ident == "test" => return true,
            TokenTree::Ident(ident) => after_not = ident == "not",
            TokenTree::Group(group) if !after_not && needs_test(group.stream()) => return true,
            _ => {}
        }
    }
    false
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
    let mut names = vec![String::new()];
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => names.push(String::new()),
            other => names.last_mut().into_iter().for_each(|name| name.push_str(&other.to_string())),
        }
    }
    names.into_iter().filter(|name| !name.is_empty()).map(Name::new).collect()
}
