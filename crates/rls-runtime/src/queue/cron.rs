//! A cron expression and a time zone in, ticks out, in microseconds since 1970. The only module that knows a calendar.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{Cron, Direction};

/// When a schedule ticks.
#[derive(Clone)]
pub(super) struct Cadence {
    cron: Cron,
    zone: Tz,
}

/// Why a schedule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The expression cannot be read.
    #[error("`{cron}` is no cron expression: {reason}")]
    Cron {
        /// The expression.
        cron: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such time zone.
    #[error("`{time_zone}` is no time zone, use a name such as `Europe/Berlin`")]
    TimeZone {
        /// The name.
        time_zone: String,
    },
    /// The expression names a day that no calendar has.
    #[error("`{cron}` never comes")]
    Never {
        /// The expression.
        cron: String,
    },
}

impl Cadence {
    pub(super) fn parse(cron: &str, time_zone: &str) -> Result<Cadence, ScheduleError> {
        let zone = time_zone.parse().map_err(|_| ScheduleError::TimeZone { time_zone: time_zone.to_owned() })?;
        let wrong =
            |error: croner::errors::CronError| ScheduleError::Cron { cron: cron.to_owned(), reason: error.to_string() };
        let cadence = Cadence { cron: cron.parse().map_err(wrong)?, zone };
        match cadence.after(0) {
            Some(_) => Ok(cadence),
            None => Err(ScheduleError::Never { cron: cron.to_owned() }),
        }
    }

    /// The first tick after a time, if there is any.
    pub(super) fn after(&self, time: i64) -> Option<i64> {
        self.find(time, Direction::Forward, false)
    }

    /// The last tick that is not after a time, if there was any.
    pub(super) fn until(&self, time: i64) -> Option<i64> {
        self.find(time, Direction::Backward, true)
    }

    fn find(&self, time: i64, direction: Direction, inclusive: bool) -> Option<i64> {
        let time: DateTime<Tz> = DateTime::<Utc>::from_timestamp_micros(time)?.with_timezone(&self.zone);
        let found = match direction {
            Direction::Forward => self.cron.find_next_occurrence(&time, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(&time, inclusive),
        };
        found.ok().map(|tick| tick.timestamp_micros())
    }
}

impl fmt::Debug for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.cron.as_str(), self.zone.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(time: &str) -> i64 {
        DateTime::parse_from_rfc3339(time).expect("a time").timestamp_micros()
    }

    fn cadence(cron: &str, zone: &str) -> Cadence {
        Cadence::parse(cron, zone).expect("a cadence")
    }

    /// The next ticks after a time, as the clocks of the zone show them.
    fn ticks(cadence: &Cadence, after: &str, count: usize) -> Vec<String> {
        let next = |tick: &i64| cadence.after(*tick);
        let ticks = std::iter::successors(cadence.after(micros(after)), next).take(count);
        let shown = |tick| {
            let tick = DateTime::from_timestamp_micros(tick).expect("in range").with_timezone(&cadence.zone);
            tick.format("%d. %H:%M%:z").to_string()
        };
        ticks.map(shown).collect()
    }

    #[test]
    fn a_time_that_the_clock_skips_ticks_when_it_has_skipped_it() {
        let nightly = cadence("30 2 * * *", "Europe/Berlin");
        let around = ticks(&nightly, "2027-03-27T12:00:00Z", 2);
        assert_eq!(around, ["28. 03:00+02:00", "29. 02:30+02:00"]);
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_ticks_once() {
        let nightly = cadence("30 2 * * *", "Europe/Berlin");
        let around = ticks(&nightly, "2026-10-24T12:00:00Z", 2);
        assert_eq!(around, ["25. 02:30+02:00", "26. 02:30+01:00"]);
    }

    #[test]
    fn what_ticks_within_the_hour_goes_by_time_that_passes() {
        let often = cadence("0,30 * * * *", "Europe/Berlin");
        let backward = ticks(&often, "2026-10-25T00:15:00Z", 4);
        assert_eq!(backward, ["25. 02:30+02:00", "25. 02:00+01:00", "25. 02:30+01:00", "25. 03:00+01:00"]);
        let forward = ticks(&often, "2027-03-28T00:15:00Z", 3);
        assert_eq!(forward, ["28. 01:30+01:00", "28. 03:00+02:00", "28. 03:30+02:00"]);
    }

    #[test]
    fn other_zones_have_other_days() {
        assert_eq!(ticks(&cadence("0 0 * * *", "Pacific/Apia"), "2026-01-01T12:00:00Z", 1), ["03. 00:00+13:00"]);
        // Midnight itself is skipped in Beirut.
        let around = ticks(&cadence("0 0 * * *", "Asia/Beirut"), "2026-03-28T12:00:00Z", 2);
        assert_eq!(around, ["29. 01:00+03:00", "30. 00:00+03:00"]);
        // And half an hour on Lord Howe.
        let around = ticks(&cadence("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03T00:00:00Z", 2);
        assert_eq!(around, ["04. 02:30+11:00", "05. 02:15+11:00"]);
    }

    #[test]
    fn the_last_tick_may_be_now() {
        let hourly = cadence("@hourly", "UTC");
        let noon = micros("2026-01-01T12:00:00Z");
        assert_eq!(
            (hourly.until(noon), hourly.until(noon + 1), hourly.after(noon)),
            (Some(noon), Some(noon), Some(micros("2026-01-01T13:00:00Z")))
        );
    }

    #[test]
    fn what_is_none_is_explained() {
        let refused = |cron, zone| Cadence::parse(cron, zone).expect_err("is refused").to_string();
        assert!(refused("61 * * * *", "UTC").starts_with("`61 * * * *` is no cron expression: "));
        assert!(refused("", "UTC").starts_with("`` is no cron expression: "));
        assert_eq!(refused("@daily", "Berlin"), "`Berlin` is no time zone, use a name such as `Europe/Berlin`");
        assert_eq!(refused("0 0 30 2 *", "UTC"), "`0 0 30 2 *` never comes");
    }
}
