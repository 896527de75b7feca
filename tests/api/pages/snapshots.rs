//! Pages during concurrent writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::total;
use crate::harness::Shop;
use crate::paging::rows;

/// Each statement adds two rows to a table and deletes two, so that every list has an even number of rows.
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

/// Stops the writers, also when a request panics.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_total_and_the_rows_of_a_page_are_from_one_snapshot() {
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
    let stop_writers = StopOnDrop(Arc::clone(&is_over));
    let writers = WRITES.map(|write| {
        let is_over = Arc::clone(&is_over);
        shop.sql(move |session| {
            while !is_over.load(Ordering::Relaxed) {
                session.batch_execute(write).unwrap();
            }
        })
    });
    let reading = async move {
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
        drop(stop_writers);
    };
    tokio::join!(join_all(writers), reading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_every_row_that_was_created_before_its_request() {
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
