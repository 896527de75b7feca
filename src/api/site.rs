//! The paths that are in no contract: `/`, `/health`, `/health/live`, `/health/ready`, each contract itself as
//! `/api/<name>.yaml` and `/api/<name>.json` (the first one also as `/api/swagger.json`), the pages of `/api/docs`, and what browsers
//! and crawlers ask for: `/favicon.svg`, `/favicon.ico` and `/robots.txt`.
//!
//! Imports `error`, and `contracts` for the documents. The caller passes in the function that checks the
//! database.

mod docs;

use bytes::Bytes;
use poem::endpoint::{make, make_sync};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response, Route, RouteMethod};
use serde_json::{Value, json};

use crate::contract::with_optional_security;
use crate::error::Error;

use super::authentication::Mode;
use super::conditions::{ETag, EntityTags};
use super::contracts::Published;
use super::failures::Failure;
use super::people;
use super::responses::content;

const FAVICON: &str = include_str!("site/favicon.svg");

/// No crawler has anything to look for in the data of a shop.
const ROBOTS: &str = "User-agent: *\nDisallow: /api/\nAllow: /api/docs\n";

/// A contract as the site serves it: at `/api/<name>.json` and `/api/<name>.yaml`.
pub struct Document {
    name: String,
    json: Bytes,
    yaml: Bytes,
}

impl Document {
    /// The document of a contract: its source in YAML, and the same in JSON. In JSON, every operation can
    /// be called without a token if `mode` says so.
    #[must_use]
    pub fn of(published: &Published, mode: Mode) -> Self {
        let contract = &published.contract;
        let document = contract.document();
        let json = match mode {
            // An operation of the contract `auth` that needs a token needs it always, since it is about the
            // bearer.
            Mode::Off if contract.name() != "auth" => with_optional_security(document).to_string(),
            Mode::Off | Mode::Required => document.to_string(),
        };
        Self {
            name: contract.name().to_owned(),
            json: json.into(),
            yaml: published.source.into(),
        }
    }
}

/// The routes of the site. `ping` checks that the service is ready; it has a time limit of its own.
pub fn routes<P, F>(documents: impl IntoIterator<Item = Document>, ping: P) -> Route
where
    P: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let root = root();
    let home = {
        let ping = ping.clone();
        make(move |request: Request| {
            let (ping, root) = (ping.clone(), root.clone());
            async move {
                if !people::is_wanted(request.headers()) {
                    return success(&root);
                }
                let problem = ping().await.is_err();
                let problem = problem.then_some("its database does not respond");
                people::page(&request, problem)
            }
        })
    };
    let icon = || poem::get(make_sync(|_| content("image/svg+xml", FAVICON)));
    let ready = ping.clone();
    let mut route = Route::new()
        .at("/", poem::get(home))
        .at(
            "/home.css",
            poem::get(make_sync(|_| {
                content("text/css; charset=utf-8", people::STYLE)
            })),
        )
        .at("/favicon.svg", icon())
        .at("/favicon.ico", icon())
        .at(
            "/robots.txt",
            poem::get(make_sync(|_| content("text/plain; charset=utf-8", ROBOTS))),
        )
        .at("/health", poem::get(make(move |_| health(ping()))))
        .at("/health/ready", poem::get(make(move |_| health(ready()))))
        .at("/health/live", poem::get(make_sync(|_| live())));
    let mut names = Vec::new();
    for Document { name, json, yaml } in documents {
        let as_json = || contract("application/json", &json);
        let as_yaml = contract("application/yaml", &yaml);
        if names.is_empty() {
            // Many tools look for a contract at this path.
            route = route.at("/api/swagger.json", as_json());
        }
        route = route
            .at(format!("/api/{name}.json"), as_json())
            .at(format!("/api/{name}.yaml"), as_yaml);
        names.push(name);
    }
    docs::add_to(route, &names)
}

/// The route to a contract as YAML or JSON. The response is a 304 when the client already has the
/// contract. The entity tag is weak because the compressed and the plain response share it.
fn contract(content_type: &'static str, text: &Bytes) -> RouteMethod {
    let (text, tag) = (text.clone(), ETag::of_bytes(text));
    poem::get(make_sync(move |request: Request| {
        let sent = request.header(header::IF_NONE_MATCH).map(EntityTags::parse);
        let mut response = if sent.is_some_and(|tags| tags.match_weakly(&tag)) {
            let not_modified = Response::builder().status(StatusCode::NOT_MODIFIED);
            not_modified
                .header(header::CACHE_CONTROL, "no-cache")
                .finish()
        } else {
            content(content_type, text.clone())
        };
        if let Some(tag) = tag.weak_header() {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }))
}

/// The body of `/`: name, version and links.
fn root() -> Bytes {
    envelope(
        &json!({
            "name": "ecommerce-api",
            "version": env!("CARGO_PKG_VERSION"),
            "docs": "/api/docs",
            "contract": "/api/openapi.yaml",
            "health": "/health",
        }),
        "The API is documented, and can be tried out, at /api/docs",
    )
}

/// The response with status 200 of a process that responds at all. The database is not asked: a new
/// process would not reach it either.
pub(super) fn live() -> Response {
    success(&envelope(&json!({"process": "up"}), "The process responds"))
}

/// Responds with 200, or with 503 when the service is not ready: when the database does not respond.
pub(super) async fn health(
    ping: impl Future<Output = Result<(), Error>>,
) -> poem::Result<Response> {
    ping.await.map_err(Failure::from)?;
    Ok(success(&envelope(
        &json!({"database": "up"}),
        "The database responds",
    )))
}

/// A success envelope with this `data`, as JSON.
fn envelope(data: &Value, message: &str) -> Bytes {
    let envelope = json!({"success": true, "data": data, "message": message});
    envelope.to_string().into()
}

/// A response with status 200 that must not be cached, since its content may change at any time.
fn success(envelope: &Bytes) -> Response {
    let mut response = content("application/json", envelope.clone());
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::future::ready;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use poem::Endpoint;
    use poem::Request;
    use poem::http::{Method, StatusCode, Uri};

    use super::*;

    async fn call(site: &Route, method: Method, path: &'static str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(Uri::from_static(path))
            .finish();
        site.get_response(request).await
    }

    async fn get(site: &Route, path: &'static str) -> (StatusCode, header::HeaderMap, String) {
        let response = call(site, Method::GET, path).await;
        let (parts, body) = response.into_parts();
        let text = body.into_string().await.unwrap();
        (parts.status, parts.headers, text)
    }

    fn documents() -> Vec<Document> {
        let document = |name: &str, version| Document {
            name: name.to_owned(),
            json: format!(r#"{{"openapi":"{version}"}}"#).into(),
            yaml: format!("openapi: {version}").into(),
        };
        vec![document("openapi", "3.0.3"), document("other", "3.0.0")]
    }

    fn site() -> Route {
        routes(documents(), || ready(Ok(())))
    }

    fn json_of(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn the_root_names_the_service_and_its_links() {
        let site = site();
        let (status, _, text) = get(&site, "/").await;
        assert_eq!(status, StatusCode::OK);
        let data = &json_of(&text)["data"];
        assert_eq!(data["version"], env!("CARGO_PKG_VERSION"));
        for link in ["docs", "contract", "health"] {
            let path = data[link].as_str().unwrap().to_owned();
            let (status, ..) = get(&site, path.leak()).await;
            assert_eq!(status, StatusCode::OK, "{link}");
        }
    }

    #[tokio::test]
    async fn the_contract_is_served_unchanged() {
        let json = r#"{"openapi":"3.0.3"}"#;
        let other = r#"{"openapi":"3.0.0"}"#;
        for (path, content_type, contract) in [
            ("/api/swagger.json", "application/json", json),
            ("/api/openapi.json", "application/json", json),
            ("/api/openapi.yaml", "application/yaml", "openapi: 3.0.3"),
            ("/api/other.json", "application/json", other),
            ("/api/other.yaml", "application/yaml", "openapi: 3.0.0"),
        ] {
            let (_, headers, text) = get(&site(), path).await;
            assert_eq!(headers[header::CONTENT_TYPE], content_type);
            assert_eq!(text, contract);
            let request = Request::builder()
                .uri(Uri::from_static(path))
                .header(header::IF_NONE_MATCH, &headers[header::ETAG])
                .finish();
            let response = site().get_response(request).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(response.headers()[header::ETAG], headers[header::ETAG]);
        }
        assert_eq!(get(&site(), "/api/nope").await.0, StatusCode::NOT_FOUND);
        assert_eq!(get(&site(), "/nope").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn health_is_200_while_the_database_responds() {
        let (status, headers, text) = get(&site(), "/health").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(json_of(&text)["data"], json!({"database": "up"}));
    }

    #[tokio::test]
    async fn health_is_503_when_the_database_does_not_respond() {
        let site = routes(documents(), || {
            ready(Err(Error::Unavailable("secret host".into())))
        });
        let (status, headers, text) = get(&site, "/health").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers[header::RETRY_AFTER], "1");
        assert_eq!(json_of(&text)["error"]["code"], "SERVICE_UNAVAILABLE");
        assert!(!text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn health_follows_the_database_down_and_up() {
        let is_up = Arc::new(AtomicBool::new(true));
        let site = routes(documents(), {
            let is_up = Arc::clone(&is_up);
            move || {
                ready(if is_up.load(Ordering::Relaxed) {
                    Ok(())
                } else {
                    Err(Error::Unavailable("down".into()))
                })
            }
        });
        for (now_up, status) in [(true, 200), (false, 503), (true, 200), (false, 503)] {
            is_up.store(now_up, Ordering::Relaxed);
            for _ in 0..2 {
                assert_eq!(get(&site, "/health").await.0, status);
            }
        }
    }

    #[tokio::test]
    async fn the_docs_run_under_a_policy_without_inline_scripts() {
        let site = site();
        let (status, headers, page) = get(&site, "/api/docs").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';"), "{policy}");
        for script in page.split("<script").skip(1) {
            let (attributes, rest) = script.split_once('>').unwrap();
            assert!(attributes.contains("src="), "inline: {attributes}");
            assert!(rest.starts_with("</script>"), "a script with a body");
        }

        // Each script and style that the page links to is served with the right media type.
        let links = page
            .split('"')
            .filter(|text| text.starts_with("docs/"))
            .map(|link| format!("/api/{link}"))
            .collect::<Vec<_>>();
        assert_eq!(links.len(), 4, "{links:?}");
        for link in links {
            let expected = if link.contains(".css") {
                "text/css"
            } else {
                "text/javascript"
            };
            let is_versioned = link.contains("?v=");
            let (status, headers, text) = get(&site, link.leak()).await;
            assert_eq!(status, StatusCode::OK);
            let content_type = headers[header::CONTENT_TYPE].to_str().unwrap();
            assert!(content_type.starts_with(expected), "{content_type}");
            let caching = headers[header::CACHE_CONTROL].to_str().unwrap();
            assert_eq!(caching.contains("immutable"), is_versioned);
            assert!(!text.is_empty());
        }
        let (.., script) = get(&site, "/api/docs/init.js").await;
        let contracts = r#"const contracts = ["openapi","other"];"#;
        assert!(script.contains(contracts), "{script}");
        let slash = call(&site, Method::GET, "/api/docs/").await;
        assert_eq!(slash.headers()[header::LOCATION], "../docs");
    }
}
