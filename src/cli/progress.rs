//! A line on the terminal while a long scan runs, gone when it ends.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Shorter scans stay silent.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs `work` and says so if it takes long and somebody is looking.
pub fn while_running<T>(files: usize, quiet: bool, work: impl FnOnce() -> T) -> T {
    let somebody_is_looking = !quiet && std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    if !somebody_is_looking {
        return work();
    }
    let (done, waiting) = channel::<()>();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            // The sender is dropped when the work is done, whichever way it ends.
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let mut err = std::io::stderr();
                let _ = write!(err, "   Auditing {files} files\u{2026}\r").and_then(|()| err.flush());
                let _ = waiting.recv();
                let _ = write!(err, "\r\u{1b}[K").and_then(|()| err.flush());
            }
        });
        let result = work();
        drop(done);
        result
    })
}
