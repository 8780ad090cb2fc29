//! Taking tokens from a stream, one kind or another.

use proc_macro2::TokenTree;
use proc_macro2::extra::DelimSpan;
use syn::Token;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseBuffer, ParseStream};

/// Whether this can be parsed here; moves past it if so.
pub(super) fn parsed<T: Parse>(input: ParseStream<'_>) -> Option<T> {
    parsed_by(input, T::parse)
}

/// As [`parsed`], by a function.
pub(super) fn parsed_by<T>(input: ParseStream<'_>, parse: fn(ParseStream<'_>) -> syn::Result<T>) -> Option<T> {
    let ahead = input.fork();
    let value = parse(&ahead).ok()?;
    input.advance_to(&ahead);
    Some(value)
}

/// Takes a `=` that is not the beginning of another operator.
pub(super) fn equals(input: ParseStream<'_>) -> bool {
    !input.peek(Token![=>]) && !input.peek(Token![==]) && parsed::<Token![=]>(input).is_some()
}

/// Steps over one token, or one group.
pub(super) fn step(input: ParseStream<'_>) {
    step_by(input, 1);
}

pub(super) fn step_by(input: ParseStream<'_>, count: usize) {
    for _ in 0..count {
        parsed::<TokenTree>(input);
    }
}

pub(super) fn parens<'a>(input: &ParseBuffer<'a>) -> syn::Result<(DelimSpan, ParseBuffer<'a>)> {
    let content;
    let token = syn::parenthesized!(content in input);
    Ok((token.span, content))
}

pub(super) fn brackets<'a>(input: &ParseBuffer<'a>) -> syn::Result<(DelimSpan, ParseBuffer<'a>)> {
    let content;
    let token = syn::bracketed!(content in input);
    Ok((token.span, content))
}

pub(super) fn braces<'a>(input: &ParseBuffer<'a>) -> syn::Result<(DelimSpan, ParseBuffer<'a>)> {
    let content;
    let token = syn::braced!(content in input);
    Ok((token.span, content))
}
