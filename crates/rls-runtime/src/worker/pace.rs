//! How long the jobs of a lane take in, whether a claim should take many of them out.
//!
//! Many short jobs cost little more to claim than one, and together delay nobody by more than a moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// For so long a turn of one tenant may keep the slots of the lane busy.
const TURN: Duration = Duration::from_millis(5);

/// A job counts one to so many in the average.
const MEMORY: u64 = 8;

/// A moving average of what handlers took, in nanoseconds; nothing before the first has ended.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    /// Two that end at once may overwrite each other, which an average bears.
    pub(crate) fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).clamp(1, u64::MAX / MEMORY);
        let average = self.0.load(Ordering::Relaxed);
        let next = if average == 0 { took } else { average - average / MEMORY + took / MEMORY };
        self.0.store(next.max(1), Ordering::Relaxed);
    }

    /// Whether all slots are free again in a moment, whoever has them.
    pub(crate) fn is_quick(&self) -> bool {
        let average = self.0.load(Ordering::Relaxed);
        average > 0 && Duration::from_nanos(average) <= TURN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_quick_when_its_jobs_have_been_short_lately() {
        let pace = Pace::default();
        assert!(!pace.is_quick(), "nothing is known yet");
        pace.note(Duration::from_micros(50));
        assert!(pace.is_quick());
        pace.note(Duration::from_secs(1));
        assert!(!pace.is_quick());
        (0..200).for_each(|_| pace.note(Duration::ZERO));
        assert!(pace.is_quick());
        pace.note(Duration::MAX);
        assert!(!pace.is_quick());
        (0..1000).for_each(|_| pace.note(Duration::MAX));
        assert!(!pace.is_quick());
    }
}
