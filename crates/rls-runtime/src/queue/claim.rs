//! A lane of a tenant in, claimed jobs out; then heartbeats.
//!
//! Every statement here is one guarded update: it names the tenant, and it changes a job only where it still is what the caller believes.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::handle::TenantConn;
use crate::tenant::TenantId;

use super::job::{ClaimedJob, Heartbeat, JobId, Lease};
use super::{Queue, duration_micros};

/// Takes what is due in the order of rank, and says whether there are leases that have run out.
///
/// The lists are materialized, or else the planner may run them once per row and claim more than the limit.
/// The rows are then found by where they are, for their locks keep them there.
/// A planner that does not know how many they are may rather read the whole table, but one in ten of an array is one row to it, and one row is cheaper found than looked for, in an empty table too.
/// Searches begin at the doorbell's marks, which are queries of their own because the server takes `coalesce` for leaky, and behind a policy uses no index for what is.
/// Jobs of the future are not looked at, however many there are: what is due stands in the line before now, or where many were enqueued together a moment after it, unless it has a negative priority, which moves it by 1,000 minutes at most.
const CLAIM: &str = "
WITH clock AS MATERIALIZED (
    SELECT coalesce('epoch'::timestamptz + $3 * interval '1 microsecond', now()) AS now, rls_jobs_passed() AS passed
), bell AS MATERIALIZED (
    SELECT coalesce(min(d.low_rank), '-infinity') AS rank, coalesce(min(d.low_lease), '-infinity') AS lease
    FROM rls_doorbell d WHERE d.tenant_id = $1 AND d.lane = $2
), room AS MATERIALIZED (
    SELECT least($4, greatest(coalesce($7 - count(*), $4), 0)) AS jobs FROM rls_jobs j
    WHERE $7::int8 IS NOT NULL AND j.tenant_id = $1 AND j.lane = $2 AND j.state = 'executing'
      AND j.due_at >= (SELECT lease FROM bell)
), picked AS MATERIALIZED (
    SELECT j.ctid FROM rls_jobs j
    WHERE j.tenant_id = $1 AND j.lane = $2 AND j.state IN ('available', 'scheduled', 'retryable')
      AND j.due_at <= (SELECT now FROM clock)
      AND j.rank <= (SELECT now FROM clock) + interval '1 minute' AND j.rank >= (SELECT rank FROM bell)
    ORDER BY j.rank, j.id
    LIMIT (SELECT jobs FROM room)
    FOR UPDATE SKIP LOCKED
), patient AS MATERIALIZED (
    SELECT j.ctid FROM rls_jobs j
    WHERE j.tenant_id = $1 AND j.lane = $2 AND j.state IN ('available', 'scheduled', 'retryable') AND j.priority < 0
      AND j.due_at <= (SELECT now FROM clock)
      AND j.rank > (SELECT now FROM clock) + interval '1 minute'
      AND j.rank <= (SELECT now FROM clock) + interval '1000 minutes'
    ORDER BY j.rank, j.id
    LIMIT (SELECT jobs - (SELECT count(*) FROM picked) FROM room)
    FOR UPDATE SKIP LOCKED
), taken AS MATERIALIZED (
    SELECT ctid FROM picked UNION ALL SELECT ctid FROM patient
), claimed AS (
    UPDATE rls_jobs j
    SET state = 'executing', token = $8, attempt = j.attempt + 1, worker = $5,
        claimed_at = (SELECT now FROM clock), due_at = (SELECT now + $6 * interval '1 microsecond' FROM clock)
    FROM (SELECT unnest(ARRAY(SELECT ctid FROM taken)) AS ctid LIMIT (SELECT count(*) FROM taken)) t
    WHERE j.tenant_id = $1 AND j.ctid = t.ctid
    RETURNING j.id, j.kind, j.payload, j.attempt, j.max_attempts, j.priority,
              date_part('epoch', (SELECT now FROM clock) - j.rank) AS ahead, (SELECT rls_jobs_passed() - passed FROM clock) AS passed
)
SELECT expired.some AS some_expired, claimed.* FROM (
    SELECT EXISTS (
        SELECT FROM rls_jobs j
        WHERE j.tenant_id = $1 AND j.lane = $2 AND j.state = 'executing'
          AND j.due_at <= (SELECT now FROM clock) AND j.due_at >= (SELECT lease FROM bell)
    ) AS some
) expired LEFT JOIN claimed ON true";

/// Gives up on the leases that have run out, which are found in the same way. Their jobs can be claimed the next time.
const RECLAIM: &str = "
WITH clock AS MATERIALIZED (
    SELECT coalesce('epoch'::timestamptz + $3 * interval '1 microsecond', now()) AS now
), bell AS MATERIALIZED (
    SELECT coalesce(min(d.low_lease), '-infinity') AS lease FROM rls_doorbell d WHERE d.tenant_id = $1 AND d.lane = $2
), expired AS MATERIALIZED (
    SELECT j.ctid FROM rls_jobs j
    WHERE j.tenant_id = $1 AND j.lane = $2 AND j.state = 'executing'
      AND j.due_at <= (SELECT now FROM clock) AND j.due_at >= (SELECT lease FROM bell)
    ORDER BY j.due_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
UPDATE rls_jobs j
SET state = CASE WHEN j.cancel_requested THEN 'cancelled' WHEN j.attempt >= j.max_attempts THEN 'discarded'
                 ELSE 'retryable' END,
    due_at = CASE WHEN NOT j.cancel_requested AND j.attempt < j.max_attempts THEN clock.now END,
    rank = clock.now - j.priority * interval '1 minute',
    finished_at = CASE WHEN j.cancel_requested OR j.attempt >= j.max_attempts THEN clock.now END,
    worker = NULL,
    last_error = 'the lease of attempt ' || j.attempt || ' ran out'
FROM clock, (SELECT unnest(ARRAY(SELECT ctid FROM expired)) AS ctid LIMIT (SELECT count(*) FROM expired)) t
WHERE j.tenant_id = $1 AND j.ctid = t.ctid";

/// So many remains are sooner passed, and as many more as jobs are claimed, than the doorbell's marks are raised.
const REMAINS: i64 = 100;

/// Claims that count what runs must not count at the same time.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(1919709043, rls_doorbell_key($1, $2))::text";

/// What runs under the other names of the lane, looked for from the doorbell's marks on as the claim does.
/// A statement of its own after the lock: it sees what those who had the lock before have claimed.
const ELSEWHERE: &str = "
WITH mark AS MATERIALIZED (
    SELECT n.lane, coalesce(d.low_lease, '-infinity') AS lease
    FROM unnest($2::text[]) AS n (lane) LEFT JOIN rls_doorbell d ON d.tenant_id = $1 AND d.lane = n.lane
)
SELECT count(*) FROM mark, rls_jobs j
WHERE j.tenant_id = $1 AND j.lane = mark.lane AND j.state = 'executing' AND j.due_at >= mark.lease";

/// A job that somebody is at is passed by, or else one transaction that does not end would cost all the others their leases.
const HEARTBEAT: &str = "
WITH mine AS MATERIALIZED (
    SELECT j.id, j.token, j.cancel_requested FROM rls_jobs j
    JOIN unnest($2::uuid[], $3::uuid[]) AS lease (id, token) ON lease.id = j.id AND lease.token = j.token
    WHERE j.tenant_id = $1 AND j.state = 'executing'
), free AS MATERIALIZED (
    SELECT j.id FROM rls_jobs j JOIN mine ON mine.id = j.id AND mine.token = j.token
    WHERE j.tenant_id = $1 AND j.state = 'executing'
    ORDER BY j.id
    FOR UPDATE OF j SKIP LOCKED
), extended AS (
    UPDATE rls_jobs j
    SET due_at = greatest(j.due_at, coalesce('epoch'::timestamptz + $4 * interval '1 microsecond', now())
                                    + $5 * interval '1 microsecond')
    FROM free
    WHERE j.tenant_id = $1 AND j.id = free.id
    RETURNING j.id
)
SELECT mine.id, mine.token, mine.cancel_requested, extended.id IS NOT NULL AS is_extended
FROM mine LEFT JOIN extended ON extended.id = mine.id";

/// What a worker asks for.
///
/// ```
/// use std::time::Duration;
/// use rls_runtime::queue::Claim;
///
/// let claim = Claim::new("ship_upload", 10).lease(Duration::from_secs(60)).worker("host-1");
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is claimed yet"]
pub struct Claim {
    lane: String,
    limit: u32,
    lease: Duration,
    worker: String,
    at_once: Option<u32>,
    names: Vec<String>,
}

impl Claim {
    /// At most so many jobs of the lane, for half a minute.
    pub fn new(lane: impl Into<String>, limit: u32) -> Claim {
        let (lane, lease) = (lane.into(), Duration::from_secs(30));
        Claim { lane, limit, lease, worker: String::new(), at_once: None, names: Vec::new() }
    }

    /// How long they are the worker's own without a heartbeat.
    pub fn lease(mut self, lease: Duration) -> Claim {
        self.lease = lease;
        self
    }

    /// Who asks, for whoever looks at the table.
    pub fn worker(mut self, worker: impl Into<String>) -> Claim {
        self.worker = worker.into();
        self
    }

    /// Let no more than so many jobs of the tenant run in the lane at once, over all workers.
    pub fn at_once(mut self, jobs: u32) -> Claim {
        self.at_once = Some(jobs);
        self
    }

    /// Count what runs under all these names as one lane; whoever claims under one of them must name the same.
    pub(crate) fn counting(mut self, names: &[String]) -> Claim {
        self.names = names.to_vec();
        self
    }

    /// By which name those wait for each other who count the same jobs.
    fn common_name(&self) -> &str {
        self.names.iter().min().unwrap_or(&self.lane)
    }
}

/// What a claim has come to.
pub(crate) struct Claimed {
    pub(crate) jobs: Vec<ClaimedJob>,
    /// How many leases had run out.
    pub(crate) reclaimed: u64,
}

impl Queue {
    /// Claim due jobs of the caller's tenant, in the order of priority and time.
    ///
    /// When fewer than asked for were due the doorbell is set to when the next one is.
    /// So it is when the claim had to pass many remains of what was claimed before; the next one then begins behind them.
    /// Leases that have run out are taken back on the way.
    /// The lease begins with the scope, so end that before the lease does: one that is over when it is committed is found no sooner than somebody [heals](Queue::heal) the doorbell, as every worker does once a minute.
    ///
    /// A scope that does nothing but claim need not wait for the server's disk, and workers open it with [`asynchronous_commit`](crate::ScopeOptions::asynchronous_commit).
    /// When a crash of the server undoes such a claim the job waits again, under a token that nobody has yet: the lease that was lost with it can settle nothing.
    /// What is enqueued and what is settled must not be lost, and its scopes wait.
    ///
    /// # Errors
    /// What the server says.
    pub async fn claim(&self, tx: &mut TenantConn, claim: &Claim) -> sqlx::Result<Vec<ClaimedJob>> {
        Ok(self.claim_and_count(tx, claim).await?.jobs)
    }

    pub(crate) async fn claim_and_count(&self, tx: &mut TenantConn, claim: &Claim) -> sqlx::Result<Claimed> {
        let tenant = tx.tenant();
        let at_once = room(tx, claim).await?;
        let token = Uuid::new_v4();
        let rows = sqlx::query(CLAIM)
            .bind(tenant)
            .bind(&claim.lane)
            .bind(self.now())
            .bind(i64::from(claim.limit))
            .bind(&claim.worker)
            .bind(duration_micros(claim.lease))
            .bind(at_once)
            .bind(token)
            .fetch_all(&mut *tx)
            .await?;
        let (mut jobs, mut some_expired, mut passed) = (Vec::with_capacity(rows.len()), false, 0);
        for row in &rows {
            some_expired = row.try_get("some_expired")?;
            // Without a job there is one row all the same.
            if let Some(id) = row.try_get("id")? {
                passed = row.try_get("passed")?;
                jobs.push(InLine::read(Lease { job: JobId::new(id), token }, tenant, &claim.lane, row)?);
            }
        }
        let reclaimed = if some_expired {
            let reclaim = sqlx::query(RECLAIM).bind(tenant).bind(&claim.lane).bind(self.now());
            reclaim.execute(&mut *tx).await?.rows_affected()
        } else {
            0
        };
        let is_full = jobs.len() == claim.limit as usize;
        if !is_full || passed > 2 * jobs.len() as i64 + REMAINS {
            self.quiet(tx, &claim.lane, is_full).await?;
        }
        // An update returns its rows in whatever order.
        jobs.sort_by(|a, b| b.ahead.total_cmp(&a.ahead).then(a.job.lease.job.cmp(&b.job.lease.job)));
        Ok(Claimed { jobs: jobs.into_iter().map(|in_line| in_line.job).collect(), reclaimed })
    }

    /// Extend leases, and learn which are lost and which jobs somebody wants cancelled. The answers are in the order of the leases.
    ///
    /// # Errors
    /// What the server says.
    pub async fn heartbeat(
        &self,
        tx: &mut TenantConn,
        leases: &[Lease],
        extend: Duration,
    ) -> sqlx::Result<Vec<Heartbeat>> {
        let rows = sqlx::query(HEARTBEAT)
            .bind(tx.tenant())
            .bind(leases.iter().map(|lease| lease.job.as_uuid()).collect::<Vec<_>>())
            .bind(leases.iter().map(|lease| lease.token).collect::<Vec<_>>())
            .bind(self.now())
            .bind(duration_micros(extend))
            .fetch_all(&mut *tx)
            .await?;
        let mut held = std::collections::BTreeMap::new();
        for row in &rows {
            let beat = match (row.try_get("is_extended")?, row.try_get("cancel_requested")?) {
                (false, _) => Heartbeat::Busy,
                (true, true) => Heartbeat::CancelRequested,
                (true, false) => Heartbeat::Held,
            };
            held.insert(Lease { job: JobId::new(row.try_get("id")?), token: row.try_get("token")? }, beat);
        }
        Ok(leases.iter().map(|lease| held.get(lease).copied().unwrap_or(Heartbeat::LeaseLost)).collect())
    }
}

/// How many jobs of the claim's own name may run at once, if there is a limit; nobody else counts meanwhile.
async fn room(tx: &mut TenantConn, claim: &Claim) -> sqlx::Result<Option<i64>> {
    let Some(at_once) = claim.at_once.map(i64::from) else { return Ok(None) };
    let tenant = tx.tenant();
    sqlx::query(ONE_AT_A_TIME).bind(tenant).bind(claim.common_name()).execute(&mut *tx).await?;
    let others: Vec<&String> = claim.names.iter().filter(|name| **name != claim.lane).collect();
    if others.is_empty() {
        return Ok(Some(at_once));
    }
    let elsewhere: i64 = sqlx::query_scalar(ELSEWHERE).bind(tenant).bind(others).fetch_one(&mut *tx).await?;
    Ok(Some(at_once - elsewhere))
}

/// A job, and how many seconds ago its place in the line was.
struct InLine {
    ahead: f64,
    job: ClaimedJob,
}

impl InLine {
    fn read(lease: Lease, tenant: TenantId, lane: &str, row: &PgRow) -> sqlx::Result<InLine> {
        let (ahead, priority): (f64, i16) = (row.try_get("ahead")?, row.try_get("priority")?);
        let waited = Duration::try_from_secs_f64(ahead - 60.0 * f64::from(priority)).unwrap_or_default();
        let job = ClaimedJob {
            lease,
            tenant,
            lane: lane.to_owned(),
            kind: row.try_get("kind")?,
            payload: row.try_get("payload")?,
            attempt: count(row, "attempt")?,
            max_attempts: count(row, "max_attempts")?,
            waited,
        };
        Ok(InLine { ahead, job })
    }
}

pub(super) fn count(row: &PgRow, column: &str) -> sqlx::Result<u32> {
    let count: i32 = row.try_get(column)?;
    u32::try_from(count).map_err(sqlx::Error::decode)
}
