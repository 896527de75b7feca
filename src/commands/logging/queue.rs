//! The queue of log lines, and the thread that writes them.
//!
//! A `write` for each line would be a system call within each request, and would block there while
//! nobody reads the log. So lines are queued, and a separate thread writes the lines of a few
//! milliseconds at once. If nobody reads them in time, lines are dropped and counted, and the
//! service goes on. A process that is killed loses the queued lines. A process that ends in any
//! other way, including a panic, drops [`Log`], which writes them if somebody reads.

use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::AUDIT;

/// How long lines are queued after the first of them, before they are written.
const QUEUE_TIME: Duration = Duration::from_millis(5);
/// The number of queued bytes at which lines are written without delay.
const MANY: usize = 512 * 1024;
/// The number of queued bytes at which further lines are dropped.
const MAX_QUEUED: usize = 1024 * 1024;
/// The number of further bytes that are queued of warnings and errors, so that they are dropped
/// last.
const RESERVED: usize = 256 * 1024;
/// The number of bytes beyond those that are queued only of audit events.
const RESERVED_FOR_AUDIT: usize = 256 * 1024;
/// The capacity that buffers keep after a burst.
const KEPT_CAPACITY: usize = 64 * 1024;
/// How long the end of the process waits for the last lines to be written.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The running log. Dropping it writes the queued lines.
pub(in crate::commands) struct Log {
    queue: Arc<Queue>,
    /// Disconnected when everything is written.
    closed: Receiver<()>,
}

impl Log {
    /// Starts a log that is written to `sink`. `dropped_line` makes the line that reports a number
    /// of dropped lines.
    pub(super) fn start(
        sink: impl io::Write + Send + 'static,
        dropped_line: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let (close, closed) = sync_channel(0);
        thread::Builder::new().name("log".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || {
                queue.write_to(sink, dropped_line);
                drop(close);
            }
        })?;
        Ok(Self { queue, closed })
    }

    /// The writer that queues lines.
    pub(super) fn lines(&self) -> Lines {
        Lines(Arc::clone(&self.queue))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.lock().is_ending = true;
        self.queue.arrived.notify_all();
        // Returns an error in either case: when everything is written, and when that takes too
        // long, since a reader that has stopped must not keep the process alive.
        let _ = self.closed.recv_timeout(FINAL_WRITE_TIMEOUT);
    }
}

/// How important a line is. The less important ones are dropped first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Importance {
    Ordinary,
    /// A warning or an error.
    Urgent,
    /// An audit event.
    Audit,
}

impl Importance {
    fn of(event: &Metadata<'_>) -> Self {
        if event.target() == AUDIT {
            Self::Audit
        } else if *event.level() <= Level::WARN {
            Self::Urgent
        } else {
            Self::Ordinary
        }
    }

    /// The number of queued bytes at which further lines are dropped.
    fn limit(self) -> usize {
        match self {
            Self::Ordinary => MAX_QUEUED,
            Self::Urgent => MAX_QUEUED + RESERVED,
            Self::Audit => MAX_QUEUED + RESERVED + RESERVED_FOR_AUDIT,
        }
    }
}

#[derive(Default)]
struct Queue {
    queued: Mutex<Queued>,
    /// Signalled by the first line in an empty queue, by [`MANY`] bytes, and by the end of the log.
    arrived: Condvar,
}

#[derive(Default)]
struct Queued {
    text: Vec<u8>,
    /// The number of lines that were dropped since the thread last took lines.
    dropped: u64,
    is_ending: bool,
    /// Whether the thread has ended: lines are written directly from then on.
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a line, or drops and counts it.
    fn put(&self, line: &[u8], importance: Importance) -> io::Result<()> {
        let mut queued = self.lock();
        if queued.is_closed {
            drop(queued);
            return io::Write::write_all(&mut io::stderr(), line);
        }
        let limit = importance.limit();
        let before = queued.text.len();
        let after = before + line.len();
        if after > limit {
            queued.dropped += 1;
            return Ok(());
        }
        queued.text.extend_from_slice(line);
        drop(queued);
        if before == 0 || (before < MANY && after >= MANY) {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Writes the queued lines until the log ends.
    fn write_to(&self, mut sink: impl io::Write, dropped_line: impl Fn(u64) -> String) {
        let mut text = Vec::new();
        loop {
            let queued = self
                .arrived
                .wait_while(self.lock(), |now| now.text.is_empty() && !now.is_ending);
            let mut queued = queued.unwrap_or_else(PoisonError::into_inner);
            if queued.text.is_empty() {
                queued.is_closed = true;
                return;
            }
            let queued = self.arrived.wait_timeout_while(queued, QUEUE_TIME, |now| {
                now.text.len() < MANY && !now.is_ending
            });
            let (mut queued, _) = queued.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut text, &mut queued.text);
            let dropped = mem::take(&mut queued.dropped);
            drop(queued);
            if dropped > 0 {
                text.extend(dropped_line(dropped).into_bytes());
            }
            // A log that cannot be written has no other place to report that to.
            let _ = write_all(&mut sink, &text);
            text.clear();
            text.shrink_to(KEPT_CAPACITY);
        }
    }
}

/// Writes all of `text`, also to a terminal or pipe that another program has made non-blocking.
fn write_all(sink: &mut impl io::Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match sink.write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(QUEUE_TIME),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The writer that tracing writes its lines to.
pub(super) struct Lines(Arc<Queue>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            queue: &self.0,
            importance: Importance::Ordinary,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            queue: &self.0,
            importance: Importance::of(event),
        }
    }
}

/// Queues the line of one event, which tracing writes at once.
pub(super) struct Line<'a> {
    queue: &'a Queue,
    importance: Importance,
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.put(line, self.importance).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const THREADS: usize = 4;
    const LINES: usize = 20_000;

    /// A sink that forwards each write, and blocks until it is allowed to.
    struct Sink {
        allowed: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl io::Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            // Returns an error once the test allows everything.
            let _ = self.allowed.recv();
            self.written.send(text.to_vec()).map_err(io::Error::other)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A log, the sender that allows its sink to write, and the receiver of the writes.
    fn log() -> (Log, Sender<()>, Receiver<Vec<u8>>) {
        let (allow, allowed) = channel();
        let (written, writes) = channel();
        let log = Log::start(Sink { allowed, written }, |count| {
            format!("{count} dropped\n")
        });
        (log.unwrap(), allow, writes)
    }

    fn text(writes: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(writes.iter().flatten().collect()).unwrap()
    }

    #[test]
    fn the_end_of_the_log_writes_the_queued_lines() {
        let (log, allow, writes) = log();
        log.queue.put(b"one\n", Importance::Ordinary).unwrap();
        log.queue.put(b"two\n", Importance::Ordinary).unwrap();
        drop(allow);
        drop(log);
        assert_eq!(text(&writes), "one\ntwo\n");
    }

    #[test]
    fn a_blocked_sink_blocks_no_writer_and_every_dropped_line_is_counted() {
        let (log, allow, writes) = log();
        let padding = "x".repeat(60);
        thread::scope(|scope| {
            for writer in 0..THREADS {
                let (queue, padding) = (&log.queue, &padding);
                scope.spawn(move || {
                    for number in 0..LINES {
                        let line = format!("{writer} {number} {padding}\n");
                        queue.put(line.as_bytes(), Importance::Ordinary).unwrap();
                    }
                });
            }
        });
        // The sink has taken nothing yet, and all writers have ended.
        let queued = log.queue.lock().text.len();
        assert!(queued <= MAX_QUEUED, "{queued} bytes");
        drop(allow);
        drop(log);

        let mut next = [0; THREADS];
        let mut written = 0;
        let mut dropped = 0;
        for line in text(&writes).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [count, "dropped"] = words[..] {
                dropped += count.parse::<usize>().unwrap();
                continue;
            }
            assert_eq!(words[2..], [padding.as_str()]);
            let source: usize = words[0].parse().unwrap();
            let number: usize = words[1].parse().unwrap();
            assert!(
                number >= next[source],
                "{line} after {} of its writer",
                next[source]
            );
            next[source] = number + 1;
            written += 1;
        }
        assert!(dropped > 0);
        assert_eq!(written + dropped, THREADS * LINES);
    }

    #[test]
    fn warnings_and_errors_are_dropped_last() {
        let (log, allow, writes) = log();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..3 * 1024 {
            log.queue.put(&line, Importance::Ordinary).unwrap();
        }
        log.queue.put(b"a warning\n", Importance::Urgent).unwrap();
        for _ in 0..1024 {
            log.queue.put(&line, Importance::Urgent).unwrap();
        }
        let queued = log.queue.lock().text.len();
        assert!(queued <= MAX_QUEUED + RESERVED, "{queued} bytes");
        drop(allow);
        drop(log);
        let text = text(&writes);
        assert!(text.contains("a warning\n"));
        let counts = text
            .lines()
            .filter_map(|line| line.strip_suffix(" dropped"));
        let dropped: usize = counts.map(|count| count.parse::<usize>().unwrap()).sum();
        let written = text.lines().filter(|line| line.starts_with('x')).count();
        assert_eq!(written + dropped, 4 * 1024);
    }

    #[test]
    fn audit_events_are_dropped_last_of_all() {
        let (log, allow, writes) = log();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for importance in [Importance::Ordinary, Importance::Urgent] {
            for _ in 0..3 * 1024 {
                log.queue.put(&line, importance).unwrap();
            }
        }
        for _ in 0..3 * 1024 {
            log.queue
                .put(b"an audit event\n", Importance::Audit)
                .unwrap();
        }
        for _ in 0..1024 {
            log.queue.put(&line, Importance::Audit).unwrap();
        }
        let queued = log.queue.lock().text.len();
        assert!(queued <= Importance::Audit.limit(), "{queued} bytes");
        drop(allow);
        drop(log);
        let text = text(&writes);
        assert_eq!(text.matches("an audit event\n").count(), 3 * 1024);
        let counts = text
            .lines()
            .filter_map(|line| line.strip_suffix(" dropped"));
        let dropped: usize = counts.map(|count| count.parse::<usize>().unwrap()).sum();
        let written = text.lines().filter(|line| line.starts_with('x')).count();
        assert_eq!(written + dropped, 7 * 1024);
    }

    #[test]
    fn lines_after_a_burst_that_was_dropped_are_written() {
        let (log, allow, writes) = log();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..3 * 1024 {
            log.queue.put(&line, Importance::Ordinary).unwrap();
        }
        drop(allow);
        let mut so_far = Vec::new();
        while !so_far.ends_with(b" dropped\n") {
            so_far.extend(writes.recv().unwrap());
        }
        log.queue
            .put(b"afterwards\n", Importance::Ordinary)
            .unwrap();
        drop(log);
        assert_eq!(text(&writes), "afterwards\n");
    }
}
