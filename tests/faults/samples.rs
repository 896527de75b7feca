//! The duration and status of each request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::client::{Outcome, Response};

/// Whose request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The mixed load.
    Load,
    /// Clients whose requests have nothing to do with the fault.
    Stranger,
    /// Clients that are part of the fault.
    Fault,
}

struct Sample {
    origin: Origin,
    start: Instant,
    end: Instant,
    /// `None` if the request was not answered.
    status: Option<u16>,
}

#[derive(Default)]
struct Inner {
    samples: Vec<Sample>,
    refused: usize,
    unexpected: Vec<String>,
}

#[derive(Default)]
pub struct Samples(RefCell<Inner>);

impl Samples {
    /// Records a request. `is_expected` tells whether the status may be the answer to such a request.
    pub fn add(
        &self,
        origin: Origin,
        (request, start): (&str, Instant),
        outcome: &Outcome,
        is_expected: impl Fn(u16) -> bool,
    ) {
        let mut inner = self.0.borrow_mut();
        let response = match outcome {
            Outcome::Refused => {
                inner.refused += 1;
                return;
            }
            Outcome::Unanswered => None,
            Outcome::Response(response) => Some(response),
        };
        if let Some(Response {
            status,
            has_retry_after,
            body,
        }) = response
            && (!is_expected(*status) || (*status == 503 && !has_retry_after))
        {
            inner.unexpected.push(format!("{request}: {status} {body}"));
        }
        inner.samples.push(Sample {
            origin,
            start,
            end: Instant::now(),
            status: response.map(|response| response.status),
        });
    }

    /// How often each status was the answer; `None` stands for no answer.
    pub fn statuses(&self) -> BTreeMap<Option<u16>, usize> {
        let mut counts = BTreeMap::new();
        for sample in &self.0.borrow().samples {
            *counts.entry(sample.status).or_default() += 1;
        }
        counts
    }

    /// How many connections were refused.
    pub fn refused(&self) -> usize {
        self.0.borrow().refused
    }

    /// How many requests have no answer.
    pub fn unanswered(&self) -> usize {
        let inner = self.0.borrow();
        let samples = inner.samples.iter();
        samples.filter(|sample| sample.status.is_none()).count()
    }

    /// The answers that no such request should have.
    pub fn unexpected(&self) -> Vec<String> {
        self.0.borrow().unexpected.clone()
    }

    /// The time of the longest request.
    pub fn longest(&self) -> Duration {
        let inner = self.0.borrow();
        let durations = inner.samples.iter().map(Sample::duration);
        durations.max().unwrap_or_default()
    }

    /// The time from `over`, the end of a fault, to the end of the last request of the load that was
    /// sent afterwards and failed, and at least to the first success. `None` if there was no success.
    pub fn recovery(&self, over: Instant) -> Option<Duration> {
        let inner = self.0.borrow();
        let load = inner.samples.iter();
        let load = load.filter(|sample| sample.origin == Origin::Load);
        let (good, bad): (Vec<&Sample>, Vec<&Sample>) = load.partition(|sample| sample.is_good());
        let good = good.iter().map(|sample| sample.end);
        let first = good.filter(|end| *end >= over).min()?;
        let last = bad.iter().filter(|sample| sample.start >= over);
        let last = last.map(|sample| sample.end).max();
        Some(last.unwrap_or(first).max(first) - over)
    }

    /// The 99th percentile of the strangers' requests since a moment.
    pub fn p99_of_strangers(&self, since: Instant) -> Option<Duration> {
        let is_wanted = |sample: &Sample| sample.origin == Origin::Stranger && sample.end >= since;
        percentile(self.durations(is_wanted), 99)
    }

    /// The percentile of the requests that ended since `start`, except those of the faults.
    pub fn percentile_since(&self, start: Instant, percent: usize) -> Option<Duration> {
        let inner = self.0.borrow();
        // In the order in which they ended.
        let recent = inner.samples.iter().rev();
        let recent = recent.take_while(|sample| sample.end >= start);
        let recent = recent.filter(|sample| sample.origin != Origin::Fault);
        percentile(recent.map(Sample::duration).collect(), percent)
    }

    fn durations(&self, is_wanted: impl Fn(&Sample) -> bool) -> Vec<Duration> {
        let inner = self.0.borrow();
        let wanted = inner.samples.iter().filter(|sample| is_wanted(sample));
        wanted.map(Sample::duration).collect()
    }
}

impl Sample {
    fn duration(&self) -> Duration {
        self.end - self.start
    }

    /// Whether the request was answered, and not by an error of the server.
    fn is_good(&self) -> bool {
        self.status.is_some_and(|status| status < 500)
    }
}

fn percentile(mut durations: Vec<Duration>, percent: usize) -> Option<Duration> {
    durations.sort_unstable();
    let index = (durations.len() * percent / 100).min(durations.len().checked_sub(1)?);
    Some(durations[index])
}
