//! Ended jobs of a tenant in, those that were kept long enough deleted, a batch at a time.

use std::time::Duration;

use crate::handle::TenantConn;

use super::{Queue, duration_micros};

/// The states are written out, for each list has an index of its own.
macro_rules! prune {
    ($states:literal) => {
        concat!(
            "
DELETE FROM rls_jobs
WHERE tenant_id = $1
  AND id = ANY (ARRAY(
      SELECT j.id FROM rls_jobs j
      WHERE j.tenant_id = $1 AND j.state IN (",
            $states,
            ")
        AND j.finished_at < (SELECT coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', now())
                                    - $3 * interval '1 microsecond')
      ORDER BY j.finished_at
      LIMIT $4
      FOR UPDATE SKIP LOCKED))"
        )
    };
}

const PRUNE_COMPLETED: &str = prune!("'completed', 'cancelled'");
const PRUNE_DEAD: &str = prune!("'discarded'");

/// For how long jobs are kept after they have ended.
///
/// ```
/// use std::time::Duration;
/// use rls_runtime::queue::Retention;
///
/// let day = Duration::from_secs(24 * 3600);
/// let retention = Retention::new().completed(day).dead(30 * day);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Retention {
    completed: Option<Duration>,
    dead: Option<Duration>,
    at_once: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention::new()
    }
}

impl Retention {
    /// All are kept, and a thousand are deleted at once when that is changed.
    pub const fn new() -> Retention {
        Retention { completed: None, dead: None, at_once: 1000 }
    }

    /// Keep jobs that were completed or cancelled for so long.
    pub const fn completed(mut self, age: Duration) -> Retention {
        self.completed = Some(age);
        self
    }

    /// Keep jobs that were discarded for so long.
    pub const fn dead(mut self, age: Duration) -> Retention {
        self.dead = Some(age);
        self
    }

    /// Delete no more in one statement.
    pub const fn at_once(mut self, jobs: u32) -> Retention {
        self.at_once = if jobs > 0 { jobs } else { 1 };
        self
    }

    pub(crate) const fn keeps_all(&self) -> bool {
        self.completed.is_none() && self.dead.is_none()
    }

    /// Whether there may be more when so many were deleted.
    pub(crate) const fn is_full_batch(&self, deleted: u64) -> bool {
        deleted >= self.at_once as u64
    }
}

impl Queue {
    /// Delete jobs of the caller's tenant that were kept long enough, the oldest first, one batch of each sort; says how many.
    ///
    /// # Errors
    /// What the server says.
    pub async fn prune(&self, tx: &mut TenantConn, retention: &Retention) -> sqlx::Result<u64> {
        let mut deleted = 0;
        for (prune, age) in [(PRUNE_COMPLETED, retention.completed), (PRUNE_DEAD, retention.dead)] {
            let Some(age) = age else { continue };
            let prune = sqlx::query(prune).bind(tx.tenant()).bind(self.now()).bind(duration_micros(age));
            deleted += prune.bind(i64::from(retention.at_once)).execute(&mut *tx).await?.rows_affected();
        }
        Ok(deleted)
    }
}
