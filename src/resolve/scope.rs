//! What binds a tenant: the rules' scope functions, statements that set the tenant, and functions of the run that do either.

use std::rc::Rc;

use super::Reader;
use super::value::{Bind, Summary, Val};
use crate::facts::{Expr, Name, Path};
use crate::program::{Event, EventKind, Inferred, Place, Scope, ScopeKind};
use crate::rules::{HandleKind, Place as Slot, ScopeCall};

/// What is called, as it is written.
#[derive(Clone, Copy)]
pub(super) enum Callee<'c, 'a> {
    /// A path, with its names in full.
    Path(&'c Path, &'c [Name]),
    /// A macro, with its names in full.
    Macro(&'c [Name]),
    /// A method of a value.
    Method(&'c Val<'a>, &'c Name),
}

impl<'a> Reader<'_, 'a> {
    /// A call of a scope function of the rules.
    pub(super) fn scope_call(
        &mut self,
        expr: &'a Expr,
        callee: Callee<'_, 'a>,
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> Option<Val<'a>> {
        let (full, receiver) = match callee {
            Callee::Path(_, full) | Callee::Macro(full) => (full, None),
            Callee::Method(receiver, name) => (std::slice::from_ref(name), Some(receiver)),
        };
        let book = &self.all.index.book;
        let last = full.last()?.as_str();
        let find = |rows: Option<&Vec<(crate::index::PathPattern<'a>, &'a ScopeCall)>>| -> Option<&'a ScopeCall> {
            let fits = |row: &&(crate::index::PathPattern<'a>, &'a ScopeCall)| {
                row.0.matches(full) && row.1.arity.is_none_or(|arity| arity == args.len())
            };
            Some(rows?.iter().find(fits)?.1)
        };
        let closure = find(book.closures.get(last));
        let guard = find(book.guards.get(last));
        let setter = find(book.setters.get(last));
        let bypass =
            book.bypasses.get(last).and_then(|rows| rows.iter().find(|row| row.0.matches(full))).map(|row| row.1);
        if let Some(row) = closure {
            if self.is_inferred_scope(callee, args.len()) {
                return None;
            }
            return self.closure_call(expr, row, receiver, values);
        }
        let place = self.f.place(expr.span);
        if let Some(row) = guard {
            let pack = self.pack_among(receiver, values);
            let handle = self.guard_of(place, row, pack);
            self.run_unused(values);
            return Some(match row.handle {
                Slot::Tuple(at) => {
                    let mut parts = vec![Val::Unknown; at + 1];
                    parts[at] = handle;
                    Val::Tuple(parts.into())
                }
                _ => handle,
            });
        }
        if let Some(row) = setter {
            self.setter_call(place, row, receiver, values);
            return Some(Val::Unknown);
        }
        let row = bypass?;
        self.all.used_rules.insert(row.call.clone());
        self.note(place, EventKind::RlsBypass(format!("`{}`: {}", row.call, row.reason)), None);
        let bind = Bind::Bypass(Rc::from(row.reason.as_str()));
        let handle = super::frame::Frame::new_handle(self.pack_among(receiver, values), HandleKind::Connection, bind);
        let handle = Val::Handle(self.f.add_handle(handle));
        for value in values {
            if matches!(value, Val::Closure(_)) {
                self.call_value(expr, value, vec![handle.clone()]);
            }
        }
        Some(handle)
    }

    /// `set_tenant(&mut tx, id)`: binds the handle that the rule names.
    fn setter_call(&mut self, place: Place, row: &'a ScopeCall, receiver: Option<&Val<'a>>, values: &[Val<'a>]) {
        self.all.used_rules.insert(row.call.clone());
        let target = match row.handle {
            Slot::Receiver => receiver.cloned(),
            Slot::Arg(at) => values.get(at).cloned(),
            _ => None,
        };
        if let Some(id) = target.and_then(|target| self.as_handle(&target)) {
            let scope = Scope { kind: ScopeKind::Setter, place: Some(place), name: row.call.clone() };
            self.bind_handle(place, id, Bind::Scope(Rc::new(scope)), &row.call);
        }
    }

    /// `with_tenant(pool, id, |tx| ..)`; without a closure, it gives the handle itself, or is something else of that name.
    fn closure_call(
        &mut self,
        expr: &'a Expr,
        row: &'a ScopeCall,
        receiver: Option<&Val<'a>>,
        values: &[Val<'a>],
    ) -> Option<Val<'a>> {
        let place = self.f.place(expr.span);
        let pack = self.pack_among(receiver, values);
        let target = values.iter().find(|value| matches!(value, Val::Closure(_) | Val::Func(_) | Val::Callable(..)));
        let Some(target) = target.cloned() else {
            return self.guard_like(place, row, pack, values);
        };
        self.all.used_rules.insert(row.call.clone());
        let scope = Rc::new(Scope { kind: ScopeKind::Closure, place: Some(place), name: row.call.clone() });
        let at = match row.handle {
            Slot::Closure(at) => at,
            _ => 0,
        };
        let mut given = vec![Val::Opaque(Bind::Unknown); at];
        given.push(self.scoped_handle(pack, &scope));
        if let Val::Callable(param, output) = &target {
            self.f.opens_scope = true;
            self.note_nested(place, &row.call);
            return Some(self.call_param(*param, output, &given));
        }
        Some(self.in_scope(&scope, &target, given))
    }

    /// `let tx = with_tenant(&pool, id).await?`: without a closure, but given a handle.
    fn guard_like(&mut self, place: Place, row: &ScopeCall, pack: Option<u8>, values: &[Val<'a>]) -> Option<Val<'a>> {
        let has_handle = values.iter().any(|value| self.as_handle(value).is_some());
        if !has_handle || !self.all.index.functions_by_name.get(row.call.as_str()).is_none_or(Vec::is_empty) {
            return None;
        }
        Some(self.guard_of(place, row, pack))
    }

    /// The transaction that a call of a row opens, bound and open from here on.
    fn guard_of(&mut self, place: Place, row: &ScopeCall, pack: Option<u8>) -> Val<'a> {
        self.all.used_rules.insert(row.call.clone());
        self.note_nested(place, &row.call);
        self.f.opens_scope = true;
        let scope = Rc::new(Scope { kind: ScopeKind::Guard, place: Some(place), name: row.call.clone() });
        let handle = self.scoped_handle(pack, &scope);
        if let Val::Handle(id) = handle {
            self.f.handles[id].is_open_guard = true;
        }
        handle
    }

    /// The run defines what is called, and its own code says what it binds: better than the rule.
    fn is_inferred_scope(&mut self, callee: Callee<'_, 'a>, arity: usize) -> bool {
        let reached = match callee {
            Callee::Path(path, _) => self.functions_at(path),
            Callee::Method(receiver, name) => self.methods(receiver, name, arity),
            Callee::Macro(_) => None,
        };
        reached.is_some_and(|reached| {
            let summary = self.all.effects(reached);
            let outputs = std::iter::once(&summary.output).chain(&summary.others);
            summary.invokes.iter().flat_map(|(_, given)| given).chain(outputs).any(is_scoped_ret)
        })
    }

    /// The pack of the first handle among a call's values.
    fn pack_among(&mut self, receiver: Option<&Val<'a>>, values: &[Val<'a>]) -> Option<u8> {
        let all: Vec<Val<'a>> = receiver.into_iter().chain(values).cloned().collect();
        all.iter().find_map(|value| {
            let id = self.as_handle(value)?;
            self.f.handles[id].pack
        })
    }

    /// What a call did to the handles among its arguments.
    pub(super) fn apply_effects(&mut self, place: Place, name: &Name, summary: &Summary, values: &[Val<'a>]) {
        for (at, path, bind) in &summary.sets {
            let value = self.part_of_args(*at, path, values);
            let Some(id) = self.as_handle(&value) else { continue };
            let bind = match bind {
                Bind::Scope(inner) if inner.kind != ScopeKind::Session => {
                    Bind::Scope(Rc::new(Scope { kind: ScopeKind::Setter, place: Some(place), name: name.to_string() }))
                }
                Bind::None => {
                    self.unbind(id);
                    continue;
                }
                other => other.clone(),
            };
            self.bind_handle(place, id, bind, name);
        }
        for (at, path) in &summary.ends {
            let value = self.part_of_args(*at, path, values);
            if let Some(id) = self.as_handle(&value) {
                self.f.handles[id].ended = Some(place);
                self.f.handles[id].is_open_guard = false;
            }
        }
    }

    /// A call that gave a bound handle: a guard, opened here.
    pub(super) fn note_guard(&mut self, place: Place, name: &Name, value: &Val<'a>, first_new: usize) {
        match value {
            Val::Handle(id) if *id < first_new => {}
            Val::Handle(id) => {
                let Bind::Scope(scope) = &self.f.handles[*id].bind else { return };
                if scope.kind == ScopeKind::Session {
                    return;
                }
                self.note_nested(place, name);
                let scope = Scope { kind: ScopeKind::Guard, place: Some(place), name: name.to_string() };
                let handle = &mut self.f.handles[*id];
                handle.bind = Bind::Scope(Rc::new(scope));
                handle.is_open_guard = handle.kind == HandleKind::Transaction;
                self.f.opens_scope = true;
            }
            Val::Tuple(parts) => {
                for part in parts.iter() {
                    self.note_guard(place, name, part, first_new);
                }
            }
            Val::Obj(id) => {
                let fields: Vec<Val<'a>> = self.f.objs[*id].fields.values().cloned().collect();
                for field in fields.iter().filter(|field| matches!(field, Val::Handle(_))) {
                    self.note_guard(place, name, field, first_new);
                }
            }
            _ => {}
        }
    }

    /// A scope is opened here: if we are in one already, that is wrong.
    pub(super) fn note_nested(&mut self, place: Place, name: &str) {
        let around = match self.f.active() {
            Some(active) if !active.is_spawned => active.scope.place,
            Some(_) => None,
            None => match self.f.open_guard().map(|guard| &guard.bind) {
                Some(Bind::Scope(scope)) => scope.place,
                _ => None,
            },
        };
        if let Some(around) = around
            && around != place
        {
            self.note(
                place,
                EventKind::NestedScope(name.to_owned()),
                Some((around, "the scope around it is opened here".into())),
            );
        }
    }

    pub(super) fn note(&mut self, place: Place, kind: EventKind, related: Option<(Place, String)>) {
        if self.all.quiet > 0 {
            return;
        }
        let event = Event {
            place,
            kind,
            related,
            function: self.all.index.function_path(self.f.id),
            in_test: self.all.is_test(self.f.id),
        };
        self.all.events.push(event);
    }

    /// Remembers a function of the run that is a scope function, for `init`.
    pub(super) fn infer(&mut self, kind: &'static str, handle: String, bind: &Bind) {
        if let Bind::Scope(scope) = bind
            && !matches!(scope.kind, ScopeKind::Type | ScopeKind::Session)
        {
            let name = self.all.index.function_path(self.f.id);
            let why = format!("binds the tenant by {} `{}`", scope.kind.name(), scope.name);
            let span = self.all.index.function(self.f.id).name_span;
            self.all.inferred.insert(Inferred { kind: kind.into(), name, handle, place: self.f.place(span), why });
        }
    }
}

/// Whether a result is, or holds, a handle of a scope.
pub(super) fn is_scoped_ret(ret: &super::value::Ret) -> bool {
    match ret {
        super::value::Ret::Handle(handle) => matches!(handle.bind, Bind::Scope(_)),
        super::value::Ret::Obj(_, _, fields) => fields.iter().any(|(_, ret)| is_scoped_ret(ret)),
        super::value::Ret::Tuple(parts) => parts.iter().any(is_scoped_ret),
        _ => false,
    }
}
