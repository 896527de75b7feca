//! What stands beside the contract: `/`, `/health`, `/api/swagger.json` and the pages of
//! `/api/docs`.
//!
//! Uses `error`, and nothing of the database: whether it answers is asked through a function.

mod docs;

use std::time::Duration;

use bytes::Bytes;
use poem::endpoint::{make, make_sync};
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, EndpointExt, Request, Response, Route};
use serde_json::{Value, json};

use crate::error::{Cause, Error};

/// How long `/health` waits for the database.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// The site's routes. The API's own, with their full paths, are added with
/// `.nest_no_strip("/api", …)`; `.nest("/", …)` would take `/` away from the site.
///
/// `contract` is the contract as JSON text; `ping` asks the database for a sign of life.
pub fn routes<P, F>(contract: impl Into<Bytes>, ping: P) -> Route
where
    P: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let contract: Bytes = contract.into();
    let contract = make_sync(move |_| content("application/json", contract.clone()));
    let route = Route::new()
        .at("/", read_only(make_sync(|_| root())))
        .at("/health", read_only(make(move |_| health(ping()))))
        .at("/api/swagger.json", read_only(contract));
    docs::add_to(route)
}

/// Name, version and where to go next.
fn root() -> Response {
    success(
        &json!({
            "name": "ecommerce-api",
            "version": env!("CARGO_PKG_VERSION"),
            "docs": "/api/docs",
            "contract": "/api/swagger.json",
            "health": "/health",
        }),
        "The API is documented, and can be tried out, at /api/docs",
    )
}

/// Whether requests can be served: 200, or 503 when the database does not answer in time.
async fn health(ping: impl Future<Output = Result<(), Error>>) -> poem::Result<Response> {
    let cause: Cause = match tokio::time::timeout(HEALTH_TIMEOUT, ping).await {
        Ok(Ok(())) => return Ok(success(&json!({"database": "up"}), "The database answers")),
        Ok(Err(Error::Unavailable(cause))) => cause,
        Ok(Err(error)) => error.into(),
        Err(_elapsed) => format!("the database did not answer within {HEALTH_TIMEOUT:?}").into(),
    };
    Err(unavailable(&cause))
}

/// The success envelope around `data`, which is true of this moment only and so never stored.
fn success(data: &Value, message: &str) -> Response {
    let envelope = json!({"success": true, "data": data, "message": message});
    let mut response = content("application/json", envelope.to_string());
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// A 200 that no browser takes for anything but `content_type`, and asks for anew each time.
fn content(content_type: &str, body: impl Into<Bytes>) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CACHE_CONTROL, "no-cache")
        .body(body.into())
}

/// `endpoint` for GET and HEAD, and a refusal for every other method.
fn read_only(endpoint: impl Endpoint + 'static) -> impl Endpoint<Output = Response> + 'static {
    poem::get(endpoint).before(|request: Request| async move {
        match *request.method() {
            Method::GET | Method::HEAD => Ok(request),
            _ => Err(method_not_allowed()),
        }
    })
}

// ── Errors in the API's envelope ────────────────────────────────────────────────────────────────

const NO_STORE: header::HeaderValue = header::HeaderValue::from_static("no-store");

/// 503; the cause goes to the log.
fn unavailable(cause: &Cause) -> poem::Error {
    tracing::warn!(%cause, "not healthy: the database does not answer");
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        "The service is unavailable for the moment; try again later",
        (header::RETRY_AFTER, "1"),
    )
}

/// 405, with the methods that [`read_only`] allows.
fn method_not_allowed() -> poem::Error {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "This path can only be read: use GET or HEAD",
        (header::ALLOW, "GET, HEAD"),
    )
}

fn refusal(
    status: StatusCode,
    code: &str,
    message: &str,
    (name, value): (header::HeaderName, &str),
) -> poem::Error {
    let envelope = json!({"success": false, "error": {"code": code, "message": message}});
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, NO_STORE)
        .header(name, value)
        .body(envelope.to_string());
    poem::Error::from_response(response)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::future::{pending, ready};

    use poem::http::Uri;

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

    fn site() -> Route {
        let api = Route::new().at("/api/users", poem::get(make_sync(|_| "the API")));
        routes(r#"{"openapi":"3.0.3"}"#, || ready(Ok(()))).nest_no_strip("/api", api)
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
    async fn the_contract_is_served_as_it_was_given_and_the_api_beside_it() {
        let (_, headers, text) = get(&site(), "/api/swagger.json").await;
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(text, r#"{"openapi":"3.0.3"}"#);
        assert_eq!(get(&site(), "/api/users").await.2, "the API");
        assert_eq!(get(&site(), "/api/nope").await.0, StatusCode::NOT_FOUND);
        assert_eq!(get(&site(), "/nope").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn health_is_200_while_the_database_answers() {
        let (status, headers, text) = get(&site(), "/health").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(json_of(&text)["data"], json!({"database": "up"}));
    }

    #[tokio::test]
    async fn health_is_503_when_the_database_refuses_or_keeps_silent() {
        let refuses = routes("", || ready(Err(Error::Unavailable("secret host".into()))));
        let silent = routes("", pending);
        for site in [refuses, silent] {
            let (status, headers, text) = get(&site, "/health").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(headers[header::RETRY_AFTER], "1");
            assert_eq!(json_of(&text)["error"]["code"], "SERVICE_UNAVAILABLE");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[tokio::test]
    async fn only_get_and_head_are_allowed() {
        for path in ["/", "/health", "/api/swagger.json", "/api/docs"] {
            let head = call(&site(), Method::HEAD, path).await;
            assert_eq!(head.status(), StatusCode::OK);
            let post = call(&site(), Method::POST, path).await;
            assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(post.headers()[header::ALLOW], "GET, HEAD");
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

        // Every part that the page asks for is there, and is what it is asked for as.
        let links = page
            .split('"')
            .filter(|text| text.starts_with("docs/"))
            .map(|link| format!("/api/{link}"))
            .collect::<Vec<_>>();
        assert_eq!(links.len(), 3, "{links:?}");
        for link in links {
            let expected = if link.contains(".css") {
                "text/css"
            } else {
                "text/javascript"
            };
            let for_good = link.contains("?v=");
            let (status, headers, text) = get(&site, link.leak()).await;
            assert_eq!(status, StatusCode::OK);
            let content_type = headers[header::CONTENT_TYPE].to_str().unwrap();
            assert!(content_type.starts_with(expected), "{content_type}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            let caching = headers[header::CACHE_CONTROL].to_str().unwrap();
            assert_eq!(caching.contains("immutable"), for_good);
            assert!(!text.is_empty());
        }
        let slash = call(&site, Method::GET, "/api/docs/").await;
        assert_eq!(slash.headers()[header::LOCATION], "../docs");
    }
}
