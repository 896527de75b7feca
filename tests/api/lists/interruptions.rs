//! Transfers of lists that the database or the client breaks off.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{LAST_CHUNK, kill_list, list_connections, shop_of_large_products};
use crate::common::conformance::check;
use crate::common::wire::Sent;
use crate::harness::{ClientResponse, connections, eventually, received_head};
use crate::paused_client::PausedClient;

/// Checks the head of the response to `GET path`.
fn check_head(path: &str, response: &Response<Incoming>) {
    let head = received_head(response.status(), response.headers());
    check(&Sent::new("GET", path, &[], b""), &head);
}

#[tokio::test]
async fn a_transfer_breaks_off_when_its_query_is_killed() {
    let shop = shop_of_large_products().await;
    let whole = PausedClient::get(&shop, "/api/products", "")
        .await
        .read_to_end()
        .await;
    assert!(whole.ends_with(LAST_CHUNK));

    let client = PausedClient::get(&shop, "/api/products", "").await;
    kill_list(&shop).await;
    let broken = client.read_to_end().await;
    assert!(broken.len() < whole.len());
    assert!(!broken.ends_with(LAST_CHUNK));
    let page = shop.get("/api/products?limit=1").await;
    assert_eq!(page.json()["pagination"]["total"], 400);
}

#[tokio::test]
async fn over_http2_a_killed_query_resets_the_stream() {
    let shop = shop_of_large_products().await;
    let stream = TokioIo::new(TcpStream::connect(&shop.address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut get = async |path| {
        let uri = format!("http://localhost{path}");
        let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap()
    };
    let list = get("/api/products").await;
    check_head("/api/products", &list);
    assert_eq!(list.status(), 200);
    kill_list(&shop).await;
    let broken = list.into_body().collect().await;
    assert!(broken.is_err(), "the body ended as if it were complete");
    let path = "/api/products?limit=1";
    let next = ClientResponse::read(get(path).await).await;
    check(&Sent::new("GET", path, &[], b""), &next.received());
    next.expect(200);
}

#[tokio::test]
async fn a_client_that_disconnects_ends_the_query_and_its_connection() {
    let shop = shop_of_large_products().await;
    let client = PausedClient::get(&shop, "/api/products", "").await;
    let [list] = list_connections(&shop).await[..] else {
        panic!("one list is being read")
    };
    drop(client);
    eventually("the database connection is closed", async || {
        let of_list = move |session: &mut _| connections(session, &format!("id = {list}"));
        shop.sql(of_list).await.is_empty()
    })
    .await;
    let next = PausedClient::get(&shop, "/api/products", "").await;
    assert!(next.read_to_end().await.ends_with(LAST_CHUNK));
}
