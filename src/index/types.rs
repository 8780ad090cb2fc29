//! Types as written to what they mean here: a handle, a type of the run, a wrapper around either, or nothing of interest.

use std::rc::Rc;

use super::matching::is_distinctive;
use super::{Index, ModId, TypeId};
use crate::facts::{Generic, Name, Path, Type, TypeKind};
use crate::rules::HandleKind;

/// How deep a type is read.
const MAX_DEPTH: usize = 64;

/// How deep what a name stands for is read: half as deep as the name, so that names that stand for many names each come to an end.
fn behind_name(depth: usize) -> usize {
    depth / 2
}

/// What a type means.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ty {
    /// Nothing known.
    #[default]
    Unknown,
    /// A handle of a pack.
    Handle(HandleTy),
    /// A type or trait of the run, with its type arguments.
    Adt(TypeId, Rc<[Ty]>),
    /// A foreign type with its arguments: `Arc<T>`, `Option<T>`, `State<T>`.
    Ext(Name, Rc<[Ty]>),
    /// A tuple.
    Tuple(Rc<[Ty]>),
    /// Something callable: its inputs and its output.
    Callable(Rc<[Ty]>, Rc<Ty>),
}

impl Ty {
    /// A type that handles are built from, as the rules spell it.
    #[must_use]
    pub fn builder(spelled: &str) -> Self {
        Self::Ext(spelled.into(), Rc::new([]))
    }
}

/// A handle's type.
#[derive(Clone, Debug, PartialEq)]
pub struct HandleTy {
    /// The pack; `None` for a scope type of the rules.
    pub pack: Option<u8>,
    /// What it is.
    pub kind: HandleKind,
    /// The scope type's name, for handles that exist only inside a scope.
    pub tenant: Option<Name>,
}

/// What names mean at a place.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The module.
    pub module: ModId,
    /// What `Self` means.
    pub self_ty: Ty,
    /// Type parameters, the inner ones first.
    pub generics: [&'a [Generic]; 2],
}

impl Index<'_> {
    /// What a type means at a place.
    #[must_use]
    pub fn type_of(&self, context: &Context<'_>, ty: &Type) -> Ty {
        self.resolve(context, ty, MAX_DEPTH)
    }

    /// What a field's type means, for a value of the type with these arguments.
    #[must_use]
    pub fn field_type(&self, ty: TypeId, args: &[Ty], field: &Type) -> Ty {
        let def = self.type_def(ty);
        let context = self.context_of_type(ty);
        let found = self.type_of(&context, field);
        if let (Ty::Unknown, Type::Path(path)) = (&found, strip(field))
            && let Some(name) = path.ident()
            && let Some(at) = def.generics.iter().position(|generic| generic.name == *name)
        {
            return args.get(at).cloned().unwrap_or_default();
        }
        found
    }

    /// What names mean inside a type's definition.
    #[must_use]
    pub fn context_of_type(&self, ty: TypeId) -> Context<'_> {
        let home = self.types[ty as usize];
        let def = &self.facts[home.file as usize].types[home.local as usize];
        Context { module: home.module, self_ty: Ty::Adt(ty, Vec::new().into()), generics: [&def.generics, &[]] }
    }

    /// The handle type that a path names, if a rule says so.
    #[must_use]
    pub fn handle_type(&self, context: &Context<'_>, path: &Path) -> Option<HandleTy> {
        let last = path.last();
        let by_alias = || {
            let first = path.segments.first()?;
            self.modules[context.module as usize].uses.get(&first.name)
        };
        let may_match =
            self.book.handles.contains_key(last) || self.book.scope_types.contains_key(last) || by_alias().is_some();
        if !may_match {
            return None;
        }
        let names: Vec<Name> = path.names().cloned().collect();
        let full = self.canonical(context.module, &names);
        let name = full.last()?.as_str();
        let unresolved = full.len() == 1 && is_distinctive(name) && !self.types_by_name.contains_key(name);
        for (pattern, row) in self.book.scope_types.get(name).into_iter().flatten() {
            if pattern.matches(&full) || unresolved {
                return Some(HandleTy { pack: None, kind: HandleKind::Transaction, tenant: Some(Name::new(&row.ty)) });
            }
        }
        let rows = self.book.handles.get(name)?;
        let (pack, _, row) = rows.iter().find(|(_, pattern, row)| {
            let named = pattern.matches(&full) || (unresolved && row.with.is_none());
            named && row.with.as_ref().is_none_or(|with| self.mentions_args(context, path, with, 4))
        })?;
        Some(HandleTy { pack: Some(*pack), kind: row.kind, tenant: None })
    }

    fn resolve(&self, context: &Context<'_>, ty: &Type, depth: usize) -> Ty {
        if depth == 0 {
            return Ty::Unknown;
        }
        let all = |types: &[Type]| types.iter().map(|ty| self.resolve(context, ty, depth - 1)).collect::<Rc<[Ty]>>();
        match ty {
            Type::Infer | Type::Other => Ty::Unknown,
            Type::Ref(inner) => self.resolve(context, inner, depth - 1),
            Type::Slice(inner) => Ty::Ext("[]".into(), Rc::new([self.resolve(context, inner, depth - 1)])),
            Type::Tuple(types) => Ty::Tuple(all(types)),
            Type::Fn(inputs, output) => Ty::Callable(all(inputs), Rc::new(self.resolve(context, output, depth - 1))),
            Type::Impl(bounds) | Type::Dyn(bounds) => self.bounds(context, bounds, depth),
            Type::Path(path) => self.path_type(context, path, depth),
        }
    }

    /// What a value with these bounds is: the first bound that means something.
    fn bounds(&self, context: &Context<'_>, bounds: &[Type], depth: usize) -> Ty {
        let means = |ty: &Ty| match ty {
            Ty::Unknown => 0,
            Ty::Ext(..) => 1,
            Ty::Adt(..) | Ty::Tuple(_) => 2,
            Ty::Callable(..) => 3,
            Ty::Handle(_) => 4,
        };
        let mut best = Ty::Unknown;
        if depth == 0 {
            return best;
        }
        for bound in bounds {
            let found = self.resolve(context, bound, depth - 1);
            if means(&found) > means(&best) {
                best = found;
            }
        }
        // A trait of the run that extends a handle trait is one too.
        if let Ty::Adt(id, _) = &best
            && let TypeKind::Trait(supers, _) = &self.type_def(*id).kind
            && !supers.is_empty()
            && let handle @ Ty::Handle(_) = self.bounds(&self.context_of_type(*id), supers, behind_name(depth))
        {
            return handle;
        }
        best
    }

    fn path_type(&self, context: &Context<'_>, path: &Path, depth: usize) -> Ty {
        if let Some(name) = path.ident() {
            if name == "Self" {
                return context.self_ty.clone();
            }
            let generic = context.generics.iter().flat_map(|list| list.iter()).find(|generic| generic.name == *name);
            if let Some(generic) = generic {
                return self.bounds(context, &generic.bounds, behind_name(depth));
            }
        }
        let Some(segment) = path.segments.last() else { return Ty::Unknown };
        if let Some(found) = self.associated_type(context, path, behind_name(depth)) {
            return found;
        }
        let args = || segment.args().iter().map(|ty| self.resolve(context, ty, depth - 1)).collect::<Rc<[Ty]>>();
        if let Some(inputs) = segment.inputs() {
            let inputs = inputs.iter().map(|ty| self.resolve(context, ty, depth - 1)).collect();
            let output = segment.args().last().map(|ty| self.resolve(context, ty, depth - 1)).unwrap_or_default();
            return Ty::Callable(inputs, Rc::new(output));
        }
        if let Some(handle) = self.handle_type(context, path) {
            return Ty::Handle(handle);
        }
        let names: Vec<Name> = path.names().cloned().collect();
        let Some(id) = self.find_type(context.module, &names) else {
            let builder = self.book.builder(&self.canonical(context.module, &names));
            return builder.map_or_else(|| Ty::Ext(segment.name.clone(), args()), Ty::builder);
        };
        match &self.type_def(id).kind {
            TypeKind::Alias(target) => match self.resolve(&self.context_of_type(id), target, behind_name(depth)) {
                // `type Result<T> = std::result::Result<T, Error>`: the arguments are those written here.
                Ty::Ext(name, _) if !segment.args().is_empty() => Ty::Ext(name, args()),
                found => found,
            },
            TypeKind::Trait(..) => self.bounds_of_trait(id, args(), depth),
            TypeKind::Struct(_) | TypeKind::Enum(_) => Ty::Adt(id, args()),
        }
    }

    /// `Self::Client`, `P::Client` and `<P as Pool>::Client`: what the impl says, or what the trait asks of it.
    fn associated_type(&self, context: &Context<'_>, path: &Path, depth: usize) -> Option<Ty> {
        let base = match (&path.self_type, path.segments.as_slice()) {
            (Some(of), _) => self.resolve(context, of, depth),
            (None, [first, _]) if first.name == "Self" => context.self_ty.clone(),
            (None, [first, _]) => {
                let generic = context.generics.iter().flat_map(|list| list.iter()).find(|of| of.name == first.name)?;
                self.bounds(context, &generic.bounds, depth)
            }
            _ => return None,
        };
        let Ty::Adt(id, _) = base else { return None };
        Some(self.associated_of(id, path.last(), depth)).filter(|found| *found != Ty::Unknown)
    }

    fn associated_of(&self, id: TypeId, name: &str, depth: usize) -> Ty {
        if depth == 0 {
            return Ty::Unknown;
        }
        if let TypeKind::Trait(supers, associated) = &self.type_def(id).kind {
            let context = self.context_of_type(id);
            if let Some(own) = associated.iter().find(|own| own.name == name) {
                return self.bounds(&context, &own.bounds, behind_name(depth));
            }
            let mut found = supers.iter().map(|above| match self.resolve(&context, above, behind_name(depth)) {
                Ty::Adt(above, _) => self.associated_of(above, name, behind_name(depth)),
                _ => Ty::Unknown,
            });
            return found.find(|found| *found != Ty::Unknown).unwrap_or_default();
        }
        let blocks = self.type_impls.get(&id).into_iter().flatten();
        let mut written = blocks.filter_map(|block| {
            let def = self.impl_def(*block);
            let ty = &def.types.iter().find(|own| own.name == name)?.ty;
            let module = self.impls[*block as usize].home.module;
            let context = Context { module, self_ty: Ty::Adt(id, Rc::new([])), generics: [&def.generics, &[]] };
            Some(self.resolve(&context, ty, behind_name(depth)))
        });
        written.find(|found| *found != Ty::Unknown).unwrap_or_default()
    }

    fn bounds_of_trait(&self, id: TypeId, args: Rc<[Ty]>, depth: usize) -> Ty {
        if let TypeKind::Trait(supers, _) = &self.type_def(id).kind
            && let handle @ Ty::Handle(_) = self.bounds(&self.context_of_type(id), supers, behind_name(depth))
        {
            return handle;
        }
        Ty::Adt(id, args)
    }

    /// Whether a name occurs among a path's type arguments, aliases followed.
    fn mentions_args(&self, context: &Context<'_>, path: &Path, name: &str, depth: usize) -> bool {
        path.segments.iter().flat_map(crate::facts::Segment::args).any(|arg| self.mentions(context, arg, name, depth))
    }

    /// Whether an `impl` for a type of the run names it as an associated type: what a pool's own manager lends.
    fn lends(&self, ty: TypeId, name: &str, depth: usize) -> bool {
        self.type_impls.get(&ty).into_iter().flatten().any(|block| {
            let def = self.impl_def(*block);
            let module = self.impls[*block as usize].home.module;
            let context = Context { module, self_ty: Ty::Unknown, generics: [&def.generics, &[]] };
            def.types.iter().any(|associated| self.mentions(&context, &associated.ty, name, depth))
        })
    }

    fn mentions(&self, context: &Context<'_>, ty: &Type, name: &str, depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        match strip(ty) {
            Type::Path(path) => {
                let names: Vec<Name> = path.names().cloned().collect();
                if path.last() == name || self.canonical(context.module, &names).last().is_some_and(|last| last == name)
                {
                    return true;
                }
                if self.mentions_args(context, path, name, depth - 1) {
                    return true;
                }
                self.find_type(context.module, &names).is_some_and(|id| match &self.type_def(id).kind {
                    TypeKind::Alias(target) => self.mentions(&self.context_of_type(id), target, name, depth - 1),
                    _ => self.lends(id, name, depth - 1),
                })
            }
            Type::Tuple(types) => types.iter().any(|ty| self.mentions(context, ty, name, depth - 1)),
            _ => false,
        }
    }
}

fn strip(ty: &Type) -> &Type {
    match ty {
        Type::Ref(inner) => strip(inner),
        other => other,
    }
}
