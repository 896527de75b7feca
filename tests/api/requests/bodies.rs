//! Request bodies: their media type and size, and the violations in them.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{JSON, Shop};
use crate::raw::{request_head, send_raw};

#[tokio::test]
async fn every_violation_of_a_body_is_reported_at_its_place_without_the_value() {
    let shop = Shop::open().await;
    let body = json!({"email": "nobody-there", "password": "short", "role": "ROOT", "admin": true, "a/b": 1});
    let response = shop.post("/api/users", &body).await;
    assert_eq!(
        response.violations(),
        [
            "/admin is not a known property",
            "/a~1b is not a known property",
            "/email must be an email address",
            "/password must have at least 6 characters",
            "/role must be one of ADMIN, USER",
        ]
    );
    let text = String::from_utf8_lossy(&response.body).into_owned();
    for value in ["nobody-there", "short", "ROOT"] {
        assert!(!text.contains(value), "{text}");
    }
    assert_eq!(
        shop.post("/api/users", &json!({})).await.violations(),
        [
            "/email is required",
            "/password is required",
            "/role is required"
        ]
    );
}

#[tokio::test]
async fn types_are_not_converted() {
    let shop = Shop::open().await;
    let typed = json!({"title": 7, "image_url": true, "description": ["x"]});
    assert_eq!(
        shop.post("/api/products", &typed).await.violations(),
        [
            "/description must be a string or null",
            "/image_url must be a string or null",
            "/title must be a string",
        ]
    );
    for (user_id, message) in [
        (json!("1"), "must be a whole number"),
        (json!(1.0), "must be a whole number"),
        (json!(0), "must be at least 1"),
        (json!(2_147_483_648_u32), "must be at most 2147483647"),
        (Value::Null, "must be a whole number"),
    ] {
        let response = shop
            .post("/api/cart", &json!({"user_id": user_id, "product_id": 1}))
            .await;
        assert_eq!(
            response.violations(),
            [format!("/user_id {message}")],
            "{user_id}"
        );
    }
    for body in [json!([]), json!("x"), json!(1), Value::Null] {
        assert_eq!(
            shop.post("/api/cart", &body).await.violations(),
            [" must be an object"]
        );
    }
}

#[tokio::test]
async fn violations_of_parameters_and_body_are_reported_together() {
    let shop = Shop::open().await;
    let put = async |body: &str| {
        let path = "/api/products/0?x=1";
        let response = shop.send(Method::PUT, path, &[JSON], body.into()).await;
        response.violations()
    };
    let id = "id must be a whole number from 1 to 2147483647".to_owned();
    let x = "x is not a known query parameter".to_owned();
    assert_eq!(
        put(r#"{"title": 7, "titel": 8}"#).await,
        ["/titel is not a known property", "/title must be a string"]
            .map(str::to_owned)
            .into_iter()
            .chain([id.clone(), x.clone()])
            .collect::<Vec<_>>()
    );
    assert_eq!(put("{}").await, [id.clone(), x.clone()]);
    let not_json = put("{").await;
    assert_eq!(not_json.len(), 3, "{not_json:?}");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_400() {
    let shop = Shop::open().await;
    for body in [
        &b""[..],
        b"{",
        b"{\"title\": \"x\"}}",
        b"{'title': 'x'}",
        b"\xff\xfe",
        b"{\"title\": \"\xff\"}",
        b"{\"title\":\"\\ud800\"}",
        b"nan",
    ] {
        let response = shop
            .send(Method::POST, "/api/products", &[JSON], body.to_vec())
            .await;
        assert_eq!(response.violations().len(), 1, "{body:?}");
    }
    let deep = "[".repeat(200_000);
    shop.send(Method::POST, "/api/products", &[JSON], deep.into())
        .await
        .violations();
    let twice = br#"{"title": "x", "title": "y"}"#.to_vec();
    let response = shop
        .send(Method::PUT, "/api/products/1", &[JSON], twice)
        .await;
    assert_eq!(response.violations(), ["/title is there twice"]);
    let more = br#"{"title": "x", "title": "y", "titel": 1}"#.to_vec();
    let response = shop
        .send(Method::PUT, "/api/products/1", &[JSON], more)
        .await;
    assert_eq!(
        response.violations(),
        ["/titel is not a known property", "/title is there twice"]
    );
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let shop = Shop::open().await;
    let body = || br#"{"title":"Kettle"}"#.to_vec();
    for accepted in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
    ] {
        shop.send(
            Method::POST,
            "/api/products",
            &[("content-type", accepted)],
            body(),
        )
        .await
        .expect(201);
    }
    for rejected in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/jsonx",
        "json",
        "",
    ] {
        let response = shop
            .send(
                Method::POST,
                "/api/products",
                &[("content-type", rejected)],
                body(),
            )
            .await;
        assert_eq!(
            response.error(415).0,
            "UNSUPPORTED_MEDIA_TYPE",
            "{rejected}"
        );
    }
    shop.send(Method::POST, "/api/products", &[], body())
        .await
        .error(415);
    let compressed = [JSON, ("content-encoding", "gzip")];
    shop.send(Method::POST, "/api/products", &compressed, body())
        .await
        .error(415);
}

#[tokio::test]
async fn a_body_is_ignored_where_the_operation_has_none() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.send(Method::GET, "/api/users", &[JSON], b"{}".to_vec())
        .await
        .expect(200);
    shop.send(Method::DELETE, "/api/users/1", &[], b"garbage".to_vec())
        .await
        .expect(200);
    // Also a body that is larger than the limit, and one that never arrives.
    let large = vec![b' '; 3 * 1024 * 1024];
    shop.send(Method::GET, "/api/products", &[], large)
        .await
        .expect(200);
    let incomplete = format!(
        "{}Content-Length: 10\r\n\r\n",
        request_head("DELETE /api/cart/999")
    );
    assert!(
        send_raw(&shop, incomplete)
            .await
            .0
            .starts_with("http/1.1 404")
    );
}
