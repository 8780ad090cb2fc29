//! A file or a payload in, a job in the queue out; and where it stands.

use rls_runtime::queue::{JobId, JobState, NewJob, Queue};
use rls_runtime::{TenantId, TenantTx};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::envelope::{self, created_by};
use super::outcome::LaneError;
use super::upload::{Catalog, Charges, FileLane, Orders, Upload};
use crate::fingerprint;
use crate::table::{FileError, Limits, Table};

/// The lanes that take files.
const UPLOADS: &[UploadLane] = &[UploadLane::of::<Catalog>(), UploadLane::of::<Orders>(), UploadLane::of::<Charges>()];

/// What is to be known of a [`FileLane`] where it is given by its name.
#[derive(Debug, Clone, Copy)]
struct UploadLane {
    name: &'static str,
    adapter: fn(&Table) -> Result<&'static str, FileError>,
    job: fn(Uuid) -> sqlx::Result<NewJob>,
}

impl UploadLane {
    const fn of<L: FileLane>() -> UploadLane {
        UploadLane { name: L::NAME, adapter: L::adapter, job: |upload| NewJob::of(&Upload::<L>::of(upload)) }
    }
}

/// All lanes.
pub const LANES: &[&str] =
    &["ship_upload", "order_upload", "sima_validation", "catalog_upload", "notification_event", "notification_digest"];

/// Raise it when files are read in another way: the same file is then taken anew.
const MAPPING_VERSION: &str = "2";

/// What became of a file that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// Its job.
    pub job: JobId,
    /// The same file is on its way, or through, already.
    pub duplicate: bool,
}

/// The name of a lane today: `wayfair_upload` is the catalog.
#[must_use]
pub fn lane_of(name: &str) -> Option<&'static str> {
    let name = if name == "wayfair_upload" { "catalog_upload" } else { name };
    LANES.iter().find(|lane| **lane == name).copied()
}

/// Whether a lane, under its name of today, takes files.
#[must_use]
pub fn takes_files(lane: &str) -> bool {
    UPLOADS.iter().any(|of| of.name == lane)
}

/// A file that somebody hands in.
#[derive(Debug, Clone)]
pub struct HandedIn<'a> {
    lane: UploadLane,
    adapter: Option<&'static str>,
    name: &'a str,
    bytes: &'a [u8],
    by: &'a str,
}

impl<'a> HandedIn<'a> {
    /// Looks how the file is read, which takes a while for a large one: no scope need be open meanwhile.
    ///
    /// # Errors
    /// When the lane takes no files.
    pub fn new(lane: &str, name: &'a str, bytes: &'a [u8], by: &'a str) -> Result<HandedIn<'a>, FileError> {
        let lane = lane_of(lane).and_then(|lane| UPLOADS.iter().find(|of| of.name == lane));
        let lane = *lane.ok_or_else(|| FileError::new("LANE_UNKNOWN", "the lane takes no files"))?;
        // What is wrong with a file its job says, to whoever looks for what became of it.
        let adapter = Table::open(bytes, &Limits::default()).and_then(|table| (lane.adapter)(&table)).ok();
        Ok(HandedIn { lane, adapter, name, bytes, by })
    }

    /// What there is no second job of.
    fn key(&self, tenant: TenantId) -> String {
        let (tenant, adapter) = (tenant.to_string(), self.adapter.unwrap_or_default());
        let texts = [tenant.as_str(), self.lane.name, adapter, MAPPING_VERSION];
        fingerprint::of(texts.map(str::as_bytes).into_iter().chain([self.bytes]))
    }
}

/// Keeps a file and enqueues its job. The same file again has the same job; one that failed gets another life.
///
/// # Errors
/// When the database says no.
pub async fn submit(tx: &mut TenantTx, queue: &Queue, file: &HandedIn<'_>) -> Result<Submitted, LaneError> {
    let key = file.key(tx.tenant());
    let new: Option<Uuid> = sqlx::query_scalar(
        "insert into uploads (lane, adapter, effective_key, file_name, bytes) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, effective_key) do nothing returning id",
    )
    .bind(file.lane.name)
    .bind(file.adapter)
    .bind(&key)
    .bind(file.name)
    .bind(file.bytes)
    .fetch_optional(&mut **tx)
    .await?;
    let (upload, earlier): (Uuid, Option<Uuid>) =
        sqlx::query_as("select id, job_id from uploads where effective_key = $1 for update")
            .bind(&key)
            .fetch_one(&mut **tx)
            .await?;
    if let Some(job) = earlier.filter(|_| new.is_none()).map(JobId::new) {
        match queue.find(tx, job).await?.map(|job| job.state) {
            Some(JobState::Discarded | JobState::Cancelled) => {
                queue.requeue(tx, job).await?;
                return Ok(Submitted { job, duplicate: false });
            }
            Some(_) => return Ok(Submitted { job, duplicate: true }),
            None => {}
        }
    }
    let job = queue.enqueue(tx, &created_by((file.lane.job)(upload)?, file.by)).await?.id();
    sqlx::query("update uploads set job_id = $2 where id = $1")
        .bind(upload)
        .bind(job.as_uuid())
        .execute(&mut **tx)
        .await?;
    Ok(Submitted { job, duplicate: false })
}

/// The jobs of a lane in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Count {
    /// The lane, under today's name.
    pub lane: String,
    /// The state.
    pub state: String,
    /// How many.
    pub jobs: i64,
    /// How far the running ones are, in percent; the one that is farthest behind counts.
    pub percent: Option<i16>,
}

/// Counts the jobs of the tenant.
///
/// # Errors
/// When the database says no.
pub async fn counts(tx: &mut TenantTx) -> sqlx::Result<Vec<Count>> {
    sqlx::query_as(
        "select case when lane = 'wayfair_upload' then 'catalog_upload' else lane end as lane, state, count(*) as jobs,
             min(progress) filter (where state = 'executing') as percent
         from rls_jobs where tenant_id = $1 group by 1, 2 order by 1, 2",
    )
    .bind(tx.tenant())
    .fetch_all(&mut **tx)
    .await
}

/// A job that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Failed {
    /// Its id.
    pub id: Uuid,
    /// The lane, under today's name.
    pub lane: String,
    /// Why.
    pub reason: String,
}

/// The jobs of the tenant that failed for good, the latest first.
///
/// # Errors
/// When the database says no.
pub async fn failed(tx: &mut TenantTx, limit: i64) -> sqlx::Result<Vec<Failed>> {
    sqlx::query_as(
        "select id, case when lane = 'wayfair_upload' then 'catalog_upload' else lane end as lane,
             coalesce(last_error, 'nobody knows why') as reason
         from rls_jobs where tenant_id = $1 and state = 'discarded' order by finished_at desc, id desc limit $2",
    )
    .bind(tx.tenant())
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Row errors that are shown at once; the job's result counts all.
const MOST_ROW_ERRORS: i64 = 1_000;

/// What there is to know about a job, and about the rows of its file that were refused or noted.
///
/// # Errors
/// When the database says no.
pub async fn shown(tx: &mut TenantTx, queue: &Queue, job: JobId) -> sqlx::Result<Option<Value>> {
    let Some(status) = queue.find(tx, job).await? else { return Ok(None) };
    let row_errors: Value = sqlx::query_scalar(
        "select coalesce(jsonb_agg(jsonb_build_object('row', e.row_number, 'column', e.column_name, 'code', e.code,
             'severity', e.severity, 'message', e.message, 'value', e.raw_value) order by e.row_number, e.column_name, e.code), '[]')
         from (select * from ingest_row_errors where job_id = $1 order by row_number, column_name, code limit $2) e",
    )
    .bind(job.as_uuid())
    .bind(MOST_ROW_ERRORS)
    .fetch_one(&mut **tx)
    .await?;
    let mut shown = status.json();
    let envelope = envelope::of(tx, job).await?.map(serde_json::to_value).transpose().map_err(sqlx::Error::decode)?;
    for (name, value) in envelope.as_ref().and_then(Value::as_object).into_iter().flatten() {
        shown[name] = value.clone();
    }
    shown["row_errors"] = row_errors;
    Ok(Some(shown))
}
