//! Names to definitions: `use`, aliases, re-exports, globs, `crate`, `self` and `super`, and where all that fails, the best guess.

use super::{FnId, Index, ModId, TypeId};
use crate::facts::Name;
use crate::source::SourceFile;

/// Chains of re-exports longer than this are cycles.
const MAX_HOPS: usize = 12;

/// The module path of a file: what the `mod` tree says, or what its place says.
pub fn module_path(file: &SourceFile) -> Vec<Name> {
    let target = &file.target;
    let parts: Vec<&str> = file.path.split('/').collect();
    // Tests, examples and binaries are crates of their own.
    let (crate_name, inside) = match parts.iter().rposition(|part| *part == "src") {
        Some(at) => (parts[..at].join("/"), &parts[at + 1..]),
        None => match parts.iter().rposition(|part| matches!(*part, "tests" | "examples" | "benches")) {
            Some(at) => (parts[..parts.len().min(at + 2)].join("/"), &parts[(at + 1).min(parts.len())..]),
            None => (String::new(), &parts[..]),
        },
    };
    let crate_name = if target.crate_name.is_empty() { crate_name } else { target.crate_name.clone() };
    let mut path = vec![Name::new(crate_name)];
    let is_root = !target.src_path.is_empty() && std::path::Path::new(&target.src_path).ends_with(&file.path);
    if !target.module.is_empty() || is_root {
        path.extend(target.module.iter().map(Name::new));
        return path;
    }
    let last = inside.len().saturating_sub(1);
    for (at, part) in inside.iter().enumerate() {
        let name = if at == last { part.strip_suffix(".rs").unwrap_or(part) } else { part };
        let names_the_folder = at == last && matches!(name, "mod" | "lib" | "main");
        if !names_the_folder {
            path.push(Name::new(name.replace('-', "_")));
        }
    }
    path
}

impl Index<'_> {
    /// The full path that a path written in `module` stands for: to a definition of the run, or into a foreign crate.
    /// A path that leads nowhere comes back as it is.
    #[must_use]
    pub fn canonical(&self, module: ModId, path: &[Name]) -> Vec<Name> {
        self.expand(module, path, MAX_HOPS)
    }

    /// The type or trait that a path written in `module` names.
    #[must_use]
    pub fn find_type(&self, module: ModId, path: &[Name]) -> Option<TypeId> {
        let full = self.canonical(module, path);
        let (name, parent) = full.split_last()?;
        if let Some(found) = self.module_by_path.get(parent).and_then(|id| self.modules[*id as usize].types.get(name)) {
            return Some(*found);
        }
        if self.is_foreign(&full) {
            return None;
        }
        self.best(self.types_by_name.get(name)?, |id| self.types[*id as usize].module, module, parent)
    }

    /// The free function that a path written in `module` names.
    #[must_use]
    pub fn find_function(&self, module: ModId, path: &[Name]) -> Option<FnId> {
        let full = self.canonical(module, path);
        let (name, parent) = full.split_last()?;
        if let Some(found) =
            self.module_by_path.get(parent).and_then(|id| self.modules[*id as usize].functions.get(name))
        {
            return Some(*found);
        }
        if self.is_foreign(&full) {
            return None;
        }
        let free: Vec<FnId> = self
            .functions_by_name
            .get(name)?
            .iter()
            .copied()
            .filter(|id| self.owner(*id) == super::OwnerInfo::Free)
            .collect();
        self.best(&free, |id| self.functions[*id as usize].module, module, parent)
    }

    /// The const or static that a path written in `module` names; an associated one by its name alone.
    #[must_use]
    pub fn find_const(&self, module: ModId, path: &[Name]) -> Option<u32> {
        let full = self.canonical(module, path);
        let (name, parent) = full.split_last()?;
        if let Some(found) = self.module_by_path.get(parent).and_then(|id| self.modules[*id as usize].consts.get(name))
        {
            return Some(*found);
        }
        self.best(self.consts_by_name.get(name)?, |id| self.consts[*id as usize].module, module, parent)
    }

    /// What a name stands for in a module, as the `use` writes it that brings it in, through globs too.
    #[must_use]
    pub fn imported(&self, module: ModId, name: &str) -> Option<(ModId, &[Name])> {
        let mut seen = vec![module];
        let mut at = 0;
        while let Some(id) = seen.get(at).copied() {
            at += 1;
            let scope = &self.modules[id as usize];
            if let Some(target) = scope.uses.get(name).and_then(|targets| targets.first()) {
                return Some((id, target));
            }
            for base in &scope.glob_bases {
                if let Some(next) = self.module_by_path.get(base)
                    && !seen.contains(next)
                {
                    seen.push(*next);
                }
            }
        }
        None
    }

    /// All that a module imports by a name, as the `use`s of its functions write it.
    pub fn imports(&self, module: ModId, name: &str) -> impl Iterator<Item = &[Name]> {
        self.modules[module as usize].uses.get(name).into_iter().flatten().map(Vec::as_slice)
    }

    /// The last name of what a name is imported as; the name itself where it is not, and `None` where the functions of a module do not agree.
    #[must_use]
    pub fn stands_for<'n>(&'n self, module: ModId, name: &'n Name) -> Option<&'n Name> {
        let Some(targets) = self.modules[module as usize].uses.get(name) else { return Some(name) };
        let mut targets = targets.iter().filter_map(|target| target.last());
        let first = targets.next()?;
        targets.all(|target| target == first).then_some(first)
    }

    /// The module of the run that a path leads to.
    #[must_use]
    pub fn module_at(&self, module: ModId, path: &[Name]) -> Option<ModId> {
        self.module_by_path.get(&self.canonical(module, path)).copied()
    }

    /// The paths of a module's globs, as written.
    #[must_use]
    pub fn globs(&self, module: ModId) -> &[Vec<Name>] {
        &self.modules[module as usize].globs
    }

    /// Whether a full path leads into a crate that is not part of the run.
    #[must_use]
    pub fn is_foreign(&self, full: &[Name]) -> bool {
        full.len() > 1 && !self.crates.contains(&full[0]) && self.book.knows_crate(&full[0])
    }

    /// Remembered, because the same few names are asked for all the time; a name that leads back to itself leads nowhere.
    fn expand(&self, module: ModId, path: &[Name], hops: usize) -> Vec<Name> {
        if hops == 0 || path.is_empty() {
            return path.to_vec();
        }
        let key = (module, path.to_vec());
        if let Some(known) = self.expanded.borrow().get(&key) {
            return known.clone().unwrap_or_else(|| path.to_vec());
        }
        self.expanded.borrow_mut().insert(key.clone(), None);
        let full = self.expand_once(module, path, hops);
        self.expanded.borrow_mut().insert(key, Some(full.clone()));
        full
    }

    fn expand_once(&self, module: ModId, path: &[Name], hops: usize) -> Vec<Name> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let scope = &self.modules[module as usize];
        match first.as_str() {
            "crate" | "$crate" => return self.walk(join(&scope.path[..1], rest), hops),
            "self" => return self.walk(join(&scope.path, rest), hops),
            "super" => {
                let parent = &scope.path[..scope.path.len().saturating_sub(1).max(1)];
                return match self.module_by_path.get(parent) {
                    Some(parent) if rest.first().is_some_and(|next| next == "super") => {
                        self.expand(*parent, rest, hops - 1)
                    }
                    _ => self.walk(join(parent, rest), hops),
                };
            }
            _ => {}
        }
        if let Some(targets) = scope.uses.get(first) {
            // Several imports of one name are those of several functions; the first that leads somewhere wins.
            for target in targets {
                if target.first() == Some(first) && target.len() == 1 {
                    break;
                }
                let full = if target.first() == Some(first) {
                    self.walk(join(target, rest), hops - 1)
                } else {
                    self.expand(module, &join(target, rest), hops - 1)
                };
                if full.len() > 1 {
                    return full;
                }
            }
        }
        if self.defines(module, first) {
            return self.walk(join(&scope.path, path), hops);
        }
        if self.crates.contains(first) && !rest.is_empty() {
            return self.walk(path.to_vec(), hops);
        }
        self.through_globs(module, path, hops).unwrap_or_else(|| path.to_vec())
    }

    /// Follows an absolute path through the modules of the run, and on where a module only re-exports.
    fn walk(&self, full: Vec<Name>, hops: usize) -> Vec<Name> {
        if hops == 0 {
            return full;
        }
        let longest = (1..full.len()).rev().find_map(|at| Some((at, *self.module_by_path.get(&full[..at])?)));
        let Some((at, module)) = longest else { return full };
        let name = &full[at];
        let scope = &self.modules[module as usize];
        if scope.types.contains_key(name) || scope.functions.contains_key(name) || scope.consts.contains_key(name) {
            return full;
        }
        if scope.uses.contains_key(name) {
            return self.expand(module, &full[at..], hops - 1);
        }
        self.through_globs(module, &full[at..], hops).unwrap_or(full)
    }

    /// A name that comes in by a glob, through as many modules as it takes.
    fn through_globs(&self, module: ModId, path: &[Name], hops: usize) -> Option<Vec<Name>> {
        let name = path.first()?;
        let mut seen = vec![module];
        let mut at = 0;
        let mut foreign = None;
        while let Some(scope) = seen.get(at).map(|id| &self.modules[*id as usize]) {
            at += 1;
            for base in &scope.glob_bases {
                let Some(target) = self.module_by_path.get(base).copied() else {
                    let full = || join(base, path);
                    foreign = foreign.or_else(|| Some(full()).filter(|full| self.book.knows_path(full)));
                    continue;
                };
                if seen.contains(&target) {
                    continue;
                }
                if self.defines(target, name) {
                    return Some(self.walk(join(base, path), hops - 1));
                }
                if self.modules[target as usize].uses.contains_key(name) {
                    return Some(self.expand(target, path, hops - 1));
                }
                seen.push(target);
            }
        }
        foreign
    }

    /// Works out where each module's globs lead. Done once, when all modules are known.
    pub(super) fn link_globs(&mut self) {
        for id in 0..self.modules.len() {
            let module = crate::source::to_u32(id);
            let globs = self.modules[id].globs.clone();
            let bases = globs.iter().map(|glob| self.expand(module, glob, MAX_HOPS)).collect();
            self.modules[id].glob_bases = bases;
        }
        self.expanded.borrow_mut().clear();
    }

    fn defines(&self, module: ModId, name: &Name) -> bool {
        let scope = &self.modules[module as usize];
        scope.types.contains_key(name)
            || scope.functions.contains_key(name)
            || scope.consts.contains_key(name)
            || self.module_by_path.contains_key(join(&scope.path, std::slice::from_ref(name)).as_slice())
    }

    /// The candidate whose module fits best: the same module, then the most equal trailing segments, then the same crate.
    /// Two that fit alike are no answer, unless the name was written with nothing that could tell them apart.
    fn best(&self, candidates: &[u32], module_of: impl Fn(&u32) -> ModId, from: ModId, parent: &[Name]) -> Option<u32> {
        let from_path = &self.modules[from as usize].path;
        let score = |id: &u32| {
            let home = &self.modules[module_of(id) as usize].path;
            let suffix = home.iter().rev().zip(parent.iter().rev()).take_while(|(a, b)| a == b).count();
            let near = home.iter().zip(from_path).take_while(|(a, b)| a == b).count();
            (suffix, module_of(id) == from, near)
        };
        let wanted = parent.iter().filter(|name| !matches!(name.as_str(), "crate" | "self" | "super")).count();
        let best = candidates.iter().max_by_key(|id| (score(id), std::cmp::Reverse(**id)))?;
        let (suffix, same, _) = score(best);
        let ties = candidates.iter().filter(|id| score(id) == score(best)).count();
        ((suffix > 0 || same || wanted == 0 || candidates.len() == 1) && (ties == 1 || same)).then_some(*best)
    }
}

fn join(left: &[Name], right: &[Name]) -> Vec<Name> {
    left.iter().chain(right).cloned().collect()
}
