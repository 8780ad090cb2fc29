//! A tenant in, the clock on its wall out.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::{America, Tz};
use rls_runtime::TenantTx;

/// Where a tenant is that has said nothing.
pub const USUAL: Tz = America::Toronto;

/// The tenant's time zone: that of its trade digest, else of another digest.
///
/// # Errors
/// When the database says no, or the zone is none.
pub async fn of_tenant(tx: &mut TenantTx) -> sqlx::Result<Tz> {
    let name: Option<String> = sqlx::query_scalar(
        "select time_zone from notification_schedules order by template <> 'trade-digest', template limit 1",
    )
    .fetch_optional(&mut *tx)
    .await?;
    name.map_or(Ok(USUAL), |name| read(&name))
}

/// Reads the name of a zone.
pub(super) fn read(name: &str) -> sqlx::Result<Tz> {
    name.parse().map_err(|_| sqlx::Error::Decode(format!("no time zone `{name}`").into()))
}

/// The day that it is there.
#[must_use]
pub fn day(time: DateTime<Utc>, zone: Tz) -> NaiveDate {
    time.with_timezone(&zone).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_on_the_wall_also_when_the_clock_is_changed() {
        for (time, expected) in [
            ("2026-03-08T04:59:59Z", "2026-03-07"),
            ("2026-03-08T05:00:00Z", "2026-03-08"),
            // The day has 23 hours.
            ("2026-03-09T03:59:59Z", "2026-03-08"),
            ("2026-03-09T04:00:00Z", "2026-03-09"),
            ("2026-11-01T04:00:00Z", "2026-11-01"),
            // And this one 25.
            ("2026-11-02T04:59:59Z", "2026-11-01"),
            ("2026-11-02T05:00:00Z", "2026-11-02"),
        ] {
            assert_eq!(day(time.parse().unwrap(), USUAL), expected.parse().unwrap(), "{time}");
        }
        assert!(read("Atlantis/Capital").is_err() && read("Asia/Tokyo").is_ok());
    }
}
