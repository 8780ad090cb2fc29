//! Ended jobs in, their settlements written, those of a tenant together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::error::sqlstate;
use crate::options::ScopeOptions;
use crate::queue::{Lease, Settled, Settlement};
use crate::scope::with_tenant_opts;
use crate::tenant::TenantId;

use super::context::Stop;
use super::quota::Slot;
use super::running::Entry;
use super::{Shared, metrics};

/// A job whose attempt is over.
pub(crate) struct Ended {
    pub(crate) tenant: TenantId,
    pub(crate) lease: Lease,
    pub(crate) lane: String,
    pub(crate) settlement: Settlement,
    /// Heartbeats go on until it is written.
    pub(crate) entry: Entry,
    /// Where the lane is limited, it takes nothing new for the job until it is written.
    pub(crate) _slot: Option<Slot>,
    /// Among so many that are not written yet.
    pub(crate) _room: OwnedSemaphorePermit,
}

const AT_ONCE: usize = 4;
const MOST: usize = 1000;
const PAUSE: Duration = Duration::from_millis(200);

/// Who waits for a row holds a connection: better let it go, and come again.
const IMPATIENT: ScopeOptions = ScopeOptions::new().lock_timeout(PAUSE).plan_once().label("settle");

/// The settlements that wait to be written, each tenant's together: one batch of it is on its way at a time.
#[derive(Default)]
struct Line {
    batches: BTreeMap<TenantId, Vec<Ended>>,
    /// Those with a batch that is not on its way, in the order of their coming.
    tenants: VecDeque<TenantId>,
    away: BTreeSet<TenantId>,
}

impl Line {
    fn push(&mut self, ended: Ended) {
        let tenant = ended.tenant;
        let batch = self.batches.entry(tenant).or_default();
        if batch.is_empty() && !self.away.contains(&tenant) {
            self.tenants.push_back(tenant);
        }
        batch.push(ended);
    }

    /// No more than one statement takes.
    fn pop(&mut self) -> Option<(TenantId, Vec<Ended>)> {
        let tenant = self.tenants.pop_front()?;
        let mut batch = self.batches.remove(&tenant)?;
        if batch.len() > MOST {
            self.batches.insert(tenant, batch.split_off(MOST));
        }
        self.away.insert(tenant);
        Some((tenant, batch))
    }

    /// A batch is back, with what was not written.
    fn give_back(&mut self, tenant: TenantId, left: Vec<Ended>) {
        self.away.remove(&tenant);
        if self.batches.contains_key(&tenant) {
            self.tenants.push_back(tenant);
        }
        left.into_iter().for_each(|ended| self.push(ended));
    }
}

/// While some are written others end, so that the batches grow with the load.
/// Whose jobs cannot be written now waits beside the line, and holds up nobody else.
pub(crate) async fn settle_all<S>(shared: Arc<Shared<S>>, mut ended: mpsc::UnboundedReceiver<Ended>)
where
    S: Clone + Send + Sync + 'static,
{
    let (mut line, mut new, mut more_may_end) = (Line::default(), Vec::new(), true);
    let (mut writing, mut resting) = (FuturesUnordered::new(), FuturesUnordered::new());
    loop {
        tokio::select! {
            count = ended.recv_many(&mut new, MOST), if more_may_end => {
                more_may_end = count > 0;
                new.drain(..).for_each(|ended| line.push(ended));
            }
            Some((tenant, left)) = writing.next() => {
                let left: Vec<Ended> = left;
                if left.is_empty() {
                    line.give_back(tenant, left);
                } else {
                    resting.push(tokio::time::sleep(PAUSE).map(move |()| (tenant, left)));
                }
            }
            Some((tenant, left)) = resting.next() => line.give_back(tenant, left),
            else => return,
        }
        while writing.len() < AT_ONCE
            && let Some((tenant, batch)) = line.pop()
        {
            writing.push(shared.settle(tenant, batch).map(move |left| (tenant, left)));
        }
    }
}

/// A value or a limit is wrong, and will be the next time; everything else may pass.
fn is_about_the_content(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
}

impl<S: Clone + Send + Sync + 'static> Shared<S> {
    /// Those that are deleted apart from the others, so that each is one statement, which locks the jobs in their order. Says which are not written.
    async fn settle(&self, tenant: TenantId, ended: Vec<Ended>) -> Vec<Ended> {
        let (deleted, kept) = ended.into_iter().partition(|ended| self.queue.deletes(&ended.settlement));
        let mut left = self.settle_alike(tenant, deleted).await;
        left.extend(self.settle_alike(tenant, kept).await);
        left
    }

    /// Those that are not written are returned, unless their leases are lost.
    async fn settle_alike(&self, tenant: TenantId, mut ended: Vec<Ended>) -> Vec<Ended> {
        ended.retain(|ended| {
            let is_lost = ended.entry.stop_requested() == Some(Stop::LeaseLost);
            if is_lost {
                metrics::settled(&ended.lane, Settled::LeaseLost);
            }
            !is_lost
        });
        if ended.is_empty() {
            return ended;
        }
        match self.write(tenant, &ended).await {
            Ok(()) => Vec::new(),
            Err(error) if is_about_the_content(&error) => self.settle_each(tenant, ended).await,
            Err(error) => {
                tracing::warn!(%error, %tenant, "jobs cannot be settled yet");
                ended
            }
        }
    }

    /// The server refuses what one of them says: find out which, and let that one fail.
    async fn settle_each(&self, tenant: TenantId, ended: Vec<Ended>) -> Vec<Ended> {
        let mut left = Vec::new();
        for mut ended in ended {
            let Err(error) = self.write(tenant, std::slice::from_ref(&ended)).await else { continue };
            match ended.settlement {
                Settlement::Discard { .. } if is_about_the_content(&error) => {
                    tracing::error!(%error, %tenant, job = %ended.lease.job(), "job cannot be settled, its lease will run out");
                    continue;
                }
                _ if is_about_the_content(&error) => {
                    ended.settlement = Settlement::Discard { error: format!("its end could not be written: {error}") };
                }
                _ => {}
            }
            left.push(ended);
        }
        left
    }

    async fn write(&self, tenant: TenantId, ended: &[Ended]) -> sqlx::Result<()> {
        let settlements: Vec<_> = ended.iter().map(|ended| (ended.lease, ended.settlement.clone())).collect();
        let write = with_tenant_opts(&self.pool, tenant, &IMPATIENT, async |mut tx| {
            self.queue.settle_many(&mut tx, &settlements).await
        });
        let settled = self.in_time(write).await?;
        for (ended, settled) in ended.iter().zip(settled) {
            metrics::settled(&ended.lane, settled);
            if settled == Settled::LeaseLost {
                tracing::warn!(%tenant, job = %ended.lease.job(), "job was settled too late, another worker has it");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;
    use crate::queue::JobId;
    use crate::worker::running::Running;

    fn tenant(number: u128) -> TenantId {
        TenantId::new(Uuid::from_u128(number))
    }

    fn ended(of: TenantId) -> Ended {
        let lease = Lease { job: JobId::fresh(), token: Uuid::new_v4() };
        Ended {
            tenant: of,
            lease,
            lane: String::new(),
            settlement: Settlement::Complete(None),
            entry: Running::default().add(of, lease, Instant::now()),
            _slot: None,
            _room: Arc::new(Semaphore::new(1)).try_acquire_owned().expect("is free"),
        }
    }

    fn sizes(line: &mut Line) -> Vec<(TenantId, usize)> {
        std::iter::from_fn(|| line.pop()).map(|(tenant, batch)| (tenant, batch.len())).collect()
    }

    #[test]
    fn what_ends_while_others_of_its_tenant_are_written_waits_and_keeps_nobody_else_waiting() {
        let mut line = Line::default();
        line.push(ended(tenant(1)));
        assert_eq!(sizes(&mut line), [(tenant(1), 1)]);
        for of in [1, 2, 1] {
            line.push(ended(tenant(of)));
        }
        assert_eq!(sizes(&mut line), [(tenant(2), 1)]);
        line.give_back(tenant(1), vec![ended(tenant(1))]);
        assert_eq!(sizes(&mut line), [(tenant(1), 3)]);
        line.give_back(tenant(1), Vec::new());
        line.give_back(tenant(2), Vec::new());
        assert_eq!(sizes(&mut line), []);
    }

    #[test]
    fn more_than_one_statement_takes_is_written_in_turns() {
        let mut line = Line::default();
        (0..MOST + 5).for_each(|_| line.push(ended(tenant(1))));
        line.push(ended(tenant(2)));
        assert_eq!(sizes(&mut line), [(tenant(1), MOST), (tenant(2), 1)]);
        line.give_back(tenant(1), Vec::new());
        assert_eq!(sizes(&mut line), [(tenant(1), 5)]);
    }
}
