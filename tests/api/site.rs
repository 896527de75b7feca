//! The paths of the service that are in no contract.

use ecommerce_api::api::contracts::contracts;
use ecommerce_api::contract::with_optional_security;
use hyper::Method;

use crate::harness::Shop;

#[tokio::test]
async fn the_root_links_to_existing_documents() {
    let shop = Shop::open().await;
    let root = shop.get("/").await.expect(200);
    assert_eq!(root["name"], "ecommerce-api");
    assert_eq!(root["version"], env!("CARGO_PKG_VERSION"));
    for link in ["docs", "contract", "health"] {
        assert_eq!(
            shop.get(root[link].as_str().unwrap()).await.status,
            200,
            "{link}"
        );
    }
}

#[tokio::test]
async fn people_get_pages_where_programs_get_json() {
    let shop = Shop::open().await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    for (method, path, status, text) in [
        (Method::GET, "/", 200, "its database responds"),
        (
            Method::GET,
            "/nothing/here",
            404,
            "There is nothing at this path",
        ),
        (Method::GET, "/api/nothing", 404, "href=\"../api/docs\""),
        (Method::POST, "/", 405, "does not take this method"),
        (
            Method::PATCH,
            "/api/users",
            405,
            "does not take this method",
        ),
    ] {
        let page = shop.send(method.clone(), path, &browser, Vec::new()).await;
        assert_eq!(page.status, status, "{path}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let body = String::from_utf8_lossy(&page.body);
        assert!(body.contains(text), "{path}: {body}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");

        let json = shop.send(method, path, &[], Vec::new()).await;
        assert_eq!(json.status, status, "{path}");
        assert_eq!(json.header("content-type"), Some("application/json"));
        assert_eq!(json.header("allow"), page.header("allow"), "{path}");
    }
    // A contract promises JSON to everybody.
    let product = shop.send(Method::GET, "/api/products/9999", &browser, Vec::new());
    let product = product.await;
    assert_eq!(product.status, 404);
    assert_eq!(product.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn each_contract_is_served_as_it_is_written() {
    let shop = Shop::open().await;
    let requires_tokens = shop.requiring_tokens().await;
    for published in contracts() {
        let contract = &published.contract;
        let json = format!("/api/{}.json", contract.name());
        let served = requires_tokens.get(&json).await;
        assert_eq!(served.json(), *contract.document());
        // Where requests without a token may do everything, the document says that they may.
        let served = shop.get(&json).await;
        let expected = match contract.name() {
            "auth" => contract.document().clone(),
            _ => with_optional_security(contract.document()),
        };
        assert_eq!(served.json(), expected);
        for shop in [&shop, &requires_tokens] {
            let yaml = shop.get(&format!("/api/{}.yaml", contract.name())).await;
            assert_eq!(yaml.body, published.source);
        }
    }
    let alias = requires_tokens.get("/api/swagger.json").await.json();
    assert_eq!(alias, *contracts()[0].contract.document());
    for path in [
        "/api/swagger.json",
        "/api/openapi.json",
        "/api/openapi.yaml",
    ] {
        let tag = shop.get(path).await.header("etag").unwrap().to_owned();
        let condition = [("if-none-match", &*tag)];
        let again = shop.send(Method::GET, path, &condition, Vec::new()).await;
        assert_eq!(again.status, 304);
    }
}

#[tokio::test]
async fn health_follows_the_database() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/health").await.expect(200)["database"], "up");
    let broken = Shop::without_database().await;
    let response = broken.get("/health").await;
    assert_eq!(response.error(503).0, "SERVICE_UNAVAILABLE");
    assert_eq!(response.header("retry-after"), Some("1"));
    assert!(!String::from_utf8_lossy(&response.body).contains("127.0.0.1"));
}

#[tokio::test]
async fn readiness_follows_the_database_and_liveness_does_not() {
    let shop = Shop::open().await;
    shop.get("/health/ready").await.expect(200);
    let broken = Shop::without_database().await;
    let response = broken.get("/health/ready").await;
    assert_eq!(response.error(503).0, "SERVICE_UNAVAILABLE");
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(
        broken.get("/health/live").await.expect(200)["process"],
        "up"
    );
}

#[tokio::test]
async fn the_documentation_needs_no_inline_script() {
    let shop = Shop::open().await;
    let page = shop.get("/api/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("script-src 'self';") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    let text = String::from_utf8_lossy(&page.body).into_owned();
    for part in text.split('"').filter(|part| part.starts_with("docs/")) {
        assert_eq!(
            shop.get(&format!("/api/{part}")).await.status,
            200,
            "{part}"
        );
    }
    assert_eq!(
        shop.send(Method::HEAD, "/api/docs", &[], Vec::new())
            .await
            .status,
        200
    );
}
