//! A walk through the shop with nothing but the generated Rust client.
//!
//! Every operation is called at least twice: once it succeeds, and once it fails with the error
//! that the contract promises. What the client's types forbid (an id beyond `i32`, a null title)
//! cannot be said in Rust at all.
//!
//! Usage: `shop-walk BASE_URL RECORD`

use std::collections::BTreeMap;
use std::{any, env, fs};

use ecommerce_client::apis::configuration::Configuration;
use ecommerce_client::apis::{Error, cart_api, products_api, users_api};
use ecommerce_client::models::{
    CartItemDraft, ErrorResponse, Pagination, Product, ProductChanges, ProductDraft, Role, User,
    UserChanges, UserDraft,
};
use serde::Serialize;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// An id that could exist, and does not.
const ABSENT: i32 = i32::MAX;

/// What came of the calls, by operationId.
#[derive(Default)]
struct Walk {
    outcomes: BTreeMap<String, Vec<String>>,
}

impl Walk {
    fn note<E>(&mut self, outcome: String) {
        let operation = operation_id::<E>();
        let seen = self.outcomes.entry(operation.clone()).or_default();
        if !seen.contains(&outcome) {
            println!("{operation:16} {outcome}");
            seen.push(outcome);
        }
    }

    /// The answer of an operation that must succeed.
    fn ok<T, E>(&mut self, outcome: std::result::Result<T, Error<E>>) -> Result<T> {
        let answer = outcome.map_err(|error| match error {
            Error::ResponseError(response) => {
                format!("{} failed: {}", operation_id::<E>(), response.content)
            }
            error => format!("{} failed: {error}", operation_id::<E>()),
        })?;
        self.note::<E>("ok".to_owned());
        Ok(answer)
    }

    /// The operation must have failed: status, code and, in a 400, the fields that are wrong.
    fn fails<T, E: Serialize>(
        &mut self,
        outcome: std::result::Result<T, Error<E>>,
        expected: &str,
    ) -> Result<()> {
        let Err(Error::ResponseError(response)) = outcome else {
            return Err(format!("{} must fail: {expected}", operation_id::<E>()).into());
        };
        let typed = response.entity.ok_or("the error has no known type")?;
        // Each operation's error is an untagged enum, and every variant holds the same envelope:
        // serde takes the first one that fits, so the variant says nothing of the status.
        let ErrorResponse { success, error } =
            serde_json::from_value(serde_json::to_value(typed)?)?;
        assert!(!success);
        let mut outcome = format!("{} {}", response.status.as_u16(), error.code);
        for detail in error.details.iter().flatten() {
            outcome = format!("{outcome} {}", detail.field);
        }
        assert_eq!(outcome, expected, "{}", operation_id::<E>());
        self.note::<E>(outcome);
        Ok(())
    }
}

/// The operation that a generated error type belongs to: `CreateUserError` is that of `createUser`.
fn operation_id<E>() -> String {
    let path = any::type_name::<E>();
    let name = path.rsplit("::").next().unwrap_or(path);
    let name = name.strip_suffix("Error").unwrap_or(name);
    name[..1].to_ascii_lowercase() + &name[1..]
}

/// All of a user but the deletion.
async fn walk_users(walk: &mut Walk, shop: &Configuration) -> Result<User> {
    let draft = UserDraft::new(
        "ada@rust.example".to_owned(),
        "correct horse".to_owned(),
        Role::User,
    );
    let ada = *walk
        .ok(users_api::create_user(shop, draft.clone()).await)?
        .data;
    walk.fails(
        users_api::create_user(shop, draft.clone()).await,
        "409 CONFLICT",
    )?;
    let wrong = UserDraft {
        email: "ada".to_owned(),
        password: "short".to_owned(),
        ..draft
    };
    walk.fails(
        users_api::create_user(shop, wrong).await,
        "400 VALIDATION_ERROR /email /password",
    )?;

    assert_eq!(
        *walk.ok(users_api::get_user(shop, ada.id, None).await)?.data,
        ada
    );
    walk.fails(
        users_api::get_user(shop, ABSENT, None).await,
        "404 NOT_FOUND",
    )?;
    walk.fails(
        users_api::get_user(shop, 0, None).await,
        "400 VALIDATION_ERROR id",
    )?;

    let everyone = walk.ok(users_api::list_users(shop, None, None).await)?;
    assert_eq!(everyone.pagination, None);
    let everyone = everyone.data;
    assert!(everyone.contains(&ada));
    let page = walk.ok(users_api::list_users(shop, Some(2), Some(1)).await)?;
    assert_eq!(page.data, everyone[1..2]);
    let total = everyone.len().try_into()?;
    assert_eq!(
        page.pagination,
        Some(Box::new(Pagination::new(2, 1, total)))
    );
    walk.fails(
        users_api::list_users(shop, None, Some(1001)).await,
        "400 VALIDATION_ERROR limit",
    )?;

    let promotion = UserChanges {
        role: Some(Role::Admin),
        ..UserChanges::new()
    };
    let promoted = walk.ok(users_api::update_user(shop, ada.id, promotion, None).await)?;
    let expected = User {
        role: Role::Admin,
        ..ada.clone()
    };
    assert_eq!(*promoted.data, expected);
    walk.fails(
        users_api::update_user(shop, ABSENT, UserChanges::new(), None).await,
        "404 NOT_FOUND",
    )?;
    let taken = UserChanges {
        email: Some(everyone[0].email.clone()),
        ..UserChanges::new()
    };
    walk.fails(
        users_api::update_user(shop, ada.id, taken, None).await,
        "409 CONFLICT",
    )?;

    // Only in a state that the client names; this one shows no headers of answers, so it names any.
    let again = UserChanges {
        role: Some(Role::Admin),
        ..UserChanges::new()
    };
    walk.ok(users_api::update_user(shop, ada.id, again.clone(), Some("*")).await)?;
    walk.fails(
        users_api::update_user(shop, ada.id, again, Some("\"old\"")).await,
        "412 PRECONDITION_FAILED",
    )?;
    Ok(expected)
}

/// All of a product but the deletion.
async fn walk_products(walk: &mut Walk, shop: &Configuration) -> Result<Product> {
    let draft = ProductDraft {
        image_url: Some(Some("/images/teapot.jpg".to_owned())),
        description: Some(Some("Brown".to_owned())),
        ..ProductDraft::new("Teapot 🫖".to_owned())
    };
    let teapot = *walk
        .ok(products_api::create_product(shop, draft).await)?
        .data;
    assert_eq!(teapot.title, "Teapot 🫖");
    let id = teapot.id;
    assert_eq!(
        *walk
            .ok(products_api::get_product(shop, id, None).await)?
            .data,
        teapot
    );
    walk.fails(
        products_api::get_product(shop, ABSENT, None).await,
        "404 NOT_FOUND",
    )?;
    walk.fails(
        products_api::create_product(shop, ProductDraft::new(String::new())).await,
        "400 VALIDATION_ERROR /title",
    )?;

    let everything = walk.ok(products_api::list_products(shop, None, None).await)?;
    assert_eq!(everything.pagination, None);
    assert!(everything.data.contains(&teapot));
    let page = walk.ok(products_api::list_products(shop, None, Some(2)).await)?;
    assert_eq!(page.data, everything.data[..2]);
    walk.fails(
        products_api::list_products(shop, Some(0), None).await,
        "400 VALIDATION_ERROR page",
    )?;

    // Absent (`None`) stays as it is; null (`Some(None)`) clears.
    let retitled = ProductChanges {
        title: Some("Pot 🫖".to_owned()),
        ..ProductChanges::new()
    };
    let changed = walk.ok(products_api::update_product(shop, id, retitled, None).await)?;
    let mut expected = Product {
        title: "Pot 🫖".to_owned(),
        ..teapot
    };
    assert_eq!(*changed.data, expected);
    let cleared = ProductChanges {
        image_url: Some(None),
        ..ProductChanges::new()
    };
    let changed = walk.ok(products_api::update_product(shop, id, cleared, None).await)?;
    expected.image_url = None;
    assert_eq!(*changed.data, expected);
    walk.fails(
        products_api::update_product(shop, ABSENT, ProductChanges::new(), None).await,
        "404 NOT_FOUND",
    )?;
    Ok(expected)
}

/// The cart, and what users and products show of it.
async fn walk_cart(
    walk: &mut Walk,
    shop: &Configuration,
    user: &User,
    product: &Product,
) -> Result<()> {
    let draft = CartItemDraft::new(user.id, product.id);
    let item = *walk
        .ok(cart_api::add_cart_item(shop, draft.clone()).await)?
        .data;
    assert_eq!((&*item.user, &*item.product), (user, product));
    let orphan = CartItemDraft::new(user.id, ABSENT);
    walk.fails(cart_api::add_cart_item(shop, orphan).await, "409 CONFLICT")?;

    assert_eq!(
        *walk
            .ok(cart_api::get_cart_item(shop, item.id, None).await)?
            .data,
        item
    );
    walk.fails(
        cart_api::get_cart_item(shop, ABSENT, None).await,
        "404 NOT_FOUND",
    )?;
    let items = walk.ok(cart_api::list_cart_items(shop, None, None).await)?;
    assert!(items.data.contains(&item));
    walk.fails(
        cart_api::list_cart_items(shop, None, Some(0)).await,
        "400 VALIDATION_ERROR limit",
    )?;

    let held = walk.ok(users_api::get_user_cart(shop, user.id, None, None).await)?;
    assert_eq!(held.data.len(), 1);
    assert_eq!(*held.data[0].product, *product);
    walk.fails(
        users_api::get_user_cart(shop, ABSENT, None, None).await,
        "404 NOT_FOUND",
    )?;
    let holders = walk.ok(products_api::get_product_carts(shop, product.id, None, None).await)?;
    assert_eq!(holders.data.len(), 1);
    assert_eq!(*holders.data[0].user, *user);
    walk.fails(
        products_api::get_product_carts(shop, ABSENT, None, None).await,
        "404 NOT_FOUND",
    )?;

    let removal = walk.ok(cart_api::remove_cart_item(shop, item.id, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 1);
    walk.fails(
        cart_api::remove_cart_item(shop, item.id, None).await,
        "404 NOT_FOUND",
    )?;
    walk.ok(cart_api::add_cart_item(shop, draft.clone()).await)?;
    walk.ok(cart_api::add_cart_item(shop, draft.clone()).await)?;
    let removal = walk.ok(cart_api::clear_user_cart(shop, user.id).await)?;
    assert_eq!(removal.data.cart_items_removed, 2);
    walk.fails(
        cart_api::clear_user_cart(shop, ABSENT).await,
        "404 NOT_FOUND",
    )?;
    walk.ok(cart_api::add_cart_item(shop, draft).await)?;
    Ok(())
}

/// Both deletions; the product's takes the last cart item with it.
async fn walk_deletions(
    walk: &mut Walk,
    shop: &Configuration,
    user: i32,
    product: i32,
) -> Result<()> {
    let removal = walk.ok(products_api::delete_product(shop, product, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 1);
    walk.fails(
        products_api::delete_product(shop, product, None).await,
        "404 NOT_FOUND",
    )?;
    let removal = walk.ok(users_api::delete_user(shop, user, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 0);
    walk.fails(
        users_api::delete_user(shop, user, None).await,
        "404 NOT_FOUND",
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [base_path, record] = &arguments[..] else {
        return Err("usage: shop-walk BASE_URL RECORD".into());
    };
    let shop = Configuration {
        base_path: base_path.clone(),
        ..Configuration::new()
    };
    let mut walk = Walk::default();
    let user = walk_users(&mut walk, &shop).await?;
    let product = walk_products(&mut walk, &shop).await?;
    walk_cart(&mut walk, &shop, &user, &product).await?;
    walk_deletions(&mut walk, &shop, user.id, product.id).await?;
    fs::write(record, serde_json::to_string_pretty(&walk.outcomes)? + "\n")?;
    Ok(())
}
