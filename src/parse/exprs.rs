//! Expressions. Chains of calls and of operators are walked, not recursed into: generated code has thousands of links.

use proc_macro2::extra::DelimSpan;
use syn::{Expr as Syn, Lit};

use super::compact::at_most;
use super::lower::{Lower, name};
use super::patterns::member;
use super::places::between;
use super::strays::may_do_something;
use super::types;
use crate::facts::{Arm, Closure, Expr, ExprKind, Link, LinkKind, Name, Param, Type};
use crate::source::Span;

impl Lower<'_> {
    pub(super) fn expr(&mut self, expr: &Syn) -> Expr {
        let lowered = self.any_expr(expr);
        self.anchor_expr(lowered.span);
        lowered
    }

    fn any_expr(&mut self, expr: &Syn) -> Expr {
        match expr {
            Syn::Await(_) | Syn::Field(_) | Syn::Index(_) | Syn::MethodCall(_) | Syn::Try(_) => self.chain(expr),
            Syn::Call(call) if is_path(&call.func) => {
                let function = self.expr(&call.func);
                let end = self.places.end(call.paren_token.span.close());
                let span = between(function.span.start, end);
                Expr { span, kind: ExprKind::Call(Box::new(function), self.exprs(&call.args)) }
            }
            Syn::Call(_) => self.chain(expr),
            Syn::Binary(_) => self.binary(expr),
            Syn::Path(path) => self.path_expr(path),
            Syn::Lit(lit) => self.lit(&lit.lit),
            Syn::Macro(call) => self.macro_expr(&call.mac),
            Syn::Group(group) => self.expr(&group.expr),
            Syn::Paren(paren) => {
                Expr { span: self.delimiters(paren.paren_token.span), kind: self.any_expr(&paren.expr).kind }
            }
            Syn::Cast(cast) => self.cast(cast),
            Syn::Reference(reference) => {
                let start = self.places.start(reference.and_token.span);
                self.prefixed(start, &reference.expr, ExprKind::Ref)
            }
            Syn::RawAddr(address) => {
                let start = self.places.start(address.and_token.span);
                self.prefixed(start, &address.expr, ExprKind::Ref)
            }
            Syn::Unary(unary) => self.unary(unary),
            _ => self.block_like(expr),
        }
    }

    /// Expressions with blocks or several parts.
    fn block_like(&mut self, expr: &Syn) -> Expr {
        match expr {
            Syn::Array(array) => {
                let kind = ExprKind::Array(self.exprs(&array.elems));
                Expr { span: self.delimiters(array.bracket_token.span), kind }
            }
            Syn::Repeat(repeat) => {
                let kind = ExprKind::Array(vec![self.expr(&repeat.expr), self.expr(&repeat.len)]);
                Expr { span: self.delimiters(repeat.bracket_token.span), kind }
            }
            Syn::Tuple(tuple) => {
                let kind = ExprKind::Tuple(self.exprs(&tuple.elems));
                Expr { span: self.delimiters(tuple.paren_token.span), kind }
            }
            Syn::Assign(assign) => {
                let (left, right) = (self.expr(&assign.left), self.expr(&assign.right));
                Expr { span: left.span.to(right.span), kind: ExprKind::Assign(Box::new(left), Box::new(right)) }
            }
            Syn::Struct(literal) => self.struct_literal(literal),
            Syn::Closure(closure) => self.closure(closure),
            Syn::Block(block) => {
                let start = block.label.as_ref().map_or(block.block.brace_token.span.open(), |l| l.name.apostrophe);
                self.braced(start, &block.block, ExprKind::Block)
            }
            Syn::Async(block) => self.braced(block.async_token.span, &block.block, ExprKind::Async),
            Syn::Const(block) => self.braced(block.const_token.span, &block.block, ExprKind::Block),
            Syn::Unsafe(block) => self.braced(block.unsafe_token.span, &block.block, ExprKind::Block),
            Syn::TryBlock(block) => self.braced(block.try_token.span, &block.block, ExprKind::Block),
            Syn::If(branch) => self.if_expr(branch),
            Syn::Match(expr) => self.match_expr(expr),
            Syn::Loop(looped) => {
                let start = looped.label.as_ref().map_or(looped.loop_token.span, |label| label.name.apostrophe);
                self.braced(start, &looped.body, |body| ExprKind::Loop(None, body))
            }
            Syn::While(looped) => {
                let start = looped.label.as_ref().map_or(looped.while_token.span, |label| label.name.apostrophe);
                let cond = Box::new(self.expr(&looped.cond));
                self.braced(start, &looped.body, |body| ExprKind::Loop(Some(cond), body))
            }
            Syn::ForLoop(looped) => {
                let start = looped.label.as_ref().map_or(looped.for_token.span, |label| label.name.apostrophe);
                let pat = self.pat(&looped.pat);
                let iter = Box::new(self.expr(&looped.expr));
                self.braced(start, &looped.body, |body| ExprKind::For(Box::new(pat), iter, body))
            }
            Syn::Let(condition) => {
                let start = self.places.start(condition.let_token.span);
                let pat = self.pat(&condition.pat);
                self.prefixed(start, &condition.expr, |value| ExprKind::Let(Box::new(pat), value))
            }
            _ => self.jump(expr),
        }
    }

    /// `return`, `break` and the like, ranges, and what the parser does not know.
    fn jump(&mut self, expr: &Syn) -> Expr {
        match expr {
            Syn::Return(jump) => self.jump_with(jump.return_token.span, jump.expr.as_deref(), ExprKind::Return),
            Syn::Yield(jump) => self.jump_with(jump.yield_token.span, jump.expr.as_deref(), ExprKind::Return),
            Syn::Break(jump) => self.jump_with(jump.break_token.span, jump.expr.as_deref(), ExprKind::Break),
            Syn::Continue(jump) => self.jump_with(jump.continue_token.span, None, ExprKind::Break),
            Syn::Infer(infer) => {
                Expr { span: self.places.span(infer.underscore_token.span), kind: ExprKind::Other(Vec::new()) }
            }
            Syn::Range(range) => {
                let dots = match &range.limits {
                    syn::RangeLimits::HalfOpen(dots) => dots.spans[0],
                    syn::RangeLimits::Closed(dots) => dots.spans[0],
                };
                let ends = [&range.start, &range.end];
                let operands: Vec<Expr> = ends.into_iter().flatten().map(|end| self.expr(end)).collect();
                let span = operands.iter().fold(self.places.span(dots), |span, operand| span.to(operand.span));
                Expr { span, kind: ExprKind::Other(operands) }
            }
            Syn::Verbatim(tokens) => self.verbatim_expr(tokens.clone()),
            _ => Expr { span: Span::default(), kind: ExprKind::Other(Vec::new()) },
        }
    }

    pub(super) fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Syn>) -> Vec<Expr> {
        let exprs = exprs.into_iter();
        at_most(exprs.size_hint().0, exprs.map(|expr| self.expr(expr)))
    }

    pub(super) fn path_expr(&mut self, expr: &syn::ExprPath) -> Expr {
        let path = types::path(expr.qself.as_ref(), &expr.path);
        Expr { span: self.path_span(expr.qself.as_ref(), &expr.path), kind: ExprKind::Path(path) }
    }

    pub(super) fn path_span(&self, qself: Option<&syn::QSelf>, path: &syn::Path) -> Span {
        let first = path.segments.first().map(|segment| segment.ident.span());
        let first = qself.map(|qself| qself.lt_token.span).or(path.leading_colon.map(|c| c.spans[0])).or(first);
        let last = path.segments.last().map(|segment| match &segment.arguments {
            syn::PathArguments::None => segment.ident.span(),
            syn::PathArguments::AngleBracketed(arguments) => arguments.gt_token.span,
            syn::PathArguments::Parenthesized(arguments) => arguments.paren_token.span.close(),
        });
        match (first, last) {
            (Some(first), Some(last)) => between(self.places.start(first), self.places.end(last)),
            _ => Span::default(),
        }
    }

    pub(super) fn lit(&mut self, lit: &Lit) -> Expr {
        let span = self.places.span(lit.span());
        let kind = match lit {
            Lit::Str(text) => ExprKind::Str(text.value()),
            Lit::ByteStr(bytes) => ExprKind::Str(String::from_utf8_lossy(&bytes.value()).into_owned()),
            Lit::CStr(text) => ExprKind::Str(text.value().to_string_lossy().into_owned()),
            Lit::Bool(value) => ExprKind::Bool(value.value),
            _ => ExprKind::Lit(Name::new(self.slice(span))),
        };
        Expr { span, kind }
    }

    fn delimiters(&self, span: DelimSpan) -> Span {
        between(self.places.start(span.open()), self.places.end(span.close()))
    }

    fn prefixed(&mut self, start: u32, operand: &Syn, kind: impl FnOnce(Box<Expr>) -> ExprKind) -> Expr {
        let operand = self.expr(operand);
        Expr { span: between(start, operand.span.end), kind: kind(Box::new(operand)) }
    }

    fn braced(
        &mut self,
        first: proc_macro2::Span,
        block: &syn::Block,
        kind: impl FnOnce(crate::facts::Block) -> ExprKind,
    ) -> Expr {
        let span = between(self.places.start(first), self.places.end(block.brace_token.span.close()));
        Expr { span, kind: kind(self.block(block)) }
    }

    fn jump_with(
        &mut self,
        keyword: proc_macro2::Span,
        value: Option<&Syn>,
        kind: impl FnOnce(Option<Box<Expr>>) -> ExprKind,
    ) -> Expr {
        let keyword = self.places.span(keyword);
        let value = value.map(|value| Box::new(self.expr(value)));
        let span = value.as_ref().map_or(keyword, |value| keyword.to(value.span));
        Expr { span, kind: kind(value) }
    }

    fn unary(&mut self, unary: &syn::ExprUnary) -> Expr {
        match &unary.op {
            syn::UnOp::Deref(star) => self.prefixed(self.places.start(star.span), &unary.expr, ExprKind::Deref),
            syn::UnOp::Not(bang) => self.prefixed(self.places.start(bang.span), &unary.expr, |operand| other(*operand)),
            syn::UnOp::Neg(minus) => {
                self.prefixed(self.places.start(minus.span), &unary.expr, |operand| other(*operand))
            }
            _ => self.prefixed(0, &unary.expr, |operand| other(*operand)),
        }
    }

    /// `x as A as B` keeps only the last type: what a value was in between matters to nobody.
    fn cast(&mut self, cast: &syn::ExprCast) -> Expr {
        let mut value = &*cast.expr;
        while let Syn::Cast(inner) = value {
            value = &inner.expr;
        }
        let value = self.expr(value);
        let end = self.type_end(&cast.ty).max(value.span.end);
        let span = between(value.span.start, end);
        // In broken code, `a as u8 ! { .. }` looks like a macro that makes a type.
        if let syn::Type::Macro(call) = &*cast.ty
            && may_do_something(&call.mac.tokens)
        {
            let body = self.macro_expr(&call.mac);
            return Expr { span: span.to(body.span), kind: ExprKind::Other(vec![value, body]) };
        }
        Expr { span, kind: ExprKind::Cast(Box::new(value), Box::new(types::ty(&cast.ty))) }
    }

    fn type_end(&self, ty: &syn::Type) -> u32 {
        match ty {
            syn::Type::Path(path) => self.path_span(path.qself.as_ref(), &path.path).end,
            syn::Type::Reference(reference) => self.type_end(&reference.elem),
            syn::Type::Ptr(pointer) => self.type_end(&pointer.elem),
            syn::Type::Infer(infer) => self.places.end(infer.underscore_token.span),
            _ => 0,
        }
    }

    /// Operators, flat: `a + b * c == d` is the four operands. `a += b` is a call that changes `a`.
    fn binary(&mut self, expr: &Syn) -> Expr {
        if let Syn::Binary(binary) = expr
            && let syn::BinOp::AddAssign(operator) = &binary.op
        {
            let (left, right) = (self.expr(&binary.left), self.expr(&binary.right));
            let span = left.span.to(right.span);
            let start = self.places.start(operator.spans[0]);
            let kind = LinkKind::Method(Name::new("add_assign"), Vec::new(), vec![right]);
            let link = Link { span: between(start, start + 2), end: span.end, kind };
            return Expr { span, kind: ExprKind::Chain(Box::new(left), vec![link]) };
        }
        let mut right_to_left = Vec::new();
        let mut leftmost = expr;
        while let Syn::Binary(binary) = leftmost {
            right_to_left.push(&*binary.right);
            leftmost = &binary.left;
        }
        let mut operands = vec![self.expr(leftmost)];
        for operand in right_to_left.into_iter().rev() {
            let operand = self.expr(operand);
            match operand.kind {
                ExprKind::Other(inner) if matches!(inner.len(), 2..) => operands.extend(inner),
                _ => operands.push(operand),
            }
        }
        let span = operands.iter().fold(operands[0].span, |span, operand| span.to(operand.span));
        Expr { span, kind: ExprKind::Other(operands) }
    }

    fn struct_literal(&mut self, literal: &syn::ExprStruct) -> Expr {
        let path = types::path(literal.qself.as_ref(), &literal.path);
        let start = self.path_span(literal.qself.as_ref(), &literal.path).start;
        let fields = literal.fields.iter().map(|field| (member(&field.member), self.expr(&field.expr)));
        let fields = at_most(literal.fields.len(), fields);
        let rest = literal.rest.as_ref().map(|rest| Box::new(self.expr(rest)));
        let span = between(start, self.places.end(literal.brace_token.span.close()));
        Expr { span, kind: ExprKind::Struct(Box::new(path), fields, rest) }
    }

    fn closure(&mut self, closure: &syn::ExprClosure) -> Expr {
        let tokens = [
            closure.constness.map(|token| token.span),
            closure.asyncness.map(|token| token.span),
            closure.capture.map(|token| token.span),
        ];
        let first = tokens.into_iter().flatten().next().unwrap_or(closure.inputs_begin.span);
        let params = at_most(closure.inputs.len(), closure.inputs.iter().map(|input| self.closure_param(input)));
        self.guards.clear();
        let body = self.expr(&closure.body);
        let span = between(self.places.start(first), body.span.end);
        Expr { span, kind: ExprKind::Closure(Box::new(Closure { params, body })) }
    }

    pub(super) fn closure_param(&mut self, pat: &syn::Pat) -> Param {
        match pat {
            syn::Pat::Type(typed) => Param { pat: self.pat(&typed.pat), ty: types::ty(&typed.ty) },
            pat => Param { pat: self.pat(pat), ty: Type::Infer },
        }
    }

    fn if_expr(&mut self, branch: &syn::ExprIf) -> Expr {
        let start = self.places.start(branch.if_token.span);
        let cond = Box::new(self.expr(&branch.cond));
        let then = self.block(&branch.then_branch);
        let otherwise = branch.else_branch.as_ref().map(|(_, otherwise)| Box::new(self.expr(otherwise)));
        let end = match &otherwise {
            Some(otherwise) => otherwise.span.end,
            None => self.places.end(branch.then_branch.brace_token.span.close()),
        };
        Expr { span: between(start, end), kind: ExprKind::If(cond, then, otherwise) }
    }

    fn match_expr(&mut self, expr: &syn::ExprMatch) -> Expr {
        let start = self.places.start(expr.match_token.span);
        let end = self.places.end(expr.brace_token.span.close());
        let scrutinee = Box::new(self.expr(&expr.expr));
        let arms = expr.arms.iter().map(|arm| self.arm(arm)).collect();
        Expr { span: between(start, end), kind: ExprKind::Match(scrutinee, arms) }
    }

    fn arm(&mut self, arm: &syn::Arm) -> Arm {
        self.guards.clear();
        let pat = self.pat(&arm.pat);
        let guard = self.take_guards();
        let body = self.expr(&arm.body);
        if self.anchors.is_some() {
            let start = syn::spanned::Spanned::span(&arm.pat);
            let start = arm.attrs.first().map_or(start, |first| first.pound_token.span);
            self.anchor(between(self.places.start(start), body.span.end));
        }
        Arm { pat, guard, body }
    }

    /// The guards of the pattern that was just read, as one expression.
    pub(super) fn take_guards(&mut self) -> Option<Expr> {
        let mut guards = std::mem::take(&mut self.guards);
        if guards.len() < 2 {
            return guards.pop();
        }
        let span = guards.iter().fold(guards[0].span, |span, guard| span.to(guard.span));
        Some(Expr { span, kind: ExprKind::Other(guards) })
    }

    /// A chain, from its end back to its root, then its links in the order of evaluation.
    fn chain(&mut self, expr: &Syn) -> Expr {
        let mut links = Vec::new();
        let mut paren = None;
        let mut root = expr;
        loop {
            if let Some(base) = base_of(root) {
                links.push(root);
                root = base;
            } else if let Syn::Paren(inner) = root
                && is_link(&inner.expr)
            {
                paren = paren.or(Some(inner.paren_token.span.open()));
                root = &inner.expr;
            } else {
                break;
            }
        }
        let root = self.expr(root);
        let start = paren.map_or(root.span.start, |paren| self.places.start(paren));
        let links: Vec<Link> = at_most(links.len(), links.into_iter().rev().filter_map(|link| self.link(link)));
        let end = links.last().map_or(root.span.end, |link| link.end);
        Expr { span: between(start, end), kind: ExprKind::Chain(Box::new(root), links) }
    }

    fn link(&mut self, link: &Syn) -> Option<Link> {
        let lowered = match link {
            Syn::MethodCall(call) => {
                let arguments = self.exprs(&call.args);
                Link {
                    span: self.places.span(call.method.span()),
                    end: self.places.end(call.paren_token.span.close()),
                    kind: LinkKind::Method(name(&call.method), types::turbofish(call.turbofish.as_ref()), arguments),
                }
            }
            Syn::Field(field) => {
                let span = match &field.member {
                    syn::Member::Named(ident) => ident.span(),
                    syn::Member::Unnamed(index) => index.span,
                };
                self.plain_link(self.places.span(span), LinkKind::Field(member(&field.member)))
            }
            Syn::Await(awaited) => self.plain_link(self.places.span(awaited.await_token.span), LinkKind::Await),
            Syn::Try(tried) => self.plain_link(self.places.span(tried.question_token.span), LinkKind::Try),
            Syn::Index(indexed) => {
                let index = Box::new(self.expr(&indexed.index));
                self.plain_link(self.delimiters(indexed.bracket_token.span), LinkKind::Index(index))
            }
            Syn::Call(call) => {
                let arguments = self.exprs(&call.args);
                self.plain_link(self.delimiters(call.paren_token.span), LinkKind::Call(arguments))
            }
            _ => return None,
        };
        Some(lowered)
    }

    fn plain_link(&self, span: Span, kind: LinkKind) -> Link {
        Link { span, end: span.end, kind }
    }
}

/// An operator with one operand.
fn other(operand: Expr) -> ExprKind {
    ExprKind::Other(vec![operand])
}

/// What a link of a chain hangs on; `None` for what is no link.
fn base_of(expr: &Syn) -> Option<&Syn> {
    match expr {
        Syn::Await(node) => Some(&node.base),
        Syn::Field(node) => Some(&node.base),
        Syn::Index(node) => Some(&node.expr),
        Syn::MethodCall(node) => Some(&node.receiver),
        Syn::Try(node) => Some(&node.expr),
        Syn::Call(node) if !is_path(&node.func) => Some(&node.func),
        _ => None,
    }
}

fn is_link(expr: &Syn) -> bool {
    match expr {
        Syn::Paren(inner) => is_link(&inner.expr),
        expr => base_of(expr).is_some(),
    }
}

fn is_path(expr: &Syn) -> bool {
    match expr {
        Syn::Paren(inner) => is_path(&inner.expr),
        expr => matches!(expr, Syn::Path(_)),
    }
}
