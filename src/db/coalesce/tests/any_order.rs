//! A test of the coalescer in random orders of events.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// How many milliseconds a caller of the model waits if it is not dropped early: far longer than
/// all batches take.
const PATIENCE_MS: u64 = 10_000;

/// How one batch of the model ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum BatchEnd {
    Done,
    Failed,
    Panicked,
}

/// The outcome of a call of the model.
#[derive(Debug)]
enum Outcome {
    Dropped,
    Succeeded { key: u32, version: u64 },
    Failed(Error),
}

/// A store whose version increases, and a record of the batches that read it.
struct Store {
    random: Mutex<ChaCha8Rng>,
    version: Mutex<u64>,
    batches: Mutex<Vec<(Vec<u32>, BatchEnd)>>,
}

impl Store {
    fn seeded(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            version: Mutex::new(0),
            batches: Mutex::default(),
        })
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.lock().unwrap().random_range(0..bound)
    }

    fn version(&self) -> u64 {
        *self.version.lock().unwrap()
    }

    /// Lets other tasks run: for a random time, and then for a few polls without a delay.
    async fn pause(&self, at_most: u64) {
        sleep(Duration::from_millis(self.below(at_most))).await;
        for _ in 0..self.below(3) {
            tokio::task::yield_now().await;
        }
    }

    /// The work of a batch: reads the version once, between its begin and its end.
    async fn read(self: Arc<Self>, keys: Vec<u32>) -> Result<Vec<(u32, u64)>, Error> {
        let end = match self.below(10) {
            0 => BatchEnd::Failed,
            1 => BatchEnd::Panicked,
            _ => BatchEnd::Done,
        };
        let number = {
            let mut batches = self.batches.lock().unwrap();
            batches.push((keys.clone(), end));
            batches.len() - 1
        };
        self.pause(6).await;
        let version = self.version();
        self.pause(6).await;
        match end {
            BatchEnd::Done => Ok(keys.into_iter().map(|key| (key, version)).collect()),
            BatchEnd::Failed => Err(Error::Internal(format!("batch {number}").into())),
            BatchEnd::Panicked => panic!("batch {number}"),
        }
    }

    /// A caller with a key of its own, which may start late and may be dropped early.
    async fn call(&self, coalescer: &Coalescer<u32, (u32, u64)>, key: u32) -> (u64, Outcome) {
        self.pause(40).await;
        let patience = match self.below(4) {
            0 => self.below(12),
            _ => PATIENCE_MS,
        };
        let arrival = self.version();
        let outcome = match timeout(Duration::from_millis(patience), coalescer.call(key)).await {
            Err(late) if patience == PATIENCE_MS => panic!("{key} got no result: {late}"),
            Err(_) => Outcome::Dropped,
            Ok(Ok((key, version))) => Outcome::Succeeded { key, version },
            Ok(Err(error)) => Outcome::Failed(error),
        };
        (arrival, outcome)
    }

    async fn write(&self) {
        for _ in 0..40 {
            self.pause(3).await;
            *self.version.lock().unwrap() += 1;
        }
    }
}

#[test]
fn in_any_order_of_events_each_call_ends_like_its_batch_and_sees_earlier_writes() {
    const CALLS: u32 = 60;
    let mut reached = [0; 5];
    for seed in 0..1000 {
        // A batch takes some milliseconds, so that the database counts as far away.
        let connections = [FEW_CONNECTIONS, MANY_CONNECTIONS][usize::from(seed % 2 == 1)];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = Store::seeded(seed);
            let worker = Arc::clone(&store);
            let coalescer = coalescer(connections, move |keys| Arc::clone(&worker).read(keys));
            let calls = join_all((0..CALLS).map(|key| store.call(&coalescer, key)));
            let (outcomes, ()) = tokio::join!(calls, store.write());

            let batches = store.batches.lock().unwrap().clone();
            let mut batch_of = HashMap::new();
            for (number, (keys, _)) in batches.iter().enumerate() {
                reached[3] += usize::from(keys.len() > 1);
                for key in keys {
                    let other = batch_of.insert(*key, number);
                    assert_eq!(other, None, "seed {seed}: {key} was executed twice");
                }
            }
            for (asked, (arrival, outcome)) in (0..CALLS).zip(outcomes) {
                let batch = batch_of.get(&asked).copied();
                let end = batch.map(|number| batches[number].1);
                match outcome {
                    Outcome::Dropped => reached[0] += 1,
                    Outcome::Succeeded { key, version } => {
                        reached[1] += usize::from(version > arrival);
                        assert!(version >= arrival, "seed {seed}: {asked} got an old value");
                        assert_eq!(key, asked, "seed {seed}: another's result");
                        assert_eq!(end, Some(BatchEnd::Done), "seed {seed}: {asked}");
                    }
                    Outcome::Failed(Error::Internal(cause)) if end == Some(BatchEnd::Failed) => {
                        reached[2] += 1;
                        let own = format!("batch {}", batch.unwrap());
                        assert_eq!(cause.to_string(), own, "seed {seed}: another's error");
                    }
                    Outcome::Failed(error) => {
                        reached[4] += 1;
                        assert_eq!(
                            end,
                            Some(BatchEnd::Panicked),
                            "seed {seed}: {asked}: {error}"
                        );
                    }
                }
            }
        });
    }
    assert!(
        reached.iter().all(|count| *count > 500),
        "dropped, succeeded with a newer version, failed, shared a batch, panicked: {reached:?}"
    );
}
