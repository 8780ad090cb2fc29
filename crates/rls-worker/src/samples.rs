//! A throwaway PostgreSQL and the sample files, for whoever wants to see the worker at work.

use chrono::{DateTime, NaiveDate, Utc};
use rls_runtime::testing::{Cluster, TestDb};
use sqlx::{Connection as _, PgConnection};

use crate::schema;

/// The sample catalog.
pub const CATALOG: &str = include_str!("../samples/catalog_upload.csv");
/// The sample orders.
pub const ORDERS: &str = include_str!("../samples/order_upload.csv");
/// The sample agreement.
pub const AGREEMENT: &str = include_str!("../samples/carrier_agreement.csv");
/// The sample invoices.
pub const SHIP: &str = include_str!("../samples/ship_upload.csv");

/// The day of all samples. Which measures are in force depends on it.
pub const DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 2, 17).expect("it is a day");

/// A time of that day.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DAY.and_time(chrono::NaiveTime::MIN).and_utc() + chrono::Duration::hours(14)
}

/// A database that is gone with the process, set up as far as a version; the worker runs as `role`.
///
/// # Errors
/// When there is no PostgreSQL on this machine.
pub async fn throwaway(version: Option<i64>, role: fn(&TestDb) -> String) -> anyhow::Result<TestDb> {
    Cluster::shared().map_err(|error| anyhow::anyhow!("{error}"))?;
    let db = TestDb::new().await;
    let mut owner = PgConnection::connect_with(&db.owner_options()).await?;
    schema::set_up(&mut owner, &role(&db), version).await?;
    drop(owner);
    // As the superuser, for the owner may be the worker's own role here, which only reads what is shared.
    let mut superuser = PgConnection::connect_with(&db.superuser_options()).await?;
    let rates = [("USD", "1.37".parse()?), ("CNY", "0.19".parse()?)];
    schema::set_fx(&mut superuser, DAY, &rates).await?;
    superuser.close().await?;
    Ok(db)
}
