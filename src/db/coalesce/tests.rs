//! Tests of the coalescer, on one thread and in paused time, so that the order of events is the
//! same in every run.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allowance;
mod any_order;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::deadlines::Limits;

/// The connections of a pool on which no more than [`MIN_BATCHES`] of a kind ever run.
const FEW_CONNECTIONS: usize = 4;

/// The connections of a pool on which up to [`MANY_BATCHES`] run when the database is far away.
const MANY_CONNECTIONS: usize = 16;
const MANY_BATCHES: usize = 8;

/// A coalescer with a pool of its own.
fn coalescer<F, T>(
    connections: usize,
    work: impl Fn(Vec<u32>) -> F + Send + Sync + 'static,
) -> Coalescer<u32, T>
where
    F: Future<Output = Result<Vec<T>, Error>> + Send + 'static,
    T: Send + 'static,
{
    let allowance = Arc::new(Allowance::new(connections));
    Coalescer::new(&allowance, Measured::Yes, Limits::DEFAULT.queries, work)
}

/// A coalescer that returns the keys of each batch once the test permits it, and the batches that
/// have begun.
struct Controlled {
    coalescer: Coalescer<u32, u32>,
    permits: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<Vec<u32>>>>,
}

impl Controlled {
    /// Permits this many batches at once.
    fn new(permitted: usize) -> Self {
        let permits = Arc::new(Semaphore::new(permitted));
        let batches = Arc::<Mutex<Vec<_>>>::default();
        let (permits_of_work, record) = (Arc::clone(&permits), Arc::clone(&batches));
        let coalescer = coalescer(FEW_CONNECTIONS, move |keys: Vec<u32>| {
            let permits_of_work = Arc::clone(&permits_of_work);
            record.lock().unwrap().push(keys.clone());
            async move {
                permits_of_work.acquire().await.unwrap().forget();
                Ok(keys)
            }
        });
        Self {
            coalescer,
            permits,
            batches,
        }
    }

    /// The keys of the batches that have begun.
    fn begun(&self) -> Vec<Vec<u32>> {
        self.batches.lock().unwrap().clone()
    }
}

/// Waits for `expected`; fails after a second, so that a test does not hang.
async fn soon<F: Future>(expected: F) -> F::Output {
    timeout(Duration::from_secs(1), expected)
        .await
        .expect("the future completes in time")
}

/// Lets the workers take the waiting calls.
async fn let_workers_run() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_single_call_is_a_batch_of_its_own_at_once() {
    let controlled = Controlled::new(3);
    let started = Instant::now();
    for key in 1..=3 {
        assert_eq!(controlled.coalescer.call(key).await.unwrap(), key);
    }
    assert_eq!(controlled.begun(), [[1], [2], [3]]);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_are_executed_in_batches_in_the_order_of_their_arrival() {
    let controlled = Controlled::new(0);
    let mut calls = pin!(join_all((0..300).map(|key| controlled.coalescer.call(key))));
    assert!((&mut calls).now_or_never().is_none());
    controlled.permits.add_permits(10);
    let results: Vec<u32> = calls.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, (0..300).collect::<Vec<_>>());
    let sizes: Vec<usize> = controlled.begun().iter().map(Vec::len).collect();
    // The first calls found no batch under way.
    let rest = 300 - MIN_BATCHES - 2 * MAX_BATCH;
    assert_eq!(sizes, [1, 1, MAX_BATCH, MAX_BATCH, rest]);
    assert_eq!(controlled.begun().concat(), results);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_dropped_does_not_affect_the_others() {
    let controlled = Controlled::new(0);
    let coalescer = &controlled.coalescer;
    let [mut one, mut two] = [1, 2].map(|key| Box::pin(coalescer.call(key)));
    for call in [&mut one, &mut two] {
        assert!(call.now_or_never().is_none());
    }
    // Two batches are under way, each in the task of its caller. Of three waiting calls, one is
    // dropped before its batch begins.
    let waiting = [5, 6, 7].map(|key| Box::pin(coalescer.call(key)));
    let [mut five, mut six, mut seven] = waiting;
    for call in [&mut five, &mut six, &mut seven] {
        assert!(call.now_or_never().is_none());
    }
    drop(six);
    // The batches of these run to their ends all the same.
    drop(one);
    drop(two);
    controlled.permits.add_permits(1);
    let_workers_run().await;
    assert_eq!(controlled.begun(), [vec![1], vec![2], vec![5, 7]]);
    // A call whose batch is running, together with another, is dropped.
    drop(five);
    controlled.permits.add_permits(2);
    assert_eq!(soon(seven).await.unwrap(), 7);
    let_workers_run().await;
    assert_eq!(controlled.permits.available_permits(), 0, "all have ended");
    assert_eq!(controlled.begun(), [vec![1], vec![2], vec![5, 7]]);
}

/// The results of 256 calls, whose first batch contains the key 13, of further calls with this key,
/// and of one call after them.
async fn results_around_a_failing_batch<F>(work: fn(Vec<u32>) -> F) -> Vec<Result<u32, Error>>
where
    F: Future<Output = Result<Vec<u32>, Error>> + Send + 'static,
{
    const EARLIER: u32 = 1000;
    let coalescer = coalescer(FEW_CONNECTIONS, move |keys: Vec<u32>| {
        if keys[0] != EARLIER {
            return work(keys).boxed();
        }
        async move {
            tokio::task::yield_now().await;
            Ok(keys)
        }
        .boxed()
    });
    // While the batches of these run, the others wait.
    let mut earlier = pin!(join_all(
        [EARLIER; MIN_BATCHES].map(|key| coalescer.call(key))
    ));
    assert!((&mut earlier).now_or_never().is_none());
    let mut calls = pin!(join_all((0..256).map(|key| coalescer.call(key))));
    assert!((&mut calls).now_or_never().is_none());
    let (_, mut results) = soon(futures_util::future::join(earlier, calls)).await;
    for key in [13; MIN_BATCHES + 1].into_iter().chain([256]) {
        results.push(soon(coalescer.call(key)).await);
    }
    results
}

#[track_caller]
fn assert_failures(results: Vec<Result<u32, Error>>, expected: &str) {
    for (index, result) in results.into_iter().enumerate() {
        let is_in_failing_batch = index < MAX_BATCH || (256..=256 + MIN_BATCHES).contains(&index);
        match result {
            Ok(_) => assert!(!is_in_failing_batch, "{index} should have failed"),
            Err(error) => {
                assert!(is_in_failing_batch, "{index}: {error}");
                assert_eq!(error.to_string(), expected, "{index}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_all_calls_of_its_batch_and_no_others() {
    let results = results_around_a_failing_batch(|keys| async move {
        if keys.contains(&13) {
            return Err(Error::Unavailable("a deadlock".into()));
        }
        Ok(keys)
    });
    assert_failures(results.await, "the database is unavailable: a deadlock");
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_all_calls_of_its_batch_and_no_others() {
    let during = results_around_a_failing_batch(|keys| async move {
        assert!(!keys.contains(&13), "the batch fails");
        Ok(keys)
    });
    assert_failures(during.await, "internal error: a batch panicked");
    let before = results_around_a_failing_batch(|keys| {
        assert!(!keys.contains(&13), "the batch fails");
        std::future::ready(Ok(keys))
    });
    assert_failures(before.await, "internal error: a batch panicked");
}

#[tokio::test(start_paused = true)]
async fn too_few_or_too_many_results_are_an_error_for_all() {
    const LOST: &str = "internal error: a batch lost some of its results";
    let too_few = results_around_a_failing_batch(|mut keys| async move {
        keys.retain(|key| *key != 13);
        Ok(keys)
    });
    assert_failures(too_few.await, LOST);
    let too_many = results_around_a_failing_batch(|mut keys| async move {
        if keys.contains(&13) {
            keys.push(14);
        }
        Ok(keys)
    });
    assert_failures(too_many.await, LOST);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_rejects_calls_at_once_and_recovers() {
    let controlled = Controlled::new(0);
    let calls = u32::try_from(MIN_BATCHES + MAX_WAITING).unwrap();
    let mut waiting = pin!(join_all(
        (0..calls).map(|key| controlled.coalescer.call(key))
    ));
    assert!((&mut waiting).now_or_never().is_none());
    let rejected = controlled.coalescer.call(calls).now_or_never();
    assert!(
        matches!(rejected, Some(Err(Error::Busy(_)))),
        "{rejected:?}"
    );
    controlled.permits.add_permits(MAX_WAITING);
    let results = soon(waiting).await.into_iter().map(Result::unwrap);
    assert!(results.eq(0..calls), "each waiting call gets its result");
    assert_eq!(controlled.coalescer.call(7).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn many_calls_with_one_key_do_not_delay_other_keys() {
    const HOT: u32 = 0;
    const CALLERS: usize = 1000;
    let batches = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&batches);
    let coalescer = coalescer(FEW_CONNECTIONS, move |keys: Vec<u32>| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let_workers_run().await;
            Ok(keys)
        }
    });
    // Each caller calls again as soon as it has a result.
    let frequent_callers = join_all((0..CALLERS).map(|_| async {
        loop {
            coalescer.call(HOT).await.unwrap();
        }
    }));
    let others = async {
        for key in 1..=20 {
            let_workers_run().await;
            let before = batches.load(Ordering::Relaxed);
            let result = soon(coalescer.call(key)).await;
            assert_eq!(result.unwrap(), key);
            let waited = batches.load(Ordering::Relaxed) - before;
            // The batches of earlier calls, its own batch, and one more for each worker.
            let most = CALLERS.div_ceil(MAX_BATCH) + 1 + MIN_BATCHES;
            assert!(waited <= most, "{waited} batches went first");
        }
    };
    tokio::select! {
        _ = frequent_callers => {}
        () = others => {}
    }
    assert!(batches.load(Ordering::Relaxed) > 20);
}

#[tokio::test(start_paused = true)]
async fn callers_of_work_that_hangs_get_an_error_while_it_runs_on() {
    const HANGS: u32 = 0;
    let ended = Arc::new(AtomicUsize::new(0));
    let end = Arc::clone(&ended);
    let coalescer = coalescer(FEW_CONNECTIONS, move |keys: Vec<u32>| {
        let end = Arc::clone(&end);
        async move {
            if keys.contains(&HANGS) {
                sleep(3 * Limits::DEFAULT.queries).await;
                end.fetch_add(1, Ordering::Relaxed);
            }
            Ok(keys)
        }
    });
    let started = Instant::now();
    let hung = join_all((0..MIN_BATCHES).map(|_| coalescer.call(HANGS))).await;
    for given_up in hung {
        assert!(
            matches!(given_up, Err(Error::Unavailable(_))),
            "{given_up:?}"
        );
    }
    assert_eq!(
        started.elapsed().as_secs(),
        Limits::DEFAULT.queries.as_secs()
    );
    assert_eq!(coalescer.call(1).await.unwrap(), 1);
    assert_eq!(ended.load(Ordering::Relaxed), 0);
    sleep(3 * Limits::DEFAULT.queries).await;
    assert_eq!(ended.load(Ordering::Relaxed), MIN_BATCHES);
}
