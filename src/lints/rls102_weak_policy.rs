//! RLS102: policies that let rows of other tenants through.

use super::{Lint, Words, at};
use crate::finding::Finding;
use crate::schema::predicate::{Weakness, weakness};
use crate::schema::{Condition, Policy, RowCommand, SchemaInUse, Table};

pub(super) fn check(lint: &Lint, used: &SchemaInUse<'_>) -> Vec<Finding> {
    let tables = used.schema.tables.values().filter(|table| !used.exempt.contains(&table.name));
    let with_tenant = tables.filter(|table| used.tenant_columns.of(table).is_some());
    let policies = with_tenant.flat_map(|table| table.policies.iter().map(move |policy| (table, policy)));
    policies.filter_map(|(table, policy)| judge(lint, used, table, policy)).collect()
}

fn judge(lint: &Lint, used: &SchemaInUse<'_>, table: &Table, policy: &Policy) -> Option<Finding> {
    let open = RowCommand::EACH.into_iter().filter(|command| policy.command.covers(*command));
    let mut open = open.filter(|command| !is_narrowed(used, table, *command));
    let weak = open.find_map(|command| weak_part(used, policy, command))?;
    if !policy.permissive {
        return None;
    }
    let (name, on) = (&policy.name, &table.name);
    let message = match weak.weakness {
        Weakness::AlwaysTrue if weak.writes => format!("policy `{name}` on `{on}` lets rows of every tenant in"),
        Weakness::AlwaysTrue => format!("policy `{name}` on `{on}` lets rows of every tenant through"),
        Weakness::MissingTenantMatches => format!("policy `{name}` on `{on}` matches every row when no tenant is set"),
    };
    let label = match weak.weakness {
        Weakness::AlwaysTrue => "always true".to_owned(),
        Weakness::MissingTenantMatches => "true without a tenant".to_owned(),
    };
    let words = Words { message, label, help: help(used, table) };
    let related = vec![(weak.condition.place, "this condition".to_owned())];
    Some(Finding { related, tables: vec![on.to_string()], ..at(lint, policy.place, "", words) })
}

struct Weak<'a> {
    weakness: Weakness,
    condition: &'a Condition,
    /// The condition on new rows is the weak one.
    writes: bool,
}

/// What is weak about a policy for one command. A condition that is not written lets nothing through.
fn weak_part<'a>(used: &SchemaInUse<'_>, policy: &'a Policy, command: RowCommand) -> Option<Weak<'a>> {
    let on_rows = policy.on_rows(command).map(|condition| (condition, false));
    let on_new_rows = policy.on_new_rows(command).map(|condition| (condition, true));
    on_rows.into_iter().chain(on_new_rows).find_map(|(condition, writes)| {
        // One that cannot be read is a blind spot, not a finding.
        let weakness = weakness(&condition.text, used.schema).ok().flatten()?;
        Some(Weak { weakness, condition, writes })
    })
}

/// Whether a restrictive policy for everybody holds the command in check, whatever the permissive ones let through.
fn is_narrowed(used: &SchemaInUse<'_>, table: &Table, command: RowCommand) -> bool {
    let restrictive = table.policies.iter().filter(|policy| !policy.permissive && policy.roles.is_empty());
    restrictive.filter(|policy| policy.command.covers(command)).any(|policy| {
        let has_condition = policy.on_rows(command).or(policy.on_new_rows(command)).is_some();
        has_condition && weak_part(used, policy, command).is_none()
    })
}

fn help(used: &SchemaInUse<'_>, table: &Table) -> String {
    let column = used.tenant_columns.of(table).map_or("tenant_id", |column| column.name.as_str());
    let setting = used.schema.tenant_settings.keys().find(|name| name.contains("tenant"));
    let setting = setting.map_or("app.tenant_id", String::as_str);
    format!("compare with the tenant and fail without one: `{column} = (select current_setting('{setting}')::uuid)`")
}
