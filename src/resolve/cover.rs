//! What covers a statement: the scope of its handle, a scope around it, a caller, or nothing.

use std::rc::Rc;

use super::dispatch::Reached;
use super::value::{Bind, Val};
use super::{Node, Reader};
use crate::index::Ty;
use crate::program::{After, Cover, Escape, Scope, ScopeKind};
use crate::sql::{SettingScope, SqlFacts};

impl<'a> Reader<'_, 'a> {
    /// What covers a statement on this handle, here.
    pub(super) fn cover(&mut self, handle: &Val<'a>, facts: Option<&SqlFacts>) -> (Cover, Option<Node>) {
        let Some(facts) = facts else { return self.cover_of(handle) };
        let is_about_the_session = matches!(facts.operation, Some("listen" | "notify" | "transaction" | "set"));
        let needs_no_scope = is_harmless(facts) || self.is_plain_setting(facts);
        let exempt = (Cover::Exempt("touches no table and sets no tenant".into()), None);
        if needs_no_scope && (is_about_the_session || !facts.settings.is_empty()) {
            return exempt;
        }
        match self.cover_of(handle) {
            covered @ (Cover::Scoped(_) | Cover::Bypass(_), _) => covered,
            _ if needs_no_scope => exempt,
            open => match self.definer(facts) {
                Some(function) => (Cover::Bypass(format!("`{function}` runs as its owner")), None),
                None => open,
            },
        }
    }

    /// The function of the schema that a statement only calls, if that one is `SECURITY DEFINER`.
    fn definer<'f>(&self, facts: &'f SqlFacts) -> Option<&'f str> {
        let definers = &self.all.options.definers;
        let only_calls =
            facts.tables.is_empty() && facts.complete && matches!(facts.operation, Some("select" | "call"));
        let mut own = facts.calls.iter().filter(|name| !is_built_in(name));
        let first = own.next().filter(|name| only_calls && definers.contains(*name))?;
        own.all(|name| definers.contains(name)).then_some(first.as_str())
    }

    fn cover_of(&mut self, handle: &Val<'a>) -> (Cover, Option<Node>) {
        let Some(id) = self.as_handle(handle) else {
            return match handle {
                Val::Opaque(Bind::Param(at)) => (Cover::Caller, Some(Node::Param(Reached::One(self.f.id), *at))),
                Val::Opaque(Bind::Field(ty, name)) => (Cover::Caller, Some(Node::Field(*ty, name.clone()))),
                Val::Opaque(Bind::Part(part)) => {
                    (Cover::Caller, Some(Node::Part(Reached::One(self.f.id), Rc::clone(part))))
                }
                Val::Opaque(Bind::Unknown) if self.f.active().is_none() => (Cover::Caller, None),
                _ => (self.uncovered(true), None),
            };
        };
        let info = self.f.handles[id].clone();
        if let Some(ended) = info.ended {
            return match Self::scope_of(&info.bind) {
                Some(scope) => (Cover::AfterScope((**scope).clone(), After::End(ended)), None),
                None => (Cover::Unscoped, None),
            };
        }
        match info.bind {
            Bind::Scope(scope) => (Cover::Scoped((*scope).clone()), None),
            Bind::Param(at) => (Cover::Caller, Some(Node::Param(Reached::One(self.f.id), at))),
            Bind::Field(ty, name) => (Cover::Caller, Some(Node::Field(ty, name))),
            Bind::Part(part) => (Cover::Caller, Some(Node::Part(Reached::One(self.f.id), part))),
            Bind::Static(id) => (Cover::Caller, Some(Node::Static(id))),
            Bind::Bypass(reason) => (Cover::Bypass(reason.to_string()), None),
            Bind::Unknown => (Cover::Caller, None),
            Bind::None => (self.uncovered(false), None),
        }
    }

    /// A handle that nothing binds: outside every scope, or inside one that it is not of.
    fn uncovered(&self, is_unknown: bool) -> Cover {
        if let Some(active) = self.f.active() {
            let scope: Scope = (*active.scope).clone();
            if is_unknown && !active.is_spawned {
                // Inside a scope, what is not known to be another handle is taken for its own.
                return Cover::Scoped(scope);
            }
            let escape = if active.is_spawned { Escape::SpawnedTask } else { Escape::OtherHandle };
            return Cover::Escaped(scope, escape);
        }
        match self.f.open_guard().map(|guard| &guard.bind) {
            Some(Bind::Scope(scope)) if !is_unknown && scope.kind != ScopeKind::Session => {
                Cover::AfterScope((**scope).clone(), After::Begin)
            }
            _ => Cover::Unscoped,
        }
    }

    /// One line on the handle, for `trace`.
    pub(super) fn describe(&self, value: &Val<'a>, id: Option<usize>) -> String {
        let Some(id) = id else {
            return match value {
                Val::Opaque(Bind::Param(at)) => format!("handle: parameter {at}, of a type that is not known"),
                Val::Typed(Ty::Ext(name, _)) => format!("handle: of the foreign type `{name}`"),
                _ => "handle: of a type that is not known".to_owned(),
            };
        };
        let handle = &self.f.handles[id];
        let bind = match &handle.bind {
            Bind::None => "bound to no tenant".to_owned(),
            Bind::Scope(scope) => format!("bound by {} `{}`", scope.kind.name(), scope.name),
            Bind::Param(at) => format!("bound as the caller's argument {at}"),
            Bind::Field(ty, name) => format!("bound as every `{}.{name}`", self.all.index.type_def(*ty).name),
            Bind::Part(part) => format!("bound as the caller's `{}`", part.path.join(".")),
            Bind::Static(id) => format!("bound as everything put into `{}`", self.all.index.const_def(*id).name),
            Bind::Bypass(reason) => format!("bypasses the policies: {reason}"),
            Bind::Unknown => "bound by code that was not read".to_owned(),
        };
        format!("handle: {:?}, {bind}", handle.kind).to_lowercase()
    }
}

/// Statements that read and write no rows that a policy could hide, and bind nothing.
fn is_harmless(facts: &SqlFacts) -> bool {
    if !facts.complete {
        return false;
    }
    let clears = !facts.settings.is_empty()
        && facts.settings.iter().all(|change| change.scope == SettingScope::Reset && change.name.is_none());
    match facts.operation {
        // Policies are not asked when objects are defined, unless rows are read to fill them.
        Some("ddl") => facts.settings.is_empty() && facts.tables.iter().all(|table| table.operation == "ddl"),
        _ if !facts.tables.is_empty() => false,
        Some("listen" | "notify" | "transaction" | "other") => true,
        Some("select") => facts.settings.is_empty() && facts.calls.iter().all(|name| is_built_in(name)),
        _ => clears,
    }
}

/// Functions that read no table of a user, and words that are written like functions.
fn is_built_in(name: &str) -> bool {
    const FAMILIES: [&str; 14] = [
        "pg_",
        "current_",
        "to_",
        "uuid",
        "gen_random_",
        "json",
        "array_",
        "string_",
        "regexp_",
        "date_",
        "has_",
        "make_",
        "inet_",
        "txid_",
    ];
    const NAMES: [&str; 49] = [
        "abs",
        "all",
        "and",
        "any",
        "as",
        "bool_and",
        "bool_or",
        "cast",
        "ceil",
        "clock_timestamp",
        "coalesce",
        "concat",
        "count",
        "decode",
        "encode",
        "exists",
        "extract",
        "floor",
        "format",
        "generate_series",
        "greatest",
        "hashtext",
        "hashtextextended",
        "in",
        "interval",
        "least",
        "length",
        "lower",
        "max",
        "md5",
        "min",
        "nextval",
        "not",
        "now",
        "nullif",
        "or",
        "over",
        "random",
        "round",
        "select",
        "setval",
        "sha256",
        "sum",
        "trim",
        "unnest",
        "upper",
        "values",
        "version",
        "when",
    ];
    NAMES.binary_search(&name).is_ok() || FAMILIES.iter().any(|family| name.starts_with(family))
}
