//! What a worker is told about a lane that it serves.

use crate::tenant::TenantId;

use super::turns::Weights;

/// A lane that a worker serves.
///
/// ```
/// use rls_runtime::worker::Lane;
///
/// let lane = Lane::new("catalog_upload").formerly("wayfair_upload").slots(8).per_tenant(2);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Lane {
    /// The name, and the names that it had.
    names: Vec<String>,
    pub(super) slots: usize,
    pub(super) per_tenant: Option<u32>,
    pub(super) at_once: Option<u32>,
    pub(super) weights: Weights,
}

impl Lane {
    /// A lane with four slots.
    pub fn new(name: impl Into<String>) -> Lane {
        Lane { names: vec![name.into()], slots: 4, per_tenant: None, at_once: None, weights: Weights::default() }
    }

    /// Serve jobs of an older name of the lane in the same slots.
    pub fn formerly(mut self, name: impl Into<String>) -> Lane {
        self.names.push(name.into());
        self
    }

    /// Run at most so many jobs at once in this worker.
    ///
    /// Where jobs are short a few more are claimed, and wait for a slot: those that get none within a second go back to the queue.
    pub fn slots(mut self, slots: usize) -> Lane {
        self.slots = slots.clamp(1, 10_000);
        self
    }

    /// Run at most so many jobs of one tenant at once, under all names of the lane and over all workers that know them.
    pub fn per_tenant(mut self, jobs: u32) -> Lane {
        self.per_tenant = Some(jobs.max(1));
        self
    }

    /// Run at most so many jobs of the lane at once, over all workers that say so.
    ///
    /// A worker holds its part of the slots by a lease, as it holds its jobs: those of one that was killed are free when that has run out.
    pub fn at_once(mut self, jobs: u32) -> Lane {
        self.at_once = Some(jobs.max(1));
        self
    }

    /// Let a tenant have as many jobs in its turn as its weight says, from 1 to 1,000, where others have one. Without this all have the same.
    ///
    /// ```
    /// use rls_runtime::{TenantId, worker::Lane};
    ///
    /// let pays_more: TenantId = "018f6d1c-7c00-7000-8000-000000000001".parse()?;
    /// let lane = Lane::new("ship_upload").weights(move |tenant| if tenant == pays_more { 3 } else { 1 });
    /// # Ok::<(), rls_runtime::ParseTenantIdError>(())
    /// ```
    pub fn weights(mut self, of: impl Fn(TenantId) -> u32 + Send + Sync + 'static) -> Lane {
        self.weights = Weights::new(of);
        self
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.at_once.is_some()
    }

    pub(super) fn name(&self) -> &str {
        &self.names[0]
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}
