//! The tables as their superuser sees them, beside every scope.

use rls_runtime::TenantId;
use rls_runtime::queue::{JobId, Lease};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::harness::Site;

const JOBS: &str = "
SELECT id, lane, state, attempt, cancel_requested, progress, unique_key, token::text,
       (extract(epoch FROM due_at) * 1000000)::int8 AS due, (extract(epoch FROM rank) * 1000000)::int8 AS rank,
       (extract(epoch FROM finished_at) * 1000000)::int8 AS finished
FROM rls_jobs WHERE tenant_id = ANY ($1) ORDER BY id";

/// Doorbells that would ring too late, and marks that are too high.
const LATE: &str = "
WITH truth AS (
    SELECT tenant_id, lane, min(due_at) AS due, min(rank) FILTER (WHERE state <> 'executing') AS place,
           min(due_at) FILTER (WHERE state = 'executing') AS lease
    FROM rls_jobs WHERE tenant_id = ANY ($1) AND due_at IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT tenant_id, 'rls_schedules', min(next_at), NULL, NULL
    FROM rls_schedules WHERE tenant_id = ANY ($1) AND next_at IS NOT NULL GROUP BY 1
)
SELECT count(*) FROM truth t
WHERE NOT EXISTS (SELECT FROM rls_doorbell d
                  WHERE d.tenant_id = t.tenant_id AND d.lane = t.lane AND d.next_due <= t.due
                    AND d.low_rank <= coalesce(t.place, 'infinity') AND d.low_lease <= coalesce(t.lease, 'infinity'))";

/// Whether a doorbell rings just when something is due, and not before.
const AGREES: &str = "
SELECT d.next_due = coalesce((SELECT min(j.due_at) FROM rls_jobs j WHERE j.tenant_id = $1 AND j.lane = $2), 'infinity')
FROM rls_doorbell d WHERE d.tenant_id = $1 AND d.lane = $2";

const TWINS: &str = "
SELECT count(*) FROM (SELECT FROM rls_jobs WHERE tenant_id = ANY ($1) AND due_at IS NOT NULL AND unique_key IS NOT NULL
                      GROUP BY tenant_id, unique_key HAVING count(*) > 1) twins";

const SLOTS: &str = "
SELECT worker, held, (extract(epoch FROM held_until) * 1000000)::int8 AS until FROM rls_lane_slots WHERE lane = $1";

pub struct Tables(PgPool);

/// A row of the jobs.
pub struct Found {
    pub id: JobId,
    pub lane: String,
    pub state: String,
    pub attempt: i32,
    pub cancel: bool,
    pub progress: i16,
    pub key: Option<String>,
    pub due: Option<i64>,
    pub rank: i64,
    pub finished: Option<i64>,
    token: Option<String>,
}

impl Found {
    /// Whether somebody who has this lease may settle the job.
    pub fn is_held_by(&self, lease: Lease) -> bool {
        let token = self.token.as_deref().unwrap_or("none");
        self.state == "executing" && self.id == lease.job() && format!("{lease:?}").contains(token)
    }

    fn read(row: &PgRow) -> Found {
        Found {
            id: JobId::new(row.get("id")),
            lane: row.get("lane"),
            state: row.get("state"),
            attempt: row.get("attempt"),
            cancel: row.get("cancel_requested"),
            progress: row.get("progress"),
            key: row.get("unique_key"),
            due: row.get("due"),
            rank: row.get("rank"),
            finished: row.get("finished"),
            token: row.get("token"),
        }
    }
}

impl Tables {
    pub async fn of(site: &Site) -> Tables {
        Tables(PgPool::connect_with(site.db.superuser_options()).await.expect("connects"))
    }

    pub async fn jobs(&self, tenants: &[TenantId]) -> Vec<Found> {
        let rows = sqlx::query(JOBS).bind(ids(tenants)).fetch_all(&self.0).await.expect("reads");
        rows.iter().map(Found::read).collect()
    }

    pub async fn late_doorbells(&self, tenants: &[TenantId]) -> i64 {
        sqlx::query_scalar(LATE).bind(ids(tenants)).fetch_one(&self.0).await.expect("reads")
    }

    pub async fn twins(&self, tenants: &[TenantId]) -> i64 {
        sqlx::query_scalar(TWINS).bind(ids(tenants)).fetch_one(&self.0).await.expect("reads")
    }

    /// `None` where there never was anything.
    pub async fn doorbell_agrees(&self, tenant: TenantId, lane: &str) -> Option<bool> {
        sqlx::query_scalar(AGREES).bind(tenant).bind(lane).fetch_optional(&self.0).await.expect("reads")
    }

    /// Who holds how many slots of a lane, and until when.
    pub async fn slots(&self, lane: &str) -> Vec<(Uuid, i64, i64)> {
        let rows = sqlx::query(SLOTS).bind(lane).fetch_all(&self.0).await.expect("reads");
        let read = |row: &PgRow| (row.get("worker"), i64::from(row.get::<i32, _>("held")), row.get("until"));
        rows.iter().map(read).collect()
    }

    pub async fn forget(&self, tenants: &[TenantId]) {
        for table in ["rls_jobs", "rls_schedules", "rls_doorbell"] {
            let delete = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE tenant_id = ANY ($1)"));
            sqlx::query(delete).bind(ids(tenants)).execute(&self.0).await.expect("deletes");
        }
    }
}

fn ids(tenants: &[TenantId]) -> Vec<Uuid> {
    tenants.iter().map(TenantId::as_uuid).collect()
}
