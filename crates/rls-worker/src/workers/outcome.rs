//! What a handler is given, and what it says at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rls_runtime::TenantTx;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::progress::Progress;
use crate::notifications::zone;
use crate::table::{FileError, Refusal, RowError, Tally};

/// How many errors are shown in the result itself.
const SHOWN: usize = 20;

/// The job that a handler works on.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// The day that it works on: the tenant's, once that is known. Time comes in as a value.
    pub today: NaiveDate,
    /// The time.
    pub now: DateTime<Utc>,
    /// How far it is.
    pub progress: Arc<Progress>,
}

impl Job {
    /// A job at a time, on a day of UTC.
    #[must_use]
    pub fn at(id: Uuid, now: DateTime<Utc>) -> Job {
        Job { id, today: now.date_naive(), now, progress: Arc::default() }
    }

    /// The same on the day that it is where the tenant is.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn by_the_clock_of(&self, tx: &mut TenantTx) -> sqlx::Result<Job> {
        let today = zone::day(self.now, zone::of_tenant(tx).await?);
        Ok(Job { today, ..self.clone() })
    }
}

/// What became of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Rows with data.
    pub rows_total: u64,
    /// Rows that are new.
    pub rows_imported: u64,
    /// Rows that changed something.
    pub rows_updated: u64,
    /// Rows that were known.
    pub rows_unchanged: u64,
    /// Rows that were not taken.
    pub rows_rejected: u64,
    /// What was noted about rows that were taken.
    pub warnings: u64,
    /// All that was noted, by code.
    pub errors_by_code: BTreeMap<&'static str, u64>,
    /// The first of it.
    pub first_errors: Vec<RowError>,
    /// What the lane itself counts.
    pub outputs: Map<String, Value>,
    /// How long it took by the worker's clock, in milliseconds.
    pub duration_ms: u64,
    /// The days of labels that have to be looked at again.
    #[serde(skip)]
    pub second_looks: BTreeSet<NaiveDate>,
}

impl Outcome {
    /// Starts with what the rows of a file come to.
    #[must_use]
    pub fn of(tally: &Tally) -> Outcome {
        Outcome {
            rows_total: tally.budget.rows,
            rows_rejected: tally.budget.rejected,
            warnings: tally.warnings,
            errors_by_code: tally.by_code.clone(),
            first_errors: tally.errors.iter().take(SHOWN).cloned().collect(),
            ..Outcome::default()
        }
    }

    /// Adds a figure of the lane.
    pub fn output(&mut self, name: &str, value: impl Serialize) {
        self.outputs.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }
}

/// Why a job did not get through.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Its input is bad; trying again changes nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database said no; trying again may help.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The scope could not be opened or closed; trying again may help.
    #[error(transparent)]
    Scope(#[from] rls_runtime::Error),
}

impl From<FileError> for LaneError {
    fn from(error: FileError) -> LaneError {
        LaneError::Refused(error.into())
    }
}

/// Keeps what is wrong with the rows of a job's file; what an earlier attempt kept is replaced.
///
/// # Errors
/// When the database says no.
pub async fn keep_row_errors(tx: &mut TenantTx, job: &Job, errors: &[RowError]) -> sqlx::Result<()> {
    sqlx::query("delete from ingest_row_errors where job_id = $1").bind(job.id).execute(&mut *tx).await?;
    sqlx::query(
        "insert into ingest_row_errors (job_id, row_number, column_name, code, severity, message, raw_value)
         select $1, * from jsonb_to_recordset($2) as r
             (row_number bigint, \"column\" text, code text, severity text, message text, raw_value text)",
    )
    .bind(job.id)
    .bind(Json(errors))
    .execute(&mut *tx)
    .await?;
    Ok(())
}
