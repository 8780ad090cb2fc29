//! Short jobs are claimed before there is a slot for them, and are no worse off for it.

use std::time::Duration;

use rls_runtime::queue::{JobId, JobState};
use rls_runtime::testing::TENANT_A;
use rls_runtime::with_tenant;
use rls_runtime::worker::Lane;
use tokio::sync::mpsc;

use crate::acting::{Log, Running, act, serving, start};
use crate::fairness::{events, most_at_once, one_worker};
use crate::harness::{LANE, Site};

impl Site {
    async fn enqueue_each(&self, hows: impl Iterator<Item = &'static str>) -> Vec<JobId> {
        let jobs: Vec<_> = hows.map(|how| act(how).expect("it is JSON").priority(i16::from(how == "hang"))).collect();
        let enqueued = with_tenant(&self.pool, TENANT_A, async |mut tx| self.queue.enqueue_many(&mut tx, &jobs).await);
        enqueued.await.expect("enqueues").into_iter().map(|enqueued| enqueued.id()).collect()
    }

    /// Until the job is in the state; says how many attempts it has had.
    async fn until(&self, job: JobId, state: JobState) -> u32 {
        loop {
            let found = self.find(TENANT_A, job).await;
            if found.state == state {
                return found.attempt;
            }
        }
    }
}

/// A worker whose two slots are taken, and three jobs that it has claimed ahead of them; or nothing, where the machine is too busy for short jobs to be short.
async fn try_to_get_ahead(site: &Site) -> Result<(Running, Vec<JobId>), Running> {
    let (sender, log) = mpsc::unbounded_channel();
    let worker = serving(site, Log(sender), Lane::new(LANE).slots(2));
    let mut running = start(worker.shutdown_grace(Duration::ZERO), log);
    site.enqueue_each(std::iter::repeat_n("briefly", 20)).await;
    running.wait_for("gone", 20).await;
    let jobs = site.enqueue_each(["hang", "hang", "briefly", "briefly", "briefly"].into_iter()).await;
    running.wait_for("started", 2).await;
    for _ in 0..300 {
        let mut ahead = 0;
        for job in &jobs[2..] {
            ahead += usize::from(site.state(TENANT_A, *job).await == JobState::Executing);
        }
        if ahead == 3 {
            return Ok((running, jobs[2..].to_vec()));
        }
    }
    Err(running)
}

async fn get_ahead() -> (Site, Running, Vec<JobId>) {
    for _ in 0..20 {
        let site = Site::new().await;
        match try_to_get_ahead(&site).await {
            Ok((running, jobs)) => return (site, running, jobs),
            Err(running) => running.stop().await,
        }
    }
    panic!("no job was ever claimed ahead");
}

#[tokio::test]
async fn no_more_run_at_once_than_there_are_slots() {
    let site = Site::new().await;
    site.enqueue_each(std::iter::repeat_n("briefly", 300)).await;
    let mut running = one_worker(&site, Lane::new(LANE).slots(3));
    let events = events(&mut running.log, 300).await;
    assert!(most_at_once(&events) <= 3, "{events:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_job_whose_slot_does_not_become_free_goes_back_for_others() {
    let (site, busy, jobs) = get_ahead().await;
    for job in &jobs {
        assert_eq!(site.until(*job, JobState::Available).await, 0, "the attempt does not count");
    }
    let other = one_worker(&site, Lane::new(LANE).slots(2));
    for job in jobs {
        assert_eq!(site.until(job, JobState::Completed).await, 1);
    }
    other.stop().await;
    busy.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_slot_goes_back_when_the_worker_stops() {
    let (site, running, jobs) = get_ahead().await;
    running.stop().await;
    for job in jobs {
        let found = site.find(TENANT_A, job).await;
        assert_eq!((found.state, found.attempt), (JobState::Available, 0));
    }
}
