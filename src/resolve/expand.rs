//! Macros of the run: their statements are judged once, at the definition; what a call makes of its handles is found here.

use std::cell::Cell;
use std::rc::Rc;

use super::Reader;
use super::dispatch::Reached;
use super::value::{Bind, ClosureVal, Val};
use crate::facts::{Expr, ExprKind, MacroCall, Name, Param, Pat};
use crate::index::{FnId, OwnerInfo};
use crate::program::{Place, Scope, ScopeKind};

/// A macro in a macro deeper than this is not looked into.
const MAX_MACRO_DEPTH: u32 = 3;

impl<'a> Reader<'_, 'a> {
    /// The arguments of a macro. A block waits for the macro, if a name beside it is yet to get its value there:
    /// `with_tx!(pool, tx, { .. })`.
    pub(super) fn macro_arguments(&mut self, call: &'a MacroCall) -> Vec<Val<'a>> {
        let is_own = self.all.index.macros_by_name.contains_key(call.path.last());
        let has_block = call.args.iter().any(|arg| matches!(arg.kind, ExprKind::Block(_)));
        if !is_own || !has_block {
            return self.arguments(&call.args);
        }
        let mut idents = Vec::new();
        for (at, arg) in call.args.iter().enumerate() {
            if let ExprKind::Path(path) = &arg.kind
                && let Some(name) = path.ident()
                && self.eval(arg).is_unknown()
                && self.f.lookup(name).is_none()
            {
                idents.push((at, name.clone()));
            }
        }
        let value = |arg: &'a Expr| match &arg.kind {
            ExprKind::Block(_) if !idents.is_empty() => self.block_for_macro(arg, idents.clone()),
            _ => self.eval(arg),
        };
        call.args.iter().map(value).collect()
    }

    fn block_for_macro(&self, block: &'a Expr, idents: Vec<(usize, Name)>) -> Val<'a> {
        Val::Closure(Rc::new(ClosureVal {
            params: &[],
            idents,
            body: block,
            env: self.f.env.clone(),
            used: Rc::default(),
            is_running: Cell::new(false),
            quiet: self.all.quiet,
            names: Vec::new(),
        }))
    }

    /// Hands what a macro is given to its definition, and says what the call gives.
    pub(super) fn hand_to_macro(&mut self, expr: &'a Expr, name: &str, values: &[Val<'a>]) -> Val<'a> {
        let index = self.all.index;
        let Some(arms) = index.macros_by_name.get(name) else { return Val::Unknown };
        let place = self.f.place(expr.span);
        let mut made = Val::Unknown;
        for arm in arms {
            let is_macro = index.owner(*arm) == OwnerInfo::Macro;
            let count = index.function(*arm).params.len();
            if is_macro && arms.len() > 1 && count != values.len() && !is_taken_apart(count, values) {
                continue;
            }
            self.note_call(Reached::One(*arm), place);
            let given = by_metavariable(count, values);
            for (at, value) in &given {
                self.hand_to_param(place, Reached::One(*arm), *at, value);
            }
            let scope = Rc::new(Scope { kind: ScopeKind::Closure, place: Some(place), name: format!("{name}!") });
            let (mut value, opens_scope) = self.expanded(*arm, &without_closures(&given), &scope);
            let unused = |value: &&Val<'a>| matches!(value, Val::Closure(closure) if !closure.used.get());
            if let Some(closure) = values.iter().find(unused) {
                if opens_scope || self.all.summary(*arm).opens_scope {
                    // A macro that opens a scope and takes a closure runs it there.
                    let handle = self.scoped_handle(None, &scope);
                    self.in_scope(&scope, closure, vec![handle]);
                } else {
                    value = self.expanded(*arm, &spliced(&index.function(*arm).params, &given), &scope).0;
                }
            }
            if made.is_unknown() {
                made = value;
            }
        }
        made
    }

    /// What the body of an arm makes of these values: read where the call is, and without a word about its statements.
    fn expanded(&mut self, arm: FnId, given: &[(usize, Val<'a>)], scope: &Rc<Scope>) -> (Val<'a>, bool) {
        let function = self.all.index.function(arm);
        let has_handle = given.iter().any(|(_, value)| matches!(value, Val::Handle(_) | Val::Obj(_)));
        let Some(body) = function.body.as_ref().filter(|_| has_handle && self.all.quiet < MAX_MACRO_DEPTH) else {
            return (Val::Unknown, false);
        };
        let variables = self.f.env.len();
        let before: Vec<(Bind, Option<Place>)> =
            self.f.handles.iter().map(|handle| (handle.bind.clone(), handle.ended)).collect();
        for (at, value) in given {
            if let Some(Pat::Ident(name, _)) = function.params.get(*at).map(|param| &param.pat) {
                self.f.env.push((name.clone(), value.clone()));
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

/// How many metavariables `|$conn:ident| $body:block` has for the closure's parameters.
fn taken_params(value: &Val<'_>) -> usize {
    match value {
        Val::Closure(closure) => closure.params.len(),
        _ => 0,
    }
}

/// Whether so many metavariables are what a macro has that takes its closures apart.
fn is_taken_apart(count: usize, values: &[Val<'_>]) -> bool {
    count == values.len() + values.iter().map(taken_params).sum::<usize>()
}

/// Which metavariable each value is for; a closure that is taken apart is for its body's.
fn by_metavariable<'a>(count: usize, values: &[Val<'a>]) -> Vec<(usize, Val<'a>)> {
    let is_taken_apart = is_taken_apart(count, values);
    let mut at = 0;
    let place = |value: &Val<'a>| {
        at += if is_taken_apart { taken_params(value) } else { 0 };
        at += 1;
        (at - 1, value.clone())
    };
    values.iter().map(place).collect()
}

fn without_closures<'a>(given: &[(usize, Val<'a>)]) -> Vec<(usize, Val<'a>)> {
    given.iter().filter(|(_, value)| !matches!(value, Val::Closure(_))).cloned().collect()
}

/// The same, where a closure or block that the macro takes apart knows which metavariables its names are.
fn spliced<'a>(params: &[Param], given: &[(usize, Val<'a>)]) -> Vec<(usize, Val<'a>)> {
    let name_of = |at: usize| match params.get(at).map(|param| &param.pat) {
        Some(Pat::Ident(name, _)) => Some(name.clone()),
        _ => None,
    };
    let splice = |(at, value): &(usize, Val<'a>)| match value {
        Val::Closure(closure) => {
            let before = given.iter().filter(|(other, _)| other < at).map(|(other, _)| other + 1).max().unwrap_or(0);
            let of_params = (before..*at).filter_map(name_of);
            let of_idents = closure.idents.iter().filter_map(|(arg, _)| name_of(given.get(*arg)?.0));
            (*at, Val::Closure(Rc::new(closure.taken_apart(of_params.chain(of_idents).collect()))))
        }
        other => (*at, other.clone()),
    };
    given.iter().map(splice).collect()
}
