//! Which tables hold tenant data, and how that is known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Column, Condition, Schema, Table, predicate};
use crate::rules::TableRules;
use crate::sql::tokens::Tokens;
use crate::sql::{TableName, analyse};

/// Whether a table holds tenant data, with the reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// It does.
    Tenant(String),
    /// It does not.
    Shared(String),
    /// The migrations do not say.
    Unknown,
}

/// Names of the columns that hold the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantColumns(BTreeSet<String>);

impl TenantColumns {
    /// The table's column that holds the tenant.
    #[must_use]
    pub fn of<'a>(&self, table: &'a Table) -> Option<&'a Column> {
        table.columns.iter().find(|column| self.0.contains(&column.name))
    }
}

impl Schema {
    /// The tenant columns: those of the rules, and those that the policies compare with a setting on most tables.
    #[must_use]
    pub fn tenant_columns(&self, rules: &TableRules) -> TenantColumns {
        let mut names: BTreeSet<String> = rules.tenant_columns.iter().cloned().collect();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        let mut tables_with_setting = 0;
        for table in self.tables.values() {
            let compared = self.compared_with_setting(table);
            tables_with_setting += usize::from(!compared.is_empty());
            for column in compared {
                *count.entry(column).or_default() += 1;
            }
        }
        let usual = |name: &str, times: usize| name.contains("tenant") || times * 2 >= tables_with_setting;
        names.extend(count.into_iter().filter(|(name, times)| usual(name, *times)).map(|(name, _)| name));
        TenantColumns(names)
    }

    /// Columns that stand beside `=` in a policy that reads a setting.
    fn compared_with_setting(&self, table: &Table) -> BTreeSet<String> {
        let conditions = table.policies.iter().flat_map(|policy| policy.using.iter().chain(&policy.check));
        let mut columns = BTreeSet::new();
        for condition in conditions.filter(|condition| !self.settings_of(condition).is_empty()) {
            let tokens = Tokens::new(&condition.text);
            for at in (0..tokens.len()).filter(|at| tokens.is(*at, "=")) {
                let casts = [at.saturating_sub(3), at.saturating_sub(1)];
                let before = casts.into_iter().filter(|start| *start + 1 == at || tokens.is(start + 1, "::"));
                for start in before.chain([at + 1]) {
                    let name = tokens.name(start).and_then(|name| name.parts.last().cloned());
                    columns.extend(name.filter(|name| table.column(name).is_some()));
                }
            }
        }
        columns
    }

    /// Settings that a condition reads, also through functions of the migrations.
    pub(super) fn settings_of(&self, condition: &Condition) -> BTreeSet<String> {
        let mut settings: BTreeSet<String> = analyse(&condition.text).settings_read.into_iter().collect();
        let tokens = Tokens::new(&condition.text);
        for at in (0..tokens.len()).filter(|at| !tokens.is(at.wrapping_sub(1), ".")) {
            let Some(name) = tokens.name(at).filter(|name| tokens.is(name.next, "(")) else { continue };
            if let Some(function) = self.functions.get(&name.table().canonical()) {
                settings.extend(function.settings_read.iter().cloned());
            }
        }
        settings
    }

    pub(super) fn collect_tenant_settings(&mut self) {
        let mut found = BTreeMap::new();
        for policy in self.tables.values().flat_map(|table| &table.policies) {
            for condition in policy.using.iter().chain(&policy.check) {
                for setting in self.settings_of(condition) {
                    found.entry(setting).or_insert(condition.place);
                }
            }
        }
        self.tenant_settings = found;
    }

    /// Conditions that nobody can judge here are blind spots.
    pub(super) fn collect_unread_conditions(&mut self) {
        let mut unread = Vec::new();
        for (table, policy) in self.tables.values().flat_map(|table| table.policies.iter().map(move |p| (table, p))) {
            for condition in policy.using.iter().chain(&policy.check) {
                if let Err(reason) = predicate::weakness(&condition.text, self) {
                    unread.push((condition.place, format!("policy `{}` on `{}`: {reason}", policy.name, table.name)));
                }
            }
        }
        self.blind_spots.extend(unread);
    }

    /// Every table and view with whether it holds tenant data, by canonical name.
    #[must_use]
    pub fn tenancies(&self, rules: &TableRules) -> BTreeMap<TableName, Tenancy> {
        let columns = self.tenant_columns(rules);
        let exempt: BTreeSet<TableName> = rules.exempt.iter().map(|name| TableName::parse(name).canonical()).collect();
        let mut known: BTreeMap<TableName, Tenancy> = BTreeMap::new();
        for name in &exempt {
            known.insert(name.clone(), Tenancy::Shared("listed under `[tables] exempt`".to_owned()));
        }
        for table in self.tables.values().filter(|table| !exempt.contains(&table.name)) {
            if let Some(column) = columns.of(table) {
                let why = format!("has the column `{}`", column.name);
                known.insert(table.name.clone(), Tenancy::Tenant(why));
            } else if (table.enabled.is_some() || !table.policies.is_empty()) && !self.is_open_to_all(table) {
                known.insert(table.name.clone(), Tenancy::Tenant("has row-level security".to_owned()));
            }
        }
        let no_tenants = !known.values().any(|tenancy| matches!(tenancy, Tenancy::Tenant(_)));
        if !no_tenants {
            self.spread(&mut known);
        }
        for table in self.tables.values().filter(|table| table.created && !no_tenants) {
            let policies = if table.policies.is_empty() { "no policies" } else { "policies that show it to everybody" };
            let why = || Tenancy::Shared(format!("has no tenant column and {policies}"));
            known.entry(table.name.clone()).or_insert_with(why);
        }
        self.judge_views(&mut known);
        known
    }

    /// Whether the table's policies are there only to let everybody read: `for select using (true)`.
    fn is_open_to_all(&self, table: &Table) -> bool {
        let is_true = |condition: &Condition| {
            matches!(predicate::weakness(&condition.text, self), Ok(Some(predicate::Weakness::AlwaysTrue)))
        };
        let is_open = |policy: &super::Policy| {
            let mut conditions = policy.using.iter().chain(&policy.check).peekable();
            policy.permissive && conditions.peek().is_some() && conditions.all(is_true)
        };
        !table.policies.is_empty() && table.policies.iter().all(is_open)
    }

    /// Foreign keys and partitions of tables with tenant data lead to more of them.
    fn spread(&self, known: &mut BTreeMap<TableName, Tenancy>) {
        let mut pointing: BTreeMap<&TableName, Vec<&TableName>> = BTreeMap::new();
        for table in self.tables.values() {
            for target in table.references.iter().chain(&table.parent) {
                pointing.entry(target).or_default().push(&table.name);
            }
        }
        let is_tenant = |(_, tenancy): &(&TableName, &Tenancy)| matches!(tenancy, Tenancy::Tenant(_));
        let mut todo: Vec<TableName> = known.iter().filter(is_tenant).map(|(name, _)| name.clone()).collect();
        while let Some(target) = todo.pop() {
            for table in pointing.remove(&target).unwrap_or_default() {
                if !known.contains_key(table) {
                    let why = format!("its foreign key leads to `{target}`");
                    known.insert(table.clone(), Tenancy::Tenant(why));
                    todo.push(table.clone());
                }
            }
        }
    }

    /// A view holds what it reads.
    fn judge_views(&self, known: &mut BTreeMap<TableName, Tenancy>) {
        // Views of views: each round settles at least one more, and there are no circles.
        for _ in 0..self.views.len().min(20) {
            for (name, view) in &self.views {
                let of = |read: &TableName| known.get(read).cloned().unwrap_or(Tenancy::Unknown);
                let tenant = view.reads.iter().find(|read| matches!(of(read), Tenancy::Tenant(_)));
                let all_shared = view.reads.iter().all(|read| matches!(of(read), Tenancy::Shared(_)));
                if let Some(read) = tenant {
                    known.insert(name.clone(), Tenancy::Tenant(format!("reads `{read}`")));
                } else if all_shared && !view.reads.is_empty() {
                    known.insert(name.clone(), Tenancy::Shared("reads no table with tenant data".to_owned()));
                }
            }
        }
    }
}

/// Why a statement on these tables needs no tenant: each of them is known to hold no tenant data.
#[must_use]
pub fn exemption(tenancies: &BTreeMap<TableName, Tenancy>, tables: &[TableName]) -> Option<String> {
    let mut reason = None;
    for table in tables {
        match tenancies.get(&table.canonical()) {
            Some(Tenancy::Shared(why)) => reason = Some(format!("`{table}` {why}")),
            Some(_) => return None,
            None if table.is_catalog() => reason = Some(format!("`{table}` belongs to PostgreSQL")),
            None => return None,
        }
    }
    reason
}
