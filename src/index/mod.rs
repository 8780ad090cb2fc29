//! All `FileFacts` in, one `Index` out: every definition of the run by number, by name and by module.

mod matching;
mod paths;
mod types;

use std::cell::RefCell;
use std::sync::LazyLock;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::facts::{Const, FileFacts, Function, Generic, Impl, Name, Owner, TypeDef, TypeKind};
use crate::program::FileId;
use crate::rules::Rules;
use crate::source::SourceFile;
pub use matching::{PathPattern, RuleBook};
pub use types::{Context, HandleTy, Ty};

/// Names of methods that too many types have to guess whose they are.
pub const COMMON_METHODS: [&str; 24] = [
    "new", "get", "set", "insert", "push", "len", "iter", "next", "clone", "into", "from", "build", "send", "run",
    "call", "start", "stop", "map", "read", "write", "load", "save", "find", "execute",
];

/// A function of the run.
pub type FnId = u32;
/// A type or trait of the run.
pub type TypeId = u32;
/// A module of the run.
pub type ModId = u32;

/// A definition's home: its file and its number there.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    /// The file.
    pub file: FileId,
    /// Its index in the file's list.
    pub local: u32,
    /// Its module.
    pub module: ModId,
}

/// A module with the names it holds.
#[derive(Debug, Default)]
pub struct ModuleScope {
    /// From the crate's name down.
    pub path: Vec<Name>,
    uses: FxHashMap<Name, Vec<Vec<Name>>>,
    globs: Vec<Vec<Name>>,
    /// Where the globs lead, as full paths.
    glob_bases: Vec<Vec<Name>>,
    types: FxHashMap<Name, TypeId>,
    functions: FxHashMap<Name, FnId>,
    consts: FxHashMap<Name, u32>,
}

/// An `impl` block of the run, resolved.
#[derive(Debug)]
pub struct ImplInfo {
    /// Where it is.
    pub home: Home,
    /// The type it is for.
    pub self_ty: Ty,
    /// The workspace trait it implements.
    pub of_trait: Option<TypeId>,
    /// The trait's last segment, for foreign traits such as `Deref`.
    pub trait_name: Option<Name>,
}

/// Everything that is defined in the run.
pub struct Index<'a> {
    /// The files.
    pub files: &'a [SourceFile],
    /// Their facts, by [`FileId`].
    pub facts: &'a [FileFacts],
    /// The rules, prepared for look-up.
    pub book: RuleBook<'a>,
    /// Every function.
    pub functions: Vec<Home>,
    /// Every type.
    pub types: Vec<Home>,
    /// Every const and static.
    pub consts: Vec<Home>,
    /// Every module.
    pub modules: Vec<ModuleScope>,
    /// Every `impl` block.
    pub impls: Vec<ImplInfo>,
    /// Functions by name, whatever their owner.
    pub functions_by_name: FxHashMap<Name, Vec<FnId>>,
    /// Macros by name.
    pub macros_by_name: FxHashMap<Name, Vec<FnId>>,
    /// Associated functions by type and name; those of trait impls too.
    methods: FxHashMap<(TypeId, Name), Vec<FnId>>,
    /// `impl` blocks of a trait.
    trait_impls: FxHashMap<TypeId, Vec<u32>>,
    /// `impl` blocks for a type.
    type_impls: FxHashMap<TypeId, Vec<u32>>,
    /// Functions of an `impl` block.
    impl_functions: Vec<Vec<FnId>>,
    /// The owner of each function, resolved.
    owners: Vec<OwnerInfo>,
    module_by_path: FxHashMap<Vec<Name>, ModId>,
    file_modules: Vec<Vec<ModId>>,
    types_by_name: FxHashMap<Name, Vec<TypeId>>,
    consts_by_name: FxHashMap<Name, Vec<u32>>,
    crates: rustc_hash::FxHashSet<Name>,
    /// Per file, a bit for each pack whose crates its text mentions.
    file_packs: Vec<u64>,
    /// Paths that were worked out already; `None` while one is.
    expanded: RefCell<FxHashMap<PathInModule, Option<Vec<Name>>>>,
}

/// A path as a module writes it.
type PathInModule = (ModId, Vec<Name>);

/// Whose a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerInfo {
    /// Nobody's.
    Free,
    /// An `impl` block's.
    Impl(u32),
    /// A trait's.
    Trait(TypeId),
    /// A macro's arm.
    Macro,
}

/// What is known of files that are not the project's own.
static NO_FACTS: LazyLock<FileFacts> = LazyLock::new(FileFacts::default);

impl<'a> Index<'a> {
    /// Builds the index.
    #[must_use]
    pub fn new(files: &'a [SourceFile], facts: &'a [FileFacts], rules: &'a Rules) -> Self {
        let mut index = Self {
            files,
            facts,
            book: RuleBook::new(rules),
            functions: Vec::new(),
            types: Vec::new(),
            consts: Vec::new(),
            modules: Vec::new(),
            impls: Vec::new(),
            functions_by_name: FxHashMap::default(),
            macros_by_name: FxHashMap::default(),
            methods: FxHashMap::default(),
            trait_impls: FxHashMap::default(),
            type_impls: FxHashMap::default(),
            impl_functions: Vec::new(),
            owners: Vec::new(),
            module_by_path: FxHashMap::default(),
            file_modules: Vec::with_capacity(files.len()),
            types_by_name: FxHashMap::default(),
            consts_by_name: FxHashMap::default(),
            crates: rustc_hash::FxHashSet::default(),
            file_packs: Vec::new(),
            expanded: RefCell::default(),
        };
        let is_read = |at: usize| !facts[at].modules.is_empty();
        let book = &index.book;
        let packs = |at: usize| if is_read(at) { book.packs_in(&files[at].text) } else { 0 };
        index.file_packs = (0..files.len()).into_par_iter().map(packs).collect();
        let nothing: &'static FileFacts = &NO_FACTS;
        let written = |(file, facts): (&SourceFile, &'a FileFacts)| {
            if rules.is_generated(&file.text) { nothing } else { facts }
        };
        let facts: Vec<&FileFacts> = files.iter().zip(facts).map(written).collect();
        for (file, facts) in (0..).zip(&facts) {
            index.add_modules(file, facts);
            index.add_definitions(file, facts);
        }
        index.share_packs();
        index.link_globs();
        for (file, facts) in (0..).zip(&facts) {
            index.add_impls(file, facts);
        }
        index
    }

    /// The function's facts.
    #[must_use]
    pub fn function(&self, id: FnId) -> &'a Function {
        let home = self.functions[id as usize];
        &self.facts[home.file as usize].functions[home.local as usize]
    }

    /// The type's facts.
    #[must_use]
    pub fn type_def(&self, id: TypeId) -> &'a TypeDef {
        let home = self.types[id as usize];
        &self.facts[home.file as usize].types[home.local as usize]
    }

    /// The const's facts.
    #[must_use]
    pub fn const_def(&self, id: u32) -> &'a Const {
        let home = self.consts[id as usize];
        &self.facts[home.file as usize].consts[home.local as usize]
    }

    /// Whose the function is.
    #[must_use]
    pub fn owner(&self, id: FnId) -> OwnerInfo {
        self.owners[id as usize]
    }

    /// The facts of an `impl` block.
    #[must_use]
    pub fn impl_def(&self, id: u32) -> &'a Impl {
        let home = self.impls[id as usize].home;
        &self.facts[home.file as usize].impls[home.local as usize]
    }

    /// `crate::module::Type::name`, as messages print it.
    #[must_use]
    pub fn function_path(&self, id: FnId) -> String {
        let home = self.functions[id as usize];
        let function = self.function(id);
        let mut parts: Vec<&str> = self.modules[home.module as usize].path.iter().skip(1).map(Name::as_str).collect();
        let owner = match self.owner(id) {
            OwnerInfo::Impl(block) => match &self.impls[block as usize].self_ty {
                Ty::Adt(ty, _) => Some(self.type_def(*ty).name.clone()),
                _ => match &self.impl_def(block).self_type {
                    crate::facts::Type::Path(path) => Some(Name::new(path.last())),
                    _ => None,
                },
            },
            OwnerInfo::Trait(id) => Some(self.type_def(id).name.clone()),
            OwnerInfo::Free | OwnerInfo::Macro => None,
        };
        parts.extend(owner.as_deref());
        parts.push(&function.name);
        let bang = if self.owner(id) == OwnerInfo::Macro { "!" } else { "" };
        parts.join("::") + bang
    }

    /// Functions of this name that belong to the type: its own, those of its trait impls, and its traits' default methods.
    #[must_use]
    pub fn methods_of(&self, ty: TypeId, name: &str) -> Vec<FnId> {
        let own = self.methods.get(&(ty, Name::new(name))).cloned().unwrap_or_default();
        if !own.is_empty() {
            return own;
        }
        // A default method of a trait that the type implements.
        let blocks = self.type_impls.get(&ty).into_iter().flatten();
        let traits = blocks.filter_map(|block| self.impls[*block as usize].of_trait);
        traits.filter_map(|of| self.methods.get(&(of, Name::new(name)))).flatten().copied().collect()
    }

    /// Functions of this name that a call on the trait may reach: the trait's own and those of all its impls.
    #[must_use]
    pub fn methods_of_trait(&self, of_trait: TypeId, name: &str) -> Vec<FnId> {
        let mut found = self.methods.get(&(of_trait, Name::new(name))).cloned().unwrap_or_default();
        for block in self.trait_impls.get(&of_trait).into_iter().flatten() {
            found.extend(self.functions_of_impl(*block).filter(|id| self.function(*id).name == name));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The names of the traits that the type implements, as written.
    pub fn traits_of(&self, ty: TypeId) -> impl Iterator<Item = &str> {
        let blocks = self.type_impls.get(&ty).into_iter().flatten();
        blocks.filter_map(|block| self.impls[*block as usize].trait_name.as_deref())
    }

    /// Whether the file mentions a crate of the pack.
    #[must_use]
    pub fn uses_pack(&self, file: FileId, pack: u8) -> bool {
        self.file_packs[file as usize] & (1 << pack) != 0
    }

    /// Whether the type implements a trait of this name, foreign ones included.
    #[must_use]
    pub fn implements(&self, ty: TypeId, trait_name: &str) -> Option<u32> {
        let blocks = self.type_impls.get(&ty)?;
        blocks.iter().copied().find(|id| self.impls[*id as usize].trait_name.as_deref() == Some(trait_name))
    }

    /// The functions of an `impl` block.
    pub fn functions_of_impl(&self, block: u32) -> impl Iterator<Item = FnId> + '_ {
        self.impl_functions[block as usize].iter().copied()
    }

    /// What names mean inside a function: its type parameters, its `Self`, its module.
    #[must_use]
    pub fn context(&self, id: FnId) -> Context<'a> {
        let home = self.functions[id as usize];
        let function = self.function(id);
        let (self_ty, outer): (Ty, &'a [Generic]) = match self.owner(id) {
            OwnerInfo::Impl(block) => (self.impls[block as usize].self_ty.clone(), &self.impl_def(block).generics),
            OwnerInfo::Trait(of) => (Ty::Adt(of, Vec::new().into()), &self.type_def(of).generics),
            OwnerInfo::Free | OwnerInfo::Macro => (Ty::Unknown, &[]),
        };
        Context { module: home.module, self_ty, generics: [&function.generics, outer] }
    }

    fn add_modules(&mut self, file: FileId, facts: &FileFacts) {
        let base = paths::module_path(&self.files[file as usize]);
        if let Some(first) = base.first() {
            self.crates.insert(first.clone());
        }
        let mut ids = Vec::with_capacity(facts.modules.len());
        for module in &facts.modules {
            let mut path = base.clone();
            path.extend(module.path.iter().cloned());
            let next = u32::try_from(self.modules.len()).unwrap_or(u32::MAX);
            let id = *self.module_by_path.entry(path.clone()).or_insert(next);
            if id == next {
                self.modules.push(ModuleScope { path, ..ModuleScope::default() });
            }
            ids.push(id);
        }
        for used in &facts.uses {
            let scope = &mut self.modules[ids[used.module as usize] as usize];
            match &used.name {
                Some(name) => scope.uses.entry(name.clone()).or_default().push(used.path.clone()),
                None => scope.globs.push(used.path.clone()),
            }
        }
        self.file_modules.push(ids);
    }

    /// The files that a module includes use the crates that it imports.
    fn share_packs(&mut self) {
        let mut of_module: FxHashMap<ModId, u64> = FxHashMap::default();
        for ((ids, facts), packs) in self.file_modules.iter().zip(self.facts).zip(&self.file_packs) {
            let written_here = ids.iter().zip(&facts.modules).filter(|(_, module)| !module.is_declaration);
            for (id, _) in written_here {
                *of_module.entry(*id).or_default() |= packs;
            }
        }
        for (ids, packs) in self.file_modules.iter().zip(&mut self.file_packs) {
            *packs |= ids.first().and_then(|root| of_module.get(root)).copied().unwrap_or(0);
        }
    }

    fn add_definitions(&mut self, file: FileId, facts: &FileFacts) {
        let home = |module: u32, local: usize, ids: &[ModId]| Home {
            file,
            local: crate::source::to_u32(local),
            module: ids[module as usize],
        };
        let ids = self.file_modules[file as usize].clone();
        for (local, ty) in facts.types.iter().enumerate() {
            let id = crate::source::to_u32(self.types.len());
            let home = home(ty.module, local, &ids);
            self.modules[home.module as usize].types.insert(ty.name.clone(), id);
            self.types_by_name.entry(ty.name.clone()).or_default().push(id);
            self.types.push(home);
        }
        for (local, value) in facts.consts.iter().enumerate() {
            let id = crate::source::to_u32(self.consts.len());
            let home = home(value.module, local, &ids);
            if value.owner == Owner::Module {
                self.modules[home.module as usize].consts.insert(value.name.clone(), id);
            }
            self.consts_by_name.entry(value.name.clone()).or_default().push(id);
            self.consts.push(home);
        }
        for (local, function) in facts.functions.iter().enumerate() {
            let id = crate::source::to_u32(self.functions.len());
            let home = home(function.module, local, &ids);
            self.functions.push(home);
            self.owners.push(OwnerInfo::Free);
            match function.owner {
                Owner::Macro => {
                    self.owners[id as usize] = OwnerInfo::Macro;
                    self.macros_by_name.entry(function.name.clone()).or_default().push(id);
                    continue;
                }
                Owner::Module => {
                    self.modules[home.module as usize].functions.insert(function.name.clone(), id);
                }
                Owner::Impl(_) | Owner::Trait(_) => {}
            }
            self.functions_by_name.entry(function.name.clone()).or_default().push(id);
        }
    }

    fn add_impls(&mut self, file: FileId, facts: &FileFacts) {
        let first_fn = self.functions.partition_point(|home| home.file < file);
        let first_type = self.types.partition_point(|home| home.file < file);
        let first_impl = self.impls.len();
        for (local, block) in facts.impls.iter().enumerate() {
            let module = self.file_modules[file as usize][block.module as usize];
            let context = Context { module, self_ty: Ty::Unknown, generics: [&block.generics, &[]] };
            let self_ty = self.type_of(&context, &block.self_type);
            let (of_trait, trait_name) = match &block.of_trait {
                Some(crate::facts::Type::Path(path)) => (self.find_trait(module, path), Some(Name::new(path.last()))),
                _ => (None, None),
            };
            let id = crate::source::to_u32(self.impls.len());
            if let Some(of_trait) = of_trait {
                self.trait_impls.entry(of_trait).or_default().push(id);
            }
            if let Ty::Adt(ty, _) = &self_ty {
                self.type_impls.entry(*ty).or_default().push(id);
            }
            let home = Home { file, local: crate::source::to_u32(local), module };
            self.impl_functions.push(Vec::new());
            self.impls.push(ImplInfo { home, self_ty, of_trait, trait_name });
        }
        for (local, function) in facts.functions.iter().enumerate() {
            let id = crate::source::to_u32(first_fn + local);
            let (owner, ty) = match function.owner {
                Owner::Impl(block) => {
                    let block = first_impl + block as usize;
                    self.impl_functions[block].push(id);
                    let ty = match &self.impls[block].self_ty {
                        Ty::Adt(ty, _) => Some(*ty),
                        _ => None,
                    };
                    (OwnerInfo::Impl(crate::source::to_u32(block)), ty)
                }
                Owner::Trait(local) => {
                    let ty = crate::source::to_u32(first_type + local as usize);
                    (OwnerInfo::Trait(ty), Some(ty))
                }
                Owner::Module | Owner::Macro => continue,
            };
            self.owners[id as usize] = owner;
            if let Some(ty) = ty {
                self.methods.entry((ty, function.name.clone())).or_default().push(id);
            }
        }
    }

    fn find_trait(&self, module: ModId, path: &crate::facts::Path) -> Option<TypeId> {
        let names: Vec<Name> = path.names().cloned().collect();
        let found = self.find_type(module, &names)?;
        matches!(self.type_def(found).kind, TypeKind::Trait(..)).then_some(found)
    }
}
