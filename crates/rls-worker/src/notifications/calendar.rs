//! A time in, when a digest was due last and when it is due next out, by the clock on the tenant's wall.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Duration, LocalResult, NaiveDate, NaiveTime, TimeZone as _, Utc, Weekday};
use chrono_tz::Tz;

use super::zone;

/// On which days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// Every day.
    Daily,
    /// Once a week.
    Weekly(Weekday),
}

/// When digests are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// On which days.
    pub cadence: Cadence,
    /// At which full hour.
    pub hour: u8,
    /// By whose clock.
    pub zone: Tz,
}

/// How far to look; a week has no more days.
const HORIZON: u64 = 9;

/// No clock is put forward by more.
const LONGEST_GAP: i32 = 48;

impl Calendar {
    /// The last time at or before this one.
    #[must_use]
    pub fn last_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let tomorrow = zone::day(now, self.zone).checked_add_days(Days::new(1))?;
        let days = (0..=HORIZON).filter_map(|back| tomorrow.checked_sub_days(Days::new(back)));
        self.due_on(days).find(|due| *due <= now)
    }

    /// The first time after this one.
    #[must_use]
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let yesterday = zone::day(now, self.zone).checked_sub_days(Days::new(1))?;
        let days = (0..=HORIZON).filter_map(|ahead| yesterday.checked_add_days(Days::new(ahead)));
        self.due_on(days).find(|due| *due > now)
    }

    fn due_on(&self, days: impl Iterator<Item = NaiveDate>) -> impl Iterator<Item = DateTime<Utc>> {
        let is_due = |day: &NaiveDate| match self.cadence {
            Cadence::Daily => true,
            Cadence::Weekly(weekday) => chrono::Datelike::weekday(day) == weekday,
        };
        days.filter(is_due).filter_map(|day| self.time_on(day))
    }

    /// An hour that comes twice counts the first time; one that is left out counts when the clock goes on.
    pub(crate) fn time_on(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        let at = day.and_time(NaiveTime::from_hms_opt(self.hour.into(), 0, 0)?);
        let tries = (0..=LONGEST_GAP).filter_map(|halves| at.checked_add_signed(Duration::minutes(30) * halves));
        tries
            .filter_map(|at| match self.zone.from_local_datetime(&at) {
                LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
                LocalResult::None => None,
            })
            .next()
    }
}

/// Reads a weekday's number as ISO has it: Monday is 1.
#[must_use]
pub fn weekday(number: i16) -> Option<Weekday> {
    Weekday::try_from(u8::try_from(number.checked_sub(1)?).ok()?).ok()
}

impl FromStr for Cadence {
    type Err = String;

    /// Reads `daily`, or a weekday in English.
    fn from_str(text: &str) -> Result<Cadence, String> {
        match text {
            "daily" => Ok(Cadence::Daily),
            day => day.parse().map(Cadence::Weekly).map_err(|_| "write `daily`, or a weekday as `monday`".to_owned()),
        }
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cadence::Daily => f.write_str("every day"),
            Cadence::Weekly(day) => write!(f, "every {day}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::America::Toronto;
    use chrono_tz::Australia::Lord_Howe;
    use chrono_tz::Pacific::Apia;
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn daily(hour: u8, zone: Tz) -> Calendar {
        Calendar { cadence: Cadence::Daily, hour, zone }
    }

    /// The next times, one after the other.
    fn following(calendar: Calendar, from: &str, count: usize) -> Vec<String> {
        let next = |now: &DateTime<Utc>| calendar.next_after(*now);
        let times = std::iter::successors(next(&utc(from)), next);
        times.take(count).map(|time| time.format("%m-%dT%H:%MZ").to_string()).collect()
    }

    #[test]
    fn eight_in_the_morning_is_another_hour_in_summer() {
        let eight = daily(8, Toronto);
        assert_eq!(following(eight, "2026-03-06T20:00:00Z", 3), ["03-07T13:00Z", "03-08T12:00Z", "03-09T12:00Z"]);
        assert_eq!(following(eight, "2026-10-30T20:00:00Z", 3), ["10-31T12:00Z", "11-01T13:00Z", "11-02T13:00Z"]);
    }

    #[test]
    fn an_hour_that_is_left_out_comes_late_and_one_that_comes_twice_counts_once() {
        assert_eq!(following(daily(2, Toronto), "2026-03-07T12:00:00Z", 2), ["03-08T07:00Z", "03-09T06:00Z"]);
        assert_eq!(following(daily(1, Toronto), "2026-10-31T12:00:00Z", 2), ["11-01T05:00Z", "11-02T06:00Z"]);
        assert_eq!(
            following(daily(2, Lord_Howe), "2026-10-03T00:00:00Z", 1),
            ["10-03T15:30Z"],
            "half an hour is left out"
        );
    }

    #[test]
    fn a_day_that_is_left_out_is_made_up_for() {
        // Samoa had no 30 December 2011.
        assert_eq!(
            following(daily(8, Apia), "2011-12-29T00:00:00Z", 3),
            ["12-29T18:00Z", "12-30T10:00Z", "12-30T18:00Z"]
        );
    }

    #[test]
    fn weeks_end_on_their_weekday() {
        let monday = Calendar { cadence: "monday".parse().unwrap(), hour: 8, zone: Toronto };
        assert_eq!(following(monday, "2026-02-17T14:00:00Z", 3), ["02-23T13:00Z", "03-02T13:00Z", "03-09T12:00Z"]);
        assert_eq!(monday.last_at(utc("2026-02-17T14:00:00Z")), Some(utc("2026-02-16T13:00:00Z")));
        assert_eq!(weekday(1), Some(Weekday::Mon));
        assert!(weekday(0).is_none() && weekday(8).is_none() && "someday".parse::<Cadence>().is_err());
    }

    proptest! {
        #[test]
        fn the_last_time_and_the_next_have_nothing_between(
            seconds in 0_i64..4_000_000_000, hour in 0_u8..24, day in proptest::option::of(1_i16..8),
            zone in prop_oneof![Just(Toronto), Just(Lord_Howe), Just(Apia), Just(Tz::UTC)],
        ) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let cadence = day.and_then(weekday).map_or(Cadence::Daily, Cadence::Weekly);
            let calendar = Calendar { cadence, hour, zone };
            let (last, next) = (calendar.last_at(now).unwrap(), calendar.next_after(now).unwrap());
            prop_assert!(last <= now && now < next);
            prop_assert_eq!(calendar.next_after(last), Some(next));
            prop_assert_eq!(calendar.last_at(next), Some(next));
        }
    }
}
