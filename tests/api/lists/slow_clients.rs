//! Clients that read slowly or not at all, and their effect on other clients.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use super::{PRODUCT, assert_list, list_connections, rows, shop_of_large_products};
use crate::common::conformance::check;
use crate::common::wire::Sent;
use crate::harness::{ClientResponse, Shop, eventually};
use crate::paused_client::PausedClient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_delay_only_other_lists_and_only_for_a_limited_time() {
    let shop = shop_of_large_products().await;
    let user = shop.create_user("ada@example.com").await;
    // A page that is too large to be kept in memory holds a database connection.
    let idle =
        join_all((0..8).map(|_| PausedClient::get(&shop, "/api/products?limit=400", ""))).await;
    assert_eq!(list_connections(&shop).await.len(), 8);

    let ninth = async {
        let list = shop.get("/api/users");
        tokio::time::timeout(Duration::from_secs(15), list)
            .await
            .expect("the list is rejected in time")
    };
    let others = async {
        for _ in 0..10 {
            let item = shop.add_to_cart(user, 1).await;
            shop.get(&format!("/api/cart/{item}")).await.expect(200);
            shop.get(&format!("/api/users/{user}/cart"))
                .await
                .expect(200);
            shop.put("/api/products/2", &json!({"title": "Pan"}))
                .await
                .expect(200);
            shop.delete(&format!("/api/cart/{item}")).await.expect(200);
        }
        list_connections(&shop).await.len()
    };
    let (ninth, still_idle) = tokio::join!(ninth, others);
    assert_eq!(still_idle, 8, "no list has ended in the meantime");
    assert_eq!(ninth.error(503).0, "SERVICE_UNAVAILABLE");
    assert_eq!(ninth.header("retry-after"), Some("1"));

    drop(idle);
    eventually("lists are served again", async || {
        shop.get("/api/users").await.status == 200
    })
    .await;
}

/// Sends one request for a list, and then two concurrent ones. Returns the three responses. The client of
/// the last one does not read its body before the other concurrent response is complete.
async fn read_with_a_slow_client(shop: &Shop, path: &str) -> [ClientResponse; 3] {
    // Requests wait for others to share a query only while a list is being read, and only if the duration of
    // an earlier list is known. This client keeps a list open, and the next request is the earlier list.
    let _idle = PausedClient::get(shop, path, "").await;
    let alone = shop.get(path).await;

    // Concurrent requests share one query if the list can be shared.
    let stream = TokioIo::new(TcpStream::connect(&shop.address).await.unwrap());
    let handshake = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "localhost");
    let slow = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap());
    let (slow, fast) = tokio::join!(slow, shop.get(path));
    let slow = ClientResponse::read(slow.unwrap()).await;
    check(&Sent::new("GET", path, &[], b""), &slow.received());
    [alone, fast, slow]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_receives_the_whole_list_and_delays_no_other_client() {
    let shop = shop_of_large_products().await;
    let rows = rows(&shop, PRODUCT, "products p ORDER BY id").await;
    let responses = read_with_a_slow_client(&shop, "/api/products").await;
    for response in &responses {
        assert_list(response, &rows, false);
    }
    assert_eq!(responses[2].json()["message"], "400 products");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_of_a_reversed_list_receives_all_rows_in_order() {
    let shop = shop_of_large_products().await;
    shop.execute(
        "INSERT INTO users (email, password, role)
           SELECT CONCAT(REPEAT('x', 230), seq, '@example.com'), 'x', 'USER' FROM seq_1_to_24000;
         INSERT INTO cart (user_id, product_id) SELECT 1, 1 FROM seq_1_to_400;
         INSERT INTO cart (user_id, product_id) SELECT 2, 2 FROM seq_1_to_24000",
    )
    .await;
    for path in [
        "/api/users?sort=-id",
        "/api/products?sort=-id",
        "/api/products/2/carts?sort=-id",
        "/api/users/1/cart?sort=-id",
    ] {
        let responses = read_with_a_slow_client(&shop, path).await;
        let [alone, fast, slow] = responses.map(|response| response.body);
        assert!(fast == alone, "{path}: together with a slow client");
        assert!(slow == alone, "{path}: the slow client");
    }
}
