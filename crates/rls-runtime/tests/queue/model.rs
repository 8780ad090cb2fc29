//! Two workers and a clock that jumps against a model of the queue: after every step the table must say what the model says.
//!
//! `RLS_MODEL_CASES` sets how many stories are told, 24 unless told.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rls_runtime::queue::{
    Claim, ClaimedJob, Enqueued, Heartbeat, JobId, JobState, NewJob, OnConflict, Settled, Settlement,
};
use rls_runtime::{TenantId, with_tenant};
use sqlx::Row;

use crate::harness::{LANE, LEASE, Site, seconds};

#[derive(Debug, Clone)]
enum Step {
    Enqueue { priority: i16, delay: u64, max_attempts: u16, key: Option<u8>, on_conflict: OnConflict },
    Claim { worker: usize, limit: u32 },
    Settle { worker: usize, which: usize, how: usize },
    Beat { worker: usize },
    Advance { by: u64 },
    Cancel { which: usize },
    Requeue { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let on_conflict = prop_oneof![Just(OnConflict::Keep), Just(OnConflict::Replace)];
    let enqueue =
        (-2..=2_i16, prop_oneof![3 => Just(0_u64), 1 => 1..60_u64], 1..=3_u16, prop::option::of(0..2_u8), on_conflict)
            .prop_map(|(priority, delay, max_attempts, key, on_conflict)| Step::Enqueue {
                priority,
                delay,
                max_attempts,
                key,
                on_conflict,
            });
    prop_oneof![
        3 => enqueue,
        4 => (0..2_usize, 1..=3_u32).prop_map(|(worker, limit)| Step::Claim { worker, limit }),
        4 => (0..2_usize, any::<usize>(), 0..6_usize).prop_map(|(worker, which, how)| Step::Settle { worker, which, how }),
        1 => (0..2_usize).prop_map(|worker| Step::Beat { worker }),
        3 => (1..45_u64).prop_map(|by| Step::Advance { by }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        1 => any::<usize>().prop_map(|which| Step::Requeue { which }),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Job {
    state: JobState,
    priority: i64,
    rank: i64,
    due: Option<i64>,
    attempt: i64,
    max_attempts: i64,
    /// Counts the claims, as the table's random token cannot.
    token: i64,
    cancel: bool,
    key: Option<u8>,
}

/// What the table should say. Ids sort by the time of their making, as the map does.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    jobs: BTreeMap<JobId, Job>,
}

impl Job {
    fn new(now: i64, priority: i16, delay: u64, max_attempts: u16, key: Option<u8>) -> Job {
        let (due, priority) = (now + delay as i64, i64::from(priority));
        Job {
            state: if delay == 0 { JobState::Available } else { JobState::Scheduled },
            priority,
            rank: due - priority * 60,
            due: Some(due),
            attempt: 0,
            max_attempts: i64::from(max_attempts),
            token: 0,
            cancel: false,
            key,
        }
    }

    fn move_to(&mut self, state: JobState, at: i64) {
        self.state = state;
        self.rank = at - self.priority * 60;
        self.due = (!state.has_ended()).then_some(at);
    }

    fn is_due(&self, now: i64) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Another attempt, if there is one and nobody minds.
    fn after_failure(&self) -> JobState {
        match (self.cancel, self.attempt >= self.max_attempts) {
            (true, _) => JobState::Cancelled,
            (_, true) => JobState::Discarded,
            _ => JobState::Retryable,
        }
    }
}

impl Model {
    fn claim(&mut self, limit: u32) -> Vec<JobId> {
        let now = self.now;
        let mut line: Vec<(i64, JobId)> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.state != JobState::Executing && job.is_due(now))
            .map(|(id, job)| (job.rank, *id))
            .collect();
        line.sort();
        for job in self.jobs.values_mut().filter(|job| job.state == JobState::Executing && job.is_due(now)) {
            job.move_to(job.after_failure(), now);
        }
        let picked: Vec<JobId> = line.into_iter().map(|(_, id)| id).take(limit as usize).collect();
        for id in &picked {
            let job = self.jobs.get_mut(id).expect("it was listed");
            job.state = JobState::Executing;
            job.attempt += 1;
            job.token += 1;
            job.due = Some(now + LEASE.as_secs() as i64);
        }
        picked
    }

    fn settle(&mut self, id: JobId, token: i64, how: usize) -> Settled {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it was claimed");
        if job.state != JobState::Executing || job.token != token {
            return Settled::LeaseLost;
        }
        let waiting = |job: &Job, state| if job.cancel { JobState::Cancelled } else { state };
        let (state, at) = match how {
            0 => (JobState::Completed, now),
            1 => (job.after_failure(), now + 10),
            2 => (JobState::Discarded, now),
            3 => (JobState::Cancelled, now),
            4 => (waiting(job, JobState::Scheduled), now + 20),
            _ => (waiting(job, JobState::Available), now),
        };
        if how >= 4 {
            job.attempt -= 1;
        }
        job.move_to(state, at);
        Settled::Done(state)
    }

    fn with_key(&self, key: Option<u8>) -> Option<JobId> {
        let same = |job: &Job| key.is_some() && job.key == key && !job.state.has_ended();
        self.jobs.iter().find(|(_, job)| same(job)).map(|(id, _)| *id)
    }

    fn nth(&self, which: usize) -> Option<JobId> {
        self.jobs.keys().nth(which.checked_rem(self.jobs.len())?).copied()
    }
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

/// One story, told to the table and to the model.
struct Story<'a> {
    site: &'a Site,
    tenant: TenantId,
    model: Model,
    /// The claims of two workers, with the model's tokens; stale ones are kept, for they must be harmless.
    held: [Vec<(ClaimedJob, i64)>; 2],
}

impl Story<'_> {
    async fn tell(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Enqueue { priority, delay, max_attempts, key, on_conflict } => {
                let mut new =
                    NewJob::new(LANE, "x", &()).expect("it is JSON").priority(priority).max_attempts(max_attempts);
                new = if delay > 0 { new.run_in(seconds(delay)) } else { new };
                new = if let Some(key) = key { new.unique_key_or(key.to_string(), on_conflict) } else { new };
                self.enqueue(&new, Job::new(self.model.now, priority, delay, max_attempts, key), on_conflict).await?;
            }
            Step::Claim { worker, limit } => self.claim(worker, limit).await?,
            Step::Settle { worker, which, how } => {
                if let Some(place) = which.checked_rem(self.held[worker].len()) {
                    let (job, token) = self.held[worker][place].clone();
                    let settled = self.site.settle(&job, settlement(how)).await;
                    prop_assert_eq!(settled, self.model.settle(job.lease.job(), token, how));
                }
            }
            Step::Beat { worker } => self.beat(worker).await?,
            Step::Advance { by } => {
                self.site.clock.advance(seconds(by));
                self.model.now += by as i64;
            }
            Step::Cancel { which } => self.cancel(which).await?,
            Step::Requeue { which } => self.requeue(which).await?,
        }
        self.compare().await
    }

    async fn enqueue(&mut self, new: &NewJob, job: Job, on_conflict: OnConflict) -> Result<(), TestCaseError> {
        let queue = &self.site.queue;
        let enqueued =
            with_tenant(&self.site.pool, self.tenant, async |mut tx| queue.enqueue(&mut tx, new).await).await;
        let enqueued = enqueued.expect("enqueues");
        let Some(older) = self.model.with_key(job.key) else {
            prop_assert!(matches!(enqueued, Enqueued::New(_)));
            self.model.jobs.insert(enqueued.id(), job);
            return Ok(());
        };
        let replaceable = self.model.jobs[&older].state != JobState::Executing;
        if on_conflict == OnConflict::Replace && replaceable {
            prop_assert_eq!(enqueued, Enqueued::Replaced(older));
            let token = self.model.jobs[&older].token;
            self.model.jobs.insert(older, Job { token, ..job });
        } else {
            prop_assert_eq!(enqueued, Enqueued::Kept(older));
        }
        Ok(())
    }

    async fn claim(&mut self, worker: usize, limit: u32) -> Result<(), TestCaseError> {
        let claimed = self.site.claim(self.tenant, &Claim::new(LANE, limit).lease(LEASE)).await;
        let ids: Vec<JobId> = claimed.iter().map(|job| job.lease.job()).collect();
        prop_assert_eq!(&ids, &self.model.claim(limit));
        for job in claimed {
            let token = self.model.jobs[&job.lease.job()].token;
            self.held[worker].push((job, token));
        }
        if ids.len() < limit as usize {
            prop_assert_eq!(self.rings().await, self.model.jobs.values().any(|job| job.is_due(self.model.now)));
        }
        Ok(())
    }

    async fn beat(&mut self, worker: usize) -> Result<(), TestCaseError> {
        let leases: Vec<_> = self.held[worker].iter().map(|(job, _)| job.lease).collect();
        let queue = &self.site.queue;
        let beats =
            with_tenant(&self.site.pool, self.tenant, async |mut tx| queue.heartbeat(&mut tx, &leases, LEASE).await)
                .await;
        let mut expected = Vec::new();
        for (job, token) in &self.held[worker] {
            let job = self.model.jobs.get_mut(&job.lease.job()).expect("it was claimed");
            expected.push(match job.state == JobState::Executing && job.token == *token {
                false => Heartbeat::LeaseLost,
                true if job.cancel => Heartbeat::CancelRequested,
                true => Heartbeat::Held,
            });
            if expected.last() != Some(&Heartbeat::LeaseLost) {
                job.due = job.due.max(Some(self.model.now + LEASE.as_secs() as i64));
            }
        }
        prop_assert_eq!(beats.expect("beats"), expected);
        Ok(())
    }

    async fn cancel(&mut self, which: usize) -> Result<(), TestCaseError> {
        let Some(id) = self.model.nth(which) else { return Ok(()) };
        let queue = &self.site.queue;
        let cancelled = with_tenant(&self.site.pool, self.tenant, async |mut tx| queue.cancel(&mut tx, id).await).await;
        let job = self.model.jobs.get_mut(&id).expect("it was listed");
        let expected = match job.state {
            ended if ended.has_ended() => None,
            JobState::Executing => Some(JobState::Executing),
            _ => Some(JobState::Cancelled),
        };
        prop_assert_eq!(cancelled.expect("cancels"), expected);
        if let Some(state) = expected {
            job.cancel = true;
            job.state = state;
            job.due = job.due.filter(|_| state == JobState::Executing);
        }
        Ok(())
    }

    async fn requeue(&mut self, which: usize) -> Result<(), TestCaseError> {
        let Some(id) = self.model.nth(which) else { return Ok(()) };
        let taken = self.model.with_key(self.model.jobs[&id].key).is_some();
        let queue = &self.site.queue;
        let requeued = with_tenant(&self.site.pool, self.tenant, async |mut tx| queue.requeue(&mut tx, id).await).await;
        let now = self.model.now;
        let job = self.model.jobs.get_mut(&id).expect("it was listed");
        let is_dead = matches!(job.state, JobState::Cancelled | JobState::Discarded);
        if is_dead && taken {
            prop_assert!(requeued.is_err(), "another one has the key by now");
            return Ok(());
        }
        prop_assert_eq!(requeued.expect("requeues"), is_dead);
        if is_dead {
            job.move_to(JobState::Available, now);
            (job.attempt, job.cancel) = (0, false);
        }
        Ok(())
    }

    async fn rings(&self) -> bool {
        // Other stories have left work behind.
        let due = self.site.queue.due(&self.site.pool, &[LANE.to_owned()], None, u32::MAX).await.expect("reads");
        due.iter().any(|due| due.tenant == self.tenant)
    }

    async fn compare(&self) -> Result<(), TestCaseError> {
        let rows = with_tenant(&self.site.pool, self.tenant, async |mut tx| {
            let all = "SELECT id, state, attempt, cancel_requested FROM rls_jobs ORDER BY id";
            sqlx::query(all).fetch_all(&mut *tx).await
        })
        .await
        .expect("reads");
        let found: Vec<(JobId, String, i32, bool)> =
            rows.iter().map(|row| (JobId::new(row.get(0)), row.get(1), row.get(2), row.get(3))).collect();
        let expected: Vec<_> = self
            .model
            .jobs
            .iter()
            .map(|(id, job)| (*id, job.state.to_string(), job.attempt as i32, job.cancel))
            .collect();
        prop_assert_eq!(found, expected);
        let something_is_due = self.model.jobs.values().any(|job| job.is_due(self.model.now));
        prop_assert!(!something_is_due || self.rings().await, "the doorbell rings too late");
        Ok(())
    }
}

#[test]
fn the_table_says_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let site = runtime.block_on(Site::new());
    let cases = std::env::var("RLS_MODEL_CASES").map_or(24, |text| text.parse().expect("RLS_MODEL_CASES is a number"));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let told = runner.run(&vec(step(), 1..60), |steps| {
        let tenant = TenantId::new(uuid::Uuid::new_v4());
        let mut story = Story { site: &site, tenant, model: Model::default(), held: [Vec::new(), Vec::new()] };
        runtime.block_on(async {
            for step in &steps {
                story.tell(step).await?;
            }
            Ok(())
        })
    });
    if let Err(error) = told {
        panic!("{error}");
    }
}
