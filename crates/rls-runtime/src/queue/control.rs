//! What is done to a job from outside: looked at, cancelled, requeued; and the progress that its worker notes.

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::handle::TenantConn;

use super::claim::count;
use super::job::{JobId, JobState, JobStatus, Lease};
use super::{Queue, time};

/// What there is to know about the jobs that the rest of the statement names.
macro_rules! jobs {
    ($which:literal) => {
        concat!(
            "
SELECT id, lane, kind, state, payload, attempt, max_attempts, progress, result, last_error, tags, priority, worker,
       (extract(epoch FROM created_at) * 1000000)::int8 AS enqueued, (extract(epoch FROM due_at) * 1000000)::int8 AS due,
       (extract(epoch FROM claimed_at) * 1000000)::int8 AS claimed,
       (extract(epoch FROM finished_at) * 1000000)::int8 AS finished
FROM rls_jobs ",
            $which
        )
    };
}

const FIND: &str = jobs!("WHERE tenant_id = $1 AND id = $2");

const DEAD: &str = jobs!(
    "
WHERE tenant_id = $1 AND state = 'discarded' AND lane = $2
ORDER BY finished_at DESC, id DESC
LIMIT $3"
);

const CANCEL: &str = "
UPDATE rls_jobs j
SET state = CASE WHEN j.state = 'executing' THEN j.state ELSE 'cancelled' END,
    due_at = CASE WHEN j.state = 'executing' THEN j.due_at END,
    finished_at = CASE WHEN j.state <> 'executing' THEN coalesce('epoch'::timestamptz + $3 * interval '1 microsecond', now()) END,
    cancel_requested = true
WHERE j.tenant_id = $1 AND j.id = $2 AND j.state NOT IN ('completed', 'cancelled', 'discarded')
RETURNING j.state";

const REQUEUE: &str = "
WITH clock AS (
    SELECT coalesce('epoch'::timestamptz + $3 * interval '1 microsecond', now()) AS now
)
UPDATE rls_jobs j
SET state = 'available', attempt = 0, run_at = clock.now, due_at = clock.now,
    rank = clock.now - j.priority * interval '1 minute', cancel_requested = false, finished_at = NULL, progress = 0
FROM clock
WHERE j.tenant_id = $1 AND j.id = $2 AND j.state IN ('cancelled', 'discarded')";

const PROGRESS: &str = "
UPDATE rls_jobs SET progress = $4
WHERE tenant_id = $1 AND id = $2 AND token = $3 AND state = 'executing'";

impl Queue {
    /// What there is to know about a job of the caller's tenant.
    ///
    /// # Errors
    /// What the server says.
    pub async fn find(&self, tx: &mut TenantConn, job: JobId) -> sqlx::Result<Option<JobStatus>> {
        let row = sqlx::query(FIND).bind(tx.tenant()).bind(job.as_uuid()).fetch_optional(&mut *tx).await?;
        row.as_ref().map(read).transpose()
    }

    /// The dead letters of the caller's tenant in a lane, the latest first: jobs that were discarded, and that [`requeue`](Queue::requeue) gives another life.
    ///
    /// # Errors
    /// What the server says.
    pub async fn dead(&self, tx: &mut TenantConn, lane: &str, limit: u32) -> sqlx::Result<Vec<JobStatus>> {
        let dead = sqlx::query(DEAD).bind(tx.tenant()).bind(lane).bind(i64::from(limit));
        let rows = dead.fetch_all(&mut *tx).await?;
        rows.iter().map(read).collect()
    }

    /// Cancel a job: at once when it waits, through its worker when it runs. Says in which state it is now, or nothing when it has ended already.
    ///
    /// # Errors
    /// What the server says.
    pub async fn cancel(&self, tx: &mut TenantConn, job: JobId) -> sqlx::Result<Option<JobState>> {
        let cancelled = sqlx::query_scalar(CANCEL).bind(tx.tenant()).bind(job.as_uuid()).bind(self.now());
        let state: Option<String> = cancelled.fetch_optional(&mut *tx).await?;
        state.map(|state| JobState::read(&state)).transpose()
    }

    /// Give a discarded or cancelled job another life, with all its attempts. `false` when it is neither.
    ///
    /// # Errors
    /// What the server says; so when another unfinished job has the job's unique key by now.
    pub async fn requeue(&self, tx: &mut TenantConn, job: JobId) -> sqlx::Result<bool> {
        let requeued = sqlx::query(REQUEUE).bind(tx.tenant()).bind(job.as_uuid()).bind(self.now());
        Ok(requeued.execute(&mut *tx).await?.rows_affected() > 0)
    }

    /// Note how far a job is, in percent. `false` when the lease is lost.
    ///
    /// # Errors
    /// What the server says.
    pub async fn progress(&self, tx: &mut TenantConn, lease: Lease, percent: u8) -> sqlx::Result<bool> {
        let noted = sqlx::query(PROGRESS).bind(tx.tenant()).bind(lease.job.as_uuid()).bind(lease.token);
        Ok(noted.bind(i16::from(percent.min(100))).execute(&mut *tx).await?.rows_affected() > 0)
    }
}

fn read(row: &PgRow) -> sqlx::Result<JobStatus> {
    let progress: i16 = row.try_get("progress")?;
    let moment = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(time));
    Ok(JobStatus {
        id: JobId::new(row.try_get("id")?),
        lane: row.try_get("lane")?,
        kind: row.try_get("kind")?,
        state: JobState::read(row.try_get("state")?)?,
        payload: row.try_get("payload")?,
        attempt: count(row, "attempt")?,
        max_attempts: count(row, "max_attempts")?,
        progress: u8::try_from(progress).map_err(sqlx::Error::decode)?,
        result: row.try_get("result")?,
        last_error: row.try_get("last_error")?,
        tags: row.try_get("tags")?,
        priority: row.try_get("priority")?,
        worker: row.try_get("worker")?,
        enqueued: time(row.try_get("enqueued")?),
        due: moment("due")?,
        claimed: moment("claimed")?,
        finished: moment("finished")?,
    })
}
