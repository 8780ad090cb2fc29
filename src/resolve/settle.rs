//! What depends on callers: a parameter is bound as every call binds it, a field as every construction does.

use std::collections::{BTreeMap, BTreeSet};

use super::leads::Leads;
use super::ways::{Outcome, Ways};
use super::{Draft, Node, Resolver};
use crate::index::FnId;
use crate::program::{CallsBetween, Cover, FileId, Place, Program, Scope, ScopeKind, Statement, Step};
use crate::rules::HandleKind;

struct Settler<'r, 'a> {
    resolver: &'r Resolver<'a>,
    ways: Ways<'r, 'a>,
    leads: Leads<'r, 'a>,
}

/// Settles every statement and puts the program together.
pub(super) fn settle(mut resolver: Resolver<'_>) -> Program {
    let drafts = std::mem::take(&mut resolver.drafts);
    let ways = Ways::new(&resolver, drafts.values().filter_map(|draft| draft.waits_for.as_ref()));
    let mut settler = Settler { resolver: &resolver, ways, leads: Leads::new(&resolver) };
    let statements = drafts.into_values().map(|draft| settler.settled(draft)).collect();
    let led_from = settler.leads.led_from();
    let mut events = std::mem::take(&mut resolver.events);
    events.sort_by(|left, right| (left.place, &left.kind).cmp(&(right.place, &right.kind)));
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

/// Which files call which others.
fn calls_between_files(resolver: &Resolver<'_>) -> Vec<CallsBetween> {
    let file = |function: &FnId| resolver.index.functions[*function as usize].file;
    let mut between: BTreeMap<BTreeSet<FileId>, BTreeSet<FileId>> = BTreeMap::new();
    for (reached, callers) in &resolver.callers {
        let callees = resolver.members(*reached).iter().map(file).collect();
        between.entry(callees).or_default().extend(callers.iter().map(|(caller, _)| file(caller)));
    }
    between.into_iter().map(|(callees, callers)| CallsBetween { callers, callees }).collect()
}

impl Settler<'_, '_> {
    fn settled(&mut self, draft: Draft) -> Statement {
        let mut statement = draft.statement;
        let Some(node) = draft.waits_for else { return statement };
        let name = node_name(self.resolver, &node);
        match self.ways.outcome(&node) {
            Outcome::Scoped => {
                let givers = self.ways.givers(&node);
                let kind = match &node {
                    Node::Param(..) => ScopeKind::Callers,
                    Node::Part(..) if givers.count > 0 => ScopeKind::Callers,
                    Node::Part(..) | Node::Field(..) | Node::Static(_) => ScopeKind::Field,
                };
                let place = givers.first.first().copied();
                statement
                    .trace
                    .push(format!("settled: {name} is bound by everybody who hands it on{}", self.who(&node)));
                statement.cover = Cover::Scoped(Scope { kind, place, name });
            }
            Outcome::Unscoped(calls) => {
                let lead = calls.first().map(|(first, _)| self.leads.to(*first)).unwrap_or_default();
                let mut path: Vec<Step> = lead.into_iter().chain(calls).map(|call| self.step(call)).collect();
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

    fn step(&self, (by, place): (FnId, Place)) -> Step {
        Step { function: self.resolver.index.function_path(by), place }
    }

    /// Who hands a handle on, as `trace` says it: the first few places.
    fn who(&mut self, node: &Node) -> String {
        let givers = self.ways.givers(node);
        let files = self.resolver.index.files;
        let shown = givers.first.iter().map(|place| {
            let file = &files[place.file as usize];
            format!("{}:{}", file.path, file.line(place.span.start))
        });
        let shown: Vec<String> = shown.collect();
        match (shown.as_slice(), givers.count - shown.len()) {
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
}

/// A connection in a field or static that is filled outside the run: nobody who reads the code would take it for a scope.
fn is_lone_connection(node: &Node, statement: &Statement) -> bool {
    !matches!(node, Node::Param(..)) && statement.handle_kind == Some(HandleKind::Connection)
}

fn node_name(resolver: &Resolver<'_>, node: &Node) -> String {
    let index = resolver.index;
    match node {
        Node::Param(reached, at) => {
            let function = index.function(resolver.first(*reached));
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
