//! Facts in, names out: what carries a handle.

use rustc_hash::FxHashSet;

use super::bodies::Body;
use super::matcher::{ALWAYS, Matcher};
use crate::facts::{FileFacts, Function, Generic, Impl, Name, Owner, Pat, Type, TypeKind, Use};
use crate::index::{COMMON_METHODS, RuleBook};
use crate::parse::word_hash;

/// The names that matter so far.
#[derive(Debug, Default)]
pub struct Carriers {
    names: FxHashSet<Name>,
    /// The words that make a function matter: the names, and what only counts beside them.
    words: FxHashSet<u32>,
    /// What the packs' crates export.
    exported: FxHashSet<Name>,
    /// The crates: whoever names one matters, but a type of theirs is a handle only if a rule says so.
    crates: FxHashSet<Name>,
}

impl Carriers {
    /// Starts from the identifiers of the rules.
    #[must_use]
    pub fn new(book: &RuleBook<'_>) -> Self {
        let named = |names: &mut dyn Iterator<Item = &str>| names.map(Name::new).collect();
        let names: FxHashSet<Name> = named(&mut book.identifiers().into_iter());
        let words = names.iter().map(Name::as_str).chain(book.vocabulary()).map(word_hash).collect();
        let crates = named(&mut book.crate_names());
        Self { names, words, exported: named(&mut book.exported().into_iter()), crates }
    }

    /// The matcher of the first round.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        Matcher::new(self.names.iter().map(Name::as_str).chain(ALWAYS))
    }

    /// Adds a name; whether it is new.
    pub fn insert(&mut self, name: &Name) -> bool {
        self.words.insert(word_hash(name));
        self.names.insert(name.clone())
    }

    /// Whether a function or constant may touch a handle or a statement.
    pub fn touches(&self, body: &Body) -> bool {
        body.has_any_of(&self.words)
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
        let of_crates = self.imported_from_crates(file);
        for ty in &file.types {
            let carries = match &ty.kind {
                TypeKind::Struct(fields) => fields.iter().any(|field| self.mentions(&field.ty, &of_crates)),
                TypeKind::Enum(variants) => {
                    variants.iter().flat_map(|(_, fields)| fields).any(|field| self.mentions(&field.ty, &of_crates))
                }
                TypeKind::Alias(target) => self.mentions(target, &of_crates),
                TypeKind::Trait(supers, associated) => {
                    supers.iter().any(|of| self.mentions(of, &of_crates)) || self.bounds_mention(associated, &of_crates)
                }
            };
            if carries || self.bounds_mention(&ty.generics, &of_crates) {
                self.add(&ty.name, added);
            }
        }
        for used in &file.uses {
            self.grow_from_use(file, used, added);
        }
        for item in &file.consts {
            if self.mentions(&item.ty, &of_crates) {
                self.add(&item.name, added);
            }
        }
        for function in &file.functions {
            if self.is_carrier(function, &of_crates) {
                self.add_function(file, function, added);
            }
        }
    }

    /// What a file imports from the packs' crates.
    fn imported_from_crates<'f>(&self, file: &'f FileFacts) -> FxHashSet<&'f Name> {
        let is_exported = |used: &&Use| used.path.last().is_some_and(|last| self.exported.contains(last));
        let from_crate = |used: &&Use| used.path.iter().any(|part| self.crates.contains(part));
        let names = file.uses.iter().filter(is_exported).filter(from_crate);
        names.filter_map(|used| used.name.as_ref()).collect()
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
    fn is_carrier(&self, function: &Function, of_crates: &FxHashSet<&Name>) -> bool {
        let in_signature = function.params.iter().any(|param| self.mentions(&param.ty, of_crates))
            || self.mentions(&function.output, of_crates)
            || self.bounds_mention(&function.generics, of_crates);
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
        if self.insert(name) {
            added.push(name.clone());
        }
    }

    fn bounds_mention(&self, generics: &[Generic], of_crates: &FxHashSet<&Name>) -> bool {
        generics.iter().flat_map(|generic| &generic.bounds).any(|bound| self.mentions(bound, of_crates))
    }

    fn mentions(&self, ty: &Type, of_crates: &FxHashSet<&Name>) -> bool {
        let any = |types: &[Type]| types.iter().any(|ty| self.mentions(ty, of_crates));
        match ty {
            Type::Infer | Type::Other => false,
            Type::Ref(inner) | Type::Slice(inner) => self.mentions(inner, of_crates),
            Type::Tuple(types) | Type::Impl(types) | Type::Dyn(types) => any(types),
            Type::Fn(inputs, output) => any(inputs) || self.mentions(output, of_crates),
            Type::Path(path) => {
                self.is_named(path, of_crates)
                    || path.segments.iter().any(|segment| any(segment.args()) || segment.inputs().is_some_and(any))
                    || path.self_type.as_ref().is_some_and(|ty| self.mentions(ty, of_crates))
            }
        }
    }

    /// Whether a path names something that carries a handle, or that a crate exports and a rule knows.
    fn is_named(&self, path: &crate::facts::Path, of_crates: &FxHashSet<&Name>) -> bool {
        let carries = |name: &Name| self.names.contains(name) && !self.crates.contains(name);
        let from_crate = path.names().any(|name| self.crates.contains(name) || of_crates.contains(name));
        path.names().any(carries)
            || (from_crate && self.exported.contains(path.last()))
            || path.ident().is_some_and(|name| of_crates.contains(name))
    }
}

/// The name of the type that a block is for; nothing for a blanket one.
fn owner_of(block: &Impl) -> Option<Name> {
    let Type::Path(path) = &block.self_type else { return None };
    let is_parameter = block.generics.iter().any(|generic| path.ident() == Some(&generic.name));
    (!is_parameter).then(|| Name::new(path.last()))
}
