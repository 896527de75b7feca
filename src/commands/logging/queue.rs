//! Lines of the log on their way to the thread that writes them.
//!
//! A `write` for each line would be a system call within each request, and would wait there for
//! whoever reads the log. So lines are gathered, and a thread of the log's own writes those of a few
//! milliseconds at once. Where nobody reads them in time, they are dropped and counted: the service
//! goes on. Only a process that is killed loses what it had not written yet; one that ends in any
//! other way, a panic included, drops [`Log`], which writes the rest if somebody reads it.

use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines are gathered after the first of them.
const GATHERING: Duration = Duration::from_millis(5);
/// With so many bytes gathered they are written at once.
const MANY: usize = 512 * 1024;
/// With so many bytes gathered, further lines are dropped.
const MAX_GATHERED: usize = 1024 * 1024;
/// How much more is gathered of warnings and errors, so that they are dropped last.
const RESERVED: usize = 256 * 1024;
/// The capacity that buffers keep after a burst.
const KEPT_CAPACITY: usize = 64 * 1024;
/// How long the end of the process waits for the last lines to be written.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The running log. Dropped, it writes what it still has.
pub(in crate::commands) struct Log {
    queue: Arc<Queue>,
    /// Disconnected when everything is written.
    closed: Receiver<()>,
}

impl Log {
    /// A log that is written to `sink`; `dropped_line` makes the line about so many that were
    /// dropped.
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

    /// Where lines are put.
    pub(super) fn lines(&self) -> Lines {
        Lines(Arc::clone(&self.queue))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.lock().is_ending = true;
        self.queue.arrived.notify_all();
        // An error in either case: when all is written, and when that takes too long, since a reader
        // that has stopped must not keep the process alive.
        let _ = self.closed.recv_timeout(FINAL_WRITE_TIMEOUT);
    }
}

#[derive(Default)]
struct Queue {
    gathered: Mutex<Gathered>,
    /// There are lines where there were none, there are [`MANY`], or this is the end.
    arrived: Condvar,
}

#[derive(Default)]
struct Gathered {
    text: Vec<u8>,
    /// Lines that were dropped since the last ones were taken.
    dropped: u64,
    is_ending: bool,
    /// The thread has ended: nothing takes from the queue any more.
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, or drops and counts it.
    fn put(&self, line: &[u8], is_urgent: bool) -> io::Result<()> {
        let mut gathered = self.lock();
        if gathered.is_closed {
            drop(gathered);
            return io::Write::write_all(&mut io::stderr(), line);
        }
        let limit = MAX_GATHERED + if is_urgent { RESERVED } else { 0 };
        let before = gathered.text.len();
        let after = before + line.len();
        if after > limit {
            gathered.dropped += 1;
            return Ok(());
        }
        gathered.text.extend_from_slice(line);
        drop(gathered);
        if before == 0 || (before < MANY && after >= MANY) {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Writes what is gathered, until the end.
    fn write_to(&self, mut sink: impl io::Write, dropped_line: impl Fn(u64) -> String) {
        let mut text = Vec::new();
        loop {
            let gathered = self
                .arrived
                .wait_while(self.lock(), |now| now.text.is_empty() && !now.is_ending);
            let mut gathered = gathered.unwrap_or_else(PoisonError::into_inner);
            if gathered.text.is_empty() {
                gathered.is_closed = true;
                return;
            }
            let gathered = self.arrived.wait_timeout_while(gathered, GATHERING, |now| {
                now.text.len() < MANY && !now.is_ending
            });
            let (mut gathered, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut text, &mut gathered.text);
            let dropped = mem::take(&mut gathered.dropped);
            drop(gathered);
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
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(GATHERING),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where tracing puts its lines.
pub(super) struct Lines(Arc<Queue>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            queue: &self.0,
            is_urgent: false,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            queue: &self.0,
            is_urgent: *event.level() <= Level::WARN,
        }
    }
}

/// Takes the line of one event, in one write.
pub(super) struct Line<'a> {
    queue: &'a Queue,
    is_urgent: bool,
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.put(line, self.is_urgent).map(|()| line.len())
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

    /// A sink that passes on each write, and takes none before it is allowed to.
    struct Sink {
        allowed: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl io::Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            // An error once everything is allowed.
            let _ = self.allowed.recv();
            self.written.send(text.to_vec()).map_err(io::Error::other)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log, the end of the sink that allows and the one that receives.
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
    fn the_end_of_the_log_writes_what_was_gathered() {
        let (log, allow, writes) = log();
        log.queue.put(b"one\n", false).unwrap();
        log.queue.put(b"two\n", false).unwrap();
        drop(allow);
        drop(log);
        assert_eq!(text(&writes), "one\ntwo\n");
    }

    #[test]
    fn a_sink_that_takes_nothing_makes_no_writer_wait_and_every_line_lost_is_counted() {
        let (log, allow, writes) = log();
        let padding = "x".repeat(60);
        thread::scope(|scope| {
            for writer in 0..THREADS {
                let (queue, padding) = (&log.queue, &padding);
                scope.spawn(move || {
                    for number in 0..LINES {
                        let line = format!("{writer} {number} {padding}\n");
                        queue.put(line.as_bytes(), false).unwrap();
                    }
                });
            }
        });
        // The sink has taken nothing yet, and all of them are through.
        let gathered = log.queue.lock().text.len();
        assert!(gathered <= MAX_GATHERED, "{gathered} bytes");
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
            let of: usize = words[0].parse().unwrap();
            let number: usize = words[1].parse().unwrap();
            assert!(
                number >= next[of],
                "{line} after {} of its writer",
                next[of]
            );
            next[of] = number + 1;
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
            log.queue.put(&line, false).unwrap();
        }
        log.queue.put(b"a warning\n", true).unwrap();
        for _ in 0..1024 {
            log.queue.put(&line, true).unwrap();
        }
        let gathered = log.queue.lock().text.len();
        assert!(gathered <= MAX_GATHERED + RESERVED, "{gathered} bytes");
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
    fn lines_after_a_burst_that_was_dropped_are_written() {
        let (log, allow, writes) = log();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..3 * 1024 {
            log.queue.put(&line, false).unwrap();
        }
        drop(allow);
        let mut so_far = Vec::new();
        while !so_far.ends_with(b" dropped\n") {
            so_far.extend(writes.recv().unwrap());
        }
        log.queue.put(b"afterwards\n", false).unwrap();
        drop(log);
        assert_eq!(text(&writes), "afterwards\n");
    }
}
