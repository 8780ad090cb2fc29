//! Attempts that are over in, what becomes of their jobs written: only the holder of a lease can.
//!
//! Every statement here is guarded: it names the tenant, and it changes a job only where the lease is still the caller's.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::handle::TenantConn;

use super::job::{JobState, Lease, Settled, Settlement};
use super::{Queue, duration_micros};

/// The list is sorted, so that two who settle at once lock the rows in one order and do not wait for each other.
/// What becomes of a job is read from the row that is written, for somebody may have changed it while its lock was waited for.
///
/// Each is looked up by its key, and the state that it must have comes from the list.
/// Where it is written out, the planner takes the index of what runs, which looks short and is as long as the list, and reads all of it for each job.
const SETTLE: &str = "
UPDATE rls_jobs j
SET (state, due_at, finished_at) = (
        SELECT fate.state, CASE WHEN NOT fate.is_over THEN s.next_at END, CASE WHEN fate.is_over THEN s.now END
        FROM (SELECT o.state, o.state IN ('completed', 'cancelled', 'discarded') AS is_over
              FROM (SELECT CASE WHEN s.verb IN ('completed', 'cancelled', 'discarded') THEN s.verb
                                WHEN j.cancel_requested THEN 'cancelled'
                                WHEN s.verb = 'retryable' AND j.attempt >= j.max_attempts THEN 'discarded'
                                ELSE s.verb END AS state) o) fate),
    rank = s.next_at - j.priority * interval '1 minute',
    attempt = CASE WHEN s.verb IN ('available', 'scheduled') THEN j.attempt - 1 ELSE j.attempt END,
    progress = CASE WHEN s.verb = 'completed' THEN 100 ELSE j.progress END,
    result = coalesce(s.result, j.result),
    last_error = coalesce(s.error, j.last_error),
    worker = NULL
FROM (
    SELECT s.id, s.token, s.ordinality, s.verb, s.result::jsonb AS result, s.error, clock.now,
           clock.now + s.pause * interval '1 microsecond' AS next_at, 'executing' AS held
    FROM (SELECT coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now()) AS now) clock,
         unnest($3::uuid[], $4::uuid[], $5::text[], $6::int8[], $7::text[], $8::text[])
            WITH ORDINALITY AS s (id, token, verb, pause, result, error, ordinality)
    ORDER BY s.id
) s
WHERE j.tenant_id = $1 AND j.id = s.id AND j.token = s.token AND j.state = s.held
RETURNING s.ordinality, j.state";

/// Completed jobs that nobody wants to keep: one version of the row less, and no entry in an index. They are found in the same way.
const DELETE: &str = "
DELETE FROM rls_jobs j
USING (
    SELECT s.id, s.token, s.ordinality
    FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS s (id, token, ordinality)
    ORDER BY s.id
) s
WHERE j.tenant_id = $1 AND j.id = s.id AND j.token = s.token AND j.state = $4
RETURNING s.ordinality";

impl Queue {
    /// Say what becomes of a job after an attempt; only the holder of its lease can.
    ///
    /// In the scope that did the work it makes the work happen exactly once: return an error when the lease is lost, and the work is rolled back.
    ///
    /// # Errors
    /// What the server says.
    pub async fn settle(&self, tx: &mut TenantConn, lease: Lease, settlement: Settlement) -> sqlx::Result<Settled> {
        let settled = self.settle_many(tx, &[(lease, settlement)]).await?;
        Ok(settled.first().copied().unwrap_or(Settled::LeaseLost))
    }

    /// [`settle`](Queue::settle) for several jobs of the tenant, in one statement. The answers are in the order of the leases.
    ///
    /// # Errors
    /// What the server says.
    pub async fn settle_many(&self, tx: &mut TenantConn, ended: &[(Lease, Settlement)]) -> sqlx::Result<Vec<Settled>> {
        let deleted = ended.iter().filter(|(_, settlement)| self.deletes(settlement)).count();
        if deleted == 0 {
            return self.write(tx, ended).await;
        }
        if deleted == ended.len() {
            return self.delete(tx, ended, JobState::Executing).await;
        }
        // Those rows are locked by now, so the second statement waits for nobody.
        let settled = self.write(tx, ended).await?;
        self.delete(tx, ended, JobState::Completed).await?;
        Ok(settled)
    }

    /// Whether the job is not kept.
    pub(crate) const fn deletes(&self, settlement: &Settlement) -> bool {
        self.forgets_completed && matches!(settlement, Settlement::Complete(_))
    }

    async fn write(&self, tx: &mut TenantConn, ended: &[(Lease, Settlement)]) -> sqlx::Result<Vec<Settled>> {
        let parts: Vec<Parts> = ended.iter().map(|(_, settlement)| Parts::of(settlement)).collect();
        let (jobs, tokens) = columns(ended);
        let rows = sqlx::query(SETTLE)
            .bind(tx.tenant())
            .bind(self.now())
            .bind(jobs)
            .bind(tokens)
            .bind(parts.iter().map(|parts| parts.verb.word()).collect::<Vec<_>>())
            .bind(parts.iter().map(|parts| duration_micros(parts.pause)).collect::<Vec<_>>())
            .bind(parts.iter().map(|parts| parts.result.clone()).collect::<Vec<_>>())
            .bind(parts.iter().map(|parts| parts.error.clone()).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
        let state = |row: &PgRow| Ok(Settled::Done(JobState::read(row.try_get("state")?)?));
        answers(ended.len(), &rows, state)
    }

    /// Delete those in a state whose lease is the caller's.
    async fn delete(
        &self,
        tx: &mut TenantConn,
        ended: &[(Lease, Settlement)],
        state: JobState,
    ) -> sqlx::Result<Vec<Settled>> {
        let (jobs, tokens) = columns(ended);
        let deleted = sqlx::query(DELETE).bind(tx.tenant()).bind(jobs).bind(tokens).bind(state.word());
        let rows = deleted.fetch_all(&mut *tx).await?;
        answers(ended.len(), &rows, |_| Ok(Settled::Done(JobState::Completed)))
    }
}

/// What the rows say, each at its place in the list; a lease without a row is lost.
fn answers(
    asked: usize,
    rows: &[PgRow],
    answer: impl Fn(&PgRow) -> sqlx::Result<Settled>,
) -> sqlx::Result<Vec<Settled>> {
    let mut settled = vec![Settled::LeaseLost; asked];
    for row in rows {
        let ordinality: i64 = row.try_get("ordinality")?;
        let place = usize::try_from(ordinality - 1).unwrap_or(usize::MAX);
        if let Some(settled) = settled.get_mut(place) {
            *settled = answer(row)?;
        }
    }
    Ok(settled)
}

fn columns(ended: &[(Lease, Settlement)]) -> (Vec<uuid::Uuid>, Vec<uuid::Uuid>) {
    ended.iter().map(|(lease, _)| (lease.job.as_uuid(), lease.token)).unzip()
}

/// A settlement as columns.
struct Parts {
    verb: JobState,
    pause: Duration,
    result: Option<String>,
    error: Option<String>,
}

impl Parts {
    fn of(settlement: &Settlement) -> Parts {
        // The server knows no NUL in a text.
        let text = |text: &String| Some(text.replace('\0', "\u{fffd}"));
        let plain = |verb| Parts { verb, pause: Duration::ZERO, result: None, error: None };
        match settlement {
            Settlement::Complete(result) => {
                Parts { result: result.as_ref().map(ToString::to_string), ..plain(JobState::Completed) }
            }
            Settlement::Retry { after, error } => {
                Parts { pause: *after, error: text(error), ..plain(JobState::Retryable) }
            }
            Settlement::Discard { error } => Parts { error: text(error), ..plain(JobState::Discarded) },
            Settlement::Cancel { reason } => Parts { error: text(reason), ..plain(JobState::Cancelled) },
            Settlement::Snooze(pause) => Parts { pause: *pause, ..plain(JobState::Scheduled) },
            Settlement::Release => plain(JobState::Available),
        }
    }
}
