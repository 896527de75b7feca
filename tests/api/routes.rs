//! The service has exactly the paths and methods of the contracts and of the table in `common::site`, and
//! pages of other origins may use all of the contracts.
//!
//! The router does not list its routes. So every path in the source is tried, alone and appended to every
//! other, and many paths that are not in the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ecommerce_api::api::contracts;
use hyper::Method;

use crate::common::headers::{exposed, methods, sendable};
use crate::common::site::pages;
use crate::harness::Shop;

const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY",
    "PURGE",
];

/// Paths that other services have.
const GUESSES: [&str; 40] = [
    "/.env",
    "/.git/config",
    "/.well-known/security.txt",
    "/actuator/health",
    "/admin",
    "/api",
    "/api/",
    "/api/admin",
    "/api/auth/login",
    "/api/cart/1/product",
    "/api/cart/1/user",
    "/api/cart/product/1",
    "/api/cart/user",
    "/api/cart/user/1/items",
    "/api/debug",
    "/api/debug/users",
    "/api/docs/index.html",
    "/api/health",
    "/api/internal/users",
    "/api/login",
    "/api/openapi",
    "/api/orders",
    "/api/products/1/cart",
    "/api/products/1/users",
    "/api/users.json",
    "/api/users/",
    "/api/users/1/",
    "/api/users/1/carts",
    "/api/users/1/password",
    "/api/v1/users",
    "/api/version",
    "/debug/pprof/",
    "/favicon.ico",
    "/graphql",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/robots.txt",
    "/users",
    "/v1/users",
];

/// A concrete path for each path of the contracts and the site.
fn documented() -> BTreeSet<String> {
    let operations = contracts::operations().map(|operation| concrete(&operation.path));
    let site = pages().iter().map(|page| page.path.to_string());
    operations.chain(site).collect()
}

/// A path template with 1 in the place of each placeholder.
fn concrete(template: &str) -> String {
    let segments = template.split('/').map(|segment| {
        let is_placeholder = segment.starts_with(['{', ':', '*']);
        if is_placeholder { "1" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Collects the string literals in the source, without its tests, that look like paths.
fn in_source(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_source(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for rest in code.split("\"/").skip(1) {
                let literal = rest.split('"').next().unwrap();
                let is_path = |c: char| c.is_ascii_alphanumeric() || "/{}:*._-".contains(c);
                if literal.chars().all(is_path) {
                    found.insert(concrete(&format!("/{literal}")));
                }
            }
        }
    }
}

/// The harness checks that a method without an operation is a 405.
#[tokio::test]
async fn every_documented_path_has_its_methods_and_no_others() {
    let shop = Shop::open_sample().await;
    for path in documented() {
        for method in METHODS {
            let method: Method = method.parse().unwrap();
            shop.send(method, &path, &[], Vec::new()).await;
        }
    }
}

/// The harness checks that everything that is not documented is a 404 or a 405.
#[tokio::test]
async fn every_other_path_is_a_404() {
    let mut literals = BTreeSet::new();
    in_source(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut literals,
    );
    let documented = documented();
    let known = documented.iter().filter(|path| literals.contains(*path));
    assert!(
        known.count() >= 12,
        "the source names its paths: {literals:?}"
    );
    let mut paths: BTreeSet<String> = GUESSES.iter().map(|path| (*path).to_owned()).collect();
    for first in literals.iter().chain(&documented) {
        paths.insert(first.clone());
        paths.extend(literals.iter().map(|second| format!("{first}{second}")));
    }
    let shop = Shop::open().await;
    for path in paths.difference(&documented) {
        for method in [Method::GET, Method::POST, Method::PATCH] {
            shop.send(method, path, &[], Vec::new()).await;
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_send_and_read_all_that_the_contract_has() {
    let shop = Shop::open_sample().await;
    let origin = ("origin", "https://shop.example");
    for operation in contracts::operations() {
        let preflight = [origin, ("access-control-request-method", &operation.method)];
        let path = concrete(&operation.path);
        let response = shop
            .send(Method::OPTIONS, &path, &preflight, Vec::new())
            .await;
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        // The harness compares these lists with the contracts.
        for name in [
            "access-control-allow-methods",
            "access-control-allow-headers",
        ] {
            assert!(response.header(name).is_some(), "{path}: {name}");
        }
    }
    let lists = [methods(), sendable(), exposed()].map(|list| list.into_iter().collect::<Vec<_>>());
    let expected = [
        vec!["delete", "get", "post", "put"],
        vec![
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "x-request-id",
        ],
        vec![
            "allow",
            "etag",
            "idempotent-replayed",
            "link",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "www-authenticate",
            "x-request-id",
            "x-total-count",
        ],
    ];
    assert_eq!(lists, expected, "the lists for the contracts");
}
