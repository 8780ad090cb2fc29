//! One `Index` in, one `Program` out: every statement with what covers it.
//!
//! Each function is read once, in the order it runs, with its handles followed through variables, fields and calls.
//! What a call does is known from the callee's summary, made on first use. What depends on callers stays open
//! until all functions are read, and is then settled through the calls that were seen.

mod builders;
mod call;
mod chain;
mod cover;
mod dispatch;
mod expand;
mod flow;
mod frame;
mod leads;
mod method;
mod objects;
mod pattern;
mod scope;
mod settings;
mod settle;
mod statement;
mod text;
mod through;
mod value;
mod values;
mod ways;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::facts::Name;
use crate::index::{FnId, Index, TypeId};
use crate::program::{Cover, Event, Inferred, Place, Program, Statement};
use crate::rules::Rules;
use crate::sql::SettingChange;
use dispatch::{Called, Group, GroupId, Reached};
use frame::Frame;
use method::Guess;
use value::{Bind, Part, Summary};

/// Calls nested deeper than this are read on their own, without what their callers know.
const MAX_CALL_DEPTH: usize = 128;

/// What the resolver is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Include test code.
    pub with_tests: bool,
    /// Settings that policies of the schema read.
    pub policy_settings: Vec<String>,
    /// What functions of the schema set, by their name in lower case.
    pub stored_settings: BTreeMap<String, Vec<SettingChange>>,
    /// Functions of the schema that run as their owner, by their name in lower case.
    pub definers: BTreeSet<String>,
    /// Roles that the schema lets go around the policies, by name.
    pub bypass_roles: BTreeSet<String>,
    /// Texts of `include_str!` and `query_file!`, by path relative to the root.
    pub includes: BTreeMap<String, String>,
}

/// What decides about a statement or a handle in place of its own function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Node {
    /// Parameter of a function, or of any of several.
    Param(Reached, usize),
    /// Field of a type.
    Field(TypeId, Name),
    /// A static.
    Static(u32),
    /// Part of such a parameter.
    Part(Reached, Rc<Part>),
}

/// A statement whose cover may still depend on callers.
struct Draft {
    statement: Statement,
    waits_for: Option<Node>,
}

/// A handle that is handed on, to a parameter or into a field.
struct Handed {
    by: FnId,
    place: Place,
    bind: Bind,
}

/// An object that is handed on to a parameter.
struct HandedObj {
    by: FnId,
    place: Place,
    /// What binds the handles in it, by the fields that lead to them.
    parts: Vec<(Vec<Name>, Bind)>,
    /// The parameter of the caller that it is part of.
    origin: Option<(usize, Vec<Name>)>,
}

/// Reads all functions.
struct Resolver<'a> {
    index: &'a Index<'a>,
    rules: &'a Rules,
    options: &'a Options,
    summaries: Vec<Option<Rc<Summary>>>,
    is_being_read: Vec<bool>,
    depth: usize,
    /// Bodies of macros around this point that are read for what they make, not for what they send.
    quiet: u32,
    drafts: BTreeMap<Place, Draft>,
    handed: FxHashMap<Node, Vec<Handed>>,
    /// Objects with handles in them, by the parameter that they are given to.
    handed_objs: FxHashMap<(Reached, usize), Vec<HandedObj>>,
    /// Types that hold a connection or transaction.
    carriers: FxHashMap<TypeId, bool>,
    /// Which parameters of a function have such a type.
    carrying_params: FxHashMap<Reached, Rc<[bool]>>,
    /// Callers of each function, for paths from entry points.
    callers: FxHashMap<Reached, Vec<(FnId, Place)>>,
    /// Functions that one call may reach.
    groups: Vec<Group>,
    /// The groups that a function is in.
    groups_of: FxHashMap<FnId, Vec<GroupId>>,
    /// What was looked for by name.
    called: FxHashMap<Called, Option<Reached>>,
    /// Methods that were looked for without a type.
    guesses: FxHashMap<(Name, usize), Guess>,
    events: Vec<Event>,
    inferred: BTreeSet<Inferred>,
    used_rules: BTreeSet<String>,
}

/// The resolver at work in one function.
struct Reader<'r, 'a> {
    all: &'r mut Resolver<'a>,
    f: Frame<'a>,
}

/// Resolves the whole program.
#[must_use]
pub fn resolve(index: &Index<'_>, rules: &Rules, options: &Options) -> Program {
    let count = index.functions.len();
    let mut resolver = Resolver {
        index,
        rules,
        options,
        summaries: vec![None; count],
        is_being_read: vec![false; count],
        depth: 0,
        quiet: 0,
        drafts: BTreeMap::new(),
        handed: FxHashMap::default(),
        handed_objs: FxHashMap::default(),
        carriers: FxHashMap::default(),
        carrying_params: FxHashMap::default(),
        callers: FxHashMap::default(),
        groups: Vec::new(),
        groups_of: FxHashMap::default(),
        called: FxHashMap::default(),
        guesses: FxHashMap::default(),
        events: Vec::new(),
        inferred: BTreeSet::new(),
        used_rules: BTreeSet::new(),
    };
    for id in 0..count {
        resolver.summary(crate::source::to_u32(id));
    }
    settle::settle(resolver)
}

impl<'a> Resolver<'a> {
    /// What a call of the function does. Inside its own recursion, nothing is known.
    fn summary(&mut self, id: FnId) -> Rc<Summary> {
        let at = id as usize;
        if let Some(summary) = &self.summaries[at] {
            return Rc::clone(summary);
        }
        let is_out = self.is_test(id) && !self.options.with_tests;
        if self.is_being_read[at] || self.depth > MAX_CALL_DEPTH || is_out {
            return Rc::default();
        }
        self.is_being_read[at] = true;
        self.depth += 1;
        let quiet = std::mem::take(&mut self.quiet);
        let frame = Frame::new(self.index, id);
        let summary = Rc::new(Reader { all: self, f: frame }.read());
        self.quiet = quiet;
        self.depth -= 1;
        self.is_being_read[at] = false;
        self.summaries[at] = Some(Rc::clone(&summary));
        summary
    }

    /// Keeps a statement; one that is read twice keeps the verdict that claims less.
    fn add_draft(&mut self, draft: Draft) {
        if self.quiet > 0 {
            return;
        }
        let claims = |draft: &Draft| match (&draft.statement.cover, &draft.waits_for) {
            (_, Some(_)) => 1,
            (Cover::Unscoped | Cover::Escaped(..) | Cover::AfterScope(..) | Cover::Path(_), _) => 0,
            (Cover::Caller, _) => 2,
            (Cover::Bypass(_) | Cover::Exempt(_), _) => 3,
            (Cover::Scoped(_), _) => 4,
        };
        let claimed = claims(&draft);
        match self.drafts.entry(draft.statement.place) {
            Entry::Vacant(slot) => drop(slot.insert(draft)),
            Entry::Occupied(mut slot) => {
                if claimed < claims(slot.get()) {
                    slot.insert(draft);
                }
            }
        }
    }

    fn is_test(&self, id: FnId) -> bool {
        let home = self.index.functions[id as usize];
        let facts = &self.index.facts[home.file as usize];
        let function = self.index.function(id);
        function.in_test
            || self.index.files[home.file as usize].target.is_test
            || facts.modules[function.module as usize].in_test
    }
}
