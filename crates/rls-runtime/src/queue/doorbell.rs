//! Lanes in, the tenants that have something to do in them out: the one question that is asked about all tenants at once.

use sqlx::Row;

use crate::error::Error;
use crate::handle::TenantConn;
use crate::pool::RlsPool;
use crate::tenant::TenantId;

use super::Queue;

/// Those after the one that was served last come first, so that every one has its turn before any has two.
const DUE: &str = "
SELECT d.tenant_id, d.lane FROM rls_doorbell d
WHERE d.lane = ANY ($1)
  AND d.next_due <= coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now())
ORDER BY coalesce((d.tenant_id, d.lane) <= ($3, $4), false), d.tenant_id, d.lane
LIMIT $5";

const TENANTS: &str = "SELECT DISTINCT d.tenant_id FROM rls_doorbell d ORDER BY 1";

const QUIET: &str = "
SELECT rls_doorbell_quiet($1, $2, coalesce('epoch'::timestamptz + $3 * interval '1 microsecond', now()), $4)";

/// Never later than the truth, whatever has happened to the doorbell. The next claim finds out how high the marks can be.
const HEAL: &str = "
WITH truth AS (
    SELECT j.lane, min(j.due_at) AS next_due, min(j.rank) FILTER (WHERE j.state <> 'executing') AS low_rank,
           min(j.due_at) FILTER (WHERE j.state = 'executing') AS low_lease
    FROM rls_jobs j
    WHERE j.tenant_id = $1 AND j.due_at IS NOT NULL
    GROUP BY j.lane
    UNION ALL
    SELECT 'rls_schedules', min(s.next_at), NULL, NULL FROM rls_schedules s
    WHERE s.tenant_id = $1
    HAVING min(s.next_at) IS NOT NULL
)
INSERT INTO rls_doorbell AS d (tenant_id, lane, next_due)
SELECT $1, t.lane, t.next_due FROM truth t
WHERE NOT EXISTS (SELECT FROM rls_doorbell o
                  WHERE o.tenant_id = $1 AND o.lane = t.lane AND o.next_due <= t.next_due
                    AND o.low_rank <= coalesce(t.low_rank, 'infinity') AND o.low_lease <= coalesce(t.low_lease, 'infinity'))
ON CONFLICT (tenant_id, lane) DO UPDATE
SET next_due = least(d.next_due, excluded.next_due), low_rank = '-infinity', low_lease = '-infinity'";

/// Where the doorbell is heard, when [`Schema::notify`](super::Schema::notify) says so.
pub(crate) const CHANNEL: &str = "rls_doorbell";

/// Something to do: which tenant's, and in which lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Due {
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it is.
    pub lane: String,
}

impl Queue {
    /// The tenants with something due in these lanes, those after the one that was served last first.
    ///
    /// One query, whatever the number of tenants. It may name a tenant too early, never too late.
    ///
    /// # Errors
    /// When there is no connection, or the doorbell cannot be read.
    // rls-audit: allow(RLS001, reason = "reads the doorbell, which names tenants and lanes and nothing else")
    pub async fn due(
        &self,
        pool: &RlsPool,
        lanes: &[String],
        last: Option<&Due>,
        limit: u32,
    ) -> Result<Vec<Due>, Error> {
        let mut connection = pool.borrow().await?;
        let rows = sqlx::query(DUE)
            .persistent(pool.keeps_sessions())
            .bind(lanes)
            .bind(self.now())
            .bind(last.map(|due| due.tenant))
            .bind(last.map(|due| &due.lane))
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await
            .map_err(Error::Unavailable)?;
        connection.give_back();
        let read =
            |row: &sqlx::postgres::PgRow| Ok(Due { tenant: row.try_get("tenant_id")?, lane: row.try_get("lane")? });
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(Error::Unavailable)
    }

    /// Every tenant that ever had a job or a schedule.
    ///
    /// # Errors
    /// When there is no connection, or the doorbell cannot be read.
    // rls-audit: allow(RLS001, reason = "reads the doorbell, which names tenants and lanes and nothing else")
    pub async fn tenants(&self, pool: &RlsPool) -> Result<Vec<TenantId>, Error> {
        let mut connection = pool.borrow().await?;
        let tenants = sqlx::query_scalar(TENANTS).persistent(pool.keeps_sessions());
        let tenants = tenants.fetch_all(&mut *connection).await.map_err(Error::Unavailable)?;
        connection.give_back();
        Ok(tenants)
    }

    /// Raise the marks of the tenant's lane, and unless more is due let its doorbell ring when the next job is, and not before. `false` when somebody is enqueueing: then all stays as it is.
    pub(super) async fn quiet(&self, tx: &mut TenantConn, lane: &str, more_is_due: bool) -> sqlx::Result<bool> {
        let quiet = sqlx::query_scalar(QUIET).bind(tx.tenant()).bind(lane).bind(self.now()).bind(more_is_due);
        quiet.fetch_one(&mut *tx).await
    }

    /// Make the doorbell of the caller's tenant agree with the jobs, and say in how many lanes it would have rung too late.
    ///
    /// Triggers keep the doorbell, so there is nothing to do unless somebody switched them off, restored a part of a backup, or enqueues at an isolation level that does not see what others commit.
    ///
    /// # Errors
    /// What the server says.
    pub async fn heal(&self, tx: &mut TenantConn) -> sqlx::Result<u64> {
        Ok(sqlx::query(HEAL).bind(tx.tenant()).execute(&mut *tx).await?.rows_affected())
    }
}
