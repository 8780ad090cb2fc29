//! What starts with a keyword and does not parse: closures, branches, loops and matches, as far as they go.

use proc_macro2::{Delimiter, Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Expr as Syn, Lit, Token, token};

use super::loose::{Brace, flat, operator};
use super::lower::Lower;
use super::places::between;
use super::tokens::{braces, equals, parsed, parsed_by, parsed_whole, step, step_by, step_from};
use crate::facts::{Arm, Block, Closure, Expr, ExprKind, Param, Pat, Stmt, Type};

impl Lower<'_> {
    /// Closures, blocks and branches.
    pub(super) fn keyword(&mut self, input: ParseStream<'_>) -> Option<Expr> {
        let start = self.at(input);
        let modified = modifiers(input);
        step_by(input, modified.tokens);
        if input.peek(Token![||]) || has_closure_params(input) {
            return Some(self.loose_closure(input, start));
        }
        if modified.tokens > 0
            && let Some((span, block)) = self.loose_block(input)
        {
            let kind = if modified.is_async { ExprKind::Async(block) } else { ExprKind::Block(block) };
            return Some(Expr { span: between(start, span.end), kind });
        }
        let ident = input.cursor().ident().map(|(ident, _)| ident.to_string())?;
        match ident.as_str() {
            "if" => Some(self.loose_if(input)),
            "match" => Some(self.loose_match(input)),
            "while" => {
                step(input);
                let cond = self.condition(input);
                let (span, block) = self.loose_block(input).unwrap_or((cond.span, Block::default()));
                Some(Expr { span: between(start, span.end), kind: ExprKind::Loop(Some(Box::new(cond)), block) })
            }
            "for" => Some(self.loose_for(input)),
            "loop" => {
                step(input);
                let (span, block) = self.loose_block(input).unwrap_or((between(start, start + 4), Block::default()));
                Some(Expr { span: between(start, span.end), kind: ExprKind::Loop(None, block) })
            }
            "return" | "break" | "yield" | "become" | "do" => {
                step(input);
                if ident == "do" && input.cursor().ident().is_some_and(|(next, _)| next == "yeet") {
                    step(input);
                }
                let value = self.loose_expr(input, &mut 0).map(Box::new);
                let end = value.as_ref().map_or(start, |value| value.span.end);
                let kind = if ident == "break" { ExprKind::Break(value) } else { ExprKind::Return(value) };
                Some(Expr { span: between(start, end), kind })
            }
            _ => None,
        }
    }

    fn loose_closure(&mut self, input: ParseStream<'_>, start: u32) -> Expr {
        let mut params = Vec::new();
        if parsed::<Token![||]>(input).is_none() {
            step(input);
            while !input.is_empty() && !input.peek(Token![|]) && !input.peek(Token![;]) {
                match parsed_whole(input, syn::Pat::parse_single) {
                    Some(pat) => {
                        let ty = parsed::<Token![:]>(input).and_then(|_| self.known_type(input)).unwrap_or(Type::Infer);
                        params.push(Param { pat: self.pat(&pat), ty });
                    }
                    None => self.skip(input),
                }
                parsed::<Token![,]>(input);
            }
            parsed::<Token![|]>(input);
        }
        if parsed::<Token![->]>(input).is_some() {
            self.known_type(input);
        }
        let empty = Expr { span: between(start, start + 1), kind: ExprKind::Other(Vec::new()) };
        let body = self.loose_expr(input, &mut 0).unwrap_or(empty);
        let span = between(start, body.span.end);
        Expr { span, kind: ExprKind::Closure(Box::new(Closure { params, body })) }
    }

    fn loose_if(&mut self, input: ParseStream<'_>) -> Expr {
        let start = self.at(input);
        step(input);
        let cond = self.condition(input);
        let (mut span, then) = self.loose_block(input).unwrap_or((cond.span, Block::default()));
        let mut otherwise = None;
        if parsed::<Token![else]>(input).is_some() {
            let value = if input.peek(Token![if]) {
                Some(self.loose_if(input))
            } else {
                self.loose_block(input).map(|(span, block)| Expr { span, kind: ExprKind::Block(block) })
            };
            span = value.as_ref().map_or(span, |value| value.span);
            otherwise = value.map(Box::new);
        }
        Expr { span: between(start, span.end), kind: ExprKind::If(Box::new(cond), then, otherwise) }
    }

    /// What stands between `if`, `while`, `match` or `in` and its block.
    fn condition(&mut self, input: ParseStream<'_>) -> Expr {
        let start = self.at(input);
        if let Some(cond) = self.attempt(input, &mut 0, Syn::parse_without_eager_brace) {
            return self.expr(&cond);
        }
        let mut parts = Vec::new();
        let mut wants_operand = true;
        while !input.is_empty() && !input.peek(Token![;]) && !input.peek(Token![=>]) {
            if input.peek(token::Brace) && !(wants_operand && is_operand(input)) {
                break;
            }
            if !wants_operand && operator(input) {
                wants_operand = true;
                continue;
            }
            let before = input.cursor();
            let part =
                if input.peek(Token![let]) { self.loose_binding(input) } else { self.operand(input, Brace::Body) };
            wants_operand = part.is_none();
            match part {
                Some(part) => parts.push(part),
                None => step_from(input, before),
            }
        }
        match parts.len() {
            0 => Expr { span: between(start, start), kind: ExprKind::Other(Vec::new()) },
            _ => flat(parts),
        }
    }

    /// `let pat = value` in a condition. Takes at least the `let`.
    fn loose_binding(&mut self, input: ParseStream<'_>) -> Option<Expr> {
        step(input);
        let pat = self.known_pat(input).unwrap_or(Pat::Wild);
        equals(input);
        if input.peek(token::Brace) && !is_operand(input) {
            return None;
        }
        let value = match self.attempt(input, &mut 0, Syn::parse_without_eager_brace) {
            Some(value) => self.expr(&value),
            None => self.operand(input, Brace::Body)?,
        };
        Some(Expr { span: value.span, kind: ExprKind::Let(Box::new(pat), Box::new(value)) })
    }

    fn loose_for(&mut self, input: ParseStream<'_>) -> Expr {
        let start = self.at(input);
        step(input);
        // `for await` of stream macros.
        parsed::<Token![await]>(input);
        let pat = self.known_pat(input).unwrap_or(Pat::Wild);
        parsed::<Token![in]>(input);
        let iter = self.condition(input);
        let (span, block) = self.loose_block(input).unwrap_or((iter.span, Block::default()));
        Expr { span: between(start, span.end), kind: ExprKind::For(Box::new(pat), Box::new(iter), block) }
    }

    fn loose_match(&mut self, input: ParseStream<'_>) -> Expr {
        let start = self.at(input);
        step(input);
        let scrutinee = self.condition(input);
        let Ok((span, content)) = braces(input) else { return scrutinee };
        let arms = self.loose_arms(&content);
        Expr { span: between(start, self.delimited(span).end), kind: ExprKind::Match(Box::new(scrutinee), arms) }
    }

    fn loose_arms(&mut self, input: ParseStream<'_>) -> Vec<Arm> {
        let mut arms = Vec::new();
        while !input.is_empty() {
            parsed_by(input, Attribute::parse_outer);
            self.guards.clear();
            let pat = self.known_pat(input).unwrap_or(Pat::Wild);
            let guard = match parsed::<Token![if]>(input) {
                Some(_) => Some(self.condition(input)),
                None => self.take_guards(),
            };
            while !input.is_empty() && !input.peek(Token![=>]) && !input.peek(Token![;]) {
                self.skip(input);
            }
            parsed::<Token![=>]>(input);
            match self.arm_body(input) {
                Some(body) => {
                    self.anchor(body.span);
                    arms.push(Arm { pat, guard, body });
                }
                None => self.strays.extend(guard.map(Stmt::Semi)),
            }
            while !input.is_empty() && parsed::<Token![,]>(input).is_none() && !starts_arm(input) {
                self.skip(input);
            }
        }
        arms
    }

    /// The body of an arm: a block ends it, whatever follows.
    pub(super) fn arm_body(&mut self, input: ParseStream<'_>) -> Option<Expr> {
        match self.attempt(input, &mut 0, Syn::parse_with_earlier_boundary_rule) {
            Some(body) => Some(self.expr(&body)),
            None if input.peek(token::Brace) => {
                self.loose_block(input).map(|(span, block)| Expr { span, kind: ExprKind::Block(block) })
            }
            None => self.manual(input, 0),
        }
    }
}

/// Words and labels that can stand before a closure or block, counted as tokens, with room to spare.
const MOST_MODIFIERS: usize = 8;

/// The words before a closure or a block.
#[derive(Default)]
struct Modifiers {
    is_async: bool,
    /// How many tokens they are; none if no closure, block or loop follows.
    tokens: usize,
}

/// Looks at the words and the label before a closure, block or loop, without taking them.
fn modifiers(input: ParseStream<'_>) -> Modifiers {
    let mut found = Modifiers::default();
    let mut cursor = input.cursor();
    while found.tokens < MOST_MODIFIERS {
        if let Some((_, next)) = cursor.lifetime() {
            let Some((_, next)) = next.punct().filter(|(punct, _)| punct.as_char() == ':') else { break };
            found.tokens += 2;
            cursor = next;
        } else if let Some((ident, next)) = cursor.ident() {
            match ident.to_string().as_str() {
                "async" => found.is_async = true,
                "move" | "unsafe" | "const" | "try" | "gen" | "static" | "use" => {}
                _ => break,
            }
            found.tokens += 1;
            cursor = next;
        } else {
            break;
        }
    }
    let is_closure = cursor.punct().is_some_and(|(punct, _)| punct.as_char() == '|');
    let is_block = cursor.group(Delimiter::Brace).is_some();
    let is_loop = cursor.ident().is_some_and(|(ident, _)| ident == "loop" || ident == "while" || ident == "for");
    if !is_closure && !is_block && !is_loop {
        return Modifiers::default();
    }
    found
}

/// Whether a `|` is here, and the one that belongs to it comes before anything that no parameter holds.
fn has_closure_params(input: ParseStream<'_>) -> bool {
    let Some((_, mut cursor)) = input.cursor().punct().filter(|(punct, _)| punct.as_char() == '|') else {
        return false;
    };
    while let Some((token, next)) = cursor.token_tree() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '|' => return true,
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | '=' | '.' | '?') => return false,
            _ => cursor = next,
        }
    }
    false
}

/// Whether the block here is an operand of a condition: what it decides on, or an operator, comes behind it.
fn is_operand(input: ParseStream<'_>) -> bool {
    let Some((.., next)) = input.cursor().group(Delimiter::Brace) else { return false };
    let goes_on = next.punct().is_some_and(|(punct, _)| !matches!(punct.as_char(), ';' | ',' | '#' | '\'' | '$'));
    goes_on || next.group(Delimiter::Brace).is_some()
}

/// Whether a new arm may start here without a comma before it.
fn starts_arm(input: ParseStream<'_>) -> bool {
    input.peek(Token![|]) || input.peek(Token![_]) || input.peek(Ident::peek_any) || input.peek(Lit)
}
