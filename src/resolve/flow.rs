//! Functions, blocks and expressions, read in the order they run.

use std::cell::Cell;
use std::rc::Rc;

use super::Reader;
use super::frame::Snapshot;
use super::value::{Bind, ClosureVal, Ret, Summary, Val};
use crate::facts::{Arm, Block, Expr, ExprKind, Name, Owner, Path, Stmt, Type, TypeKind};
use crate::index::{Ty, TypeId};
use crate::rules::HandleKind;

/// A value in a value deeper than this is cut off in summaries.
const MAX_VALUE_DEPTH: usize = 4;
/// Closures that call closures twice double the work each time; past this many calls in a function each is read once.
const MAX_CLOSURE_CALLS: usize = 10_000;

impl<'a> Reader<'_, 'a> {
    /// Reads the function and says what a call of it does.
    pub(super) fn read(mut self) -> Summary {
        let function = self.all.index.function(self.f.id);
        for (at, param) in function.params.iter().enumerate() {
            let value = self.param_value(function.owner, at, &param.ty);
            self.f.params.push(value.clone());
            self.bind(&param.pat, value);
        }
        let Some(body) = &function.body else { return self.declared(&function.output) };
        let value = self.block(body);
        let value = self.all_returns(value);
        self.all_exits();
        self.read_unused_closures();
        let output = match self.detach(&value, MAX_VALUE_DEPTH) {
            known if known.is_whole() => known,
            partly => partly.completed(&self.declared(&function.output).output),
        };
        self.summarise(output)
    }

    fn param_value(&mut self, owner: Owner, at: usize, ty: &Type) -> Val<'a> {
        let origin = Some((at, Vec::new()));
        match self.value_of(ty, Bind::Param(at), origin) {
            Val::Unknown | Val::Typed(_) if owner == Owner::Macro => Val::Opaque(Bind::Param(at)),
            Val::Unknown => Val::Opaque(Bind::Param(at)),
            Val::Typed(ty) => self.text_param(&ty, at).unwrap_or(Val::Typed(ty)),
            known => known,
        }
    }

    /// What the signature alone says of a result.
    fn declared(&mut self, output: &Type) -> Summary {
        let bind = match output {
            // An accessor without a body: whatever it lends is bound as its owner is.
            Type::Ref(_) => Bind::Unknown,
            _ => Bind::None,
        };
        let value = self.value_of(output, bind, None);
        Summary { output: self.detach(&value, MAX_VALUE_DEPTH), ..Summary::default() }
    }

    fn summarise(mut self, output: Ret) -> Summary {
        let invokes = std::mem::take(&mut self.f.invokes);
        let sends = std::mem::take(&mut self.f.sends);
        let mut summary = Summary { output, invokes, sends, opens_scope: self.f.opens_scope, ..Summary::default() };
        for handle in &self.f.handles {
            let Some((at, path)) = &handle.origin else { continue };
            if handle.ended.is_some() {
                summary.ends.push((*at, path.clone()));
            }
            let is_changed = handle.bind != handle.born && handle.kind != HandleKind::Pool;
            if is_changed && matches!(handle.bind, Bind::Scope(_) | Bind::Bypass(_) | Bind::None) {
                summary.sets.push((*at, path.clone(), handle.bind.clone()));
            }
        }
        self.remember(&summary);
        summary
    }

    /// What the summary makes of the function, for `init`.
    fn remember(&mut self, summary: &Summary) {
        match &summary.output {
            Ret::Handle(handle) => self.infer("guard", "return".into(), &handle.bind),
            Ret::Obj(_, _, fields) => {
                for (name, field) in fields {
                    if let Ret::Handle(handle) = field {
                        self.infer("guard", format!("field:{name}"), &handle.bind);
                    }
                }
            }
            _ => {}
        }
        for (at, path, bind) in &summary.sets {
            if path.is_empty() {
                self.infer("setter", format!("arg:{at}"), bind);
            }
        }
        for (_, given) in &summary.invokes {
            for (at, ret) in given.iter().enumerate() {
                if let Ret::Handle(handle) = ret {
                    self.infer("closure", format!("closure:{at}"), &handle.bind);
                }
            }
        }
    }

    /// The value of a body with what its `return`s gave.
    fn all_returns(&mut self, value: Val<'a>) -> Val<'a> {
        let returns = std::mem::take(&mut self.f.returns).into_iter();
        let ends = (!self.f.diverged).then_some(value);
        ends.into_iter().chain(returns).reduce(|value, other| self.f.join_values(&value, &other)).unwrap_or_default()
    }

    /// Joins the end with every point at which `return` left.
    fn all_exits(&mut self) {
        for exit in std::mem::take(&mut self.f.exits) {
            self.f.join(&exit);
        }
    }

    /// A closure that nobody was seen to call is read once all the same, with parameters that nothing is known of.
    fn read_unused_closures(&mut self) {
        for closure in std::mem::take(&mut self.f.closures) {
            if !closure.used.get() {
                self.call_closure(&closure, Vec::new());
            }
        }
    }

    /// A block, its variables gone at its end.
    pub(super) fn block(&mut self, block: &'a Block) -> Val<'a> {
        let variables = self.f.env.len();
        let mut value = Val::Unknown;
        for (at, stmt) in block.stmts.iter().enumerate() {
            let is_last = at + 1 == block.stmts.len();
            let first_new = self.f.handles.len();
            match stmt {
                Stmt::Let { pat, ty, init, otherwise } => self.read_let(pat, ty, init.as_ref(), otherwise.as_deref()),
                Stmt::Semi(expr) => drop(self.eval(expr)),
                Stmt::Expr(expr) => {
                    let result = self.eval(expr);
                    if is_last {
                        value = result;
                    }
                }
            }
            self.f.drop_temporaries(first_new, &value);
        }
        self.f.leave(variables, &value);
        value
    }

    fn read_let(
        &mut self,
        pat: &'a crate::facts::Pat,
        ty: &'a Type,
        init: Option<&'a Expr>,
        otherwise: Option<&'a Block>,
    ) {
        let mut value = init.map(|init| self.eval(init)).unwrap_or_default();
        if let Some(otherwise) = otherwise {
            let before = self.f.snapshot();
            self.block(otherwise);
            self.f.restore(&before);
        }
        let says_more = matches!(value, Val::Unknown | Val::Typed(_) | Val::Opaque(_));
        if (says_more || matches!(value, Val::Obj(_))) && *ty != Type::Infer {
            let declared = self.value_of(ty, Bind::None, None);
            // `let active: users::ActiveModel = model.into()`: no longer what it was made of.
            let is_more = if says_more {
                !matches!(declared, Val::Unknown | Val::Typed(_))
            } else {
                matches!(declared, Val::Query(_))
            };
            if is_more {
                value = declared;
            }
        }
        self.bind(pat, value);
    }

    /// An expression.
    pub(super) fn eval(&mut self, expr: &'a Expr) -> Val<'a> {
        match &expr.kind {
            ExprKind::Path(path) => self.path(path),
            ExprKind::Str(text) => Val::Text(Rc::new(crate::program::SqlText::Whole(text.clone()))),
            ExprKind::Bool(_) | ExprKind::Lit(_) => Val::Unknown,
            ExprKind::Call(callee, args) => self.call(expr, callee, args),
            ExprKind::Chain(root, links) => self.chain(expr, root, links),
            ExprKind::Macro(call) => self.macro_call(expr, call),
            ExprKind::Ref(inner) | ExprKind::Deref(inner) | ExprKind::Cast(inner, _) => self.eval(inner),
            ExprKind::Tuple(parts) => Val::tuple(self.arguments(parts)),
            ExprKind::Array(parts) => super::text::one_of(self.arguments(parts)),
            ExprKind::Struct(path, fields, base) => self.construct(expr, path, fields, base.as_deref()),
            ExprKind::Closure(closure) => self.closure(closure),
            ExprKind::Async(block) => self.async_block(block),
            ExprKind::Block(block) => self.block(block),
            ExprKind::If(condition, then, otherwise) => self.branch(condition, then, otherwise.as_deref()),
            ExprKind::Match(scrutinee, arms) => self.matching(scrutinee, arms),
            ExprKind::Loop(condition, body) => {
                let condition = condition.as_deref();
                self.looping(|reader| drop(condition.map(|condition| reader.eval(condition))), body)
            }
            ExprKind::For(pat, iter, body) => {
                let value = self.eval(iter);
                self.looping(|reader| reader.bind(pat, value.clone()), body)
            }
            ExprKind::Let(pat, value) => {
                let value = self.eval(value);
                self.bind(pat, value);
                Val::Unknown
            }
            ExprKind::Assign(left, right) => self.assign(expr, left, right),
            ExprKind::Return(value) => {
                let result = value.as_ref().map(|value| self.eval(value)).unwrap_or_default();
                // `return Err(..)` says nothing about what a successful call gives.
                if !value.as_deref().is_some_and(is_error) {
                    self.f.returns.push(result);
                    self.f.exits.push(self.f.snapshot());
                }
                self.f.diverged = true;
                Val::Unknown
            }
            ExprKind::Break(value) => {
                let value = value.as_ref().map(|value| self.eval(value)).unwrap_or_default();
                self.f.diverged = true;
                value
            }
            ExprKind::Other(parts) if matches!(parts.len(), 1) => self.eval(&parts[0]),
            ExprKind::Other(parts) => {
                let values = self.arguments(parts);
                super::text::sum(&values)
            }
        }
    }

    fn path(&mut self, path: &'a Path) -> Val<'a> {
        if let Some(name) = path.ident()
            && let Some(value) = self.f.lookup(name).cloned()
        {
            self.name_tables_of(&value);
            return self.or_its_body(value);
        }
        let index = self.all.index;
        let names: Vec<Name> = path.names().cloned().collect();
        if let Some(query) = self.table_query(&names).or_else(|| self.dsl_table(&names)) {
            self.name_tables_of(&query);
            return query;
        }
        self.name_entity(&names);
        if path.self_type.is_none()
            && let Some(text) = self.const_value(path)
        {
            return text;
        }
        // What makes a static's value is a function of the same name.
        let is_constant = !path.last().chars().any(char::is_lowercase);
        if let Some(id) = index.find_const(self.f.context.module, &names).filter(|_| is_constant) {
            return self.static_value(id);
        }
        match self.functions_at(path) {
            None => self.unit_struct(path),
            Some(reached) => Val::Func(self.all.first(reached)),
        }
    }

    /// A variable's value; of a closure that a macro took apart, what its body gives here.
    fn or_its_body(&mut self, value: Val<'a>) -> Val<'a> {
        match value {
            Val::Closure(closure) if !closure.names.is_empty() => {
                let args = closure.names.iter().map(|name| self.f.lookup(name).cloned().unwrap_or_default()).collect();
                self.call_closure(&closure, args)
            }
            other => other,
        }
    }

    /// `Repository.remove(..)`: the only value of `struct Repository;`.
    fn unit_struct(&mut self, path: &Path) -> Val<'a> {
        let is_type_name = path.last().starts_with(|first: char| first.is_uppercase());
        match self.find_adt(path).filter(|_| is_type_name) {
            Some(ty) if matches!(&self.all.index.type_def(ty).kind, TypeKind::Struct(fields) if fields.is_empty()) => {
                Val::Obj(self.f.add_obj(ty, Vec::new().into(), None))
            }
            _ => Val::Unknown,
        }
    }

    /// A `static POOL: OnceCell<PgPool>`, by its type.
    fn static_value(&mut self, id: u32) -> Val<'a> {
        let home = self.all.index.consts[id as usize];
        let context = crate::index::Context { module: home.module, self_ty: Ty::Unknown, generics: [&[], &[]] };
        let ty = self.all.index.type_of(&context, &self.all.index.const_def(id).ty);
        self.value_of_ty(&ty, Bind::Static(id), None)
    }

    fn closure(&mut self, closure: &'a crate::facts::Closure) -> Val<'a> {
        let env = self.f.env.clone();
        let value = Rc::new(ClosureVal {
            params: &closure.params,
            idents: Vec::new(),
            body: &closure.body,
            env,
            used: Rc::default(),
            is_running: Cell::new(false),
            quiet: self.all.quiet,
            names: Vec::new(),
        });
        if self.all.quiet == 0 {
            self.f.closures.push(Rc::clone(&value));
        }
        Val::Closure(value)
    }

    /// Runs a closure's body here. Parameters without a value get what their type says.
    pub(super) fn call_closure(&mut self, closure: &ClosureVal<'a>, args: Vec<Val<'a>>) -> Val<'a> {
        let is_repeated = closure.used.replace(true) && self.f.closure_calls >= MAX_CLOSURE_CALLS;
        if is_repeated || closure.is_running.replace(true) {
            return Val::Unknown;
        }
        self.f.closure_calls += 1;
        let quiet = std::mem::replace(&mut self.all.quiet, closure.quiet);
        let outer_env = std::mem::replace(&mut self.f.env, closure.env.clone());
        let outer_returns = std::mem::take(&mut self.f.returns);
        let outer_exits = std::mem::take(&mut self.f.exits);
        let was_diverged = self.f.diverged;
        let mut args = args.into_iter();
        for param in closure.params {
            let given = args.next().unwrap_or(Val::Opaque(Bind::Unknown));
            let says_nothing = matches!(given, Val::Unknown | Val::Opaque(_));
            let declared = if says_nothing { self.value_of(&param.ty, Bind::Unknown, None) } else { Val::Unknown };
            let value = if matches!(declared, Val::Unknown | Val::Typed(_)) { given } else { declared };
            self.bind(&param.pat, value);
        }
        for (_, name) in &closure.idents {
            self.f.env.push((name.clone(), args.next().unwrap_or_default()));
        }
        let value = self.eval(closure.body);
        let value = self.all_returns(value);
        self.all_exits();
        self.f.leave(closure.env.len(), &value);
        closure.is_running.set(false);
        self.all.quiet = quiet;
        self.f.env = outer_env;
        self.f.returns = outer_returns;
        self.f.exits = outer_exits;
        self.f.diverged = was_diverged;
        value
    }

    /// `async { .. }`: runs here, but its `return` and `?` leave only itself.
    fn async_block(&mut self, block: &'a Block) -> Val<'a> {
        let outer_returns = std::mem::take(&mut self.f.returns);
        let outer_exits = std::mem::take(&mut self.f.exits);
        let was_diverged = self.f.diverged;
        let value = self.block(block);
        let value = self.all_returns(value);
        self.all_exits();
        self.f.returns = outer_returns;
        self.f.exits = outer_exits;
        self.f.diverged = was_diverged;
        value
    }

    fn branch(&mut self, condition: &'a Expr, then: &'a Block, otherwise: Option<&'a Expr>) -> Val<'a> {
        let variables = self.f.env.len();
        self.eval(condition);
        let bound = self.f.env.split_off(variables);
        let before = self.f.snapshot();
        self.f.env.extend(bound);
        let left = self.block(then);
        self.f.leave(variables, &left);
        let after_then = self.f.snapshot();
        self.f.restore(&before);
        let right = otherwise.map(|otherwise| self.eval(otherwise));
        let right_diverged = self.f.diverged;
        let left_diverged = after_then.is_diverged();
        self.f.join(&after_then);
        self.merge(left, left_diverged, right.unwrap_or_default(), right_diverged)
    }

    fn merge(&self, left: Val<'a>, left_diverged: bool, right: Val<'a>, right_diverged: bool) -> Val<'a> {
        match (left_diverged, right_diverged) {
            (true, _) => right,
            (_, true) => left,
            _ => self.f.join_values(&left, &right),
        }
    }

    fn matching(&mut self, scrutinee: &'a Expr, arms: &'a [Arm]) -> Val<'a> {
        let value = self.eval(scrutinee);
        let before = self.f.snapshot();
        let variables = self.f.env.len();
        let mut joined: Option<(Snapshot<'a>, Val<'a>, bool)> = None;
        for arm in arms {
            self.f.restore(&before);
            self.bind(&arm.pat, value.clone());
            if let Some(guard) = &arm.guard {
                self.eval(guard);
            }
            let mut result = self.eval(&arm.body);
            self.f.leave(variables, &result);
            let mut diverged = self.f.diverged;
            if let Some((so_far, so_far_value, so_far_diverged)) = joined {
                self.f.join(&so_far);
                result = self.merge(so_far_value, so_far_diverged, result, diverged);
                diverged &= so_far_diverged;
            }
            joined = Some((self.f.snapshot(), result, diverged));
        }
        joined.map(|(_, value, _)| value).unwrap_or_default()
    }

    /// A loop. Where a turn ends with less than it began with, the next one is read too.
    fn looping(&mut self, before_each: impl Fn(&mut Self), body: &'a Block) -> Val<'a> {
        let was_diverged = self.f.diverged;
        let variables = self.f.env.len();
        for turn in 0..2 {
            let before = self.f.snapshot();
            before_each(self);
            self.block(body);
            self.f.leave(variables, &Val::Unknown);
            self.f.diverged = was_diverged;
            if turn == 0 && !self.f.is_weaker_than(&before) {
                break;
            }
        }
        Val::Unknown
    }

    fn assign(&mut self, expr: &'a Expr, left: &'a Expr, right: &'a Expr) -> Val<'a> {
        let value = self.eval(right);
        match &left.kind {
            ExprKind::Path(path) => {
                if let Some(name) = path.ident() {
                    self.f.assign(name, value);
                }
            }
            ExprKind::Chain(root, links) => {
                let owner = self.eval(root);
                if let ([crate::facts::Link { kind: crate::facts::LinkKind::Field(name), .. }], Val::Obj(id)) =
                    (links.as_slice(), &owner)
                {
                    let ty = self.f.objs[*id].ty;
                    self.hand_to_field(expr, ty, name, &value);
                    self.f.objs[*id].fields.insert(name.clone(), value);
                }
            }
            _ => drop(self.eval(left)),
        }
        Val::Unknown
    }

    fn construct(
        &mut self,
        expr: &'a Expr,
        path: &'a Path,
        fields: &'a [(Name, Expr)],
        base: Option<&'a Expr>,
    ) -> Val<'a> {
        let values: Vec<(Name, Val<'a>)> =
            fields.iter().map(|(name, value)| (name.clone(), self.eval(value))).collect();
        if let Some(base) = base {
            self.eval(base);
        }
        if let Some(variant) = self.new_variant(path, values.iter().map(|(_, value)| value), |at| values[at].0.clone())
        {
            return variant;
        }
        match self.find_adt(path) {
            Some(ty) => self.new_obj(expr, ty, values),
            None => self.built_by_name(path).unwrap_or_default(),
        }
    }

    /// A new object; what its fields are given is remembered for everybody who reads them.
    pub(super) fn new_obj(&mut self, expr: &Expr, ty: TypeId, values: Vec<(Name, Val<'a>)>) -> Val<'a> {
        let id = self.f.add_obj(ty, Vec::new().into(), None);
        for (name, value) in values {
            self.hand_to_field(expr, ty, &name, &value);
            if !value.is_unknown() {
                self.f.objs[id].fields.insert(name, value);
            }
        }
        Val::Obj(id)
    }
}

fn is_error(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(callee, _) => matches!(&callee.kind, ExprKind::Path(path) if path.last() == "Err"),
        ExprKind::Chain(root, _) => is_error(root),
        _ => false,
    }
}
