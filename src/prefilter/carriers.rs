//! Facts in, names out: what carries a handle.

use rustc_hash::FxHashSet;

use super::matcher::{ALWAYS, Matcher};
use crate::facts::{FileFacts, Function, Generic, Name, Owner, Pat, Type, TypeKind};

/// The names that matter so far.
#[derive(Debug, Default)]
pub struct Carriers {
    names: FxHashSet<Name>,
}

impl Carriers {
    /// Starts from the identifiers of the rules.
    #[must_use]
    pub fn new(identifiers: &[&str]) -> Self {
        Self { names: identifiers.iter().copied().map(Name::new).collect() }
    }

    /// The matcher of the first round.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        Matcher::new(self.names.iter().map(Name::as_str).chain(ALWAYS))
    }

    /// Adds a name; whether it is new.
    pub fn insert(&mut self, name: &Name) -> bool {
        self.names.insert(name.clone())
    }

    /// Whether one of the names is among these words.
    pub fn any_of<'t>(&self, mut words: impl Iterator<Item = &'t str>) -> bool {
        words.any(|word| self.names.contains(word))
    }

    /// Adds the names that these facts show to carry handles, until none is new. Returns the new ones.
    pub fn grow<'f>(&mut self, facts: impl Iterator<Item = &'f FileFacts> + Clone) -> Vec<Name> {
        let mut added = Vec::new();
        loop {
            let before = added.len();
            for file in facts.clone() {
                self.grow_from(file, &mut added);
            }
            if added.len() == before {
                return added;
            }
        }
    }

    fn grow_from(&mut self, file: &FileFacts, added: &mut Vec<Name>) {
        for ty in &file.types {
            let carries = match &ty.kind {
                TypeKind::Struct(fields) => fields.iter().any(|field| self.mentions(&field.ty)),
                TypeKind::Enum(variants) => {
                    variants.iter().flat_map(|(_, fields)| fields).any(|field| self.mentions(&field.ty))
                }
                TypeKind::Alias(target) => self.mentions(target),
                TypeKind::Trait(supers) => supers.iter().any(|of| self.mentions(of)),
            };
            if carries || self.bounds_mention(&ty.generics) {
                self.add(&ty.name, added);
            }
        }
        for used in &file.uses {
            // `use sqlx::PgPool as Db`: the alias is another name of the same.
            let renamed = used.name.as_ref().filter(|name| used.path.last() != Some(name));
            if let Some(name) = renamed
                && used.path.last().is_some_and(|last| self.names.contains(last))
            {
                self.add(&name.clone(), added);
            }
        }
        for item in &file.consts {
            if self.mentions(&item.ty) {
                self.add(&item.name, added);
            }
        }
        for function in &file.functions {
            if self.is_carrier(file, function) {
                self.add(&function.name, added);
            }
        }
    }

    fn is_carrier(&self, file: &FileFacts, function: &Function) -> bool {
        if function.owner == Owner::Macro {
            return true;
        }
        let in_signature = function.params.iter().any(|param| self.mentions(&param.ty))
            || self.mentions(&function.output)
            || self.bounds_mention(&function.generics);
        let has_receiver =
            function.params.first().is_some_and(|param| matches!(&param.pat, Pat::Ident(name, _) if name == "self"));
        match function.owner {
            // `Type::new(pool)` is only ever called where the type is named.
            Owner::Impl(block) if in_signature && !has_receiver => {
                let named = matches!(&file.impls[block as usize].self_type, Type::Path(path) if self.names.contains(path.last()));
                !named
            }
            _ => in_signature,
        }
    }

    fn add(&mut self, name: &Name, added: &mut Vec<Name>) {
        if self.names.insert(name.clone()) {
            added.push(name.clone());
        }
    }

    fn bounds_mention(&self, generics: &[Generic]) -> bool {
        generics.iter().flat_map(|generic| &generic.bounds).any(|bound| self.mentions(bound))
    }

    fn mentions(&self, ty: &Type) -> bool {
        match ty {
            Type::Infer | Type::Other => false,
            Type::Ref(inner) | Type::Slice(inner) => self.mentions(inner),
            Type::Tuple(types) | Type::Impl(types) | Type::Dyn(types) => types.iter().any(|ty| self.mentions(ty)),
            Type::Fn(inputs, output) => inputs.iter().any(|ty| self.mentions(ty)) || self.mentions(output),
            Type::Path(path) => {
                path.segments.iter().any(|segment| {
                    self.names.contains(&segment.name)
                        || segment.args.iter().any(|ty| self.mentions(ty))
                        || segment.inputs.iter().flatten().any(|ty| self.mentions(ty))
                }) || path.self_type.as_ref().is_some_and(|ty| self.mentions(ty))
            }
        }
    }
}
