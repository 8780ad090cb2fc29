//! Macros of the run: their statements are judged once, at the definition; what a call makes of its handles is found here.

use std::rc::Rc;

use super::Reader;
use super::value::{Bind, Val};
use crate::facts::{Expr, Pat};
use crate::index::{FnId, OwnerInfo};
use crate::program::{Place, Scope, ScopeKind};

/// A macro in a macro deeper than this is not looked into.
const MAX_MACRO_DEPTH: u32 = 3;

impl<'a> Reader<'_, 'a> {
    /// Hands what a macro is given to its definition, and says what the call gives.
    pub(super) fn hand_to_macro(&mut self, expr: &'a Expr, name: &str, values: &[Val<'a>]) -> Val<'a> {
        let index = self.all.index;
        let Some(arms) = index.macros_by_name.get(name) else { return Val::Unknown };
        let place = self.f.place(expr.span);
        let mut made = Val::Unknown;
        for arm in arms {
            let is_macro = index.owner(*arm) == OwnerInfo::Macro;
            if is_macro && arms.len() > 1 && index.function(*arm).params.len() != values.len() {
                continue;
            }
            self.note_call(*arm, place);
            for (at, value) in values.iter().enumerate() {
                self.hand_to_param(place, *arm, at, value);
            }
            let scope = Rc::new(Scope { kind: ScopeKind::Closure, place: Some(place), name: format!("{name}!") });
            let (value, opens_scope) = self.expanded(*arm, values, &scope);
            if made.is_unknown() {
                made = value;
            }
            // A macro that opens a scope and takes a closure runs it there.
            let closure = values.iter().find(|value| matches!(value, Val::Closure(closure) if !closure.used.get()));
            if let Some(closure) = closure
                && (opens_scope || self.all.summary(*arm).opens_scope)
            {
                let handle = self.scoped_handle(None, &scope);
                self.in_scope(&scope, closure, vec![handle]);
            }
        }
        made
    }

    /// What the body of an arm makes of these values: read where the call is, and without a word about its statements.
    fn expanded(&mut self, arm: FnId, values: &[Val<'a>], scope: &Rc<Scope>) -> (Val<'a>, bool) {
        let function = self.all.index.function(arm);
        let has_handle = values.iter().any(|value| matches!(value, Val::Handle(_) | Val::Obj(_)));
        let Some(body) = function.body.as_ref().filter(|_| has_handle && self.all.quiet < MAX_MACRO_DEPTH) else {
            return (Val::Unknown, false);
        };
        let variables = self.f.env.len();
        let before: Vec<(Bind, Option<Place>)> =
            self.f.handles.iter().map(|handle| (handle.bind.clone(), handle.ended)).collect();
        for (param, value) in function.params.iter().zip(values) {
            if let Pat::Ident(name, _) = &param.pat {
                let value = if matches!(value, Val::Closure(_)) { Val::Unknown } else { value.clone() };
                self.f.env.push((name.clone(), value));
            }
        }
        let opened_before = std::mem::take(&mut self.f.opens_scope);
        let was_diverged = self.f.diverged;
        let exits = std::mem::take(&mut self.f.exits);
        let returns = std::mem::take(&mut self.f.returns);
        self.all.quiet += 1;
        let value = self.block(body);
        self.all.quiet -= 1;
        self.f.returns = returns;
        self.f.exits = exits;
        self.f.diverged = was_diverged;
        self.f.env.truncate(variables);
        let opens_scope = self.f.opens_scope;
        self.f.opens_scope |= opened_before;
        self.at_the_call(&before, scope);
        (value, opens_scope)
    }

    /// What a macro did to handles, it did where it was called.
    fn at_the_call(&mut self, before: &[(Bind, Option<Place>)], scope: &Rc<Scope>) {
        let guard = Rc::new(Scope { kind: ScopeKind::Guard, ..(**scope).clone() });
        for (id, handle) in self.f.handles.iter_mut().enumerate() {
            let old = before.get(id);
            let is_bound_here =
                matches!(&handle.bind, Bind::Scope(of) if !matches!(of.kind, ScopeKind::Session | ScopeKind::Type));
            if is_bound_here && old.is_none_or(|(bind, _)| *bind != handle.bind) {
                handle.bind = Bind::Scope(Rc::clone(&guard));
            }
            if handle.ended.is_some() && old.is_none_or(|(_, ended)| *ended != handle.ended) {
                handle.ended = guard.place;
            }
        }
    }
}
