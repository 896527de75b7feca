//! Calls every operation of the shop with the generated Rust client.
//!
//! Every operation is called at least twice: once it succeeds, and once it fails with the error
//! that the contract promises. Values that the types of the client exclude (an id beyond `i32`, a null
//! title) cannot be tried.
//!
//! Usage: `shop-walk BASE_URL RECORD`

use std::collections::BTreeMap;
use std::{any, env, fs, slice};

use ecommerce_client::apis::configuration::Configuration;
use ecommerce_client::apis::{Error, cart_api, products_api, users_api};
use ecommerce_client::models::error_detail::In;
use ecommerce_client::models::{
    CartItemDraft, ErrorResponse, Pagination, Product, ProductChanges, ProductDraft, Role, User,
    UserChanges, UserDraft,
};
use serde::Serialize;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A valid id that does not exist.
const ABSENT: i32 = i32::MAX;

/// The outcomes of the calls, by operationId.
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

    /// Returns the response of an operation that must succeed.
    fn ok<T, E>(&mut self, outcome: std::result::Result<T, Error<E>>) -> Result<T> {
        let response = outcome.map_err(|error| match error {
            Error::ResponseError(response) => {
                format!("{} failed: {}", operation_id::<E>(), response.content)
            }
            error => format!("{} failed: {error}", operation_id::<E>()),
        })?;
        self.note::<E>("ok".to_owned());
        Ok(response)
    }

    /// Checks that the operation failed with this status, code, reason (if any) and, for a 400,
    /// details.
    fn fails<T, E: Serialize>(
        &mut self,
        outcome: std::result::Result<T, Error<E>>,
        expected: &str,
    ) -> Result<()> {
        let Err(Error::ResponseError(response)) = outcome else {
            return Err(format!("{} must fail: {expected}", operation_id::<E>()).into());
        };
        let typed = response.entity.ok_or("the error has no known type")?;
        // The errors of an operation are an untagged enum whose variants all contain the same envelope.
        // serde selects the first variant, which does not depend on the status.
        let ErrorResponse { success, error } =
            serde_json::from_value(serde_json::to_value(typed)?)?;
        assert!(!success);
        let mut outcome = format!("{} {}", response.status.as_u16(), error.code);
        if let Some(reason) = error.reason {
            outcome = format!("{outcome} {reason}");
        }
        for detail in error.details.iter().flatten() {
            let place = match detail.r#in {
                Some(In::Body) => "body",
                Some(In::Path) => "path",
                Some(In::Query) => "query",
                Some(In::Header) => "header",
                None => "nowhere",
            };
            outcome = format!("{outcome} {place}:{}", detail.field);
        }
        assert_eq!(outcome, expected, "{}", operation_id::<E>());
        self.note::<E>(outcome);
        Ok(())
    }

    /// Checks that the response was a 304. This client fails to parse its missing body.
    fn not_modified<T, E>(&mut self, outcome: &std::result::Result<T, Error<E>>) -> Result<()> {
        let Err(Error::Serde(_)) = outcome else {
            return Err(format!("{} must be a 304", operation_id::<E>()).into());
        };
        self.note::<E>("304".to_owned());
        Ok(())
    }
}

/// The id of the operation of a generated error type: `createUser` for `CreateUserError`.
fn operation_id<E>() -> String {
    let path = any::type_name::<E>();
    let name = path.rsplit("::").next().unwrap_or(path);
    let name = name.strip_suffix("Error").unwrap_or(name);
    name[..1].to_ascii_lowercase() + &name[1..]
}

/// Calls all operations on users except the deletion.
async fn walk_users(walk: &mut Walk, shop: &Configuration) -> Result<User> {
    let draft = UserDraft::new(
        "ada@rust.example".to_owned(),
        "correct horse".to_owned(),
        Role::User,
    );
    let ada = *walk
        .ok(users_api::create_user(shop, draft.clone(), None, None).await)?
        .data;
    walk.fails(
        users_api::create_user(shop, draft.clone(), None, None).await,
        "409 CONFLICT EMAIL_TAKEN",
    )?;
    let wrong = UserDraft {
        email: "ada".to_owned(),
        password: "short".to_owned(),
        ..draft
    };
    walk.fails(
        users_api::create_user(shop, wrong, None, None).await,
        "400 VALIDATION_ERROR body:/email body:/password",
    )?;

    assert_eq!(
        *walk
            .ok(users_api::get_user(shop, ada.id, None, None).await)?
            .data,
        ada
    );
    walk.fails(
        users_api::get_user(shop, ABSENT, None, None).await,
        "404 NOT_FOUND",
    )?;
    walk.fails(
        users_api::get_user(shop, 0, None, None).await,
        "400 VALIDATION_ERROR path:id",
    )?;

    let everyone =
        walk.ok(users_api::list_users(shop, None, None, None, None, None, None, None).await)?;
    assert_eq!(everyone.pagination, None);
    let everyone = everyone.data;
    assert!(everyone.contains(&ada));
    let page =
        walk.ok(users_api::list_users(shop, Some(2), Some(1), None, None, None, None, None).await)?;
    assert_eq!(page.data, everyone[1..2]);
    let total = everyone.len().try_into()?;
    assert_eq!(
        page.pagination,
        Some(Box::new(Pagination::new(2, 1, total)))
    );
    walk.fails(
        users_api::list_users(shop, None, Some(1001), None, None, None, None, None).await,
        "400 VALIDATION_ERROR query:limit",
    )?;
    walk_search(walk, shop, &ada).await?;

    let promotion = UserChanges {
        role: Some(Role::Admin),
        ..UserChanges::new()
    };
    let promoted = walk.ok(users_api::update_user(shop, ada.id, promotion, None, None).await)?;
    let expected = User {
        role: Role::Admin,
        ..ada.clone()
    };
    assert_eq!(*promoted.data, expected);
    walk.fails(
        users_api::update_user(shop, ABSENT, UserChanges::new(), None, None).await,
        "404 NOT_FOUND",
    )?;
    let taken = UserChanges {
        email: Some(everyone[0].email.clone()),
        ..UserChanges::new()
    };
    walk.fails(
        users_api::update_user(shop, ada.id, taken, None, None).await,
        "409 CONFLICT EMAIL_TAKEN",
    )?;

    walk_conditions(walk, shop, &expected).await?;
    Ok(expected)
}

/// Searches, which requires paging, and reads a sorted and filtered list.
async fn walk_search(walk: &mut Walk, shop: &Configuration, ada: &User) -> Result<()> {
    let search = Some("ada");
    walk.fails(
        users_api::list_users(shop, None, None, None, search, None, None, None).await,
        "400 VALIDATION_ERROR query:q",
    )?;
    let (sort, search, role) = (Some("-id"), Some("ADA@ru"), Some(Role::User));
    let found = users_api::list_users(
        shop,
        None,
        Some(1),
        sort,
        search,
        None,
        role,
        Some("walk-rust"),
    );
    assert_eq!(&walk.ok(found.await)?.data[..], slice::from_ref(ada));
    Ok(())
}

/// Sends conditional updates, and an update with the data of a response.
async fn walk_conditions(walk: &mut Walk, shop: &Configuration, user: &User) -> Result<()> {
    // This client gives no access to response headers, so the condition is `*`: any state.
    let again = UserChanges {
        role: Some(Role::Admin),
        ..UserChanges::new()
    };
    walk.ok(users_api::update_user(shop, user.id, again.clone(), Some("*"), None).await)?;
    walk.fails(
        users_api::update_user(shop, user.id, again, Some("\"old\""), None).await,
        "412 PRECONDITION_FAILED",
    )?;
    walk.not_modified(&users_api::get_user(shop, user.id, Some("*"), None).await)?;

    // The data of a response may be sent back, but not to another id.
    let shown: UserChanges = serde_json::from_value(serde_json::to_value(user)?)?;
    assert_eq!(
        *walk
            .ok(users_api::update_user(shop, user.id, shown, None, None).await)?
            .data,
        *user
    );
    let other = UserChanges {
        id: Some(ABSENT),
        ..UserChanges::new()
    };
    walk.fails(
        users_api::update_user(shop, user.id, other, None, None).await,
        "400 VALIDATION_ERROR body:/id",
    )
}

/// Calls all operations on products except the deletion.
async fn walk_products(walk: &mut Walk, shop: &Configuration) -> Result<Product> {
    let draft = ProductDraft {
        image_url: Some(Some("/images/teapot.jpg".to_owned())),
        description: Some(Some("Brown".to_owned())),
        ..ProductDraft::new("Teapot 🫖".to_owned())
    };
    let teapot = *walk
        .ok(products_api::create_product(shop, draft, None, None).await)?
        .data;
    assert_eq!(teapot.title, "Teapot 🫖");
    let id = teapot.id;
    assert_eq!(
        *walk
            .ok(products_api::get_product(shop, id, None, None).await)?
            .data,
        teapot
    );
    walk.fails(
        products_api::get_product(shop, ABSENT, None, None).await,
        "404 NOT_FOUND",
    )?;
    walk.fails(
        products_api::create_product(shop, ProductDraft::new(String::new()), None, None).await,
        "400 VALIDATION_ERROR body:/title",
    )?;

    let everything =
        walk.ok(products_api::list_products(shop, None, None, None, None, None).await)?;
    assert_eq!(everything.pagination, None);
    assert!(everything.data.contains(&teapot));
    let page = walk.ok(products_api::list_products(shop, None, Some(2), None, None, None).await)?;
    assert_eq!(page.data, everything.data[..2]);
    walk.fails(
        products_api::list_products(shop, Some(0), None, None, None, None).await,
        "400 VALIDATION_ERROR query:page",
    )?;

    // An absent property (`None`) is unchanged; null (`Some(None)`) clears it.
    let retitled = ProductChanges {
        title: Some("Pot 🫖".to_owned()),
        ..ProductChanges::new()
    };
    let changed = walk.ok(products_api::update_product(shop, id, retitled, None, None).await)?;
    let mut expected = Product {
        title: "Pot 🫖".to_owned(),
        ..teapot
    };
    assert_eq!(*changed.data, expected);
    let cleared = ProductChanges {
        image_url: Some(None),
        ..ProductChanges::new()
    };
    let changed = walk.ok(products_api::update_product(shop, id, cleared, None, None).await)?;
    expected.image_url = None;
    assert_eq!(*changed.data, expected);
    walk.fails(
        products_api::update_product(shop, ABSENT, ProductChanges::new(), None, None).await,
        "404 NOT_FOUND",
    )?;
    Ok(expected)
}

/// Calls the operations of the cart, and reads the carts of users and products.
async fn walk_cart(
    walk: &mut Walk,
    shop: &Configuration,
    user: &User,
    product: &Product,
) -> Result<()> {
    let draft = CartItemDraft::new(user.id, product.id);
    let item = *walk
        .ok(cart_api::add_cart_item(shop, draft.clone(), None, None).await)?
        .data;
    assert_eq!((&*item.user, &*item.product), (user, product));
    let orphan = CartItemDraft::new(user.id, ABSENT);
    walk.fails(
        cart_api::add_cart_item(shop, orphan, None, None).await,
        "409 CONFLICT PRODUCT_MISSING",
    )?;

    assert_eq!(
        *walk
            .ok(cart_api::get_cart_item(shop, item.id, None, None).await)?
            .data,
        item
    );
    walk.fails(
        cart_api::get_cart_item(shop, ABSENT, None, None).await,
        "404 NOT_FOUND",
    )?;
    let items = walk.ok(cart_api::list_cart_items(shop, None, None, None, None).await)?;
    assert!(items.data.contains(&item));
    walk.fails(
        cart_api::list_cart_items(shop, None, Some(0), None, None).await,
        "400 VALIDATION_ERROR query:limit",
    )?;

    let held = walk.ok(users_api::get_user_cart(shop, user.id, None, None, None, None).await)?;
    assert_eq!(held.data.len(), 1);
    assert_eq!(*held.data[0].product, *product);
    walk.fails(
        users_api::get_user_cart(shop, ABSENT, None, None, None, None).await,
        "404 NOT_FOUND",
    )?;
    let holders =
        walk.ok(products_api::get_product_carts(shop, product.id, None, None, None, None).await)?;
    assert_eq!(holders.data.len(), 1);
    assert_eq!(*holders.data[0].user, *user);
    walk.fails(
        products_api::get_product_carts(shop, ABSENT, None, None, None, None).await,
        "404 NOT_FOUND",
    )?;

    let removal = walk.ok(cart_api::remove_cart_item(shop, item.id, None, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 1);
    walk.fails(
        cart_api::remove_cart_item(shop, item.id, None, None).await,
        "404 NOT_FOUND",
    )?;
    walk.ok(cart_api::add_cart_item(shop, draft.clone(), None, None).await)?;
    walk.ok(cart_api::add_cart_item(shop, draft.clone(), None, None).await)?;
    let removal = walk.ok(cart_api::clear_user_cart(shop, user.id, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 2);
    walk.fails(
        cart_api::clear_user_cart(shop, ABSENT, None).await,
        "404 NOT_FOUND",
    )?;
    walk.ok(cart_api::add_cart_item(shop, draft, None, None).await)?;
    Ok(())
}

/// Calls the deletions. The deletion of the product removes the last cart item, too.
async fn walk_deletions(
    walk: &mut Walk,
    shop: &Configuration,
    user: i32,
    product: i32,
) -> Result<()> {
    let removal = walk.ok(products_api::delete_product(shop, product, None, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 1);
    walk.fails(
        products_api::delete_product(shop, product, None, None).await,
        "404 NOT_FOUND",
    )?;
    let removal = walk.ok(users_api::delete_user(shop, user, None, None).await)?;
    assert_eq!(removal.data.cart_items_removed, 0);
    walk.fails(
        users_api::delete_user(shop, user, None, None).await,
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
