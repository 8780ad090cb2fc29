//! Facts of one Rust file in, the SQL of its migrations out: the texts in `up` of a `MigrationTrait`, in order.
//!
//! Loops over arrays of literals are unrolled, and `format!` is filled in as far as its values are known.

use std::collections::BTreeMap;

use super::replay::Origin;
use crate::facts::{Block, Closure, Expr, ExprKind, FileFacts, Function, LinkKind, Owner, Pat, Stmt};
use crate::program::{FileId, Place};
use crate::source::{SourceFile, Span};
use crate::sql::analyse;
use crate::sql::template::{Piece, pieces};

/// A text of a migration written in Rust.
#[derive(Clone, Debug)]
pub struct RustText {
    /// The SQL.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

/// The texts that a file's migrations send, in order. Empty for files without migrations.
#[must_use]
pub fn texts(id: FileId, file: &SourceFile, facts: &FileFacts) -> Vec<RustText> {
    let consts = facts.consts.iter().filter_map(|item| Some((item.name.to_string(), item.value.as_ref()?))).collect();
    let mut reader = Reader { id, file, consts, variables: Vec::new(), texts: Vec::new() };
    for function in facts.functions.iter().filter(|function| is_up(function, facts)) {
        if let Some(body) = &function.body {
            reader.block(body);
        }
    }
    reader.texts
}

/// The places of a file's migrations, both ways.
#[must_use]
pub fn places(id: FileId, facts: &FileFacts) -> Vec<Place> {
    let migrations = facts.functions.iter().filter(|function| is_migration(function, facts));
    migrations.map(|function| Place { file: id, span: function.span }).collect()
}

fn is_up(function: &Function, facts: &FileFacts) -> bool {
    function.name == "up" && is_migration(function, facts)
}

fn is_migration(function: &Function, facts: &FileFacts) -> bool {
    let Owner::Impl(index) = function.owner else { return false };
    let of_trait = facts.impls.get(index as usize).and_then(|found| found.of_trait.as_ref());
    let is_named = |ty: &crate::facts::Type| match ty {
        crate::facts::Type::Path(path) => path.last() == "MigrationTrait",
        _ => false,
    };
    of_trait.is_some_and(is_named)
}

struct Reader<'a> {
    id: FileId,
    file: &'a SourceFile,
    consts: BTreeMap<String, &'a Expr>,
    variables: Vec<(String, String)>,
    texts: Vec<RustText>,
}

impl<'a> Reader<'a> {
    fn block(&mut self, block: &'a Block) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Let { pat, init, otherwise, .. } => {
                    if let (Pat::Ident(name, None), Some(text)) =
                        (pat.as_ref(), init.as_ref().and_then(|init| self.text(init)))
                    {
                        self.variables.push((name.to_string(), text));
                    } else {
                        init.iter().for_each(|init| self.expr(init));
                    }
                    otherwise.iter().for_each(|block| self.block(block));
                }
                Stmt::Semi(expr) | Stmt::Expr(expr) => self.expr(expr),
            }
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        if let Some(text) = self.text(expr) {
            self.found(expr, text);
            return;
        }
        match &expr.kind {
            ExprKind::Chain(root, links) => {
                self.expr(root);
                for link in links {
                    match &link.kind {
                        LinkKind::Method(_, _, args) | LinkKind::Call(args) => self.each(args),
                        LinkKind::Index(index) => self.expr(index),
                        LinkKind::Field(_) | LinkKind::Await | LinkKind::Try => {}
                    }
                }
            }
            ExprKind::Call(callee, args) => {
                self.expr(callee);
                self.each(args);
            }
            ExprKind::For(pat, iter, body) => self.repeat(pat, iter, body),
            ExprKind::Macro(call) => self.each(&call.args),
            ExprKind::Ref(inner)
            | ExprKind::Deref(inner)
            | ExprKind::Cast(inner, _)
            | ExprKind::Let(_, inner)
            | ExprKind::Return(Some(inner))
            | ExprKind::Break(Some(inner)) => self.expr(inner),
            ExprKind::Tuple(items) | ExprKind::Array(items) | ExprKind::Other(items) => self.each(items),
            ExprKind::Struct(_, fields, base) => {
                fields.iter().for_each(|(_, value)| self.expr(value));
                base.iter().for_each(|base| self.expr(base));
            }
            ExprKind::Closure(closure) => {
                let Closure { body, .. } = closure.as_ref();
                self.expr(body);
            }
            ExprKind::Async(block) | ExprKind::Block(block) => self.block(block),
            ExprKind::If(condition, then, otherwise) => {
                self.expr(condition);
                self.block(then);
                otherwise.iter().for_each(|otherwise| self.expr(otherwise));
            }
            ExprKind::Match(scrutinee, arms) => {
                self.expr(scrutinee);
                arms.iter().for_each(|arm| self.expr(&arm.body));
            }
            ExprKind::Loop(condition, body) => {
                condition.iter().for_each(|condition| self.expr(condition));
                self.block(body);
            }
            ExprKind::Assign(_, value) => self.expr(value),
            ExprKind::Path(_)
            | ExprKind::Str(_)
            | ExprKind::Bool(_)
            | ExprKind::Lit(_)
            | ExprKind::Return(None)
            | ExprKind::Break(None) => {}
        }
    }

    fn each(&mut self, exprs: &'a [Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn repeat(&mut self, pat: &Pat, iter: &'a Expr, body: &'a Block) {
        let name = match pat {
            Pat::Ident(name, None) => name.to_string(),
            Pat::Ref(inner) if matches!(inner.as_ref(), Pat::Ident(_, None)) => match inner.as_ref() {
                Pat::Ident(name, _) => name.to_string(),
                _ => return self.block(body),
            },
            _ => return self.block(body),
        };
        let Some(items) = self.items(iter, 0) else { return self.block(body) };
        let before = self.variables.len();
        for item in items {
            self.variables.push((name.clone(), item));
            self.block(body);
            self.variables.truncate(before);
        }
    }

    /// The texts of an array of literals, also behind `&`, `.iter()` and a constant.
    fn items(&self, expr: &Expr, depth: usize) -> Option<Vec<String>> {
        match &expr.kind {
            ExprKind::Array(items) => items.iter().map(|item| self.text(item)).collect(),
            ExprKind::Macro(call) if call.path.last() == "vec" => {
                call.args.iter().map(|item| self.text(item)).collect()
            }
            ExprKind::Ref(inner) => self.items(inner, depth),
            ExprKind::Chain(root, _) => self.items(root, depth),
            ExprKind::Path(path) if depth < 3 => self.items(self.consts.get(path.last())?, depth + 1),
            _ => None,
        }
    }

    /// The text of an expression, with `{}` for what is not known; `None` where it is no text at all.
    fn text(&self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Str(text) => Some(text.clone()),
            ExprKind::Ref(inner) => self.text(inner),
            ExprKind::Path(path) => {
                let name = path.last();
                let variable = self.variables.iter().rev().find(|(variable, _)| variable == name);
                if let Some((_, value)) = variable {
                    return Some(value.clone());
                }
                match &self.consts.get(name)?.kind {
                    ExprKind::Str(text) => Some(text.clone()),
                    _ => None,
                }
            }
            ExprKind::Chain(root, links) => {
                let keeps = ["to_owned", "to_string", "into", "as_str", "trim"];
                let only_converted = links.iter().all(|link| match &link.kind {
                    LinkKind::Method(name, _, args) => args.is_empty() && keeps.contains(&name.as_str()),
                    _ => false,
                });
                only_converted.then(|| self.text(root))?
            }
            ExprKind::Macro(call) if call.path.last() == "format" => {
                let (pattern, values) = call.args.split_first()?;
                let ExprKind::Str(pattern) = &pattern.kind else { return None };
                Some(self.format(pattern, values))
            }
            ExprKind::Macro(call) if call.path.last() == "concat" => {
                call.args.iter().map(|part| self.text(part)).collect()
            }
            _ => None,
        }
    }

    fn format(&self, template: &str, values: &[Expr]) -> String {
        let mut next = 0..;
        let variable = |name: &str| self.variables.iter().rev().find(|(variable, _)| variable == name);
        let put_in = |piece: Piece<'_>| match piece {
            Piece::Text(text) => Some(text.to_owned()),
            Piece::Hole(hole) => match if hole.is_empty() { next.next() } else { hole.parse::<usize>().ok() } {
                Some(at) => values.get(at).and_then(|value| self.text(value)),
                None => variable(hole).map(|(_, value)| value.clone()),
            },
        };
        pieces(template).into_iter().map(put_in).map(|text| text.unwrap_or_else(|| "{}".to_owned())).collect()
    }

    fn found(&mut self, expr: &Expr, text: String) {
        if analyse(&text).operation.is_some() {
            let origin = self.origin(expr);
            self.texts.push(RustText { text, origin });
        }
    }

    /// A literal without escapes is where its text is; every other text is where its expression is.
    fn origin(&self, expr: &Expr) -> Origin {
        let written = self.file.slice(expr.span);
        let quote =
            written.find('"').filter(|_| matches!(&expr.kind, ExprKind::Str(text) if written.contains(text.as_str())));
        match quote {
            Some(quote) => {
                let base = expr.span.start + crate::source::to_u32(quote) + 1;
                Origin { file: self.id, base, whole: None }
            }
            None => Origin { file: self.id, base: 0, whole: Some(first_line(self.file, expr.span)) },
        }
    }
}

fn first_line(file: &SourceFile, span: Span) -> Span {
    let line = file.line_span(file.line(span.start));
    let end = span.end.min(line.start + crate::source::to_u32(file.line_text(file.line(span.start)).len()));
    Span { start: span.start, end: end.max(span.start) }
}
