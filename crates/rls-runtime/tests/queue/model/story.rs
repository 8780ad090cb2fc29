//! One story, told to the tables and to the model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rls_runtime::queue::{
    Claim, ClaimedJob, Enqueued, JobId, JobState, Lease, NewJob, Queue, Retention, Schedule, Settlement,
};
use rls_runtime::{TenantId, TenantTx, with_tenant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::oracle::{self, Claimed, Job, LEASE, Model, NARROW, SECOND, SLOTS};
use super::step::{New, Opened, Place, Step};
use super::tables::Tables;
use crate::harness::{self, Site, seconds};

type Told = Result<(), TestCaseError>;

/// A claim that a worker has made; stale ones are kept, for they must be harmless.
#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    at: Place,
    /// The model's.
    token: i64,
    /// By the worker's own reckoning.
    until: i64,
    is_settled: bool,
}

struct Worker {
    id: Uuid,
    held: Vec<Held>,
}

/// A scope that is not committed yet.
struct Open {
    at: Place,
    /// Whether who rings at this place would wait for it, and who quiets gives up.
    holds_bell: bool,
    claimed_until: Option<i64>,
    pending: Pending,
    go: oneshot::Sender<bool>,
    task: JoinHandle<sqlx::Result<()>>,
}

enum Pending {
    Enqueued(Vec<(JobId, Job)>),
    Claimed { worker: usize, jobs: Vec<ClaimedJob>, claimed: Claimed },
}

pub struct Story<'a> {
    site: &'a Site,
    queue: Queue,
    tables: &'a Tables,
    tenants: [TenantId; 2],
    lanes: [String; 2],
    model: Model,
    workers: [Worker; 2],
    open: Option<Open>,
    /// What the table said after the step before.
    before: BTreeMap<JobId, JobState>,
}

fn worker() -> Worker {
    Worker { id: Uuid::new_v4(), held: Vec::new() }
}

fn settlement(how: usize) -> Settlement {
    match how {
        0 => Settlement::Complete(None),
        1 => Settlement::Retry { after: seconds(10), error: "failed".to_owned() },
        2 => Settlement::Discard { error: "failed".to_owned() },
        3 => Settlement::Cancel { reason: "cancelled".to_owned() },
        4 => Settlement::Snooze(seconds(20)),
        _ => Settlement::Release,
    }
}

async fn told_to_commit(go: oneshot::Receiver<bool>) -> sqlx::Result<()> {
    if go.await == Ok(true) { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

fn name(name: usize) -> String {
    format!("schedule {name}")
}

impl<'a> Story<'a> {
    /// With a queue that keeps what is completed, or with one that forgets it.
    pub fn begin(site: &'a Site, tables: &'a Tables, forgets: bool) -> Story<'a> {
        let now = i64::try_from(site.now_in_micros()).expect("it is not that late");
        Story {
            queue: if forgets { site.queue.clone().forget_completed() } else { site.queue.clone() },
            site,
            tables,
            tenants: [(); 2].map(|()| TenantId::new(Uuid::new_v4())),
            // Slots know no tenant, so each story has a lane of its own for them.
            lanes: [harness::LANE.to_owned(), format!("narrow-{}", Uuid::new_v4())],
            model: Model { now, forgets, ..Model::default() },
            workers: [worker(), worker()],
            open: None,
            before: BTreeMap::new(),
        }
    }

    pub async fn end(mut self) -> Told {
        self.tell(&Step::Close { commit: true }).await?;
        self.tables.forget(&self.tenants).await;
        Ok(())
    }

    pub async fn tell(&mut self, step: &Step) -> Told {
        let mut requeued = None;
        match step {
            Step::Enqueue { at, new } => self.enqueue(*at, new).await?,
            Step::Claim { worker, at, limit, at_once } => self.claim(*worker, *at, *limit, *at_once).await?,
            Step::Settle { worker, which, hows } => self.settle(*worker, *which, hows).await?,
            Step::Beat { worker } => self.beat(*worker).await?,
            Step::Progress { worker, which, percent } => self.progress(*worker, *which, *percent).await?,
            Step::Die { worker: which } => self.workers[*which] = worker(),
            Step::Advance { by } => self.advance(*by).await?,
            Step::Cancel { which } => self.cancel(*which).await?,
            Step::Requeue { which } => requeued = self.requeue(*which).await?,
            Step::Prune { tenant, age } => self.prune(*tenant, *age).await?,
            Step::Heal { tenant } => {
                let healed = self.scope(*tenant, async |mut tx| self.queue.heal(&mut tx).await).await;
                prop_assert_eq!(healed, 0, "nothing was broken");
            }
            Step::Put { tenant, name, minutes } => self.put(*tenant, *name, *minutes).await?,
            Step::Pause { tenant, name } => self.pause(*tenant, *name).await?,
            Step::Resume { tenant, name } => self.resume(*tenant, *name).await?,
            Step::Remove { tenant, name } => self.remove(*tenant, *name).await?,
            Step::Tick { tenant } => self.tick(*tenant).await?,
            Step::Open(opened) => self.open(opened).await?,
            Step::Close { commit } => self.close(*commit).await?,
        }
        self.compare(requeued).await
    }

    async fn advance(&mut self, by: u64) -> Told {
        let later = self.model.now + by as i64 * SECOND;
        // A worker drops a claim that takes longer than its lease.
        if self.open.as_ref().is_some_and(|open| open.claimed_until.is_some_and(|until| until <= later)) {
            self.close(false).await?;
        }
        self.site.clock.advance(seconds(by));
        self.model.now = later;
        Ok(())
    }

    async fn scope<F, Fut, T>(&self, tenant: usize, work: F) -> T
    where
        F: FnOnce(TenantTx) -> Fut,
        Fut: Future<Output = sqlx::Result<T>>,
    {
        with_tenant(&self.site.pool, self.tenants[tenant], work).await.expect("the scope commits")
    }

    /// Whether who rings there would have to wait for the open scope.
    fn rings_in_vain(&self, at: Place) -> bool {
        self.open.as_ref().is_some_and(|open| open.at == at && open.holds_bell)
    }

    fn to_enqueue(&self, at: Place, new: &New) -> NewJob {
        let mut job = NewJob::new(&self.lanes[at.1], "x", &()).expect("it is JSON");
        job = job.priority(new.priority).max_attempts(new.max_attempts);
        job = if new.delay > 0 { job.run_in(seconds(new.delay)) } else { job };
        if let Some((key, on_conflict)) = new.key { job.unique_key_or(key.to_string(), on_conflict) } else { job }
    }

    fn all_to_enqueue(&self, at: Place, new: &[New]) -> Vec<NewJob> {
        new.iter().map(|new| self.to_enqueue(at, new)).collect()
    }

    async fn enqueue(&mut self, at: Place, new: &[New]) -> Told {
        if self.rings_in_vain(at) || new.iter().any(|new| self.replaces_locked(at, new)) {
            return Ok(());
        }
        let jobs = self.all_to_enqueue(at, new);
        let enqueued = self.scope(at.0, async |mut tx| self.queue.enqueue_many(&mut tx, &jobs).await).await;
        // Those without a key go first.
        let (without, with): (Vec<_>, Vec<_>) = new.iter().zip(enqueued).partition(|(new, _)| new.key.is_none());
        for (ordinal, (new, enqueued)) in (0..).zip(without) {
            self.model.jobs.insert(enqueued.id(), Job::new(self.model.now, at, new, ordinal));
            prop_assert!(matches!(enqueued, Enqueued::New(_)));
        }
        for (new, enqueued) in with {
            let (job, (_, on_conflict)) = (Job::new(self.model.now, at, new, 0), new.key.expect("it has one"));
            self.enqueued_with_key(job, on_conflict, enqueued)?;
        }
        Ok(())
    }

    fn replaces_locked(&self, at: Place, new: &New) -> bool {
        let key = new.key.map(|(key, _)| key.to_string());
        self.model.with_key(at.0, key.as_deref()).is_some_and(|older| self.model.locked.contains(&older))
    }

    fn enqueued_with_key(&mut self, job: Job, on_conflict: rls_runtime::queue::OnConflict, enqueued: Enqueued) -> Told {
        let Some(older) = self.model.with_key(job.at.0, job.key.as_deref()) else {
            prop_assert!(matches!(enqueued, Enqueued::New(_)));
            self.model.jobs.insert(enqueued.id(), job);
            return Ok(());
        };
        if self.model.replaces(older, on_conflict) {
            prop_assert_eq!(enqueued, Enqueued::Replaced(older));
            let token = self.model.jobs[&older].token;
            self.model.jobs.insert(older, Job { token, ..job });
        } else {
            prop_assert_eq!(enqueued, Enqueued::Kept(older));
        }
        Ok(())
    }

    /// How many slots of the narrow lane a worker needs for what it believes to run.
    fn used(&self, worker: usize) -> i64 {
        let runs = |held: &&Held| held.at.1 == NARROW && !held.is_settled && held.until > self.model.now;
        self.workers[worker].held.iter().filter(runs).count() as i64
    }

    /// As a worker does for a lane with a limit over all workers.
    async fn hold(&mut self, worker: usize, wanted: i64) -> Result<i64, TestCaseError> {
        let (id, now, lane) = (self.workers[worker].id, self.model.now, self.lanes[NARROW].clone());
        let hold = "SELECT rls_lane_hold($1, $2, $3, $4, 'epoch'::timestamptz + $5 * interval '1 microsecond',
                                         $6 * interval '1 microsecond')";
        let held: i32 = self
            .scope(0, async |mut tx| {
                let hold = sqlx::query_scalar(hold).bind(lane).bind(id).bind(wanted as i32).bind(SLOTS as i32);
                hold.bind(now).bind(LEASE).fetch_one(&mut *tx).await
            })
            .await;
        prop_assert_eq!(i64::from(held), self.model.hold(id, wanted));
        Ok(i64::from(held))
    }

    async fn shrink(&mut self, worker: usize) -> Told {
        let used = self.used(worker);
        let holds = self.model.slots.get(&self.workers[worker].id).map_or(0, |(held, _)| *held);
        if holds > used {
            let held = self.hold(worker, used).await?;
            prop_assert_eq!(held, used, "as many slots as live leases");
        }
        Ok(())
    }

    async fn claim(&mut self, worker: usize, at: Place, limit: u32, at_once: Option<u32>) -> Told {
        if self.rings_in_vain(at) && self.model.has_expired(at) {
            return Ok(());
        }
        let mut limit = limit;
        if at.1 == NARROW {
            let used = self.used(worker);
            let room = self.hold(worker, used + i64::from(limit)).await? - used;
            prop_assert!(room >= 0, "slots last as long as the leases in them");
            limit = u32::try_from(room).expect("it is few");
        }
        if limit > 0 {
            let mut claim = Claim::new(&self.lanes[at.1], limit).lease(harness::LEASE);
            if let Some(at_once) = at_once {
                claim = claim.at_once(at_once);
            }
            let jobs = self.site.claim(self.tenants[at.0], &claim).await;
            let claimed = self.model.claim(at, limit, at_once);
            self.claimed(worker, at, &jobs, claimed)?;
            if jobs.len() < limit as usize && !self.rings_in_vain(at) {
                let agrees = self.tables.doorbell_agrees(self.tenants[at.0], &self.lanes[at.1]).await;
                prop_assert_ne!(agrees, Some(false), "it rings when the next job is due, and not before");
                let something_is_due = self.model.at(at).any(|(_, job)| job.is_due(self.model.now));
                prop_assert_eq!(self.rings(at).await, something_is_due);
            }
        }
        if at.1 == NARROW { self.shrink(worker).await } else { Ok(()) }
    }

    fn claimed(&mut self, worker: usize, at: Place, jobs: &[ClaimedJob], claimed: Claimed) -> Told {
        let ids: Vec<JobId> = jobs.iter().map(|job| job.lease.job()).collect();
        prop_assert_eq!(&ids, &claimed.picked);
        self.model.jobs.extend(claimed.changed);
        for job in jobs {
            let id = job.lease.job();
            let (token, until) = (self.model.jobs[&id].token, self.model.jobs[&id].due.unwrap_or_default());
            self.workers[worker].held.push(Held { lease: job.lease, at, token, until, is_settled: false });
        }
        Ok(())
    }

    async fn rings(&self, at: Place) -> bool {
        let lanes = [self.lanes[at.1].clone()];
        let due = self.queue.due(&self.site.pool, &lanes, None, u32::MAX).await.expect("reads");
        due.iter().any(|due| due.tenant == self.tenants[at.0])
    }

    /// Several of one tenant in one statement, the stale among them.
    async fn settle(&mut self, worker: usize, which: usize, hows: &[usize]) -> Told {
        let Some(first) = which.checked_rem(self.workers[worker].held.len()) else { return Ok(()) };
        let tenant = self.workers[worker].held[first].at.0;
        let of_tenant = |(_, held): &(usize, &Held)| held.at.0 == tenant;
        let places: Vec<usize> = self.workers[worker]
            .held
            .iter()
            .enumerate()
            .skip(first)
            .filter(of_tenant)
            .map(|(place, _)| place)
            .take(hows.len())
            .collect();
        let chosen: Vec<Held> = places.iter().map(|place| self.workers[worker].held[*place].clone()).collect();
        let is_locked = |held: &Held| self.model.locked.contains(&held.lease.job());
        if chosen.iter().any(|held| is_locked(held) || self.rings_in_vain(held.at)) {
            return Ok(());
        }
        let ended: Vec<_> = chosen.iter().zip(hows).map(|(held, how)| (held.lease, settlement(*how))).collect();
        let settled = self.scope(tenant, async |mut tx| self.queue.settle_many(&mut tx, &ended).await).await;
        let expected: Vec<_> =
            chosen.iter().zip(hows).map(|(held, how)| self.model.settle(held.lease.job(), held.token, *how)).collect();
        prop_assert_eq!(settled, expected);
        for place in places {
            self.workers[worker].held[place].is_settled = true;
        }
        let model = &self.model;
        self.before.retain(|id, _| model.jobs.contains_key(id));
        if chosen.iter().any(|held| held.at.1 == NARROW) { self.shrink(worker).await } else { Ok(()) }
    }

    /// First the slots and then the leases, as the heart does.
    async fn beat(&mut self, worker: usize) -> Told {
        let (id, until) = (self.workers[worker].id, self.model.now + LEASE);
        let keep = "UPDATE rls_lane_slots SET held_until = 'epoch'::timestamptz + $2 * interval '1 microsecond'
                    WHERE worker = $1";
        self.scope(0, async |mut tx| sqlx::query(keep).bind(id).bind(until).execute(&mut *tx).await).await;
        self.model.keep_slots(id);
        for tenant in 0..2 {
            // What has run out a worker gives up by itself, though nobody may have noticed yet.
            let is_given_up =
                |held: &&Held| held.until <= self.model.now && self.model.holds(held.lease.job(), held.token);
            let of_tenant = self.workers[worker].held.iter().filter(|held| held.at.0 == tenant);
            let held: Vec<Held> = of_tenant.filter(|held| !is_given_up(held)).cloned().collect();
            let leases: Vec<Lease> = held.iter().map(|held| held.lease).collect();
            let beats =
                self.scope(tenant, async |mut tx| self.queue.heartbeat(&mut tx, &leases, harness::LEASE).await).await;
            let expected: Vec<_> = held.iter().map(|held| self.model.beat(held.lease.job(), held.token)).collect();
            prop_assert_eq!(beats, expected);
        }
        for held in &mut self.workers[worker].held {
            if self.model.holds(held.lease.job(), held.token) {
                held.until = self.model.jobs[&held.lease.job()].due.unwrap_or_default();
            }
        }
        Ok(())
    }

    async fn progress(&mut self, worker: usize, which: usize, percent: u8) -> Told {
        let Some(place) = which.checked_rem(self.workers[worker].held.len()) else { return Ok(()) };
        let Held { lease, at, token, .. } = self.workers[worker].held[place].clone();
        if self.model.locked.contains(&lease.job()) {
            return Ok(());
        }
        let noted = self.scope(at.0, async |mut tx| self.queue.progress(&mut tx, lease, percent).await).await;
        let job = self.model.jobs.get_mut(&lease.job()).filter(|job| job.holds(token));
        prop_assert_eq!(noted, job.is_some());
        if let Some(job) = job {
            job.progress = i64::from(percent);
        }
        Ok(())
    }

    fn nth(&self, which: usize) -> Option<(JobId, Place)> {
        let place = which.checked_rem(self.model.jobs.len())?;
        self.model
            .jobs
            .iter()
            .nth(place)
            .map(|(id, job)| (*id, job.at))
            .filter(|(id, _)| !self.model.locked.contains(id))
    }

    async fn cancel(&mut self, which: usize) -> Told {
        let Some((id, at)) = self.nth(which) else { return Ok(()) };
        let cancelled = self.scope(at.0, async |mut tx| self.queue.cancel(&mut tx, id).await).await;
        prop_assert_eq!(cancelled, self.model.cancel(id));
        Ok(())
    }

    /// Which job has another life now.
    async fn requeue(&mut self, which: usize) -> Result<Option<JobId>, TestCaseError> {
        let Some((id, at)) = self.nth(which) else { return Ok(None) };
        // Whether the key of a job that an open scope holds is free, that scope says when it ends.
        let rival = self.model.with_key(at.0, self.model.jobs[&id].key.as_deref());
        if self.rings_in_vain(at) || rival.is_some_and(|rival| self.model.locked.contains(&rival)) {
            return Ok(None);
        }
        let queue = &self.queue;
        let requeued =
            with_tenant(&self.site.pool, self.tenants[at.0], async |mut tx| queue.requeue(&mut tx, id).await).await;
        prop_assert_eq!(requeued.as_ref().ok().copied(), self.model.requeue(id), "{:?}", requeued);
        Ok(requeued.is_ok_and(|requeued| requeued).then_some(id))
    }

    async fn prune(&mut self, tenant: usize, age: u64) -> Told {
        let retention = Retention::new().completed(seconds(age)).dead(seconds(age));
        let pruned = self.scope(tenant, async |mut tx| self.queue.prune(&mut tx, &retention).await).await;
        prop_assert_eq!(pruned, self.model.prune(tenant, age as i64 * SECOND));
        let model = &self.model;
        self.before.retain(|id, _| model.jobs.contains_key(id));
        Ok(())
    }

    async fn put(&mut self, tenant: usize, which: usize, minutes: i64) -> Told {
        let cron = if minutes == 1 { "* * * * *".to_owned() } else { format!("*/{minutes} * * * *") };
        let job = NewJob::new(&self.lanes[0], "x", &()).expect("it is JSON");
        let schedule = Schedule::new(name(which), &cron, "UTC", job).expect("it can be read");
        self.scope(tenant, async |mut tx| self.queue.put_schedule(&mut tx, &schedule).await).await;
        self.model.put(tenant, &name(which), minutes);
        Ok(())
    }

    async fn pause(&mut self, tenant: usize, which: usize) -> Told {
        let queue = &self.queue;
        let paused = self.scope(tenant, async |mut tx| queue.pause_schedule(&mut tx, &name(which)).await).await;
        prop_assert_eq!(paused, self.model.pause(tenant, &name(which)));
        Ok(())
    }

    async fn resume(&mut self, tenant: usize, which: usize) -> Told {
        let queue = &self.queue;
        let resumed = self.scope(tenant, async |mut tx| queue.resume_schedule(&mut tx, &name(which)).await).await;
        prop_assert_eq!(resumed, self.model.resume(tenant, &name(which)));
        Ok(())
    }

    async fn remove(&mut self, tenant: usize, which: usize) -> Told {
        let queue = &self.queue;
        let removed = self.scope(tenant, async |mut tx| queue.remove_schedule(&mut tx, &name(which)).await).await;
        prop_assert_eq!(removed, self.model.schedules.remove(&(tenant, name(which))).is_some());
        Ok(())
    }

    async fn tick(&mut self, tenant: usize) -> Told {
        if self.rings_in_vain((tenant, 0)) {
            return Ok(());
        }
        let ticked = self.scope(tenant, async |mut tx| self.queue.tick(&mut tx).await).await;
        let expected = self.model.tick(tenant);
        prop_assert_eq!(ticked.len(), expected.len(), "one job for each schedule whose time has come");
        for (id, job) in ticked.into_iter().zip(expected) {
            prop_assert!(!self.model.jobs.contains_key(&id), "one job for each tick");
            self.model.jobs.insert(id, job);
        }
        let quiet = [oracle_next(&self.model, tenant)].into_iter().flatten().all(|next| next > self.model.now);
        prop_assert!(quiet);
        Ok(())
    }

    async fn open(&mut self, opened: &Opened) -> Told {
        if self.open.is_none() {
            self.open = Some(match opened {
                Opened::Enqueue { at, new } => self.open_enqueue(*at, new).await,
                // Slots are not for those who leave scopes open.
                Opened::Claim { worker, at, limit } => self.open_claim(*worker, (at.0, 0), *limit).await,
            });
        }
        Ok(())
    }

    /// In a task of its own, for the story goes on.
    async fn open_enqueue(&self, at: Place, new: &[New]) -> Open {
        let ((done, is_done), (go, gone)) = (oneshot::channel(), oneshot::channel());
        let (pool, queue, tenant) = (self.site.pool.clone(), self.queue.clone(), self.tenants[at.0]);
        let jobs = self.all_to_enqueue(at, new);
        let enqueue = async move |mut tx: TenantTx| {
            done.send(queue.enqueue_many(&mut tx, &jobs).await?).ok();
            told_to_commit(gone).await
        };
        let task = tokio::spawn(async move { with_tenant(&pool, tenant, enqueue).await });
        let enqueued: Vec<Enqueued> = is_done.await.expect("it enqueues");
        let jobs = (0..).zip(new).map(|(ordinal, new)| Job::new(self.model.now, at, new, ordinal));
        let pending = Pending::Enqueued(enqueued.into_iter().map(Enqueued::id).zip(jobs).collect());
        Open { at, holds_bell: true, claimed_until: None, pending, go, task }
    }

    async fn open_claim(&mut self, worker: usize, at: Place, limit: u32) -> Open {
        let ((done, is_done), (go, gone)) = (oneshot::channel(), oneshot::channel());
        let (pool, queue, tenant) = (self.site.pool.clone(), self.queue.clone(), self.tenants[at.0]);
        let claim = Claim::new(&self.lanes[at.1], limit).lease(harness::LEASE);
        let claim = async move |mut tx: TenantTx| {
            done.send(queue.claim(&mut tx, &claim).await?).ok();
            told_to_commit(gone).await
        };
        let task = tokio::spawn(async move { with_tenant(&pool, tenant, claim).await });
        let jobs: Vec<ClaimedJob> = is_done.await.expect("it claims");
        let claimed = self.model.claim(at, limit, None);
        self.model.locked.extend(claimed.changed.keys());
        let holds_bell = claimed.reclaims || jobs.len() < limit as usize;
        let (claimed_until, pending) = (Some(self.model.now + LEASE), Pending::Claimed { worker, jobs, claimed });
        Open { at, holds_bell, claimed_until, pending, go, task }
    }

    async fn close(&mut self, commit: bool) -> Told {
        let Some(open) = self.open.take() else { return Ok(()) };
        open.go.send(commit).ok();
        let ended = open.task.await.expect("no panic");
        prop_assert_eq!(ended.is_ok(), commit);
        self.model.locked.clear();
        match open.pending {
            _ if !commit => Ok(()),
            Pending::Enqueued(jobs) => {
                self.model.jobs.extend(jobs);
                Ok(())
            }
            Pending::Claimed { worker, jobs, claimed } => self.claimed(worker, open.at, &jobs, claimed),
        }
    }

    async fn compare(&mut self, requeued: Option<JobId>) -> Told {
        let found = self.tables.jobs(&self.tenants).await;
        prop_assert_eq!(
            found.iter().map(|job| job.id).collect::<Vec<_>>(),
            self.model.jobs.keys().copied().collect::<Vec<_>>()
        );
        for (row, (id, job)) in found.iter().zip(&self.model.jobs) {
            prop_assert_eq!((&row.lane, &row.state), (&self.lanes[job.at.1], &job.state.to_string()), "{}", id);
            prop_assert_eq!((i64::from(row.attempt), i64::from(row.progress)), (job.attempt, job.progress), "{}", id);
            prop_assert_eq!((row.due, row.finished, row.cancel), (job.due, job.finished, job.cancel), "{}", id);
            prop_assert_eq!(&row.key, &job.key, "{}", id);
            prop_assert!(job.due.is_none() || row.rank == job.rank, "{}", id);
            let leases = self.workers.iter().flat_map(|worker| &worker.held).filter(|held| row.is_held_by(held.lease));
            prop_assert!(leases.count() <= 1, "two live leases on {}", id);
            let before =
                self.before.insert(*id, job.state).filter(|before| before.has_ended() && requeued != Some(*id));
            prop_assert!(before.is_none_or(|before| before == job.state), "{} has ended twice", id);
        }
        prop_assert_eq!(self.tables.twins(&self.tenants).await, 0, "a unique key is live twice");
        prop_assert_eq!(self.tables.late_doorbells(&self.tenants).await, 0, "a doorbell would ring too late");
        self.compare_slots().await
    }

    async fn compare_slots(&self) -> Told {
        let slots = self.tables.slots(&self.lanes[NARROW]).await;
        let found: BTreeMap<Uuid, (i64, i64)> =
            slots.into_iter().map(|(worker, held, until)| (worker, (held, until))).collect();
        prop_assert_eq!(&found, &self.model.slots);
        let now = self.model.now;
        let running =
            self.model.jobs.values().filter(|job| job.at.1 == NARROW && job.runs() && !job.is_due(now)).count();
        let held: i64 = found.values().filter(|(_, until)| *until > now).map(|(held, _)| held).sum();
        prop_assert!(running as i64 <= held && held <= SLOTS, "{} run in {} slots", running, held);
        Ok(())
    }
}

/// When the next schedule of a tenant ticks.
fn oracle_next(model: &oracle::Model, tenant: usize) -> Option<i64> {
    model.schedules.iter().filter(|((of, _), _)| *of == tenant).filter_map(|(_, schedule)| schedule.next).min()
}
