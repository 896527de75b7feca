//! Requests with one key at the same time, and requests that are cut short.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ecommerce_api::db::session::Session;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::oneshot;

use super::{CART, PRODUCTS, assert_replay, count, is_replay, post, shop_and_requests};
use crate::harness::{ClientResponse, Shop, connections};

/// Checks that the responses are one first response and its replays.
fn assert_one_and_replays(responses: &[ClientResponse]) {
    let firsts: Vec<_> = responses.iter().filter(|it| !is_replay(it)).collect();
    assert_eq!(firsts.len(), 1, "{responses:?}");
    for response in responses.iter().filter(|it| is_replay(it)) {
        assert_replay(firsts[0], response);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_at_the_same_time_one_creates_and_the_others_are_replays() {
    let (shop, requests) = shop_and_requests().await;
    let other = shop.another().await;
    for (path, table, body) in &requests {
        let before = count(&shop, table).await;
        let send = |number: usize| post([&shop, &other][number % 2], path, "key", body);
        let responses = join_all((0..20).map(send)).await;
        assert_eq!(count(&shop, table).await, before + 1, "{path}");
        assert_one_and_replays(&responses);
    }
    assert_eq!(count(&shop, "idempotency_keys").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_with_an_expired_key_one_creates() {
    let (shop, _) = shop_and_requests().await;
    let other = shop.another().await;
    let body = json!({"title": "Pot"});
    post(&shop, PRODUCTS, "key", &body).await.expect(201);
    shop.execute("UPDATE idempotency_keys SET expires_at = UTC_TIMESTAMP()")
        .await;
    let before = count(&shop, "products").await;
    let send = |number: usize| post([&shop, &other][number % 2], PRODUCTS, "key", &body);
    let responses = join_all((0..20).map(send)).await;
    assert_one_and_replays(&responses);
    assert_eq!(count(&shop, "products").await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_keys_at_the_same_time_do_not_disturb_each_other() {
    let (shop, _) = shop_and_requests().await;
    let others = [shop.another().await, shop.another().await];
    let create = async |key: usize| {
        let body = json!({"title": format!("Pot {key}")});
        let key = format!("key {key}").replace(' ', "-");
        let shops = [&shop, &others[0], &others[1], &shop];
        let responses = join_all(shops.map(|shop| post(shop, PRODUCTS, &key, &body))).await;
        assert_one_and_replays(&responses);
        responses[0].header("location").unwrap().to_owned()
    };
    let locations: BTreeSet<String> = join_all((0..25).map(create)).await.into_iter().collect();
    assert_eq!(locations.len(), 25);
    assert_eq!(count(&shop, "products").await, 26);
}

/// The statement in which a request has to wait for the lock of [`with_locked_product`].
const ADDITION: &str = "info LIKE 'INSERT INTO `cart`%'";
/// The statement in which a request waits for another one with the same key, in another process.
const CLAIM: &str = "info LIKE 'INSERT INTO `idempotency_keys`%'";

/// Waits until another connection runs a statement for which `condition` holds; returns its id.
fn waiting(session: &mut Session, condition: &str) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(id) = connections(session, condition).first() {
            return *id;
        }
        assert!(
            Instant::now() < deadline,
            "not within ten seconds: {condition}"
        );
    }
}

/// Runs `work` while the products are locked, so that additions to carts wait. `locked` is told when
/// they are.
async fn with_locked_product<T: Send + 'static>(
    shop: &Shop,
    locked: oneshot::Sender<()>,
    work: impl FnOnce(&mut Session) -> T + Send + 'static,
) -> T {
    let work = move |session: &mut Session| {
        let lock = "BEGIN; DELETE FROM products";
        session.batch_execute(lock).unwrap();
        locked.send(()).unwrap();
        let result = work(session);
        session.batch_execute("ROLLBACK").unwrap();
        result
    };
    shop.sql(work).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_is_lost_before_the_commit_leaves_nothing() {
    let (shop, requests) = shop_and_requests().await;
    let item = &requests[2].2;
    let (locked, is_locked) = oneshot::channel();
    let kill = with_locked_product(&shop, locked, |session| {
        let id = waiting(session, ADDITION);
        session.batch_execute(&format!("KILL {id}")).unwrap();
    });
    let request = async {
        is_locked.await.unwrap();
        post(&shop, CART, "key", item).await
    };
    let ((), lost) = tokio::join!(kill, request);
    lost.error(503);
    assert_eq!(count(&shop, "cart").await, 0);
    assert_eq!(count(&shop, "idempotency_keys").await, 0);
    let first = post(&shop, CART, "key", item).await;
    first.expect(201);
    assert_replay(&first, &post(&shop, CART, "key", item).await);
    assert_eq!(count(&shop, "cart").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_waited_for_one_that_failed_does_the_work() {
    let (shop, requests) = shop_and_requests().await;
    let other = shop.another().await;
    let item = &requests[2].2;
    let (locked, is_locked) = oneshot::channel();
    let (added, is_adding) = oneshot::channel();
    let kill = with_locked_product(&shop, locked, |session| {
        let id = waiting(session, ADDITION);
        added.send(()).unwrap();
        waiting(session, CLAIM);
        session.batch_execute(&format!("KILL {id}")).unwrap();
    });
    let first = async {
        is_locked.await.unwrap();
        post(&shop, CART, "key", item).await
    };
    let second = async {
        is_adding.await.unwrap();
        post(&other, CART, "key", item).await
    };
    let ((), first, second) = tokio::join!(kill, first, second);
    first.error(503);
    assert!(!is_replay(&second));
    second.expect(201);
    assert_eq!(count(&shop, "cart").await, 1);
    assert_replay(&second, &post(&shop, CART, "key", item).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_waits_for_the_one_in_progress_and_is_its_replay() {
    let (shop, requests) = shop_and_requests().await;
    let other = shop.another().await;
    let item = &requests[2].2;
    let (locked, is_locked) = oneshot::channel();
    let (added, is_adding) = oneshot::channel();
    let unlock = with_locked_product(&shop, locked, |session| {
        waiting(session, ADDITION);
        added.send(()).unwrap();
        waiting(session, CLAIM);
    });
    let first = async {
        is_locked.await.unwrap();
        post(&shop, CART, "key", item).await
    };
    let second = async {
        is_adding.await.unwrap();
        post(&other, CART, "key", item).await
    };
    let ((), first, second) = tokio::join!(unlock, first, second);
    first.expect(201);
    assert_replay(&first, &second);
    assert_eq!(count(&shop, "cart").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_wait_for_one_with_their_key_occupy_no_connection() {
    let (shop, requests) = shop_and_requests().await;
    let item = &requests[2].2;
    let (locked, is_locked) = oneshot::channel();
    let (read, is_read) = oneshot::channel();
    let (added, is_adding) = oneshot::channel();
    let wait = with_locked_product(&shop, locked, |session| {
        waiting(session, ADDITION);
        added.send(()).unwrap();
        is_read.blocking_recv().unwrap();
        let claims = connections(session, CLAIM);
        assert!(claims.is_empty(), "{claims:?}");
    });
    let same = async {
        is_locked.await.unwrap();
        join_all((0..20).map(|_| post(&shop, CART, "key", item))).await
    };
    let strangers = async {
        is_adding.await.unwrap();
        for _ in 0..20 {
            shop.get("/api/users/1").await.expect(200);
        }
        read.send(()).unwrap();
    };
    let ((), responses, ()) = tokio::join!(wait, same, strangers);
    assert_one_and_replays(&responses);
    assert_eq!(count(&shop, "cart").await, 1);
}
