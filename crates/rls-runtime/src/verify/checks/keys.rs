//! Do keys, foreign keys and indexes respect the tenant?

use super::super::catalog::{Constraint, Index, plain_ident};
use super::super::finding::Fault;
use super::super::subject::{Subject, Tenanted};
use crate::policy::quote_ident;

fn indexes<'a>(subject: &'a Subject<'a>) -> impl Iterator<Item = (&'a Tenanted<'a>, &'a Index)> {
    subject.tables.iter().flat_map(|tenanted| {
        subject
            .catalog
            .indexes
            .iter()
            .filter(|index| index.table == tenanted.table.oid)
            .map(move |index| (tenanted, index))
    })
}

pub(super) fn no_index(subject: &Subject<'_>) -> Vec<Fault> {
    subject
        .tables
        .iter()
        .filter(|tenanted| !tenanted.table.partition && tenanted.table.kind != 'f')
        .filter(|tenanted| {
            !subject.catalog.indexes.iter().any(|index| {
                index.table == tenanted.table.oid
                    && index.valid
                    && !index.partial
                    && index.keys.first() == Some(&tenanted.column.number)
                    && ["btree", "hash"].contains(&index.method.as_str())
            })
        })
        .map(|tenanted| {
            Fault::new(
                tenanted.table.label(),
                "every statement reads the rows of all tenants to find those of one",
                format!("create index on {} ({});\n", tenanted.table.sql(), quote_ident(&tenanted.column.name)),
            )
        })
        .collect()
}

pub(super) fn unique_keys(subject: &Subject<'_>) -> Vec<Fault> {
    indexes(subject)
        .filter(|(_, index)| index.unique || index.exclusion)
        .filter(|(tenanted, index)| !index.keys.contains(&tenanted.column.number) || compares_tenants(tenanted, index))
        .map(|(tenanted, index)| {
            Fault::new(
                format!("{} {}", tenanted.table.label(), index.label()),
                "a duplicate-key error tells one tenant what another has, and ON CONFLICT loses rows silently",
                with_tenant(tenanted, index),
            )
        })
        .collect()
}

/// Whether an exclusion compares the tenant by something else than `=`, so that rows of two tenants exclude each other.
fn compares_tenants(tenanted: &Tenanted<'_>, index: &Index) -> bool {
    let tenant = plain_ident(&tenanted.column.name);
    index.exclusion
        && index
            .constraint_definition
            .as_ref()
            .is_some_and(|definition| !definition.contains(&format!("{tenant} WITH =")))
}

/// The same key, led by the tenant.
fn with_tenant(tenanted: &Tenanted<'_>, index: &Index) -> String {
    let table = tenanted.table.sql();
    let tenant = quote_ident(&tenanted.column.name);
    let led = if index.exclusion { format!("{tenant} WITH =, ") } else { format!("{tenant}, ") };
    match (&index.constraint, &index.constraint_definition) {
        (Some(name), Some(definition)) => {
            let name = quote_ident(name);
            let definition = definition.replacen('(', &format!("({led}"), 1);
            let extension = if index.exclusion { "create extension if not exists btree_gist;\n" } else { "" };
            format!("{extension}alter table {table} drop constraint {name},\n  add constraint {name} {definition};\n")
        }
        _ => format!("drop index {};\n{};\n", index.sql(), index.definition.replacen(" (", &format!(" ({led}"), 1)),
    }
}

pub(super) fn foreign_keys(subject: &Subject<'_>) -> Vec<Fault> {
    let own = subject.catalog.constraints.iter().filter(|constraint| constraint.kind == 'f' && !constraint.inherited);
    let mut faults = Vec::new();
    for constraint in own {
        let (Some(child), Some(parent)) = (subject.tenanted(constraint.table), subject.tenanted(constraint.parent))
        else {
            continue;
        };
        let pair = (child.column.number, parent.column.number);
        let pairs = constraint.keys.iter().copied().zip(constraint.parent_keys.iter().copied());
        if pairs.into_iter().any(|found| found == pair) {
            continue;
        }
        faults.push(Fault::new(
            format!("{} {}", child.table.label(), constraint.name),
            format!(
                "a row of one tenant may point at a row of another in {}, whose delete then reaches across",
                parent.table.label()
            ),
            composite(subject, &child, &parent, constraint),
        ));
    }
    faults
}

/// The same foreign key with the tenant on both sides, and the key it refers to where that is missing.
fn composite(subject: &Subject<'_>, child: &Tenanted<'_>, parent: &Tenanted<'_>, constraint: &Constraint) -> String {
    let list = |tenanted: &Tenanted<'_>, keys: &[i16]| {
        let rest = keys.iter().filter(|key| **key != tenanted.column.number);
        let names = rest.map(|key| quote_ident(tenanted.table.column_name(*key)));
        let all: Vec<String> = [quote_ident(&tenanted.column.name)].into_iter().chain(names).collect();
        all.join(", ")
    };
    let mut wanted: Vec<i16> = constraint.parent_keys.clone();
    wanted.push(parent.column.number);
    wanted.sort_unstable();
    let has_key = subject.catalog.indexes.iter().any(|index| {
        let mut keys = index.keys.clone();
        keys.sort_unstable();
        index.table == parent.table.oid && index.unique && !index.partial && keys == wanted
    });
    let parent_columns = list(parent, &constraint.parent_keys);
    let key = if has_key {
        String::new()
    } else {
        format!("alter table {} add unique ({parent_columns});\n", parent.table.sql())
    };
    let actions = constraint
        .definition
        .split_once(" ON ")
        .map(|(_, rest)| format!(" ON {}", rest.trim_end_matches(" NOT VALID")))
        .unwrap_or_default();
    let name = quote_ident(&constraint.name);
    format!(
        "{key}alter table {} drop constraint {name},\n  add constraint {name} foreign key ({}) references {} ({parent_columns}){actions};\n",
        child.table.sql(),
        list(child, &constraint.keys),
        parent.table.sql(),
    )
}

pub(super) fn leaky_keys(subject: &Subject<'_>) -> Vec<Fault> {
    indexes(subject)
        .filter(|(_, index)| !index.leaky.is_empty())
        .map(|(tenanted, index)| {
            Fault::new(
                format!("{} {}", tenanted.table.label(), index.label()),
                format!(
                    "comparing `{}` is not leak-proof, so behind the policies it is a filter over the tenant's rows, never an index condition",
                    index.leaky.join("`, `")
                ),
                format!("drop index {};\n", index.sql()),
            )
        })
        .collect()
}

pub(super) fn not_valid(subject: &Subject<'_>) -> Vec<Fault> {
    let constraints = subject
        .catalog
        .constraints
        .iter()
        .filter(|constraint| !constraint.validated && !constraint.inherited)
        .filter_map(|constraint| Some((subject.tenanted(constraint.table)?, constraint)));
    let constraints = constraints.map(|(tenanted, constraint)| {
        let (table, name) = (tenanted.table.sql(), quote_ident(&constraint.name));
        let (danger, fix) = if constraint.enforced {
            (
                "rows that were there before may break the constraint, such as a reference to another tenant's row",
                format!("alter table {table} validate constraint {name};\n"),
            )
        } else {
            let definition = constraint.definition.replace(" NOT ENFORCED", "");
            (
                "nothing holds rows to the constraint, which may be all that keeps references within a tenant",
                format!("alter table {table} drop constraint {name},\n  add constraint {name} {definition};\n"),
            )
        };
        Fault::new(format!("{} {}", tenanted.table.label(), constraint.name), danger, fix)
    });
    let invalid = indexes(subject).filter(|(_, index)| !index.valid);
    let invalid = invalid.map(|(tenanted, index)| {
        Fault::new(
            format!("{} {}", tenanted.table.label(), index.label()),
            "the index is not valid: it serves no query and guards no key",
            format!("reindex index {};\n", index.sql()),
        )
    });
    constraints.chain(invalid).collect()
}

pub(super) fn disabled(subject: &Subject<'_>) -> Vec<Fault> {
    let disabled = subject.catalog.triggers.iter().filter(|trigger| trigger.enabled != 'O' && trigger.enabled != 'A');
    let mut faults: Vec<Fault> = disabled
        .filter_map(|trigger| {
            let tenanted = subject.tenanted(trigger.table)?;
            let (what, danger) = if trigger.internal {
                ("all", "a foreign key is not enforced: rows may point at rows of other tenants or at none")
            } else {
                ("user", "what the trigger guards is not guarded")
            };
            let name = if trigger.internal { "foreign keys" } else { &trigger.name };
            Some(Fault::new(
                format!("{} {name}", tenanted.table.label()),
                danger,
                format!("alter table {} enable trigger {what};\n", tenanted.table.sql()),
            ))
        })
        .collect();
    faults.dedup_by(|a, b| a.object == b.object);
    faults
}
