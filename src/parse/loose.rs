//! Statements and expressions that the parser does not accept, read as far as they go.
//!
//! Structure is kept where it is plain (calls, chains, blocks, closures, branches), every part is first tried as real Rust,
//! and what means nothing is stepped over one token at a time. Nothing here fails.

use proc_macro2::extra::DelimSpan;
use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr as Syn, Lit, Token, token};

use super::broken::item_tokens;
use super::lower::{Lower, name};
use super::patterns::member;
use super::places::between;
use super::recover::MOST_AROUND;
use super::tokens::{braces, brackets, equals, parens, parsed, parsed_by, parsed_whole, step, step_by, step_from};
use super::types;
use crate::facts::{Block, Expr, ExprKind, Link, LinkKind, MacroCall, Name, Pat, Path, Segment, Stmt, Type};
use crate::source::Span;

/// What a brace behind a path opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brace {
    /// The fields of a struct.
    Literal,
    /// The body that belongs to a condition.
    Body,
}

impl Lower<'_> {
    /// Reads one statement that does not parse. Takes at least one token; `None` for an item and for noise.
    pub(super) fn loose_stmt(&mut self, input: ParseStream<'_>) -> Option<Stmt> {
        let start = self.at(input);
        parsed_by(input, Attribute::parse_outer);
        if input.peek(Token![super]) && input.peek2(Token![let]) {
            step(input);
        }
        if input.peek(Token![let]) {
            let stmt = self.loose_let(input);
            parsed::<Token![;]>(input);
            let end = self.at(input);
            self.anchor(between(start, end));
            return Some(stmt);
        }
        if starts_item(input) && self.broken_around <= MOST_AROUND {
            let tokens = item_tokens(input);
            self.recover_inside(tokens);
            return None;
        }
        let before = input.cursor();
        let Some(value) = self.manual(input, 0) else {
            step_from(input, before);
            return None;
        };
        self.anchor(value.span);
        Some(if parsed::<Token![;]>(input).is_some() { Stmt::Semi(value) } else { Stmt::Expr(value) })
    }

    /// Everything up to the end, as expressions; what lies between them is stepped over.
    pub(super) fn pieces(&mut self, input: ParseStream<'_>) -> Vec<Expr> {
        let mut pieces = Vec::new();
        let mut from = 0;
        while !input.is_empty() {
            if input.peek(Token![,]) || input.peek(Token![;]) || input.peek(Token![=>]) || input.peek(Token![=]) {
                step(input);
                from = 0;
            } else if input.peek(Token![let]) {
                let start = self.at(input);
                let stmt = self.loose_let(input);
                let span = between(start, self.at(input));
                pieces.push(Expr { span, kind: ExprKind::Block(Block { stmts: vec![stmt] }) });
            } else {
                let before = input.cursor();
                match self.loose_expr(input, &mut from) {
                    Some(piece) => pieces.push(piece),
                    None => step_from(input, before),
                }
            }
        }
        pieces
    }

    /// Everything up to the end, without asking the parser at the places where it has been asked already.
    pub(super) fn by_hand(&mut self, input: ParseStream<'_>) -> Vec<Expr> {
        let mut parts = Vec::new();
        while !input.is_empty() {
            let before = input.cursor();
            match self.manual(input, 0) {
                Some(part) => parts.push(part),
                None => step_from(input, before),
            }
        }
        parts
    }

    /// An expression: as the parser reads it, or else by hand. Takes nothing where it returns `None`.
    ///
    /// `from` is where the last failure was; before it, another attempt would fail at the same place.
    pub(super) fn loose_expr(&mut self, input: ParseStream<'_>, from: &mut u32) -> Option<Expr> {
        match self.attempt(input, from, Syn::parse) {
            Some(expr) => Some(self.expr(&expr)),
            None => self.manual(input, *from),
        }
    }

    /// `let pat: ty = init else { .. }`, part by part.
    fn loose_let(&mut self, input: ParseStream<'_>) -> Stmt {
        step(input);
        let pat = self.known_pat(input).unwrap_or(Pat::Wild);
        let ty = match parsed::<Token![:]>(input) {
            Some(_) => self.known_type(input).unwrap_or(Type::Infer),
            None => Type::Infer,
        };
        while !input.is_empty() && !input.peek(Token![=]) && !input.peek(Token![;]) && !input.peek(Token![let]) {
            self.skip(input);
        }
        let init = if equals(input) { self.loose_expr(input, &mut 0) } else { None };
        let otherwise = parsed::<Token![else]>(input).and_then(|_| self.loose_block(input)).map(|(_, block)| block);
        Stmt::Let { pat: Box::new(pat), ty, init, otherwise: otherwise.map(Box::new) }
    }

    /// An operand, and with operators behind it their operands, flat.
    pub(super) fn manual(&mut self, input: ParseStream<'_>, mut from: u32) -> Option<Expr> {
        let mut operands = vec![self.operand(input, Brace::Literal)?];
        loop {
            if equals(input) {
                let Some(right) = self.loose_expr(input, &mut from) else { break };
                let left = flat(operands);
                let span = left.span.to(right.span);
                return Some(Expr { span, kind: ExprKind::Assign(Box::new(left), Box::new(right)) });
            }
            if input.peek(Token![as]) {
                step(input);
                let ty = parsed_whole(input, syn::Type::without_plus).map_or(Type::Other, |ty| types::ty(&ty));
                let value = flat(std::mem::take(&mut operands));
                operands.push(Expr { span: value.span, kind: ExprKind::Cast(Box::new(value), Box::new(ty)) });
            } else if operator(input) {
                operands.extend(self.operand(input, Brace::Literal));
            } else {
                break;
            }
        }
        Some(flat(operands))
    }

    pub(super) fn operand(&mut self, input: ParseStream<'_>, brace: Brace) -> Option<Expr> {
        let start = self.at(input);
        if input.peek(Token![&]) || input.peek(Token![&&]) {
            step(input);
            parsed::<Token![mut]>(input);
            return Some(self.wrapped(input, start, ExprKind::Ref, brace));
        }
        if input.peek(Token![*]) {
            step(input);
            return Some(self.wrapped(input, start, ExprKind::Deref, brace));
        }
        if (input.peek(Token![!]) || input.peek(Token![-])) && !input.peek(Token![->]) {
            step(input);
            return Some(self.wrapped(input, start, |operand| ExprKind::Other(vec![*operand]), brace));
        }
        let root = self.root(input, brace)?;
        Some(self.postfix(input, root, start))
    }

    fn wrapped(
        &mut self,
        input: ParseStream<'_>,
        start: u32,
        kind: impl FnOnce(Box<Expr>) -> ExprKind,
        brace: Brace,
    ) -> Expr {
        match self.operand(input, brace) {
            Some(operand) => Expr { span: between(start, operand.span.end), kind: kind(Box::new(operand)) },
            None => Expr { span: between(start, start + 1), kind: ExprKind::Other(Vec::new()) },
        }
    }

    /// What a chain can start with.
    fn root(&mut self, input: ParseStream<'_>, brace: Brace) -> Option<Expr> {
        if let Some(lit) = parsed::<Lit>(input) {
            return Some(self.lit(&lit));
        }
        if let Ok((span, content)) = parens(input) {
            let mut values = self.arguments(&content);
            let kind = match values.len() {
                1 => values.remove(0).kind,
                _ => ExprKind::Tuple(values),
            };
            return Some(Expr { span: self.delimited(span), kind });
        }
        if let Ok((span, content)) = brackets(input) {
            return Some(Expr { span: self.delimited(span), kind: ExprKind::Array(self.arguments(&content)) });
        }
        if let Some(values) = self.keyed_values(input) {
            return Some(values);
        }
        if let Some((span, block)) = self.loose_block(input) {
            return Some(Expr { span, kind: ExprKind::Block(block) });
        }
        self.keyword(input).or_else(|| self.path_root(input, brace))
    }

    /// `{ "key": value, .. }`, as `json!` has it: the values.
    fn keyed_values(&mut self, input: ParseStream<'_>) -> Option<Expr> {
        let ahead = input.fork();
        let (span, content) = braces(&ahead).ok()?;
        if !starts_keyed(&content) {
            return None;
        }
        input.advance_to(&ahead);
        let mut values = Vec::new();
        while !content.is_empty() {
            if starts_keyed(&content) {
                step_by(&content, 2);
            }
            values.extend(self.argument_at(&content));
        }
        Some(Expr { span: self.delimited(span), kind: ExprKind::Array(values) })
    }

    /// A path, with a macro's or a call's arguments or a literal's fields behind it.
    fn path_root(&mut self, input: ParseStream<'_>, brace: Brace) -> Option<Expr> {
        let mut path = match parsed_whole(input, syn::ExprPath::parse) {
            Some(path) => self.path_expr(&path),
            None => self.plain_path(input)?,
        };
        let start = path.span.start;
        if input.peek(Token![!]) && !input.peek(Token![!=]) {
            let ahead = input.fork();
            step(&ahead);
            if let Some(TokenTree::Group(group)) = parsed::<TokenTree>(&ahead) {
                input.advance_to(&ahead);
                let ExprKind::Path(path) = path.kind else { return None };
                let (args, names) = self.macro_args(group.stream());
                let span = between(start, self.places.end(group.span_close()));
                return Some(Expr { span, kind: ExprKind::Macro(Box::new(MacroCall { path, args, names })) });
            }
        }
        if let Ok((delimiters, content)) = parens(input) {
            let span = between(start, self.delimited(delimiters).end);
            return Some(Expr { span, kind: ExprKind::Call(Box::new(path), self.arguments(&content)) });
        }
        if brace == Brace::Literal
            && input.peek(token::Brace)
            && let ExprKind::Path(type_path) = &path.kind
            && type_path.last().starts_with(char::is_uppercase)
            && let Ok((delimiters, content)) = braces(input)
        {
            let fields = self.loose_fields(&content);
            path.span.end = self.delimited(delimiters).end;
            path.kind = ExprKind::Struct(Box::new(type_path.clone()), fields, None);
        }
        Some(path)
    }

    /// The names of a path that does not parse, as far as they go: all at once, or a long one would be tried at each.
    fn plain_path(&mut self, input: ParseStream<'_>) -> Option<Expr> {
        let first = parsed_by(input, Ident::parse_any)?;
        let mut span = self.places.span(first.span());
        let mut segments = vec![Segment { name: name(&first), ..Segment::default() }];
        while input.peek(Token![::]) && input.peek3(Ident::peek_any) {
            parsed::<Token![::]>(input);
            let next = parsed_by(input, Ident::parse_any)?;
            span = span.to(self.places.span(next.span()));
            segments.push(Segment { name: name(&next), ..Segment::default() });
        }
        Some(Expr { span, kind: ExprKind::Path(Path { self_type: None, segments }) })
    }

    fn loose_fields(&mut self, input: ParseStream<'_>) -> Vec<(Name, Expr)> {
        let mut fields = Vec::new();
        while !input.is_empty() {
            let named = input.peek2(Token![:]) && !input.peek2(Token![::]);
            let field = if named { parsed::<syn::Member>(input).map(|field| member(&field)) } else { None };
            parsed::<Token![:]>(input);
            let before = input.cursor();
            match self.loose_expr(input, &mut 0) {
                Some(value) => {
                    let shorthand = match &value.kind {
                        ExprKind::Path(path) => path.ident().cloned(),
                        _ => None,
                    };
                    fields.push((field.or(shorthand).unwrap_or_default(), value));
                }
                None => step_from(input, before),
            }
            parsed::<Token![,]>(input);
        }
        fields
    }

    /// The links behind a root.
    fn postfix(&mut self, input: ParseStream<'_>, root: Expr, start: u32) -> Expr {
        let mut links = Vec::new();
        while let Some(link) = self.loose_link(input) {
            links.push(link);
        }
        let Some(last) = links.last() else { return root };
        let span = between(start, last.end);
        match root.kind {
            ExprKind::Chain(inner, mut before) => {
                before.extend(links);
                Expr { span, kind: ExprKind::Chain(inner, before) }
            }
            _ => Expr { span, kind: ExprKind::Chain(Box::new(root), links) },
        }
    }

    fn loose_link(&mut self, input: ParseStream<'_>) -> Option<Link> {
        if let Some(token) = parsed::<Token![?]>(input) {
            return Some(link(self.places.span(token.span), LinkKind::Try));
        }
        if let Ok((span, content)) = parens(input) {
            return Some(link(self.delimited(span), LinkKind::Call(self.arguments(&content))));
        }
        if let Ok((span, content)) = brackets(input) {
            let index = flat_or_empty(self.arguments(&content), self.delimited(span));
            return Some(link(self.delimited(span), LinkKind::Index(Box::new(index))));
        }
        let is_dot = input.peek(Token![.]) && !input.peek(Token![..]);
        let names_something = input.peek2(Ident::peek_any) || input.peek2(Lit);
        if !is_dot || !names_something {
            return None;
        }
        step(input);
        if let Some(lit) = parsed::<Lit>(input) {
            let span = self.places.span(lit.span());
            return Some(link(span, LinkKind::Field(Name::new(self.slice(span)))));
        }
        let method = parsed_by(input, Ident::parse_any)?;
        let span = self.places.span(method.span());
        if method == "await" {
            return Some(link(span, LinkKind::Await));
        }
        let turbofish = parsed_by(input, syn::AngleBracketedGenericArguments::parse_turbofish);
        match parens(input) {
            Ok((delimiters, content)) => {
                let arguments = self.arguments(&content);
                let kind = LinkKind::Method(name(&method), types::turbofish(turbofish.as_ref()), arguments);
                Some(Link { span, end: self.delimited(delimiters).end, kind })
            }
            Err(_) => Some(link(span, LinkKind::Field(name(&method)))),
        }
    }

    /// Comma-separated expressions, each as far as it goes.
    fn arguments(&mut self, input: ParseStream<'_>) -> Vec<Expr> {
        let mut arguments = Vec::new();
        while !input.is_empty() {
            arguments.extend(self.argument_at(input));
        }
        arguments
    }

    /// What stands before the next comma. Takes the comma, too.
    fn argument_at(&mut self, input: ParseStream<'_>) -> Option<Expr> {
        let mut parts = Vec::new();
        let mut from = 0;
        while !input.is_empty() && !input.peek(Token![,]) {
            let before = input.cursor();
            match self.loose_expr(input, &mut from) {
                Some(part) => parts.push(part),
                None => step_from(input, before),
            }
        }
        parsed::<Token![,]>(input);
        if parts.is_empty() { None } else { Some(flat(parts)) }
    }

    /// A block in braces, statement by statement.
    pub(super) fn loose_block(&mut self, input: ParseStream<'_>) -> Option<(Span, Block)> {
        let (span, content) = braces(input).ok()?;
        let stmts = self.stmts_in(&content);
        Some((self.delimited(span), Block { stmts }))
    }

    /// Where the next token starts. Behind the last one the stream has no place: there, where the last was asked for.
    pub(super) fn at(&mut self, input: ParseStream<'_>) -> u32 {
        let at = self.places.start(input.span());
        if at > 0 {
            self.seen = at;
        }
        if input.is_empty() { self.seen } else { at }
    }

    pub(super) fn delimited(&self, span: DelimSpan) -> Span {
        between(self.places.start(span.open()), self.places.end(span.close()))
    }
}

/// Takes a binary operator, if one is next.
pub(super) fn operator(input: ParseStream<'_>) -> bool {
    if input.peek(Token![=>]) || input.peek(Token![->]) {
        return false;
    }
    if input.peek(Token![..=]) || input.peek(Token![..]) {
        step(input);
        return true;
    }
    let mut cursor = input.cursor();
    let mut tokens = 0;
    while let Some((punct, next)) = cursor.punct() {
        if !"+-*/%^&|<>=!".contains(punct.as_char()) || (tokens == 0 && matches!(punct.as_char(), '=' | '!')) {
            break;
        }
        tokens += 1;
        cursor = next;
        if punct.spacing() == proc_macro2::Spacing::Alone {
            break;
        }
    }
    let two = input.peek(Token![==]) || input.peek(Token![!=]);
    let count = if two { 2 } else { tokens };
    step_by(input, count);
    count > 0
}

/// Whether an item starts here, inside a function.
fn starts_item(input: ParseStream<'_>) -> bool {
    let Some((ident, next)) = input.cursor().ident() else { return false };
    let named = next.ident().is_some();
    match ident.to_string().as_str() {
        "fn" | "struct" | "enum" | "trait" | "mod" | "type" | "extern" | "pub" | "macro_rules" | "impl" => true,
        "union" => named,
        "use" => named || next.punct().is_some_and(|(punct, _)| punct.as_char() == ':'),
        "const" | "static" => next.ident().is_some_and(|(next, _)| next != "move" && next != "async"),
        "async" | "unsafe" | "gen" => {
            next.ident().is_some_and(|(next, _)| next == "fn" || next == "unsafe" || next == "impl")
        }
        _ => false,
    }
}

/// Whether a key stands here: a literal and a colon.
fn starts_keyed(input: ParseStream<'_>) -> bool {
    input.peek(Lit) && input.peek2(Token![:]) && !input.peek2(Token![::])
}

/// Several expressions as one.
pub(super) fn flat(mut parts: Vec<Expr>) -> Expr {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let span = parts.iter().fold(parts.first().map_or(Span::default(), |p| p.span), |span, part| span.to(part.span));
    Expr { span, kind: ExprKind::Other(parts) }
}

fn flat_or_empty(parts: Vec<Expr>, span: Span) -> Expr {
    if parts.is_empty() { Expr { span, kind: ExprKind::Other(parts) } } else { flat(parts) }
}

fn link(span: Span, kind: LinkKind) -> Link {
    Link { span, end: span.end, kind }
}
