//! How a scope is opened, and whether it is tried again.

use std::time::Duration;

use uuid::Uuid;

/// How much a scope sees of what others commit meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// The whole scope sees one snapshot.
    RepeatableRead,
    /// As if scopes ran one after the other; combine with [`with_tenant_retry`](crate::with_tenant_retry).
    Serializable,
}

/// How a scope is opened. Everything rides in the message that opens it and costs no round trip.
///
/// ```
/// use std::time::Duration;
/// use rls_runtime::{Isolation, ScopeOptions};
///
/// let report = ScopeOptions::new()
///     .read_only()
///     .isolation(Isolation::RepeatableRead)
///     .statement_timeout(Duration::from_secs(5))
///     .label("monthly report");
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ScopeOptions {
    isolation: Option<Isolation>,
    read_only: bool,
    statement_timeout: Option<Duration>,
    lock_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    asynchronous_commit: bool,
    plans_once: bool,
    further: Option<(&'static str, Uuid)>,
    label: Option<&'static str>,
}

impl ScopeOptions {
    /// What the server has as its defaults.
    pub const fn new() -> ScopeOptions {
        ScopeOptions {
            isolation: None,
            read_only: false,
            statement_timeout: None,
            lock_timeout: None,
            idle_timeout: None,
            asynchronous_commit: false,
            plans_once: false,
            further: None,
            label: None,
        }
    }

    /// Refuse every write. No statement of the closure can undo this.
    pub const fn read_only(mut self) -> ScopeOptions {
        self.read_only = true;
        self
    }

    /// Set the isolation level. No statement of the closure can change it.
    pub const fn isolation(mut self, isolation: Isolation) -> ScopeOptions {
        self.isolation = Some(isolation);
        self
    }

    /// Let no single statement run longer.
    pub const fn statement_timeout(mut self, timeout: Duration) -> ScopeOptions {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Let no statement wait longer for a lock.
    pub const fn lock_timeout(mut self, timeout: Duration) -> ScopeOptions {
        self.lock_timeout = Some(timeout);
        self
    }

    /// Let the server end the scope when the closure sends nothing for longer.
    pub const fn idle_timeout(mut self, timeout: Duration) -> ScopeOptions {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Do not wait until the commit is on the server's disk. A crash of the server may undo it, as a whole; nothing else can.
    pub const fn asynchronous_commit(mut self) -> ScopeOptions {
        self.asynchronous_commit = true;
        self
    }

    /// For statements whose plan is the same whatever they are asked: the server plans each once per connection, and not five times more.
    #[cfg(feature = "queue")]
    pub(crate) const fn plan_once(mut self) -> ScopeOptions {
        self.plans_once = true;
        self
    }

    /// Set one setting more beside the tenant, for policies with a second condition, such as the session of a guest.
    ///
    /// Unlike the tenant it is not looked at again when the scope commits.
    ///
    /// # Panics
    ///
    /// When the name is not of the form `app.guest_session_id`; in a constant, when it is compiled.
    pub const fn also(mut self, setting: &'static str, value: Uuid) -> ScopeOptions {
        assert!(is_custom_setting(setting), "a setting of one's own is two words of a-z, 0-9 and _ with a dot between");
        self.further = Some((setting, value));
        self
    }

    /// Name the scope in traces.
    pub const fn label(mut self, label: &'static str) -> ScopeOptions {
        self.label = Some(label);
        self
    }

    pub(crate) fn trace_label(&self) -> &'static str {
        self.label.unwrap_or_default()
    }

    /// The words after `BEGIN`.
    pub(crate) fn begin_modes(&self) -> &'static str {
        match (self.isolation, self.read_only) {
            (None, false) => "",
            (None, true) => " READ ONLY",
            (Some(Isolation::ReadCommitted), false) => " ISOLATION LEVEL READ COMMITTED",
            (Some(Isolation::ReadCommitted), true) => " ISOLATION LEVEL READ COMMITTED READ ONLY",
            (Some(Isolation::RepeatableRead), false) => " ISOLATION LEVEL REPEATABLE READ",
            (Some(Isolation::RepeatableRead), true) => " ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (Some(Isolation::Serializable), false) => " ISOLATION LEVEL SERIALIZABLE",
            (Some(Isolation::Serializable), true) => " ISOLATION LEVEL SERIALIZABLE READ ONLY",
        }
    }

    /// The settings of the transaction.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, String)> {
        let timeouts = [
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            ("idle_in_transaction_session_timeout", self.idle_timeout),
        ];
        let timeouts = timeouts.into_iter().filter_map(|(name, timeout)| {
            // Zero would switch the timeout off, which is the opposite of a very short one.
            let milliseconds = timeout?.as_millis().clamp(1, i32::MAX as u128);
            Some((name, milliseconds.to_string()))
        });
        let further = self.further.map(|(name, value)| (name, value.to_string()));
        let commit = self.asynchronous_commit.then(|| ("synchronous_commit", "off".to_owned()));
        let plans = self.plans_once.then(|| ("plan_cache_mode", "force_generic_plan".to_owned()));
        timeouts.chain(commit).chain(plans).chain(further)
    }
}

/// Whether a name can be no setting of the server's own, and nothing but a name.
const fn is_custom_setting(name: &str) -> bool {
    let bytes = name.as_bytes();
    let (mut at, mut dots) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'a'..=b'z' => {}
            b'0'..=b'9' | b'_' if at > 0 && bytes[at - 1] != b'.' => {}
            b'.' if at > 0 && at + 1 < bytes.len() => dots += 1,
            _ => return false,
        }
        at += 1;
    }
    dots == 1
}

/// How often a scope is tried again after a serialization failure (40001) or a deadlock (40P01).
///
/// ```
/// use std::time::Duration;
/// use rls_runtime::Retry;
///
/// let retry = Retry::attempts(5).backoff(Duration::from_millis(10), Duration::from_secs(1));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Retry {
    attempts: u32,
    first: Duration,
    longest: Duration,
}

impl Retry {
    /// Run the scope at most so many times.
    pub const fn attempts(attempts: u32) -> Retry {
        Retry { attempts, first: Duration::from_millis(5), longest: Duration::from_millis(500) }
    }

    /// Wait up to `first` before the second attempt, twice as long before each further one, never longer than `longest`.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Retry {
        self.first = first;
        self.longest = longest;
        self
    }

    /// How long to wait after an attempt, counted from 1; `None` when it was the last one.
    ///
    /// `random` is any number: the pause is a random part of the backoff, so that those who met once do not meet again.
    pub(crate) fn pause_after(&self, attempt: u32, random: u64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << (attempt - 1).min(16));
        Some(doubled.min(self.longest).mul_f64(random as f64 / u64::MAX as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_the_last_attempt() {
        let retry = Retry::attempts(4).backoff(Duration::from_millis(10), Duration::from_millis(30));
        let pauses: Vec<_> = (1..=4).map(|attempt| retry.pause_after(attempt, u64::MAX)).collect();
        let expected = [Some(10), Some(20), Some(30), None].map(|ms| ms.map(Duration::from_millis));
        assert_eq!(pauses, expected);
        assert_eq!(retry.pause_after(1, 0), Some(Duration::ZERO));
    }

    #[test]
    fn a_further_setting_is_a_name_and_nothing_else() {
        for (name, is_one) in [
            ("app.guest_session_id", true),
            ("app", false),
            (".app", false),
            ("app.", false),
            ("a.b.c", false),
            ("app.x=1;drop", false),
            ("App.Guest", false),
            ("app.1", false),
        ] {
            assert_eq!(is_custom_setting(name), is_one, "{name}");
        }
        let options = ScopeOptions::new().also("app.guest_session_id", Uuid::nil());
        assert_eq!(options.settings().collect::<Vec<_>>(), [("app.guest_session_id", Uuid::nil().to_string())]);
    }

    #[test]
    fn a_timeout_below_a_millisecond_is_not_switched_off() {
        let options = ScopeOptions::new().statement_timeout(Duration::from_micros(1));
        assert_eq!(options.settings().collect::<Vec<_>>(), [("statement_timeout", "1".to_owned())]);
    }
}
