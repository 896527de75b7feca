//! The signals that tell the program to stop, or to read files again.

use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// The SIGHUPs that the process receives. While the program runs, none ends the process.
pub struct Hangups(Option<Signal>);

impl Hangups {
    /// Receives the SIGHUPs from now on; several that were not awaited count as one.
    #[must_use]
    pub fn listen() -> Self {
        let signal = signal(SignalKind::hangup());
        Self(
            signal
                .inspect_err(|error| tracing::error!(%error, "cannot listen for SIGHUP"))
                .ok(),
        )
    }

    /// Waits for the next SIGHUP.
    pub(super) async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
