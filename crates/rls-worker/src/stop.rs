//! When the process is asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Until somebody presses Ctrl-C, or the machine wants the process to stop.
pub async fn requested() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}
