//! Macros: calls with what could be read of their arguments, and `macro_rules!` definitions.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Block as SynBlock, Expr as Syn, Macro, Token};

use super::lower::{Lower, name};
use super::places::between;
use super::strays::may_do_something;
use super::tokens::{equals, parsed, parsed_by};
use super::{attrs, types};
use crate::facts::{Arm, Block, Expr, ExprKind, Function, MacroCall, Name, Owner, Param, Pat, Stmt, Type};
use crate::source::Span;

impl Lower<'_> {
    /// A macro call as an expression.
    pub(super) fn macro_expr(&mut self, call: &Macro) -> Expr {
        let span = between(self.path_span(None, &call.path).start, self.macro_end(call));
        let path = types::path(None, &call.path);
        let (args, names) = self.macro_args(call.tokens.clone());
        Expr { span, kind: ExprKind::Macro(Box::new(MacroCall { path, args, names })) }
    }

    fn macro_end(&self, call: &Macro) -> u32 {
        let delimiters = match &call.delimiter {
            syn::MacroDelimiter::Paren(token) => token.span,
            syn::MacroDelimiter::Brace(token) => token.span,
            syn::MacroDelimiter::Bracket(token) => token.span,
        };
        self.places.end(delimiters.close())
    }

    /// The arguments of a macro, with their names: expressions if they are, else statements, else arms or pieces.
    pub(super) fn macro_args(&mut self, tokens: TokenStream) -> (Vec<Expr>, Vec<Name>) {
        if tokens.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mark = self.mark();
        let mut read = (Vec::new(), Vec::new());
        let parser = |input: ParseStream<'_>| {
            read = self.read_macro_args(input);
            Ok(())
        };
        if parser.parse2(tokens.clone()).is_err() {
            self.undo(&mark);
            let strict = std::mem::replace(&mut self.is_strict, true);
            let left_over = self.has_left_over;
            self.read_all(tokens, |lower, input| read = (lower.quiet_pieces(input), Vec::new()));
            (self.is_strict, self.has_left_over) = (strict, left_over);
        }
        read
    }

    fn read_macro_args(&mut self, input: ParseStream<'_>) -> (Vec<Expr>, Vec<Name>) {
        let ahead = input.fork();
        if let Ok(exprs) = Punctuated::<Syn, Token![,]>::parse_terminated(&ahead)
            && ahead.is_empty()
        {
            input.advance_to(&ahead);
            let args = exprs.iter().map(|expr| self.expr(named(expr).map_or(expr, |(_, value)| value))).collect();
            return (args, names(exprs.iter()));
        }
        let ahead = input.fork();
        if let Ok(stmts) = SynBlock::parse_within(&ahead)
            && ahead.is_empty()
        {
            let start = self.places.start(input.span());
            input.advance_to(&ahead);
            let block = Block { stmts: stmts.iter().filter_map(|stmt| self.stmt(stmt)).collect() };
            let span = between(start, block.stmts.iter().filter_map(stmt_end).max().unwrap_or(start));
            return (vec![Expr { span, kind: ExprKind::Block(block) }], Vec::new());
        }
        (self.quiet_pieces(input), Vec::new())
    }

    /// Pieces without blind spots: what is no Rust may be the macro's own grammar.
    fn quiet_pieces(&mut self, input: ParseStream<'_>) -> Vec<Expr> {
        let quiet = std::mem::replace(&mut self.quiet, true);
        let pieces = self.macro_pieces(input);
        self.quiet = quiet;
        pieces
    }

    /// Arms as `select!` has them, or else anything.
    fn macro_pieces(&mut self, input: ParseStream<'_>) -> Vec<Expr> {
        let mark = self.mark();
        let before = self.strays.len();
        let ahead = input.fork();
        let mut pieces = match self.arms(&ahead) {
            Some(arms) => {
                input.advance_to(&ahead);
                arms
            }
            None => {
                self.undo(&mark);
                self.pieces(input)
            }
        };
        pieces.extend(self.stray_block(before));
        pieces
    }

    /// `pat = expr, if cond => body`, `pat => body` and `else => body`, each as a `match` of one arm.
    fn arms(&mut self, input: ParseStream<'_>) -> Option<Vec<Expr>> {
        let mut arms = Vec::new();
        if input.peek2(Token![;]) {
            parsed::<Ident>(input);
            parsed::<Token![;]>(input);
        }
        while !input.is_empty() {
            let start = self.at(input);
            self.guards.clear();
            let is_else = parsed::<Token![else]>(input).is_some();
            let pat = match is_else {
                true => Pat::Wild,
                false => {
                    let pat = parsed_by(input, syn::Pat::parse_multi_with_leading_vert)?;
                    self.pat(&pat)
                }
            };
            let future = if equals(input) {
                self.loose_expr(input, &mut 0)?
            } else {
                Expr { span: between(start, start), kind: ExprKind::Other(Vec::new()) }
            };
            parsed::<Token![,]>(input);
            let guard = match parsed::<Token![if]>(input) {
                Some(_) => Some(self.loose_expr(input, &mut 0)?),
                None => self.take_guards(),
            };
            parsed::<Token![=>]>(input)?;
            let body = self.arm_body(input)?;
            parsed::<Token![,]>(input);
            let span = between(start, body.span.end);
            self.anchor(span);
            arms.push(Expr { span, kind: ExprKind::Match(Box::new(future), vec![Arm { pat, guard, body }]) });
        }
        Some(arms)
    }

    /// A macro where an item stands: a definition, items inside a call, or a call with arguments.
    pub(super) fn macro_item(&mut self, item: &syn::ItemMacro) {
        match &item.ident {
            Some(ident) if item.mac.path.is_ident("macro_rules") => {
                let start = self.first(&item.attrs, &syn::Visibility::Inherited, self.macro_start(&item.mac));
                let span = between(start, self.macro_end(&item.mac));
                self.anchor(span);
                let is_test = attrs::is_test(&item.attrs);
                self.tested(is_test, |lower| lower.definition(ident, span, item.mac.tokens.clone()));
            }
            _ => self.item_macro_call(&item.attrs, &item.mac),
        }
    }

    fn macro_start(&self, call: &Macro) -> proc_macro2::Span {
        call.path.segments.first().map_or_else(proc_macro2::Span::call_site, |segment| segment.ident.span())
    }

    /// A macro call among items. Items inside count as if they stood here;
    /// anything else becomes a function named after the macro, whose body is the call.
    pub(super) fn item_macro_call(&mut self, attributes: &[Attribute], call: &Macro) {
        let start = self.first(attributes, &syn::Visibility::Inherited, self.macro_start(call));
        let span = between(start, self.macro_end(call));
        self.anchor(span);
        let is_test = attrs::is_test(attributes);
        self.tested(is_test, |lower| {
            if !lower.items_in_macro(call.tokens.clone()) {
                let body = lower.macro_expr(call);
                let path = attrs::joined(&call.path);
                let name = Name::new(path.rsplit("::").next().unwrap_or_default());
                let name_span = lower.places.span(lower.macro_start(call));
                let mut function = lower.bare_function(name, span, name_span);
                function.body = Some(Block { stmts: vec![Stmt::Semi(body)] });
                lower.facts.functions.push(function);
            }
        });
    }

    /// Reads the arguments as items, if that is what they are.
    fn items_in_macro(&mut self, tokens: TokenStream) -> bool {
        if tokens.is_empty() {
            return true;
        }
        match syn::parse2::<syn::File>(as_statics(tokens)) {
            Ok(file) => {
                file.items.iter().for_each(|item| self.item(item));
                true
            }
            Err(_) => false,
        }
    }

    /// A function of which nothing is known but its name.
    pub(super) fn bare_function(&self, name: Name, span: Span, name_span: Span) -> Function {
        Function {
            name,
            module: self.module,
            owner: Owner::Module,
            span,
            name_span,
            generics: Vec::new(),
            params: Vec::new(),
            output: Type::Tuple(Vec::new()),
            body: None,
            in_test: self.in_test,
            is_recovered: false,
        }
    }

    /// The arms of `macro_rules!`, each as a function of its metavariables.
    pub(super) fn definition(&mut self, ident: &Ident, span: Span, rules: TokenStream) {
        let quiet = std::mem::replace(&mut self.quiet, true);
        let mut matcher: Option<Group> = None;
        let mut is_after_arrow = false;
        for token in rules {
            match token {
                TokenTree::Group(group) => match matcher.take() {
                    Some(matcher) if is_after_arrow => self.transcriber(ident, span, matcher.stream(), &group),
                    stray => {
                        self.stray_rule(ident, span, stray);
                        matcher = Some(group);
                    }
                },
                TokenTree::Punct(punct) => is_after_arrow = punct.as_char() == '>',
                _ => is_after_arrow = false,
            }
        }
        self.stray_rule(ident, span, matcher);
        self.quiet = quiet;
    }

    /// A group that is neither side of a rule.
    fn stray_rule(&mut self, ident: &Ident, span: Span, group: Option<Group>) {
        if let Some(group) = group.filter(|group| may_do_something(&group.stream())) {
            self.transcriber(ident, span, TokenStream::new(), &group);
        }
    }

    fn transcriber(&mut self, ident: &Ident, span: Span, matcher: TokenStream, body: &Group) {
        let mut params = Vec::new();
        metavariables(matcher, &mut params);
        let index = self.facts.functions.len();
        let mut function = self.bare_function(name(ident), span, self.places.span(ident.span()));
        function.owner = Owner::Macro;
        function.params =
            params.into_iter().map(|name| Param { pat: Pat::Ident(name, None), ty: Type::Infer }).collect();
        self.facts.functions.push(function);
        let before = std::mem::replace(&mut self.owner, Owner::Module);
        let stmts = self.stmts_of(substituted(body.stream()));
        self.owner = before;
        self.facts.functions[index].body = Some(Block { stmts });
    }
}

/// The name and the value of an argument `name = value`.
fn named(argument: &Syn) -> Option<(&Ident, &Syn)> {
    let Syn::Assign(assign) = argument else { return None };
    match &*assign.left {
        Syn::Path(path) => Some((path.path.get_ident()?, &assign.right)),
        _ => None,
    }
}

/// The names of arguments, if one has a name.
fn names<'s>(arguments: impl Iterator<Item = &'s Syn>) -> Vec<Name> {
    let names: Vec<Name> =
        arguments.map(|argument| named(argument).map(|(ident, _)| name(ident)).unwrap_or_default()).collect();
    if names.iter().all(|name| name.is_empty()) { Vec::new() } else { names }
}

/// `lazy_static!` writes `static ref X: T = ..;`, which is an item but for the `ref`, and `task_local!` writes
/// `static X: T;`, which is one but for the value.
fn as_statics(tokens: TokenStream) -> TokenStream {
    let mut plain = Vec::new();
    let (mut after_static, mut lacks_value) = (false, false);
    for token in tokens {
        let is_ref = after_static && matches!(&token, TokenTree::Ident(ident) if ident == "ref");
        after_static = matches!(&token, TokenTree::Ident(ident) if ident == "static");
        lacks_value |= after_static;
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '=' => lacks_value = false,
            TokenTree::Punct(punct) if punct.as_char() == ';' && lacks_value => {
                let mut equals = Punct::new('=', Spacing::Alone);
                let mut nothing = Group::new(Delimiter::Parenthesis, TokenStream::new());
                equals.set_span(token.span());
                nothing.set_span(token.span());
                plain.extend([TokenTree::Punct(equals), TokenTree::Group(nothing)]);
                lacks_value = false;
            }
            _ => {}
        }
        if !is_ref {
            plain.push(token);
        }
    }
    plain.into_iter().collect()
}

/// `$name:kind`, at any depth of a matcher.
fn metavariables(matcher: TokenStream, found: &mut Vec<Name>) {
    let mut tokens = matcher.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => metavariables(group.stream(), found),
            TokenTree::Punct(dollar) if dollar.as_char() == '$' => {
                if let Some(TokenTree::Ident(ident)) = tokens.peek() {
                    found.push(name(ident));
                    tokens.next();
                }
            }
            _ => {}
        }
    }
}

/// A transcriber as plain Rust: `$x` is `x`, `$( .. ),*` is what it repeats, once.
fn substituted(body: TokenStream) -> TokenStream {
    let mut plain = Vec::new();
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(dollar) if dollar.as_char() == '$' => match tokens.peek() {
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
                    let repeated = substituted(group.stream());
                    tokens.next();
                    let separator = repetition_end(&mut tokens);
                    plain.extend(repeated);
                    // `$(let $x = f();)* rest` needs nothing, `f($($x),* , $y)` has its own comma.
                    plain.extend(separator);
                }
                _ => {}
            },
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), substituted(group.stream()));
                inner.set_span(group.span());
                plain.push(TokenTree::Group(inner));
            }
            token => plain.push(token),
        }
    }
    plain.into_iter().collect()
}

/// Skips the separator and the operator of a repetition, `,*`. A `;` that separates is worth keeping.
fn repetition_end(tokens: &mut Peekable<IntoIter>) -> Option<TokenTree> {
    let mut ahead = tokens.clone();
    let mut separator = None;
    for _ in 0..3 {
        match ahead.next()? {
            TokenTree::Group(_) => return None,
            TokenTree::Punct(punct) if matches!(punct.as_char(), '*' | '+' | '?') => {
                *tokens = ahead;
                return separator;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => separator = Some(TokenTree::Punct(punct)),
            _ => {}
        }
    }
    None
}

/// Where a statement's expression ends.
fn stmt_end(stmt: &Stmt) -> Option<u32> {
    match stmt {
        Stmt::Let { init, .. } => init.as_ref().map(|init| init.span.end),
        Stmt::Semi(expr) | Stmt::Expr(expr) => Some(expr.span.end),
    }
}
