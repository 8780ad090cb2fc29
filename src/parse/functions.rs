//! Functions with their bodies, and statements.

use syn::{Attribute, FnArg, Signature, Visibility};

use super::compact::at_most;
use super::lower::{Lower, name};
use super::patterns::ident_path;
use super::places::between;
use super::{attrs, types};
use crate::facts::{Block, Function, Name, Owner, Param, Pat, Stmt, Type};
use crate::source::Span;

/// What the kinds of functions have in common.
pub(super) struct FnParts<'a> {
    pub(super) attributes: &'a [Attribute],
    pub(super) sig: &'a Signature,
    pub(super) span: Span,
}

impl Lower<'_> {
    pub(super) fn fn_item(&mut self, item: &syn::ItemFn) {
        let span = self.fn_span(&item.attrs, &item.vis, &item.sig, item.block.brace_token.span.close());
        self.function(&FnParts { attributes: &item.attrs, sig: &item.sig, span }, Owner::Module, Some(&item.block));
    }

    pub(super) fn impl_fn(&mut self, item: &syn::ImplItemFn) {
        let span = self.fn_span(&item.attrs, &item.vis, &item.sig, item.block.brace_token.span.close());
        self.function(&FnParts { attributes: &item.attrs, sig: &item.sig, span }, self.owner, Some(&item.block));
    }

    pub(super) fn trait_fn(&mut self, item: &syn::TraitItemFn) {
        let last = match (&item.default, &item.semi_token) {
            (Some(block), _) => block.brace_token.span.close(),
            (None, Some(semi)) => semi.span,
            (None, None) => item.sig.paren_token.span.close(),
        };
        let span = self.fn_span(&item.attrs, &Visibility::Inherited, &item.sig, last);
        self.function(&FnParts { attributes: &item.attrs, sig: &item.sig, span }, self.owner, item.default.as_ref());
    }

    /// From the first attribute or keyword to this last token.
    pub(super) fn fn_span(
        &self,
        attributes: &[Attribute],
        visibility: &Visibility,
        sig: &Signature,
        last: proc_macro2::Span,
    ) -> Span {
        between(self.first(attributes, visibility, first_of_signature(sig)), self.places.end(last))
    }

    fn function(&mut self, parts: &FnParts<'_>, owner: Owner, block: Option<&syn::Block>) {
        self.function_with(parts, owner, |lower| block.map(|block| lower.block(block)));
    }

    /// Lowers a function whose body is read by `body`, with everything that it contains.
    pub(super) fn function_with(
        &mut self,
        parts: &FnParts<'_>,
        owner: Owner,
        body: impl FnOnce(&mut Self) -> Option<Block>,
    ) -> &mut Function {
        self.anchor(parts.span);
        let is_test = attrs::is_test(parts.attributes);
        let index = self.facts.functions.len();
        let params = at_most(parts.sig.inputs.len(), parts.sig.inputs.iter().map(|input| self.param(input)));
        let function = Function {
            name: name(&parts.sig.ident),
            module: self.module,
            owner,
            span: parts.span,
            name_span: self.places.span(parts.sig.ident.span()),
            generics: types::generics(&parts.sig.generics),
            params,
            output: types::output(&parts.sig.output),
            body: None,
            in_test: self.in_test || is_test,
            is_recovered: false,
        };
        self.facts.functions.push(function);
        let before = std::mem::replace(&mut self.owner, Owner::Module);
        let body = self.tested(is_test, body);
        self.owner = before;
        let function = &mut self.facts.functions[index];
        function.body = body;
        function
    }

    pub(super) fn param(&mut self, input: &FnArg) -> Param {
        let param = match input {
            FnArg::Receiver(_) => Param { pat: Pat::Ident(Name::new_static("self"), None), ty: self_type() },
            FnArg::Typed(typed) => Param { pat: self.pat(&typed.pat), ty: types::ty(&typed.ty) },
        };
        self.guards.clear();
        param
    }

    pub(super) fn block(&mut self, block: &syn::Block) -> Block {
        Block { stmts: at_most(block.stmts.len(), block.stmts.iter().filter_map(|stmt| self.stmt(stmt))) }
    }

    /// Lowers a statement; `None` for items, which are listed elsewhere, and for a lone `;`.
    pub(super) fn stmt(&mut self, stmt: &syn::Stmt) -> Option<Stmt> {
        let lowered = match stmt {
            syn::Stmt::Item(item) => {
                self.owned_by(Owner::Module, |lower| lower.item(item));
                return None;
            }
            syn::Stmt::Expr(syn::Expr::Verbatim(tokens), Some(_)) if tokens.is_empty() => return None,
            syn::Stmt::Local(local) => return Some(self.local(local)),
            syn::Stmt::Expr(expr, semi) => {
                let lowered = self.expr(expr);
                self.anchor_stmt(outer_attributes(expr), lowered.span, semi.as_ref());
                if semi.is_some() { Stmt::Semi(lowered) } else { Stmt::Expr(lowered) }
            }
            syn::Stmt::Macro(stmt) => {
                let lowered = self.macro_expr(&stmt.mac);
                self.anchor_stmt(&stmt.attrs, lowered.span, stmt.semi_token.as_ref());
                if stmt.semi_token.is_some() { Stmt::Semi(lowered) } else { Stmt::Expr(lowered) }
            }
        };
        Some(lowered)
    }

    fn local(&mut self, local: &syn::Local) -> Stmt {
        if self.anchors.is_some() {
            let start = self.first(&local.attrs, &Visibility::Inherited, local.let_token.span);
            self.anchor(between(start, self.places.end(local.semi_token.span)));
        }
        let (pat, ty) = match &local.pat {
            syn::Pat::Type(typed) => (self.pat(&typed.pat), types::ty(&typed.ty)),
            pat => (self.pat(pat), Type::Infer),
        };
        self.guards.clear();
        let init = local.init.as_ref().map(|init| self.expr(&init.expr));
        let diverge = local.init.as_ref().and_then(|init| init.diverge.as_ref());
        let otherwise = diverge.map(|(_, otherwise)| match &**otherwise {
            syn::Expr::Block(block) => self.block(&block.block),
            other => Block { stmts: vec![Stmt::Expr(self.expr(other))] },
        });
        Stmt::Let { pat: Box::new(pat), ty, init, otherwise: otherwise.map(Box::new) }
    }

    fn anchor_stmt(&mut self, attributes: &[Attribute], span: Span, semi: Option<&syn::Token![;]>) {
        if self.anchors.is_some() {
            let start = attributes.first().map_or(span.start, |first| self.places.start(first.pound_token.span));
            let end = semi.map_or(span.end, |semi| self.places.end(semi.span));
            self.anchor(between(start.min(span.start), end));
        }
    }
}

/// `Self`, the type of receivers.
pub(super) fn self_type() -> Type {
    Type::Path(ident_path(Name::new_static("Self")))
}

fn first_of_signature(sig: &Signature) -> proc_macro2::Span {
    if let Some(token) = &sig.constness {
        return token.span;
    }
    if let Some(token) = &sig.asyncness {
        return token.span;
    }
    match (&sig.safety, &sig.abi) {
        (syn::Safety::Safe(token), _) => token.span,
        (syn::Safety::Unsafe(token), _) => token.span,
        (syn::Safety::Default, Some(abi)) => abi.extern_token.span,
        (syn::Safety::Default, None) => sig.fn_token.span,
    }
}

/// The attributes of an expression statement, which hang on the leftmost expression.
fn outer_attributes(expr: &syn::Expr) -> &[Attribute] {
    let mut leftmost = expr;
    loop {
        leftmost = match leftmost {
            syn::Expr::Assign(expr) => &expr.left,
            syn::Expr::Binary(expr) => &expr.left,
            syn::Expr::Cast(expr) => &expr.expr,
            syn::Expr::MethodCall(expr) => return &expr.attrs,
            syn::Expr::Await(expr) => return &expr.attrs,
            syn::Expr::Try(expr) => return &expr.attrs,
            syn::Expr::Call(expr) => return &expr.attrs,
            syn::Expr::Block(expr) => return &expr.attrs,
            syn::Expr::If(expr) => return &expr.attrs,
            syn::Expr::Match(expr) => return &expr.attrs,
            syn::Expr::ForLoop(expr) => return &expr.attrs,
            syn::Expr::While(expr) => return &expr.attrs,
            syn::Expr::Loop(expr) => return &expr.attrs,
            syn::Expr::Unsafe(expr) => return &expr.attrs,
            syn::Expr::Async(expr) => return &expr.attrs,
            syn::Expr::Macro(expr) => return &expr.attrs,
            _ => return &[],
        };
    }
}
