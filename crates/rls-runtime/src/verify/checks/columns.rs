//! Does every row have exactly one tenant?

use std::collections::BTreeMap;

use super::super::expr::{self, Expr};
use super::super::finding::Fault;
use super::super::predicate::is_text;
use super::super::subject::{Subject, Tenanted};
use crate::policy::quote_ident;

/// Types that compare leak-proof and exactly.
const FIT: [&str; 8] = ["uuid", "bigint", "integer", "smallint", "text", "character varying", "character", "name"];

pub(super) fn loose(subject: &Subject<'_>) -> Vec<Fault> {
    let usual = usual_type(subject);
    let mut faults = Vec::new();
    for tenanted in &subject.tables {
        let object = format!("{}.{}", tenanted.table.label(), tenanted.column.name);
        let alter = alter(tenanted);
        if !tenanted.column.not_null {
            faults.push(Fault::new(
                &object,
                "a row without a tenant is invisible to everybody and kept for ever",
                format!("{alter} set not null;\n"),
            ));
        }
        let column_type = tenanted.column.base_type.as_str();
        if !tenanted.column.deterministic {
            faults.push(Fault::new(
                &object,
                "the collation treats different texts as equal, so two tenants may be one",
                format!("{alter} type {column_type} collate \"C\";\n"),
            ));
        }
        let column = quote_ident(&tenanted.column.name);
        if !FIT.contains(&column_type) {
            faults.push(Fault::new(
                &object,
                format!("`{column_type}` does not compare leak-proof, so no index serves the policies"),
                format!("{alter} type {usual} using {column}::text::{usual};\n"),
            ));
        } else if column_type != usual {
            faults.push(Fault::new(
                &object,
                format!("the type is `{column_type}`, but `{usual}` elsewhere: keys cannot refer to each other, and conversions hide mistakes"),
                format!("{alter} type {usual} using {column}::text::{usual};\n"),
            ));
        }
    }
    faults
}

/// The type that most tenant columns have; `uuid` where there is no majority.
fn usual_type<'a>(subject: &Subject<'a>) -> &'a str {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tenanted in &subject.tables {
        *counts.entry(&tenanted.column.base_type).or_default() += 1;
    }
    counts
        .into_iter()
        .filter(|(name, _)| FIT.contains(name))
        .max_by_key(|(name, count)| (*count, *name == "uuid"))
        .map_or("uuid", |(name, _)| name)
}

/// A default is fine if it is the scope's tenant, or nothing where no tenant is set.
pub(super) fn defaults(subject: &Subject<'_>) -> Vec<Fault> {
    let with_default = subject.tables.iter().filter_map(|tenanted| {
        let text = tenanted.column.default.as_deref()?;
        let compared =
            Expr::Binary("=".into(), Box::new(Expr::Column(tenanted.column.name.clone())), Box::new(expr::parse(text)));
        let verdict = subject.with_terms(tenanted, |terms| super::super::predicate::judge(&compared, terms));
        verdict.is_err().then_some(tenanted)
    });
    with_default
        .map(|tenanted| {
            Fault::new(
                format!("{}.{}", tenanted.table.label(), tenanted.column.name),
                "an insert that forgets the tenant gets one that is not the scope's",
                format!(
                    "{} drop {};\n",
                    alter(tenanted),
                    if tenanted.column.generated { "expression" } else { "default" }
                ),
            )
        })
        .collect()
}

fn alter(tenanted: &Tenanted<'_>) -> String {
    format!("alter table {} alter column {}", tenanted.table.sql(), quote_ident(&tenanted.column.name))
}

/// Whether the empty text is kept out of the tenant column.
pub(super) fn refuses_empty(subject: &Subject<'_>, tenanted: &Tenanted<'_>) -> bool {
    let column = format!("({})::text", tenanted.column.name);
    !is_text(&tenanted.column.base_type)
        || subject.catalog.constraints.iter().any(|constraint| {
            let definition = constraint.definition.replace(&column, &tenanted.column.name);
            constraint.kind == 'c'
                && constraint.table == tenanted.table.oid
                && constraint.validated
                && definition == format!("CHECK (({} <> ''::text))", tenanted.column.name)
        })
}
