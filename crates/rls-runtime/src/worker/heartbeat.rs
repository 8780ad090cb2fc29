//! The running jobs in, their leases kept: on a thread and a connection that no handler can hold up.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::options::ScopeOptions;
use crate::pool::RlsPool;
use crate::queue::{Lease, Queue};
use crate::scope::with_tenant_opts;
use crate::tenant::TenantId;

use super::Shared;
use super::running::Running;

/// The next one makes up for one that a crash of the server undoes.
const FORGETTABLE: ScopeOptions = ScopeOptions::new().asynchronous_commit().label("heartbeat");

/// Beats until it is dropped.
pub(crate) struct Pulse {
    alive: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Pulse {
    /// For the jobs that run, and for the slots that the worker holds under a name.
    pub(crate) fn start<S>(shared: &Arc<Shared<S>>, running: &Running, holds_slots: Option<Uuid>) -> Pulse {
        let (alive, ended) = oneshot::channel();
        let heart = Heart {
            pool: shared.pool.clone(),
            queue: shared.queue.clone(),
            lease: shared.lease,
            every: shared.heartbeat.unwrap_or(shared.lease / 3).min(shared.lease / 2),
            running: running.clone(),
            holds_slots,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("there is a runtime for the heartbeat, or else every lease would run out");
        let thread = thread::Builder::new().name("rls-heartbeat".to_owned());
        let thread = thread.spawn(move || runtime.block_on(heart.beat(ended)));
        Pulse { alive, thread: thread.expect("there is a thread for the heartbeat, or else every lease would run out") }
    }

    /// Stop, and wait until the connection is closed.
    pub(crate) async fn end(self) {
        drop(self.alive);
        tokio::task::spawn_blocking(move || self.thread.join()).await.ok();
    }
}

struct Heart {
    pool: RlsPool,
    queue: Queue,
    lease: Duration,
    every: Duration,
    running: Running,
    holds_slots: Option<Uuid>,
}

impl Heart {
    async fn beat(self, ended: oneshot::Receiver<()>) {
        // A pool belongs to the runtime that made it.
        let pool = self.pool.sibling(1);
        tokio::select! {
            _ = ended => {}
            () = self.keep_all(&pool) => {}
            () = self.give_up() => {}
        }
        pool.close().await;
    }

    async fn keep_all(&self, pool: &RlsPool) {
        // No job is known to be ours for longer than the slot that it has.
        let mut slots_kept = Instant::now();
        loop {
            tokio::time::sleep(self.every).await;
            let began = Instant::now();
            if self.keep_slots(pool).await {
                slots_kept = began;
            }
            for (tenant, leases) in self.running.by_tenant() {
                let began = Instant::now();
                let known = if self.holds_slots.is_some() { slots_kept } else { began };
                self.keep(pool, tenant, leases, known).await;
            }
        }
    }

    async fn keep(&self, pool: &RlsPool, tenant: TenantId, leases: Vec<Lease>, known: Instant) {
        let beat = with_tenant_opts(pool, tenant, &FORGETTABLE, async |mut tx| {
            self.queue.heartbeat(&mut tx, &leases, self.lease).await
        });
        match tokio::time::timeout(self.lease / 3, beat).await {
            Ok(Ok(beats)) => self.running.found(tenant, leases.into_iter().zip(beats), known),
            Ok(Err(error)) => tracing::warn!(%error, %tenant, "no heartbeat"),
            Err(_) => tracing::warn!(%tenant, "no heartbeat in time"),
        }
    }

    /// Beside the beats, for one that gets no answer must not delay it: shortly before a lease can have run out its job is given up.
    async fn give_up(&self) {
        let moment = self.lease / 20;
        loop {
            tokio::time::sleep(moment).await;
            self.running.give_up_after(self.lease - moment);
        }
    }

    async fn keep_slots(&self, pool: &RlsPool) -> bool {
        let Some(worker) = self.holds_slots else { return true };
        match tokio::time::timeout(self.lease / 3, self.queue.keep_slots(pool, worker, self.lease)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::warn!(%error, "slots cannot be kept now"),
            Err(_) => tracing::warn!("slots were not kept in time"),
        }
        false
    }
}
