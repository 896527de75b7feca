//! The operations of the cart.

mod concurrent;

use serde_json::json;

use crate::harness::Shop;

#[tokio::test]
async fn an_item_contains_its_user_and_product() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Pot").await;
    let added = shop
        .post(
            "/api/cart",
            &json!({"user_id": user, "product_id": product}),
        )
        .await;
    let item = added.expect(201);
    assert_eq!(
        item,
        json!({
            "id": item["id"], "user_id": user, "product_id": product,
            "user": {"id": user, "email": "ada@example.com", "role": "USER"},
            "product": {"id": product, "title": "Pot", "image_url": null, "description": null},
        })
    );
    assert_eq!(
        shop.get(added.header("location").unwrap())
            .await
            .expect(200),
        item
    );
    assert_eq!(shop.get("/api/cart").await.expect(200), json!([item]));
}

#[tokio::test]
async fn the_same_product_may_be_added_twice() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Pot").await;
    let (first, second) = (
        shop.add_to_cart(user, product).await,
        shop.add_to_cart(user, product).await,
    );
    let cart = shop
        .get(&format!("/api/users/{user}/cart"))
        .await
        .expect(200);
    assert_eq!(
        [&cart[0]["id"], &cart[1]["id"]],
        [&json!(first), &json!(second)]
    );
}

#[tokio::test]
async fn an_item_needs_a_user_and_a_product_that_exist() {
    let shop = Shop::open().await;
    let user = shop.create_user("ada@example.com").await;
    let product = shop.create_product("Pot").await;
    for (user_id, product_id, reason, expected) in [
        (user, 999, "PRODUCT_MISSING", "The product does not exist"),
        (999, product, "USER_MISSING", "The user does not exist"),
        (999, 999, "USER_MISSING", "The user does not exist"),
    ] {
        let missing = shop
            .post(
                "/api/cart",
                &json!({"user_id": user_id, "product_id": product_id}),
            )
            .await;
        let (code, message) = missing.error(409);
        assert_eq!((&*code, &*message), ("CONFLICT", expected));
        assert_eq!(missing.json()["error"]["reason"], reason);
    }
    assert_eq!(shop.get("/api/cart").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_cart_is_emptied_item_by_item_or_at_once() {
    let shop = Shop::open().await;
    let (ada, bob) = (
        shop.create_user("ada@example.com").await,
        shop.create_user("bob@example.com").await,
    );
    let pot = shop.create_product("Pot").await;
    let item = shop.add_to_cart(ada, pot).await;
    shop.add_to_cart(ada, pot).await;
    shop.add_to_cart(ada, pot).await;
    let kept = shop.add_to_cart(bob, pot).await;

    let removed = shop.delete(&format!("/api/cart/{item}")).await;
    assert_eq!(removed.expect(200), json!({"cart_items_removed": 1}));
    shop.delete(&format!("/api/cart/{item}")).await.error(404);
    let cleared = shop.delete(&format!("/api/cart/user/{ada}")).await;
    assert_eq!(cleared.json()["message"], "2 cart items removed");
    assert_eq!(
        shop.delete(&format!("/api/cart/user/{ada}"))
            .await
            .expect(200),
        json!({"cart_items_removed": 0})
    );
    shop.delete("/api/cart/user/999").await.error(404);
    assert_eq!(
        shop.get(&format!("/api/users/{ada}/cart"))
            .await
            .expect(200),
        json!([])
    );
    shop.get(&format!("/api/cart/{kept}")).await.expect(200);
    shop.get("/api/users/999/cart").await.error(404);
}

#[tokio::test]
async fn pages_of_carts_count_their_own_list() {
    let shop = Shop::open().await;
    let (ada, bob) = (
        shop.create_user("ada@example.com").await,
        shop.create_user("bob@example.com").await,
    );
    let pot = shop.create_product("Pot").await;
    for user in [ada, bob, ada, ada] {
        shop.add_to_cart(user, pot).await;
    }
    let page = shop
        .get(&format!("/api/users/{ada}/cart?limit=2&page=2"))
        .await;
    assert_eq!(page.expect(200).as_array().unwrap().len(), 1);
    assert_eq!(
        page.json()["pagination"],
        json!({"page": 2, "limit": 2, "total": 3})
    );
    let all = shop.get("/api/cart?limit=3").await;
    assert_eq!(all.expect(200).as_array().unwrap().len(), 3);
    assert_eq!(
        all.json()["pagination"],
        json!({"page": 1, "limit": 3, "total": 4})
    );
}

#[tokio::test]
async fn changing_a_user_or_a_product_leaves_every_cart_as_it_is() {
    let shop = Shop::open_sample().await;
    let carts = async || {
        let lines = shop.sql(crate::harness::dump).await.into_iter();
        let items = lines.filter(|line| line.starts_with("[\"cart\""));
        items.collect::<Vec<String>>()
    };
    let before = carts().await;
    assert!(!before.is_empty());
    for id in 1..=5 {
        for change in [
            json!({"email": format!("new{id}@example.com")}),
            json!({"password": "another secret"}),
            json!({"role": "ADMIN"}),
        ] {
            shop.put(&format!("/api/users/{id}"), &change)
                .await
                .expect(200);
        }
        for change in [
            json!({"title": "New"}),
            json!({"image_url": null}),
            json!({"description": "Another text"}),
        ] {
            shop.put(&format!("/api/products/{id}"), &change)
                .await
                .expect(200);
        }
    }
    assert_eq!(carts().await, before);
}
