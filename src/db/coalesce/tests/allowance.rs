//! Tests of how many batches run at a time.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

/// The most batches at a time of many calls to work that takes a few milliseconds.
async fn most_batches_at_a_time(connections: usize) -> usize {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (current, highest) = (Arc::clone(&running), Arc::clone(&most));
    let coalescer = coalescer(connections, move |keys: Vec<u32>| {
        let (current, highest) = (Arc::clone(&current), Arc::clone(&highest));
        async move {
            highest.fetch_max(
                current.fetch_add(1, Ordering::Relaxed) + 1,
                Ordering::Relaxed,
            );
            sleep(Duration::from_millis(3 + u64::from(keys[0] % 7))).await;
            current.fetch_sub(1, Ordering::Relaxed);
            Ok(keys)
        }
    });
    let calls = (0..1000_u32).map(|key| {
        let coalescer = &coalescer;
        async move {
            sleep(Duration::from_millis(u64::from(key % 90))).await;
            coalescer.call(key).await.unwrap();
        }
    });
    join_all(calls).await;
    assert_eq!(running.load(Ordering::Relaxed), 0);
    most.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_run_at_a_time_than_half_of_the_connections_but_always_two() {
    assert_eq!(most_batches_at_a_time(1).await, MIN_BATCHES);
    assert_eq!(most_batches_at_a_time(FEW_CONNECTIONS).await, MIN_BATCHES);
    let most = most_batches_at_a_time(MANY_CONNECTIONS).await;
    assert!(
        (MIN_BATCHES + 1..=MANY_BATCHES).contains(&most),
        "{most} batches"
    );
}

/// Work that takes as long as a round trip to a database that is far away.
fn far_away(keys: Vec<u32>) -> BoxFuture<'static, Result<Vec<u32>, Error>> {
    async move {
        sleep(ROUND_TRIP).await;
        Ok(keys)
    }
    .boxed()
}

const ROUND_TRIP: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn under_light_load_no_call_waits_for_the_round_trip_of_another() {
    let coalescer = coalescer(MANY_CONNECTIONS, far_away);
    coalescer.call(0).await.unwrap();
    // One call every 2 ms: five are in progress at a time.
    let calls = join_all((0..200_u32).map(|key| {
        let coalescer = &coalescer;
        async move {
            sleep(Duration::from_millis(u64::from(2 * key))).await;
            let began = Instant::now();
            coalescer.call(key).await.unwrap();
            began.elapsed()
        }
    }));
    for (key, taken) in calls.await.into_iter().enumerate() {
        assert_eq!(taken, ROUND_TRIP, "call {key}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_heavy_load_the_batches_of_a_far_database_share_the_calls() {
    const CALLERS: u32 = 64;
    let coalescer = coalescer(MANY_CONNECTIONS, far_away);
    coalescer.call(0).await.unwrap();
    let began = Instant::now();
    let callers = (0..CALLERS).map(|key| {
        let coalescer = &coalescer;
        async move {
            for _ in 0..100 {
                coalescer.call(key).await.unwrap();
            }
        }
    });
    join_all(callers).await;
    let ideal = 100 * ROUND_TRIP;
    let taken = began.elapsed();
    assert!(taken < ideal * 5 / 4, "{taken:?} instead of {ideal:?}");
}

#[tokio::test(start_paused = true)]
async fn the_batches_of_other_kinds_leave_half_of_the_connections_free() {
    let allowance = Arc::new(Allowance::new(MANY_CONNECTIONS));
    let kinds: [Coalescer<u32, u32>; 4] = std::array::from_fn(|_| {
        Coalescer::new(&allowance, Measured::Yes, Limits::DEFAULT.queries, far_away)
    });
    kinds[0].call(0).await.unwrap();
    let calls = kinds
        .iter()
        .flat_map(|kind| (0..100).map(|key| kind.call(key)));
    let mut calls = pin!(join_all(calls));
    assert!((&mut calls).now_or_never().is_none());
    assert_eq!(allowance.under_way(), MANY_BATCHES + 3 * MIN_BATCHES);
    calls.await;
    let_workers_run().await;
    assert_eq!(allowance.under_way(), 0);
}
