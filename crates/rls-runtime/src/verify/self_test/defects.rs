//! The defects that the self-test plants, as data.

use super::Names;
use crate::policy::{quote_ident, quote_literal};

/// A defect, and the check that must find it.
pub(super) struct Defect {
    pub check: &'static str,
    pub name: &'static str,
    /// SQL with `{table}`, `{column}`, `{plain}`, `{setting}`, `{predicate}`, `{bare}`, `{constant}` and `{role}`.
    sql: &'static str,
}

impl Defect {
    /// The SQL for one table; nothing if it needs a role and there is none.
    pub fn sql(&self, names: &Names, role: Option<&str>) -> Option<String> {
        if self.sql.contains("{role}") && role.is_none() {
            return None;
        }
        Some(
            self.sql
                .replace("{table}", &names.table)
                .replace("{column}", &names.column)
                .replace("{plain}", &names.plain)
                .replace("{setting}", &quote_literal(&names.setting))
                .replace("{predicate}", &names.predicate)
                .replace("{bare}", &names.predicate.replace("(select ", "("))
                .replace("{constant}", names.constant)
                .replace("{role}", &role.map(quote_ident).unwrap_or_default()),
        )
    }
}

pub(super) const fn defect(check: &'static str, name: &'static str, sql: &'static str) -> Defect {
    Defect { check, name, sql }
}

pub(super) const DEFECTS: &[Defect] = &[
    defect("V01", "disabled", "alter table {table} disable row level security"),
    defect("V02", "not forced", "alter table {table} no force row level security"),
    defect(
        "V03",
        "policies dropped",
        "drop policy tenant_isolation_select on {table}; drop policy tenant_isolation_insert on {table}; \
         drop policy tenant_isolation_update on {table}; drop policy tenant_isolation_delete on {table}",
    ),
    defect("V04", "policies dormant", "alter table {table} disable row level security"),
    defect("V05", "BYPASSRLS", "alter role {role} bypassrls"),
    defect("V05", "CREATEROLE", "alter role {role} createrole"),
    defect("V06", "member of pg_write_all_data", "grant pg_write_all_data to {role}"),
    defect("V07", "owned by the runtime role", "alter table {table} owner to {role}"),
    defect("V08", "everybody", "alter policy tenant_isolation_select on {table} using (true)"),
    defect(
        "V08",
        "missing tenant matches",
        "alter policy tenant_isolation_select on {table} using ({predicate} or current_setting({setting}, true) is null)",
    ),
    defect("V08", "writes anything", "alter policy tenant_isolation_insert on {table} with check (true)"),
    defect("V08", "moves rows", "alter policy tenant_isolation_update on {table} with check (true)"),
    defect("V09", "second policy", "create policy second on {table} for select using ({predicate})"),
    defect(
        "V10",
        "no policy for delete",
        "drop policy tenant_isolation_delete on {table}; grant delete on {table} to {role}",
    ),
    defect("V13", "unique over all tenants", "alter table {table} add column rls_planted text unique"),
    defect("V15", "view", "create view rls_verify_scratch.planted as select * from {table}"),
    defect(
        "V15",
        "view over a view",
        "create view rls_verify_scratch.inner_view with (security_invoker = true) as select * from {table}; \
         create view rls_verify_scratch.planted as select * from rls_verify_scratch.inner_view",
    ),
    defect(
        "V15",
        "materialized view",
        "create materialized view rls_verify_scratch.planted as select * from {table} with no data",
    ),
    defect(
        "V17",
        "SECURITY DEFINER function",
        "create function rls_verify_scratch.planted() returns bigint language sql security definer \
         as $body$select count(*) from {table}$body$; \
         grant execute on function rls_verify_scratch.planted() to {role}",
    ),
    defect(
        "V18",
        "leak-proof function",
        "create function rls_verify_scratch.planted(int) returns bool language sql leakproof as 'select true'",
    ),
    defect(
        "V19",
        "function in a policy",
        "create function rls_verify_scratch.planted() returns bool language sql immutable as 'select true'; \
         create policy planted on {table} as restrictive using (rls_verify_scratch.planted())",
    ),
    defect("V20", "child table", "create table rls_verify_scratch.planted () inherits ({table})"),
    defect("V21", "TRUNCATE", "grant truncate on {table} to {role}"),
    defect("V21", "TRIGGER", "grant trigger on {table} to {role}"),
    defect("V22", "PUBLIC", "grant select on {table} to public"),
    defect("V23", "CREATE on a schema", "grant create on schema rls_verify_scratch to {role}"),
    defect(
        "V25",
        "default privileges",
        "alter default privileges in schema rls_verify_scratch grant select on tables to {role}",
    ),
    defect(
        "V26",
        "SECURITY DEFINER trigger",
        "create function rls_verify_scratch.planted() returns trigger language plpgsql security definer \
         as 'begin return new; end'; \
         create trigger planted before insert on {table} for each row execute function rls_verify_scratch.planted()",
    ),
    defect("V27", "rule", "create rule planted as on delete to {table} do also nothing"),
    defect(
        "V30",
        "readable sequence",
        "create sequence rls_verify_scratch.planted; grant select on rls_verify_scratch.planted to {role}",
    ),
    defect(
        "V33",
        "table without tenant",
        "create table rls_verify_scratch.planted as select 1 as x; grant select on rls_verify_scratch.planted to {role}",
    ),
    defect(
        "V44",
        "policy reads a table",
        "create table rls_verify_scratch.planted as select 1 as x; \
         create policy planted on {table} as restrictive using (exists (select from rls_verify_scratch.planted))",
    ),
    defect("V48", "NOT VALID", "alter table {table} add constraint planted check ({column} is not null) not valid"),
    defect("V50", "grant option", "grant select on {table} to {role} with grant option"),
    defect("V52", "setting read per row", "alter policy tenant_isolation_select on {table} using ({bare})"),
    defect("V54", "constant default", "alter table {table} alter column {column} set default {constant}"),
    defect("V55", "unlogged", "alter table {table} set unlogged"),
    defect(
        "V59",
        "trigger switched off",
        "create function rls_verify_scratch.planted() returns trigger language plpgsql as 'begin return new; end'; \
         create trigger planted before insert on {table} for each row execute function rls_verify_scratch.planted(); \
         alter table {table} disable trigger planted",
    ),
];
