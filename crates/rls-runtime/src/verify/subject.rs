//! Catalog and options in, the things that checks talk about out: tenant tables, runtime roles, who may do what.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Catalog, Column, Function, Grant, Member, Oid, PUBLIC, Policy, Relation};
use super::expr::{self, Expr};
use super::options::Options;
use super::predicate::Terms;
use crate::policy::{Command, TableName, TenantTable, TenantType};

/// A database as the checks see it.
pub(crate) struct Subject<'a> {
    pub options: &'a Options,
    pub catalog: &'a Catalog,
    /// Tables with the tenant column that are not listed as global, by schema and name.
    pub tables: Vec<Tenanted<'a>>,
    pub runtime: Vec<Runtime>,
    /// What had to be guessed or could not be looked at.
    pub notes: Vec<String>,
    by_oid: BTreeMap<Oid, &'a Relation>,
}

/// A table that holds tenants' rows.
#[derive(Clone, Copy)]
pub(crate) struct Tenanted<'a> {
    pub table: &'a Relation,
    pub column: &'a Column,
}

/// A role that the service runs as.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub oid: Oid,
    pub name: String,
    /// Itself and every role whose rights it can use, by becoming it or without.
    pub becomes: BTreeSet<Oid>,
    /// Itself and every role that it can become.
    pub sets: BTreeSet<Oid>,
    /// Itself and every role whose rights it has without becoming it.
    pub inherits: BTreeSet<Oid>,
}

impl<'a> Subject<'a> {
    pub fn new(catalog: &'a Catalog, options: &'a Options) -> Self {
        let mut subject = Self {
            options,
            catalog,
            tables: Vec::new(),
            runtime: Vec::new(),
            notes: Vec::new(),
            by_oid: catalog.by_oid(),
        };
        subject.tables = catalog
            .relations
            .iter()
            .filter(|relation| relation.is_table())
            .filter(|relation| !subject.is_global(relation))
            .filter_map(|table| {
                let column = table.column(&options.tenant_column)?;
                Some(Tenanted { table, column })
            })
            .collect();
        let roles = subject.runtime_roles();
        subject.runtime = roles.into_iter().map(|oid| runtime(catalog, oid)).collect();
        subject
    }

    /// The roles asked for, or those that look like the service's own.
    fn runtime_roles(&mut self) -> Vec<Oid> {
        if !self.options.roles.is_empty() {
            return self.named_roles();
        }
        let current = self.catalog.server.current_role;
        let held = runtime(self.catalog, current);
        let owns = self.tables.iter().any(|tenanted| held.becomes.contains(&tenanted.table.owner));
        let superuser = self.catalog.role(current).is_some_and(|role| role.superuser);
        if !owns && !superuser {
            self.notes
                .push(format!("no role was named: `{}`, which is connected, is taken for the runtime role", held.name));
            return vec![current];
        }
        let found = self.roles_with_grants();
        let names: Vec<String> = found.iter().map(|oid| self.catalog.role_name(*oid)).collect();
        self.notes.push(if names.is_empty() {
            "no role was named and none but the owner has rights on a tenant table: nothing about roles was verified"
                .into()
        } else {
            format!("no role was named: taken for runtime roles, by their rights: {}", names.join(", "))
        });
        found
    }

    fn named_roles(&mut self) -> Vec<Oid> {
        let mut found = Vec::new();
        for name in &self.options.roles {
            match self.catalog.roles.iter().find(|role| role.name == *name) {
                Some(role) => found.push(role.oid),
                None => self.notes.push(format!("there is no role `{name}`")),
            }
        }
        found
    }

    /// Roles with rights on a tenant table, and the logins that are members of one.
    fn roles_with_grants(&self) -> Vec<Oid> {
        let owners: BTreeSet<Oid> = self.tables.iter().map(|tenanted| tenanted.table.owner).collect();
        let granted: BTreeSet<Oid> =
            self.tables.iter().flat_map(|tenanted| &tenanted.table.grants).map(|grant| grant.grantee).collect();
        let subject_to_policies =
            |oid: Oid| !owners.contains(&oid) && self.catalog.role(oid).is_some_and(|role| !role.superuser);
        let logins = self.catalog.roles.iter().filter(|role| role.login).map(|role| role.oid);
        let members = logins.filter(|oid| {
            let becomes = runtime(self.catalog, *oid).becomes;
            !becomes.is_disjoint(&granted) && becomes.is_disjoint(&owners)
        });
        let mut found: BTreeSet<Oid> = granted.iter().copied().chain(members).collect();
        found.retain(|oid| subject_to_policies(*oid));
        found.into_iter().collect()
    }

    /// The global table that this relation is listed as.
    pub fn global(&self, relation: &Relation) -> Option<&'a super::options::GlobalTable> {
        self.options.global_tables.iter().find(|global| names(&global.table, relation))
    }

    pub fn is_global(&self, relation: &Relation) -> bool {
        self.global(relation).is_some()
    }

    pub fn relation(&self, oid: Oid) -> Option<&'a Relation> {
        self.by_oid.get(&oid).copied()
    }

    pub fn tenanted(&self, oid: Oid) -> Option<Tenanted<'a>> {
        self.tables.iter().find(|tenanted| tenanted.table.oid == oid).copied()
    }

    /// The runtime roles that may use a right on the table, on all of it or on a column.
    pub fn holders(&self, table: &Relation, privilege: &str) -> Vec<&Runtime> {
        self.runtime
            .iter()
            .filter(|role| role.holds(&table.grants, privilege) || role.becomes.contains(&table.owner))
            .collect()
    }

    /// A role that is no runtime role and may own tables, for fixes that change an owner.
    pub fn safe_owner(&self) -> String {
        let is_safe = |oid: &Oid| !self.runtime.iter().any(|role| role.becomes.contains(oid));
        let owners = self.tables.iter().map(|tenanted| tenanted.table.owner);
        owners
            .chain([self.catalog.database.owner, self.catalog.server.session_role])
            .find(is_safe)
            .map_or_else(|| "the_owner_role".into(), |oid| self.catalog.role_sql(oid))
    }

    /// Whether row-level security does not apply to what this role does on the table.
    pub fn passes(&self, role: Oid, table: &Relation) -> bool {
        let powerful = self.catalog.role(role).is_some_and(|role| role.superuser || role.bypass_rls);
        powerful || !table.rls || (!table.force && runtime(self.catalog, role).inherits.contains(&table.owner))
    }

    /// The canonical form of a table's policies, for fixes.
    pub fn canonical(&self, tenanted: &Tenanted<'_>) -> TenantTable {
        let owner = tenanted.table.owner;
        let roles: Vec<&Runtime> = self.runtime.iter().filter(|role| !role.becomes.contains(&owner)).collect();
        self.canonical_for(tenanted, &roles)
    }

    /// The same, for these roles.
    pub fn canonical_for(&self, tenanted: &Tenanted<'_>, roles: &[&Runtime]) -> TenantTable {
        let column_type = match tenanted.column.base_type.as_str() {
            "bigint" => TenantType::BigInt,
            "integer" | "smallint" => TenantType::Integer,
            other if super::predicate::is_text(other) => TenantType::Text,
            _ => TenantType::Uuid,
        };
        let table = &tenanted.table;
        let base = TenantTable::new(TableName::in_schema(&table.schema, &table.name))
            .column(&self.options.tenant_column)
            .setting(&self.options.tenant_setting)
            .column_type(column_type);
        roles.iter().fold(base, |table, role| table.role(&role.name))
    }

    /// The policies that apply to a command of a role; `None` stands for a role that only `PUBLIC` covers.
    pub fn applicable(&self, table: Oid, command: Command, role: Option<&Runtime>) -> Vec<&'a Policy> {
        self.catalog
            .policies_of(table)
            .filter(|policy| policy.is_for(command))
            .filter(|policy| {
                policy.roles.contains(&PUBLIC)
                    || role.is_some_and(|role| policy.roles.iter().any(|oid| role.inherits.contains(oid)))
            })
            .collect()
    }

    /// What the expressions of a table's policies are about.
    pub fn with_terms<T>(&self, tenanted: &Tenanted<'_>, judge: impl FnOnce(&Terms<'_>) -> T) -> T {
        let body = |name: &str| self.function_body(name);
        judge(&Terms {
            column: &tenanted.column.name,
            column_type: &tenanted.column.base_type,
            column_length: tenanted.column.length.or((tenanted.column.base_type == "uuid").then_some(36)),
            setting: &self.options.tenant_setting,
            body: &body,
        })
    }

    /// The single expression that a function without arguments returns, unless its result may be cached.
    fn function_body(&self, name: &str) -> Option<Expr> {
        let function =
            self.catalog.functions.iter().find(|function| format!("{}.{}", function.schema, function.name) == name)?;
        let believable = function.volatility != 'i' && function.arguments.is_empty() && !function.definer;
        believable.then(|| returned(function)).flatten()
    }
}

/// `select …`, `return …` or `begin return …; end` as one expression.
fn returned(function: &Function) -> Option<Expr> {
    let source = function.source.as_deref()?.trim();
    let lower = source.to_lowercase();
    let expression = if let Some(rest) = lower.strip_prefix("begin") {
        let rest = rest.trim_end_matches(';').trim().strip_suffix("end")?.trim();
        rest.strip_prefix("return")?
    } else {
        lower.strip_prefix("select").or_else(|| lower.strip_prefix("return"))?
    };
    match expr::parse(expression.trim().trim_end_matches(';')) {
        Expr::Unknown => None,
        expr => Some(expr),
    }
}

fn names(table: &TableName, relation: &Relation) -> bool {
    let schema = table.schema.as_deref().unwrap_or("public");
    relation.name == table.name && relation.schema == schema
}

impl Runtime {
    /// Whether the role has the right, by itself, by membership or as everybody.
    pub fn holds(&self, grants: &[Grant], privilege: &str) -> bool {
        grants.iter().any(|grant| grant.privilege == privilege && self.is(grant.grantee))
    }

    /// Whether a grant or policy to this role reaches the runtime role.
    pub fn is(&self, grantee: Oid) -> bool {
        grantee == PUBLIC || self.becomes.contains(&grantee)
    }
}

impl Policy {
    pub fn is_for(&self, command: Command) -> bool {
        let letter = match command {
            Command::Select => 'r',
            Command::Insert => 'a',
            Command::Update => 'w',
            Command::Delete => 'd',
        };
        self.command == '*' || self.command == letter
    }
}

/// How a role comes by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It has the other's rights, and not its attributes.
    Rights,
    /// It can become the other.
    Becoming,
}

fn runtime(catalog: &Catalog, oid: Oid) -> Runtime {
    let reached = closure((oid, Reach::Becoming), |(role, by)| {
        above(catalog, role)
            .filter_map(|member| {
                // Who administers a membership can make itself a member with every option.
                let becoming = member.admin || by == Reach::Becoming && member.set.unwrap_or(true);
                let by = if becoming { Reach::Becoming } else { Reach::Rights };
                (becoming || inherits(catalog, &member)).then_some((member.role, by))
            })
            .collect()
    });
    Runtime {
        oid,
        name: catalog.role_name(oid),
        becomes: reached.iter().map(|(role, _)| *role).collect(),
        sets: reached.iter().filter(|(_, by)| *by == Reach::Becoming).map(|(role, _)| *role).collect(),
        inherits: closure((oid, Reach::Rights), |(role, _)| {
            let inherited = above(catalog, role).filter(|member| inherits(catalog, member));
            inherited.map(|member| (member.role, Reach::Rights)).collect()
        })
        .into_iter()
        .map(|(role, _)| role)
        .collect(),
    }
}

/// Whether the member has the role's rights without becoming it.
fn inherits(catalog: &Catalog, member: &Member) -> bool {
    member.inherit.unwrap_or_else(|| catalog.role(member.member).is_none_or(|role| role.inherit))
}

/// The memberships of a role, with the one that nobody has to grant: whoever owns the database is its `pg_database_owner`.
fn above(catalog: &Catalog, role: Oid) -> impl Iterator<Item = Member> {
    let granted = catalog.members.iter().filter(move |member| member.member == role).cloned();
    let database_owner = catalog.roles.iter().find(|role| role.name == "pg_database_owner");
    let implied = database_owner.filter(|_| role == catalog.database.owner).map(|owner| Member {
        role: owner.oid,
        member: role,
        admin: false,
        inherit: Some(true),
        set: None,
    });
    granted.chain(implied)
}

/// Where one gets to from a start, with the start.
fn closure<T: Copy + Ord>(start: T, next: impl Fn(T) -> Vec<T>) -> BTreeSet<T> {
    let mut found = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(place) = open.pop() {
        open.extend(next(place).into_iter().filter(|place| found.insert(*place)));
    }
    found
}
