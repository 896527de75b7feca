//! The operations of products.

use serde_json::{Value, json};

use crate::harness::Shop;

#[tokio::test]
async fn a_created_product_is_at_its_location() {
    let shop = Shop::open().await;
    let created = shop
        .post("/api/products", &json!({"title": "Kettle"}))
        .await;
    let data = created.expect(201);
    assert_eq!(
        data,
        json!({"id": data["id"], "title": "Kettle", "image_url": null, "description": null})
    );
    assert_eq!(
        shop.get(created.header("location").unwrap())
            .await
            .expect(200),
        data
    );
}

#[tokio::test]
async fn an_update_distinguishes_null_from_absent() {
    let shop = Shop::open().await;
    let full = json!({"title": "Kettle", "image_url": "/kettle.jpg", "description": "Boils."});
    let path = format!(
        "/api/products/{}",
        shop.post("/api/products", &full).await.expect(201)["id"]
    );
    let cleared = shop
        .put(&path, &json!({"image_url": null}))
        .await
        .expect(200);
    assert_eq!(
        (&cleared["image_url"], &cleared["description"]),
        (&Value::Null, &json!("Boils."))
    );
    assert_eq!(shop.put(&path, &json!({})).await.expect(200), cleared);
    assert_eq!(
        shop.put(&path, &json!({"image_url": null}))
            .await
            .expect(200),
        cleared
    );
    let rejected = shop.put(&path, &json!({"title": null})).await;
    assert_eq!(rejected.violations(), ["/title must be a string"]);
    shop.put("/api/products/999", &json!({})).await.error(404);
    shop.put("/api/products/999", &json!({"title": "x"}))
        .await
        .error(404);
}

#[tokio::test]
async fn any_unicode_is_read_back_unchanged() {
    let shop = Shop::open().await;
    for title in [
        "a\u{0}b",
        "☕ 𝄞 👩‍👩‍👧",
        " spaces around ",
        "\u{feff}bom",
        "'; DROP TABLE users; --",
        "\\ \" \u{7f}\u{1b}[0m",
        "ẞß",
        "\u{202e}",
    ] {
        let created = shop
            .post(
                "/api/products",
                &json!({"title": title, "description": title}),
            )
            .await;
        let stored = shop
            .get(created.header("location").unwrap())
            .await
            .expect(200);
        assert_eq!(
            (&stored["title"], &stored["description"]),
            (&json!(title), &json!(title))
        );
    }
}

#[tokio::test]
async fn the_length_limits_are_those_of_the_columns_in_characters() {
    let shop = Shop::open().await;
    let product = |title: usize, image: usize, description: usize| json!({"title": "😀".repeat(title), "image_url": "😀".repeat(image), "description": "😀".repeat(description)});
    let longest = product(255, 500, 16383);
    let created = shop.post("/api/products", &longest).await;
    let stored = shop
        .get(created.header("location").unwrap())
        .await
        .expect(200);
    assert_eq!(stored["description"], longest["description"]);
    assert_eq!(
        shop.post("/api/products", &product(256, 501, 16384))
            .await
            .violations(),
        [
            "/description must have at most 16383 characters",
            "/image_url must have at most 500 characters",
            "/title must have at most 255 characters",
        ]
    );
    assert_eq!(
        shop.post("/api/products", &product(0, 0, 0))
            .await
            .violations(),
        ["/title must not be empty"]
    );
}

#[tokio::test]
async fn a_list_is_whole_without_parameters_and_a_page_with_them() {
    let shop = Shop::open().await;
    for number in 1..=12 {
        shop.create_product(&format!("Cup {number}")).await;
    }
    let titles = |data: &Value| -> Vec<String> {
        data.as_array()
            .unwrap()
            .iter()
            .map(|product| product["title"].as_str().unwrap().to_owned())
            .collect()
    };
    let whole = shop.get("/api/products").await;
    assert_eq!(titles(&whole.expect(200)).len(), 12);
    assert!(whole.json().get("pagination").is_none());

    let page = |query: &'static str| {
        let shop = &shop;
        async move {
            let response = shop.get(&format!("/api/products?{query}")).await;
            (
                titles(&response.expect(200)),
                response.json()["pagination"].clone(),
            )
        }
    };
    let (first, pagination) = page("page=1").await;
    assert_eq!(first.len(), 10);
    assert_eq!(pagination, json!({"page": 1, "limit": 10, "total": 12}));
    assert_eq!(
        page("limit=5").await.0,
        ["Cup 1", "Cup 2", "Cup 3", "Cup 4", "Cup 5"]
    );
    assert_eq!(page("page=3&limit=5").await.0, ["Cup 11", "Cup 12"]);
    assert_eq!(page("limit=1000").await.0.len(), 12);
    let (beyond, pagination) = page("page=2147483647").await;
    assert!(beyond.is_empty());
    assert_eq!(
        pagination,
        json!({"page": 2_147_483_647, "limit": 10, "total": 12})
    );
    assert!(page("page=2147483647&limit=1000").await.0.is_empty());
}

#[tokio::test]
async fn deleting_a_product_removes_it_from_every_cart() {
    let shop = Shop::open().await;
    let (ada, bob) = (
        shop.create_user("ada@example.com").await,
        shop.create_user("bob@example.com").await,
    );
    let (pot, cup) = (
        shop.create_product("Pot").await,
        shop.create_product("Cup").await,
    );
    for (user, product) in [(ada, pot), (ada, pot), (bob, pot), (bob, cup)] {
        shop.add_to_cart(user, product).await;
    }
    let deleted = shop.delete(&format!("/api/products/{pot}")).await;
    assert_eq!(deleted.expect(200), json!({"cart_items_removed": 3}));
    assert_eq!(
        deleted.json()["message"],
        "Product deleted, 3 cart items removed"
    );
    let left = shop.get("/api/cart").await.expect(200);
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["product"]["title"], "Cup");
    shop.delete(&format!("/api/products/{pot}"))
        .await
        .error(404);
}

#[tokio::test]
async fn the_carts_of_a_product_contain_their_users() {
    let shop = Shop::open().await;
    let (ada, bob) = (
        shop.create_user("ada@example.com").await,
        shop.create_user("bob@example.com").await,
    );
    let (pot, cup) = (
        shop.create_product("Pot").await,
        shop.create_product("Cup").await,
    );
    let item = shop.add_to_cart(ada, pot).await;
    shop.add_to_cart(bob, pot).await;
    let carts = shop
        .get(&format!("/api/products/{pot}/carts"))
        .await
        .expect(200);
    let user = json!({"id": ada, "email": "ada@example.com", "role": "USER"});
    assert_eq!(
        carts[0],
        json!({"id": item, "user_id": ada, "product_id": pot, "user": user})
    );
    assert_eq!(carts[1]["user"]["email"], "bob@example.com");
    let page = shop
        .get(&format!("/api/products/{pot}/carts?page=2&limit=1"))
        .await;
    assert_eq!(page.expect(200), json!([carts[1]]));
    assert_eq!(
        page.json()["pagination"],
        json!({"page": 2, "limit": 1, "total": 2})
    );
    assert_eq!(
        shop.get(&format!("/api/products/{cup}/carts"))
            .await
            .expect(200),
        json!([])
    );
    shop.get("/api/products/999/carts").await.error(404);
}
