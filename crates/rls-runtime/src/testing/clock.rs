//! Time that moves when a test says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A clock that stands still until it is advanced. Clones show the same time.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use rls_runtime::testing::FixedClock;
///
/// let clock = FixedClock::at(SystemTime::UNIX_EPOCH);
/// let in_the_service = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(in_the_service.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<Mutex<SystemTime>>);

impl FixedClock {
    /// A clock that shows this time.
    pub fn at(time: SystemTime) -> FixedClock {
        FixedClock(Arc::new(Mutex::new(time)))
    }

    /// The time it shows.
    pub fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Move it forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}
