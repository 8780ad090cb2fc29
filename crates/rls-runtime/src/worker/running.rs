//! The jobs that this worker holds: the heartbeat keeps their leases, and says when they shall stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::queue::{Heartbeat, Lease};
use crate::tenant::TenantId;

use super::context::Stop;

/// Clones are the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Jobs>>);

#[derive(Debug, Default)]
struct Jobs {
    held: BTreeMap<(TenantId, Lease), Held>,
    /// What every job was asked, so that one that is claimed a moment later hears of it too.
    all: Option<Stop>,
}

#[derive(Debug)]
struct Held {
    stop: watch::Sender<Option<Stop>>,
    /// When the lease was last known to be ours.
    confirmed: Instant,
}

/// A job on the list, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    running: Running,
    key: (TenantId, Lease),
    stop: watch::Receiver<Option<Stop>>,
}

impl Running {
    pub(crate) fn add(&self, tenant: TenantId, lease: Lease, claimed_at: Instant) -> Entry {
        let mut jobs = self.lock();
        let (sender, stop) = watch::channel(jobs.all);
        jobs.held.insert((tenant, lease), Held { stop: sender, confirmed: claimed_at });
        drop(jobs);
        Entry { running: self.clone(), key: (tenant, lease), stop }
    }

    /// Ask every job to stop, those that are yet to come too.
    pub(crate) fn stop_all(&self, reason: Stop) {
        let mut jobs = self.lock();
        jobs.all = Some(reason);
        jobs.held.values().for_each(|held| held.ask(reason));
    }

    pub(crate) fn by_tenant(&self) -> BTreeMap<TenantId, Vec<Lease>> {
        let mut leases: BTreeMap<TenantId, Vec<Lease>> = BTreeMap::new();
        self.lock().held.keys().for_each(|(tenant, lease)| leases.entry(*tenant).or_default().push(*lease));
        leases
    }

    /// Pass on what the heartbeat, which began at that time, has found.
    pub(crate) fn found(&self, tenant: TenantId, beats: impl Iterator<Item = (Lease, Heartbeat)>, began: Instant) {
        let held = &mut self.lock().held;
        for (lease, beat) in beats {
            let Some(held) = held.get_mut(&(tenant, lease)) else { continue };
            match beat {
                Heartbeat::Held => held.confirmed = began,
                Heartbeat::CancelRequested => {
                    held.confirmed = began;
                    held.ask(Stop::CancelRequested);
                }
                Heartbeat::Busy => {}
                Heartbeat::LeaseLost => held.ask(Stop::LeaseLost),
            }
        }
    }

    /// Nobody answers: whose lease must have run out by now is given up, before another worker has it too.
    pub(crate) fn give_up_after(&self, lease: Duration) {
        let jobs = self.lock();
        jobs.held.values().filter(|held| held.confirmed.elapsed() >= lease).for_each(|held| held.ask(Stop::LeaseLost));
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Only a graver reason is news.
    fn ask(&self, reason: Stop) {
        self.stop.send_if_modified(|stop| {
            let is_news = stop.is_none_or(|stop| stop.gravity() < reason.gravity());
            if is_news {
                *stop = Some(reason);
            }
            is_news
        });
    }
}

impl Entry {
    pub(crate) fn stop_requested(&self) -> Option<Stop> {
        *self.stop.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Stop>> {
        self.stop.clone()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().held.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::JobId;

    fn lease() -> Lease {
        Lease { job: JobId::new(uuid::Uuid::nil()), token: uuid::Uuid::nil() }
    }

    #[test]
    fn who_comes_after_everybody_was_asked_to_stop_is_asked_too() {
        let running = Running::default();
        let early = running.add(uuid::Uuid::nil().into(), lease(), Instant::now());
        assert_eq!(early.stop_requested(), None);
        running.stop_all(Stop::ShuttingDown);
        assert_eq!(early.stop_requested(), Some(Stop::ShuttingDown));
        drop(early);
        let late = running.add(uuid::Uuid::nil().into(), lease(), Instant::now());
        assert_eq!(late.stop_requested(), Some(Stop::ShuttingDown));
    }

    #[test]
    fn a_lease_that_nobody_confirms_is_given_up() {
        let running = Running::default();
        let job = running.add(uuid::Uuid::nil().into(), lease(), Instant::now());
        running.give_up_after(Duration::from_secs(3600));
        assert_eq!(job.stop_requested(), None);
        running.give_up_after(Duration::ZERO);
        assert_eq!(job.stop_requested(), Some(Stop::LeaseLost));
    }
}
