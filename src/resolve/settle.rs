//! What depends on callers: a parameter is bound as every call binds it, a field as every construction does.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::value::{Bind, Part};
use super::{Draft, Node, Resolver};
use crate::facts::Name;
use crate::index::{COMMON_METHODS, FnId, Index, OwnerInfo, Ty};
use crate::program::{Cover, FileId, Place, Program, Scope, ScopeKind, Step};
use crate::rules::HandleKind;

/// A part of a parameter that more fields than this lead to is not followed to the callers.
const MAX_PATH: usize = 8;

/// What all those who hand a handle on make of it.
#[derive(Clone, Debug)]
enum Outcome {
    /// Everybody binds it.
    Scoped,
    /// This way does not; none where the handle is not bound to begin with.
    Unscoped(Option<Rc<Way>>),
    /// Everybody goes around the policies on purpose.
    Bypass(Rc<str>),
    /// Nobody hands anything on, or not all of them are known.
    Open,
}

/// The calls that lead an unbound handle to a node, the last one first. Ways share where they come from.
#[derive(Debug)]
struct Way {
    by: FnId,
    place: Place,
    before: Option<Rc<Way>>,
    length: usize,
}

/// What those who hand a handle on make of it, as far as they were asked.
#[derive(Default)]
struct Joint {
    shortest: Option<Rc<Way>>,
    scoped: usize,
    open: usize,
    bypass: Option<Rc<str>>,
}

impl Joint {
    fn add(&mut self, by: FnId, place: Place, outcome: Outcome) {
        match outcome {
            Outcome::Scoped => self.scoped += 1,
            Outcome::Open => self.open += 1,
            Outcome::Bypass(reason) => self.bypass = Some(reason),
            Outcome::Unscoped(before) => {
                let length = before.as_ref().map_or(0, |way| way.length) + 1;
                if self.shortest.as_ref().is_none_or(|best| length < best.length) {
                    self.shortest = Some(Rc::new(Way { by, place, before, length }));
                }
            }
        }
    }

    /// What holds for everybody.
    fn outcome(self) -> Outcome {
        match (self.shortest, self.open, self.bypass) {
            (Some(way), ..) => Outcome::Unscoped(Some(way)),
            (None, 1.., _) => Outcome::Open,
            (None, 0, Some(reason)) if self.scoped == 0 => Outcome::Bypass(reason),
            _ => Outcome::Scoped,
        }
    }
}

struct Settler<'r, 'a> {
    resolver: &'r Resolver<'a>,
    known: FxHashMap<Node, Outcome>,
    is_open: FxHashSet<Node>,
    led_from: BTreeSet<Name>,
}

/// Settles every statement and puts the program together.
pub(super) fn settle(mut resolver: Resolver<'_>) -> Program {
    let drafts = std::mem::take(&mut resolver.drafts);
    let mut settler = Settler {
        resolver: &resolver,
        known: FxHashMap::default(),
        is_open: FxHashSet::default(),
        led_from: BTreeSet::new(),
    };
    let statements = drafts.into_values().map(|draft| settler.settled(draft)).collect();
    let led_from = settler.led_from;
    let mut events = std::mem::take(&mut resolver.events);
    events.sort_by_key(|event| (event.place, order(&event.kind)));
    events.dedup_by(|left, right| left.place == right.place && left.kind == right.kind);
    Program {
        statements,
        events,
        inferred: std::mem::take(&mut resolver.inferred).into_iter().collect(),
        used_rules: std::mem::take(&mut resolver.used_rules),
        led_from,
        calls: calls_between_files(&resolver),
    }
}

/// Which file calls which other.
fn calls_between_files(resolver: &Resolver<'_>) -> BTreeSet<(FileId, FileId)> {
    let file = |function: FnId| resolver.index.functions[function as usize].file;
    let calls = resolver
        .callers
        .iter()
        .flat_map(|(callee, callers)| callers.iter().map(move |(caller, _)| (file(*caller), file(*callee))));
    calls.filter(|(caller, callee)| caller != callee).collect()
}

fn order(kind: &crate::program::EventKind) -> String {
    format!("{kind:?}")
}

impl Settler<'_, '_> {
    fn settled(&mut self, draft: Draft) -> crate::program::Statement {
        let mut statement = draft.statement;
        let Some(node) = draft.waits_for else { return statement };
        let name = node_name(self.resolver.index, &node);
        match self.outcome(&node) {
            Outcome::Scoped => {
                let kind = match &node {
                    Node::Param(..) => ScopeKind::Callers,
                    Node::Part(function, part) if self.resolver.handed_objs.contains_key(&(*function, part.param)) => {
                        ScopeKind::Callers
                    }
                    Node::Part(..) | Node::Field(..) | Node::Static(_) => ScopeKind::Field,
                };
                let place = self.first_place(&node);
                statement
                    .trace
                    .push(format!("settled: {name} is bound by everybody who hands it on{}", self.who(&node)));
                statement.cover = Cover::Scoped(Scope { kind, place, name });
            }
            Outcome::Unscoped(way) => {
                let path = self.steps(way.as_deref());
                let mut path = self.with_lead(path);
                path.push(Step { function: statement.function.clone(), place: statement.place });
                statement.trace.push(format!("settled: {name} is reached without a scope, in {} steps", path.len()));
                statement.cover = Cover::Path(path);
            }
            Outcome::Bypass(reason) => statement.cover = Cover::Bypass(reason.to_string()),
            Outcome::Open if is_lone_connection(&node, &statement) && self.is_never_filled(&node) => {
                statement.trace.push(format!("settled: {name} is a connection that nothing here binds"));
                statement.cover = Cover::Unscoped;
            }
            Outcome::Open => {
                let who = self.who(&node);
                let line = if who.is_empty() {
                    format!("open: nobody in what was read hands {name} on")
                } else {
                    format!("open: who hands {name} on was not followed to the end{who}")
                };
                statement.trace.push(line);
            }
        }
        statement
    }

    /// Who hands a handle on, as `trace` says it: the first few places.
    fn who(&self, node: &Node) -> String {
        const SHOWN: usize = 3;
        let mut places: Vec<Place> = match node {
            Node::Part(function, part) => {
                let objects = self.resolver.handed_objs.get(&(*function, part.param));
                objects.into_iter().flatten().map(|object| object.place).collect()
            }
            _ => self.resolver.handed.get(node).into_iter().flatten().map(|given| given.place).collect(),
        };
        places.sort();
        places.dedup();
        let files = self.resolver.index.files;
        let shown = places.iter().take(SHOWN).map(|place| {
            let file = &files[place.file as usize];
            format!("{}:{}", file.path, file.line(place.span.start))
        });
        let shown: Vec<String> = shown.collect();
        match (shown.as_slice(), places.len().saturating_sub(SHOWN)) {
            ([], _) => String::new(),
            (shown, 0) => format!(": {}", shown.join(", ")),
            (shown, more) => format!(": {} and {more} more", shown.join(", ")),
        }
    }

    /// Whether nothing in the run fills the field.
    fn is_never_filled(&self, node: &Node) -> bool {
        match node {
            Node::Part(_, part) => !self.resolver.handed.contains_key(&Node::Field(part.ty, part.field.clone())),
            _ => !self.resolver.handed.contains_key(node),
        }
    }

    fn outcome(&mut self, node: &Node) -> Outcome {
        if let Some(known) = self.known.get(node) {
            return known.clone();
        }
        if !self.is_open.insert(node.clone()) {
            return Outcome::Scoped; // A recursive call adds nothing to what the first one was given.
        }
        let outcome = self.combined(node);
        self.is_open.remove(node);
        self.known.insert(node.clone(), outcome.clone());
        outcome
    }

    fn combined(&mut self, node: &Node) -> Outcome {
        if let Node::Part(function, part) = node {
            return self.part(*function, part);
        }
        let resolver = self.resolver;
        let Some(handed) = resolver.handed.get(node) else { return Outcome::Open };
        let mut joint = Joint::default();
        for given in handed {
            joint.add(given.by, given.place, self.given(given.by, &given.bind));
        }
        joint.outcome()
    }

    /// What a function makes of a part of a parameter: what every caller's object has there, else what every construction puts there.
    fn part(&mut self, function: FnId, part: &Rc<Part>) -> Outcome {
        let resolver = self.resolver;
        let in_field = Node::Field(part.ty, part.field.clone());
        let Some(objects) = resolver.handed_objs.get(&(function, part.param)) else { return self.outcome(&in_field) };
        let mut joint = Joint::default();
        for object in objects {
            let known = object.parts.iter().find(|(path, _)| *path == part.path);
            let outcome = match (known, &object.origin) {
                (Some((_, bind)), _) => self.given(object.by, bind),
                // `walk(level.next)` leads from a level to the next one without end.
                (None, Some((_, fields))) if fields.len() + part.path.len() > MAX_PATH => Outcome::Open,
                (None, Some((param, fields))) => {
                    let path = fields.iter().chain(&part.path).cloned().collect();
                    let outer = Part { param: *param, path, ty: part.ty, field: part.field.clone() };
                    self.outcome(&Node::Part(object.by, Rc::new(outer)))
                }
                (None, None) => self.outcome(&in_field),
            };
            joint.add(object.by, object.place, outcome);
        }
        joint.outcome()
    }

    /// A way in words: who lets the handle in first, down to the node.
    fn steps(&self, way: Option<&Way>) -> Vec<Step> {
        let ways = std::iter::successors(way, |way| way.before.as_deref());
        let step = |way: &Way| Step { function: self.resolver.index.function_path(way.by), place: way.place };
        let mut steps: Vec<Step> = ways.map(step).collect();
        steps.reverse();
        steps
    }

    /// What one of them hands on. The way does not hold its own step yet.
    fn given(&mut self, by: FnId, bind: &Bind) -> Outcome {
        match bind {
            Bind::Scope(_) => Outcome::Scoped,
            Bind::None => Outcome::Unscoped(None),
            Bind::Bypass(reason) => Outcome::Bypass(Rc::clone(reason)),
            Bind::Unknown => Outcome::Open,
            Bind::Param(at) => self.outcome(&Node::Param(by, *at)),
            Bind::Part(part) => self.outcome(&Node::Part(by, Rc::clone(part))),
            Bind::Static(id) => self.outcome(&Node::Static(*id)),
            Bind::Field(ty, name) => self.outcome(&Node::Field(*ty, name.clone())),
        }
    }

    fn first_place(&self, node: &Node) -> Option<Place> {
        match node {
            Node::Part(function, part) => {
                let objects = self.resolver.handed_objs.get(&(*function, part.param))?;
                objects.iter().map(|object| object.place).min()
            }
            _ => self.resolver.handed.get(node)?.iter().map(|given| given.place).min(),
        }
    }

    /// The path, led by the shortest way from an entry point to its first step.
    fn with_lead(&mut self, path: Vec<Step>) -> Vec<Step> {
        let Some(first) = path.first() else { return path };
        let Some(start) = self.function_at(first) else { return path };
        let mut came_from: FxHashMap<FnId, (FnId, Place)> = FxHashMap::default();
        let mut queue = VecDeque::from([start]);
        let mut entry = start;
        while let Some(function) = queue.pop_front() {
            self.led_from.extend(called_by(self.resolver.index, function));
            let callers = self.resolver.callers.get(&function).map_or(&[][..], Vec::as_slice);
            if callers.is_empty() || self.is_entry(function) {
                entry = function;
                break;
            }
            for (caller, place) in callers {
                if *caller != start && !came_from.contains_key(caller) {
                    came_from.insert(*caller, (function, *place));
                    queue.push_back(*caller);
                }
            }
        }
        let mut lead = Vec::new();
        while let Some((next, place)) = came_from.get(&entry) {
            lead.push(Step { function: self.resolver.index.function_path(entry), place: *place });
            entry = *next;
        }
        lead.extend(path);
        lead
    }

    fn function_at(&self, step: &Step) -> Option<FnId> {
        let index = self.resolver.index;
        let first = index.functions.partition_point(|home| home.file < step.place.file);
        let candidates = index.functions[first..].iter().take_while(|home| home.file == step.place.file);
        (first..)
            .zip(candidates)
            .map(|(id, _)| crate::source::to_u32(id))
            .filter(|id| index.function(*id).span.contains(step.place.span))
            .min_by_key(|id| index.function(*id).span.end - index.function(*id).span.start)
    }

    fn is_entry(&self, id: FnId) -> bool {
        let index = self.resolver.index;
        let function = index.function(id);
        let path = index.function_path(id);
        let by_rule = self
            .resolver
            .rules
            .entries
            .iter()
            .any(|entry| path == entry.path || path.ends_with(&format!("::{}", entry.path)));
        function.name == "main" || by_rule
    }
}

/// A connection in a field or static that is filled outside the run: nobody who reads the code would take it for a scope.
fn is_lone_connection(node: &Node, statement: &crate::program::Statement) -> bool {
    !matches!(node, Node::Param(..)) && statement.handle_kind == Some(HandleKind::Connection)
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

fn node_name(index: &Index<'_>, node: &Node) -> String {
    match node {
        Node::Param(id, at) => {
            let function = index.function(*id);
            let param = function.params.get(*at).map(|param| match &param.pat {
                crate::facts::Pat::Ident(name, _) => name.to_string(),
                _ => format!("parameter {at}"),
            });
            format!("`{}` of `{}`", param.unwrap_or_default(), function.name)
        }
        Node::Field(ty, name) => format!("`{}.{name}`", index.type_def(*ty).name),
        Node::Static(id) => format!("`{}`", index.const_def(*id).name),
        Node::Part(_, part) => format!("`{}.{}`", index.type_def(part.ty).name, part.field),
    }
}
