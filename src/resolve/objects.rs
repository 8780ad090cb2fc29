//! Objects that hold handles, given to a function: what its statements on their parts depend on.

use std::rc::Rc;

use crate::facts::{Name, Path, Type, TypeKind};
use crate::index::{FnId, Ty, TypeId};
use crate::program::Place;
use crate::rules::HandleKind;

use super::dispatch::Reached;
use super::value::{Bind, Handle, HandleId, Val};
use super::values::is_parameter;
use super::{HandedObj, Reader, Resolver};

/// A handle in an object in an object deeper than this is not followed.
pub(super) const MAX_PART_DEPTH: usize = 3;

impl<'a> Reader<'_, 'a> {
    /// An object that is given to a parameter, with what binds the handles in it at this point.
    pub(super) fn hand_object(&mut self, place: Place, to: Reached, at: usize, value: &Val<'a>) {
        let may_hold = matches!(value, Val::Obj(_) | Val::Unknown | Val::Opaque(_) | Val::Typed(_));
        if self.all.quiet > 0 || !may_hold || !self.all.takes_carrier(to, at) {
            return;
        }
        let mut parts = Vec::new();
        self.parts_of(value, &mut Vec::new(), &mut parts);
        let origin = match value {
            Val::Obj(id) => self.f.objs[*id].origin.clone(),
            Val::Opaque(Bind::Param(param)) => Some((*param, Vec::new())),
            _ => None,
        };
        let object = HandedObj { by: self.f.id, place, parts, origin };
        self.all.handed_objs.entry((to, at)).or_default().push(object);
    }

    /// A value of an enum that is made of a handle: `Database::Pool(&pool)`.
    ///
    /// Every call of something unknown comes here: the values are looked at first, and named only where they are kept.
    pub(super) fn new_variant<'v>(
        &mut self,
        path: &Path,
        values: impl Iterator<Item = &'v Val<'a>> + Clone,
        name: impl Fn(usize) -> Name,
    ) -> Option<Val<'a>>
    where
        'a: 'v,
    {
        if !values.clone().any(|value| matches!(value, Val::Handle(_))) {
            return None;
        }
        let (ty, _) = self.find_variant(path)?;
        let id = self.f.add_obj(ty, Rc::new([]), None);
        for (at, value) in values.enumerate() {
            let value = self.whichever(value.clone());
            self.f.objs[id].fields.insert(in_variant(path.last(), &name(at)), value);
        }
        Some(Val::Obj(id))
    }

    /// What is made of another enum's variant is bound as that enum is: of the arms of a `match` one stands for all.
    fn whichever(&mut self, value: Val<'a>) -> Val<'a> {
        let Val::Handle(id) = value else { return value };
        let handle = self.f.handles[id].clone();
        let Some(bind) = handle.of_variant.clone() else { return value };
        Val::Handle(self.f.add_handle(Handle { bind, ..handle }))
    }

    /// What a pattern takes out of a variant.
    pub(super) fn part_of_variant(&mut self, variant: &str, name: &Name, ty: &'a Type, value: &Val<'a>) -> Val<'a> {
        if let Val::Obj(id) = value
            && let Some(known) = self.f.objs[*id].fields.get(&in_variant(variant, name))
        {
            return known.clone();
        }
        let bind = self.bind_of(value);
        let part = self.value_of(ty, bind.clone(), None);
        if let Val::Handle(id) = part {
            self.f.handles[id].of_variant = Some(bind);
        }
        part
    }

    /// The handle that a value of an enum was made of.
    pub(super) fn carried(&self, value: &Val<'a>) -> Option<HandleId> {
        let Val::Obj(id) = value else { return None };
        let obj = &self.f.objs[*id];
        let is_enum = matches!(self.all.index.type_def(obj.ty).kind, TypeKind::Enum(_));
        let handle = |value: &Val<'a>| match value {
            Val::Handle(id) => Some(*id),
            _ => None,
        };
        obj.fields.values().find_map(handle).filter(|_| is_enum)
    }

    fn parts_of(&mut self, value: &Val<'a>, path: &mut Vec<Name>, parts: &mut Vec<(Vec<Name>, Bind)>) {
        match value {
            Val::Handle(_) if !path.is_empty() && !self.is_other_database(value) => {
                parts.push((path.clone(), self.bind_of(value)));
            }
            Val::Obj(id) if path.len() < MAX_PART_DEPTH => {
                let fields: Vec<(Name, Val<'a>)> =
                    self.f.objs[*id].fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                for (name, field) in fields {
                    path.push(name);
                    self.parts_of(&field, path, parts);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

impl Resolver<'_> {
    /// Whether a parameter's type holds a connection or transaction.
    fn takes_carrier(&mut self, reached: Reached, at: usize) -> bool {
        self.carrying_params(reached).get(at).copied().unwrap_or(false)
    }

    fn carrying_params(&mut self, reached: Reached) -> Rc<[bool]> {
        if let Some(known) = self.carrying_params.get(&reached) {
            return Rc::clone(known);
        }
        let carrying: Rc<[bool]> = match reached {
            Reached::One(function) => self.carrying_params_of(function),
            Reached::Any(_) => {
                let members = self.members(reached);
                let each: Vec<_> = members.iter().map(|id| self.carrying_params(Reached::One(*id))).collect();
                let count = each.iter().map(|params| params.len()).max().unwrap_or(0);
                (0..count).map(|at| each.iter().any(|params| params.get(at) == Some(&true))).collect()
            }
        };
        self.carrying_params.insert(reached, Rc::clone(&carrying));
        carrying
    }

    fn carrying_params_of(&mut self, function: FnId) -> Rc<[bool]> {
        let index = self.index;
        let context = index.context(function);
        let params = index.function(function).params.iter();
        let types: Vec<Ty> = params.map(|param| index.type_of(&context, &param.ty)).collect();
        types.iter().map(|ty| self.carries(ty, MAX_PART_DEPTH)).collect()
    }

    fn carries(&mut self, ty: &Ty, depth: usize) -> bool {
        match ty {
            Ty::Handle(handle) => {
                matches!(handle.kind, HandleKind::Connection | HandleKind::Transaction | HandleKind::Generic)
            }
            Ty::Adt(id, args) => self.is_carrier(*id, depth) || args.iter().any(|arg| self.carries(arg, depth)),
            Ty::Ext(_, args) | Ty::Tuple(args) => args.iter().any(|arg| self.carries(arg, depth)),
            Ty::Unknown | Ty::Callable(..) => false,
        }
    }

    /// Whether a type has a connection or transaction as a field. Behind a trait there may be one.
    fn is_carrier(&mut self, id: TypeId, depth: usize) -> bool {
        if let Some(known) = self.carriers.get(&id) {
            return *known;
        }
        let index = self.index;
        let TypeKind::Struct(fields) = &index.type_def(id).kind else {
            return matches!(index.type_def(id).kind, TypeKind::Trait(..));
        };
        if depth == 0 {
            return false;
        }
        self.carriers.insert(id, false); // It does not hold itself.
        let generics = &index.type_def(id).generics;
        let is_open = fields.iter().any(|field| is_parameter(generics, &field.ty));
        let types: Vec<Ty> = fields.iter().map(|field| index.field_type(id, &[], &field.ty)).collect();
        let carries = is_open || types.iter().any(|ty| self.carries(ty, depth - 1));
        self.carriers.insert(id, carries);
        carries
    }
}

/// A field of a variant among the fields of its enum.
fn in_variant(variant: &str, field: &str) -> Name {
    smol_str::format_smolstr!("{variant}.{field}")
}
