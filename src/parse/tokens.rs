//! Taking tokens from a stream, one kind or another.

use proc_macro2::extra::DelimSpan;
use proc_macro2::{TokenStream, TokenTree};
use syn::Token;
use syn::buffer::Cursor;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseBuffer, ParseStream, Parser};

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

/// As [`parsed_by`], for what may hold groups: they must have been read to their ends.
pub(super) fn parsed_whole<T>(input: ParseStream<'_>, parse: fn(ParseStream<'_>) -> syn::Result<T>) -> Option<T> {
    let ahead = input.fork();
    let value = parse(&ahead).ok()?;
    check_whole(input, &ahead, parse).ok()?;
    input.advance_to(&ahead);
    Some(value)
}

/// Parses what lies between two places of a stream once more, on its own.
///
/// What the parser leaves over in a group, `b` of `(a b)`, it says at the end of all input only.
pub(super) fn check_whole<T>(
    from: ParseStream<'_>,
    to: ParseStream<'_>,
    parse: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<()> {
    parse.parse2(taken(from, to)).map(drop)
}

/// What lies between two places of a stream.
pub(super) fn taken(from: ParseStream<'_>, to: ParseStream<'_>) -> TokenStream {
    let mut cursor = from.cursor();
    let tokens = std::iter::from_fn(|| {
        if cursor == to.cursor() {
            return None;
        }
        let (token, next) = cursor.token_tree()?;
        cursor = next;
        Some(token)
    });
    tokens.collect()
}

/// Steps over one token, unless the stream has moved.
pub(super) fn step_from(input: ParseStream<'_>, before: Cursor<'_>) {
    if input.cursor() == before {
        step(input);
    }
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
