//! The days of labels that nobody has scanned yet in, their shipments audited once more out, when nobody waits for the labels any more.
//!
//! A charge for a label that never moved is found when the charge comes; a label that may still be used has to be looked at again.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use rls_runtime::TenantTx;
use rls_runtime::queue::{NewJob, Queue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::auditing::{Audited, Book, audit_shipments};
use super::findings::LABEL;
use crate::notifications::calendar::{Cadence, Calendar};
use crate::notifications::zone;
use crate::workers::envelope::created_by;
use crate::workers::outcome::Job;

/// Labels are made for a day soon; one that is farther ahead is a mistake of the file.
const AHEAD: Days = Days::new(31);

/// Looks again at the labels of one day: a job of the tenant, enqueued with their charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondLook {
    /// The day that the labels are of.
    shipped_on: NaiveDate,
}

impl SecondLook {
    /// When the day begins, on the tenant's wall, on which nobody waits for the labels any more.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn begins(&self, tx: &mut TenantTx) -> sqlx::Result<DateTime<Utc>> {
        let zone = zone::of_tenant(tx).await?;
        let day = self.shipped_on.checked_add_days(LABEL).and_then(|last| last.succ_opt());
        let midnights = Calendar { cadence: Cadence::Daily, hour: 0, zone };
        Ok(day.and_then(|day| midnights.time_on(day)).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// Audits the shipments whose labels nobody has scanned.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn take(&self, tx: &mut TenantTx, job: &Job) -> sqlx::Result<Audited> {
        let shipments: Vec<Uuid> = sqlx::query_scalar(
            "select shipment_id from shipment_charges
             where ship_date = $1 and scanned = false and shipment_id is not null
             group by shipment_id order by min(row_number), shipment_id",
        )
        .bind(self.shipped_on)
        .fetch_all(&mut **tx)
        .await?;
        let book = Book::load(tx).await?;
        audit_shipments(tx, job, &shipments, &book).await
    }
}

/// The days of those labels of shipments that nobody has scanned and that may still be used.
pub(crate) async fn days(tx: &mut TenantTx, job: &Job, shipments: &[Uuid]) -> sqlx::Result<BTreeSet<NaiveDate>> {
    let oldest = job.today.checked_sub_days(LABEL).unwrap_or(job.today);
    let farthest = job.today.checked_add_days(AHEAD).unwrap_or(job.today);
    let days: Vec<NaiveDate> = sqlx::query_scalar(
        "select distinct c.ship_date
         from unnest($1::uuid[]) as wanted (id),
             lateral (select ship_date, scanned from shipment_charges c where c.shipment_id = wanted.id offset 0) c
         where c.scanned = false and c.ship_date between $2 and $3",
    )
    .bind(shipments)
    .bind(oldest)
    .bind(farthest)
    .fetch_all(&mut **tx)
    .await?;
    Ok(days.into_iter().collect())
}

/// Enqueues a second look at the labels of each day, one however many files have them.
pub(crate) async fn plan(tx: &mut TenantTx, queue: &Queue, days: &BTreeSet<NaiveDate>) -> sqlx::Result<()> {
    for day in days {
        let look = SecondLook { shipped_on: *day };
        let begins = look.begins(tx).await?;
        let job = created_by(NewJob::of(&look)?, "ship_upload")
            .unique_key(format!("second_look:{day}"))
            .run_at(begins.into());
        queue.enqueue(tx, &job).await?;
    }
    Ok(())
}
