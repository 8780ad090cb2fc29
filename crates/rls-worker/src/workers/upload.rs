//! A file that was handed in, taken by its lane: one job for all lanes that take files.

use std::fmt;
use std::marker::PhantomData;

use rls_runtime::TenantTx;
use rls_runtime::queue::{NewJob, OnConflict, Queue};
use rls_runtime::worker::{self, Context, JobError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::envelope::created_by;
use super::handlers::{catalog_upload, order_upload, ship_upload, sima_validation};
use super::job_processor::{State, complete, job, settle};
use super::outcome::{Job, LaneError, Outcome};
use crate::ship::layout::Layout;
use crate::ship::second_look;
use crate::table::{FileError, Table};
use crate::trade::detection;

/// A lane that takes files.
pub trait FileLane: Send + Sync + 'static {
    /// Its name.
    const NAME: &'static str;

    /// How such a file is read.
    ///
    /// # Errors
    /// When it cannot be.
    fn adapter(table: &Table) -> Result<&'static str, FileError>;

    /// Takes a file in, and enqueues what follows from it.
    fn take(
        tx: &mut TenantTx,
        queue: &Queue,
        job: &Job,
        file: &[u8],
    ) -> impl Future<Output = Result<Outcome, LaneError>> + Send;
}

/// Products; those that changed are screened.
pub enum Catalog {}

/// Orders.
pub enum Orders {}

/// What carriers charge, and their agreements.
pub enum Charges {}

/// Takes a file into a lane.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Upload<L> {
    /// The file.
    upload: Uuid,
    #[serde(skip)]
    lane: PhantomData<L>,
}

impl<L> Upload<L> {
    /// The file of this id.
    #[must_use]
    pub const fn of(upload: Uuid) -> Upload<L> {
        Upload { upload, lane: PhantomData }
    }
}

impl<L> fmt::Debug for Upload<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upload").field(&self.upload).finish()
    }
}

impl FileLane for Catalog {
    const NAME: &'static str = "catalog_upload";

    fn adapter(table: &Table) -> Result<&'static str, FileError> {
        catalog_upload::adapter(table)
    }

    async fn take(tx: &mut TenantTx, queue: &Queue, job: &Job, file: &[u8]) -> Result<Outcome, LaneError> {
        let outcome = catalog_upload::handle(tx, job, file).await?;
        let is_news = outcome.rows_imported + outcome.rows_updated > 0;
        if is_news && detection::load(tx).await?.runs_in(Self::NAME) {
            let screen = NewJob::of(&sima_validation::Payload::of_changed("catalog"))?;
            let screen = created_by(screen, Self::NAME).unique_key_or("sima_validation:catalog", OnConflict::Keep);
            queue.enqueue(tx, &screen).await?;
        }
        Ok(outcome)
    }
}

impl FileLane for Orders {
    const NAME: &'static str = "order_upload";

    fn adapter(table: &Table) -> Result<&'static str, FileError> {
        Ok(if table.is_spreadsheet() { "order-excel" } else { "order-csv" })
    }

    async fn take(tx: &mut TenantTx, _: &Queue, job: &Job, file: &[u8]) -> Result<Outcome, LaneError> {
        order_upload::handle(tx, job, file).await
    }
}

impl FileLane for Charges {
    const NAME: &'static str = "ship_upload";

    fn adapter(table: &Table) -> Result<&'static str, FileError> {
        Ok(Layout::of(table)?.name())
    }

    async fn take(tx: &mut TenantTx, queue: &Queue, job: &Job, file: &[u8]) -> Result<Outcome, LaneError> {
        let outcome = ship_upload::handle(tx, job, file).await?;
        second_look::plan(tx, queue, &outcome.second_looks).await?;
        Ok(outcome)
    }
}

impl<L: FileLane> worker::Job for Upload<L> {
    type State = State;
    const LANE: &'static str = L::NAME;
    const KIND: &'static str = L::NAME;
    const MAX_ATTEMPTS: u16 = 3;

    async fn run(self, cx: Context<State>) -> Result<worker::Outcome, JobError> {
        let job = job(&cx);
        let work = cx.with_tenant(async |mut tx| {
            let job = job.by_the_clock_of(&mut tx).await?;
            let file = load(&mut tx, self.upload).await?;
            let outcome = L::take(&mut tx, cx.queue(), &job, &file).await?;
            complete(&cx, &mut tx, &job, outcome).await
        });
        let ended = job.progress.beside(&cx, work).await;
        settle(&cx, &job, Self::LANE, ended).await
    }
}

async fn load(tx: &mut TenantTx, upload: Uuid) -> Result<Vec<u8>, sqlx::Error> {
    sqlx::query_scalar("select bytes from uploads where id = $1").bind(upload).fetch_one(&mut **tx).await
}
