//! The function under analysis: its variables, its handles and what binds them at this point, and how branches join.

use std::rc::Rc;

use super::text;
use super::value::{Bind, ClosureVal, Handle, HandleId, Obj, ObjId, Ret, Sends, Val};
use crate::facts::Name;
use crate::index::{Context, FnId, Index, Ty, TypeId};
use crate::program::{FileId, Place, Scope, SqlText};
use crate::rules::HandleKind;
use crate::source::Span;

/// A scope whose closure we are lexically in.
#[derive(Clone, Debug)]
pub struct Active {
    /// The scope.
    pub scope: Rc<Scope>,
    /// We are in a task that was spawned inside it.
    pub is_spawned: bool,
}

/// The function under analysis.
pub struct Frame<'a> {
    /// Which.
    pub id: FnId,
    /// Its file.
    pub file: FileId,
    /// What names mean in it.
    pub context: Context<'a>,
    /// Variables, the newest last.
    pub env: Vec<(Name, Val<'a>)>,
    /// Handles, never removed.
    pub handles: Vec<Handle>,
    /// Objects, never removed.
    pub objs: Vec<Obj<'a>>,
    /// Objects whose `Deref` is being followed.
    pub dereferencing: Vec<usize>,
    /// Scope closures around this point.
    pub scopes: Vec<Active>,
    /// Macros around this point.
    pub macros: u32,
    /// This point is not reached.
    pub diverged: bool,
    /// The parameters' values.
    pub params: Vec<Val<'a>>,
    /// What `return` gave so far.
    pub returns: Vec<Val<'a>>,
    /// The points at which `return` left.
    pub exits: Vec<Snapshot<'a>>,
    /// Callable parameters that were called.
    pub invokes: Vec<(usize, Vec<Ret>)>,
    /// Parameters that were sent as SQL.
    pub sends: Vec<Sends>,
    /// A scope was opened.
    pub opens_scope: bool,
    /// Tables that expressions named so far; `None` for one that is there and not known.
    pub named: Vec<Option<String>>,
    /// Calls of closures so far.
    pub closure_calls: usize,
    /// Closures that nobody was seen to call yet.
    pub closures: Vec<Rc<ClosureVal<'a>>>,
}

/// A point to come back to.
pub struct Snapshot<'a> {
    handles: Vec<Handle>,
    env: Vec<Val<'a>>,
    diverged: bool,
}

impl Snapshot<'_> {
    /// Whether the point is not reached.
    pub fn is_diverged(&self) -> bool {
        self.diverged
    }
}

impl<'a> Frame<'a> {
    /// A frame before its first statement.
    pub fn new(index: &Index<'a>, id: FnId) -> Self {
        Self {
            id,
            file: index.functions[id as usize].file,
            context: index.context(id),
            named: Vec::new(),
            env: Vec::new(),
            handles: Vec::new(),
            objs: Vec::new(),
            dereferencing: Vec::new(),
            scopes: Vec::new(),
            macros: 0,
            diverged: false,
            params: Vec::new(),
            returns: Vec::new(),
            exits: Vec::new(),
            invokes: Vec::new(),
            sends: Vec::new(),
            opens_scope: false,
            closures: Vec::new(),
            closure_calls: 0,
        }
    }

    /// A place in this function's file.
    pub fn place(&self, span: Span) -> Place {
        Place { file: self.file, span }
    }

    /// The value of a variable.
    pub fn lookup(&self, name: &str) -> Option<&Val<'a>> {
        self.env.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value)
    }

    /// Gives a variable a new value; a name that is not a variable is left alone.
    pub fn assign(&mut self, name: &str, value: Val<'a>) {
        if let Some((_, slot)) = self.env.iter_mut().rev().find(|(bound, _)| bound == name) {
            *slot = value;
        }
    }

    /// Adds a handle.
    pub fn add_handle(&mut self, handle: Handle) -> HandleId {
        self.handles.push(handle);
        self.handles.len() - 1
    }

    /// Adds an object.
    pub fn add_obj(&mut self, ty: TypeId, args: Rc<[Ty]>, origin: Option<(usize, Vec<Name>)>) -> ObjId {
        self.objs.push(Obj { ty, args, fields: std::collections::BTreeMap::new(), origin });
        self.objs.len() - 1
    }

    /// The point we are at.
    pub fn snapshot(&self) -> Snapshot<'a> {
        Snapshot {
            handles: self.handles.clone(),
            env: self.env.iter().map(|(_, value)| value.clone()).collect(),
            diverged: self.diverged,
        }
    }

    /// Goes back, keeping handles that were added since.
    pub fn restore(&mut self, to: &Snapshot<'a>) {
        let (known, later) = self.handles.split_at_mut(to.handles.len());
        known.clone_from_slice(&to.handles);
        for handle in later {
            if handle.origin.is_some() {
                // It was there all the time, and only now looked at.
                *handle = as_born(handle);
            } else {
                handle.is_elsewhere = true;
            }
        }
        self.env.truncate(to.env.len());
        for ((_, value), old) in self.env.iter_mut().zip(&to.env) {
            value.clone_from(old);
        }
        self.diverged = to.diverged;
    }

    /// Joins the point we are at with another branch's end: what holds in both holds after.
    pub fn join(&mut self, other: &Snapshot<'a>) {
        if other.diverged {
            return;
        }
        if self.diverged {
            let now = self.handles.len();
            self.restore(other);
            debug_assert_eq!(now, self.handles.len());
            return;
        }
        for (mine, theirs) in self.handles.iter_mut().zip(&other.handles) {
            if mine.is_elsewhere || theirs.is_elsewhere {
                // Only one of the branches has it.
                if mine.is_elsewhere {
                    mine.clone_from(theirs);
                }
                continue;
            }
            mine.bind = weaker(&mine.bind, &theirs.bind);
            mine.in_transaction &= theirs.in_transaction;
            mine.is_open_guard &= theirs.is_open_guard;
            mine.ended = mine.ended.or(theirs.ended);
        }
        for mine in self.handles.iter_mut().skip(other.handles.len()).filter(|mine| mine.origin.is_some()) {
            let theirs = as_born(mine);
            mine.bind = weaker(&mine.bind, &theirs.bind);
            mine.in_transaction &= theirs.in_transaction;
            mine.is_open_guard = false;
        }
        let values: Vec<Val<'a>> =
            self.env.iter().zip(&other.env).map(|((_, mine), theirs)| self.join_values(mine, theirs)).collect();
        for ((_, slot), value) in self.env.iter_mut().zip(values) {
            *slot = value;
        }
    }

    /// What a value is that is one of two: the handle that is bound less, else the one that is known.
    pub fn join_values(&self, left: &Val<'a>, right: &Val<'a>) -> Val<'a> {
        match (left, right) {
            (Val::Handle(a), Val::Handle(b)) if a != b => {
                let weak = weaker(&self.handles[*a].bind, &self.handles[*b].bind) == self.handles[*a].bind;
                if weak { left.clone() } else { right.clone() }
            }
            (Val::Text(one), Val::Text(other)) if Rc::ptr_eq(one, other) => left.clone(),
            (Val::Text(one), Val::Text(other)) => Val::Text(Rc::new(text::either(one, other))),
            (Val::Text(one), Val::Unknown | Val::Typed(_) | Val::Opaque(_))
            | (Val::Unknown | Val::Typed(_) | Val::Opaque(_), Val::Text(one)) => {
                Val::Text(Rc::new(text::either(one, &SqlText::Unknown)))
            }
            (Val::Query(one), Val::Query(other))
                if one.pack == other.pack && !Rc::ptr_eq(one, other) && one != other =>
            {
                Val::Query(Rc::new(text::either_query(one, other)))
            }
            (Val::Tuple(one), Val::Tuple(other)) if one.len() == other.len() => {
                Val::Tuple(one.iter().zip(other.iter()).map(|(one, other)| self.join_values(one, other)).collect())
            }
            (Val::Unknown | Val::Typed(_) | Val::Opaque(_), known) => known.clone(),
            (known, _) => known.clone(),
        }
    }

    /// Whether a handle is bound by less than it was at an earlier point, or a variable holds one that is.
    pub fn is_weaker_than(&self, before: &Snapshot<'a>) -> bool {
        let handle_weaker = |(now, then): (&Handle, &Handle)| {
            let lost = now.bind != then.bind && weaker(&then.bind, &now.bind) == now.bind;
            !now.is_elsewhere && (lost || (now.ended.is_some() && then.ended.is_none()))
        };
        let value_weaker = |((_, now), then): (&(Name, Val<'a>), &Val<'a>)| match (now, then) {
            (Val::Handle(now), Val::Handle(then)) if now != then => {
                let bind = &self.handles[*now].bind;
                *bind != before.handles.get(*then).map_or(Bind::None, |handle| handle.bind.clone())
            }
            _ => false,
        };
        self.handles.iter().zip(&before.handles).any(handle_weaker)
            || self.env.iter().zip(&before.env).any(value_weaker)
    }

    /// The scope closure around this point, the innermost first.
    pub fn active(&self) -> Option<&Active> {
        self.scopes.last()
    }

    /// A guard that was opened here and is still open, the newest first.
    pub fn open_guard(&self) -> Option<&Handle> {
        self.handles.iter().rev().find(|handle| handle.is_open_guard && handle.ended.is_none() && !handle.is_elsewhere)
    }

    /// Leaves a block: its variables are gone, and the guards that only they held are dropped, unless the block's value is one.
    pub fn leave(&mut self, variables: usize, value: &Val<'a>) {
        let gone: Vec<Val<'a>> = self.env.drain(variables..).map(|(_, value)| value).collect();
        let gone: Vec<HandleId> = gone.iter().flat_map(|value| self.handles_in(value)).collect();
        let is_open = |id: &HandleId| self.handles[*id].is_open_guard;
        let open: Vec<HandleId> = gone.into_iter().filter(is_open).collect();
        for id in open {
            let holds = |value: &Val<'a>| self.handles_in(value).contains(&id);
            let is_held = holds(value) || self.env.iter().any(|(_, value)| holds(value));
            if !is_held {
                self.handles[id].is_open_guard = false;
            }
        }
    }

    /// The end of a statement: guards that it opened and nobody holds are dropped.
    pub fn drop_temporaries(&mut self, first_new: HandleId, value: &Val<'a>) {
        for id in first_new..self.handles.len() {
            let holds = |value: &Val<'a>| self.handles_in(value).contains(&id);
            let is_temporary = self.handles[id].is_open_guard
                && !holds(value)
                && !self.env.iter().any(|(_, value)| holds(value))
                && !self.returns.iter().any(holds);
            if is_temporary {
                self.handles[id].is_open_guard = false;
            }
        }
    }

    /// The handles that a value is or holds.
    pub fn handles_in(&self, value: &Val<'a>) -> Vec<HandleId> {
        match value {
            Val::Handle(id) => vec![*id],
            Val::Tuple(parts) => parts.iter().flat_map(|part| self.handles_in(part)).collect(),
            Val::Obj(id) => self.objs[*id]
                .fields
                .values()
                .filter_map(|field| match field {
                    Val::Handle(id) => Some(*id),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A fresh handle of a pack.
    pub fn new_handle(pack: Option<u8>, kind: HandleKind, bind: Bind) -> Handle {
        Handle {
            pack,
            kind,
            born: bind.clone(),
            bind,
            in_transaction: kind == HandleKind::Transaction,
            ended: None,
            is_open_guard: false,
            origin: None,
            is_elsewhere: false,
            of_variant: None,
        }
    }
}

fn as_born(handle: &Handle) -> Handle {
    Handle {
        bind: handle.born.clone(),
        in_transaction: handle.kind == HandleKind::Transaction,
        ended: None,
        is_open_guard: false,
        ..handle.clone()
    }
}

/// The weaker of two binds: not bound before anything, then what somebody else decides.
pub fn weaker(left: &Bind, right: &Bind) -> Bind {
    let strength = |bind: &Bind| match bind {
        Bind::None => 0,
        Bind::Unknown => 1,
        Bind::Param(_) | Bind::Field(..) | Bind::Part(_) | Bind::Static(_) => 2,
        Bind::Bypass(_) => 3,
        Bind::Scope(_) => 4,
    };
    if strength(right) < strength(left) { right.clone() } else { left.clone() }
}
