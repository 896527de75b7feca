//! The metrics of the process, under the names that all programs use for them.
//!
//! What the operating system does not tell, because it is not Linux or `/proc` is not mounted, is not
//! shown.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Reads the metrics of this process.
#[derive(Debug)]
pub(super) struct Process {
    start: f64,
}

impl Default for Process {
    /// To be called at the start of the process.
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: since_epoch.unwrap_or_default().as_secs_f64(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut show = |name, help, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            let shown = encoder.encode_descriptor(name, help, unit, metric.metric_type())?;
            metric.encode(shown)
        };
        show(
            "process_cpu",
            "The time that the process has used of all processors.",
            Some(&Unit::Seconds),
            &ConstCounter::new(cpu_seconds()),
        )?;
        show(
            "process_start_time",
            "When the process has started to serve, in seconds since 1970.",
            Some(&Unit::Seconds),
            &ConstGauge::new(self.start),
        )?;
        if let Some([virtual_memory, resident]) = memory() {
            show(
                "process_virtual_memory",
                "The size of the process's virtual memory.",
                Some(&Unit::Bytes),
                &ConstGauge::new(virtual_memory),
            )?;
            show(
                "process_resident_memory",
                "The physical memory that the process has.",
                Some(&Unit::Bytes),
                &ConstGauge::new(resident),
            )?;
        }
        if let Some(open) = open_descriptors() {
            show(
                "process_open_fds",
                "The open file descriptors of the process.",
                None,
                &ConstGauge::new(open),
            )?;
        }
        if let Some(max) = getrlimit(Resource::Nofile).current {
            show(
                "process_max_fds",
                "How many file descriptors the process may have open.",
                None,
                &ConstGauge::new(max),
            )?;
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the counter is a floating-point number"
)]
fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// The virtual memory of this process and the physical memory that it has, in bytes.
fn memory() -> Option<[u64; 2]> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_whitespace().map(str::parse::<u64>);
    let page_size = u64::try_from(page_size()).ok()?;
    let mut bytes = || Some(pages.next()?.ok()? * page_size);
    Some([bytes()?, bytes()?])
}

/// The number of open file descriptors, without that of the directory that is read for it.
fn open_descriptors() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(listed.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_the_memory_and_the_descriptors() {
        let [virtual_memory, resident] = memory().expect("/proc is mounted");
        assert!(0 < resident && resident <= virtual_memory);
        let before = open_descriptors().expect("/proc is mounted");
        let _file = fs::File::open("/proc/self/statm").expect("/proc is mounted");
        assert!(before >= 3, "standard input, output and error");
        assert!(cpu_seconds() > 0.0);
    }
}
