//! Schedules of a tenant in, its jobs enqueued when their time has come: one for each tick, whoever looks, and one for all that were missed.

use std::time::SystemTime;

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::handle::TenantConn;

use super::cron::{Cadence, ScheduleError};
use super::job::{JobId, NewJob};
use super::{Queue, time};

/// The lane of the doorbell that schedules ring. No job waits in it.
pub(crate) const LANE: &str = "rls_schedules";

const AT_ONCE: i64 = 100;

const NOW: &str = "SELECT coalesce($1::int8, (extract(epoch FROM now()) * 1000000)::int8)";

/// A schedule that has not changed its times keeps its next tick, so that a service which says at every start what it wants neither loses one nor waits for ever.
const PUT: &str = "
INSERT INTO rls_schedules AS s (tenant_id, name, cron, time_zone, lane, kind, payload, priority, max_attempts, tags, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'epoch'::timestamptz + $11 * interval '1 microsecond')
ON CONFLICT (tenant_id, name) DO UPDATE
SET cron = excluded.cron, time_zone = excluded.time_zone, lane = excluded.lane, kind = excluded.kind,
    payload = excluded.payload, priority = excluded.priority, max_attempts = excluded.max_attempts,
    tags = excluded.tags, last_error = NULL,
    next_at = CASE WHEN s.paused THEN NULL
                   WHEN s.next_at IS NOT NULL AND (s.cron, s.time_zone) = (excluded.cron, excluded.time_zone) THEN s.next_at
                   ELSE excluded.next_at END";

const PAUSE: &str = "
UPDATE rls_schedules SET paused = true, next_at = NULL
WHERE tenant_id = $1 AND name = $2 AND NOT paused";

const PAUSED: &str = "
SELECT cron, time_zone FROM rls_schedules
WHERE tenant_id = $1 AND name = $2 AND paused
FOR UPDATE";

const RESUME: &str = "
UPDATE rls_schedules SET paused = false, last_error = NULL, next_at = 'epoch'::timestamptz + $3 * interval '1 microsecond'
WHERE tenant_id = $1 AND name = $2 AND paused";

const REMOVE: &str = "DELETE FROM rls_schedules WHERE tenant_id = $1 AND name = $2";

const LIST: &str = "
SELECT name, cron, time_zone, lane, kind, paused, last_error, (extract(epoch FROM next_at) * 1000000)::int8 AS next_at,
       (extract(epoch FROM last_at) * 1000000)::int8 AS last_at
FROM rls_schedules
WHERE tenant_id = $1
ORDER BY name";

/// Who has the row has the tick; others pass by.
const DUE: &str = "
SELECT s.name, s.cron, s.time_zone, s.lane, s.kind, s.payload, s.priority, s.max_attempts, s.tags,
       (extract(epoch FROM s.next_at) * 1000000)::int8 AS next_at
FROM rls_schedules s
WHERE s.tenant_id = $1 AND s.next_at <= 'epoch'::timestamptz + $2 * interval '1 microsecond'
ORDER BY s.next_at, s.name
LIMIT $3
FOR UPDATE SKIP LOCKED";

const ADVANCE: &str = "
UPDATE rls_schedules
SET last_at = 'epoch'::timestamptz + $4 * interval '1 microsecond',
    next_at = 'epoch'::timestamptz + $5 * interval '1 microsecond'
WHERE tenant_id = $1 AND name = $2 AND next_at = 'epoch'::timestamptz + $3 * interval '1 microsecond'";

const GIVE_UP: &str = "
UPDATE rls_schedules SET paused = true, next_at = NULL, last_error = $3
WHERE tenant_id = $1 AND name = $2";

/// Enqueues a job of a tenant whenever its time comes.
///
/// ```
/// use rls_runtime::queue::{NewJob, Schedule};
///
/// let digest = NewJob::new("notification_digest", "digest", &serde_json::json!({ "kind": "daily" }))?;
/// let schedule = Schedule::new("daily digest", "30 7 * * MON-FRI", "Europe/Berlin", digest)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is not put into the table yet"]
pub struct Schedule {
    name: String,
    cron: String,
    time_zone: String,
    cadence: Cadence,
    job: NewJob,
}

impl Schedule {
    /// A schedule of this name, by the clocks of a time zone.
    ///
    /// The expression has five fields, minute, hour, day, month and day of the week, or six, with the second first, or seven, with the year last; `@daily` and the like are understood.
    /// Where the clock skips the time of a day it ticks right after; where the clock shows it twice it ticks the first time.
    /// An expression with `*` or a step in its times ticks as often as time really passes.
    ///
    /// When the job starts, and its unique key, are the schedule's to say.
    ///
    /// # Errors
    /// When the expression or the time zone cannot be read.
    pub fn new(name: impl Into<String>, cron: &str, time_zone: &str, job: NewJob) -> Result<Schedule, ScheduleError> {
        let cadence = Cadence::parse(cron, time_zone)?;
        Ok(Schedule { name: name.into(), cron: cron.to_owned(), time_zone: time_zone.to_owned(), cadence, job })
    }
}

/// What there is to know about a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleStatus {
    /// Its name.
    pub name: String,
    /// When it ticks.
    pub cron: String,
    /// By whose clocks.
    pub time_zone: String,
    /// The lane of its jobs.
    pub lane: String,
    /// The kind of its jobs.
    pub kind: String,
    /// Whether it waits until it is resumed.
    pub paused: bool,
    /// When it ticks next, unless it is paused or has no more ticks.
    pub next: Option<SystemTime>,
    /// The tick that its latest job stands for.
    pub last: Option<SystemTime>,
    /// Why it paused itself.
    pub last_error: Option<String>,
}

/// A schedule whose time has come.
struct Due {
    name: String,
    next_at: i64,
    cadence: Result<Cadence, ScheduleError>,
    job: NewJob,
}

impl Queue {
    /// Put a schedule of the caller's tenant into the table, in place of the one of the same name.
    ///
    /// One that is paused stays so, and one whose times have not changed keeps its next tick: a service may do this at every start.
    ///
    /// # Errors
    /// What the server says.
    pub async fn put_schedule(&self, tx: &mut TenantConn, schedule: &Schedule) -> sqlx::Result<()> {
        let next = schedule.cadence.after(self.time(tx).await?);
        let Schedule { name, cron, time_zone, job, .. } = schedule;
        let put = sqlx::query(PUT).bind(tx.tenant()).bind(name).bind(cron).bind(time_zone);
        let put = put.bind(&job.lane).bind(&job.kind).bind(&job.payload).bind(job.priority).bind(job.max_attempts);
        put.bind(&job.tags).bind(next).execute(&mut *tx).await.map(drop)
    }

    /// Let a schedule enqueue nothing until it is resumed. `false` when there is none, or it is paused already.
    ///
    /// # Errors
    /// What the server says.
    pub async fn pause_schedule(&self, tx: &mut TenantConn, name: &str) -> sqlx::Result<bool> {
        let paused = sqlx::query(PAUSE).bind(tx.tenant()).bind(name).execute(&mut *tx).await?;
        Ok(paused.rows_affected() > 0)
    }

    /// Let a paused schedule tick again, from now on: what it missed is not made up for. `false` when there is none, or it is not paused.
    ///
    /// # Errors
    /// What the server says; so when the row holds what cannot be read.
    pub async fn resume_schedule(&self, tx: &mut TenantConn, name: &str) -> sqlx::Result<bool> {
        let paused = sqlx::query(PAUSED).bind(tx.tenant()).bind(name).fetch_optional(&mut *tx).await?;
        let Some(paused) = paused else { return Ok(false) };
        let cadence = cadence(&paused)?.map_err(sqlx::Error::decode)?;
        let next = cadence.after(self.time(tx).await?);
        let resumed = sqlx::query(RESUME).bind(tx.tenant()).bind(name).bind(next).execute(&mut *tx).await?;
        Ok(resumed.rows_affected() > 0)
    }

    /// Remove a schedule; its jobs stay. `false` when there is none.
    ///
    /// # Errors
    /// What the server says.
    pub async fn remove_schedule(&self, tx: &mut TenantConn, name: &str) -> sqlx::Result<bool> {
        let removed = sqlx::query(REMOVE).bind(tx.tenant()).bind(name).execute(&mut *tx).await?;
        Ok(removed.rows_affected() > 0)
    }

    /// The schedules of the caller's tenant, by name.
    ///
    /// # Errors
    /// What the server says.
    pub async fn schedules(&self, tx: &mut TenantConn) -> sqlx::Result<Vec<ScheduleStatus>> {
        let rows = sqlx::query(LIST).bind(tx.tenant()).fetch_all(&mut *tx).await?;
        rows.iter().map(read_status).collect()
    }

    /// Enqueue what the caller's tenant has scheduled for now; every worker does so by itself.
    ///
    /// A schedule that has missed several ticks enqueues one job, for the last of them.
    ///
    /// # Errors
    /// What the server says.
    pub async fn tick(&self, tx: &mut TenantConn) -> sqlx::Result<Vec<JobId>> {
        let now = self.time(tx).await?;
        let due = sqlx::query(DUE).bind(tx.tenant()).bind(now).bind(AT_ONCE).fetch_all(&mut *tx).await?;
        let mut enqueued = Vec::new();
        for row in &due {
            enqueued.extend(self.tick_one(tx, read_due(row)?, now).await?);
        }
        if due.len() < AT_ONCE as usize {
            self.quiet(tx, LANE, false).await?;
        }
        Ok(enqueued)
    }

    async fn tick_one(&self, tx: &mut TenantConn, due: Due, now: i64) -> sqlx::Result<Option<JobId>> {
        let Due { name, next_at, cadence, job } = due;
        let cadence = match cadence {
            Ok(cadence) => cadence,
            Err(error) => {
                tracing::error!(%error, tenant = %tx.tenant(), schedule = name, "schedule is paused, it cannot be read");
                let reason = error.to_string();
                sqlx::query(GIVE_UP).bind(tx.tenant()).bind(&name).bind(reason).execute(&mut *tx).await?;
                return Ok(None);
            }
        };
        let tick = cadence.until(now).unwrap_or(next_at).max(next_at);
        let advance = sqlx::query(ADVANCE).bind(tx.tenant()).bind(&name).bind(next_at).bind(tick);
        if advance.bind(cadence.after(now)).execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let job = job.run_at(time(tick)).unique_key(format!("{LANE}/{name}/{tick}"));
        Ok(Some(self.enqueue(tx, &job).await?.id()))
    }

    /// Microseconds since 1970, by the queue's clock or the server's.
    async fn time(&self, tx: &mut TenantConn) -> sqlx::Result<i64> {
        sqlx::query_scalar(NOW).bind(self.now()).fetch_one(&mut *tx).await
    }
}

fn cadence(row: &PgRow) -> sqlx::Result<Result<Cadence, ScheduleError>> {
    Ok(Cadence::parse(row.try_get("cron")?, row.try_get("time_zone")?))
}

fn read_due(row: &PgRow) -> sqlx::Result<Due> {
    let payload: serde_json::Value = row.try_get("payload")?;
    let mut job = NewJob::new(row.try_get::<String, _>("lane")?, row.try_get::<String, _>("kind")?, &payload)?;
    job.priority = row.try_get("priority")?;
    job.max_attempts = row.try_get("max_attempts")?;
    job.tags = row.try_get("tags")?;
    Ok(Due { name: row.try_get("name")?, next_at: row.try_get("next_at")?, cadence: cadence(row)?, job })
}

fn read_status(row: &PgRow) -> sqlx::Result<ScheduleStatus> {
    Ok(ScheduleStatus {
        name: row.try_get("name")?,
        cron: row.try_get("cron")?,
        time_zone: row.try_get("time_zone")?,
        lane: row.try_get("lane")?,
        kind: row.try_get("kind")?,
        paused: row.try_get("paused")?,
        next: row.try_get::<Option<i64>, _>("next_at")?.map(time),
        last: row.try_get::<Option<i64>, _>("last_at")?.map(time),
        last_error: row.try_get("last_error")?,
    })
}
