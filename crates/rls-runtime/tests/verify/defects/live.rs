//! Defects that the probes must see as the runtime role.

use super::{Defect, defect};

pub const DEFECTS: &[Defect] = &[
    defect("P1", "public.orders", "live: disabled", "alter table orders disable row level security"),
    defect(
        "P2",
        "public.orders",
        "live: open without a tenant",
        "alter policy tenant on orders using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid or nullif(current_setting('app.tenant_id', true), '') is null)",
    ),
    defect("P3", "public.lines", "live: open", "alter policy tenant on lines using (true)"),
    defect(
        "P3",
        "public.all_orders",
        "live: view",
        "create view all_orders as select * from orders; grant select on all_orders to {app}",
    ),
    defect("P4", "public.lines", "live: writes anything", "alter policy tenant on lines with check (true)"),
    defect(
        "P5",
        "public.events",
        "live: after the scope",
        "alter policy tenant on events using (coalesce(current_setting('app.tenant_id', true), '') = '')",
    ),
    defect(
        "P6",
        "public.orders",
        "live: cached plan",
        "create function me() returns uuid language sql immutable as $$ select current_setting('app.tenant_id')::uuid $$; \
         alter policy tenant on orders using (tenant_id = me())",
    ),
    defect(
        "P2",
        "public.lines",
        "live: open to a fresh session only",
        "alter policy tenant on lines using (current_setting('app.tenant_id', true) is null)",
    ),
];
