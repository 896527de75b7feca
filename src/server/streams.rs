//! The tasks of HTTP/2 streams, each of which can be aborted: hyper itself offers no way to reset a stream
//! whose client does not read.
//!
//! Imports no other module.

use std::cell::Cell;

use hyper::rt::Executor;
use tokio::sync::oneshot;

tokio::task_local! {
    /// Aborts the stream of the current task.
    static ABORT: Cell<Option<oneshot::Sender<()>>>;
}

/// Starts a task for each HTTP/2 stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamTasks;

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (abort, aborted) = oneshot::channel();
        let task = async move {
            tokio::select! {
                biased;
                Ok(()) = aborted => {}
                _ = stream => {}
            }
        };
        tokio::spawn(ABORT.scope(Cell::new(Some(abort)), task));
    }
}

/// Aborts one stream: hyper resets it, and what it has not written is dropped.
pub(super) struct Abort(oneshot::Sender<()>);

impl Abort {
    /// Takes the only handle that aborts the stream of the current task; `None` in other tasks.
    pub(super) fn of_current_stream() -> Option<Self> {
        let abort = ABORT.try_with(Cell::take).ok()??;
        Some(Self(abort))
    }

    /// Aborts the stream. Returns `false` when hyper has taken the end of its response already, which can no
    /// longer be aborted.
    pub(super) fn abort(self) -> bool {
        self.0.send(()).is_ok()
    }
}
