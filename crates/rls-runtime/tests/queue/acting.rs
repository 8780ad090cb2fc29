//! A job that does as it is told, and a worker that runs it and tells what happens.

use std::time::Duration;

use rls_runtime::TenantId;
use rls_runtime::queue::{JobId, NewJob};
use rls_runtime::worker::{Backoff, Context, Job, JobError, Lane, Outcome, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::harness::{LANE, Site};

/// A job that does as it is told, and says so.
#[derive(Debug, Serialize, Deserialize)]
pub struct Act {
    pub how: String,
}

/// What happened, to whose job.
pub type Event = (&'static str, TenantId, JobId);

#[derive(Clone)]
pub struct Log(pub mpsc::UnboundedSender<Event>);

/// Says when a handler is gone, however it went.
struct Guard(Log, TenantId, JobId);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.send(("gone", self.1, self.2)).ok();
    }
}

impl Job for Act {
    type State = Log;
    const LANE: &'static str = LANE;
    const KIND: &'static str = "act";
    const MAX_ATTEMPTS: u16 = 2;

    async fn run(self, cx: Context<Log>) -> Result<Outcome, JobError> {
        cx.state().0.send(("started", cx.tenant(), cx.job())).ok();
        let _guard = Guard(cx.state().clone(), cx.tenant(), cx.job());
        match &*self.how {
            "panic" => panic!("on purpose"),
            "fail" => Err(JobError::fail("no use")),
            "retry" => Err(JobError::retry("not yet")),
            "hang" => std::future::pending().await,
            "briefly" => {
                // So that others can run meanwhile.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                Ok(Outcome::Complete)
            }
            "loiter" => {
                let (holds, is_held) = oneshot::channel();
                tokio::spawn(loiter(cx, holds));
                is_held.await.ok();
                Ok(Outcome::Complete)
            }
            "linger" => {
                cx.stopped().await;
                cx.state().0.send(("asked", cx.tenant(), cx.job())).ok();
                std::future::pending().await
            }
            "obey" => Ok(Outcome::CompleteWith(format!("{:?}", cx.stopped().await).into())),
            "last?" => Ok(Outcome::CompleteWith(cx.is_last_attempt().into())),
            "snooze" => Ok(Outcome::Snooze(Duration::from_secs(60))),
            "cancel" => Ok(Outcome::Cancel("never mind".to_owned())),
            "unwritable" => Ok(Outcome::CompleteWith("\0".into())),
            "settle" => {
                cx.with_tenant(async |mut tx| {
                    cx.queue().enqueue(&mut tx, &act("ok")?).await?;
                    cx.complete(&mut tx, Some("in the scope".into())).await
                })
                .await
            }
            _ => {
                cx.progress(50).await?;
                Ok(Outcome::Complete)
            }
        }
    }
}

/// A transaction of somebody who has asked for a job to be cancelled, and does not end before the log is closed.
async fn loiter(cx: Context<Log>, holds: oneshot::Sender<()>) -> sqlx::Result<()> {
    cx.with_tenant(async |mut tx| {
        cx.queue().cancel(&mut tx, cx.job()).await?;
        holds.send(()).ok();
        cx.state().0.closed().await;
        Ok(())
    })
    .await
}

pub fn act(how: &str) -> sqlx::Result<NewJob> {
    NewJob::of(&Act { how: how.to_owned() })
}

/// A worker, until it is stopped.
pub struct Running {
    pub stop: oneshot::Sender<()>,
    pub task: tokio::task::JoinHandle<()>,
    pub log: mpsc::UnboundedReceiver<Event>,
}

pub fn worker(site: &Site) -> (Worker<Log>, mpsc::UnboundedReceiver<Event>) {
    let (sender, log) = mpsc::unbounded_channel();
    (serving(site, Log(sender), Lane::new(LANE).slots(4)), log)
}

pub fn serving(site: &Site, log: Log, lane: Lane) -> Worker<Log> {
    Worker::new(site.pool.clone(), log)
        .queue(site.queue.clone())
        .register::<Act>()
        .lane(lane)
        .poll(Duration::from_millis(10))
        .backoff(Backoff::new(Duration::ZERO, Duration::ZERO))
}

pub fn start(worker: Worker<Log>, log: mpsc::UnboundedReceiver<Event>) -> Running {
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(worker.run(async {
        stopped.await.ok();
    }));
    Running { stop, task, log }
}

impl Running {
    /// The next so many events of a name.
    pub async fn wait_for(&mut self, what: &str, count: usize) -> Vec<(TenantId, JobId)> {
        let mut found = Vec::new();
        while found.len() < count {
            let (event, tenant, job) = self.log.recv().await.expect("the worker runs");
            if event == what {
                found.push((tenant, job));
            }
        }
        found
    }

    /// When it returns everything is settled.
    pub async fn stop(self) {
        self.stop.send(()).ok();
        self.task.await.expect("the worker does not panic");
    }
}

pub async fn enqueue(site: &Site, tenant: TenantId, how: &str) -> JobId {
    site.enqueue(tenant, &act(how).expect("it is JSON")).await
}
