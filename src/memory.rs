//! Returns freed memory to the operating system.
//!
//! glibc keeps freed memory in the arenas of the threads that allocated it. After many large
//! requests at a time the process would stay as large as it ever was. So a thread watches the
//! resident memory, and after growth it calls `malloc_trim`.
//!
//! Imports nothing of this program.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

/// How often the resident memory is read.
const INTERVAL: Duration = Duration::from_secs(2);
/// KiB above the lowest resident memory: more than this leads to a call of `malloc_trim`.
const GROWTH: usize = 8 * 1024;
/// KiB: a call that frees less than this is in vain, because the memory is in use.
const WORTHWHILE: usize = 1024;
/// How many readings are skipped after a call in vain.
const PAUSE: u32 = 2;

/// Starts the thread; it ends with the process. With a C library other than glibc, no thread is
/// needed.
///
/// # Errors
/// When the thread cannot be started.
pub fn return_when_freed() -> io::Result<()> {
    if cfg!(target_env = "gnu") {
        thread::Builder::new()
            .name("memory".to_owned())
            .spawn(watch)?;
    }
    Ok(())
}

fn watch() {
    trim();
    // Without /proc nothing can be watched.
    let Some(start) = resident() else {
        return;
    };
    let mut growth = Growth::since(start);
    loop {
        thread::sleep(INTERVAL);
        let Some(before) = resident() else {
            return;
        };
        if growth.needs_trim(before) {
            trim();
            growth.record_trim(before, resident().unwrap_or(before));
        }
    }
}

/// How much the resident memory, in KiB, has grown.
#[derive(Debug)]
struct Growth {
    lowest: usize,
    /// How many further readings are skipped.
    pause: u32,
}

impl Growth {
    fn since(start: usize) -> Self {
        Self {
            lowest: start,
            pause: 0,
        }
    }

    /// Takes a reading, and decides whether memory may have been freed since the last trim.
    fn needs_trim(&mut self, resident: usize) -> bool {
        self.lowest = self.lowest.min(resident);
        if self.pause > 0 {
            self.pause -= 1;
            return false;
        }
        resident > self.lowest + GROWTH
    }

    fn record_trim(&mut self, before: usize, after: usize) {
        self.lowest = self.lowest.min(after);
        if after + WORTHWHILE > before {
            self.pause = PAUSE;
        }
    }
}

/// The resident memory of this process in KiB, without pages of files, which the kernel drops by
/// itself.
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Returns every free page of all arenas.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library has no safe interface for this")]
fn trim() {
    // SAFETY: the function has no preconditions, and locks each arena that it works on.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    const START: usize = 20 * 1024;

    #[test]
    fn small_growth_needs_no_trim() {
        let mut growth = Growth::since(START);
        assert!(!growth.needs_trim(START + GROWTH));
        assert!(growth.needs_trim(START + GROWTH + 1));
    }

    #[test]
    fn growth_counts_from_the_lowest_reading() {
        let mut growth = Growth::since(START);
        growth.record_trim(START + 2 * GROWTH, START - 2);
        assert!(growth.needs_trim(START + GROWTH - 1));
        assert!(!growth.needs_trim(START - 4));
        assert!(growth.needs_trim(START + GROWTH - 3));
    }

    #[test]
    fn after_a_trim_in_vain_readings_are_skipped() {
        let mut growth = Growth::since(START);
        let large = START + 20 * GROWTH;
        assert!(growth.needs_trim(large));
        growth.record_trim(large, large - WORTHWHILE / 2);
        for _ in 0..PAUSE {
            assert!(!growth.needs_trim(large));
        }
        assert!(growth.needs_trim(large), "memory may have been freed");
        growth.record_trim(large, large / 2);
        assert!(growth.needs_trim(large), "the last trim freed memory");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_resident_memory_is_read() {
        let before = resident().unwrap_or_default();
        let memory = vec![1_u8; 64 << 20];
        let after = resident().unwrap_or_default();
        assert!(after > before + 32 * 1024, "{before} {after}");
        drop(memory);
    }
}
