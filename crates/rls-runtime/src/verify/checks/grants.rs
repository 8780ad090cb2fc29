//! Who may do what, beyond what the policies limit?

use std::collections::BTreeSet;

use super::super::catalog::{Grant, Oid, PUBLIC, Relation};
use super::super::finding::Fault;
use super::super::subject::Subject;
use crate::policy::quote_ident;

/// Takes a right on a table away, column by column where it was given so.
fn revoke(subject: &Subject<'_>, relation: &Relation, grant: &Grant, what: &str) -> String {
    let columns = if grant.column == 0 {
        String::new()
    } else {
        format!(" ({})", quote_ident(relation.column_name(grant.column)))
    };
    let kind = if relation.kind == 'S' { "sequence " } else { "" };
    format!(
        "revoke {what}{}{columns} on {kind}{} from {};\n",
        grant.privilege.to_lowercase(),
        relation.sql(),
        subject.catalog.role_sql(grant.grantee)
    )
}

pub(super) fn unlimited(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for relation in subject.tables.iter().map(|tenanted| tenanted.table) {
        for (privilege, danger) in [
            ("TRUNCATE", "TRUNCATE empties the table of all tenants; no policy is asked"),
            ("REFERENCES", "a foreign key of the role's own tells which keys other tenants have"),
            ("TRIGGER", "a trigger of the role's own sees the rows that others write"),
            ("MAINTAIN", "the role can lock and rewrite the table of all tenants, and all their statements wait"),
        ] {
            let grants = relation
                .grants
                .iter()
                .filter(|grant| grant.privilege == privilege)
                .filter(|grant| grant.grantee != relation.owner || grant.column != 0)
                .filter(|grant| subject.runtime.iter().any(|role| role.is(grant.grantee)));
            let fix: String = grants.map(|grant| revoke(subject, relation, grant, "")).collect();
            if !fix.is_empty() {
                faults.push(Fault::new(format!("{} {privilege}", relation.label()), danger, fix));
            }
        }
    }
    faults
}

pub(super) fn public(subject: &Subject<'_>) -> Vec<Fault> {
    let views = super::exposure::reaching_views(subject);
    let tables = subject.tables.iter().map(|tenanted| tenanted.table);
    let mut faults = Vec::new();
    for relation in tables.chain(views) {
        for grant in relation.grants.iter().filter(|grant| grant.grantee == PUBLIC) {
            faults.push(Fault::new(
                format!("{} {}", relation.label(), grant.privilege),
                "every role of the server has the right, also those that are made tomorrow",
                revoke(subject, relation, grant, ""),
            ));
        }
    }
    faults
}

pub(super) fn creating(subject: &Subject<'_>) -> Vec<Fault> {
    let schemas = subject.catalog.schemas.iter().map(|schema| {
        let sql = format!("schema {}", quote_ident(&schema.name));
        (format!("schema {}", schema.name), sql, schema.owner, &schema.grants)
    });
    let server = &subject.catalog.server;
    let database = &subject.catalog.database;
    let own = [(
        format!("database {}", server.database),
        format!("database {}", quote_ident(&server.database)),
        database.owner,
        &database.grants,
    )];
    let mut faults = Vec::new();
    for (object, sql, owner, grants) in schemas.chain(own) {
        let held = grants.iter().filter(|grant| {
            grant.privilege == "CREATE"
                && grant.grantee != owner
                && subject.runtime.iter().any(|role| role.is(grant.grantee))
        });
        let fix: String = held
            .map(|grant| format!("revoke create on {sql} from {};\n", subject.catalog.role_sql(grant.grantee)))
            .collect();
        if !fix.is_empty() {
            faults.push(Fault::new(
                object,
                "the role can make functions, operators and tables that others then use by mistake",
                fix,
            ));
        }
    }
    faults
}

pub(super) fn defaults(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for default in subject.catalog.default_grants.iter().filter(|default| default.kind == 'r') {
        if !subject.runtime.iter().any(|role| role.is(default.grantee)) || default.grantee == default.owner {
            continue;
        }
        let catalog = subject.catalog;
        let schema =
            default.schema.as_ref().map(|schema| format!(" in schema {}", quote_ident(schema))).unwrap_or_default();
        faults.push(Fault::new(
            format!(
                "default privileges of {} {} for {}",
                catalog.role_name(default.owner),
                default.privilege,
                catalog.role_name(default.grantee)
            ),
            "a new table is open to the role before anybody has written its policies",
            format!(
                "alter default privileges for role {}{schema} revoke {} on tables from {};\n",
                catalog.role_sql(default.owner),
                default.privilege.to_lowercase(),
                catalog.role_sql(default.grantee)
            ),
        ));
    }
    faults
}

pub(super) fn sequences(subject: &Subject<'_>) -> Vec<Fault> {
    let sequences = subject.catalog.relations.iter().filter(|relation| relation.kind == 'S');
    let mut faults = Vec::new();
    for relation in sequences.filter(|relation| !relation.extension) {
        let held = relation.grants.iter().filter(|grant| {
            grant.privilege == "SELECT"
                && grant.grantee != relation.owner
                && subject.runtime.iter().any(|role| role.is(grant.grantee))
        });
        let fix: String = held.map(|grant| revoke(subject, relation, grant, "")).collect();
        if !fix.is_empty() {
            faults.push(Fault::new(
                relation.label(),
                "reading the sequence tells one tenant how much all others do; nextval needs USAGE only",
                fix,
            ));
        }
    }
    faults
}

pub(super) fn server_functions(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for function in &subject.catalog.server_functions {
        let grants = function.grants.as_deref().unwrap_or_default();
        let held: BTreeSet<Oid> = grants
            .iter()
            .map(|grant| grant.grantee)
            .filter(|grantee| subject.runtime.iter().any(|role| role.is(*grantee)))
            .collect();
        if !held.is_empty() {
            let fix: String = held
                .iter()
                .map(|grantee| {
                    let role = subject.catalog.role_sql(*grantee);
                    format!("revoke execute on function pg_catalog.{} from {role};\n", function.name)
                })
                .collect();
            faults.push(Fault::new(
                &function.name,
                "the function reaches the server's files or state, where no policy holds",
                fix,
            ));
        }
    }
    faults
}

pub(super) fn catalogs(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for relation in &subject.catalog.catalog_grants {
        let grants = relation.grants.as_deref().unwrap_or_default();
        let held = grants
            .iter()
            .filter(|grant| grant.privilege == "SELECT" && subject.runtime.iter().any(|role| role.is(grant.grantee)));
        let fix: String = held
            .map(|grant| {
                let role = subject.catalog.role_sql(grant.grantee);
                format!("revoke select on pg_catalog.{} from {role};\n", relation.name)
            })
            .collect();
        if !fix.is_empty() {
            faults.push(Fault::new(
                format!("pg_catalog.{}", relation.name),
                "the catalog holds values of all tenants' rows, or secrets of the server",
                fix,
            ));
        }
    }
    faults
}

pub(super) fn large_objects(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for objects in &subject.catalog.large_objects {
        let owned = subject.runtime.iter().any(|role| role.becomes.contains(&objects.owner));
        let granted = objects.grantee.filter(|grantee| subject.runtime.iter().any(|role| role.is(*grantee)));
        if owned || granted.is_some() || subject.catalog.open_large_objects {
            let (sample, owner) = (objects.sample, subject.catalog.role_name(objects.owner));
            let fix = match granted.filter(|grantee| *grantee != objects.owner) {
                Some(grantee) => {
                    format!("revoke all on large object {sample} from {};\n", subject.catalog.role_sql(grantee))
                }
                None if owned => format!("alter large object {sample} owner to {};\n", subject.safe_owner()),
                None => "alter system reset lo_compat_privileges;\nselect pg_reload_conf();\n".into(),
            };
            faults.push(Fault::new(
                format!("large objects of {owner}, such as {sample}"),
                format!("{} large objects can be read whatever the tenant: they cannot have policies", objects.count),
                fix,
            ));
        }
    }
    faults.dedup_by(|a, b| a.object == b.object);
    faults
}

pub(super) fn options(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for relation in subject.tables.iter().map(|tenanted| tenanted.table) {
        let grantable = relation.grants.iter().filter(|grant| {
            grant.grantable
                && grant.grantee != relation.owner
                && subject.runtime.iter().any(|role| role.is(grant.grantee))
        });
        for grant in grantable {
            faults.push(Fault::new(
                format!("{} {}", relation.label(), grant.privilege),
                "the role can give the right to roles that nobody verifies",
                revoke(subject, relation, grant, "grant option for "),
            ));
        }
    }
    for member in subject.catalog.members.iter().filter(|member| member.admin) {
        if subject.runtime.iter().any(|role| role.becomes.contains(&member.member)) {
            let (role, holder) = (subject.catalog.role_sql(member.role), subject.catalog.role_sql(member.member));
            faults.push(Fault::new(
                format!(
                    "role {} admin of {}",
                    subject.catalog.role_name(member.member),
                    subject.catalog.role_name(member.role)
                ),
                "the role can make any role a member, and grant the membership to itself with other options",
                format!("revoke admin option for {role} from {holder};\n"),
            ));
        }
    }
    faults
}

pub(super) fn others(subject: &Subject<'_>) -> Vec<Fault> {
    if subject.runtime.is_empty() {
        return Vec::new();
    }
    let views = super::exposure::reaching_views(subject);
    let tables = subject.tables.iter().map(|tenanted| tenanted.table);
    let mut faults = Vec::new();
    for relation in tables.chain(views) {
        let foreign: BTreeSet<Oid> = relation
            .grants
            .iter()
            .map(|grant| grant.grantee)
            .filter(|grantee| is_foreign(subject, relation, *grantee))
            .collect();
        for grantee in foreign {
            faults.push(Fault::new(
                format!("{} {}", relation.label(), subject.catalog.role_name(grantee)),
                "the role reaches tenant data but is not among the roles that are verified; name it with --role if it should",
                format!("revoke all on {} from {};\n", relation.sql(), subject.catalog.role_sql(grantee)),
            ));
        }
    }
    faults
}

fn is_foreign(subject: &Subject<'_>, relation: &Relation, grantee: Oid) -> bool {
    let superuser = subject.catalog.role(grantee).is_some_and(|role| role.superuser);
    grantee != relation.owner && !superuser && !subject.runtime.iter().any(|role| role.is(grantee))
}
