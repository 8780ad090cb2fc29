//! A schema beside the program that uses it: what the lints on migrations and the readiness table judge.

use std::collections::{BTreeMap, BTreeSet};

use super::{RowCommand, Schema, Table, Tenancy, TenantColumns};
use crate::program::{Program, Statement};
use crate::rules::TableRules;
use crate::sql::{TableName, analyse};

/// A schema and what the program does to its tables.
#[derive(Clone, Debug)]
pub struct SchemaInUse<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The names of the tenant column.
    pub tenant_columns: TenantColumns,
    /// Whether each table holds tenant data.
    pub tenancies: BTreeMap<TableName, Tenancy>,
    /// The commands that each table gets from code that is no test, by canonical name.
    pub commands: BTreeMap<TableName, BTreeSet<RowCommand>>,
    /// Tables that the rules leave out, canonical.
    pub exempt: BTreeSet<TableName>,
}

impl<'a> SchemaInUse<'a> {
    /// The schema in use by this program.
    #[must_use]
    pub fn new(schema: &'a Schema, program: &Program, rules: &TableRules) -> Self {
        let mut commands: BTreeMap<TableName, BTreeSet<RowCommand>> = BTreeMap::new();
        for statement in program.statements.iter().filter(|statement| !statement.in_test) {
            for (table, command) in commands_of(statement) {
                commands.entry(table.canonical()).or_default().insert(command);
            }
        }
        Self {
            schema,
            tenant_columns: schema.tenant_columns(rules),
            tenancies: schema.tenancies(rules),
            commands,
            exempt: rules.exempt.iter().map(|name| TableName::parse(name).canonical()).collect(),
        }
    }

    /// Commands that statements do to a table and no permissive policy is for.
    #[must_use]
    pub fn uncovered(&self, table: &Table) -> Vec<RowCommand> {
        let done = self.commands.get(&table.name).into_iter().flatten().copied();
        let is_covered = |command: &RowCommand| table.policies.iter().any(|policy| policy.permits(*command));
        done.filter(|command| !is_covered(command)).collect()
    }

    /// Whether somebody can reach a table but by its parent: partitions are protected by their parent's policies, unless a statement names them.
    #[must_use]
    pub fn is_reached(&self, table: &Table) -> bool {
        let parent_is_known = table.parent.as_ref().is_some_and(|parent| self.schema.table(parent).is_some());
        !parent_is_known || self.commands.contains_key(&table.name)
    }

    /// Whether a table or view is known to hold tenant data.
    #[must_use]
    pub fn is_tenant(&self, name: &TableName) -> bool {
        matches!(self.tenancies.get(&name.canonical()), Some(Tenancy::Tenant(_)))
    }
}

/// What a statement does to which table; by its text where that is known.
fn commands_of(statement: &Statement) -> Vec<(TableName, RowCommand)> {
    if let Some(text) = statement.sql.text() {
        let tables = analyse(text).tables;
        return tables.iter().filter_map(|table| Some((table.table(), command(table.operation)?))).collect();
    }
    let command = statement.operation.as_deref().and_then(command);
    let pairs = statement.tables.iter().filter_map(|table| Some((TableName::parse(table), command?)));
    pairs.collect()
}

fn command(operation: &str) -> Option<RowCommand> {
    Some(match operation {
        "select" => RowCommand::Select,
        "insert" => RowCommand::Insert,
        "update" => RowCommand::Update,
        "delete" => RowCommand::Delete,
        _ => return None,
    })
}
