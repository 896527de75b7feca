//! Tables of an existing shop whose columns lack characters.

use serde_json::{Value, json};

use crate::harness::Shop;

/// A shop whose columns of text have this character set.
async fn shop_in(charset: &str) -> Shop {
    let shop = Shop::open().await;
    for table in ["users", "products", "cart"] {
        let sql = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}");
        shop.execute(format!("SET foreign_key_checks = 0; {sql}"))
            .await;
    }
    shop
}

#[tokio::test]
async fn a_character_that_a_column_cannot_hold_is_a_400_naming_the_property() {
    for (charset, held, lacking) in [("latin1", "Größe", "名前"), ("utf8mb3", "名前", "Pot 🎁")]
    {
        let shop = shop_in(charset).await;
        let product = json!({"title": held, "image_url": "/ö.jpg", "description": held});
        let product = shop.post("/api/products", &product).await.expect(201);
        assert_eq!(product["title"], held);
        let user = json!({"email": "ada@example.com", "password": "geheim🎁", "role": "USER"});
        shop.post("/api/users", &user).await.expect(201);
        let all = json!({"title": lacking, "image_url": held, "description": lacking});
        for (response, fields) in [
            (
                shop.post("/api/products", &all).await,
                &["/title", "/description"][..],
            ),
            (
                shop.put("/api/products/1", &json!({"image_url": lacking}))
                    .await,
                &["/image_url"],
            ),
        ] {
            assert_eq!(response.status, 400, "{charset}: {response:?}");
            let details = response.json()["error"]["details"].clone();
            let named: Vec<&Value> = details
                .as_array()
                .unwrap()
                .iter()
                .map(|d| &d["field"])
                .collect();
            assert_eq!(named, fields);
        }
        let unchanged = shop.get("/api/products/1").await.expect(200);
        assert_eq!(unchanged, product);
        let change = json!({"title": format!("{held}!")});
        let changed = shop.put("/api/products/1", &change).await.expect(200);
        assert_eq!(changed["title"], change["title"]);
    }
}

#[tokio::test]
async fn filters_find_texts_in_any_character_set_and_nothing_by_a_character_that_it_lacks() {
    for charset in ["latin1", "utf8mb3"] {
        let shop = shop_in(charset).await;
        shop.create_product("Größe").await;
        shop.execute(
            "INSERT INTO users (email, password, role) VALUES ('größe@example.com', 'x', 'USER')",
        )
        .await;
        for (path, found) in [
            ("/api/products?limit=5&q=Gr%C3%B6%C3%9F", 1),
            ("/api/products?limit=5&q=Gr%F0%9F%8E%81", 0),
            ("/api/products?limit=5&sort=-title", 1),
            ("/api/users?limit=5&q=gr%C3%B6", 1),
            ("/api/users?limit=5&q=%F0%9F%8E%81%F0%9F%8E%81", 0),
            ("/api/users?email=gr%C3%B6%C3%9Fe@example.com", 1),
            ("/api/users?email=Gr%C3%B6%C3%9Fe@example.com", 0),
            ("/api/users?email=%F0%9F%8E%81", 0),
            ("/api/users?limit=5&email=%F0%9F%8E%81", 0),
        ] {
            let rows = shop.get(path).await.expect(200);
            assert_eq!(rows.as_array().unwrap().len(), found, "{charset} {path}");
        }
    }
}
