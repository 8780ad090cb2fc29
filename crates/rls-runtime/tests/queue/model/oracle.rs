//! What the tables should say, in microseconds since 1970, and what each operation should answer.

use std::collections::{BTreeMap, BTreeSet};

use rls_runtime::queue::{Heartbeat, JobId, JobState, OnConflict, Settled};

use super::step::{New, Place};

pub const LEASE: i64 = 30 * SECOND;
pub const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// The lane whose slots all workers share, and how many these are.
pub const NARROW: usize = 1;
pub const SLOTS: i64 = 2;

#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub at: Place,
    pub state: JobState,
    pub priority: i64,
    pub rank: i64,
    pub due: Option<i64>,
    pub finished: Option<i64>,
    pub attempt: i64,
    pub max_attempts: i64,
    /// Counts the claims, as the table's random token cannot.
    pub token: i64,
    pub cancel: bool,
    pub progress: i64,
    pub key: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub minutes: i64,
    pub paused: bool,
    pub next: Option<i64>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub now: i64,
    /// Whether what is completed is deleted.
    pub forgets: bool,
    /// Ids sort by the time of their making, as in the table.
    pub jobs: BTreeMap<JobId, Job>,
    pub schedules: BTreeMap<(usize, String), Schedule>,
    /// Of each worker: how many slots of the narrow lane, and until when.
    pub slots: BTreeMap<uuid::Uuid, (i64, i64)>,
    /// Rows that an open scope holds: others pass them by.
    pub locked: BTreeSet<JobId>,
}

/// What a claim does to jobs: committed with its scope, or not at all.
#[derive(Debug, Default, Clone)]
pub struct Claimed {
    pub picked: Vec<JobId>,
    pub changed: BTreeMap<JobId, Job>,
    pub reclaims: bool,
}

impl Job {
    pub fn new(now: i64, at: Place, new: &New, ordinal: i64) -> Job {
        let (due, priority) = (now + new.delay as i64 * SECOND, i64::from(new.priority));
        Job {
            at,
            state: if new.delay == 0 { JobState::Available } else { JobState::Scheduled },
            priority,
            rank: due - priority * MINUTE + ordinal,
            due: Some(due),
            finished: None,
            attempt: 0,
            max_attempts: i64::from(new.max_attempts),
            token: 0,
            cancel: false,
            progress: 0,
            key: new.key.map(|(key, _)| key.to_string()),
        }
    }

    /// Of a schedule.
    fn of_tick(tick: i64, tenant: usize, name: &str) -> Job {
        let new = New { priority: 0, delay: 0, max_attempts: 20, key: None };
        let key = Some(format!("rls_schedules/{name}/{tick}"));
        Job { key, ..Job::new(tick, (tenant, 0), &new, 0) }
    }

    fn move_to(&mut self, state: JobState, at: i64, now: i64) {
        self.state = state;
        self.rank = at - self.priority * MINUTE;
        self.due = (!state.has_ended()).then_some(at);
        self.finished = state.has_ended().then_some(now);
    }

    pub fn is_due(&self, now: i64) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub fn runs(&self) -> bool {
        self.state == JobState::Executing
    }

    pub fn holds(&self, token: i64) -> bool {
        self.runs() && self.token == token
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
    pub fn at(&self, at: Place) -> impl Iterator<Item = (&JobId, &Job)> {
        self.jobs.iter().filter(move |(_, job)| job.at == at)
    }

    pub fn holds(&self, id: JobId, token: i64) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.holds(token))
    }

    pub fn has_expired(&self, at: Place) -> bool {
        self.at(at).any(|(id, job)| job.runs() && job.is_due(self.now) && !self.locked.contains(id))
    }

    pub fn claim(&self, at: Place, limit: u32, at_once: Option<u32>) -> Claimed {
        let now = self.now;
        let running = self.at(at).filter(|(_, job)| job.runs()).count();
        let room = at_once.map_or(limit as usize, |at_once| (at_once as usize).saturating_sub(running));
        let free = || self.at(at).filter(|(id, job)| job.is_due(now) && !self.locked.contains(id));
        let mut line: Vec<(i64, JobId)> =
            free().filter(|(_, job)| !job.runs()).map(|(id, job)| (job.rank, *id)).collect();
        line.sort();
        let mut claimed = Claimed::default();
        for (id, job) in free().filter(|(_, job)| job.runs()) {
            let mut job = job.clone();
            job.move_to(job.after_failure(), now, now);
            claimed.changed.insert(*id, job);
            claimed.reclaims = true;
        }
        for (_, id) in line.into_iter().take(room.min(limit as usize)) {
            let mut job = self.jobs[&id].clone();
            job.state = JobState::Executing;
            job.attempt += 1;
            job.token += 1;
            job.due = Some(now + LEASE);
            claimed.changed.insert(id, job);
            claimed.picked.push(id);
        }
        claimed
    }

    pub fn settle(&mut self, id: JobId, token: i64, how: usize) -> Settled {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.holds(token)) else { return Settled::LeaseLost };
        let waiting = |job: &Job, state| if job.cancel { JobState::Cancelled } else { state };
        let (state, at) = match how {
            0 => (JobState::Completed, now),
            1 => (job.after_failure(), now + 10 * SECOND),
            2 => (JobState::Discarded, now),
            3 => (JobState::Cancelled, now),
            4 => (waiting(job, JobState::Scheduled), now + 20 * SECOND),
            _ => (waiting(job, JobState::Available), now),
        };
        if how >= 4 {
            job.attempt -= 1;
        }
        if state == JobState::Completed {
            job.progress = 100;
        }
        job.move_to(state, at, now);
        if state == JobState::Completed && self.forgets {
            self.jobs.remove(&id);
        }
        Settled::Done(state)
    }

    pub fn beat(&mut self, id: JobId, token: i64) -> Heartbeat {
        let (now, is_locked) = (self.now, self.locked.contains(&id));
        match self.jobs.get_mut(&id).filter(|job| job.holds(token)) {
            None => Heartbeat::LeaseLost,
            Some(_) if is_locked => Heartbeat::Busy,
            Some(job) => {
                job.due = job.due.max(Some(now + LEASE));
                if job.cancel { Heartbeat::CancelRequested } else { Heartbeat::Held }
            }
        }
    }

    /// `None` when there is nothing to cancel, or else where the job is now.
    pub fn cancel(&mut self, id: JobId) -> Option<JobState> {
        let now = self.now;
        let job = self.jobs.get_mut(&id).filter(|job| !job.state.has_ended())?;
        job.cancel = true;
        if !job.runs() {
            (job.state, job.due, job.finished) = (JobState::Cancelled, None, Some(now));
        }
        Some(job.state)
    }

    /// `None` when another one has the key by now.
    pub fn requeue(&mut self, id: JobId) -> Option<bool> {
        let (now, job) = (self.now, &self.jobs[&id]);
        let is_dead = matches!(job.state, JobState::Cancelled | JobState::Discarded);
        if is_dead && self.with_key(job.at.0, job.key.as_deref()).is_some() {
            return None;
        }
        let job = self.jobs.get_mut(&id).filter(|_| is_dead);
        if let Some(job) = job {
            job.move_to(JobState::Available, now, now);
            (job.attempt, job.cancel, job.progress) = (0, false, 0);
        }
        Some(is_dead)
    }

    pub fn with_key(&self, tenant: usize, key: Option<&str>) -> Option<JobId> {
        let key = key?;
        let same = |job: &Job| job.at.0 == tenant && job.key.as_deref() == Some(key) && !job.state.has_ended();
        self.jobs.iter().find(|(_, job)| same(job)).map(|(id, _)| *id)
    }

    /// Whether the older job is replaced by the new one.
    pub fn replaces(&self, older: JobId, on_conflict: OnConflict) -> bool {
        on_conflict == OnConflict::Replace && !self.jobs[&older].runs()
    }

    pub fn prune(&mut self, tenant: usize, age: i64) -> u64 {
        let (before, now) = (self.jobs.len(), self.now);
        self.jobs.retain(|_, job| job.at.0 != tenant || job.finished.is_none_or(|finished| finished >= now - age));
        (before - self.jobs.len()) as u64
    }

    /// The next full so many minutes, and the last.
    fn tick_after(&self, minutes: i64) -> i64 {
        self.tick_until(minutes) + minutes * MINUTE
    }

    fn tick_until(&self, minutes: i64) -> i64 {
        self.now - self.now.rem_euclid(minutes * MINUTE)
    }

    pub fn put(&mut self, tenant: usize, name: &str, minutes: i64) {
        let next = Some(self.tick_after(minutes));
        let key = (tenant, name.to_owned());
        let schedule = match self.schedules.get(&key) {
            Some(old) if old.paused => Schedule { minutes, ..old.clone() },
            Some(old) if old.minutes == minutes && old.next.is_some() => old.clone(),
            _ => Schedule { minutes, paused: false, next },
        };
        self.schedules.insert(key, schedule);
    }

    /// Whether there was anything to pause.
    pub fn pause(&mut self, tenant: usize, name: &str) -> bool {
        let schedule = self.schedules.get_mut(&(tenant, name.to_owned())).filter(|schedule| !schedule.paused);
        schedule.map(|schedule| (schedule.paused, schedule.next) = (true, None)).is_some()
    }

    pub fn resume(&mut self, tenant: usize, name: &str) -> bool {
        let key = (tenant, name.to_owned());
        let Some(minutes) = self.schedules.get(&key).filter(|schedule| schedule.paused).map(|old| old.minutes) else {
            return false;
        };
        let next = Some(self.tick_after(minutes));
        self.schedules.insert(key, Schedule { minutes, paused: false, next });
        true
    }

    /// The jobs of what has ticked, one for each schedule, in the order of their enqueueing.
    pub fn tick(&mut self, tenant: usize) -> Vec<Job> {
        let now = self.now;
        let mut due: Vec<(i64, String)> = Vec::new();
        for ((of, name), schedule) in &self.schedules {
            due.extend(schedule.next.filter(|next| *of == tenant && *next <= now).map(|next| (next, name.clone())));
        }
        due.sort();
        let mut jobs = Vec::new();
        for (next, name) in due {
            let minutes = self.schedules[&(tenant, name.clone())].minutes;
            jobs.push(Job::of_tick(self.tick_until(minutes).max(next), tenant, &name));
            let after = Some(self.tick_after(minutes));
            self.schedules.insert((tenant, name), Schedule { minutes, paused: false, next: after });
        }
        jobs
    }

    /// Hold so many slots, or as many as there are.
    pub fn hold(&mut self, worker: uuid::Uuid, wanted: i64) -> i64 {
        let now = self.now;
        self.slots.retain(|other, (_, until)| *other != worker && *until > now);
        let taken: i64 = self.slots.values().map(|(held, _)| held).sum();
        let granted = wanted.min(SLOTS - taken).max(0);
        if granted > 0 {
            self.slots.insert(worker, (granted, now + LEASE));
        }
        granted
    }

    pub fn keep_slots(&mut self, worker: uuid::Uuid) {
        if let Some((_, until)) = self.slots.get_mut(&worker) {
            *until = self.now + LEASE;
        }
    }
}
