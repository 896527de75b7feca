//! The memory for Argon2, which is reused.
//!
//! Each hash needs 19 MiB. If each one allocated and freed them, the C library would keep such
//! memory in the arena of every thread that ever hashed. So buffers are kept while passwords are
//! hashed, at most one for each hashing thread, and freed when none was used for a while.
//!
//! Imports nothing of this program.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::{Block, Params};
use secrecy::zeroize::Zeroize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The number of blocks that [`Params::DEFAULT`] needs. Larger buffers are not kept.
const BLOCKS: usize = Params::DEFAULT.block_count();

/// After this time without a hash, the buffers are freed.
const IDLE: Duration = Duration::from_secs(2);

/// Buffers that are not in use at present.
pub(super) struct Memory(Mutex<Spare>);

struct Spare {
    buffers: Vec<Vec<Block>>,
    /// How many times a buffer was used.
    uses: u64,
    /// The task that frees the buffers.
    release: Option<JoinHandle<()>>,
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Spare {
            buffers: Vec::new(),
            uses: 0,
            release: None,
        }))
    }

    /// Calls `work` with `count` blocks, whose contents are overwritten afterwards. At most `kept` buffers
    /// are kept for later calls. `None` when the machine has no memory left.
    pub(super) fn with<T>(
        &'static self,
        count: usize,
        kept: usize,
        work: impl FnOnce(&mut [Block]) -> T,
    ) -> Option<T> {
        let spare = (count <= BLOCKS).then(|| self.lock().buffers.pop());
        let buffer = match spare.flatten() {
            Some(buffer) => buffer,
            None => new_buffer(count.max(BLOCKS))?,
        };
        let mut used = Used {
            memory: self,
            buffer,
            count,
            kept,
        };
        Some(work(&mut used.buffer[..count]))
    }

    /// Keeps a buffer, unless enough are kept, or it is larger than others, or no task can free it
    /// later.
    fn keep(&'static self, buffer: Vec<Block>, kept: usize) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut spare = self.lock();
        spare.uses += 1;
        if buffer.len() == BLOCKS && spare.buffers.len() < kept {
            spare.buffers.push(buffer);
        }
        if spare.release.as_ref().is_none_or(JoinHandle::is_finished) {
            spare.release = Some(runtime.spawn(self.release_when_idle()));
        }
    }

    /// Frees the buffers as soon as none was used for [`IDLE`].
    async fn release_when_idle(&'static self) {
        let mut seen = 0;
        loop {
            tokio::time::sleep(IDLE).await;
            let mut spare = self.lock();
            if spare.uses == seen {
                spare.buffers = Vec::new();
                // A use from now on begins another task.
                spare.release = None;
                return;
            }
            seen = spare.uses;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Spare> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer of this many blocks; `None` when the machine has no memory left, which would otherwise end the
/// process.
fn new_buffer(blocks: usize) -> Option<Vec<Block>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(blocks).ok()?;
    buffer.resize(blocks, Block::new());
    Some(buffer)
}

/// A buffer in use. Dropping this, also in a panic, overwrites what was written.
struct Used {
    memory: &'static Memory,
    buffer: Vec<Block>,
    count: usize,
    kept: usize,
}

impl Drop for Used {
    fn drop(&mut self) {
        // The last pass can be computed backwards from all blocks, to the first blocks, and those are a
        // fast hash of the password. So all blocks are secret.
        for block in &mut self.buffer[..self.count] {
            block.zeroize();
        }
        self.memory
            .keep(std::mem::take(&mut self.buffer), self.kept);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn kept(memory: &Memory) -> usize {
        memory.lock().buffers.len()
    }

    fn is_wiped(block: &Block) -> bool {
        block.as_ref().iter().all(|word| *word == 0)
    }

    fn fill(blocks: &mut [Block]) {
        assert!(blocks.iter().all(is_wiped), "what others wrote is visible");
        for block in blocks {
            block.as_mut().fill(u64::MAX);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_buffer_is_overwritten_and_reused_and_freed_when_idle() {
        static MEMORY: Memory = Memory::new();
        let mut addresses = [0, 1].map(|_| {
            let address = MEMORY.with(BLOCKS, 1, |blocks| {
                fill(blocks);
                blocks.as_ptr().addr()
            });
            address.unwrap()
        });
        addresses.sort_unstable();
        assert_eq!(addresses[0], addresses[1], "the buffer is reused");
        MEMORY.with(8, 1, fill).unwrap();
        assert_eq!(kept(&MEMORY), 1);
        assert!(MEMORY.lock().buffers.iter().flatten().all(is_wiped));
        tokio::time::sleep(3 * IDLE).await;
        assert_eq!(kept(&MEMORY), 0, "an idle buffer is freed");
        MEMORY.with(BLOCKS, 1, fill).unwrap();
        tokio::time::sleep(3 * IDLE).await;
        assert_eq!(kept(&MEMORY), 0, "it is freed again after later uses");
    }

    #[tokio::test]
    async fn no_more_and_no_larger_buffers_than_allowed_are_kept() {
        static MEMORY: Memory = Memory::new();
        MEMORY
            .with(BLOCKS, 2, |_| {
                MEMORY.with(BLOCKS, 2, |_| MEMORY.with(BLOCKS, 2, fill));
            })
            .unwrap();
        assert_eq!(kept(&MEMORY), 2);
        MEMORY.with(BLOCKS + 8, 3, fill).unwrap();
        assert_eq!(kept(&MEMORY), 2);
        assert!(
            MEMORY
                .lock()
                .buffers
                .iter()
                .all(|buffer| buffer.len() == BLOCKS)
        );
    }

    #[test]
    fn a_buffer_larger_than_any_memory_is_none() {
        assert!(new_buffer(usize::MAX / size_of::<Block>() / 2).is_none());
    }

    #[test]
    fn nothing_is_kept_without_a_runtime_to_free_it() {
        static MEMORY: Memory = Memory::new();
        MEMORY.with(BLOCKS, 1, fill).unwrap();
        assert_eq!(kept(&MEMORY), 0);
    }
}
