//! Is row-level security on, for everybody, with policies?

use super::super::finding::Fault;
use super::super::subject::{Subject, Tenanted};

pub(super) fn nothing(subject: &Subject<'_>) -> Vec<Fault> {
    let database = &subject.catalog.server.database;
    let mut faults = Vec::new();
    if subject.tables.is_empty() {
        let column = &subject.options.tenant_column;
        faults.push(Fault::new(
            database,
            format!("no table has the column `{column}`, so no isolation was verified; name it with --tenant-column"),
            "",
        ));
    } else if subject.runtime.is_empty() {
        faults.push(Fault::new(
            database,
            "no runtime role was found, so nothing about rights was verified; name it with --role",
            "",
        ));
    }
    for role in &subject.options.roles {
        if !subject.runtime.iter().any(|found| found.name == *role) {
            faults.push(Fault::new(
                format!("role {role}"),
                "the role does not exist, so nothing about it was verified",
                "",
            ));
        }
    }
    faults
}

/// Foreign tables have no row-level security; V29 speaks of them.
fn own_tables<'a>(subject: &'a Subject<'a>) -> impl Iterator<Item = &'a Tenanted<'a>> {
    subject.tables.iter().filter(|tenanted| tenanted.table.kind != 'f')
}

fn has_policies(subject: &Subject<'_>, tenanted: &Tenanted<'_>) -> bool {
    subject.catalog.policies_of(tenanted.table.oid).next().is_some()
}

pub(super) fn not_enabled(subject: &Subject<'_>) -> Vec<Fault> {
    own_tables(subject)
        .filter(|tenanted| !tenanted.table.rls)
        .map(|tenanted| {
            let canonical = subject.canonical(tenanted);
            let policies = if has_policies(subject, tenanted) { String::new() } else { canonical.policies() };
            Fault::new(
                tenanted.table.label(),
                "every role with rights on the table reads and writes the rows of all tenants",
                canonical.enable() + &canonical.force() + &policies,
            )
        })
        .collect()
}

pub(super) fn not_forced(subject: &Subject<'_>) -> Vec<Fault> {
    own_tables(subject)
        .filter(|tenanted| !tenanted.table.force)
        .map(|tenanted| {
            Fault::new(
                tenanted.table.label(),
                "the owner, its SECURITY DEFINER functions and its views see the rows of all tenants",
                subject.canonical(tenanted).force(),
            )
        })
        .collect()
}

pub(super) fn no_policy(subject: &Subject<'_>) -> Vec<Fault> {
    own_tables(subject)
        .filter(|tenanted| tenanted.table.rls && !has_policies(subject, tenanted))
        // A partition is reached through its parent, and closed for everybody else.
        .filter(|tenanted| !tenanted.table.partition)
        .map(|tenanted| {
            Fault::new(
                tenanted.table.label(),
                "nobody sees or writes any row, until somebody turns row-level security off to repair it",
                subject.canonical(tenanted).policies(),
            )
        })
        .collect()
}

pub(super) fn dormant(subject: &Subject<'_>) -> Vec<Fault> {
    let disabled = subject
        .catalog
        .relations
        .iter()
        .filter(|relation| relation.is_table() && !relation.rls)
        .filter(|relation| subject.catalog.policies_of(relation.oid).next().is_some());
    disabled
        .map(|relation| {
            Fault::new(
                relation.label(),
                "the policies look like protection but are not applied",
                format!("alter table {} enable row level security;\n", relation.sql()),
            )
        })
        .collect()
}

pub(super) fn unlogged(subject: &Subject<'_>) -> Vec<Fault> {
    own_tables(subject)
        .filter(|tenanted| tenanted.table.persistence == 'u')
        .map(|tenanted| {
            Fault::new(
                tenanted.table.label(),
                "the table is unlogged: it is empty after a crash and on every replica",
                format!("alter table {} set logged;\n", tenanted.table.sql()),
            )
        })
        .collect()
}

pub(super) fn powerful_owner(subject: &Subject<'_>) -> Vec<Fault> {
    own_tables(subject)
        .filter_map(|tenanted| {
            let owner = subject.catalog.role(tenanted.table.owner)?;
            let unbound = owner.bypass_rls && !owner.superuser;
            unbound.then(|| {
                Fault::new(
                    format!("{} owner {}", tenanted.table.label(), owner.name),
                    "the owner has BYPASSRLS, so FORCE does not bind it, nor its views and SECURITY DEFINER functions",
                    format!("alter role {} nobypassrls;\n", subject.catalog.role_sql(owner.oid)),
                )
            })
        })
        .collect()
}
