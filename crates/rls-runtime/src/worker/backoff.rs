//! How long a failed job waits.

use std::time::Duration;

/// Nobody waits longer, and it can be multiplied without an overflow.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// The pause before a job is tried again: it doubles with every attempt, up to the longest, and a random half of it is taken off, so that those that failed together do not come back together.
///
/// ```
/// use std::time::Duration;
/// use rls_runtime::worker::Backoff;
///
/// let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// The pause after the first attempt, and the longest one.
    pub const fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest }
    }

    /// The pause after an attempt, counted from 1; `random` is any number.
    pub(crate) fn pause_after(&self, attempt: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(30));
        doubled.min(self.longest).min(FOR_EVER).mul_f64(0.5 + random as f64 / u64::MAX as f64 / 2.0)
    }
}

/// Ten seconds at first, six hours at most.
impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new(Duration::from_secs(10), Duration::from_secs(6 * 3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest_and_at_most_half_of_it_is_taken_off() {
        let backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(60));
        let at_most: Vec<u64> = (1..=4).map(|attempt| backoff.pause_after(attempt, u64::MAX).as_secs()).collect();
        assert_eq!(at_most, [10, 20, 40, 60]);
        assert_eq!(backoff.pause_after(1, 0), Duration::from_secs(5));
        assert_eq!(backoff.pause_after(u32::MAX, u64::MAX), Duration::from_secs(60));
        let never = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(never.pause_after(1, u64::MAX), FOR_EVER);
    }
}
