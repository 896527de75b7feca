//! The rate at which the client of a connection must read its responses.
//!
//! A client that reads too slowly holds what its responses are made from: memory, and for a long list a
//! connection to the database. Only bytes of responses that were written to the client's socket count as
//! reading, so a client cannot keep a connection by PINGs, nor by requests that are in progress meanwhile.
//! The rate is that of the whole connection: a client that reads one response may leave others for later.
//!
//! Imports no other module.

use std::time::Duration;

use tokio::time::Instant;

/// How many bytes a client must take within the timeout.
const BYTES_PER_TIMEOUT: usize = 30 * 1024;

/// How far the client has read, and when it will have read too slowly.
pub(super) struct Reading {
    timeout: Duration,
    /// The number of bytes of responses that were passed to hyper and not written yet. Hyper writes at
    /// once, so these bytes wait for the client, or on HTTP/2 for its windows.
    unread: usize,
    /// Whether all bytes that hyper has written have left the buffers below it, such as that of TLS.
    is_flushed: bool,
    /// When the client has read too slowly, unless it takes more bytes until then.
    deadline: Instant,
}

impl Reading {
    pub(super) fn new(timeout: Duration, now: Instant) -> Self {
        Self {
            timeout,
            unread: 0,
            is_flushed: true,
            deadline: now,
        }
    }

    /// Records that bytes of a response are passed to hyper.
    pub(super) fn pass(&mut self, bytes: usize, now: Instant) {
        if self.deadline().is_none() {
            self.deadline = now + self.timeout;
        }
        self.unread += bytes;
        self.is_flushed = false;
    }

    /// Records that hyper has written so many bytes of those that were passed to it, or has dropped them.
    /// These bytes earn the client the time for them at the lowest rate; no more than the timeout is saved up.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) {
        self.unread -= bytes;
        #[expect(clippy::cast_precision_loss, reason = "a share of the timeout")]
        let share = bytes as f64 / BYTES_PER_TIMEOUT as f64;
        let earned = self.timeout.mul_f64(share);
        self.deadline = (self.deadline + earned).min(now + self.timeout);
    }

    /// Records that everything that hyper has written was flushed.
    pub(super) fn flush(&mut self) {
        self.is_flushed = true;
    }

    /// Gives the client the whole timeout again.
    pub(super) fn restart(&mut self, now: Instant) {
        self.deadline = now + self.timeout;
    }

    /// Whether everything that hyper has written was flushed.
    pub(super) fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// When the client will have read too slowly; `None` while it has nothing to read.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.unread > 0 || !self.is_flushed).then_some(self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    /// A client that has just begun to read a long response.
    fn begun() -> (Reading, Instant) {
        let now = Instant::now();
        let mut reading = Reading::new(TIMEOUT, now);
        assert_eq!(reading.deadline(), None);
        reading.pass(1024 * 1024, now);
        (reading, now)
    }

    #[test]
    fn a_client_that_takes_nothing_has_the_timeout() {
        let (mut reading, now) = begun();
        reading.pass(1024, now + SECOND);
        assert_eq!(reading.deadline(), Some(now + TIMEOUT));
        reading.flush();
        assert_eq!(reading.deadline(), Some(now + TIMEOUT));
    }

    #[test]
    fn a_client_has_read_when_everything_is_written_and_flushed() {
        let (mut reading, now) = begun();
        reading.take(1024 * 1024, now + SECOND);
        assert!(reading.deadline().is_some());
        reading.flush();
        assert_eq!(reading.deadline(), None);
        reading.pass(1, now + 60 * SECOND);
        assert_eq!(reading.deadline(), Some(now + 60 * SECOND + TIMEOUT));
    }

    #[test]
    fn a_client_at_half_the_rate_runs_out_of_time_and_one_at_the_rate_does_not() {
        for (bytes, is_too_slow) in [(8 * 1024, true), (16 * 1024, false)] {
            let (mut reading, mut now) = begun();
            let mut was_too_slow = false;
            for _ in 0..20 {
                now += 16 * SECOND;
                was_too_slow |= reading.deadline() <= Some(now);
                reading.take(bytes, now);
            }
            assert_eq!(was_too_slow, is_too_slow, "{bytes} bytes in 16 seconds");
        }
    }

    #[test]
    fn no_more_than_the_timeout_is_saved_up() {
        let (mut reading, now) = begun();
        reading.take(300 * 1024, now + SECOND);
        assert_eq!(reading.deadline(), Some(now + SECOND + TIMEOUT));
    }
}
