//! What stands where it makes no sense: it is stepped over, and what it does is kept.
//!
//! A pattern that is none, a word before an arm, a field that is an expression: the code in it still runs once the
//! error is mended, and belongs to the block around it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Ident, Token, token};

use super::loose::Brace;
use super::lower::Lower;
use super::tokens::{parsed_whole, step, taken};
use super::types;
use crate::facts::{Block, Expr, ExprKind, Pat, Stmt, Type};
use crate::source::Span;

impl Lower<'_> {
    /// Steps over what means nothing here. Takes at least one token.
    pub(super) fn skip(&mut self, input: ParseStream<'_>) {
        let before = input.cursor();
        let value = if starts_value(input) { self.operand(input, Brace::Body) } else { None };
        self.strays.extend(value.filter(does_something).map(Stmt::Semi));
        if input.cursor() == before {
            step(input);
        }
    }

    /// Reads tokens that have no place, as far as they go.
    pub(super) fn stray_tokens(&mut self, tokens: TokenStream) {
        if may_do_something(&tokens) {
            let stmts = self.stmts_of(tokens);
            self.strays.extend(stmts);
        }
    }

    /// The strays since there were so many.
    pub(super) fn strays_since(&mut self, before: usize) -> Vec<Stmt> {
        self.strays.split_off(before.min(self.strays.len()))
    }

    /// As [`Lower::strays_since`], as one more expression among others.
    pub(super) fn stray_block(&mut self, before: usize) -> Option<Expr> {
        let stmts = self.strays_since(before);
        let spans = stmts.iter().filter_map(|stmt| match stmt {
            Stmt::Semi(expr) | Stmt::Expr(expr) => Some(expr.span),
            Stmt::Let { init, .. } => init.as_ref().map(|init| init.span),
        });
        let span = spans.reduce(Span::to).unwrap_or_default();
        if stmts.is_empty() { None } else { Some(Expr { span, kind: ExprKind::Block(Block { stmts }) }) }
    }

    /// A pattern, unless what follows shows that it is an expression. Takes nothing where it returns `None`.
    pub(super) fn known_pat(&mut self, input: ParseStream<'_>) -> Option<Pat> {
        let ahead = input.fork();
        let pat = parsed_whole(&ahead, syn::Pat::parse_multi_with_leading_vert)?;
        let does_something = may_do_something(&taken(input, &ahead));
        let is_chain = ahead.peek(Token![.]) || ahead.peek(Token![?]);
        let is_bound =
            ahead.peek(Token![=]) || ahead.peek(Token![in]) || ahead.peek(Token![if]) || ahead.peek(Token![:]);
        if !is_bound && (is_chain || does_something) {
            return None;
        }
        input.advance_to(&ahead);
        Some(self.pat(&pat))
    }

    /// A type, unless it is a macro that does something. Takes nothing where it returns `None`.
    pub(super) fn known_type(&mut self, input: ParseStream<'_>) -> Option<Type> {
        let ahead = input.fork();
        let ty = parsed_whole(&ahead, syn::Type::parse)?;
        if may_do_something(&taken(input, &ahead)) {
            return None;
        }
        input.advance_to(&ahead);
        Some(types::ty(&ty))
    }

    /// Reads tokens by a parser that takes everything, one way or another.
    pub(super) fn read_all(&mut self, tokens: TokenStream, read: impl FnOnce(&mut Self, ParseStream<'_>)) {
        let parser = |input: ParseStream<'_>| {
            read(&mut *self, input);
            Ok(())
        };
        self.has_left_over |= parser.parse2(tokens).is_err();
    }
}

/// Whether an operand starts here that is no keyword.
fn starts_value(input: ParseStream<'_>) -> bool {
    let is_group = input.peek(token::Paren) || input.peek(token::Bracket) || input.peek(token::Brace);
    let is_self = input.peek(Token![self]) || input.peek(Token![crate]) || input.peek(Token![Self]);
    is_group || is_self || input.peek(Ident) || input.peek(Token![super]) || input.peek(Token![::])
}

/// A name or a literal does nothing.
fn does_something(value: &Expr) -> bool {
    !matches!(value.kind, ExprKind::Path(_) | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Lit(_))
}

/// Whether there may be a call in these tokens.
pub(super) fn may_do_something(tokens: &TokenStream) -> bool {
    let mut waiting = vec![tokens.clone()];
    while let Some(tokens) = waiting.pop() {
        let mut is_callable = false;
        let mut is_after_minus = false;
        for token in tokens {
            match &token {
                TokenTree::Group(group) if is_callable && group.delimiter() == Delimiter::Parenthesis => return true,
                TokenTree::Group(group) => waiting.push(group.stream()),
                _ => {}
            }
            is_callable = match &token {
                TokenTree::Ident(ident) => {
                    let is_type = ident.to_string().starts_with(char::is_uppercase);
                    !is_type && !["fn", "crate", "in", "pub"].iter().any(|word| ident == word)
                }
                TokenTree::Punct(punct) => punct.as_char() == '!' || (punct.as_char() == '>' && !is_after_minus),
                _ => false,
            };
            is_after_minus = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '-');
        }
    }
    false
}
