//! Facts in, names out: what carries a handle.

use rustc_hash::FxHashSet;

use super::matcher::{ALWAYS, Matcher};
use crate::facts::{FileFacts, Function, Generic, Impl, Name, Owner, Pat, Type, TypeKind, Use};
use crate::index::{COMMON_METHODS, RuleBook};

/// The names that matter so far.
#[derive(Debug, Default)]
pub struct Carriers {
    names: FxHashSet<Name>,
    /// What the packs' crates export.
    exported: FxHashSet<Name>,
}

impl Carriers {
    /// Starts from the identifiers of the rules.
    #[must_use]
    pub fn new(book: &RuleBook<'_>) -> Self {
        let named = |names: &mut dyn Iterator<Item = &str>| names.map(Name::new).collect();
        Self { names: named(&mut book.identifiers().into_iter()), exported: named(&mut book.exported().into_iter()) }
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
            self.grow_from_use(file, used, added);
        }
        for item in &file.consts {
            if self.mentions(&item.ty) {
                self.add(&item.name, added);
            }
        }
        for function in &file.functions {
            if self.is_carrier(function) {
                self.add_function(file, function, added);
            }
        }
    }

    /// An import under another name, and one that others may import again from here.
    fn grow_from_use(&mut self, file: &FileFacts, used: &Use, added: &mut Vec<Name>) {
        let is_passed_on = used.is_public || file.modules.len() > 1;
        let from_carrier = |names: &FxHashSet<Name>| used.path.iter().any(|part| names.contains(part));
        match &used.name {
            Some(name) => {
                let Some(last) = used.path.last() else { return };
                let is_renamed = name != last && self.names.contains(last);
                let is_exported = self.exported.contains(last.as_str()) && from_carrier(&self.names);
                if is_renamed || (is_exported && (is_passed_on || name != last)) {
                    self.add(&name.clone(), added);
                }
            }
            None if is_passed_on && from_carrier(&self.names) => {
                for name in self.exported.clone() {
                    self.add(&name, added);
                }
            }
            None => {}
        }
    }

    /// By its body, a macro is judged where the texts are.
    fn is_carrier(&self, function: &Function) -> bool {
        let in_signature = function.params.iter().any(|param| self.mentions(&param.ty))
            || self.mentions(&function.output)
            || self.bounds_mention(&function.generics);
        in_signature && function.owner != Owner::Macro
    }

    /// A function by its name, and its type or trait by theirs. `Type::new(pool)` is only called where the type is named,
    /// and a method of a common name only where the type is known.
    fn add_function(&mut self, file: &FileFacts, function: &Function, added: &mut Vec<Name>) {
        let owner = match function.owner {
            Owner::Impl(block) => owner_of(&file.impls[block as usize]),
            Owner::Trait(of) => file.types.get(of as usize).map(|ty| ty.name.clone()),
            Owner::Module | Owner::Macro => None,
        };
        if let Some(owner) = owner {
            self.add(&owner, added);
            let has_receiver = matches!(function.params.first(), Some(param) if matches!(&param.pat, Pat::Ident(name, _) if name == "self"));
            if !has_receiver || COMMON_METHODS.contains(&function.name.as_str()) {
                return;
            }
        }
        self.add(&function.name, added);
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

/// The name of the type that a block is for; nothing for a blanket one.
fn owner_of(block: &Impl) -> Option<Name> {
    let Type::Path(path) = &block.self_type else { return None };
    let is_parameter = block.generics.iter().any(|generic| path.ident() == Some(&generic.name));
    (!is_parameter).then(|| Name::new(path.last()))
}
