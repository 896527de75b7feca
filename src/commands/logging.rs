//! The log of `serve`: what goes into it, what a line looks like, and how lines get to standard
//! error.
//!
//! A `write` for each line is a system call within each request, which waits there when whoever
//! reads the log is slow for a moment. So lines are gathered, and a thread of the log's own writes
//! those of a few milliseconds at once. Only a process that is killed loses what it had not written
//! yet; one that ends in any other way, a panic included, drops [`Log`], which writes the rest if
//! somebody reads it.

use std::io::{self, IsTerminal as _};
use std::mem;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Settings};

use super::BadSetting;

/// How long lines are gathered after the first of them.
const GATHERING: Duration = Duration::from_millis(5);
/// With so many bytes waiting, who logs waits too: nothing is left out, and memory is bounded.
const MAX_GATHERED: usize = 1024 * 1024;
/// What buffers keep of their room after a burst.
const KEPT: usize = 64 * 1024;
/// How long the end of the process waits for the last lines to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The running log. Dropped, it writes what it still has.
pub(super) struct Log {
    lines: Arc<Lines>,
    /// Disconnected when all is written.
    ended: Receiver<()>,
}

/// Starts the log for the whole process.
///
/// # Errors
/// When `RUST_LOG` cannot be read, or there is no thread to be had.
pub(super) fn start(settings: &Settings) -> anyhow::Result<Log> {
    let filter = filter(&settings.rust_log).map_err(|why| {
        BadSetting(format!(
            "RUST_LOG: {why}; write, for example, info or ecommerce_api=debug"
        ))
    })?;
    let log = Log::start(io::stderr()).context("cannot start the log's thread")?;
    let layer = tracing_subscriber::fmt::layer()
        // Where nobody reads the log any more, complaining there would only panic.
        .log_internal_errors(false)
        .with_writer(Arc::clone(&log.lines));
    // On a terminal NO_COLOR decides.
    let layer = if io::stderr().is_terminal() {
        layer
    } else {
        layer.with_ansi(false)
    };
    // Half the work of the default, which asks for a style around every name.
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name => write!(writer, "{name}={value:?}"),
    });
    let layer = match settings.log_format {
        LogFormat::Text => layer.fmt_fields(fields.delimited(" ")).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(filter)
        .init();
    Ok(log)
}

/// Levels and targets, separated by commas; an empty one says nothing.
fn filter(directives: &str) -> Result<Targets, String> {
    if directives.contains('[') {
        return Err("filters by spans and fields are not supported".to_owned());
    }
    let directives = directives.split(',').map(str::trim);
    let directives: Vec<&str> = directives.filter(|text| !text.is_empty()).collect();
    let targets = directives.join(",").parse();
    targets.map_err(|error: ParseError| error.to_string())
}

impl Log {
    /// A log that is written to `sink`.
    fn start(sink: impl io::Write + Send + 'static) -> io::Result<Self> {
        let lines = Arc::new(Lines::default());
        let (end, ended) = sync_channel(0);
        thread::Builder::new().name("log".to_owned()).spawn({
            let lines = Arc::clone(&lines);
            move || {
                lines.write_to(sink);
                drop(end);
            }
        })?;
        Ok(Self { lines, ended })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.lock().ended = true;
        self.lines.arrived.notify_all();
        // An error when it has ended, and when it has not: a reader that takes nothing any more is
        // no reason to stay.
        let _ = self.ended.recv_timeout(LAST_WORDS);
    }
}

/// Lines on their way to the log's thread.
#[derive(Default)]
struct Lines {
    gathered: Mutex<Gathered>,
    /// There are lines where there were none, too many of them, or this is the end.
    arrived: Condvar,
    /// Lines have been taken away.
    taken: Condvar,
}

#[derive(Default)]
struct Gathered {
    text: Vec<u8>,
    ended: bool,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is gathered, until the end.
    fn write_to(&self, mut sink: impl io::Write) {
        let mut text = Vec::new();
        loop {
            let gathered = self
                .arrived
                .wait_while(self.lock(), |now| now.text.is_empty() && !now.ended);
            let gathered = gathered.unwrap_or_else(PoisonError::into_inner);
            if gathered.text.is_empty() {
                return;
            }
            let gathered = self.arrived.wait_timeout_while(gathered, GATHERING, |now| {
                now.text.len() < MAX_GATHERED && !now.ended
            });
            let (mut gathered, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut text, &mut gathered.text);
            drop(gathered);
            self.taken.notify_all();
            // Where nobody reads the log any more, there is nobody to tell.
            let _ = write_all(&mut sink, &text);
            text.clear();
            text.shrink_to(KEPT);
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

impl io::Write for &Lines {
    /// Takes a line; waits first while too much is gathered already.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let gathered = self.taken.wait_while(self.lock(), |now| {
            now.text.len() >= MAX_GATHERED && !now.ended
        });
        let mut gathered = gathered.unwrap_or_else(PoisonError::into_inner);
        if gathered.ended {
            return io::stderr().write(line);
        }
        let before = gathered.text.len();
        gathered.text.extend_from_slice(line);
        let is_full = gathered.text.len() >= MAX_GATHERED;
        drop(gathered);
        if before == 0 || is_full {
            self.arrived.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write as _;
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
        let log = Log::start(Sink { allowed, written }).unwrap();
        (log, allow, writes)
    }

    #[test]
    fn filters_are_levels_and_targets() {
        for (directives, ours, others) in [
            ("info", true, true),
            ("info,", true, true),
            ("warn, ecommerce_api=info", true, false),
            ("off", false, false),
        ] {
            let filter = filter(directives).unwrap();
            let enabled = |target| filter.would_enable(target, &tracing::Level::INFO);
            assert_eq!(enabled("ecommerce_api::api"), ours, "{directives}");
            assert_eq!(enabled("mysql_async"), others, "{directives}");
        }
        for wrong in ["ecommerce_api=loud", "[request]=debug", "a=b=c"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_end_of_the_log_writes_what_was_gathered() {
        let (log, allow, writes) = log();
        (&*log.lines).write_all(b"one\n").unwrap();
        (&*log.lines).write_all(b"two\n").unwrap();
        drop(allow);
        drop(log);
        let text: Vec<u8> = writes.iter().flatten().collect();
        assert_eq!(text, b"one\ntwo\n");
    }

    #[test]
    fn a_sink_that_takes_nothing_makes_writers_wait_and_loses_no_line() {
        let (log, allow, writes) = log();
        let padding = "x".repeat(60);
        let longest = padding.len() + 16;
        thread::scope(|scope| {
            for writer in 0..THREADS {
                let (mut lines, padding) = (&*log.lines, &padding);
                scope.spawn(move || {
                    for number in 0..LINES {
                        let line = format!("{writer} {number} {padding}\n");
                        lines.write_all(line.as_bytes()).unwrap();
                    }
                });
            }
            // All that there is room for: the rest waits.
            while log.lines.lock().text.len() < MAX_GATHERED {
                thread::yield_now();
            }
            let waiting = log.lines.lock().text.len();
            assert!(waiting <= MAX_GATHERED + longest, "{waiting} bytes");
            drop(allow);
        });
        drop(log);

        let mut next = [0; THREADS];
        let text: Vec<u8> = writes.iter().flatten().collect();
        for line in String::from_utf8(text).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[2..], [padding.as_str()]);
            let of: usize = words[0].parse().unwrap();
            assert_eq!(words[1], next[of].to_string(), "of writer {of}");
            next[of] += 1;
        }
        assert_eq!(next, [LINES; THREADS]);
    }
}
