//! Clients that pause in the middle of a page, or disconnect.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{total, while_locked};
use crate::harness::{Shop, connections, eventually};
use crate::lists::{kill_list, list_connections};
use crate::paging::rows;
use crate::paused_client::PausedClient;

/// A shop with 400 products. The last 200 have about 13 MB, which exceeds all buffers between the service
/// and a client.
async fn shop_of_large_products() -> Shop {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO products (id, title, description)
           SELECT seq, CONCAT('Product ', seq), IF(seq > 200, REPEAT('😀', 16383), NULL)
           FROM seq_1_to_400",
    )
    .await;
    shop
}

const SMALL: &str = "/api/products?limit=10&page=2";
const LARGE: &str = "/api/products?limit=200&page=2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_its_large_page_delays_no_other_client() {
    let shop = shop_of_large_products().await;
    let small = shop.get(SMALL).await;
    let beyond = "/api/products?limit=10&page=41";
    let (idle, others) = while_locked(&shop, "products", async {
        let idle = join_all((0..3).map(|_| PausedClient::get(&shop, LARGE, "")));
        let paths = [SMALL, LARGE, beyond, SMALL, beyond].repeat(3);
        let others = join_all(paths.into_iter().map(|path| shop.get(path)));
        tokio::join!(idle, others)
    })
    .await;
    // The three clients are paused, and all other responses are complete.
    for (index, page) in others.iter().enumerate() {
        let count = match index % 5 {
            0 | 3 => 10,
            1 => 200,
            _ => 0,
        };
        assert_eq!((rows(page).len(), total(page)), (count, 400));
    }
    assert_eq!(list_connections(&shop).await.len(), 3);
    for _ in 0..10 {
        let page = shop.get(SMALL).await;
        assert_eq!(page.body, small.body);
    }
    for client in idle {
        let page = client.read_to_end().await;
        assert!(page.ends_with(b"\r\n0\r\n\r\n"), "the page is complete");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disconnects_affects_no_other_page() {
    let shop = shop_of_large_products().await;
    for _ in 0..5 {
        while_locked(&shop, "products", async {
            let path = |index| if index % 2 == 0 { LARGE } else { SMALL };
            let disconnecting = (0..10).map(|index| {
                let read = shop.get(path(index));
                tokio::time::timeout(Duration::from_millis(20), read)
            });
            let waiting = (0..10).map(async |index| {
                let page = shop.get(path(index)).await;
                assert_eq!(total(&page), 400);
            });
            tokio::join!(join_all(disconnecting), join_all(waiting))
        })
        .await;
        let client = PausedClient::get(&shop, LARGE, "").await;
        drop(client);
    }
    eventually("the queries of disconnected clients end", async || {
        list_connections(&shop).await.is_empty()
    })
    .await;
    assert_eq!(total(&shop.get(SMALL).await), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_page_whose_query_is_killed_breaks_off() {
    let shop = shop_of_large_products().await;
    let client = PausedClient::get(&shop, LARGE, "").await;
    kill_list(&shop).await;
    let broken = client.read_to_end().await;
    assert!(
        !broken.ends_with(b"\r\n0\r\n\r\n"),
        "the page ended as if it were complete"
    );
    assert_eq!(total(&shop.get(SMALL).await), 400);
}

#[tokio::test]
async fn a_page_in_memory_holds_no_connection_while_its_client_pauses() {
    let shop = Shop::open().await;
    // About 200 kB: more than the first chunk, and little enough to be kept in memory.
    shop.execute(
        "INSERT INTO products (title, description) SELECT 'x', REPEAT('d', 2000) FROM seq_1_to_100",
    )
    .await;
    let path = "/api/products?limit=100";
    let clients = join_all((0..20).map(|_| PausedClient::get(&shop, path, ""))).await;
    assert!(list_connections(&shop).await.is_empty());
    let idle = shop
        .sql(|session| connections(session, "command = 'Sleep'"))
        .await;
    assert!(idle.len() <= 8, "{}", idle.len());
    let users: Value = shop.get("/api/users?page=1").await.json();
    assert_eq!(users["data"], json!([]));
    for client in clients {
        assert!(client.read_to_end().await.ends_with(b"\r\n0\r\n\r\n"));
    }
}
