//! Conditional requests: entity tags, 304 responses, and protection from lost updates.

mod concurrent;

use ecommerce_api::api::validation::Validation;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ClientResponse, JSON, Shop};
use crate::raw::{request_head, send_raw};

const OLD_TAG: &str = "\"00000000000000000000000000000000\"";

async fn get_if_none(shop: &Shop, path: &str, tags: &str) -> ClientResponse {
    shop.send(Method::GET, path, &[("if-none-match", tags)], Vec::new())
        .await
}

async fn put_if(shop: &Shop, path: &str, tags: &str, body: &Value) -> ClientResponse {
    let headers = [JSON, ("if-match", tags)];
    shop.send(Method::PUT, path, &headers, body.to_string().into())
        .await
}

async fn delete_if(shop: &Shop, path: &str, tags: &str) -> ClientResponse {
    shop.send(Method::DELETE, path, &[("if-match", tags)], Vec::new())
        .await
}

async fn tag(shop: &Shop, path: &str) -> String {
    shop.get(path).await.header("etag").unwrap().to_owned()
}

/// A shop with a user, a product and a cart item, each with the id 1.
async fn shop_of_three() -> Shop {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Moka pot").await;
    shop.add_to_cart(1, 1).await;
    shop
}

const USER: &str = "/api/users/1";
const PRODUCT: &str = "/api/products/1";
const ITEM: &str = "/api/cart/1";

#[tokio::test]
async fn a_created_resource_has_the_same_tag_as_in_a_get() {
    let shop = Shop::open().await;
    let user = json!({"email": "ada@example.com", "password": "secret", "role": "USER"});
    for (list, one, body) in [
        ("/api/users", USER, user),
        ("/api/products", PRODUCT, json!({"title": "Moka pot"})),
        ("/api/cart", ITEM, json!({"user_id": 1, "product_id": 1})),
    ] {
        let created = shop.post(list, &body).await;
        created.expect(201);
        let got = shop.get(one).await;
        assert_eq!(created.header("etag"), got.header("etag"), "{one}");
        assert_eq!(got.header("etag").unwrap().len(), 34, "128 bits and quotes");
        let head = shop.send(Method::HEAD, one, &[], Vec::new()).await;
        assert_eq!(head.header("etag"), got.header("etag"), "{one}");
        assert_eq!(shop.get(list).await.header("etag"), None, "{list}");
    }
    let removed = shop.delete(ITEM).await;
    assert_eq!(removed.header("etag"), None);
}

#[tokio::test]
async fn a_tag_changes_exactly_when_the_representation_changes() {
    let shop = shop_of_three().await;
    let first = tag(&shop, USER).await;
    let same = shop.put(USER, &json!({"role": "USER"})).await;
    assert_eq!(same.header("etag"), Some(&*first));
    let password = shop.put(USER, &json!({"password": "another"})).await;
    assert_eq!(
        password.header("etag"),
        Some(&*first),
        "a password is not shown"
    );
    let promoted = shop.put(USER, &json!({"role": "ADMIN"})).await;
    assert_ne!(promoted.header("etag"), Some(&*first));
    let restored = shop.put(USER, &json!({"role": "USER"})).await;
    assert_eq!(restored.header("etag"), Some(&*first), "the same data");

    let item = tag(&shop, ITEM).await;
    shop.put(USER, &json!({"role": "ADMIN"})).await.expect(200);
    let with_another_user = tag(&shop, ITEM).await;
    assert_ne!(with_another_user, item);
    shop.put(PRODUCT, &json!({"image_url": "/pot.jpg"})).await;
    assert_ne!(tag(&shop, ITEM).await, with_another_user);
}

#[tokio::test]
async fn a_representation_that_the_client_has_is_not_sent_again() {
    let shop = shop_of_three().await;
    for path in [USER, PRODUCT, ITEM] {
        let tag = tag(&shop, path).await;
        for tags in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\" , W/\"more\",,{tag}"),
            "*".to_owned(),
        ] {
            let response = get_if_none(&shop, path, &tags).await;
            assert_eq!(response.status, 304, "{path} {tags}");
            assert!(response.body.is_empty());
            assert_eq!(response.header("etag"), Some(&*tag));
            assert_eq!(response.header("cache-control"), Some("no-store"));
        }
        let headers = [("if-none-match", "\"other\""), ("if-none-match", &*tag)];
        let in_two_lines = shop.send(Method::GET, path, &headers, Vec::new()).await;
        assert_eq!(in_two_lines.status, 304);
        let headers = [("if-none-match", &*tag), ("accept-encoding", "gzip")];
        let compressed = shop.send(Method::GET, path, &headers, Vec::new()).await;
        assert_eq!(compressed.status, 304);
        assert_eq!(compressed.header("content-encoding"), None);
        let head = shop.send(Method::HEAD, path, &headers, Vec::new()).await;
        assert_eq!(
            (head.status.as_u16(), head.header("etag")),
            (304, Some(&*tag))
        );
        get_if_none(&shop, path, OLD_TAG).await.expect(200);
    }
    let tag = tag(&shop, PRODUCT).await;
    shop.put(PRODUCT, &json!({"title": "Kettle"})).await;
    let changed = get_if_none(&shop, PRODUCT, &tag).await;
    assert_eq!(changed.expect(200)["title"], "Kettle");
    get_if_none(&shop, "/api/users/2", "*").await.error(404);
}

#[tokio::test]
async fn a_304_ends_after_its_head() {
    let shop = shop_of_three().await;
    for method in ["GET", "HEAD"] {
        let request = format!(
            "{}If-None-Match: *\r\n\r\n",
            request_head(&format!("{method} {USER}"))
        );
        let (head, body) = send_raw(&shop, request).await;
        assert!(head.starts_with("http/1.1 304"), "{head}");
        assert!(
            !head.contains("content-length"),
            "a 304 has no length: {head}"
        );
        assert!(!head.contains("\r\ncontent-type:"), "{head}");
        assert_eq!(body, "");
    }
}

#[tokio::test]
async fn a_304_conforms_to_the_contract() {
    let shop = Shop::open_with(Validation::Enforce).await;
    shop.create_product("Moka pot").await;
    assert_eq!(get_if_none(&shop, PRODUCT, "*").await.status, 304);
}

#[tokio::test]
async fn a_resource_that_another_client_changed_is_neither_changed_nor_deleted() {
    let shop = shop_of_three().await;
    let old = [USER, PRODUCT, ITEM].map(|path| tag(&shop, path));
    let [user, product, item] = join_all(old).await.try_into().unwrap();
    shop.put(USER, &json!({"role": "ADMIN"})).await.expect(200);
    shop.put(PRODUCT, &json!({"title": "Kettle"}))
        .await
        .expect(200);
    let before = shop.get(ITEM).await.expect(200);
    for (path, old, changes) in [
        (USER, &user, json!({"role": "USER"})),
        (PRODUCT, &product, json!({"title": "Moka pot"})),
    ] {
        let current = tag(&shop, path).await;
        for tags in [old.clone(), format!("W/{current}"), format!("{old}, \"x\"")] {
            for changes in [&changes, &json!({})] {
                let (code, message) = put_if(&shop, path, &tags, changes).await.error(412);
                assert_eq!(code, "PRECONDITION_FAILED");
                assert!(
                    message.ends_with("has none of the tags in If-Match"),
                    "{message}"
                );
            }
            delete_if(&shop, path, &tags).await.error(412);
        }
    }
    delete_if(&shop, ITEM, &item).await.error(412);
    assert_eq!(
        shop.get(ITEM).await.expect(200),
        before,
        "nothing has changed"
    );
}

#[tokio::test]
async fn a_resource_that_no_other_client_changed_is_changed_and_deleted() {
    let shop = shop_of_three().await;
    for (path, changes) in [
        (USER, json!({"role": "ADMIN", "password": "another"})),
        (PRODUCT, json!({"title": "Kettle"})),
    ] {
        let first = tag(&shop, path).await;
        let changed = put_if(&shop, path, &first, &changes).await;
        changed.expect(200);
        let second = changed.header("etag").unwrap();
        let many = format!("{first}, W/\"x\",{second}");
        put_if(&shop, path, &many, &json!({})).await.expect(200);
        put_if(&shop, path, "*", &changes).await.expect(200);
        // A second header line counts like the first one.
        let lines = [JSON, ("if-match", &*first), ("if-match", second)];
        let body = changes.to_string().into();
        shop.send(Method::PUT, path, &lines, body).await.expect(200);
    }
    let item = tag(&shop, ITEM).await;
    let removed = delete_if(&shop, ITEM, &item).await.expect(200);
    assert_eq!(removed["cart_items_removed"], 1);
    let user = tag(&shop, USER).await;
    delete_if(&shop, USER, &user).await.expect(200);
    delete_if(&shop, PRODUCT, "*").await.expect(200);
}

#[tokio::test]
async fn a_missing_resource_is_a_404_with_any_condition() {
    let shop = Shop::open().await;
    for tags in ["*", OLD_TAG] {
        for path in [USER, PRODUCT] {
            put_if(&shop, path, tags, &json!({})).await.error(404);
            delete_if(&shop, path, tags).await.error(404);
        }
        let changes = json!({"title": "Kettle"});
        put_if(&shop, PRODUCT, tags, &changes).await.error(404);
        let changes = json!({"role": "USER"});
        put_if(&shop, USER, tags, &changes).await.error(404);
        delete_if(&shop, ITEM, tags).await.error(404);
    }
}

#[tokio::test]
async fn text_that_is_not_a_tag_matches_nothing() {
    let shop = shop_of_three().await;
    let user = tag(&shop, USER).await;
    let unquoted = user.trim_matches('"').to_owned();
    for sent in [
        "",
        &unquoted,
        &format!("\"{unquoted}"),
        &format!("{unquoted}\""),
        &format!("'{unquoted}'"),
        &format!("w/{user}"),
        &format!("W/ {user}"),
        &format!("{user} {user}"),
        &format!("{user}x"),
        &format!("*, \"{unquoted}x\""),
        "**",
        ",",
    ] {
        get_if_none(&shop, USER, sent).await.expect(200);
        for rejected in [
            put_if(&shop, USER, sent, &json!({"role": "ADMIN"})).await,
            put_if(&shop, PRODUCT, sent, &json!({})).await,
            delete_if(&shop, USER, sent).await,
            delete_if(&shop, PRODUCT, sent).await,
            delete_if(&shop, ITEM, sent).await,
        ] {
            let (code, _) = rejected.error(412);
            assert_eq!(code, "PRECONDITION_FAILED", "{sent}");
        }
    }
    // The other tags of a list still count.
    let beside = format!("{unquoted}, {user}");
    assert_eq!(get_if_none(&shop, USER, &beside).await.status, 304);
    put_if(&shop, USER, &beside, &json!({})).await.expect(200);
    let lines = [("if-match", "zzz"), ("if-match", "\"zzz\"")];
    let second = shop.send(Method::DELETE, ITEM, &lines, Vec::new()).await;
    second.error(412);
    // Bytes that are not text do not mean that there is no condition.
    let request = [
        request_head(&format!("DELETE {ITEM}")).as_bytes(),
        b"If-Match: \"\xff\"\r\n\r\n",
    ]
    .concat();
    let (head, _) = send_raw(&shop, request).await;
    assert!(head.starts_with("http/1.1 412"), "{head}");
    shop.get(ITEM).await.expect(200);
}

#[tokio::test]
async fn a_condition_of_more_than_1024_characters_is_a_400_that_does_not_quote_it() {
    let shop = shop_of_three().await;
    let long = format!("\"{}\"", "z".repeat(1023));
    let problem = "must have at most 1024 characters";
    let wrong = get_if_none(&shop, USER, &long).await;
    assert_eq!(wrong.violations(), [format!("If-None-Match {problem}")]);
    let wrong = delete_if(&shop, ITEM, &long).await;
    assert_eq!(wrong.violations(), [format!("If-Match {problem}")]);
    assert!(!String::from_utf8_lossy(&wrong.body).contains("zzz"));
    let all = get_if_none(&shop, "/api/users/0?x=1", &long).await;
    assert_eq!(all.violations().len(), 3, "all violations are reported");
}
