//! Attempts that are over in, what becomes of their jobs written: only the holder of a lease can.
//!
//! Every statement here is guarded: it names the tenant, and it changes a job only where the lease is still the caller's.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::Row;

use crate::handle::TenantConn;

use super::job::{JobState, Lease, Settled, Settlement};
use super::{Queue, duration_micros};

/// The rows are locked in the order of their ids, so that two who settle at once do not wait for each other; then they are found by their ids: by where they are, one that a heartbeat has just moved would not be.
///
/// Each is looked up by its key: a query that locks is planned by itself, and the state comes from the list.
/// Where it is written out, the planner takes the index of what runs, which looks short and is as long as the list, and reads all of it for each job.
const SETTLE: &str = "
WITH clock AS MATERIALIZED (
    SELECT coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now()) AS now
), ending AS MATERIALIZED (
    SELECT s.id, s.ordinality, s.verb, s.result::jsonb AS result, s.error,
           clock.now + s.pause * interval '1 microsecond' AS next_at,
           CASE WHEN s.verb IN ('completed', 'cancelled', 'discarded') THEN s.verb
                WHEN j.cancel_requested THEN 'cancelled'
                WHEN s.verb = 'retryable' AND j.attempt >= j.max_attempts THEN 'discarded'
                ELSE s.verb END AS state
    FROM clock, (
        SELECT *, 'executing' AS held
        FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::int8[], $7::text[], $8::text[])
            WITH ORDINALITY AS s (id, token, verb, pause, result, error, ordinality)
        ORDER BY id
    ) s, LATERAL (
        SELECT j.cancel_requested, j.attempt, j.max_attempts FROM rls_jobs j
        WHERE j.tenant_id = $1 AND j.id = s.id AND j.token = s.token AND j.state = s.held
        FOR UPDATE
    ) j
)
UPDATE rls_jobs j
SET state = e.state,
    due_at = CASE WHEN e.state NOT IN ('completed', 'cancelled', 'discarded') THEN e.next_at END,
    rank = e.next_at - j.priority * interval '1 minute',
    attempt = CASE WHEN e.verb IN ('available', 'scheduled') THEN j.attempt - 1 ELSE j.attempt END,
    finished_at = CASE WHEN e.state IN ('completed', 'cancelled', 'discarded') THEN clock.now END,
    progress = CASE WHEN e.state = 'completed' THEN 100 ELSE j.progress END,
    result = coalesce(e.result, j.result),
    last_error = coalesce(e.error, j.last_error),
    worker = NULL
FROM ending e, clock
WHERE j.tenant_id = $1 AND j.id = e.id
RETURNING e.ordinality, j.state";

/// Completed jobs that nobody wants to keep: one version of the row less, and no entry in an index. They are locked and found in the same way.
const DELETE: &str = "
WITH ending AS MATERIALIZED (
    SELECT s.id FROM (
        SELECT *, $4::text AS held FROM unnest($2::uuid[], $3::uuid[]) AS s (id, token) ORDER BY id
    ) s, LATERAL (
        SELECT FROM rls_jobs j
        WHERE j.tenant_id = $1 AND j.id = s.id AND j.token = s.token AND j.state = s.held
        FOR UPDATE
    ) j
)
DELETE FROM rls_jobs j
WHERE j.tenant_id = $1 AND j.id = ANY (ARRAY(SELECT id FROM ending))
RETURNING j.id, j.token";

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
        // Their rows are locked by now, so the second statement waits for nobody.
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
        let mut settled = vec![Settled::LeaseLost; ended.len()];
        for row in &rows {
            let ordinality: i64 = row.try_get("ordinality")?;
            let place = usize::try_from(ordinality - 1).unwrap_or(usize::MAX);
            if let Some(settled) = settled.get_mut(place) {
                *settled = Settled::Done(JobState::read(row.try_get("state")?)?);
            }
        }
        Ok(settled)
    }

    /// Delete those in a state whose lease is the caller's.
    async fn delete(
        &self,
        tx: &mut TenantConn,
        ended: &[(Lease, Settlement)],
        state: JobState,
    ) -> sqlx::Result<Vec<Settled>> {
        let (jobs, tokens) = columns(ended);
        let deleted = sqlx::query_as(DELETE).bind(tx.tenant()).bind(jobs).bind(tokens).bind(state.word());
        let deleted: Vec<(uuid::Uuid, uuid::Uuid)> = deleted.fetch_all(&mut *tx).await?;
        let mut deleted: BTreeSet<_> = deleted.into_iter().collect();
        let settled = ended.iter().map(|(lease, _)| match deleted.remove(&(lease.job.as_uuid(), lease.token)) {
            true => Settled::Done(JobState::Completed),
            false => Settled::LeaseLost,
        });
        Ok(settled.collect())
    }
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
