//! Jobs in, rows of the caller's tenant out, in the caller's own scope.

use sqlx::Row;

use crate::handle::TenantConn;

use super::job::{Enqueued, JobId, NewJob, OnConflict, Start};
use super::{Queue, duration_micros, micros};

/// Many at once, without unique keys. Each has a place of its own in the line, a microsecond after the one before it.
const INSERT: &str = "
WITH clock AS (
    SELECT coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now()) AS now
), new AS (
    SELECT id, lane, kind, payload, priority, max_attempts, tags, ordinality,
           coalesce('epoch'::timestamptz + start_at * interval '1 microsecond',
                    clock.now + start_in * interval '1 microsecond') AS run_at
    FROM clock, unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::int2[], $8::int4[], $9::text[],
                       $10::int8[], $11::int8[])
        WITH ORDINALITY AS n (id, lane, kind, payload, priority, max_attempts, tags, start_at, start_in, ordinality)
)
INSERT INTO rls_jobs (tenant_id, id, lane, kind, payload, state, priority, run_at, rank, due_at, max_attempts, tags,
                      created_at)
SELECT $1, id, lane, kind, payload::jsonb, CASE WHEN run_at > clock.now THEN 'scheduled' ELSE 'available' END, priority,
       run_at, run_at - priority * interval '1 minute' + (ordinality - 1) * interval '1 microsecond', run_at,
       max_attempts, ARRAY(SELECT jsonb_array_elements_text(new.tags::jsonb)), clock.now
FROM new, clock
ORDER BY ordinality";

/// One with a unique key. Says whether it replaced the older one, or nothing when that one stays.
macro_rules! insert_unique {
    ($on_conflict:literal) => {
        concat!(
            "
WITH clock AS (
    SELECT coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now()) AS now
), new AS (
    SELECT clock.now, coalesce('epoch'::timestamptz + $9 * interval '1 microsecond',
                               clock.now + $10 * interval '1 microsecond') AS run_at
    FROM clock
)
INSERT INTO rls_jobs AS j (tenant_id, id, lane, kind, payload, state, priority, run_at, rank, due_at, max_attempts, tags,
                           unique_key, created_at)
SELECT $1, $3, $4, $5, $6, CASE WHEN run_at > now THEN 'scheduled' ELSE 'available' END, $7,
       run_at, run_at - $7 * interval '1 minute', run_at, $8, $11, $12, now
FROM new
ON CONFLICT (tenant_id, unique_key) WHERE due_at IS NOT NULL AND unique_key IS NOT NULL ",
            $on_conflict,
            " RETURNING id, id <> $3 AS replaced"
        )
    };
}

/// Does not even lock the older one.
const INSERT_OR_KEEP: &str = insert_unique!("DO NOTHING");

const INSERT_OR_REPLACE: &str = insert_unique!(
    "
DO UPDATE SET lane = excluded.lane, kind = excluded.kind, payload = excluded.payload, state = excluded.state,
              priority = excluded.priority, run_at = excluded.run_at, rank = excluded.rank, due_at = excluded.due_at,
              max_attempts = excluded.max_attempts, tags = excluded.tags, attempt = 0, progress = 0
WHERE j.state <> 'executing'"
);

const FIND_UNIQUE: &str = "
SELECT id FROM rls_jobs
WHERE tenant_id = $1 AND unique_key = $2 AND due_at IS NOT NULL AND unique_key IS NOT NULL";

impl Queue {
    /// Enqueue a job in the caller's scope: it is there when the scope commits.
    ///
    /// # Errors
    /// What the server says.
    pub async fn enqueue(&self, tx: &mut TenantConn, job: &NewJob) -> sqlx::Result<Enqueued> {
        match &job.unique {
            None => {
                let ids = self.insert(tx, &[job]).await?;
                ids.first().map(|id| Enqueued::New(*id)).ok_or(sqlx::Error::RowNotFound)
            }
            Some((key, on_conflict)) => self.insert_unique(tx, job, key, *on_conflict).await,
        }
    }

    /// Enqueue many jobs in the caller's scope. Those without a unique key take one statement together.
    ///
    /// # Errors
    /// What the server says.
    pub async fn enqueue_many(&self, tx: &mut TenantConn, jobs: &[NewJob]) -> sqlx::Result<Vec<Enqueued>> {
        let plain: Vec<&NewJob> = jobs.iter().filter(|job| job.unique.is_none()).collect();
        let mut plain = self.insert(tx, &plain).await?.into_iter();
        let mut enqueued = Vec::with_capacity(jobs.len());
        for job in jobs {
            enqueued.push(match (&job.unique, &mut plain) {
                (Some((key, on_conflict)), _) => self.insert_unique(tx, job, key, *on_conflict).await?,
                (None, ids) => ids.next().map(Enqueued::New).ok_or(sqlx::Error::RowNotFound)?,
            });
        }
        Ok(enqueued)
    }

    async fn insert(&self, tx: &mut TenantConn, jobs: &[&NewJob]) -> sqlx::Result<Vec<JobId>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let column = |cell: fn(&NewJob) -> String| jobs.iter().map(|job| cell(job)).collect::<Vec<String>>();
        let ids: Vec<JobId> = jobs.iter().map(|_| JobId::fresh()).collect();
        let (start_at, start_in): (Vec<_>, Vec<_>) = jobs.iter().map(|job| start(job.start)).unzip();
        sqlx::query(INSERT)
            .bind(tx.tenant())
            .bind(self.now())
            .bind(ids.iter().map(JobId::as_uuid).collect::<Vec<_>>())
            .bind(column(|job| job.lane.clone()))
            .bind(column(|job| job.kind.clone()))
            .bind(column(|job| job.payload.to_string()))
            .bind(jobs.iter().map(|job| job.priority).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.max_attempts).collect::<Vec<_>>())
            // Arrays of arrays must be rectangles.
            .bind(column(|job| serde_json::Value::from(job.tags.clone()).to_string()))
            .bind(start_at)
            .bind(start_in)
            .execute(&mut *tx)
            .await?;
        Ok(ids)
    }

    async fn insert_unique(
        &self,
        tx: &mut TenantConn,
        job: &NewJob,
        key: &str,
        on_conflict: OnConflict,
    ) -> sqlx::Result<Enqueued> {
        let insert = match on_conflict {
            OnConflict::Keep => INSERT_OR_KEEP,
            OnConflict::Replace => INSERT_OR_REPLACE,
        };
        // Between the two statements the older job may end; then there is room for the new one.
        loop {
            let (start_at, start_in) = start(job.start);
            let inserted = sqlx::query(insert)
                .bind(tx.tenant())
                .bind(self.now())
                .bind(JobId::fresh().as_uuid())
                .bind(&job.lane)
                .bind(&job.kind)
                .bind(&job.payload)
                .bind(job.priority)
                .bind(job.max_attempts)
                .bind(start_at)
                .bind(start_in)
                .bind(&job.tags)
                .bind(key)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = inserted {
                let id = JobId::new(row.try_get("id")?);
                let replaced: bool = row.try_get("replaced")?;
                return Ok(if replaced { Enqueued::Replaced(id) } else { Enqueued::New(id) });
            }
            let older = sqlx::query_scalar(FIND_UNIQUE).bind(tx.tenant()).bind(key).fetch_optional(&mut *tx).await?;
            if let Some(id) = older {
                return Ok(Enqueued::Kept(JobId::new(id)));
            }
        }
    }
}

fn start(start: Start) -> (Option<i64>, i64) {
    match start {
        Start::At(time) => (Some(micros(time)), 0),
        Start::In(delay) => (None, duration_micros(delay)),
    }
}
