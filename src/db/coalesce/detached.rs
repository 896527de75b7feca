//! A future that runs to its end even if it is dropped. Imports no other module.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// Runs a future in the task that awaits it. If this task drops it earlier, a task of its own
/// continues it.
pub(super) struct RunsToEnd(Option<BoxFuture<'static, ()>>);

impl RunsToEnd {
    pub(super) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(future.boxed()))
    }
}

impl Future for RunsToEnd {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let end = match &mut self.0 {
            Some(future) => future.poll_unpin(context),
            None => Poll::Ready(()),
        };
        if end.is_ready() {
            self.0 = None;
        }
        end
    }
}

impl Drop for RunsToEnd {
    fn drop(&mut self) {
        // Without a runtime the process is stopping.
        if let Some(future) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(future);
        }
    }
}
