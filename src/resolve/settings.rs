//! What a statement's text does to tenants, roles and transactions, beyond its rows.

use std::rc::Rc;

use super::Reader;
use super::value::Bind;
use crate::program::{EventKind, Place, Scope, ScopeKind};
use crate::rules::HandleKind;
use crate::source::Span;
use crate::sql::{SettingChange, SettingScope, SqlFacts};

/// A setting whose name is only known at run time, as messages name it.
const UNNAMED: &str = "the tenant setting";

/// Words in the name of a setting that say it holds a tenant.
const TENANT_WORDS: [&str; 16] = [
    "tenant",
    "org",
    "organization",
    "organisation",
    "workspace",
    "account",
    "company",
    "customer",
    "team",
    "shop",
    "store",
    "school",
    "merchant",
    "realm",
    "site",
    "claims",
];

impl Reader<'_, '_> {
    /// What a statement's text does to tenants, beyond its rows.
    pub(super) fn note_sql(&mut self, span: &Span, facts: &SqlFacts, handle: Option<usize>) {
        let place = self.f.place(*span);
        if let Some(what) = self.bypass_in(facts) {
            self.note(place, EventKind::RlsBypass(what), None);
        }
        if let Some(id) = handle
            && facts.begins
        {
            let handle = &mut self.f.handles[id];
            handle.in_transaction = true;
            handle.ended = None;
        }
        for change in &facts.settings {
            let name = change.name.as_deref();
            if name.is_some_and(is_bypass_setting) {
                if let Some(id) = handle {
                    self.f.handles[id].bind = Bind::Bypass(Rc::from(name.unwrap_or_default()));
                }
            } else if self.is_tenant_setting(change) {
                let name = name.unwrap_or(UNNAMED);
                match handle {
                    Some(id) if change.value_is_empty => self.clear_setting(place, id, change.scope, name),
                    Some(id) => self.apply_setting(place, id, change.scope, name),
                    None if change.value_is_empty => {}
                    None if change.scope == SettingScope::Session => {
                        self.note(place, EventKind::SessionSetting(name.to_owned()), None);
                    }
                    None => {}
                }
            }
        }
        if let Some(id) = handle {
            self.note_transaction(place, facts, id);
        }
    }

    /// `COMMIT` and `ROLLBACK` as text.
    fn note_transaction(&mut self, place: Place, facts: &SqlFacts, id: usize) {
        let handle = &mut self.f.handles[id];
        if handle.kind == HandleKind::Pool {
            // What a message begins on a pool is over with the message.
            handle.in_transaction = false;
            return;
        }
        if (facts.commits || facts.rolls_back) && !facts.begins {
            handle.in_transaction = false;
            handle.is_open_guard = false;
            handle.ended = matches!(handle.bind, Bind::Scope(_)).then_some(place);
        }
    }

    /// Whether a statement brings its own transaction and tenant: `BEGIN; SET LOCAL ..; ..` in one message.
    pub(super) fn binds_itself(&self, facts: &SqlFacts) -> bool {
        let binds = |change: &SettingChange| change.scope == SettingScope::Local && self.is_tenant_setting(change);
        facts.begins && facts.settings.iter().any(binds)
    }

    /// Whether a statement only sets what no policy reads: nothing that a scope has to cover.
    pub(super) fn is_plain_setting(&self, facts: &SqlFacts) -> bool {
        let only_sets = matches!(facts.operation, Some("set")) || !facts.settings.is_empty();
        only_sets
            && facts.tables.is_empty()
            && facts.complete
            && !facts.settings.iter().any(|change| !change.value_is_empty && self.is_tenant_setting(change))
    }

    fn apply_setting(&mut self, place: Place, id: usize, scope: SettingScope, name: &str) {
        let kind = self.f.handles[id].kind;
        match scope {
            SettingScope::Local => {
                let scope = Scope { kind: ScopeKind::Setting, place: Some(place), name: name.to_owned() };
                self.bind_handle(place, id, Bind::Scope(Rc::new(scope)), name);
            }
            SettingScope::Session => {
                self.note(place, EventKind::SessionSetting(name.to_owned()), None);
                if kind != HandleKind::Pool {
                    let scope = Scope { kind: ScopeKind::Session, place: Some(place), name: name.to_owned() };
                    self.f.handles[id].bind = Bind::Scope(Rc::new(scope));
                }
            }
            SettingScope::Reset => self.clear_setting(place, id, scope, name),
        }
    }

    /// The tenant is taken away. By hand on a connection of one's own, it was there for the session.
    fn clear_setting(&mut self, place: Place, id: usize, scope: SettingScope, name: &str) {
        let handle = &mut self.f.handles[id];
        if scope != SettingScope::Local && handle.bind != Bind::Unknown {
            self.note(place, EventKind::SessionReset(name.to_owned()), None);
        }
        self.unbind(id);
    }

    /// From here on the handle has no tenant.
    pub(super) fn unbind(&mut self, id: usize) {
        let handle = &mut self.f.handles[id];
        if handle.kind != HandleKind::Pool {
            handle.bind = Bind::None;
            handle.is_open_guard = false;
        }
    }

    /// What a text does, with what the functions of the schema do that it calls.
    pub(super) fn facts_of(&self, text: &str) -> SqlFacts {
        let mut facts = crate::sql::analyse(text);
        let stored = &self.all.options.stored_settings;
        if !stored.is_empty() {
            facts.settings.extend(facts.calls.iter().filter_map(|name| stored.get(name)).flatten().cloned());
        }
        facts
    }

    /// Binds a handle from here on. Where no transaction is open, a local setting binds nothing.
    pub(super) fn bind_handle(&mut self, place: Place, id: usize, bind: Bind, name: &str) {
        let handle = &self.f.handles[id];
        let is_session = matches!(&bind, Bind::Scope(scope) if scope.kind == ScopeKind::Session);
        let is_own = handle.origin.is_none();
        let no_transaction = (handle.kind == HandleKind::Pool && !handle.in_transaction)
            || (handle.kind == HandleKind::Connection && is_own && !handle.in_transaction && handle.bind == Bind::None);
        if no_transaction && !is_session {
            self.note(place, EventKind::LocalSettingOutsideTransaction(name.to_owned()), None);
            return;
        }
        if handle.kind == HandleKind::Pool {
            return;
        }
        if is_own && !matches!(handle.bind, Bind::Scope(_)) {
            self.note_nested(place, name);
            self.f.opens_scope = true;
        }
        let handle = &mut self.f.handles[id];
        handle.bind = bind;
        handle.is_open_guard = is_own && handle.kind == HandleKind::Transaction;
    }

    /// How a statement goes around the policies, if it does.
    pub(super) fn bypass_in(&self, facts: &SqlFacts) -> Option<String> {
        if facts.row_security_off {
            return Some("`row_security` is turned off".to_owned());
        }
        if facts.grants_bypass {
            return Some("a role is given BYPASSRLS".to_owned());
        }
        let bypasses = |role: &&str| is_bypassing_role(role) || self.all.options.bypass_roles.contains(*role);
        let role = facts.role.as_ref().and_then(|role| role.name.as_deref()).filter(bypasses);
        if let Some(role) = role {
            return Some(format!("the role becomes `{role}`"));
        }
        let setting = facts.settings.iter().filter(|change| change.scope != SettingScope::Reset);
        let name = setting.filter_map(|change| change.name.as_deref()).find(|name| is_bypass_setting(name))?;
        Some(format!("`{name}` is set"))
    }

    /// Whether a setting holds the tenant: configured, read by a policy, or named like one.
    /// `RESET ALL` clears whatever there is and holds nothing.
    fn is_tenant_setting(&self, change: &SettingChange) -> bool {
        let Some(name) = change.name.as_deref() else { return change.scope != SettingScope::Reset };
        let known = |names: &[String]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if known(&self.all.rules.scope.tenant_settings) || known(&self.all.options.policy_settings) {
            return true;
        }
        let name = name.to_ascii_lowercase();
        let Some((prefix, last)) = name.split_once('.') else { return false };
        let is_for_policies = |part: &str| part.contains("row_level") || part.split('_').any(|word| word == "rls");
        name.contains("{}")
            || is_for_policies(prefix)
            || is_for_policies(last)
            || last.split(['_', '.']).any(|word| TENANT_WORDS.contains(&word))
    }
}

/// Roles that are superusers or bypass the policies wherever they exist.
fn is_bypassing_role(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "postgres" | "service_role" | "supabase_admin" | "rds_superuser" | "cloudsqlsuperuser")
        || name.contains("superuser")
        || name.contains("bypass")
}

fn is_bypass_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("bypass") && name.contains('.')
}
