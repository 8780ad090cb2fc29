//! What an expression can be, as far as scopes care: handles with what binds them, objects that hold handles, queries, closures, SQL text.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::facts::{Expr, Name, Param};
use crate::index::{FnId, Ty, TypeId};
use crate::program::{Place, Scope, SqlText};
use crate::rules::HandleKind;

/// `let t = (t, t);` in a row doubles each time.
const MAX_LEAVES: usize = 64;

/// A handle of the function under analysis.
pub type HandleId = usize;
/// An object of the function under analysis.
pub type ObjId = usize;

/// A value.
#[derive(Clone, Debug, Default)]
pub enum Val<'a> {
    /// Nothing known.
    #[default]
    Unknown,
    /// Nothing known but where it came from: a parameter whose type means nothing here, or of a closure that an unknown function calls.
    Opaque(Bind),
    /// A handle.
    Handle(HandleId),
    /// A value of a type of the run.
    Obj(ObjId),
    /// A query that was built and not sent.
    Query(Rc<Query>),
    /// A tuple.
    Tuple(Rc<[Val<'a>]>),
    /// A closure.
    Closure(Rc<ClosureVal<'a>>),
    /// A function used as a value.
    Func(FnId),
    /// A parameter that can be called, by number, with what a call gives.
    Callable(usize, Rc<Ty>),
    /// Text.
    Text(Rc<SqlText>),
    /// A value of a type that holds no handle.
    Typed(Ty),
}

impl<'a> Val<'a> {
    /// A tuple. Of one that holds more than code is written with, the tuples in it are not followed.
    pub fn tuple(parts: Vec<Val<'a>>) -> Val<'a> {
        let is_large = parts.iter().try_fold(MAX_LEAVES, |left, part| part.leaves_within(left)).is_none();
        let keep = |part| if is_large && matches!(part, Val::Tuple(_)) { Val::Unknown } else { part };
        Val::Tuple(parts.into_iter().map(keep).collect())
    }

    /// How many of `left` leaves remain after this value's, if they are enough.
    fn leaves_within(&self, left: usize) -> Option<usize> {
        match self {
            Val::Tuple(parts) => parts.iter().try_fold(left, |left, part| part.leaves_within(left)),
            _ => left.checked_sub(1),
        }
    }
}

/// A query under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Its pack.
    pub pack: u8,
    /// What it will send.
    pub sql: SqlText,
    /// It runs migrations.
    pub migrates: bool,
    /// The tables that the builder names, by path.
    pub tables: Vec<String>,
    /// It joins or asks more than what was named.
    pub is_open: bool,
}

/// A closure with what it captured.
#[derive(Debug)]
pub struct ClosureVal<'a> {
    /// Its parameters.
    pub params: &'a [Param],
    /// Of a block that is given to a macro: the names that the macro gives a value to, and which arguments they are.
    pub idents: Vec<(usize, Name)>,
    /// Its code.
    pub body: &'a Expr,
    /// The names it sees.
    pub env: Vec<(Name, Val<'a>)>,
    /// Whether somebody was seen to call it.
    pub used: Rc<Cell<bool>>,
    /// Whether a call of it is being read.
    pub is_running: Cell<bool>,
    /// How many bodies of macros it is written in: what it sends is judged where it is written, whoever calls it.
    pub quiet: u32,
    /// Where a macro takes it apart, `|$conn:ident| $body:block`: the names that its parameters have there.
    pub names: Vec<Name>,
}

impl ClosureVal<'_> {
    /// The same closure, for a macro that puts its body where these names have values.
    pub fn taken_apart(&self, names: Vec<Name>) -> Self {
        Self {
            params: self.params,
            idents: self.idents.clone(),
            body: self.body,
            env: self.env.clone(),
            used: Rc::clone(&self.used),
            is_running: Cell::new(false),
            quiet: self.quiet,
            names,
        }
    }
}

/// What binds a handle to a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Bind {
    /// Nothing.
    #[default]
    None,
    /// A scope.
    Scope(Rc<Scope>),
    /// Whatever binds this parameter.
    Param(usize),
    /// Whatever every construction of the type puts into this field.
    Field(TypeId, Name),
    /// Whatever is put into this static: a task-local's connection.
    Static(u32),
    /// Whatever binds this part of a parameter.
    Part(Rc<Part>),
    /// It goes around the policies; the rule's reason.
    Bypass(Rc<str>),
    /// It came from code that is not part of the run.
    Unknown,
}

/// A handle that is part of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// The parameter.
    pub param: usize,
    /// The fields that lead to it.
    pub path: Vec<Name>,
    /// The type that has it as a field.
    pub ty: TypeId,
    /// That field.
    pub field: Name,
}

/// A handle's state.
#[derive(Clone, Debug)]
pub struct Handle {
    /// The pack, where the type names one.
    pub pack: Option<u8>,
    /// What it is.
    pub kind: HandleKind,
    /// What binds it.
    pub bind: Bind,
    /// What bound it when it was first seen.
    pub born: Bind,
    /// Whether a transaction is known to be open on it.
    pub in_transaction: bool,
    /// Where it was committed or rolled back.
    pub ended: Option<Place>,
    /// Opened in this function as a scope of its own, and still reachable.
    pub is_open_guard: bool,
    /// The parameter it is part of, and the fields that lead to it.
    pub origin: Option<(usize, Vec<Name>)>,
    /// Made in another branch than the one we are in.
    pub is_elsewhere: bool,
    /// Out of a variant of an enum that is bound so: which variant it is, and thereby what binds it, only the caller knows.
    pub of_variant: Option<Bind>,
}

/// A value of a type of the run.
#[derive(Clone, Debug)]
pub struct Obj<'a> {
    /// The type or trait.
    pub ty: TypeId,
    /// Its arguments.
    pub args: Rc<[Ty]>,
    /// Fields that were looked at or set.
    pub fields: BTreeMap<Name, Val<'a>>,
    /// The parameter it is part of, and the fields that lead to it.
    pub origin: Option<(usize, Vec<Name>)>,
}

/// What a call of a function does, in terms of its arguments.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What it returns.
    pub output: Ret,
    /// What else it may return, where a call reaches one of several functions.
    pub others: Vec<Ret>,
    /// Handles among its arguments and their fields that it binds, or takes the tenant from.
    pub sets: Vec<(usize, Vec<Name>, Bind)>,
    /// Transactions among its arguments and their fields that it ends.
    pub ends: Vec<(usize, Vec<Name>)>,
    /// Callable parameters that it calls, with what.
    pub invokes: Vec<(usize, Vec<Ret>)>,
    /// Texts among its arguments that it sends as SQL.
    pub sends: Vec<Sends>,
    /// Opens a scope itself, or through what it calls.
    pub opens_scope: bool,
}

/// An argument that a function sends as SQL.
#[derive(Clone, Debug)]
pub struct Sends {
    /// The call that sends it.
    pub place: Place,
    /// That call's pack.
    pub pack: u8,
    /// Which argument.
    pub text: usize,
    /// The handle it is sent on.
    pub handle: Ret,
    /// What the call does, whatever the text.
    pub operation: Option<String>,
}

/// A value that outlives its function.
#[derive(Clone, Debug, Default)]
pub enum Ret {
    /// Nothing known.
    #[default]
    Unknown,
    /// An argument, or what these fields of it lead to.
    Arg(usize, Vec<Name>),
    /// A new handle; a bind to a parameter is that of the argument.
    Handle(Handle),
    /// A new object.
    Obj(TypeId, Rc<[Ty]>, Vec<(Name, Ret)>),
    /// A query.
    Query(Rc<Query>),
    /// A tuple.
    Tuple(Vec<Ret>),
    /// A function.
    Func(FnId),
    /// Text.
    Text(Rc<SqlText>),
    /// A value of this type.
    Typed(Ty),
}

impl Ret {
    /// Whether it is known, with all parts of a tuple.
    pub fn is_whole(&self) -> bool {
        match self {
            Ret::Unknown => false,
            Ret::Tuple(parts) => parts.iter().all(Ret::is_whole),
            _ => true,
        }
    }

    /// What is known here, and for the rest what `declared` says.
    pub fn completed(self, declared: &Ret) -> Ret {
        match (self, declared) {
            (Ret::Unknown, declared) => declared.clone(),
            (Ret::Tuple(parts), Ret::Tuple(declared)) if parts.len() == declared.len() => {
                Ret::Tuple(parts.into_iter().zip(declared).map(|(part, declared)| part.completed(declared)).collect())
            }
            (known, _) => known,
        }
    }
}

impl Val<'_> {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Val::Unknown)
    }
}
