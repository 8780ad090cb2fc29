//! Facts in, the same facts in less memory out: lists that grew item by item have twice the room they need, or four times.

use crate::facts::{Block, Expr, ExprKind, FileFacts, Generic, LinkKind, Pat, Path, Stmt, Type, TypeKind};

/// Collects at most this many items without taking more room first.
pub(super) fn at_most<T>(count: usize, items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::with_capacity(count);
    list.extend(items);
    list
}

/// Takes the room back that the lists of a file's facts do not need.
pub(super) fn compact(facts: &mut FileFacts) {
    for module in &mut facts.modules {
        module.path.shrink_to_fit();
    }
    for used in &mut facts.uses {
        used.path.shrink_to_fit();
    }
    for def in &mut facts.types {
        def.attributes.shrink_to_fit();
        generics(&mut def.generics);
        match &mut def.kind {
            TypeKind::Struct(fields) => each(fields, |field| ty(&mut field.ty)),
            TypeKind::Enum(variants) => each(variants, |(_, fields)| each(fields, |field| ty(&mut field.ty))),
            TypeKind::Alias(target) => ty(target),
            TypeKind::Trait(supers, associated) => {
                each(supers, ty);
                generics(associated);
            }
        }
    }
    for found in &mut facts.impls {
        generics(&mut found.generics);
        ty(&mut found.self_type);
        found.of_trait.iter_mut().for_each(ty);
        each(&mut found.types, |field| ty(&mut field.ty));
    }
    for function in &mut facts.functions {
        generics(&mut function.generics);
        each(&mut function.params, |param| {
            pat(&mut param.pat);
            ty(&mut param.ty);
        });
        ty(&mut function.output);
        function.body.iter_mut().for_each(block);
    }
    for item in &mut facts.consts {
        ty(&mut item.ty);
        item.value.iter_mut().for_each(expr);
    }
    facts.modules.shrink_to_fit();
    facts.uses.shrink_to_fit();
    facts.types.shrink_to_fit();
    facts.impls.shrink_to_fit();
    facts.functions.shrink_to_fit();
    facts.consts.shrink_to_fit();
}

fn each<T>(items: &mut Vec<T>, item: impl FnMut(&mut T)) {
    items.iter_mut().for_each(item);
    items.shrink_to_fit();
}

fn generics(items: &mut Vec<Generic>) {
    each(items, |generic| each(&mut generic.bounds, ty));
}

fn ty(of: &mut Type) {
    match of {
        Type::Infer | Type::Other => {}
        Type::Path(named) => path(named),
        Type::Ref(inner) | Type::Slice(inner) => ty(inner),
        Type::Tuple(types) | Type::Impl(types) | Type::Dyn(types) => each(types, ty),
        Type::Fn(inputs, output) => {
            each(inputs, ty);
            ty(output);
        }
    }
}

fn path(of: &mut Path) {
    of.self_type.iter_mut().for_each(|of| ty(of));
    each(&mut of.segments, |segment| {
        if let Some(arguments) = &mut segment.arguments {
            each(&mut arguments.types, ty);
            arguments.inputs.iter_mut().for_each(|inputs| each(inputs, ty));
        }
    });
}

fn pat(of: &mut Pat) {
    match of {
        Pat::Wild => {}
        Pat::Ident(_, inner) => inner.iter_mut().for_each(|inner| pat(inner)),
        Pat::Ref(inner) => pat(inner),
        Pat::Tuple(pats) | Pat::Or(pats) | Pat::Slice(pats) => each(pats, pat),
        Pat::TupleStruct(named, pats) => {
            path(named);
            each(pats, pat);
        }
        Pat::Struct(named, fields) => {
            path(named);
            each(fields, |(_, field)| pat(field));
        }
        Pat::Typed(inner, of) => {
            pat(inner);
            ty(of);
        }
    }
}

/// Takes the room back that the lists of a body do not need.
pub(super) fn block(of: &mut Block) {
    each(&mut of.stmts, |stmt| match stmt {
        Stmt::Let { pat: left, ty: written, init, otherwise } => {
            pat(left);
            ty(written);
            init.iter_mut().for_each(expr);
            otherwise.iter_mut().for_each(|otherwise| block(otherwise));
        }
        Stmt::Semi(value) | Stmt::Expr(value) => expr(value),
    });
}

fn expr(of: &mut Expr) {
    match &mut of.kind {
        ExprKind::Path(named) => path(named),
        ExprKind::Str(text) => text.shrink_to_fit(),
        ExprKind::Bool(_) | ExprKind::Lit(_) => {}
        ExprKind::Call(callee, args) => {
            expr(callee);
            each(args, expr);
        }
        ExprKind::Chain(root, links) => {
            expr(root);
            each(links, |link| kind_of_link(&mut link.kind));
        }
        ExprKind::Macro(call) => {
            path(&mut call.path);
            each(&mut call.args, expr);
        }
        ExprKind::Ref(inner) | ExprKind::Deref(inner) => expr(inner),
        ExprKind::Cast(inner, written) => {
            expr(inner);
            ty(written);
        }
        ExprKind::Tuple(items) | ExprKind::Array(items) | ExprKind::Other(items) => each(items, expr),
        ExprKind::Struct(named, fields, base) => {
            path(named);
            each(fields, |(_, value)| expr(value));
            base.iter_mut().for_each(|base| expr(base));
        }
        ExprKind::Closure(closure) => {
            each(&mut closure.params, |param| {
                pat(&mut param.pat);
                ty(&mut param.ty);
            });
            expr(&mut closure.body);
        }
        ExprKind::Async(inner) | ExprKind::Block(inner) => block(inner),
        ExprKind::If(condition, then, otherwise) => {
            expr(condition);
            block(then);
            otherwise.iter_mut().for_each(|otherwise| expr(otherwise));
        }
        ExprKind::Match(scrutinee, arms) => {
            expr(scrutinee);
            each(arms, |arm| {
                pat(&mut arm.pat);
                arm.guard.iter_mut().for_each(expr);
                expr(&mut arm.body);
            });
        }
        ExprKind::Loop(condition, body) => {
            condition.iter_mut().for_each(|condition| expr(condition));
            block(body);
        }
        ExprKind::For(left, iter, body) => {
            pat(left);
            expr(iter);
            block(body);
        }
        ExprKind::Let(left, value) => {
            pat(left);
            expr(value);
        }
        ExprKind::Assign(left, right) => {
            expr(left);
            expr(right);
        }
        ExprKind::Return(value) | ExprKind::Break(value) => value.iter_mut().for_each(|value| expr(value)),
    }
}

fn kind_of_link(of: &mut LinkKind) {
    match of {
        LinkKind::Method(_, types, args) => {
            each(types, ty);
            each(args, expr);
        }
        LinkKind::Index(index) => expr(index),
        LinkKind::Call(args) => each(args, expr),
        LinkKind::Field(_) | LinkKind::Await | LinkKind::Try => {}
    }
}
