//! Calls: of functions of the run, of scope functions, of constructors, of closures, of what nobody knows; and macros.

use std::rc::Rc;

use super::chain::Site;
use super::dispatch::{Called, Reached};
use super::frame::{Active, Frame};
use super::scope::Callee;
use super::statement::Spot;
use super::value::{Bind, Ret, Val};
use super::{Handed, Node, Reader};
use crate::facts::{Expr, ExprKind, MacroCall, Name, Path, TypeKind};
use crate::index::{Ty, TypeId};
use crate::program::{Place, Scope, ScopeKind};
use crate::rules::HandleKind;
use crate::source::Span;

/// Foreign calls that give back what they are given: constructors of wrappers, and combinators of futures.
const PASS_THROUGH: [&str; 25] = [
    "Ok",
    "Some",
    "new",
    "builder",
    "pin",
    "from",
    "from_ref",
    "timeout",
    "timeout_at",
    "block_on",
    "clone",
    "into",
    "ready",
    "Data",
    "State",
    "Extension",
    "Ready",
    "instrument",
    "AssertSqlSafe",
    "deref",
    "deref_mut",
    "as_ref",
    "as_mut",
    "unconstrained",
    "drop_guard",
];

/// A value in a value deeper than this is not handed on to callable parameters.
const MAX_GIVEN_DEPTH: usize = 3;

/// Macros after which nothing runs.
const DIVERGING: [&str; 6] = ["panic", "todo", "unimplemented", "unreachable", "bail", "return_err"];

impl<'a> Reader<'_, 'a> {
    /// `callee(args)`.
    pub(super) fn call(&mut self, expr: &'a Expr, callee: &'a Expr, args: &'a [Expr]) -> Val<'a> {
        let ExprKind::Path(path) = &callee.kind else {
            let target = self.eval(callee);
            let values = self.arguments(args);
            return self.call_value(expr, &target, values);
        };
        if path.self_type.is_none()
            && let Some(target) = path.ident().and_then(|name| self.f.lookup(name)).cloned()
        {
            let values = self.arguments(args);
            return self.call_value(expr, &target, values);
        }
        if is_spawn(path.last()) && self.functions_at(path).is_none() {
            return self.spawned(args);
        }
        let before = self.f.named.len();
        let values = self.arguments(args);
        self.name_unknown(path.last(), before);
        let result = self.call_path(expr, path, args, values);
        self.with_named(result, before)
    }

    pub(super) fn arguments(&mut self, args: &'a [Expr]) -> Vec<Val<'a>> {
        args.iter().map(|arg| self.eval(arg)).collect()
    }

    fn call_path(&mut self, expr: &'a Expr, path: &'a Path, args: &'a [Expr], values: Vec<Val<'a>>) -> Val<'a> {
        let full = self.full_path(path);
        if let Some(result) = self.scope_call(expr, Callee::Path(path, &full), args, &values) {
            return result;
        }
        if let Some(query) = self.query_call(&full, path, &values) {
            return query;
        }
        // A path that could only be guessed is given up where the number of arguments does not fit.
        let reached = self.functions_at(path).and_then(|reached| self.all.taking(reached, args.len()));
        if let Some(reached) = reached {
            let spot = Spot { span: expr.span, exec: callee_span(expr) };
            let spans: Vec<Span> = args.iter().map(|arg| arg.span).collect();
            self.sent_through(spot, path.last(), reached, &values, &spans, None);
            let result = self.call_functions(expr, reached, values.clone());
            self.move_out(args, &values, &result);
            return result;
        }
        if let Some(variant) = self.new_variant(path, values.iter(), numbered) {
            return variant;
        }
        if let Some(ty) = self.find_adt(path)
            && let TypeKind::Struct(_) = &self.all.index.type_def(ty).kind
        {
            let fields = values.into_iter().enumerate().map(|(at, value)| (numbered(at), value)).collect();
            return self.new_obj(expr, ty, fields);
        }
        if let Some(handle) = self.construct_handle(&full, &values) {
            return handle;
        }
        if let Some(opened) = self.path_open(expr, &full, &values) {
            return opened;
        }
        if let Some(result) = self.path_statement(expr, path, &full, args, &values) {
            return result;
        }
        let result = match self.of_foreign_type(path, &full, &values) {
            Some(made) => {
                self.run_unused(&values);
                made
            }
            None => {
                let made = self.made_by_builder(path);
                let result = self.unknown_call(path.last(), &values);
                made.unwrap_or(result)
            }
        };
        self.move_out(args, &values, &result);
        result
    }

    /// The full path of a call; `Self::x` and generic owners by the type's name.
    fn full_path(&self, path: &Path) -> Vec<Name> {
        let names: Vec<Name> = path.names().cloned().collect();
        match &self.f.context.self_ty {
            Ty::Adt(id, _) if names.first().is_some_and(|first| first == "Self") => {
                let home = self.all.index.types[*id as usize];
                let module = &self.all.index.modules[home.module as usize].path;
                let ty = self.all.index.type_def(*id).name.clone();
                module.iter().cloned().chain([ty]).chain(names.into_iter().skip(1)).collect()
            }
            _ => self.all.index.canonical(self.f.context.module, &names),
        }
    }

    /// The functions that a path names: free ones, associated ones, those of all impls for a trait's.
    pub(super) fn functions_at(&mut self, path: &Path) -> Option<Reached> {
        let index = self.all.index;
        let module = self.f.context.module;
        let names: Vec<Name> = path.names().cloned().collect();
        let (name, owner) = names.split_last()?;
        if let Some(self_type) = &path.self_type {
            return match index.type_of(&self.f.context, self_type) {
                Ty::Adt(id, _) => self.associated(id, name),
                _ => {
                    owner.last()?;
                    let id = index.find_type(module, owner)?;
                    self.associated(id, name)
                }
            };
        }
        let owner_type = match (&self.f.context.self_ty, owner) {
            (_, []) => None,
            (Ty::Adt(id, _), [only]) if only == "Self" => Some(*id),
            (_, [only]) if only == "Self" => None,
            _ => index.find_type(module, owner),
        };
        match owner_type {
            Some(id) => self.associated(self.behind_alias(id), name),
            None => index.find_function(module, &names).map(Reached::One),
        }
    }

    fn behind_alias(&self, id: u32) -> u32 {
        let index = self.all.index;
        match &index.type_def(id).kind {
            TypeKind::Alias(target) => match index.type_of(&index.context_of_type(id), target) {
                Ty::Adt(id, _) => id,
                _ => id,
            },
            _ => id,
        }
    }

    /// The functions of a name that a type has, or that a trait and its impls have.
    pub(super) fn associated(&mut self, owner: TypeId, name: &Name) -> Option<Reached> {
        self.all.reached(Called::On(owner, name.clone()), |index| match index.type_def(owner).kind {
            TypeKind::Trait(..) => index.methods_of_trait(owner, name),
            _ => index.methods_of(owner, name),
        })
    }

    /// Calls a function of the run, or any of several: hands the arguments on, runs the closures that it calls,
    /// applies what it does.
    pub(super) fn call_functions(&mut self, expr: &'a Expr, reached: Reached, values: Vec<Val<'a>>) -> Val<'a> {
        let place = self.f.place(expr.span);
        let name = &self.all.index.function(self.all.first(reached)).name;
        self.hand_over(place, reached, &values);
        let summary = self.all.effects(reached);
        if summary.opens_scope {
            self.note_nested(place, name);
        }
        self.run_invoked(expr, name, &summary.invokes, &values);
        self.apply_effects(place, name, &summary, &values);
        let mut result = Val::Unknown;
        for output in std::iter::once(&summary.output).chain(&summary.others) {
            let first_new = self.f.handles.len();
            let value = self.instantiate(output, &values);
            if !matches!(output, Ret::Arg(..)) {
                self.note_guard(place, name, &value, first_new);
            }
            result = if result.is_unknown() { value } else { self.f.join_values(&result, &value) };
        }
        self.run_unused(&values);
        result
    }

    /// Runs the closures and functions among the arguments that the callee calls.
    fn run_invoked(&mut self, expr: &'a Expr, callee: &Name, invokes: &[(usize, Vec<Ret>)], values: &[Val<'a>]) {
        for (at, given) in invokes {
            let Some(target) = values.get(*at).cloned() else { continue };
            if matches!(&target, Val::Closure(closure) if closure.used.get()) {
                continue;
            }
            let given: Vec<Val<'a>> = given.iter().map(|ret| self.instantiate(ret, values)).collect();
            let scope = given.iter().find_map(|value| match self.bind_of(value) {
                Bind::Scope(scope) => Some(scope),
                _ => None,
            });
            match scope {
                Some(inner) => {
                    let scope = Rc::new(Scope {
                        kind: ScopeKind::Closure,
                        place: Some(self.f.place(expr.span)),
                        name: callee.to_string(),
                    });
                    self.rename_scope(&given, &inner, &scope);
                    self.in_scope(&scope, &target, given);
                }
                None => drop(self.call_value(expr, &target, given)),
            }
        }
    }

    /// What a wrapper hands to a closure is, for the closure, the scope of this call.
    fn rename_scope(&mut self, given: &[Val<'a>], inner: &Rc<Scope>, scope: &Rc<Scope>) {
        for value in given {
            if let Some(id) = self.as_handle(value)
                && self.f.handles[id].bind == Bind::Scope(Rc::clone(inner))
            {
                self.f.handles[id].bind = Bind::Scope(Rc::clone(scope));
            }
        }
    }

    /// Runs a closure or function in a scope.
    pub(super) fn in_scope(&mut self, scope: &Rc<Scope>, target: &Val<'a>, given: Vec<Val<'a>>) -> Val<'a> {
        if let Some(place) = scope.place {
            self.note_nested(place, &scope.name);
        }
        self.f.opens_scope = true;
        self.f.scopes.push(Active { scope: Rc::clone(scope), is_spawned: false });
        let result = match target {
            Val::Closure(closure) => self.call_closure(closure, given),
            Val::Func(function) => {
                let place = scope.place.unwrap_or(self.f.place(crate::source::Span::default()));
                self.hand_over(place, Reached::One(*function), &given);
                let summary = self.all.summary(*function);
                self.instantiate(&summary.output, &given)
            }
            Val::Callable(param, output) => self.call_param(*param, output, &given),
            _ => Val::Unknown,
        };
        self.f.scopes.pop();
        result
    }

    /// Who calls a function with what, for its statements to be settled by. One whose body was not read has none.
    fn hand_over(&mut self, place: Place, to: Reached, values: &[Val<'a>]) {
        if self.all.quiet > 0 || !self.all.has_body(to) {
            return;
        }
        self.note_call(to, place);
        for (at, value) in values.iter().enumerate() {
            self.hand_to_param(place, to, at, value);
            self.hand_object(place, to, at, value);
        }
    }

    pub(super) fn note_call(&mut self, to: Reached, place: Place) {
        if self.all.quiet == 0 {
            self.all.callers.entry(to).or_default().push((self.f.id, place));
        }
    }

    /// A handle that is given to a parameter: who settles that parameter's statements.
    ///
    /// One of another database, or a mock, says nothing about the statement: it has no policies there.
    pub(super) fn hand_to_param(&mut self, place: Place, to: Reached, at: usize, value: &Val<'a>) {
        if self.is_other_database(value) {
            return;
        }
        let bind = match value {
            Val::Opaque(bind) => bind.clone(),
            other => match self.as_handle(other).or_else(|| self.carried(other)) {
                Some(_) => self.bind_of(other),
                None => return,
            },
        };
        if self.all.quiet == 0 {
            self.all.handed.entry(Node::Param(to, at)).or_default().push(Handed { by: self.f.id, place, bind });
        }
    }

    /// A handle that is put into a field.
    pub(super) fn hand_to_field(&mut self, expr: &Expr, ty: u32, name: &Name, value: &Val<'a>) {
        let is_carried = matches!(value, Val::Handle(_) | Val::Opaque(_)) && !self.is_other_database(value);
        if self.all.quiet > 0 || !is_carried {
            return;
        }
        let handed = Handed { by: self.f.id, place: self.f.place(expr.span), bind: self.bind_of(value) };
        self.all.handed.entry(Node::Field(ty, name.clone())).or_default().push(handed);
        if let Val::Handle(id) = value {
            self.f.handles[*id].is_open_guard = false;
        }
    }

    /// A handle that is put into a static: `CURRENT.scope(tx, future)`, `CELL.set(tx)`.
    pub(super) fn hand_to_static(&mut self, site: Site<'_, 'a>, receiver: &Val<'a>, name: &str, values: &[Val<'a>]) {
        if !matches!(name, "scope" | "sync_scope" | "set" | "replace" | "init" | "get_or_init") {
            return;
        }
        let Val::Handle(at) = receiver else { return };
        let Bind::Static(id) = self.f.handles[*at].bind else { return };
        if self.all.quiet > 0 {
            return;
        }
        let place = self.f.place(site.expr.span);
        for value in values.iter().filter(|value| matches!(value, Val::Handle(_))) {
            let bind = self.bind_of(value);
            self.all.handed.entry(Node::Static(id)).or_default().push(Handed { by: self.f.id, place, bind });
        }
    }

    /// Calls a value: a closure, a function, a callable parameter.
    pub(super) fn call_value(&mut self, expr: &'a Expr, target: &Val<'a>, values: Vec<Val<'a>>) -> Val<'a> {
        match target {
            Val::Closure(closure) => {
                let closure = Rc::clone(closure);
                self.call_closure(&closure, values)
            }
            Val::Func(function) => self.call_functions(expr, Reached::One(*function), values),
            Val::Callable(param, output) => {
                let result = self.call_param(*param, output, &values);
                self.run_unused(&values);
                result
            }
            Val::Opaque(_) | Val::Unknown => {
                self.run_unused(&values);
                Val::Unknown
            }
            _ => Val::Unknown,
        }
    }

    /// Calls a callable parameter: what it is given, and what it gives, the caller knows.
    pub(super) fn call_param(&mut self, param: usize, output: &Ty, given: &[Val<'a>]) -> Val<'a> {
        let given = given.iter().map(|value| self.detach(value, MAX_GIVEN_DEPTH)).collect();
        self.f.invokes.push((param, given));
        self.value_of_ty(output, Bind::None, None)
    }

    /// Closures among the arguments that nobody was seen to call run once, here.
    pub(super) fn run_unused(&mut self, values: &[Val<'a>]) {
        for value in values {
            if let Val::Closure(closure) = value
                && !closure.used.get()
            {
                let closure = Rc::clone(closure);
                self.call_closure(&closure, Vec::new());
            }
        }
    }

    /// `spawn(future)`: runs here, but in a task that may outlive every scope around it.
    pub(super) fn spawned(&mut self, args: &'a [Expr]) -> Val<'a> {
        let before: Vec<bool> = self.f.scopes.iter().map(|active| active.is_spawned).collect();
        for active in &mut self.f.scopes {
            active.is_spawned = true;
        }
        let guards = self.hide_guards();
        let values = self.arguments(args);
        self.run_unused(&values);
        for (active, was) in self.f.scopes.iter_mut().zip(before) {
            active.is_spawned = was;
        }
        for id in guards {
            self.f.handles[id].is_open_guard = true;
        }
        Val::Unknown
    }

    /// A call of something that is not part of the run.
    fn unknown_call(&mut self, name: &str, values: &[Val<'a>]) -> Val<'a> {
        if PASS_THROUGH.contains(&name) {
            if let [closure @ Val::Closure(_)] = values {
                // `Box::new(|tx| ..)`: whoever calls it is not here.
                return closure.clone();
            }
            self.run_unused(values);
            let mut known = values.iter().filter(|value| !matches!(value, Val::Unknown | Val::Typed(_)));
            if let Some(first) = known.next() {
                return match first {
                    // `Wrapper::new(|| ..)`: what the closure gave is not known here.
                    Val::Closure(_) => first.clone(),
                    other => other.clone(),
                };
            }
        }
        self.run_unused(values);
        Val::Unknown
    }

    /// A macro call.
    pub(super) fn macro_call(&mut self, expr: &'a Expr, call: &'a MacroCall) -> Val<'a> {
        let name = call.path.last();
        let full = self.full_path(&call.path);
        self.f.macros += 1;
        let values = self.macro_arguments(call);
        let scoped = self.scope_call(expr, Callee::Macro(&full), &call.args, &values);
        self.f.macros -= 1;
        if let Some(result) = scoped {
            return result;
        }
        if let Some(query) = self.query_call(&full, &call.path, &values) {
            return query;
        }
        if let Some(text) = self.macro_text(call, &values) {
            return text;
        }
        self.f.macros += 1;
        let made = self.hand_to_macro(expr, name, &values);
        self.run_unused(&values);
        self.f.macros -= 1;
        if !made.is_unknown() {
            return made;
        }
        match name {
            "join" | "try_join" => Val::tuple(values),
            _ if DIVERGING.contains(&name) => {
                self.f.diverged = self.f.diverged || self.f.macros == 0;
                Val::Unknown
            }
            "pin" | "ready" | "vec" | "try_from" | "dbg" | "select" => super::text::one_of(values),
            _ => Val::Unknown,
        }
    }

    /// A value handed to a call by itself, not borrowed, is gone here: its guard ends with the callee.
    pub(super) fn move_out(&mut self, args: &'a [Expr], values: &[Val<'a>], result: &Val<'a>) {
        for (arg, value) in args.iter().zip(values) {
            let is_moved = matches!(&arg.kind, ExprKind::Path(_));
            let kept = self.f.handles_in(result);
            for id in if is_moved { self.f.handles_in(value) } else { Vec::new() } {
                if !kept.contains(&id) {
                    self.f.handles[id].is_open_guard = false;
                }
            }
        }
    }

    fn hide_guards(&mut self) -> Vec<usize> {
        let open: Vec<usize> = (0..self.f.handles.len()).filter(|id| self.f.handles[*id].is_open_guard).collect();
        for id in &open {
            self.f.handles[*id].is_open_guard = false;
        }
        open
    }

    /// A fresh handle bound to a scope.
    pub(super) fn scoped_handle(&mut self, pack: Option<u8>, scope: &Rc<Scope>) -> Val<'a> {
        let handle = Frame::new_handle(pack, HandleKind::Transaction, Bind::Scope(Rc::clone(scope)));
        Val::Handle(self.f.add_handle(handle))
    }
}

fn callee_span(expr: &Expr) -> Span {
    match &expr.kind {
        ExprKind::Call(callee, _) => callee.span,
        _ => expr.span,
    }
}

/// Names of functions that run a future or closure on its own.
pub(super) fn is_spawn(name: &str) -> bool {
    matches!(
        name,
        "spawn" | "spawn_blocking" | "spawn_local" | "spawn_on" | "spawn_blocking_on" | "spawn_named" | "spawn_pinned"
    )
}

/// The name of a field of a tuple struct or variant.
fn numbered(at: usize) -> Name {
    Name::new(at.to_string())
}
