//! RLS103: views and functions that reach tables with tenant data with the rights of their owner.

use super::{Lint, Words, at};
use crate::finding::Finding;
use crate::program::Place;
use crate::schema::SchemaInUse;
use crate::sql::TableName;

pub(super) fn check(lint: &Lint, used: &SchemaInUse<'_>) -> Vec<Finding> {
    let views = used.schema.views.iter().filter(|(name, view)| !view.security_invoker && !used.exempt.contains(name));
    let views = views.filter_map(|(name, view)| {
        let table = view.reads.iter().find(|read| used.is_tenant(read))?;
        let help = if view.materialized {
            "keep such a summary in a table with policies: a materialized view can have none"
        } else {
            "create it `with (security_invoker = true)`, so that it runs with the rights of who asks"
        };
        let kind = if view.materialized { "materialized view" } else { "view" };
        Some(finding(lint, view.place, &format!("{kind} `{name}` reads"), table, help))
    });
    let definers = used.schema.functions.iter().filter(|(_, function)| function.security_definer);
    let functions = definers.filter_map(|(name, function)| {
        let table = function.touches.iter().find(|touched| used.is_tenant(touched))?;
        let help = "drop `security definer`, or make its owner a role that the policies bind";
        Some(finding(lint, function.place, &format!("function `{name}` touches"), table, help))
    });
    views.chain(functions).collect()
}

fn finding(lint: &Lint, place: Place, does: &str, table: &TableName, help: &str) -> Finding {
    let words = Words {
        message: format!("{does} `{table}` with the rights of its owner"),
        label: "runs as its owner, whoever asks".to_owned(),
        help: help.to_owned(),
    };
    Finding { tables: vec![table.to_string()], ..at(lint, place, "", words) }
}
