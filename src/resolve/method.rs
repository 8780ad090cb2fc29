//! Methods of the run: by the receiver's type, by a trait's impls, and by a name that only one method has.

use std::rc::Rc;

use super::Reader;
use super::dispatch::{Called, Reached};
use super::value::Val;
use crate::facts::{Name, Pat};
use crate::index::{COMMON_METHODS, FnId, Index, ModId, OwnerInfo, Ty};

/// What a method's name and the number of its arguments say, where no type is known.
#[derive(Clone, Debug)]
pub(super) enum Guess {
    /// This is meant, wherever the call is.
    Only(Option<Reached>),
    /// One of these is, if only one is near.
    Near(Rc<[FnId]>),
}

impl<'a> Reader<'_, 'a> {
    /// The functions that `receiver.name(..)` may reach.
    pub(super) fn methods(&mut self, receiver: &Val<'a>, name: &Name, count: usize) -> Option<Reached> {
        match receiver {
            Val::Obj(id) => {
                let own = self.associated(self.f.objs[*id].ty, name);
                own.or_else(|| {
                    let behind = self.in_target(*id, |reader, target| reader.methods(target, name, count));
                    behind.unwrap_or_else(|| self.blanket(name))
                })
            }
            Val::Handle(id) => {
                let pack = self.f.handles[*id].pack;
                self.all.reached(Called::OnHandle(pack, name.clone()), |index| {
                    let is_fit = |ty: &Ty| matches!(ty, Ty::Handle(of) if of.pack == pack || of.pack.is_none());
                    extensions(index, name, is_fit)
                })
            }
            Val::Unknown | Val::Opaque(_) | Val::Typed(Ty::Unknown | Ty::Ext(..)) => self.only_method(name, count),
            _ => None,
        }
    }

    /// Methods of blanket impls: `impl<T: Executor> Ext for T`.
    fn blanket(&mut self, name: &Name) -> Option<Reached> {
        self.all.reached(Called::Blanket(name.clone()), |index| extensions(index, name, |ty| matches!(ty, Ty::Unknown)))
    }

    /// Where the receiver's type is foreign or unknown: the only method of that name, if it takes as many arguments.
    fn only_method(&mut self, name: &Name, count: usize) -> Option<Reached> {
        if COMMON_METHODS.contains(&name.as_str()) {
            return None;
        }
        let called = (name.clone(), count);
        let guess = match self.all.guesses.get(&called) {
            Some(known) => known.clone(),
            None => {
                let guess = self.guess(name, count);
                self.all.guesses.insert(called, guess.clone());
                guess
            }
        };
        match guess {
            Guess::Only(reached) => reached,
            Guess::Near(all) => {
                let module = self.f.context.module;
                let called = Called::Near(module, name.clone(), count);
                self.all.reached(called, |index| only_near(index, module, &all))
            }
        }
    }

    fn guess(&mut self, name: &Name, count: usize) -> Guess {
        let index = self.all.index;
        let takes = |id: &FnId| {
            let params = &index.function(*id).params;
            let has_receiver =
                params.first().is_some_and(|param| matches!(&param.pat, Pat::Ident(name, _) if name == "self"));
            has_receiver && params.len() == count + 1
        };
        let found: Vec<FnId> = index.functions_by_name.get(name).into_iter().flatten().copied().filter(takes).collect();
        let mut traits = found.iter().filter_map(|id| match index.owner(*id) {
            OwnerInfo::Trait(of) => Some(of),
            _ => None,
        });
        match (found.as_slice(), traits.next(), traits.next()) {
            ([only], ..) => Guess::Only(Some(Reached::One(*only))),
            // One trait and its impls: any of them.
            (_, Some(of), None) => {
                let all = self.associated(of, name);
                Guess::Only(all.filter(|all| self.all.members(*all).len() == found.len()))
            }
            _ => Guess::Near(found.into()),
        }
    }
}

/// Methods that a trait of the run adds to foreign types.
fn extensions(index: &Index<'_>, name: &Name, fits: impl Fn(&Ty) -> bool) -> Vec<FnId> {
    let named = index.functions_by_name.get(name).into_iter().flatten().copied();
    named
        .filter(|id| match index.owner(*id) {
            OwnerInfo::Impl(block) => fits(&index.impls[block as usize].self_ty),
            _ => false,
        })
        .collect()
}

/// Of several methods of one name, the only one whose type the module names.
fn only_near(index: &Index<'_>, module: ModId, found: &[FnId]) -> Vec<FnId> {
    let is_near = |id: &&FnId| {
        let OwnerInfo::Impl(block) = index.owner(**id) else { return false };
        let Ty::Adt(ty, _) = &index.impls[block as usize].self_ty else { return false };
        index.types[*ty as usize].module == module || index.imported(module, &index.type_def(*ty).name).is_some()
    };
    let mut near = found.iter().filter(is_near).copied();
    match (near.next(), near.next()) {
        (Some(only), None) => vec![only],
        _ => Vec::new(),
    }
}
