//! Migrations in, the schema they leave behind out: tables, policies, views, functions and roles, each with its place in the SQL.
//!
//! What cannot be read is a blind spot; the rest is replayed.

mod block;
mod object;
pub mod order;
mod policy;
pub mod predicate;
mod read;
mod replay;
pub mod rust;
mod table;
mod tenancy;
mod use_of;

use std::collections::{BTreeMap, BTreeSet};

pub use replay::{Migration, Origin, replay};
pub use tenancy::{Tenancy, TenantColumns, exemption};
pub use use_of::SchemaInUse;

use crate::program::Place;
use crate::sql::{SettingChange, TableName};

/// What the migrations leave behind.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Tables by canonical name.
    pub tables: BTreeMap<TableName, Table>,
    /// Views by canonical name.
    pub views: BTreeMap<TableName, View>,
    /// Functions and procedures by canonical name; of overloaded ones the last.
    pub functions: BTreeMap<TableName, Function>,
    /// Roles that go around the policies, by name.
    pub bypass_roles: BTreeMap<String, Place>,
    /// Settings that policies and the functions they call read: where the tenant comes from.
    pub tenant_settings: BTreeMap<String, Place>,
    /// Functions that are migrations, by file and position.
    pub migrations: Vec<Place>,
    /// What could not be replayed.
    pub blind_spots: Vec<(Place, String)>,
}

impl Schema {
    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.get(&name.canonical())
    }

    /// The view of this name.
    #[must_use]
    pub fn view(&self, name: &TableName) -> Option<&View> {
        self.views.get(&name.canonical())
    }

    /// Whether a place is inside a migration written in Rust.
    #[must_use]
    pub fn is_in_migration(&self, place: Place) -> bool {
        let after = self.migrations.partition_point(|migration| *migration <= place);
        let holds = |migration: &Place| migration.file == place.file && migration.span.contains(place.span);
        after.checked_sub(1).is_some_and(|before| holds(&self.migrations[before]))
    }

    /// What functions set when they are called, by their name in lower case, whatever their schema.
    #[must_use]
    pub fn stored_settings(&self) -> BTreeMap<String, Vec<SettingChange>> {
        // A function that reads rows too sets what it needs itself.
        let sets = self.functions.iter().filter(|(_, of)| !of.settings.is_empty() && of.touches.is_empty());
        sets.map(|(name, function)| (name.name.to_lowercase(), function.settings.clone())).collect()
    }

    /// Functions that run as their owner, by their name in lower case, whatever their schema.
    #[must_use]
    pub fn definers(&self) -> BTreeSet<String> {
        let definers = self.functions.iter().filter(|(_, function)| function.security_definer);
        definers.map(|(name, _)| name.name.to_lowercase()).collect()
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its canonical name.
    pub name: TableName,
    /// The name in `CREATE TABLE`, or where it is first named.
    pub place: Place,
    /// Whether a `CREATE TABLE` was read: if not, other columns than these are possible.
    pub created: bool,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// Tables that its foreign keys lead to, sorted.
    pub references: Vec<TableName>,
    /// Where row-level security was enabled.
    pub enabled: Option<Place>,
    /// Where it was forced.
    pub forced: Option<Place>,
    /// Where it was disabled or the force taken back, if that was the last word.
    pub undone: Option<Place>,
    /// Its policies in order.
    pub policies: Vec<Policy>,
    /// The table it is a partition or child of.
    pub parent: Option<TableName>,
}

impl Table {
    /// A table of which only the name is known.
    #[must_use]
    pub fn named(name: TableName, place: Place) -> Self {
        Self {
            name,
            place,
            created: false,
            columns: Vec::new(),
            references: Vec::new(),
            enabled: None,
            forced: None,
            undone: None,
            policies: Vec::new(),
            parent: None,
        }
    }

    /// Whether any policy lets any row through.
    #[must_use]
    pub fn lets_rows_through(&self) -> bool {
        self.policies.iter().any(|policy| RowCommand::EACH.into_iter().any(|command| policy.permits(command)))
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The name in the SQL.
    pub place: Place,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowCommand {
    /// `FOR ALL`, also where nothing is written.
    All,
    /// `FOR SELECT`.
    Select,
    /// `FOR INSERT`.
    Insert,
    /// `FOR UPDATE`.
    Update,
    /// `FOR DELETE`.
    Delete,
}

impl RowCommand {
    /// The four commands that policies know.
    pub const EACH: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// The command as SQL spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a policy for this command counts for the other one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == Self::All || self == other
    }
}

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The first line of the statement that made it.
    pub place: Place,
    /// What it is for.
    pub command: RowCommand,
    /// Joined by OR; restrictive ones are joined by AND.
    pub permissive: bool,
    /// The roles it is for; empty for everybody.
    pub roles: Vec<String>,
    /// The condition on existing rows.
    pub using: Option<Condition>,
    /// The condition on new rows.
    pub check: Option<Condition>,
}

impl Policy {
    /// What existing rows must fulfil for a command; `None` where it touches none.
    #[must_use]
    pub fn on_rows(&self, command: RowCommand) -> Option<&Condition> {
        self.using.as_ref().filter(|_| command != RowCommand::Insert)
    }

    /// What new rows must fulfil for a command: `USING` stands in for a `WITH CHECK` that is not written.
    #[must_use]
    pub fn on_new_rows(&self, command: RowCommand) -> Option<&Condition> {
        let writes = matches!(command, RowCommand::Insert | RowCommand::Update);
        self.check.as_ref().or(self.using.as_ref()).filter(|_| writes)
    }

    /// Whether it can let a row through for a command. A policy without its condition lets none through.
    #[must_use]
    pub fn permits(&self, command: RowCommand) -> bool {
        let condition = if command == RowCommand::Insert { self.on_new_rows(command) } else { self.on_rows(command) };
        self.permissive && self.command.covers(command) && condition.is_some()
    }
}

/// A condition of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its text, without the outer parentheses.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A view.
#[derive(Clone, Debug)]
pub struct View {
    /// The name in `CREATE VIEW`.
    pub place: Place,
    /// `MATERIALIZED`.
    pub materialized: bool,
    /// `WITH (security_invoker = true)`.
    pub security_invoker: bool,
    /// Tables and views it reads, canonical.
    pub reads: Vec<TableName>,
}

/// A function or procedure.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name in `CREATE FUNCTION`.
    pub place: Place,
    /// `SECURITY DEFINER`.
    pub security_definer: bool,
    /// Names of its parameters, as far as they have some.
    pub parameters: Vec<String>,
    /// `LANGUAGE`, in lower case.
    pub language: String,
    /// Its body.
    pub body: String,
    /// Tables and views its body touches, canonical.
    pub touches: Vec<TableName>,
    /// Settings its body reads.
    pub settings_read: Vec<String>,
    /// Settings its body changes, by name.
    pub settings: Vec<SettingChange>,
}

#[cfg(test)]
mod tests;
