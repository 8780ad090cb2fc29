//! How long each stage took.

use std::time::Instant;

/// Times of stages; a stage that runs in rounds is one entry.
#[derive(Debug)]
pub struct Clock {
    last: Instant,
    /// Microseconds by stage, in the order of their first laps.
    pub laps: Vec<(&'static str, u64)>,
}

impl Clock {
    /// Goes on after stages that were timed before.
    #[must_use]
    pub fn after(laps: Vec<(&'static str, u64)>) -> Self {
        Self { last: Instant::now(), laps }
    }

    /// Books the time since the last lap.
    pub fn lap(&mut self, stage: &'static str) {
        let now = Instant::now();
        let micros = u64::try_from((now - self.last).as_micros()).unwrap_or(u64::MAX);
        self.last = now;
        match self.laps.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, total)) => *total += micros,
            None => self.laps.push((stage, micros)),
        }
    }
}
