//! Methods of the run: by the receiver's type, by a trait's impls, and by a name that only one method has.

use super::Reader;
use super::value::Val;
use crate::facts::TypeKind;
use crate::index::{COMMON_METHODS, FnId, OwnerInfo, Ty};

impl<'a> Reader<'_, 'a> {
    /// The functions that `receiver.name(..)` may reach.
    pub(super) fn methods(&mut self, receiver: &Val<'a>, name: &str, count: usize) -> Vec<FnId> {
        let index = self.all.index;
        match receiver {
            Val::Obj(id) => {
                let ty = self.f.objs[*id].ty;
                let found = match index.type_def(ty).kind {
                    TypeKind::Trait(..) => index.methods_of_trait(ty, name),
                    _ => index.methods_of(ty, name),
                };
                if !found.is_empty() {
                    return found;
                }
                let behind = self.in_target(*id, |reader, target| reader.methods(target, name, count));
                behind.unwrap_or_else(|| self.blanket(name))
            }
            Val::Handle(id) => {
                let pack = self.f.handles[*id].pack;
                self.extensions(
                    name,
                    |ty| matches!(ty, Ty::Handle(handle) if handle.pack == pack || handle.pack.is_none()),
                )
            }
            Val::Unknown | Val::Opaque(_) | Val::Typed(Ty::Unknown | Ty::Ext(..)) => self.only_method(name, count),
            _ => Vec::new(),
        }
    }

    /// Methods that a trait of the run adds to foreign types.
    fn extensions(&self, name: &str, fits: impl Fn(&Ty) -> bool) -> Vec<FnId> {
        let index = self.all.index;
        let named = index.functions_by_name.get(name).into_iter().flatten().copied();
        named
            .filter(|id| match index.owner(*id) {
                OwnerInfo::Impl(block) => fits(&index.impls[block as usize].self_ty),
                _ => false,
            })
            .collect()
    }

    /// Methods of blanket impls: `impl<T: Executor> Ext for T`.
    fn blanket(&self, name: &str) -> Vec<FnId> {
        self.extensions(name, |ty| matches!(ty, Ty::Unknown))
    }

    /// Where the receiver's type is foreign or unknown: the only method of that name, if it takes as many arguments.
    fn only_method(&self, name: &str, count: usize) -> Vec<FnId> {
        if COMMON_METHODS.contains(&name) {
            return Vec::new();
        }
        let index = self.all.index;
        let takes = |id: &FnId| {
            let params = &index.function(*id).params;
            let has_receiver = params
                .first()
                .is_some_and(|param| matches!(&param.pat, crate::facts::Pat::Ident(name, _) if name == "self"));
            has_receiver && params.len() == count + 1
        };
        let found: Vec<FnId> = index.functions_by_name.get(name).into_iter().flatten().copied().filter(takes).collect();
        let traits: Vec<FnId> =
            found.iter().copied().filter(|id| matches!(index.owner(*id), OwnerInfo::Trait(_))).collect();
        match (found.as_slice(), traits.as_slice()) {
            ([only], _) => vec![*only],
            // One trait and its impls: any of them.
            (_, [of_trait]) => {
                let OwnerInfo::Trait(id) = index.owner(*of_trait) else { return Vec::new() };
                let all = index.methods_of_trait(id, name);
                if all.len() == found.len() { all } else { Vec::new() }
            }
            _ => self.only_near(&found),
        }
    }

    /// Of several methods of one name, the only one whose type this module names.
    fn only_near(&self, found: &[FnId]) -> Vec<FnId> {
        let index = self.all.index;
        let module = self.f.context.module;
        let is_near = |id: &&FnId| {
            let OwnerInfo::Impl(block) = index.owner(**id) else { return false };
            let Ty::Adt(ty, _) = &index.impls[block as usize].self_ty else { return false };
            index.types[*ty as usize].module == module || index.imported(module, &index.type_def(*ty).name).is_some()
        };
        let near: Vec<FnId> = found.iter().filter(is_near).copied().collect();
        if near.len() == 1 { near } else { Vec::new() }
    }
}
