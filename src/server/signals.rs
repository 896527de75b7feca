//! The signals that tell the program to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the next SIGTERM or SIGINT (Ctrl-C). After the first poll, neither signal ends the
/// process by itself.
pub async fn shutdown_signal() {
    let received = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        },
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "cannot listen for signals: only SIGKILL will stop this server");
            return std::future::pending().await;
        }
    };
    tracing::info!(signal = received, "received the signal to stop");
}
