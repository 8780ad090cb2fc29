//! Is every runtime role subject to the policies, and unable to become one that is not?

use super::super::catalog::{Oid, Role};
use super::super::finding::Fault;
use super::super::subject::{Runtime, Subject};
use crate::policy::quote_ident;

/// The attributes that a runtime role must not have, as `ALTER ROLE` takes them away.
fn dangerous(role: &Role) -> Vec<(&'static str, &'static str)> {
    [
        (role.superuser, "SUPERUSER", "no policy binds it"),
        (role.bypass_rls, "BYPASSRLS", "no policy binds it"),
        (role.create_role, "CREATEROLE", "it can give itself the owner's role and switch the policies off"),
        (role.replication, "REPLICATION", "it can read the rows of all tenants from the write-ahead log"),
        (role.create_db, "CREATEDB", "it can copy the whole database as a template that it owns"),
    ]
    .into_iter()
    .filter(|(has, ..)| *has)
    .map(|(_, name, danger)| (name, danger))
    .collect()
}

pub(super) fn attributes(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for role in &subject.runtime {
        let Some(facts) = subject.catalog.role(role.oid) else {
            continue;
        };
        for (attribute, danger) in dangerous(facts) {
            faults.push(Fault::new(
                format!("role {} {attribute}", role.name),
                danger,
                format!("alter role {} no{};\n", quote_ident(&role.name), attribute.to_lowercase()),
            ));
        }
    }
    faults
}

pub(super) fn memberships(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for role in &subject.runtime {
        for becomes in role.becomes.iter().filter(|oid| **oid != role.oid) {
            let Some(danger) = danger_of_becoming(subject, role, *becomes) else {
                continue;
            };
            faults.push(Fault::new(
                format!("role {} -> {}", role.name, subject.catalog.role_name(*becomes)),
                danger,
                revoke_path(subject, role, *becomes),
            ));
        }
    }
    faults
}

fn danger_of_becoming(subject: &Subject<'_>, runtime: &Runtime, oid: Oid) -> Option<String> {
    let role = subject.catalog.role(oid)?;
    let can_become = runtime.sets.contains(&oid);
    let relation = if can_become { "the role it can become" } else { "the role whose rights it has" };
    // Attributes come with becoming a role; but a superuser's rights are those of the owner of the server's own functions.
    let attribute = dangerous(role).into_iter().find(|(attribute, _)| can_become || *attribute == "SUPERUSER");
    let owned = subject.tables.iter().find(|tenanted| tenanted.table.owner == oid);
    if let Some((attribute, danger)) = attribute {
        Some(format!("{relation} has {attribute}: {danger}"))
    } else if let Some(tenanted) = owned {
        Some(format!("{relation} owns {} and can switch its policies off", tenanted.table.label()))
    } else {
        role.name
            .starts_with("pg_")
            .then(|| "a predefined role reaches files, settings or tables that no policy guards".into())
    }
}

/// Cuts every first membership on the way to the dangerous role.
fn revoke_path(subject: &Subject<'_>, role: &Runtime, target: Oid) -> String {
    let catalog = subject.catalog;
    let direct = catalog.members.iter().filter(|member| member.role == target && role.becomes.contains(&member.member));
    direct
        .map(|member| format!("revoke {} from {};\n", catalog.role_sql(member.role), catalog.role_sql(member.member)))
        .collect()
}

pub(super) fn ownership(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let owner = subject.safe_owner();
    let catalog = subject.catalog;
    let mut found = |object: String, oid: Oid, sql: String| {
        let roles: Vec<&str> =
            subject.runtime.iter().filter(|role| role.becomes.contains(&oid)).map(|role| role.name.as_str()).collect();
        if !roles.is_empty() {
            faults.push(Fault::new(
                object,
                format!("{} can alter it: switch policies off, grant rights, replace code", roles.join(", ")),
                format!("alter {sql} owner to {owner};\n"),
            ));
        }
    };
    for relation in &catalog.relations {
        let kind = match relation.kind {
            'v' => "view",
            'm' => "materialized view",
            'S' => "sequence",
            'f' => "foreign table",
            _ => "table",
        };
        found(relation.label(), relation.owner, format!("{kind} {}", relation.sql()));
    }
    for schema in &catalog.schemas {
        let sql = format!("schema {}", quote_ident(&schema.name));
        found(format!("schema {}", schema.name), schema.owner, sql);
    }
    for function in &catalog.functions {
        found(function.label(), function.owner, function.sql());
    }
    let database = &catalog.server.database;
    let sql = format!("database {}", quote_ident(database));
    found(format!("database {database}"), catalog.database.owner, sql);
    faults.extend(other_ownership(subject, &owner));
    faults
}

/// Types, operators, servers, publications and whatever else has an owner.
fn other_ownership(subject: &Subject<'_>, owner: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for owned in &subject.catalog.owned {
        if subject.runtime.iter().any(|role| role.becomes.contains(&owned.owner)) {
            let role = subject.catalog.role_sql(owned.owner);
            faults.push(Fault::new(
                &owned.object,
                format!("{} can alter it under those who use it", subject.catalog.role_name(owned.owner)),
                format!("reassign owned by {role} to {owner};\n"),
            ));
        }
    }
    faults
}

pub(super) fn inactive(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let own_tables = subject.tables.iter().filter(|tenanted| tenanted.table.kind != 'f');
    for tenanted in own_tables {
        let roles: Vec<&Runtime> = subject
            .runtime
            .iter()
            .filter(|role| {
                let forced = tenanted.table.force || !role.becomes.contains(&tenanted.table.owner);
                let powerful = subject.catalog.role(role.oid).is_some_and(|role| role.superuser || role.bypass_rls);
                powerful || !(tenanted.table.rls && forced)
            })
            .collect();
        if roles.is_empty() {
            continue;
        }
        let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
        let canonical = subject.canonical(tenanted);
        let attributes: String = roles
            .iter()
            .filter(|role| subject.catalog.role(role.oid).is_some_and(|role| role.superuser || role.bypass_rls))
            .map(|role| format!("alter role {} nosuperuser nobypassrls;\n", quote_ident(&role.name)))
            .collect();
        faults.push(Fault::new(
            tenanted.table.label(),
            format!("row_security_active() is false for {}: it sees the rows of all tenants", names.join(", ")),
            canonical.enable() + &canonical.force() + &attributes,
        ));
    }
    faults
}
