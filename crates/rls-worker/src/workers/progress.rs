//! How far a job is: from the loops of its lane to the job's row, and on to whoever asks for its status.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use rls_runtime::worker::Context;
use tokio::sync::watch;

/// What the loops of a lane say how far they are to.
#[derive(Debug)]
pub struct Progress {
    /// The percentage that the stage begins at.
    from: AtomicU8,
    /// The percentage that it ends at.
    to: AtomicU8,
    percent: watch::Sender<u8>,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress { from: AtomicU8::new(0), to: AtomicU8::new(END), percent: watch::Sender::new(0) }
    }
}

/// No stage gets there.
const END: u8 = 100;

impl Progress {
    /// What comes next takes the job from one percentage to another.
    pub fn stage(&self, from: u8, to: u8) {
        self.from.store(from, Relaxed);
        self.to.store(to, Relaxed);
    }

    /// So many are done of so many. What is told in one go is not worth a word.
    pub fn reached(&self, done: usize, all: usize) {
        let (from, to) = (self.from.load(Relaxed), self.to.load(Relaxed));
        if done < all {
            let share = usize::from(to.saturating_sub(from)) * done / all;
            let percent = u8::try_from(share).map_or(END, |share| from.saturating_add(share)).min(END - 1);
            self.percent.send_if_modified(|last| std::mem::replace(last, percent) != percent);
        }
    }

    /// Works, and beside it writes down how far that is, on another connection: the work's own is not committed yet.
    pub(super) async fn beside<S, T>(&self, cx: &Context<S>, work: impl Future<Output = T>) -> T {
        let percent = self.percent.subscribe();
        let work = async {
            let ended = work.await;
            self.percent.send_replace(END);
            ended
        };
        tokio::join!(work, write_down(cx, percent)).0
    }
}

async fn write_down<S>(cx: &Context<S>, mut percent: watch::Receiver<u8>) {
    while percent.changed().await.is_ok() {
        let now = *percent.borrow_and_update();
        if now == END {
            return;
        }
        // Nothing depends on it: what could not be written now is written with the next step.
        cx.progress(now).await.ok();
    }
}
