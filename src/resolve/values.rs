//! Types to values, values to handles, fields, and what survives a function.

use std::rc::Rc;

use super::Reader;
use super::frame::Frame;
use super::value::{Bind, Handle, HandleId, Part, Ret, Val};
use crate::facts::{Generic, Name, Path, Type, TypeKind};
use crate::index::{HandleTy, Ty, TypeId};
use crate::program::{Scope, ScopeKind};
use crate::rules::HandleKind;

type Origin = Option<(usize, Vec<Name>)>;

/// A newtype in a newtype, or a `Deref` to a type with a `Deref`, deeper than this is a cycle.
const MAX_DEREFS: usize = 4;

impl<'a> Reader<'_, 'a> {
    /// A value of a type as written here.
    pub(super) fn value_of(&mut self, written: &Type, bind: Bind, origin: Origin) -> Val<'a> {
        if let Type::Path(path) = written
            && let Some(built) = self.built_by_name(path)
        {
            return built;
        }
        let ty = self.all.index.type_of(&self.f.context, written);
        self.value_of_ty(&ty, bind, origin)
    }

    /// A value of a type. Wrappers such as `Arc`, `Option` and `State` are looked through.
    pub(super) fn value_of_ty(&mut self, ty: &Ty, bind: Bind, origin: Origin) -> Val<'a> {
        match ty {
            Ty::Unknown => Val::Unknown,
            Ty::Handle(handle) => Val::Handle(self.handle_of(handle, bind, origin)),
            Ty::Adt(id, args) => Val::Obj(self.f.add_obj(*id, Rc::clone(args), origin)),
            Ty::Tuple(parts) if parts.is_empty() => Val::Unknown,
            Ty::Tuple(parts) => {
                let extend = |at: usize| {
                    origin.clone().map(|(param, mut path)| {
                        path.push(Name::new(at.to_string()));
                        (param, path)
                    })
                };
                let parts =
                    parts.iter().enumerate().map(|(at, ty)| self.value_of_ty(ty, bind.clone(), extend(at))).collect();
                Val::tuple(parts)
            }
            Ty::Callable(_, output) => match origin {
                Some((param, path)) if path.is_empty() => Val::Callable(param, Rc::clone(output)),
                _ => Val::Typed(ty.clone()),
            },
            Ty::Ext(name, args) => {
                // The error of a `Result` is never what is followed.
                let args = if name == "Result" { &args[..args.len().min(1)] } else { args };
                let inner = args.iter().find(|arg| holds_something(arg));
                match inner {
                    Some(inner) => self.value_of_ty(inner, bind, origin),
                    None => Val::Typed(ty.clone()),
                }
            }
        }
    }

    /// A handle of a type. A pool can not be bound; a scope type always is.
    fn handle_of(&mut self, ty: &HandleTy, bind: Bind, origin: Origin) -> HandleId {
        let bind = match (&ty.tenant, ty.kind) {
            (Some(name), _) => {
                self.all.used_rules.insert(name.to_string());
                Bind::Scope(Rc::new(Scope { kind: ScopeKind::Type, place: None, name: name.to_string() }))
            }
            (None, HandleKind::Pool) => Bind::None,
            (None, _) => bind,
        };
        let handle = Handle { origin, ..Frame::new_handle(ty.pack, ty.kind, bind) };
        self.f.add_handle(handle)
    }

    /// The type or trait that a path names here.
    pub(super) fn find_adt(&self, path: &Path) -> Option<TypeId> {
        match path.ident() {
            Some(name) if name == "Self" => match &self.f.context.self_ty {
                Ty::Adt(id, _) => Some(*id),
                _ => None,
            },
            _ => {
                let names: Vec<Name> = path.names().cloned().collect();
                self.all.index.find_type(self.f.context.module, &names)
            }
        }
    }

    /// A field of a value.
    pub(super) fn field(&mut self, value: &Val<'a>, name: &Name) -> Val<'a> {
        match value {
            Val::Tuple(parts) => name.parse::<usize>().ok().and_then(|at| parts.get(at)).cloned().unwrap_or_default(),
            Val::Obj(id) => self.obj_field(*id, name),
            // `self.0` of a handle that was looked through a foreign wrapper.
            Val::Handle(_) if name.starts_with(|first: char| first.is_ascii_digit()) => value.clone(),
            Val::Opaque(bind) => Val::Opaque(match bind {
                // Part of something foreign: nobody can say whether it is bound.
                Bind::Param(_) | Bind::Unknown => Bind::Unknown,
                other => other.clone(),
            }),
            _ => Val::Unknown,
        }
    }

    fn obj_field(&mut self, id: usize, name: &Name) -> Val<'a> {
        if let Some(known) = self.f.objs[id].fields.get(name) {
            return known.clone();
        }
        let obj = self.f.objs[id].clone();
        let def = self.all.index.type_def(obj.ty);
        let TypeKind::Struct(fields) = &def.kind else { return Val::Unknown };
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            let found = self.in_target(id, |reader, target| match target {
                Val::Obj(_) => reader.field(target, name),
                _ => Val::Unknown,
            });
            return found.unwrap_or_default();
        };
        let ty = self.all.index.field_type(obj.ty, &obj.args, &field.ty);
        let origin = obj.origin.map(|(param, mut path)| {
            path.push(name.clone());
            (param, path)
        });
        let bind = match &origin {
            Some((param, path)) => {
                let part = Part { param: *param, path: path.clone(), ty: obj.ty, field: name.clone() };
                Bind::Part(Rc::new(part))
            }
            None => Bind::Field(obj.ty, name.clone()),
        };
        let value = if is_parameter(&def.generics, &field.ty) && ty == Ty::Unknown {
            Val::Opaque(bind) // `struct Store<E> { executor: E }`: whatever it is made with.
        } else {
            self.value_of_ty(&ty, bind, origin)
        };
        self.f.objs[id].fields.insert(name.clone(), value.clone());
        value
    }

    /// Looks for something in what a value dereferences to, which may dereference in turn.
    pub(super) fn in_target<T>(&mut self, id: usize, look: impl FnOnce(&mut Self, &Val<'a>) -> T) -> Option<T> {
        let target = self.deref(&Val::Obj(id))?;
        self.f.dereferencing.push(id);
        let found = look(self, &target);
        self.f.dereferencing.pop();
        Some(found)
    }

    /// The handle that a value is, or stands for: through `Deref`, or as the only handle in a newtype.
    pub(super) fn as_handle(&mut self, value: &Val<'a>) -> Option<HandleId> {
        let mut value = value.clone();
        for _ in 0..MAX_DEREFS {
            match value {
                Val::Handle(id) => return Some(id),
                Val::Obj(_) => value = self.deref(&value)?,
                _ => return None,
            }
        }
        None
    }

    /// What a value of a type of the run dereferences to.
    pub(super) fn deref(&mut self, value: &Val<'a>) -> Option<Val<'a>> {
        let Val::Obj(id) = value else { return None };
        let is_cycle = self.f.dereferencing.contains(id) || self.f.dereferencing.len() >= MAX_DEREFS;
        if is_cycle {
            return None;
        }
        self.f.dereferencing.push(*id);
        let found = self.deref_once(*id);
        self.f.dereferencing.pop();
        found
    }

    fn deref_once(&mut self, id: usize) -> Option<Val<'a>> {
        let value = &Val::Obj(id);
        let ty = self.f.objs[id].ty;
        let index = self.all.index;
        for (of_trait, method) in
            [("Deref", "deref"), ("DerefMut", "deref_mut"), ("AsMut", "as_mut"), ("AsRef", "as_ref")]
        {
            let Some(block) = index.implements(ty, of_trait) else { continue };
            let Some(function) = index.functions_of_impl(block).find(|id| index.function(*id).name == method) else {
                continue;
            };
            let summary = self.all.summary(function);
            let found = self.instantiate(&summary.output, std::slice::from_ref(value));
            if matches!(found, Val::Handle(_) | Val::Obj(_)) {
                return Some(found);
            }
        }
        let def = index.type_def(ty);
        let TypeKind::Struct(fields) = &def.kind else { return None };
        let args = Rc::clone(&self.f.objs[id].args);
        if let [only] = fields.as_slice()
            && def.attributes.iter().any(|name| name.rsplit("::").next() == Some("Deref"))
        {
            return Some(self.field(value, &only.name));
        }
        let is_handle = |field: &&crate::facts::Field| matches!(index.field_type(ty, &args, &field.ty), Ty::Handle(_));
        let mut handles = fields.iter().filter(is_handle);
        let only = handles.next()?;
        // A struct that merely has a handle among other things does not stand for it, unless the library says so.
        let is_newtype = fields.len() == 1 || only.name == "0";
        let stands_for_it = handles.next().is_none() && (is_newtype || self.executor_pack(ty).is_some());
        let name = only.name.clone();
        stands_for_it.then(|| self.field(value, &name))
    }

    /// A value in terms of the function's parameters, for its summary.
    pub(super) fn detach(&self, value: &Val<'a>, depth: usize) -> Ret {
        if depth == 0 {
            return Ret::Unknown;
        }
        match value {
            Val::Unknown | Val::Closure(_) => Ret::Unknown,
            Val::Opaque(Bind::Param(at)) | Val::Callable(at, _) => Ret::Arg(*at, Vec::new()),
            Val::Opaque(_) => Ret::Unknown,
            Val::Handle(id) => {
                let handle = &self.f.handles[*id];
                match &handle.origin {
                    Some((param, path)) => Ret::Arg(*param, path.clone()),
                    None => Ret::Handle(handle.clone()),
                }
            }
            Val::Obj(id) => {
                let obj = &self.f.objs[*id];
                match &obj.origin {
                    Some((param, path)) => Ret::Arg(*param, path.clone()),
                    None => {
                        let fields = obj
                            .fields
                            .iter()
                            .map(|(name, value)| (name.clone(), self.detach(value, depth - 1)))
                            .collect();
                        Ret::Obj(obj.ty, Rc::clone(&obj.args), fields)
                    }
                }
            }
            Val::Query(query) => Ret::Query(Rc::clone(query)),
            Val::Tuple(parts) => Ret::Tuple(parts.iter().map(|part| self.detach(part, depth - 1)).collect()),
            Val::Func(id) => Ret::Func(*id),
            Val::Text(text) => Ret::Text(Rc::clone(text)),
            Val::Typed(ty) => Ret::Typed(ty.clone()),
        }
    }

    /// A value of a summary in terms of a call's arguments.
    pub(super) fn instantiate(&mut self, ret: &Ret, args: &[Val<'a>]) -> Val<'a> {
        match ret {
            Ret::Unknown => Val::Unknown,
            Ret::Arg(at, path) => self.part_of_args(*at, path, args),
            Ret::Handle(handle) => {
                let bind = self.rebind(&handle.bind, args);
                let handle = Handle {
                    bind,
                    origin: None,
                    ended: None,
                    is_open_guard: false,
                    of_variant: None,
                    ..handle.clone()
                };
                Val::Handle(self.f.add_handle(handle))
            }
            Ret::Obj(ty, type_args, fields) => {
                let id = self.f.add_obj(*ty, Rc::clone(type_args), None);
                for (name, ret) in fields {
                    let value = self.instantiate(ret, args);
                    self.f.objs[id].fields.insert(name.clone(), value);
                }
                Val::Obj(id)
            }
            Ret::Query(query) => self.given_query(query, args),
            Ret::Tuple(parts) => Val::Tuple(parts.iter().map(|part| self.instantiate(part, args)).collect()),
            Ret::Func(id) => Val::Func(*id),
            Ret::Text(text) => self.given_text(text, args),
            Ret::Typed(ty) => Val::Typed(ty.clone()),
        }
    }

    /// What some fields of an argument lead to.
    pub(super) fn part_of_args(&mut self, at: usize, path: &[Name], args: &[Val<'a>]) -> Val<'a> {
        let whole = args.get(at).cloned().unwrap_or_default();
        path.iter().fold(whole, |value, name| self.field(&value, name))
    }

    /// A callee's bind in terms of a call's arguments.
    pub(super) fn rebind(&mut self, bind: &Bind, args: &[Val<'a>]) -> Bind {
        match bind {
            Bind::Param(at) => {
                let value = args.get(*at).cloned().unwrap_or_default();
                self.bind_of(&value)
            }
            Bind::Part(part) => {
                let value = self.part_of_args(part.param, &part.path, args);
                match self.as_handle(&value) {
                    Some(_) => self.bind_of(&value),
                    None => Bind::Field(part.ty, part.field.clone()),
                }
            }
            other => other.clone(),
        }
    }

    /// What binds a value, if it is or stands for a handle.
    pub(super) fn bind_of(&mut self, value: &Val<'a>) -> Bind {
        match value {
            Val::Opaque(bind) => bind.clone(),
            other => match self.as_handle(other).or_else(|| self.carried(other)) {
                Some(id) if self.f.handles[id].ended.is_some() => Bind::None,
                Some(id) => self.f.handles[id].bind.clone(),
                None => self.bind_of_origin(other),
            },
        }
    }

    /// What is no handle to the reader, but part of a parameter, is bound as its caller has it.
    fn bind_of_origin(&self, value: &Val<'a>) -> Bind {
        let Val::Obj(id) = value else { return Bind::Unknown };
        self.f.objs[*id].origin.as_ref().map_or(Bind::Unknown, |(param, _)| Bind::Param(*param))
    }
}

/// Whether a written type is one of these type parameters.
pub(super) fn is_parameter(generics: &[Generic], ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.ident().is_some_and(|name| generics.iter().any(|generic| generic.name == *name)),
        Type::Ref(inner) => is_parameter(generics, inner),
        _ => false,
    }
}

/// Whether a type holds something that is followed.
fn holds_something(ty: &Ty) -> bool {
    match ty {
        Ty::Unknown => false,
        Ty::Handle(_) | Ty::Adt(..) | Ty::Callable(..) => true,
        Ty::Ext(_, args) | Ty::Tuple(args) => args.iter().any(holds_something),
    }
}
