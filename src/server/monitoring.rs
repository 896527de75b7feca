//! The server for monitoring: a thread and a runtime of its own, so that it responds however busy those of
//! the clients' server are.
//!
//! It is [`serve`] again, with few connections and short limits.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

use super::{Application, Limits, serve};

/// More than monitoring systems need. When all are taken, a new one closes the one that has been idle
/// longest.
const CONNECTIONS: usize = 32;

/// The limit for the head of a request, and for taking a response. No other request waits longer for a
/// connection.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next reading.
const IDLE: Duration = Duration::from_mins(2);

/// A running server for monitoring. It stops when this is dropped.
pub struct MonitoringServer {
    /// Dropped to stop the server.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MonitoringServer {
    /// Serves `app` on `listener`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start<A>(listener: TcpListener, app: A) -> io::Result<Self>
    where
        A: Application + 'static,
    {
        let listener = listener.into_std()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (running, stopped) = oneshot::channel::<()>();
        let serving = async {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!(%error, "cannot serve METRICS_ADDR"),
            };
            let stop = async {
                let _ = stopped.await;
            };
            tokio::select! {
                () = serve(listener, app, None, limits(), std::future::pending()) => {}
                () = stop => {}
            }
        };
        let thread = thread::Builder::new().name("monitoring".to_owned());
        let thread = thread.spawn(move || runtime.block_on(serving))?;
        Ok(Self {
            running: Some(running),
            thread: Some(thread),
        })
    }
}

impl Drop for MonitoringServer {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn limits() -> Limits {
    Limits {
        header_timeout: TIMEOUT,
        idle_timeout: IDLE,
        reading_timeout: TIMEOUT,
        max_connections: CONNECTIONS,
        ..Limits::default()
    }
}
