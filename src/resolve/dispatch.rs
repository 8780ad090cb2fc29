//! What a call reaches: one function, or any of several, as a trait's method and those of its impls.
//!
//! Several are one node, that calls lead to and functions leave from, and one summary: a program is no larger than its
//! calls and its impls together.

use std::rc::Rc;

use super::scope::is_scoped_ret;
use super::text::either;
use super::value::{Bind, Ret, Sends, Summary};
use super::{MAX_CALL_DEPTH, Resolver};
use crate::facts::Name;
use crate::index::{FnId, Index, ModId, TypeId};
use crate::program::ScopeKind;

/// A [`Group`] of the run.
pub(super) type GroupId = u32;

/// What a call reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reached {
    /// This function.
    One(FnId),
    /// Any of a group.
    Any(GroupId),
}

/// What several functions are reached by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Called {
    /// A name on a type, or on a trait.
    On(TypeId, Name),
    /// A name on a handle of a pack.
    OnHandle(Option<u8>, Name),
    /// A name on any type.
    Blanket(Name),
    /// A name and so many arguments, in a module.
    Near(ModId, Name, usize),
    /// Those of a group with so many parameters.
    With(GroupId, usize),
}

/// Functions that one call may reach.
pub(super) struct Group {
    /// In the order of the run.
    members: Rc<[FnId]>,
    /// Those whose summary is not in the joint one yet, the first one last.
    unread: Vec<FnId>,
    has_body: bool,
    joint: Rc<Summary>,
}

impl<'a> Resolver<'a> {
    /// What is reached by a name; looked for once.
    pub(super) fn reached(&mut self, called: Called, find: impl FnOnce(&Index<'a>) -> Vec<FnId>) -> Option<Reached> {
        if let Some(known) = self.called.get(&called) {
            return *known;
        }
        let members = find(self.index);
        let reached = match members.as_slice() {
            [] => None,
            [only] => Some(Reached::One(*only)),
            _ => Some(Reached::Any(self.add_group(members))),
        };
        self.called.insert(called, reached);
        reached
    }

    fn add_group(&mut self, members: Vec<FnId>) -> GroupId {
        let id = crate::source::to_u32(self.groups.len());
        for member in &members {
            self.groups_of.entry(*member).or_default().push(id);
        }
        let unread = members.iter().rev().copied().collect();
        let has_body = members.iter().any(|id| self.index.function(*id).body.is_some());
        self.groups.push(Group { members: members.into(), unread, has_body, joint: Rc::default() });
        id
    }

    /// The functions that a call may reach.
    pub(super) fn members(&self, reached: Reached) -> Rc<[FnId]> {
        match reached {
            Reached::One(function) => Rc::new([function]),
            Reached::Any(group) => Rc::clone(&self.groups[group as usize].members),
        }
    }

    /// The first function that a call may reach. All of them have its name.
    pub(super) fn first(&self, reached: Reached) -> FnId {
        match reached {
            Reached::One(function) => function,
            Reached::Any(group) => self.groups[group as usize].members[0],
        }
    }

    /// Whether the body of any of them was read.
    pub(super) fn has_body(&self, reached: Reached) -> bool {
        let index = self.index;
        let has_body = |id: FnId| index.function(id).body.is_some();
        match reached {
            Reached::One(function) => has_body(function),
            Reached::Any(group) => self.groups[group as usize].has_body,
        }
    }

    /// The groups that a function is one of.
    pub(super) fn groups_with(&self, function: FnId) -> impl Iterator<Item = Reached> {
        self.groups_of.get(&function).into_iter().flatten().map(|group| Reached::Any(*group))
    }

    /// Whether objects that are given to any of a group are given to this function of it, with handles in them.
    pub(super) fn is_given_to(&self, function: FnId, group: Reached, at: usize) -> bool {
        let carries = || self.carrying_params.get(&Reached::One(function))?.get(at).copied();
        self.handed_objs.contains_key(&(group, at)) && carries() == Some(true)
    }

    /// Those that take so many arguments.
    pub(super) fn taking(&mut self, reached: Reached, count: usize) -> Option<Reached> {
        let index = self.index;
        let takes = |id: &FnId| index.function(*id).params.len() == count;
        let group = match reached {
            Reached::One(function) => return takes(&function).then_some(reached),
            Reached::Any(group) => group,
        };
        let members = self.members(reached);
        let called = Called::With(group, count);
        if !self.called.contains_key(&called) && members.iter().all(takes) {
            self.called.insert(called.clone(), Some(reached));
        }
        self.reached(called, |_| members.iter().copied().filter(takes).collect())
    }

    /// What a call does.
    pub(super) fn effects(&mut self, reached: Reached) -> Rc<Summary> {
        match reached {
            Reached::One(function) => self.summary(function),
            Reached::Any(group) => self.joint(group as usize),
        }
    }

    /// What a call of any of a group does. Those that are being read add nothing yet, as in their own recursion.
    fn joint(&mut self, group: usize) -> Rc<Summary> {
        let mut being_read = Vec::new();
        while self.depth <= MAX_CALL_DEPTH
            && let Some(member) = self.groups[group].unread.pop()
        {
            if self.is_being_read[member as usize] {
                being_read.push(member);
                continue;
            }
            let summary = self.summary(member);
            add(Rc::make_mut(&mut self.groups[group].joint), &summary);
        }
        let group = &mut self.groups[group];
        group.unread.extend(being_read.into_iter().rev());
        Rc::clone(&group.joint)
    }
}

/// Adds what one of several functions does to what they all do: only what no other did before it.
fn add(all: &mut Summary, one: &Summary) {
    all.opens_scope |= one.opens_scope;
    for (at, path, bind) in &one.sets {
        // What is set last counts.
        all.sets.retain(|known| (known.0, &known.1) != (*at, path) || !is_alike(&known.2, bind));
        all.sets.push((*at, path.clone(), bind.clone()));
    }
    for end in &one.ends {
        if !all.ends.contains(end) {
            all.ends.push(end.clone());
        }
    }
    for (at, given) in &one.invokes {
        let is_same = |known: &(usize, Vec<Ret>)| {
            let pairs = || known.1.iter().zip(given);
            known.0 == *at && known.1.len() == given.len() && pairs().all(|(left, right)| are_alike(left, right))
        };
        if !all.invokes.iter().any(is_same) {
            all.invokes.push((*at, given.clone()));
        }
    }
    for sends in &one.sends {
        let is_same = |known: &Sends| {
            (known.text, known.pack) == (sends.text, sends.pack) && are_alike(&known.handle, &sends.handle)
        };
        if !all.sends.iter().any(is_same) {
            all.sends.push(sends.clone());
        }
    }
    add_output(all, &one.output);
}

fn add_output(all: &mut Summary, output: &Ret) {
    let is_vague = |ret: &Ret| matches!(ret, Ret::Unknown | Ret::Typed(_));
    if let (Ret::Text(known), Ret::Text(other)) = (&all.output, output) {
        all.output = Ret::Text(Rc::new(either(known, other)));
        return;
    }
    if is_vague(&all.output) {
        all.output = output.clone();
        return;
    }
    let is_known =
        is_vague(output) || std::iter::once(&all.output).chain(&all.others).any(|known| are_alike(known, output));
    if !is_known {
        all.others.push(output.clone());
    }
}

/// Whether two results are the same to who called any of several functions: what is no handle is the first one's.
fn are_alike(left: &Ret, right: &Ret) -> bool {
    match (left, right) {
        (Ret::Handle(left), Ret::Handle(right)) => is_alike(&left.bind, &right.bind),
        (Ret::Arg(at, path), Ret::Arg(other, other_path)) => (at, path) == (other, other_path),
        (Ret::Handle(_) | Ret::Arg(..), _) | (_, Ret::Handle(_) | Ret::Arg(..)) => false,
        _ => is_scoped_ret(left) == is_scoped_ret(right),
    }
}

/// Whether two binds are the same to a caller: a scope is that of the call, unless it is the session's.
fn is_alike(left: &Bind, right: &Bind) -> bool {
    match (left, right) {
        (Bind::Scope(left), Bind::Scope(right)) => {
            let is_session = [left.kind, right.kind].map(|kind| kind == ScopeKind::Session);
            is_session == [false, false] || left == right
        }
        _ => left == right,
    }
}
