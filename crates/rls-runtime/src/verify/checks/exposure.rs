//! Is there another relation through which tenants' rows come out?

use std::collections::BTreeSet;

use super::super::catalog::{Oid, Relation};
use super::super::finding::Fault;
use super::super::subject::{Runtime, Subject};
use crate::policy::quote_ident;

/// Views and materialized views that read a tenant table, directly or through other views.
pub(in crate::verify) fn reaching_views<'a>(subject: &Subject<'a>) -> Vec<&'a Relation> {
    let mut reached: BTreeSet<Oid> = subject.tables.iter().map(|tenanted| tenanted.table.oid).collect();
    loop {
        let before = reached.len();
        for (view, source) in &subject.catalog.view_sources {
            if reached.contains(source) {
                reached.insert(*view);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let relations = subject.catalog.relations.iter();
    relations.filter(|relation| matches!(relation.kind, 'v' | 'm') && reached.contains(&relation.oid)).collect()
}

pub(super) fn views(subject: &Subject<'_>) -> Vec<Fault> {
    let open = reaching_views(subject).into_iter().filter(|view| view.kind == 'm' || !runs_as_invoker(view));
    open.map(|view| {
        if view.kind == 'm' {
            Fault::new(
                view.label(),
                "a materialized view keeps what its refresh saw and shows it to every tenant; it cannot have policies",
                format!("drop materialized view {};\n", view.sql()),
            )
        } else {
            Fault::new(
                view.label(),
                format!("the view reads with the rights of {}, not of who asks", subject.catalog.role_name(view.owner)),
                format!("alter view {} set (security_invoker = true);\n", view.sql()),
            )
        }
    })
    .collect()
}

fn runs_as_invoker(view: &Relation) -> bool {
    view.options.iter().any(|option| {
        option.split_once('=').is_some_and(|(name, value)| {
            let value = value.to_lowercase();
            // PostgreSQL takes any beginning of these words for true.
            let truth = "true".starts_with(&value) || "yes".starts_with(&value) || value == "on" || value == "1";
            name == "security_invoker" && truth && !value.is_empty()
        })
    })
}

pub(super) fn relatives(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let protected = |relation: &Relation| relation.rls && relation.force;
    for pair in &subject.catalog.inherits {
        let (Some(child), Some(parent)) = (subject.relation(pair.child), subject.relation(pair.parent)) else {
            continue;
        };
        let tenanted = |relation: &Relation| subject.tenanted(relation.oid).is_some();
        if (parent.rls || tenanted(parent)) && !protected(child) {
            faults.push(unprotected(
                child,
                format!(
                    "read directly, it shows the rows of all tenants: the policies of {} do not apply to it",
                    parent.label()
                ),
            ));
        }
        if (child.rls || tenanted(child)) && !protected(parent) && !parent.rls {
            faults.push(unprotected(
                parent,
                format!("reading it shows the rows of its child {} past the child's policies", child.label()),
            ));
        }
    }
    faults.sort_by(|a, b| a.object.cmp(&b.object));
    faults.dedup_by(|a, b| a.object == b.object);
    faults
}

fn unprotected(relation: &Relation, message: String) -> Fault {
    let table = relation.sql();
    let fix = if relation.kind == 'f' {
        format!("revoke all on {table} from public;\n")
    } else {
        format!("alter table {table} enable row level security;\nalter table {table} force row level security;\n")
    };
    Fault::new(relation.label(), message, fix)
}

/// The rights by which a role reads or writes a table.
const REACH: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

pub(super) fn without_tenant(subject: &Subject<'_>) -> Vec<Fault> {
    let plain = subject.catalog.relations.iter().filter(|relation| {
        matches!(relation.kind, 'r' | 'p')
            && !relation.extension
            && subject.tenanted(relation.oid).is_none()
            && !subject.is_global(relation)
            && !is_part_of_global(subject, relation)
    });
    let mut faults = Vec::new();
    for relation in plain {
        let roles: Vec<&Runtime> = subject
            .runtime
            .iter()
            .filter(|role| {
                REACH.iter().any(|right| role.holds(&relation.grants, right)) || role.becomes.contains(&relation.owner)
            })
            .collect();
        if roles.is_empty() {
            continue;
        }
        let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
        faults.push(Fault::new(
            relation.label(),
            format!(
                "{} reaches all its rows whatever the tenant; give it a tenant column, or list it with --global-table",
                names.join(", ")
            ),
            revoke_all(subject, relation),
        ));
    }
    faults
}

/// A partition of a listed table holds nothing that the table itself does not.
fn is_part_of_global(subject: &Subject<'_>, relation: &Relation) -> bool {
    relation.partition
        && subject.catalog.inherits.iter().any(|pair| {
            pair.child == relation.oid
                && subject
                    .relation(pair.parent)
                    .is_some_and(|parent| subject.is_global(parent) || is_part_of_global(subject, parent))
        })
}

fn revoke_all(subject: &Subject<'_>, relation: &Relation) -> String {
    let grantees: BTreeSet<Oid> = relation
        .grants
        .iter()
        .map(|grant| grant.grantee)
        .filter(|grantee| subject.runtime.iter().any(|role| role.is(*grantee)))
        .collect();
    grantees
        .into_iter()
        .map(|grantee| format!("revoke all on {} from {};\n", relation.sql(), subject.catalog.role_sql(grantee)))
        .collect()
}

pub(super) fn global_tables(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for relation in subject.catalog.relations.iter().filter(|relation| relation.is_table()) {
        let Some(global) = subject.global(relation) else {
            continue;
        };
        for privilege in ["INSERT", "UPDATE", "DELETE", "TRUNCATE"] {
            let holders = subject.holders(relation, privilege);
            if !holders.is_empty() {
                let names: Vec<&str> = holders.iter().map(|role| role.name.as_str()).collect();
                faults.push(Fault::new(
                    format!("{} {privilege}", relation.label()),
                    format!("{} can change what every tenant reads", names.join(", ")),
                    revoke_writes(subject, relation, privilege),
                ));
            }
        }
        faults.extend(unknown_columns(subject, relation, global.columns.as_deref()));
    }
    faults
}

fn revoke_writes(subject: &Subject<'_>, relation: &Relation, privilege: &str) -> String {
    let grantees: BTreeSet<Oid> = relation
        .grants
        .iter()
        .filter(|grant| grant.privilege == privilege)
        .map(|grant| grant.grantee)
        .filter(|grantee| subject.runtime.iter().any(|role| role.is(*grantee)))
        .collect();
    let grantees = grantees.into_iter().map(|grantee| subject.catalog.role_sql(grantee));
    let privilege = privilege.to_lowercase();
    grantees.map(|role| format!("revoke {privilege} on {} from {role};\n", relation.sql())).collect()
}

/// Parts of names of columns that rarely belong to everybody.
const SENSITIVE: [&str; 15] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "credential",
    "ssn",
    "tax_id",
    "iban",
    "card_number",
    "cvv",
    "salary",
    "passport",
];

fn unknown_columns(subject: &Subject<'_>, relation: &Relation, pinned: Option<&[String]>) -> Vec<Fault> {
    let readers: Vec<&Runtime> = subject.runtime.iter().collect();
    let readable = |number: i16| {
        readers.iter().any(|role| {
            relation.grants.iter().any(|grant| {
                grant.privilege == "SELECT" && role.is(grant.grantee) && (grant.column == 0 || grant.column == number)
            })
        })
    };
    let keep: Vec<String> = relation
        .columns
        .iter()
        .filter(|column| !is_unknown(&column.name, pinned))
        .map(|column| quote_ident(&column.name))
        .collect();
    let unknown = relation.columns.iter().filter(|column| is_unknown(&column.name, pinned) && readable(column.number));
    unknown
        .map(|column| {
            let message = if pinned.is_some() {
                "the column is not among those pinned for this table: every tenant reads what it holds for all"
            } else {
                "the name sounds like data that not every tenant may read; pin the table's columns to say that it is fine"
            };
            Fault::new(
                format!("{}.{}", relation.label(), column.name),
                message,
                column_fix(subject, relation, &keep),
            )
        })
        .collect()
}

fn is_unknown(name: &str, pinned: Option<&[String]>) -> bool {
    match pinned {
        Some(pinned) => !pinned.iter().any(|column| column == name),
        None => SENSITIVE.iter().any(|part| name.to_lowercase().contains(part)),
    }
}

/// Grants the known columns instead of the whole table.
fn column_fix(subject: &Subject<'_>, relation: &Relation, keep: &[String]) -> String {
    let grantees: BTreeSet<Oid> = relation
        .grants
        .iter()
        .filter(|grant| grant.privilege == "SELECT")
        .map(|grant| grant.grantee)
        .filter(|grantee| subject.runtime.iter().any(|role| role.is(*grantee)))
        .collect();
    let table = relation.sql();
    grantees
        .into_iter()
        .map(|grantee| subject.catalog.role_sql(grantee))
        .map(|role| {
            let columns = keep.join(", ");
            format!("revoke select on {table} from {role};\ngrant select ({columns}) on {table} to {role};\n")
        })
        .collect()
}
