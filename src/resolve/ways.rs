//! What all those who hand a handle on make of it: the handed handles as a graph, and how far what is unbound, scoped
//! or not known gets in it.
//!
//! Not by asking each who handed it to whom: programs go in circles, and what a circle makes of a handle is
//! what comes into it from outside.

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::dispatch::Reached;
use super::objects::MAX_PART_DEPTH;
use super::value::{Bind, Part};
use super::{HandedObj, Node, Resolver};
use crate::index::FnId;
use crate::program::Place;

/// So many of those who hand a handle on are told.
pub(super) const SHOWN_GIVERS: usize = 3;

/// What all those who hand a handle on make of it.
pub(super) enum Outcome {
    /// Everybody binds it.
    Scoped,
    /// These calls, the first one first, do not.
    Unscoped(Vec<(FnId, Place)>),
    /// Everybody goes around the policies on purpose.
    Bypass(Rc<str>),
    /// Nobody hands anything on, or not all of them are known.
    Open,
}

/// Who hands something on to a node.
struct Edge {
    /// The call or construction; none where one node merely stands for another.
    step: Option<(FnId, Place)>,
    from: Origin,
}

/// Where a handle comes from.
enum Origin {
    Node(usize),
    Scope,
    Nothing,
    Bypass(Rc<str>),
    Unknown,
}

impl Edge {
    fn length(&self) -> u32 {
        u32::from(self.step.is_some())
    }
}

/// How something gets to the nodes: which edge of each it comes by, where it does.
type Spread = Vec<Option<usize>>;

/// Who hands something on to a node: the first places, and how many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Givers {
    /// The first ones, in the order of the code.
    pub first: Vec<Place>,
    /// How many there are.
    pub count: usize,
}

/// Who hands handles on to the nodes that statements depend on.
pub(super) struct Ways<'r, 'a> {
    resolver: &'r Resolver<'a>,
    ids: FxHashMap<Node, usize>,
    nodes: Vec<Node>,
    edges: Vec<Vec<Edge>>,
    /// What is bound to nothing.
    unbound: Spread,
    /// What is not known.
    unknown: Spread,
    /// A scope.
    scoped: Spread,
    /// What goes around the policies.
    bypassing: Spread,
    /// Those who were asked for.
    givers: FxHashMap<usize, Givers>,
}

impl<'r, 'a> Ways<'r, 'a> {
    /// Everything that these nodes depend on.
    pub(super) fn new<'n>(resolver: &'r Resolver<'a>, roots: impl Iterator<Item = &'n Node>) -> Self {
        let mut ways = Self {
            resolver,
            ids: FxHashMap::default(),
            nodes: Vec::new(),
            edges: Vec::new(),
            unbound: Vec::new(),
            unknown: Vec::new(),
            scoped: Vec::new(),
            bypassing: Vec::new(),
            givers: FxHashMap::default(),
        };
        for root in roots {
            ways.id(root.clone());
        }
        while let Some(node) = ways.nodes.get(ways.edges.len()).cloned() {
            let mut edges = ways.edges_to(&node);
            if edges.is_empty() {
                edges.push(Edge { step: None, from: Origin::Unknown });
            }
            ways.edges.push(edges);
        }
        let next = ways.leading_on();
        ways.unbound = ways.spread(&next, |from| matches!(from, Origin::Nothing));
        ways.unknown = ways.spread(&next, |from| matches!(from, Origin::Unknown));
        ways.scoped = ways.spread(&next, |from| matches!(from, Origin::Scope));
        ways.bypassing = ways.spread(&next, |from| matches!(from, Origin::Bypass(_)));
        ways
    }

    /// What everybody who hands a handle on to a node makes of it.
    pub(super) fn outcome(&self, node: &Node) -> Outcome {
        let at = self.ids[node];
        if self.unbound[at].is_some() {
            return Outcome::Unscoped(self.way(at, &self.unbound).0);
        }
        if self.unknown[at].is_some() {
            return Outcome::Open;
        }
        if self.scoped[at].is_some() {
            return Outcome::Scoped;
        }
        match self.way(at, &self.bypassing) {
            (_, Some(Origin::Bypass(reason))) => Outcome::Bypass(Rc::clone(reason)),
            _ => Outcome::Open, // A circle that nothing comes into.
        }
    }

    fn id(&mut self, node: Node) -> usize {
        let next = self.nodes.len();
        let id = *self.ids.entry(node.clone()).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }

    fn edges_to(&mut self, node: &Node) -> Vec<Edge> {
        match node {
            Node::Part(reached, part) => self.edges_to_part(*reached, part),
            Node::Param(Reached::One(function), at) => {
                let mut edges = self.handed(node);
                for reached in self.resolver.groups_with(*function) {
                    let group = Node::Param(reached, *at);
                    if self.resolver.handed.contains_key(&group) {
                        edges.push(Edge { step: None, from: Origin::Node(self.id(group)) });
                    }
                }
                edges
            }
            Node::Param(Reached::Any(_), _) | Node::Field(..) | Node::Static(_) => self.handed(node),
        }
    }

    fn handed(&mut self, node: &Node) -> Vec<Edge> {
        let resolver = self.resolver;
        let handed = resolver.handed.get(node).into_iter().flatten();
        handed
            .map(|given| Edge { step: Some((given.by, given.place)), from: self.origin(given.by, &given.bind) })
            .collect()
    }

    /// What every caller's object has in a part of a parameter, else what every construction puts there.
    fn edges_to_part(&mut self, reached: Reached, part: &Rc<Part>) -> Vec<Edge> {
        let resolver = self.resolver;
        let given = resolver.handed_objs.get(&(reached, part.param)).into_iter().flatten();
        let mut edges: Vec<Edge> = given.map(|object| self.edge_of_object(object, part)).collect();
        if let Reached::One(function) = reached {
            for group in
                resolver.groups_with(function).filter(|group| resolver.is_given_to(function, *group, part.param))
            {
                edges.push(Edge { step: None, from: Origin::Node(self.id(Node::Part(group, Rc::clone(part)))) });
            }
        }
        if edges.is_empty() {
            edges.push(Edge { step: None, from: self.in_field(part) });
        }
        edges
    }

    fn edge_of_object(&mut self, object: &HandedObj, part: &Rc<Part>) -> Edge {
        let known = object.parts.iter().find(|(path, _)| *path == part.path);
        let from = match (known, &object.origin) {
            (Some((_, bind)), _) => self.origin(object.by, bind),
            // `walk(level.next)` leads from a level to the next one without end: no object's parts are known so far down.
            (None, Some((_, fields))) if fields.len() + part.path.len() > MAX_PART_DEPTH => self.in_field(part),
            (None, Some((param, fields))) => {
                let path = fields.iter().chain(&part.path).cloned().collect();
                let outer = Part { param: *param, path, ty: part.ty, field: part.field.clone() };
                Origin::Node(self.id(Node::Part(Reached::One(object.by), Rc::new(outer))))
            }
            (None, None) => self.in_field(part),
        };
        Edge { step: Some((object.by, object.place)), from }
    }

    fn in_field(&mut self, part: &Part) -> Origin {
        Origin::Node(self.id(Node::Field(part.ty, part.field.clone())))
    }

    fn origin(&mut self, by: FnId, bind: &Bind) -> Origin {
        let by = Reached::One(by);
        Origin::Node(match bind {
            Bind::Scope(_) => return Origin::Scope,
            Bind::None => return Origin::Nothing,
            Bind::Bypass(reason) => return Origin::Bypass(Rc::clone(reason)),
            Bind::Unknown => return Origin::Unknown,
            Bind::Param(at) => self.id(Node::Param(by, *at)),
            Bind::Part(part) => self.id(Node::Part(by, Rc::clone(part))),
            Bind::Static(id) => self.id(Node::Static(*id)),
            Bind::Field(ty, name) => self.id(Node::Field(*ty, name.clone())),
        })
    }

    /// Where each node hands on to, and over how many calls.
    fn leading_on(&self) -> Vec<Vec<(usize, u32)>> {
        let mut next = vec![Vec::new(); self.nodes.len()];
        for (to, edges) in self.edges.iter().enumerate() {
            for edge in edges {
                if let Origin::Node(from) = edge.from {
                    next[from].push((to, edge.length()));
                }
            }
        }
        next
    }

    /// How what comes in at some edges gets on: of the shortest ways to a node, by those who were seen first.
    fn spread(&self, next: &[Vec<(usize, u32)>], is_start: fn(&Origin) -> bool) -> Spread {
        let mut distances: Vec<Option<u32>> = vec![None; self.nodes.len()];
        let mut queue: VecDeque<(usize, u32)> = VecDeque::new();
        let push = |queue: &mut VecDeque<(usize, u32)>, node, distance, length| match length {
            0 => queue.push_front((node, distance)),
            _ => queue.push_back((node, distance + length)),
        };
        for (node, edges) in self.edges.iter().enumerate() {
            for edge in edges.iter().filter(|edge| is_start(&edge.from)) {
                push(&mut queue, node, 0, edge.length());
            }
        }
        while let Some((node, distance)) = queue.pop_front() {
            if distances[node].is_none() {
                distances[node] = Some(distance);
                for (to, length) in &next[node] {
                    push(&mut queue, *to, distance, *length);
                }
            }
        }
        let by_the_shortest = |(edges, distance): (&Vec<Edge>, &Option<u32>)| {
            let distance = (*distance)?;
            edges.iter().position(|edge| match edge.from {
                Origin::Node(from) => distances[from].is_some_and(|before| before + edge.length() == distance),
                ref from => is_start(from) && edge.length() == distance,
            })
        };
        self.edges.iter().zip(&distances).map(by_the_shortest).collect()
    }

    /// The calls that lead something to a node, the first one first, and where it comes from.
    fn way(&self, to: usize, spread: &Spread) -> (Vec<(FnId, Place)>, Option<&Origin>) {
        let mut steps = Vec::new();
        let mut from = None;
        let mut at = Some(to);
        while let Some(edge) = at.and_then(|at| Some(&self.edges[at][spread[at]?])) {
            steps.extend(edge.step);
            from = Some(&edge.from);
            at = match edge.from {
                Origin::Node(node) => Some(node),
                _ => None,
            };
        }
        steps.reverse();
        (steps, from)
    }

    /// Who hands something on to a node, or to any of several that it is one of.
    pub(super) fn givers(&mut self, node: &Node) -> Givers {
        let at = self.ids[node];
        let mut all = self.givers_at(at);
        for group in self.groups_at(at) {
            let more = self.givers_at(group);
            all.first.extend(more.first);
            all.count += more.count;
        }
        all.first.sort();
        all.first.truncate(SHOWN_GIVERS);
        all
    }

    fn groups_at(&self, node: usize) -> Vec<usize> {
        let group = |edge: &Edge| match edge.from {
            Origin::Node(from) if edge.step.is_none() => Some(from),
            _ => None,
        };
        let is_group =
            |id: &usize| matches!(self.nodes[*id], Node::Param(Reached::Any(_), _) | Node::Part(Reached::Any(_), _));
        self.edges[node].iter().filter_map(group).filter(is_group).collect()
    }

    fn givers_at(&mut self, node: usize) -> Givers {
        let edges = &self.edges[node];
        let find = || {
            let mut places: Vec<Place> = edges.iter().filter_map(|edge| Some(edge.step?.1)).collect();
            places.sort();
            places.dedup();
            Givers { count: places.len(), first: places.into_iter().take(SHOWN_GIVERS).collect() }
        };
        self.givers.entry(node).or_insert_with(find).clone()
    }
}
