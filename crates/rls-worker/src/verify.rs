//! A live database in, the verification checklist of the plan out.

use std::fmt::Write as _;
use std::path::Path;

use rls_runtime::verify::{Options, verify};
use rls_runtime::{RlsPool, TenantId};
use sqlx::PgConnection;

use crate::schema::{REENABLE_FORCE, SHARED_TABLES, TENANT_TABLES};
use crate::smoke::{inputs, passed, process};

/// What is accepted, and why.
const DOORBELL: &str =
    "V08,P2,P3,P5,P6:public.rls_doorbell=it says who has something to do in which lane, and nothing else";

/// The queue's table without a tenant, with the columns that it is known to have.
const LANE_SLOTS: &str = "rls_lane_slots(lane,worker,held,held_until)";

const SLOTS_ARE_SHARED: &str = "V34:public.rls_lane_slots=workers share out the slots of a lane here";

/// One line of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What must hold.
    pub name: String,
    /// What speaks against it.
    pub faults: Vec<String>,
}

impl Gate {
    fn new(name: impl Into<String>, faults: Vec<String>) -> Gate {
        Gate { name: name.into(), faults }
    }
}

/// Goes through the checklist as the owner, and as the worker's role.
///
/// # Errors
/// When the database cannot be asked.
pub async fn check(
    owner: &mut PgConnection,
    pool: &RlsPool,
    role: &str,
    tenant: TenantId,
    mail: &Path,
) -> anyhow::Result<Vec<Gate>> {
    let mut gates = vec![
        Gate::new(
            format!("the migration `{REENABLE_FORCE}_reenable_force_rls_tenant_tables` is applied"),
            applied(owner).await?,
        ),
        Gate::new("every tenant table is enabled, forced and has a policy for each command", unforced(owner).await?),
        Gate::new(
            "the worker's role cannot get past the policies, and only reads what is shared",
            rights(owner, role).await?,
        ),
    ];
    let options = options(role)?;
    let report = verify(owner, &options).await?;
    let found = report.open().map(|finding| format!("{} {}: {}", finding.check, finding.object, finding.message));
    gates.push(Gate::new("no catalog check and no live probe finds a way around the policies", found.collect()));
    let steps = process(pool, tenant, inputs(), mail).await?;
    let failed = steps
        .iter()
        .filter(|step| !step.is_completed())
        .map(|step| format!("{}: {} {}", step.lane, step.state(), step.detail()));
    let mut failed: Vec<String> = failed.collect();
    if failed.is_empty() && !passed(&steps) {
        failed.push("a lane had no job".to_owned());
    }
    gates.push(Gate::new("one job of each of the six lanes is enqueued and processed", failed));
    Ok(gates)
}

/// What the database is verified against: the shared tables, and the two tables of the queue that are no single tenant's.
///
/// # Errors
/// When a name is no name, which these are.
pub fn options(role: &str) -> anyhow::Result<Options> {
    let mut options = Options::default();
    options.roles = vec![role.to_owned()];
    let shared = SHARED_TABLES.iter().copied().chain([LANE_SLOTS]);
    options.global_tables = shared.map(str::parse).collect::<Result<_, _>>()?;
    options.allows = vec![DOORBELL.parse()?, SLOTS_ARE_SHARED.parse()?];
    Ok(options)
}

/// The checklist as Markdown.
#[must_use]
pub fn markdown(gates: &[Gate]) -> String {
    let mut text = "# FORCE RLS verification checklist\n\n".to_owned();
    for gate in gates {
        let mark = if gate.faults.is_empty() { "x" } else { " " };
        let _ = writeln!(text, "- [{mark}] {}", gate.name);
        for fault in &gate.faults {
            let _ = writeln!(text, "  - {fault}");
        }
    }
    text
}

async fn applied(owner: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let done: bool = sqlx::query_scalar("select exists (select from _sqlx_migrations where version = $1 and success)")
        .bind(REENABLE_FORCE)
        .fetch_one(owner)
        .await?;
    Ok(if done { Vec::new() } else { vec!["it is not; run `rls-worker migrate`".to_owned()] })
}

async fn unforced(owner: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let tables: Vec<String> = TENANT_TABLES.iter().map(|table| (*table).to_owned()).collect();
    sqlx::query_scalar(
        "select name || ': ' || concat_ws(', ', case when c.oid is null then 'missing' end,
             case when not c.relrowsecurity then 'not enabled' end, case when not c.relforcerowsecurity then 'not forced' end,
             case when p.commands < 4 then 'lacks a policy' end)
         from unnest($1) as name
         left join pg_class c on c.relname = name and c.relnamespace = 'public'::regnamespace
         left join lateral (select count(distinct polcmd) + 4 * count(*) filter (where polcmd = '*') as commands
             from pg_policy where polrelid = c.oid and polpermissive) p on true
         where c.oid is null or not c.relrowsecurity or not c.relforcerowsecurity or p.commands < 4 order by 1",
    )
    .bind(tables)
    .fetch_all(owner)
    .await
}

async fn rights(owner: &mut PgConnection, role: &str) -> sqlx::Result<Vec<String>> {
    let mut faults: Vec<String> = sqlx::query_scalar(
        "select 'it is a superuser or has BYPASSRLS' from pg_roles where rolname = $1 and (rolsuper or rolbypassrls)
         union all
         select 'it owns ' || c.relname from pg_class c join pg_roles r on r.oid = c.relowner
         where r.rolname = $1 and c.relkind in ('r', 'p')",
    )
    .bind(role)
    .fetch_all(&mut *owner)
    .await?;
    for table in SHARED_TABLES {
        let writes: bool = sqlx::query_scalar("select has_table_privilege($1, $2, 'insert, update, delete, truncate')")
            .bind(role)
            .bind(table)
            .fetch_one(&mut *owner)
            .await?;
        if writes {
            faults.push(format!("it may write {table}"));
        }
    }
    Ok(faults)
}
