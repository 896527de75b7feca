//! Applies random operations to the service and to a model in plain Rust. The responses, the tables and
//! the model agree afterwards.

mod calls;
mod tables;

use std::collections::BTreeMap;

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::Shop;
use calls::{Call, calls};
use tables::tables;

type ProductColumns = (String, Option<String>, Option<String>);

/// The expected rows of the shop, as the API shows them.
#[derive(Default)]
struct Model {
    users: BTreeMap<i64, (String, &'static str)>,
    /// Title, image and description.
    products: BTreeMap<i64, ProductColumns>,
    cart: BTreeMap<i64, (i64, i64)>,
}

const MISSING_ID: i64 = 1_000_000;

/// The key that `number` selects, which sometimes does not exist.
fn pick<V>(map: &BTreeMap<i64, V>, number: u8) -> i64 {
    map.keys()
        .nth(usize::from(number) % (map.len() + 1))
        .copied()
        .unwrap_or(MISSING_ID)
}

fn email(number: u8) -> String {
    format!("user{number}@example.com")
}

fn role(admin: bool) -> &'static str {
    if admin { "ADMIN" } else { "USER" }
}

impl Model {
    fn user(&self, id: i64) -> Value {
        json!({"id": id, "email": self.users[&id].0, "role": self.users[&id].1})
    }

    fn product(&self, id: i64) -> Value {
        let (title, image, description) = &self.products[&id];
        json!({"id": id, "title": title, "image_url": image, "description": description})
    }

    fn item(&self, id: i64) -> Value {
        let (user_id, product_id) = self.cart[&id];
        json!({"id": id, "user_id": user_id, "product_id": product_id, "user": self.user(user_id), "product": self.product(product_id)})
    }

    /// Whether a user other than `except` has this email.
    fn is_taken(&self, email: &str, except: Option<i64>) -> bool {
        self.users
            .iter()
            .any(|(id, (known, _))| known == email && Some(*id) != except)
    }

    /// Removes the cart items that `is_removed` selects. Returns their number.
    fn remove_items(&mut self, is_removed: impl Fn((i64, i64)) -> bool) -> usize {
        let before = self.cart.len();
        self.cart.retain(|_, item| !is_removed(*item));
        before - self.cart.len()
    }

    /// Makes `call` to the service and in the model, and compares the results.
    #[expect(clippy::too_many_lines, reason = "one arm for each call")]
    async fn apply(&mut self, shop: &Shop, call: Call) {
        match call {
            Call::CreateUser {
                email: number,
                admin,
            } => {
                let (email, role) = (email(number), role(admin));
                let user = json!({"email": email, "password": "secret", "role": role});
                let response = shop.post("/api/users", &user).await;
                if self.is_taken(&email, None) {
                    response.error(409);
                } else {
                    let id = response.expect(201)["id"].as_i64().unwrap();
                    assert!(self.users.insert(id, (email, role)).is_none(), "a new id");
                    assert_eq!(response.expect(201), self.user(id));
                }
            }
            Call::UpdateUser {
                user,
                email: number,
                admin,
            } => {
                let id = pick(&self.users, user);
                let mut changes = json!({});
                if let Some(number) = number {
                    changes["email"] = email(number).into();
                }
                if let Some(admin) = admin {
                    changes["role"] = role(admin).into();
                }
                let response = shop.put(&format!("/api/users/{id}"), &changes).await;
                if !self.users.contains_key(&id) {
                    response.error(404);
                } else if number.is_some_and(|number| self.is_taken(&email(number), Some(id))) {
                    response.error(409);
                } else {
                    let user = self.users.get_mut(&id).unwrap();
                    user.0 = number.map_or_else(|| user.0.clone(), email);
                    user.1 = admin.map_or(user.1, role);
                    assert_eq!(response.expect(200), self.user(id));
                }
            }
            Call::DeleteUser { user } => {
                let id = pick(&self.users, user);
                let response = shop.delete(&format!("/api/users/{id}")).await;
                if self.users.remove(&id).is_none() {
                    response.error(404);
                } else {
                    let removed = self.remove_items(|item| item.0 == id);
                    assert_eq!(response.expect(200)["cart_items_removed"], removed);
                }
            }
            Call::CreateProduct {
                title,
                image,
                description,
            } => {
                let response = shop
                    .post(
                        "/api/products",
                        &json!({"title": title, "image_url": image, "description": description}),
                    )
                    .await;
                let id = response.expect(201)["id"].as_i64().unwrap();
                let known = self.products.insert(id, (title, image, description));
                assert!(known.is_none(), "a new id");
                assert_eq!(response.expect(201), self.product(id));
            }
            Call::UpdateProduct {
                product,
                title,
                image,
                description,
            } => {
                let id = pick(&self.products, product);
                let mut changes = json!({});
                if let Some(title) = &title {
                    changes["title"] = title.as_str().into();
                }
                if let Some(image) = &image {
                    changes["image_url"] = json!(image);
                }
                if let Some(description) = &description {
                    changes["description"] = json!(description);
                }
                let response = shop.put(&format!("/api/products/{id}"), &changes).await;
                match self.products.get_mut(&id) {
                    None => drop(response.error(404)),
                    Some(row) => {
                        row.0 = title.unwrap_or_else(|| row.0.clone());
                        row.1 = image.unwrap_or_else(|| row.1.clone());
                        row.2 = description.unwrap_or_else(|| row.2.clone());
                        assert_eq!(response.expect(200), self.product(id));
                    }
                }
            }
            Call::DeleteProduct { product } => {
                let id = pick(&self.products, product);
                let response = shop.delete(&format!("/api/products/{id}")).await;
                if self.products.remove(&id).is_none() {
                    response.error(404);
                } else {
                    let removed = self.remove_items(|item| item.1 == id);
                    assert_eq!(response.expect(200)["cart_items_removed"], removed);
                }
            }
            Call::Add { user, product } => {
                let (user_id, product_id) =
                    (pick(&self.users, user), pick(&self.products, product));
                let response = shop
                    .post(
                        "/api/cart",
                        &json!({"user_id": user_id, "product_id": product_id}),
                    )
                    .await;
                if self.users.contains_key(&user_id) && self.products.contains_key(&product_id) {
                    let id = response.expect(201)["id"].as_i64().unwrap();
                    assert!(
                        self.cart.insert(id, (user_id, product_id)).is_none(),
                        "a new id"
                    );
                    assert_eq!(response.expect(201), self.item(id));
                } else {
                    response.error(409);
                }
            }
            Call::Remove { item } => {
                let id = pick(&self.cart, item);
                let response = shop.delete(&format!("/api/cart/{id}")).await;
                match self.cart.remove(&id) {
                    None => drop(response.error(404)),
                    Some(_) => assert_eq!(response.expect(200)["cart_items_removed"], 1),
                }
            }
            Call::Clear { user } => {
                let id = pick(&self.users, user);
                let response = shop.delete(&format!("/api/cart/user/{id}")).await;
                if self.users.contains_key(&id) {
                    let removed = self.remove_items(|item| item.0 == id);
                    assert_eq!(response.expect(200)["cart_items_removed"], removed);
                } else {
                    response.error(404);
                }
            }
        }
    }

    /// Compares every list and table with the model.
    async fn compare(&self, shop: &Shop) {
        let users: Vec<Value> = self.users.keys().map(|id| self.user(*id)).collect();
        let products: Vec<Value> = self.products.keys().map(|id| self.product(*id)).collect();
        let items: Vec<Value> = self.cart.keys().map(|id| self.item(*id)).collect();
        assert_eq!(shop.get("/api/users").await.expect(200), Value::from(users));
        assert_eq!(
            shop.get("/api/products").await.expect(200),
            Value::from(products.clone())
        );
        assert_eq!(
            shop.get("/api/cart").await.expect(200),
            Value::from(items.clone())
        );
        let page: Vec<Value> = products.into_iter().skip(3).take(3).collect();
        assert_eq!(
            shop.get("/api/products?page=2&limit=3").await.expect(200),
            Value::from(page)
        );
        for id in self.users.keys() {
            let mut cart: Vec<Value> = items
                .iter()
                .filter(|item| item["user_id"] == *id)
                .cloned()
                .collect();
            for item in &mut cart {
                item.as_object_mut().unwrap().remove("user");
            }
            assert_eq!(
                shop.get(&format!("/api/users/{id}/cart")).await.expect(200),
                Value::from(cart)
            );
        }
        let tables = shop.sql(tables).await;
        assert_eq!(
            tables.0,
            self.users
                .iter()
                .map(|(id, user)| (*id, user.0.clone(), user.1.to_owned()))
                .collect::<Vec<_>>()
        );
        assert_eq!(
            tables.1,
            self.products
                .iter()
                .map(|(id, product)| (*id, product.clone()))
                .collect::<Vec<_>>()
        );
        assert_eq!(
            tables.2,
            self.cart
                .iter()
                .map(|(id, item)| (*id, item.0, item.1))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn tables_responses_and_model_agree_after_any_sequence_of_operations() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Shrinking makes failures readable. The seed is printed, so no file of regressions is written.
    let config = Config {
        cases: 24,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&calls(), |calls| {
        runtime.block_on(async {
            let shop = Shop::open().await;
            let mut model = Model::default();
            for call in calls {
                model.apply(&shop, call).await;
            }
            model.compare(&shop).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
