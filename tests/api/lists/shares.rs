//! Clients that read nothing of many lists at once: they hold their share of the database connections for
//! lists, and the lists of others are served.
//!
//! The service of these tests has 8 such connections, so the share of a client is 2.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::http::request::Builder;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpSocket, TcpStream};

use super::{insert_large_products, list_connections, shop_of_large_products};
use crate::harness::{Shop, eventually};

/// A whole list that shares its query with no other request.
const UNSHARED: &str = "/api/products?sort=-id";

/// A connection to the shop from this address.
async fn connect(shop: &Shop, from: Ipv4Addr) -> TokioIo<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(256 * 1024).unwrap();
    socket.bind((from, 0).into()).unwrap();
    TokioIo::new(socket.connect(shop.address.parse().unwrap()).await.unwrap())
}

/// Requests a list `count` times, each on a connection of its own. Reads the heads of the responses only.
async fn get_over_http1(
    shop: &Shop,
    from: Ipv4Addr,
    path: &str,
    count: usize,
) -> Vec<Response<Incoming>> {
    let responses = (0..count).map(async |_| {
        let handshake = http1::handshake(connect(shop, from).await).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let request = Request::get(path).header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap()
    });
    join_all(responses).await
}

/// Requests these lists on one HTTP/2 connection, whose streams have no window and which sends PINGs.
/// Reads the heads of the responses only.
async fn get_over_http2(
    shop: &Shop,
    paths: impl IntoIterator<Item = String>,
) -> Vec<Response<Incoming>> {
    let requests = paths
        .into_iter()
        .map(|path| http2_request(&path).body(Empty::new()));
    send_over_http2(shop, requests.map(Result::unwrap)).await
}

fn http2_request(path: &str) -> Builder {
    Request::get(format!("http://localhost{path}"))
}

/// As [`get_over_http2`], for any requests.
async fn send_over_http2(
    shop: &Shop,
    requests: impl IntoIterator<Item = Request<Empty<Bytes>>>,
) -> Vec<Response<Incoming>> {
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(0)
        .keep_alive_interval(Duration::from_secs(1))
        .handshake(connect(shop, Ipv4Addr::LOCALHOST).await)
        .await;
    let (sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let responses = requests.into_iter().map(|request| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await.unwrap() }
    });
    join_all(responses).await
}

/// Repeats a path.
fn times(path: &str, count: usize) -> impl Iterator<Item = String> {
    std::iter::repeat_n(path.to_owned(), count)
}

/// The number of responses with status 200. All others must be a 503 that says when to try again.
fn served(responses: &[Response<Incoming>]) -> usize {
    let (served, rejected): (Vec<_>, Vec<_>) = responses
        .iter()
        .partition(|response| response.status() == 200);
    for response in rejected {
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }
    served.len()
}

/// Inserts 1,000 products, whose page has about 1 MB.
async fn insert_a_page_of_products(shop: &Shop) {
    shop.execute(
        "INSERT INTO products (title, description) SELECT 'x', REPEAT('d', 1000) FROM seq_1_to_1000",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_http2_streams_without_a_window_hold_no_connection() {
    let shop = Shop::open().await;
    insert_a_page_of_products(&shop).await;
    let pages = get_over_http2(&shop, times("/api/products?limit=1000", 7)).await;
    assert_eq!(served(&pages), 7);
    eventually("no page is being read", async || {
        list_connections(&shop).await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_pages_on_one_connection_leaves_connections_to_others() {
    let shop = Shop::open().await;
    insert_a_page_of_products(&shop).await;
    // Each is another page, so that none shares the memory of another one.
    let pages = (1..=99).map(|n| format!("/api/products?limit={}", 901 + n));
    let pages = get_over_http2(&shop, pages).await;
    assert!(
        served(&pages) < pages.len(),
        "the memory of a client is bounded"
    );
    eventually("only the share of the client is held", async || {
        list_connections(&shop).await.len() <= 2
    })
    .await;
    shop.get("/api/products").await.expect(200);
    shop.get("/api/products?limit=1000").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_lists_on_one_connection_leave_connections_to_others() {
    let shop = shop_of_large_products().await;
    let lists = get_over_http2(&shop, times(UNSHARED, 12)).await;
    assert_eq!(served(&lists), 2);
    shop.get("/api/users").await.expect(200);
    drop(lists);
    eventually("the share is free again", async || {
        let lists = get_over_http2(&shop, times(UNSHARED, 2)).await;
        lists.iter().all(|list| list.status() == 200)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_lists_to_one_address_leave_connections_to_others() {
    let shop = Shop::open_counting_every_client().await;
    insert_large_products(&shop).await;
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let lists = get_over_http1(&shop, one, UNSHARED, 12).await;
    assert_eq!(served(&lists), 2);
    let others = get_over_http1(&shop, other, UNSHARED, 2).await;
    assert_eq!(served(&others), 2);
    shop.get("/api/users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_on_one_connection_of_a_trusted_proxy_have_a_share_each() {
    let shop = Shop::open_behind_proxy_with_capacity(512).await;
    insert_large_products(&shop).await;
    let clients = [["192.0.2.1"; 12].as_slice(), &["192.0.2.2"; 2]].concat();
    let requests = clients.into_iter().map(|client| {
        let request = http2_request(UNSHARED).header("x-forwarded-for", client);
        request.body(Empty::new()).unwrap()
    });
    let lists = send_over_http2(&shop, requests).await;
    let (one, other) = lists.split_at(12);
    assert_eq!([served(one), served(other)], [2, 2]);
}
