//! RLS101: tables with the tenant column that no policies protect, or not for all that is done to them.

use super::{Lint, Words, at};
use crate::finding::Finding;
use crate::schema::{RowCommand, SchemaInUse, Table};

pub(super) fn check(lint: &Lint, used: &SchemaInUse<'_>) -> Vec<Finding> {
    let tables = used.schema.tables.values().filter(|table| !used.exempt.contains(&table.name));
    tables.filter(|table| used.is_reached(table)).filter_map(|table| judge(lint, used, table)).collect()
}

fn judge(lint: &Lint, used: &SchemaInUse<'_>, table: &Table) -> Option<Finding> {
    let column = used.tenant_columns.of(table)?;
    let lacks = lacks(used, table);
    if lacks.is_empty() {
        return None;
    }
    let name = &table.name;
    let words = Words {
        message: format!("`{name}` has the column `{}` but {}", column.name, lacks.join(", and ")),
        label: "holds tenant data".to_owned(),
        help: help(table),
    };
    let undone = table.undone.map(|place| (place, "taken back here".to_owned()));
    let enabled = table.enabled.filter(|_| table.forced.is_none() && undone.is_none());
    let enabled = enabled.map(|place| (place, "enabled here, for everybody but the owner".to_owned()));
    Some(Finding {
        related: undone.into_iter().chain(enabled).collect(),
        tables: vec![name.to_string()],
        ..at(lint, table.place, "", words)
    })
}

fn lacks(used: &SchemaInUse<'_>, table: &Table) -> Vec<String> {
    if table.enabled.is_none() {
        return vec!["its row-level security is not enabled".to_owned()];
    }
    let mut lacks = Vec::new();
    if table.forced.is_none() {
        lacks.push("its row-level security is not forced".to_owned());
    }
    if !table.lets_rows_through() {
        lacks.push("no policy lets any row through".to_owned());
    } else {
        let uncovered: Vec<&str> = used.uncovered(table).into_iter().map(RowCommand::word).collect();
        if !uncovered.is_empty() {
            lacks.push(format!("no policy is for {}, which the code does", uncovered.join(" and ")));
        }
    }
    lacks
}

fn help(table: &Table) -> String {
    let name = &table.name;
    if table.enabled.is_none() {
        format!(
            "enable and force it in a migration: `alter table {name} enable row level security, force row level security`, and give it a policy"
        )
    } else if table.forced.is_none() {
        format!(
            "force it in a migration: `alter table {name} force row level security`; `cargo rls-audit tables` says what still stands in the way"
        )
    } else {
        format!("add `create policy .. on {name}` for what the code does, or one for all commands")
    }
}
