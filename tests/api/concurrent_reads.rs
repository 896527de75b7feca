//! Concurrent requests, and reads after a change: each response belongs to its own request and shows the
//! current state.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, Shop};
use crate::paused_client::PausedClient;

/// Sends a GET for each path concurrently. Returns the responses in the order of the paths.
async fn get_concurrently(shop: &Shop, paths: &[String]) -> Vec<ClientResponse> {
    join_all(paths.iter().map(|path| shop.get(path))).await
}

/// The numbers from 1 to `count` in a mixed order.
fn shuffled(count: i64) -> impl Iterator<Item = i64> {
    // 7 and `count + 1` have no common factor where `count + 1` is a power of two.
    assert!((count + 1).count_ones() == 1);
    (1..=count).map(move |number| number * 7 % (count + 1))
}

/// A shop with 63 users and products, whose texts contain their ids, and with `items` products in each
/// cart: user n has the products n, n + 1 and so on, continuing with the first after the last.
async fn numbered_shop(items: i64) -> Shop {
    let shop = Shop::open().await;
    shop.execute(format!(
        "INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', seq, '@example.com'), 'x', 'USER' FROM seq_1_to_63;
         INSERT INTO products (id, title, description)
           SELECT seq, CONCAT('Product ', seq), REPEAT('d', seq) FROM seq_1_to_63;
         INSERT INTO cart (user_id, product_id)
           SELECT u.seq, (u.seq + i.seq - 1) % 63 + 1
           FROM seq_0_to_{} i JOIN seq_1_to_63 u ORDER BY i.seq, u.seq;",
        items - 1
    ))
    .await;
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_concurrent_reads_shows_its_own_resource() {
    let shop = numbered_shop(1).await;
    for round in 0..4 {
        let ids: Vec<i64> = shuffled(63).collect();
        let paths = |of: &str| -> Vec<String> {
            let paths = ids.iter().map(|id| format!("/api/{of}/{id}"));
            paths.collect()
        };
        let users = get_concurrently(&shop, &paths("users")).await;
        let products = get_concurrently(&shop, &paths("products")).await;
        let items = get_concurrently(&shop, &paths("cart")).await;
        for (((id, user), product), item) in ids.iter().zip(users).zip(products).zip(items) {
            let user_shown = json!({
                "id": id, "email": format!("user{id}@example.com"), "role": "USER",
            });
            let product_shown = json!({
                "id": id, "title": format!("Product {id}"), "image_url": null,
                "description": "d".repeat(usize::try_from(*id).unwrap()),
            });
            assert_eq!(user.expect(200), user_shown, "round {round}");
            assert_eq!(product.expect(200), product_shown, "round {round}");
            let item = item.expect(200);
            assert_eq!(item["id"], *id, "round {round}");
            assert_eq!(item["user"], user_shown, "round {round}");
            assert_eq!(item["product"], product_shown, "round {round}");
        }
    }
}

/// Reads these short lists one by one, then concurrently, and compares the results. Meanwhile a client
/// that has stopped reading holds the long list `held`: while a list is being read, further requests for
/// lists wait for a short time to share a query.
async fn compare_together(shop: &Shop, held: &str, paths: &[&str]) {
    let idle = PausedClient::get(shop, held, "").await;
    // The waiting time depends on the duration of the last list.
    shop.get(held).await.expect(200);
    let mut alone = Vec::new();
    for path in paths {
        let list = shop.get(path).await;
        list.expect(200);
        assert!(
            !alone.contains(&list.body),
            "{path} has the same response as another path"
        );
        alone.push(list.body);
    }
    for _ in 0..3 {
        let paths: Vec<String> = paths.repeat(2).into_iter().map(str::to_owned).collect();
        let together = get_concurrently(shop, &paths).await;
        for ((path, list), alone) in paths.iter().zip(together).zip(alone.iter().cycle()) {
            list.expect(200);
            assert!(
                list.body == *alone,
                "{path} has the response of another request"
            );
        }
    }
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_concurrent_lists_belongs_to_its_own_user_or_product() {
    let shop = numbered_shop(60).await;
    // Too long for the buffers between the service and the client.
    shop.execute("INSERT INTO cart (user_id, product_id) SELECT 1, 1 FROM seq_1_to_60000")
        .await;
    let carts = [2, 3, 4, 5].map(|id| format!("/api/products/{id}/carts"));
    let carts: Vec<&str> = carts.iter().map(String::as_str).collect();
    compare_together(&shop, "/api/products/1/carts", &carts).await;
    let carts = [2, 3, 4, 5].map(|id| format!("/api/users/{id}/cart"));
    let carts: Vec<&str> = carts.iter().map(String::as_str).collect();
    compare_together(&shop, "/api/users/1/cart", &carts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_concurrent_lists_has_its_own_rows_and_order() {
    let shop = numbered_shop(1).await;
    shop.execute(
        "INSERT INTO users (email, password, role)
           SELECT CONCAT(REPEAT('x', 230), seq, '@example.com'), 'x', 'USER' FROM seq_1_to_24000;
         UPDATE users SET role = 'ADMIN' WHERE id % 3 = 0 AND id < 64;
         INSERT INTO products (title, description) SELECT 'y', REPEAT('😀', 16383) FROM seq_1_to_100",
    )
    .await;
    let users = [
        "/api/users?role=ADMIN",
        "/api/users?role=ADMIN&sort=-id",
        "/api/users?email=user7@example.com",
        "/api/users?email=user8@example.com",
        "/api/users?limit=5",
    ];
    compare_together(&shop, "/api/users", &users).await;
    compare_together(&shop, "/api/users?role=USER", &users).await;
    let products = ["/api/products?limit=5", "/api/products?sort=-id&limit=5"];
    compare_together(&shop, "/api/products", &products).await;
    let whole = ["/api/products", "/api/products?sort=-id"];
    compare_together(&shop, "/api/products", &whole).await;
}

/// Every GET that shows user 1, product 1 or cart item 1.
const VIEWS: [&str; 10] = [
    "/api/users/1",
    "/api/products/1",
    "/api/cart/1",
    "/api/users",
    "/api/products",
    "/api/cart",
    "/api/users/1/cart",
    "/api/products/1/carts",
    "/api/products?limit=3",
    "/api/cart?limit=3",
];

/// The status, the tag and the data of every view.
async fn views(shop: &Shop) -> Vec<(u16, Option<String>, Value)> {
    let mut views = Vec::new();
    for path in VIEWS {
        let response = shop.get(path).await;
        let tag = response.header("etag").map(str::to_owned);
        views.push((
            response.status.as_u16(),
            tag,
            response.json()["data"].clone(),
        ));
    }
    views
}

#[tokio::test]
async fn a_read_shows_every_earlier_change() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Kettle").await;
    let item = shop.add_to_cart(user, product).await;
    assert_eq!((user, product, item), (1, 1, 1));
    let shows = async |view: &str, text: &str| {
        let data = shop.get(view).await.json()["data"].to_string();
        data.contains(text)
    };
    views(&shop).await;
    // Changes by this service.
    let change = json!({"title": "Pot"});
    shop.put("/api/products/1", &change).await.expect(200);
    shop.put("/api/users/1", &json!({"role": "ADMIN"}))
        .await
        .expect(200);
    for view in VIEWS {
        let (has_product, has_user) = (shows(view, "title").await, shows(view, "email").await);
        assert_eq!(shows(view, "Pot").await, has_product, "{view}");
        assert_eq!(shows(view, "ADMIN").await, has_user, "{view}");
    }
    // Changes by another program.
    views(&shop).await;
    shop.execute("UPDATE products SET title = 'Pan'; UPDATE users SET email = 'eva@example.com'")
        .await;
    for view in VIEWS {
        let (has_product, has_user) = (shows(view, "title").await, shows(view, "email").await);
        assert_eq!(shows(view, "Pan").await, has_product, "{view}");
        assert_eq!(shows(view, "eva@").await, has_user, "{view}");
    }
    views(&shop).await;
    shop.delete("/api/cart/1").await.expect(200);
    shop.delete("/api/products/1").await.expect(200);
    shop.delete("/api/users/1").await.expect(200);
    for (view, (status, tag, data)) in VIEWS.iter().zip(views(&shop).await) {
        match status {
            404 => assert_eq!((tag, data), (None, Value::Null), "{view}"),
            _ => assert_eq!((status, tag, data), (200, None, json!([])), "{view}"),
        }
    }
}
