//! The rate at which the client of a connection must read its responses.
//!
//! A client that reads too slowly holds what its responses are made from: memory, and for a long list a
//! connection to the database. Only bytes of responses that the client has taken count as reading, so a
//! client cannot keep a connection by PINGs. What hyper has passed on as a whole counts as taken, also if an
//! HTTP/2 client with a small window has yet to read it. The rate is that of the
//! whole connection: a client that reads one response may leave others for later.
//!
//! Imports no other module.

use std::time::Duration;

use tokio::time::Instant;

/// How many bytes a client must take within the timeout.
const BYTES_PER_TIMEOUT: usize = 30 * 1024;

/// How far the client has read, and when it will have read too slowly.
pub(super) struct Reading {
    timeout: Duration,
    /// The number of responses whose bodies have not been taken completely.
    open_responses: usize,
    /// When the client has read too slowly, unless it takes more bytes until then.
    deadline: Instant,
    /// Since when the server has been working, which is not the client's time.
    paused_since: Option<Instant>,
}

impl Reading {
    pub(super) fn new(timeout: Duration, now: Instant) -> Self {
        Self {
            timeout,
            open_responses: 0,
            deadline: now,
            paused_since: None,
        }
    }

    /// Records that a response begins.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.open_responses == 0 {
            self.deadline = now + self.timeout;
            self.paused_since = self.paused_since.map(|_| now);
        }
        self.open_responses += 1;
    }

    /// Records that the body of a response was taken completely, or was dropped.
    pub(super) fn end(&mut self) {
        self.open_responses -= 1;
    }

    /// Records that the client has taken the bytes before these. These bytes earn it the time for them at the
    /// lowest rate; no more than the timeout is saved up.
    pub(super) fn record(&mut self, bytes: usize, now: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "a share of the timeout")]
        let share = bytes as f64 / BYTES_PER_TIMEOUT as f64;
        let earned = self.timeout.mul_f64(share);
        let saved = (self.deadline + earned).min(now + self.timeout);
        self.deadline = saved.max(now + earned);
    }

    /// Records that the server works from now on.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_since = Some(now);
    }

    /// Records that the client has to act again.
    pub(super) fn resume(&mut self, now: Instant) {
        if let Some(since) = self.paused_since.take() {
            self.deadline += now - since;
        }
    }

    /// When the client will have read too slowly; `None` while it has nothing to read.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.open_responses > 0).then_some(self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    /// A client that has just begun to read a response.
    fn begun() -> (Reading, Instant) {
        let now = Instant::now();
        let mut reading = Reading::new(TIMEOUT, now);
        assert_eq!(reading.deadline(), None);
        reading.begin(now);
        (reading, now)
    }

    #[test]
    fn a_client_that_takes_nothing_has_the_timeout() {
        let (mut reading, now) = begun();
        assert_eq!(reading.deadline(), Some(now + TIMEOUT));
        reading.end();
        assert_eq!(reading.deadline(), None);
    }

    #[test]
    fn a_client_at_half_the_rate_runs_out_of_time_and_one_at_the_rate_does_not() {
        for (bytes, is_too_slow) in [(8 * 1024, true), (16 * 1024, false)] {
            let (mut reading, mut now) = begun();
            let mut was_too_slow = false;
            for _ in 0..20 {
                now += 16 * SECOND;
                was_too_slow |= reading.deadline() <= Some(now);
                reading.record(bytes, now);
            }
            assert_eq!(was_too_slow, is_too_slow, "{bytes} bytes in 16 seconds");
        }
    }

    #[test]
    fn no_more_than_the_timeout_is_saved_up_except_for_a_large_frame() {
        let (mut reading, now) = begun();
        for _ in 0..100 {
            reading.record(16 * 1024, now);
        }
        assert_eq!(reading.deadline(), Some(now + TIMEOUT));
        reading.record(300 * 1024, now);
        assert_eq!(reading.deadline(), Some(now + 300 * SECOND));
    }

    #[test]
    fn the_time_in_which_the_server_works_does_not_count() {
        let (mut reading, now) = begun();
        reading.pause(now + 10 * SECOND);
        reading.resume(now + 25 * SECOND);
        assert_eq!(reading.deadline(), Some(now + TIMEOUT + 15 * SECOND));
    }
}
