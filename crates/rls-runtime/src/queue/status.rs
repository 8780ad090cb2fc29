//! All tenants in, how much there is to do in each lane out.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::error::Error;
use crate::handle::TenantConn;
use crate::pool::RlsPool;
use crate::scope::with_tenant;
use crate::tenant::TenantId;

use super::Queue;

const LANES: &str = "
WITH clock AS (
    SELECT coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now()) AS now
), unfinished AS (
    SELECT j.lane,
           count(*) FILTER (WHERE j.state <> 'executing') AS waiting,
           count(*) FILTER (WHERE j.state <> 'executing' AND j.due_at <= clock.now) AS due,
           count(*) FILTER (WHERE j.state = 'executing') AS running,
           count(*) FILTER (WHERE j.state = 'retryable') AS failing,
           extract(epoch FROM clock.now - min(j.due_at) FILTER (WHERE j.state <> 'executing' AND j.due_at <= clock.now))
               AS oldest
    FROM rls_jobs j, clock
    WHERE j.tenant_id = $1 AND j.due_at IS NOT NULL
    GROUP BY j.lane, clock.now
), dead AS (
    SELECT j.lane, count(*) AS dead FROM rls_jobs j
    WHERE j.tenant_id = $1 AND j.state = 'discarded'
    GROUP BY j.lane
)
SELECT lane, coalesce(waiting, 0) AS waiting, coalesce(due, 0) AS due, coalesce(running, 0) AS running,
       coalesce(failing, 0) AS failing, coalesce(dead, 0) AS dead, oldest::float8 AS oldest
FROM unfinished FULL JOIN dead USING (lane)
ORDER BY lane";

/// How much a tenant has to do in a lane.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LaneStatus {
    /// Whose jobs these are.
    pub tenant: TenantId,
    /// The lane.
    pub lane: String,
    /// How many wait, whether it is their time or not.
    pub waiting: u64,
    /// How many of them could run now.
    pub due: u64,
    /// How many run.
    pub running: u64,
    /// How many of those that wait have failed before.
    pub failing: u64,
    /// How many were discarded and not requeued.
    pub dead: u64,
    /// How long the oldest one that could run has waited.
    pub oldest: Option<Duration>,
}

/// How much there is to do, by tenant and lane.
///
/// Its text is a table, for people; [`Status::json`] is for programs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// In the order of tenants and lanes; those with nothing to say are left out.
    pub lanes: Vec<LaneStatus>,
}

impl Queue {
    /// How much the caller's tenant has to do.
    ///
    /// # Errors
    /// What the server says.
    pub async fn lanes(&self, tx: &mut TenantConn) -> sqlx::Result<Vec<LaneStatus>> {
        let tenant = tx.tenant();
        let rows = sqlx::query(LANES).bind(tenant).bind(self.now()).fetch_all(&mut *tx).await?;
        rows.iter().map(|row| read(tenant, row)).collect()
    }

    /// How much every tenant has to do, asked in one scope after the other.
    ///
    /// # Errors
    /// When there is no connection, or what the server says.
    pub async fn status(&self, pool: &RlsPool) -> Result<Status, Error> {
        let mut lanes = Vec::new();
        for tenant in self.tenants(pool).await? {
            let of_tenant = with_tenant(pool, tenant, async |mut tx| self.lanes(&mut tx).await).await;
            lanes.extend(of_tenant.map_err(Error::Unavailable)?);
        }
        Ok(Status { lanes })
    }
}

impl Status {
    /// `{"lanes": [{"tenant", "lane", "waiting", "due", "running", "failing", "dead", "oldest_seconds"}]}`.
    pub fn json(&self) -> Value {
        let lane = |status: &LaneStatus| {
            json!({
                "tenant": status.tenant.to_string(),
                "lane": status.lane,
                "waiting": status.waiting,
                "due": status.due,
                "running": status.running,
                "failing": status.failing,
                "dead": status.dead,
                "oldest_seconds": status.oldest.map(|age| age.as_secs_f64()),
            })
        };
        json!({ "lanes": self.lanes.iter().map(lane).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lanes.iter().map(|status| status.lane.chars().count()).max().unwrap_or(0).max("lane".len());
        writeln!(
            f,
            "{:<36}  {:<width$} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
            "tenant", "lane", "waiting", "due", "running", "failing", "dead", "oldest"
        )?;
        for status in &self.lanes {
            let LaneStatus { tenant, lane, waiting, due, running, failing, dead, oldest } = status;
            let oldest = oldest.map_or("-".to_owned(), |age| format!("{} s", age.as_secs()));
            // Formatted by itself, a tenant takes no width.
            let tenant = tenant.to_string();
            writeln!(
                f,
                "{tenant:<36}  {lane:<width$} {waiting:>8} {due:>8} {running:>8} {failing:>8} {dead:>8} {oldest:>9}"
            )?;
        }
        Ok(())
    }
}

fn read(tenant: TenantId, row: &PgRow) -> sqlx::Result<LaneStatus> {
    let count = |column: &str| u64::try_from(row.try_get::<i64, _>(column)?).map_err(sqlx::Error::decode);
    let oldest: Option<f64> = row.try_get("oldest")?;
    Ok(LaneStatus {
        tenant,
        lane: row.try_get("lane")?,
        waiting: count("waiting")?,
        due: count("due")?,
        running: count("running")?,
        failing: count("failing")?,
        dead: count("dead")?,
        oldest: oldest.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}
