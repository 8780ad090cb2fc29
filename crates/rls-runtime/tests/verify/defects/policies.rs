//! Policies that admit too much, or cost too much.

use super::{Defect, defect};

pub const DEFECTS: &[Defect] = &[
    defect("V08", "public.orders policy tenant", "true", "alter policy tenant on orders using (true)"),
    defect("V08", "public.orders policy tenant", "writes anything", "alter policy tenant on orders with check (true)"),
    defect(
        "V08",
        "public.orders policy tenant",
        "OR true",
        "alter policy tenant on orders using (tenant_id = (select current_setting('app.tenant_id')::uuid) or email like '%@example.org')",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "missing tenant matches all",
        "alter policy tenant on orders using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid or nullif(current_setting('app.tenant_id', true), '') is null)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "rows without tenant",
        "alter policy tenant on orders using (tenant_id is null or tenant_id = current_setting('app.tenant_id')::uuid)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "missing tenant is a tenant",
        "alter policy tenant on orders using (tenant_id = coalesce(nullif(current_setting('app.tenant_id', true), ''), 'aaaaaaaa-0000-4000-8000-000000000000')::uuid)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "coalesce to the row",
        "alter policy tenant on orders using (tenant_id = coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, tenant_id))",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "another setting",
        "alter policy tenant on orders using (tenant_id = current_setting('app.org_id')::uuid)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "another column",
        "alter policy tenant on orders using (id = current_setting('app.tenant_id')::uuid)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "a constant",
        "alter policy tenant on orders using (tenant_id = 'aaaaaaaa-0000-4000-8000-000000000000')",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "itself",
        "alter policy tenant on orders using (tenant_id = tenant_id)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "not null",
        "alter policy tenant on orders using (tenant_id is not null)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "greater or equal",
        "alter policy tenant on orders using (tenant_id >= current_setting('app.tenant_id')::uuid)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "a prefix",
        "alter policy tenant on orders using (tenant_id::text like current_setting('app.tenant_id') || '%')",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "shortened",
        "alter policy tenant on orders using (tenant_id::varchar(8) = current_setting('app.tenant_id')::varchar(8))",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "negated",
        "alter policy tenant on orders using (tenant_id <> current_setting('app.tenant_id')::uuid)",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "by role name",
        "alter policy tenant on orders using (current_user = '{app}')",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "a master switch",
        "alter policy tenant on orders using (tenant_id = (select current_setting('app.tenant_id')::uuid) or current_setting('app.admin', true) = 'on')",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "a list of tenants",
        "alter policy tenant on orders using (tenant_id = any (string_to_array(current_setting('app.tenant_id'), ',')::uuid[]))",
    ),
    defect(
        "V08",
        "public.orders policy support",
        "open policy for another role",
        "create policy support on orders for select to {other} using (true)",
    ),
    defect(
        "V08",
        "public.orders policy wide",
        "restrictive policy covers only reads",
        "drop policy tenant on orders; create policy wide on orders using (true); \
         create policy narrow on orders as restrictive for select using (tenant_id = (select current_setting('app.tenant_id')::uuid))",
    ),
    defect(
        "V09",
        "public.orders select",
        "second policy",
        "create policy more on orders for select to {app} using (true)",
    ),
    defect(
        "V09",
        "public.orders delete",
        "second safe policy",
        "create policy more on orders for delete to {app} using (tenant_id = (select current_setting('app.tenant_id')::uuid))",
    ),
    defect(
        "V10",
        "public.orders insert",
        "no policy for a command",
        "drop policy tenant on orders; create policy tenant on orders for select to {app} using (tenant_id = (select current_setting('app.tenant_id')::uuid))",
    ),
    defect("V10", "public.orders select", "policy for the wrong role", "alter policy tenant on orders to {other}"),
    defect(
        "V19",
        "public.orders policy tenant public.me()",
        "stable function",
        "create function me() returns uuid language sql stable as $$ select current_setting('app.tenant_id')::uuid $$; \
         alter policy tenant on orders using (tenant_id = me())",
    ),
    defect(
        "V19",
        "public.me()",
        "immutable function",
        "create function me() returns uuid language sql immutable as $$ select current_setting('app.tenant_id')::uuid $$; \
         alter policy tenant on orders using (tenant_id = me())",
    ),
    defect(
        "V08",
        "public.orders policy tenant",
        "immutable function is not proof",
        "create function me() returns uuid language sql immutable as $$ select current_setting('app.tenant_id')::uuid $$; \
         alter policy tenant on orders using (tenant_id = (select me()))",
    ),
    defect(
        "V44",
        "public.orders policy tenant",
        "membership table",
        "create table members (tenant_id uuid not null, who text); \
         alter policy tenant on orders using (tenant_id in (select m.tenant_id from members m where m.who = current_user))",
    ),
    defect(
        "V52",
        "public.orders policy tenant",
        "per row",
        "alter policy tenant on orders using (tenant_id = current_setting('app.tenant_id')::uuid)",
    ),
    defect(
        "V52",
        "public.orders policy tenant",
        "column cast",
        "alter policy tenant on orders using (tenant_id::text = (select current_setting('app.tenant_id')))",
    ),
    defect(
        "V52",
        "public.orders policy tenant",
        "cast outside",
        "alter policy tenant on orders using (tenant_id = (select current_setting('app.tenant_id'))::uuid)",
    ),
    defect(
        "V53",
        "public.orders policy tenant",
        "NULL and the empty text",
        "alter policy tenant on orders using (tenant_id = (select current_setting('app.tenant_id', true)::uuid)) \
         with check (tenant_id = (select current_setting('app.tenant_id', true)::uuid))",
    ),
    defect(
        "V53",
        "public.orders policy tenant",
        "quiet among loud ones",
        "alter policy tenant on orders using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid)) \
         with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))",
    ),
    defect(
        "V08",
        "public.slugs policy tenant",
        "cut to a few characters",
        "create table slugs (tenant_id text not null primary key); \
         create policy tenant on slugs using (tenant_id = (select current_setting('app.tenant_id'))::varchar(4))",
    ),
    defect(
        "V08",
        "public.slugs policy tenant",
        "folded to one case",
        "create table slugs (tenant_id text not null primary key); \
         create policy tenant on slugs using (tenant_id = (select lower(current_setting('app.tenant_id'))))",
    ),
    defect(
        "V08",
        "public.numbered policy tenant",
        "rounded",
        "create table numbered (tenant_id bigint not null primary key); \
         create policy tenant on numbered using (tenant_id = (select current_setting('app.tenant_id')::real::bigint))",
    ),
];
