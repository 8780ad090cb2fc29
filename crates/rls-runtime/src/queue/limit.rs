//! A lane in, so many of its slots held by a worker as there are over all workers.
//!
//! The table names lanes, workers and numbers; nothing in it is a tenant's.

use std::time::Duration;

use uuid::Uuid;

use crate::error::Error;
use crate::pool::RlsPool;

use super::{Queue, duration_micros};

const HOLD: &str = "
SELECT rls_lane_hold($1, $2, $3, $4, coalesce('epoch'::timestamptz + $5 * interval '1 microsecond', now()),
                     $6 * interval '1 microsecond')";

const KEEP: &str = "
UPDATE rls_lane_slots
SET held_until = coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now()) + $3 * interval '1 microsecond'
WHERE worker = $1";

impl Queue {
    /// Let a worker hold so many slots of a lane, all in all, or as many as others leave of those that run at once; says how many. Who does not keep them loses them with the lease.
    // rls-audit: allow(RLS001, reason = "counts the slots of a lane, which belong to no tenant")
    pub(crate) async fn hold_slots(
        &self,
        pool: &RlsPool,
        lane: &str,
        worker: Uuid,
        wanted: u32,
        at_once: u32,
        lease: Duration,
    ) -> Result<u32, Error> {
        let mut connection = pool.borrow().await?;
        let int = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let held: i32 = sqlx::query_scalar(HOLD)
            .persistent(pool.keeps_sessions())
            .bind(lane)
            .bind(worker)
            .bind(int(wanted))
            .bind(int(at_once))
            .bind(self.now())
            .bind(duration_micros(lease))
            .fetch_one(&mut *connection)
            .await
            .map_err(Error::Unavailable)?;
        connection.give_back();
        Ok(held.unsigned_abs())
    }

    /// Keep the slots of a worker for another lease.
    pub(crate) async fn keep_slots(&self, pool: &RlsPool, worker: Uuid, lease: Duration) -> Result<(), Error> {
        let mut connection = pool.borrow().await?;
        let keep = sqlx::query(KEEP).persistent(pool.keeps_sessions());
        let keep = keep.bind(worker).bind(self.now()).bind(duration_micros(lease));
        keep.execute(&mut *connection).await.map_err(Error::Unavailable)?;
        connection.give_back();
        Ok(())
    }
}
