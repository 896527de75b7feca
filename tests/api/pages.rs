//! Pages that are asked for at the same time: each has the rows and the total of one moment, and none
//! waits for another's client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::harness::{Answer, Shop, connections, eventually};
use crate::lists::{Reader, kill_list, lists_under_way};
use crate::paging::rows;

fn total(page: &Answer) -> usize {
    let total = page.json()["pagination"]["total"].as_u64().unwrap();
    usize::try_from(total).unwrap()
}

// ── One moment ──────────────────────────────────────────────────────────────────────────────────

/// Two rows of each table are added, then two removed: all lists below have an even number of rows.
const WRITES: [&str; 3] = [
    "INSERT INTO products (title) VALUES ('Kettle'), ('Kettle');
     DELETE FROM products WHERE id > 2 ORDER BY id LIMIT 2",
    "INSERT INTO users (email, password, role)
       VALUES (CONCAT(UUID(), '@x'), 'x', 'ADMIN'), (CONCAT(UUID(), '@x'), 'x', 'ADMIN');
     DELETE FROM users WHERE id > 2 ORDER BY id LIMIT 2",
    "INSERT INTO cart (user_id, product_id) VALUES (1, 1), (1, 1);
     DELETE FROM cart ORDER BY id LIMIT 2",
];

const LISTS: [&str; 9] = [
    "/api/products?limit=1000",
    "/api/products?q=Ke&limit=1000",
    "/api/products?sort=-title&limit=1000",
    "/api/users?limit=1000",
    "/api/users?role=ADMIN&limit=1000",
    "/api/users?role=ADMIN&sort=email&limit=1000",
    "/api/cart?limit=1000",
    "/api/users/1/cart?limit=1000",
    "/api/products/1/carts?limit=1000&sort=-id",
];

/// Ends the writers, also when a reader panics.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_total_of_a_page_is_of_the_same_moment_as_its_rows() {
    const ROUNDS: usize = 60;
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO products (id, title) SELECT seq, 'Kettle' FROM seq_1_to_40;
         INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', seq, '@x'), 'x', 'ADMIN' FROM seq_1_to_40;
         INSERT INTO cart (user_id, product_id) SELECT 1, 1 FROM seq_1_to_40",
    )
    .await;
    let shop = &shop;
    let is_over = Arc::new(AtomicBool::new(false));
    let writers_end = StopOnDrop(Arc::clone(&is_over));
    let writers = WRITES.map(|write| {
        let is_over = Arc::clone(&is_over);
        shop.sql(move |session| {
            while !is_over.load(Ordering::Relaxed) {
                session.batch_execute(write).unwrap();
            }
        })
    });
    let readers = async move {
        let reads = LISTS.repeat(2).into_iter().map(|path| async move {
            for round in 0..ROUNDS {
                let page = shop.get(path).await;
                assert_eq!(total(&page), rows(&page).len(), "{path}, round {round}");
                let past = shop.get(&format!("{path}&page=3")).await;
                assert!(rows(&past).is_empty(), "{path}, round {round}");
                assert_eq!(total(&past) % 2, 0, "{path}, round {round}, past the end");
            }
        });
        join_all(reads).await;
        drop(writers_end);
    };
    tokio::join!(join_all(writers), readers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_every_row_that_was_created_before_it_was_asked_for() {
    let shop = Shop::open().await;
    let is_over = AtomicBool::new(false);
    let others = join_all((0..6).map(|_| async {
        while !is_over.load(Ordering::Relaxed) {
            shop.get("/api/products?limit=1000").await.expect(200);
        }
    }));
    let clients = join_all((0..4).map(|client| {
        let shop = &shop;
        async move {
            for number in 0..40 {
                let id = shop.create_product(&format!("{client}, {number}")).await;
                let page = shop.get("/api/products?limit=1000").await;
                assert!(rows(&page).iter().any(|row| row["id"] == id), "{id}");
                assert_eq!(total(&page), rows(&page).len());
            }
        }
    }));
    let clients = async {
        clients.await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(others, clients);
}

// ── Together ────────────────────────────────────────────────────────────────────────────────────

/// Sends requests while a table is locked, so that all but the first are waiting for one another when it
/// is free again.
async fn while_locked<T>(shop: &Shop, table: &str, requests: impl Future<Output = T>) -> T {
    let lock = format!("LOCK TABLES {table} WRITE");
    let (locked, is_locked) = oneshot::channel();
    let (release, released) = std::sync::mpsc::channel();
    let holding = shop.sql(move |session| {
        session.batch_execute(&lock).unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        session.batch_execute("UNLOCK TABLES").unwrap();
    });
    let requests = async {
        is_locked.await.unwrap();
        let gathering = async {
            eventually("all workers of a list wait for the table", async || {
                let waiting = "state = 'Waiting for table metadata lock'";
                let waiting = shop.sql(move |session| connections(session, waiting));
                waiting.await.len() >= 2
            })
            .await;
            // All requests are on their way by now; those that follow them have come when this has.
            for _ in 0..20 {
                shop.get("/").await;
            }
            release.send(()).unwrap();
        };
        tokio::join!(requests, gathering).0
    };
    tokio::join!(holding, requests).1
}

/// Gets all paths at the same time, while `table` is locked.
async fn get_together(shop: &Shop, table: &str, paths: &[String]) -> Vec<Answer> {
    while_locked(
        shop,
        table,
        join_all(paths.iter().map(|path| shop.get(path))),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_pages_at_once_is_the_one_that_was_asked_for() {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', 100 + seq, '@x'), 'x', IF(seq % 3, 'USER', 'ADMIN')
           FROM seq_1_to_100;
         INSERT INTO products (id, title) SELECT seq, CONCAT('Kettle ', seq % 9) FROM seq_1_to_100;
         INSERT INTO cart (user_id, product_id) SELECT 1 + seq % 2, 1 + seq % 2 FROM seq_1_to_100",
    )
    .await;
    for (table, lists) in [
        (
            "users",
            &[
                "/api/users?",
                "/api/users?sort=-id&",
                "/api/users?sort=-email&",
                "/api/users?role=ADMIN&",
                "/api/users?role=USER&sort=-id&",
            ][..],
        ),
        (
            "products",
            &["/api/products?sort=-title&", "/api/products?q=Kettle%202&"],
        ),
        (
            "cart",
            &[
                "/api/cart?sort=-id&",
                "/api/users/1/cart?",
                "/api/users/2/cart?",
                "/api/products/2/carts?sort=-id&",
            ],
        ),
    ] {
        let pages = (1..=12).map(|number| (number, 10));
        let others = [
            (1, 100),
            (2, 30),
            (3, 30),
            (40, 1),
            (7, 10),
            (7, 10),
            (2, 7),
        ];
        let pages: Vec<(i32, i32)> = pages.chain(others).collect();
        let paths = pages.iter().flat_map(|(number, size)| {
            let path = move |list: &&str| format!("{list}page={number}&limit={size}");
            lists.iter().map(path)
        });
        let paths: Vec<String> = paths.collect();
        let together = get_together(&shop, table, &paths).await;
        for (path, page) in paths.iter().zip(together) {
            let alone = shop.get(path).await;
            page.expect(200);
            assert_eq!(page.json(), alone.json(), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_list_that_does_not_exist_are_not_found_each() {
    let shop = Shop::open().await;
    let paths: Vec<String> = (1..20)
        .map(|page| format!("/api/users/7/cart?page={page}"))
        .collect();
    for page in get_together(&shop, "users", &paths).await {
        assert_eq!(page.error(404).0, "NOT_FOUND");
    }
    let user = shop.create_user("ada@example.com").await;
    let page = shop.get(&format!("/api/users/{user}/cart?page=1")).await;
    assert_eq!(total(&page), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_fails_its_own_page_alone() {
    let shop = Shop::open().await;
    shop.execute(
        "ALTER TABLE users MODIFY role ENUM('ADMIN', 'USER', 'GUEST') NOT NULL;
         INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', seq, '@x'), 'x', IF(seq = 25, 'GUEST', 'USER')
           FROM seq_1_to_100",
    )
    .await;
    let paths: Vec<String> = (1..=10)
        .chain(1..=10)
        .map(|number| format!("/api/users?page={number}"))
        .collect();
    let together = get_together(&shop, "users", &paths).await;
    for (path, page) in paths.iter().zip(together) {
        if path == "/api/users?page=3" {
            assert_eq!(page.error(500).0, "INTERNAL_ERROR");
        } else {
            assert_eq!((rows(&page).len(), total(&page)), (10, 100), "{path}");
        }
    }
}

// ── Clients ─────────────────────────────────────────────────────────────────────────────────────

/// A shop of 400 products, the last 200 of which are some 13 MB: more than what lies between the
/// service and a client can hold.
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
async fn a_client_that_does_not_read_its_large_page_holds_up_no_other() {
    let shop = shop_of_large_products().await;
    let small = shop.get(SMALL).await;
    let beyond = "/api/products?limit=10&page=41";
    let (idle, others) = while_locked(&shop, "products", async {
        let idle = join_all((0..3).map(|_| Reader::begin(&shop, LARGE, "")));
        let paths = [SMALL, LARGE, beyond, SMALL, beyond].repeat(3);
        let others = join_all(paths.into_iter().map(|path| shop.get(path)));
        tokio::join!(idle, others)
    })
    .await;
    // The three have begun and read no further; all others are here.
    for (index, page) in others.iter().enumerate() {
        let count = match index % 5 {
            0 | 3 => 10,
            1 => 200,
            _ => 0,
        };
        assert_eq!((rows(page).len(), total(page)), (count, 400));
    }
    assert_eq!(lists_under_way(&shop).await.len(), 3);
    for _ in 0..10 {
        let page = shop.get(SMALL).await;
        assert_eq!(page.body, small.body);
    }
    for reader in idle {
        let page = reader.rest().await;
        assert!(page.ends_with(b"\r\n0\r\n\r\n"), "it is whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disconnects_takes_nothing_from_the_others() {
    let shop = shop_of_large_products().await;
    for _ in 0..5 {
        while_locked(&shop, "products", async {
            let path = |index| if index % 2 == 0 { LARGE } else { SMALL };
            let leaving = (0..10).map(|index| {
                let read = shop.get(path(index));
                tokio::time::timeout(Duration::from_millis(20), read)
            });
            let staying = (0..10).map(async |index| {
                let page = shop.get(path(index)).await;
                assert_eq!(total(&page), 400);
            });
            tokio::join!(join_all(leaving), join_all(staying))
        })
        .await;
        let gone = Reader::begin(&shop, LARGE, "").await;
        drop(gone);
    }
    eventually("nothing is read for those who left", async || {
        lists_under_way(&shop).await.is_empty()
    })
    .await;
    assert_eq!(total(&shop.get(SMALL).await), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_breaks_off_alone_when_the_database_dies_midway() {
    let shop = shop_of_large_products().await;
    let reader = Reader::begin(&shop, LARGE, "").await;
    kill_list(&shop).await;
    let rest = reader.rest().await;
    assert!(
        !rest.ends_with(b"\r\n0\r\n\r\n"),
        "it ended as if it were whole"
    );
    assert_eq!(total(&shop.get(SMALL).await), 400);
}

#[tokio::test]
async fn a_page_waits_in_memory_for_its_client_without_a_connection() {
    let shop = Shop::open().await;
    // Some 200 kB: more than the first chunk, and little enough to be kept.
    shop.execute(
        "INSERT INTO products (title, description) SELECT 'x', REPEAT('d', 2000) FROM seq_1_to_100",
    )
    .await;
    let path = "/api/products?limit=100";
    let readers = join_all((0..20).map(|_| Reader::begin(&shop, path, ""))).await;
    assert!(lists_under_way(&shop).await.is_empty());
    let idle = shop
        .sql(|session| connections(session, "command = 'Sleep'"))
        .await;
    assert!(idle.len() <= 8, "{}", idle.len());
    let users: Value = shop.get("/api/users?page=1").await.json();
    assert_eq!(users["data"], json!([]));
    for reader in readers {
        assert!(reader.rest().await.ends_with(b"\r\n0\r\n\r\n"));
    }
}
