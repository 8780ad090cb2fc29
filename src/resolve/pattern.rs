//! Patterns: which variable holds which part of a value.

use super::Reader;
use super::value::{Bind, Val};
use crate::facts::{Field, Name, Pat, Path, TypeKind};
use crate::index::{Ty, TypeId};

impl<'a> Reader<'_, 'a> {
    /// Binds the variables of a pattern to the parts of a value.
    pub(super) fn bind(&mut self, pat: &'a Pat, value: Val<'a>) {
        match pat {
            Pat::Wild => {}
            Pat::Ident(name, sub) => {
                if let Some(sub) = sub {
                    self.bind(sub, value.clone());
                }
                self.f.env.push((name.clone(), value));
            }
            Pat::Tuple(parts) => self.bind_tuple(parts, &value),
            Pat::TupleStruct(path, parts) => self.bind_tuple_struct(path, parts, value),
            Pat::Struct(path, fields) => {
                for (name, pat) in fields {
                    let part = self.part_of(path, name, &value);
                    self.bind(pat, part);
                }
            }
            // Every alternative binds the same names; those of the last are seen.
            Pat::Or(alternatives) => {
                for pat in alternatives {
                    self.bind(pat, value.clone());
                }
            }
            Pat::Slice(parts) => {
                for pat in parts {
                    self.bind(pat, value.clone());
                }
            }
            Pat::Ref(inner) => self.bind(inner, value),
            Pat::Typed(inner, ty) => {
                let value = if value.is_unknown() { self.value_of(ty, Bind::None, None) } else { value };
                self.bind(inner, value);
            }
        }
    }

    fn bind_tuple(&mut self, parts: &'a [Pat], value: &Val<'a>) {
        for (at, pat) in parts.iter().enumerate() {
            let part = match value {
                Val::Tuple(values) => values.get(at).cloned().unwrap_or_default(),
                // A pair of an iterator's position or key and its element.
                other if at + 1 == parts.len() => other.clone(),
                _ => Val::Unknown,
            };
            self.bind(pat, part);
        }
    }

    fn bind_tuple_struct(&mut self, path: &Path, parts: &'a [Pat], value: Val<'a>) {
        for (at, pat) in parts.iter().enumerate() {
            let part = self.part_of(path, &Name::new(at.to_string()), &value);
            // `Some(x)`, `Ok(x)`, `State(x)`: wrappers are not values of their own here.
            let is_not_its_part = part.is_unknown() || matches!(value, Val::Tuple(_));
            let is_wrapper = is_not_its_part && parts.len() == 1 && self.find_variant(path).is_none();
            let part = if is_wrapper { value.clone() } else { part };
            self.bind(pat, part);
        }
    }

    /// A field of a value that matched `path`.
    fn part_of(&mut self, path: &Path, name: &Name, value: &Val<'a>) -> Val<'a> {
        if let Some((_, fields)) = self.find_variant(path) {
            let Some(ty) = fields.iter().find(|field| field.name == *name).map(|field| &field.ty) else {
                return Val::Unknown;
            };
            return self.part_of_variant(path.last(), name, ty, value);
        }
        match value {
            Val::Obj(_) => self.field(value, name),
            Val::Tuple(parts) => name.parse::<usize>().ok().and_then(|at| parts.get(at)).cloned().unwrap_or_default(),
            _ => match self.find_adt(path) {
                Some(ty) if matches!(self.all.index.type_def(ty).kind, TypeKind::Struct(_)) => {
                    let id = self.f.add_obj(ty, Vec::new().into(), None);
                    self.field(&Val::Obj(id), name)
                }
                _ => Val::Unknown,
            },
        }
    }

    /// The enum variant that a path names, `Kind::Variant`: the enum and the variant's fields.
    pub(super) fn find_variant(&self, path: &Path) -> Option<(TypeId, &'a [Field])> {
        let names: Vec<Name> = path.names().cloned().collect();
        let (variant, owner) = names.split_last()?;
        let id = if owner == ["Self"] {
            match &self.f.context.self_ty {
                Ty::Adt(id, _) => *id,
                _ => return None,
            }
        } else if owner.is_empty() {
            return None;
        } else {
            self.all.index.find_type(self.f.context.module, owner)?
        };
        match &self.all.index.type_def(id).kind {
            TypeKind::Enum(variants) => {
                variants.iter().find(|(name, _)| name == variant).map(|(_, fields)| (id, fields.as_slice()))
            }
            _ => None,
        }
    }
}
