//! How the calls of the run lead from entry points to a function: the shortest way, for the paths that findings show.

use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::Resolver;
use super::dispatch::Reached;
use crate::facts::Name;
use crate::index::{COMMON_METHODS, FnId, Index, OwnerInfo, Ty};
use crate::program::Place;
use crate::rules::Rules;

/// The calls of the run, from entry points down.
pub(super) struct Leads<'r, 'a> {
    resolver: &'r Resolver<'a>,
    /// How many calls lead from the nearest entry point to each function, where any do.
    depths: FxHashMap<FnId, u32>,
    /// Who was seen first to call something, of those who are nearest to an entry point.
    nearest: FxHashMap<Reached, (u32, (FnId, Place))>,
    /// From where a way up was asked for, and how many calls it has.
    asked: Vec<(u32, FnId)>,
}

impl<'r, 'a> Leads<'r, 'a> {
    /// The shortest ways to all functions.
    pub(super) fn new(resolver: &'r Resolver<'a>) -> Self {
        let mut leads = Self { resolver, depths: depths(resolver), nearest: FxHashMap::default(), asked: Vec::new() };
        for (reached, callers) in &resolver.callers {
            let depth = |(caller, _): &&(FnId, Place)| leads.depths.get(caller).copied().unwrap_or(u32::MAX);
            if let Some(first) = callers.iter().min_by_key(depth) {
                leads.nearest.insert(*reached, (depth(&first), *first));
            }
        }
        leads
    }

    /// The calls from an entry point to a function, the first one first; none where it is one, or none leads there.
    pub(super) fn to(&mut self, function: FnId) -> Vec<(FnId, Place)> {
        let depth = self.depths.get(&function).copied();
        self.asked.push((depth.unwrap_or(u32::MAX), function));
        let mut calls = Vec::new();
        let mut at = function;
        for _ in 0..depth.unwrap_or(0) {
            let nearest = reached_by(self.resolver, at).filter_map(|reached| self.nearest.get(&reached));
            let Some((_, call)) = nearest.min_by_key(|(depth, _)| *depth) else { break };
            calls.push(*call);
            at = call.0;
        }
        self.asked.push((0, at));
        calls.reverse();
        calls
    }

    /// Names of the functions, and their types, whose callers decide about the ways that were asked for.
    pub(super) fn led_from(&self) -> BTreeSet<Name> {
        let mut names = BTreeSet::new();
        let mut seen: FxHashSet<FnId> = FxHashSet::default();
        let mut seen_groups: FxHashSet<Reached> = FxHashSet::default();
        for (_, entry) in self.asked.iter().filter(|(calls, _)| *calls == 0) {
            names.extend(called_by(self.resolver.index, *entry));
        }
        // Those with the longest ways first: whoever is seen again has less to say.
        let mut waiting: BinaryHeap<(u32, FnId)> = self.asked.iter().copied().collect();
        while let Some((calls, function)) = waiting.pop() {
            if calls == 0 || !seen.insert(function) {
                continue;
            }
            names.extend(called_by(self.resolver.index, function));
            for reached in reached_by(self.resolver, function) {
                if seen_groups.insert(reached) {
                    let callers = self.resolver.callers.get(&reached).into_iter().flatten();
                    waiting.extend(callers.map(|(caller, _)| (calls - 1, *caller)));
                }
            }
        }
        names
    }
}

/// How many calls lead from the nearest entry point, or function that nobody calls, to each function.
fn depths(resolver: &Resolver<'_>) -> FxHashMap<FnId, u32> {
    let mut called: FxHashMap<FnId, Vec<Reached>> = FxHashMap::default();
    for (reached, callers) in &resolver.callers {
        for (caller, _) in callers {
            called.entry(*caller).or_default().push(*reached);
        }
    }
    let is_called = |id: FnId| reached_by(resolver, id).any(|reached| resolver.callers.contains_key(&reached));
    let count = crate::source::to_u32(resolver.index.functions.len());
    let is_start = |id: &FnId| !is_called(*id) || is_entry(resolver.index, resolver.rules, *id);
    let mut queue: VecDeque<FnId> = (0..count).filter(is_start).collect();
    let mut depths: FxHashMap<FnId, u32> = queue.iter().map(|id| (*id, 0)).collect();
    let mut seen: FxHashSet<Reached> = FxHashSet::default();
    while let Some(function) = queue.pop_front() {
        let depth = depths[&function] + 1;
        for reached in called.remove(&function).unwrap_or_default() {
            if !seen.insert(reached) {
                continue;
            }
            for callee in resolver.members(reached).iter() {
                if !depths.contains_key(callee) {
                    depths.insert(*callee, depth);
                    queue.push_back(*callee);
                }
            }
        }
    }
    depths
}

/// Everything that calls of a function reach it by.
fn reached_by(resolver: &Resolver<'_>, function: FnId) -> impl Iterator<Item = Reached> {
    std::iter::once(Reached::One(function)).chain(resolver.groups_with(function))
}

fn is_entry(index: &Index<'_>, rules: &Rules, id: FnId) -> bool {
    let name = &index.function(id).name;
    let is_meant = |entry: &str| {
        let path = index.function_path(id);
        path == entry || path.ends_with(&format!("::{entry}"))
    };
    name == "main" || rules.entries.iter().any(|entry| entry.path.ends_with(name.as_str()) && is_meant(&entry.path))
}

/// The names that a file must contain that calls the function: its own, unless it is a method of a common name, or its type's.
fn called_by(index: &Index<'_>, id: FnId) -> Vec<Name> {
    let name = index.function(id).name.clone();
    let owner = match index.owner(id) {
        OwnerInfo::Impl(block) => match &index.impls[block as usize].self_ty {
            Ty::Adt(ty, _) => Some(index.type_def(*ty).name.clone()),
            _ => None,
        },
        OwnerInfo::Trait(ty) => Some(index.type_def(ty).name.clone()),
        OwnerInfo::Free | OwnerInfo::Macro => None,
    };
    let is_common = owner.is_some() && COMMON_METHODS.contains(&name.as_str());
    owner.into_iter().chain((!is_common).then_some(name)).collect()
}
