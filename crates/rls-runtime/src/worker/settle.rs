//! Ended jobs in, their settlements written, those of a tenant together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// More of its tenant will end in a moment, so it may wait for them.
    pub(crate) more_to_come: bool,
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

/// So long an end waits for others of its tenant, and no longer: many cost little more to write than one.
const MOMENT: Duration = Duration::from_millis(5);

/// So many are written together at once, and do not wait for more.
const MANY: usize = 250;

/// The settlements that wait to be written, each tenant's together: one batch of it is on its way at a time.
#[derive(Default)]
struct Line {
    batches: BTreeMap<TenantId, Batch>,
    /// Those with a ripe batch that is not on its way, in the order of their coming.
    ripe: VecDeque<TenantId>,
    away: BTreeSet<TenantId>,
    /// When batches become ripe, whatever comes.
    ripening: VecDeque<(Instant, TenantId)>,
}

#[derive(Default)]
struct Batch {
    ended: Vec<Ended>,
    is_ripe: bool,
}

impl Line {
    fn push(&mut self, ended: Ended, now: Instant) {
        let (tenant, more_to_come) = (ended.tenant, ended.more_to_come);
        let batch = self.batches.entry(tenant).or_default();
        batch.ended.push(ended);
        if !more_to_come || batch.ended.len() >= MANY {
            self.ripen(tenant);
        } else if batch.ended.len() == 1 {
            self.ripening.push_back((now + MOMENT, tenant));
        }
    }

    fn ripen(&mut self, tenant: TenantId) {
        let Some(batch) = self.batches.get_mut(&tenant) else { return };
        if !std::mem::replace(&mut batch.is_ripe, true) && !self.away.contains(&tenant) {
            self.ripe.push_back(tenant);
        }
    }

    /// Those whose moment has passed. One may have been written since, and then what has come after it is a little early.
    fn ripen_until(&mut self, now: Instant) {
        while let Some((_, tenant)) = self.ripening.pop_front_if(|(until, _)| *until <= now) {
            self.ripen(tenant);
        }
    }

    /// No more than one statement takes.
    fn pop(&mut self) -> Option<(TenantId, Vec<Ended>)> {
        let tenant = self.ripe.pop_front()?;
        let mut batch = self.batches.remove(&tenant)?;
        if batch.ended.len() > MOST {
            let ended = batch.ended.split_off(MOST);
            self.batches.insert(tenant, Batch { ended, is_ripe: true });
        }
        self.away.insert(tenant);
        Some((tenant, batch.ended))
    }

    /// A batch is back, with what was not written.
    fn give_back(&mut self, tenant: TenantId, left: Vec<Ended>) {
        self.away.remove(&tenant);
        let is_left = !left.is_empty();
        let batch = self.batches.entry(tenant).or_default();
        batch.ended.extend(left);
        if batch.ended.is_empty() {
            self.batches.remove(&tenant);
        } else if std::mem::take(&mut batch.is_ripe) || is_left {
            self.ripen(tenant);
        }
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
        let next_ripe = line.ripening.front().map(|(until, _)| *until);
        tokio::select! {
            count = ended.recv_many(&mut new, MOST), if more_may_end => {
                more_may_end = count > 0;
                let now = Instant::now();
                new.drain(..).for_each(|ended| line.push(ended, now));
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
            () = tokio::time::sleep_until(next_ripe.unwrap_or_else(Instant::now).into()), if next_ripe.is_some() => {}
            else => return,
        }
        line.ripen_until(Instant::now());
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

    fn ended(of: TenantId, more_to_come: bool) -> Ended {
        let lease = Lease { job: JobId::fresh(), token: Uuid::new_v4() };
        Ended {
            tenant: of,
            lease,
            lane: String::new(),
            settlement: Settlement::Complete(None),
            more_to_come,
            entry: Running::default().add(of, lease, Instant::now()),
            _slot: None,
            _room: Arc::new(Semaphore::new(1)).try_acquire_owned().expect("is free"),
        }
    }

    fn last(of: u128) -> Ended {
        ended(tenant(of), false)
    }

    fn sizes(line: &mut Line) -> Vec<(TenantId, usize)> {
        std::iter::from_fn(|| line.pop()).map(|(tenant, batch)| (tenant, batch.len())).collect()
    }

    #[test]
    fn what_ends_while_others_of_its_tenant_are_written_waits_and_keeps_nobody_else_waiting() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.push(last(1), now);
        assert_eq!(sizes(&mut line), [(tenant(1), 1)]);
        for of in [1, 2, 1] {
            line.push(last(of), now);
        }
        assert_eq!(sizes(&mut line), [(tenant(2), 1)]);
        line.give_back(tenant(1), vec![last(1)]);
        assert_eq!(sizes(&mut line), [(tenant(1), 3)]);
        line.give_back(tenant(1), Vec::new());
        line.give_back(tenant(2), Vec::new());
        assert_eq!(sizes(&mut line), []);
    }

    #[test]
    fn more_than_one_statement_takes_is_written_in_turns() {
        let (mut line, now) = (Line::default(), Instant::now());
        (0..MOST + 5).for_each(|_| line.push(last(1), now));
        line.push(last(2), now);
        assert_eq!(sizes(&mut line), [(tenant(1), MOST), (tenant(2), 1)]);
        line.give_back(tenant(1), Vec::new());
        assert_eq!(sizes(&mut line), [(tenant(1), 5)]);
    }

    #[test]
    fn an_end_waits_for_those_that_come_in_a_moment_and_no_longer() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.push(ended(tenant(1), true), now);
        line.ripen_until(now);
        assert_eq!(sizes(&mut line), []);
        line.push(last(1), now);
        assert_eq!(sizes(&mut line), [(tenant(1), 2)], "the last of them has come");
        line.push(ended(tenant(1), true), now);
        line.ripen_until(now + MOMENT);
        assert_eq!(sizes(&mut line), [], "another batch is on its way");
        line.give_back(tenant(1), Vec::new());
        assert_eq!(sizes(&mut line), [(tenant(1), 1)], "its moment has passed meanwhile");
        (0..MANY).for_each(|_| line.push(ended(tenant(2), true), now));
        assert_eq!(sizes(&mut line), [(tenant(2), MANY)], "they are many");
    }
}
