//! A job in, what is around its payload out, alike for all lanes.

use rls_runtime::TenantTx;
use rls_runtime::queue::{JobId, NewJob};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// What begins the tag that says who handed a job in.
const CREATED_BY: &str = "created_by:";

/// What is around the payload of a job.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Envelope {
    /// The lane, under today's name.
    pub lane: String,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// What there is no second job of: for a file one hash of its tenant, its lane, how it is read, and its bytes.
    pub idempotency_key: Option<String>,
    /// What it is about.
    pub payload: Value,
    /// How its file is read; nothing for a job without a file, and where that cannot be told.
    pub adapter: Option<String>,
    /// Its file.
    pub file_ref: Option<Uuid>,
    /// What the file is called.
    pub file_name: Option<String>,
    /// The attempt that runs, or was the last one.
    pub attempt: i32,
    /// Who handed it in: somebody, or the lane or part that enqueued it.
    pub created_by: Option<String>,
}

/// A job says who hands it in.
pub fn created_by(job: NewJob, who: &str) -> NewJob {
    job.tag(format!("{CREATED_BY}{who}"))
}

/// The envelope of a job of the tenant; nothing where there is no such job.
///
/// # Errors
/// When the database says no.
pub async fn of(tx: &mut TenantTx, job: JobId) -> sqlx::Result<Option<Envelope>> {
    sqlx::query_as(
        "select case when j.lane = 'wayfair_upload' then 'catalog_upload' else j.lane end as lane, j.tenant_id,
             j.payload, j.attempt,
             coalesce(u.effective_key, j.unique_key) as idempotency_key, u.adapter, u.id as file_ref, u.file_name,
             (select substr(tag, length($3) + 1) from unnest(j.tags) as tag where starts_with(tag, $3) limit 1) as created_by
         from rls_jobs j left join uploads u on u.tenant_id = j.tenant_id and u.job_id = j.id
         where j.tenant_id = $1 and j.id = $2",
    )
    .bind(tx.tenant())
    .bind(job.as_uuid())
    .bind(CREATED_BY)
    .fetch_optional(&mut **tx)
    .await
}
