//! Items one by one: what one of them cannot be read as hides nothing of the others.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, ImplItem, Item, Token, TraitItem};

use super::broken::{Broken, ItemEnd, item_tokens};
use super::functions::FnParts;
use super::lower::{Lower, name};
use super::places::between;
use super::tokens::{parsed, parsed_by, parsed_whole, step};
use super::{attrs, nesting};
use crate::facts::{Block, Expr, ExprKind, Field, Impl, Module, Name, Owner, Param, Stmt, TypeDef, TypeKind};
use crate::source::Span;

/// Broken items inside each other: beyond this many, they are read as statements.
pub(super) const MOST_AROUND: u32 = 32;

/// Whose items are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Members {
    Module,
    Impl,
    Trait,
}

impl Lower<'_> {
    /// Reads items up to the end of the stream.
    pub(super) fn items_of(&mut self, tokens: TokenStream, members: Members) {
        if !self.is_shallow && !nesting::is_shallow(&tokens) {
            return self.deep_items(tokens, members);
        }
        let before = std::mem::replace(&mut self.is_shallow, true);
        self.read_all(tokens, |lower, input| lower.items_in(input, members));
        self.is_shallow = before;
    }

    /// Items of which one at least nests too deep for the parser: the others are read as ever.
    fn deep_items(&mut self, tokens: TokenStream, members: Members) {
        if self.broken_around > MOST_AROUND {
            self.stmts_of(tokens);
            return;
        }
        let mut end = ItemEnd::default();
        let mut item = Vec::new();
        for token in tokens {
            if !item.is_empty() && end.is_before(&token) {
                self.deep_item(std::mem::take(&mut item), members);
                end = ItemEnd::default();
            }
            let is_last = end.is_after(&token);
            item.push(token);
            if is_last {
                self.deep_item(std::mem::take(&mut item), members);
                end = ItemEnd::default();
            }
        }
        self.deep_item(item, members);
    }

    fn deep_item(&mut self, tokens: Vec<TokenTree>, members: Members) {
        let stream: TokenStream = tokens.iter().cloned().collect();
        if nesting::is_shallow(&stream) {
            return self.items_of(stream, members);
        }
        let span = self.tokens_span(tokens.iter().cloned());
        self.blind(span, "nested too deep to be read whole".to_owned());
        self.recover_item(tokens, None);
    }

    fn items_in(&mut self, input: ParseStream<'_>, members: Members) {
        if let Some(inner) = parsed_by(input, Attribute::parse_inner)
            && attrs::is_test(&inner)
        {
            self.in_test = true;
            self.facts.modules[self.module as usize].in_test = true;
        }
        while !input.is_empty() {
            let ahead = input.fork();
            let read = match members {
                Members::Module => self.checked(input, &ahead, Item::parse).map(|item| self.item(&item)),
                Members::Impl => self.checked(input, &ahead, ImplItem::parse).map(|item| self.members_of_impl(&item)),
                Members::Trait => {
                    self.checked(input, &ahead, TraitItem::parse).map(|item| self.members_of_trait(&item))
                }
            };
            match read {
                Ok(()) => input.advance_to(&ahead),
                Err(error) => self.recover_item(item_tokens(input), Some(error)),
            }
        }
    }

    /// An item that the parser takes but does not understand.
    pub(super) fn verbatim_item(&mut self, tokens: TokenStream) {
        if self.broken_around <= MOST_AROUND {
            self.recover_item(tokens.into_iter().collect(), None);
        }
    }

    /// An expression that the parser takes but does not understand. Read by hand: the parser would take it again.
    pub(super) fn verbatim_expr(&mut self, tokens: TokenStream) -> Expr {
        let span = self.tokens_span(tokens.clone().into_iter());
        let before = self.strays.len();
        let mut parts = Vec::new();
        self.read_all(tokens, |lower, input| parts = lower.by_hand(input));
        parts.extend(self.stray_block(before));
        Expr { span, kind: ExprKind::Other(parts) }
    }

    /// Statements up to the end of the stream, those that do not parse as far as they go.
    pub(super) fn stmts_of(&mut self, tokens: TokenStream) -> Vec<Stmt> {
        if !self.is_shallow && !nesting::is_shallow(&tokens) {
            return nesting::cut(tokens).into_iter().flat_map(|piece| self.stmts_of(piece)).collect();
        }
        let before = std::mem::replace(&mut self.is_shallow, true);
        let mut stmts = Vec::new();
        self.read_all(tokens, |lower, input| stmts = lower.stmts_in(input));
        self.is_shallow = before;
        stmts
    }

    pub(super) fn stmts_in(&mut self, input: ParseStream<'_>) -> Vec<Stmt> {
        parsed_by(input, Attribute::parse_inner);
        let mut stmts = Vec::new();
        let mut from = 0;
        let strays = self.strays.len();
        while !input.is_empty() {
            if parsed::<Token![;]>(input).is_some() {
                continue;
            }
            let before = input.cursor();
            let at = self.at(input);
            // Before the place of the last failure, another attempt would fail at the same place.
            let is_hopeless = at < from || self.fuel == 0;
            match if is_hopeless { None } else { Some(self.next_stmt(input)) } {
                Some(Ok(stmt)) => stmts.extend(stmt),
                None => stmts.extend(self.loose_stmt(input)),
                Some(Err(error)) => {
                    from = self.spend(at, &error);
                    self.blind_at(&error, at);
                    stmts.extend(self.loose_stmt(input));
                }
            }
            stmts.extend(self.strays_since(strays));
            if input.cursor() == before {
                step(input);
            }
        }
        stmts
    }

    /// A statement, or the value at the end of a block.
    fn next_stmt(&mut self, input: ParseStream<'_>) -> syn::Result<Option<Stmt>> {
        let ahead = input.fork();
        match self.checked(input, &ahead, syn::Stmt::parse) {
            Ok(stmt) => {
                input.advance_to(&ahead);
                Ok(self.stmt(&stmt))
            }
            Err(error) => {
                let ahead = input.fork();
                match self.checked(input, &ahead, syn::Expr::parse) {
                    Ok(value) if ahead.is_empty() => {
                        input.advance_to(&ahead);
                        Ok(self.stmt(&syn::Stmt::Expr(value, None)))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    fn blind_at(&mut self, error: &syn::Error, fallback: u32) {
        let span = self.places.span(error.span());
        let span = if span.end == 0 { between(fallback, fallback) } else { span };
        self.blind(span, format!("not understood as Rust: {error}"));
    }

    /// Reads an item among items. What has no place in it becomes a function.
    pub(super) fn recover_item(&mut self, tokens: Vec<TokenTree>, error: Option<syn::Error>) {
        let blind_before = self.facts.blind_spots.len();
        let span = self.tokens_span(tokens.iter().cloned());
        let before = self.strays.len();
        let item = Broken::new(tokens);
        self.recover(&item);
        let stmts = self.strays_since(before);
        if !stmts.is_empty() {
            let ident = item.ident().map_or_else(Name::default, name);
            let name_span = item.ident().map_or(span, |ident| self.places.span(ident.span()));
            let mut function = self.bare_function(ident, span, name_span);
            function.is_recovered = true;
            function.in_test |= attrs::is_test(&item.attributes);
            function.body = Some(Block { stmts });
            self.facts.functions.push(function);
        }
        if let Some(error) = error
            && self.facts.blind_spots.len() == blind_before
        {
            self.blind_at(&error, span.start);
        }
    }

    /// Reads an item among statements. What has no place in it belongs to the block.
    pub(super) fn recover_inside(&mut self, tokens: Vec<TokenTree>) {
        self.recover(&Broken::new(tokens));
    }

    /// Reads an item from its tokens: what it is by its keyword, its parts as far as they parse.
    fn recover(&mut self, item: &Broken) {
        let is_test = attrs::is_test(&item.attributes);
        self.broken_around += 1;
        self.tested(is_test, |lower| match item.keyword.as_str() {
            "fn" => lower.recover_fn(item),
            "impl" => lower.recover_impl(item),
            "mod" => lower.recover_mod(item),
            "trait" => lower.recover_trait(item),
            "struct" | "enum" | "union" => lower.recover_type(item),
            _ => lower.stray_tokens(item.after_name()),
        });
        self.broken_around -= 1;
    }

    fn recover_fn(&mut self, item: &Broken) {
        let span = self.tokens_span(item.tokens.iter().cloned());
        let owner = if self.owner == Owner::Macro { Owner::Module } else { self.owner };
        let body = item.body();
        if let Some(header) = item.with_empty_body::<syn::ImplItemFn>() {
            let parts = FnParts { attributes: &header.attrs, sig: &header.sig, span };
            let function = self
                .function_with(&parts, owner, |lower| body.map(|body| Block { stmts: lower.stmts_of(body.stream()) }));
            function.is_recovered = true;
            return;
        }
        let (Some(ident), Some((params, rest))) = (item.own_name(), item.params()) else {
            return self.stray_tokens(item.after_name());
        };
        let before = self.strays.len();
        let index = self.facts.functions.len();
        let mut function = self.bare_function(name(ident), span, self.places.span(ident.span()));
        function.owner = owner;
        function.is_recovered = true;
        self.facts.functions.push(function);
        let owner = std::mem::replace(&mut self.owner, Owner::Module);
        let params = params.map(|group| self.params_of(group.stream())).unwrap_or_default();
        self.facts.functions[index].params = params;
        self.stray_tokens(rest);
        let mut stmts = self.strays_since(before);
        stmts.extend(self.stmts_of(body.map(|body| body.stream()).unwrap_or_default()));
        self.facts.functions[index].body = Some(Block { stmts });
        self.owner = owner;
    }

    fn params_of(&mut self, tokens: TokenStream) -> Vec<Param> {
        let mut params = Vec::new();
        if !nesting::is_shallow(&tokens) {
            self.stray_tokens(tokens);
            return params;
        }
        self.read_all(tokens, |lower, input| {
            while !input.is_empty() {
                params.extend(parsed_whole(input, FnArg::parse).map(|input| lower.param(&input)));
                while !input.is_empty() && parsed::<Token![,]>(input).is_none() {
                    lower.skip(input);
                }
            }
        });
        params
    }

    fn recover_impl(&mut self, item: &Broken) {
        let Some(body) = item.body() else { return self.stray_tokens(item.after_name()) };
        let header = item.with_empty_body::<syn::ItemImpl>().or_else(|| item.without_const());
        if header.is_none() {
            self.stray_tokens(item.head());
        }
        let lowered = match header {
            Some(header) => self.impl_header(&header),
            None => Impl {
                module: self.module,
                generics: Vec::new(),
                self_type: item.type_after_for(),
                of_trait: None,
                types: Vec::new(),
            },
        };
        self.in_impl(lowered, |lower| lower.items_of(body.stream(), Members::Impl));
    }

    fn recover_mod(&mut self, item: &Broken) {
        let (Some(ident), Some(body)) = (item.own_name(), item.body()) else {
            return self.stray_tokens(item.after_name());
        };
        self.stray_tokens(item.head());
        let module = Module {
            path: self.module_path(name(ident)),
            span: self.tokens_span(item.tokens.iter().cloned()),
            is_declaration: false,
            in_test: self.in_test,
        };
        self.in_module(module, |lower| lower.items_of(body.stream(), Members::Module));
    }

    fn recover_trait(&mut self, item: &Broken) {
        let (Some(ident), Some(body)) = (item.own_name(), item.body()) else {
            return self.stray_tokens(item.after_name());
        };
        if item.with_empty_body::<syn::ItemTrait>().is_none() {
            self.stray_tokens(item.head());
        }
        let index = self.recovered_type(ident, TypeKind::Trait(Vec::new(), Vec::new()), &item.attributes);
        self.owned_by(Owner::Trait(index), |lower| lower.items_of(body.stream(), Members::Trait));
    }

    fn recover_type(&mut self, item: &Broken) {
        let Some(ident) = item.own_name() else { return self.stray_tokens(item.after_name()) };
        let mut fields = Vec::new();
        if item.with_empty_body::<syn::DeriveInput>().is_none() {
            self.stray_tokens(item.head());
        }
        match item.body().map(|body| body.stream()) {
            Some(body) if item.keyword == "enum" => self.stray_tokens(body),
            Some(body) if nesting::is_shallow(&body) => {
                self.read_all(body, |lower, input| fields = lower.fields_of(input))
            }
            body => self.stray_tokens(body.unwrap_or_default()),
        }
        let kind = if item.keyword == "enum" { TypeKind::Enum(Vec::new()) } else { TypeKind::Struct(fields) };
        self.recovered_type(ident, kind, &item.attributes);
    }

    fn recovered_type(&mut self, ident: &Ident, kind: TypeKind, attributes: &[Attribute]) -> u32 {
        self.facts.types.push(TypeDef {
            name: name(ident),
            module: self.module,
            span: self.places.span(ident.span()),
            generics: Vec::new(),
            kind,
            attributes: attrs::names(attributes),
        });
        crate::source::to_u32(self.facts.types.len() - 1)
    }

    pub(super) fn tokens_span(&self, tokens: impl Iterator<Item = TokenTree>) -> Span {
        let mut spans = tokens.map(|token| token.span());
        let Some(first) = spans.next() else { return Span::default() };
        let last = spans.last().unwrap_or(first);
        between(self.places.start(first), self.places.end(last))
    }

    /// The fields of a struct that does not parse, those that do.
    fn fields_of(&mut self, input: ParseStream<'_>) -> Vec<Field> {
        let mut fields = Vec::new();
        while !input.is_empty() {
            parsed_by(input, Attribute::parse_outer);
            parsed::<syn::Visibility>(input);
            let named = parsed::<Ident>(input).filter(|_| parsed::<Token![:]>(input).is_some());
            let ty = self.known_type(input);
            if let (Some(ident), Some(ty)) = (named, ty) {
                fields.push(Field { name: name(&ident), ty });
            }
            while !input.is_empty() && parsed::<Token![,]>(input).is_none() {
                self.skip(input);
            }
        }
        fields
    }
}
