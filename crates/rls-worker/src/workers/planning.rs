//! How the statements of a long file are planned.

use std::collections::HashSet;

use rls_runtime::TenantTx;
use uuid::Uuid;

/// Makes the statements of this scope go by the keys that they are given.
///
/// A file's rows are not committed yet when the next batch looks among them, so the planner knows nothing of them:
/// it would keep the plan of the first batch, when the tables were small, or read whole tables and join them.
/// So rows are looked up one by one, `lateral` with `offset 0`, which no planner takes apart;
/// and what is changed is named by `= any (array(select unnest(..)))`, which looks like few rows, and so like an index.
/// A whole table is every tenant's rows, which no lane wants; what comes in the order of an index need not be collected
/// and sorted; and no batch is worth compiling a plan for.
///
/// # Errors
/// When the database says no.
pub async fn by_key(tx: &mut TenantTx) -> sqlx::Result<()> {
    sqlx::query(
        "select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
             set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)",
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Each id once, in the order in which they came first.
///
/// Rows that were written together lie together, and are read again in fewer pages than in the order of their ids,
/// which says nothing.
pub(crate) fn as_they_came(ids: Vec<Uuid>) -> Vec<Uuid> {
    let mut seen = HashSet::with_capacity(ids.len());
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}
