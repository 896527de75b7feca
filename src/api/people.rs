//! The pages for people: `/`, and the failures of paths that are in no contract. Programs get JSON there;
//! `is_wanted` decides by the request's `Accept`.
//!
//! The pages work without scripts, and their policy allows none.

use maud::{DOCTYPE, Markup, html};
use poem::http::{HeaderValue, StatusCode, Uri, header, uri::Authority};
use poem::{Request, Response};

use super::failures::message;
use super::responses::content;

/// The style of the pages, at `/home.css`.
pub(super) const STYLE: &str = include_str!("people.css");

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the sender of these `Accept` headers prefers HTML to JSON, as browsers do. A program that
/// accepts anything gets JSON.
pub(super) fn is_wanted(headers: &header::HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    let accepted = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let (mut html, mut json) = (0.0, 0.0);
    for part in accepted {
        let mut parts = part.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
        let quality: f32 = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        if media_type.eq_ignore_ascii_case("text/html") {
            html = quality;
        } else if media_type.eq_ignore_ascii_case("application/json") {
            json = quality;
        }
    }
    html > 0.0 && html >= json
}

/// The page at `/`. `problem` is the reason if the service cannot respond to requests at present.
pub(super) fn page(request: &Request, problem: Option<&str>) -> Response {
    let base = base(request);
    let examples = [
        (
            "A page of products",
            format!("curl '{base}/api/products?limit=3'"),
        ),
        (
            "One product, with its headers",
            format!("curl -i {base}/api/products/1"),
        ),
        (
            "A new product",
            format!(
                "curl {base}/api/products -H 'Content-Type: application/json' -d '{{\"title\":\"Kettle\"}}'"
            ),
        ),
    ];
    let status = if problem.is_some() { "problem" } else { "up" };
    let page = layout(
        "ecommerce-api",
        &html! {
            p { "A REST API over the database of a shop: users, products and the cart." }
            p class=(status) {
                @match problem {
                    None => { "The service is up, and its database responds." }
                    Some(problem) => { "The service is up, but unavailable: " (problem) "." }
                }
            }
            ul {
                li { a href="api/docs" { "Documentation" } ", where every operation can be tried out" }
                li { "The contract as " a href="api/openapi.yaml" { "YAML" } " and as " a href="api/openapi.json" { "JSON" } }
                li { a href="health" { "Health" } ", for load balancers" }
            }
            h2 { "From a terminal" }
            @for (title, command) in &examples {
                h3 { (title) }
                pre tabindex="0" { code { (command) } }
            }
            footer { "Version " (env!("CARGO_PKG_VERSION")) }
        },
        "",
    );
    respond(StatusCode::OK, page)
}

/// The page in place of the response to a request for `path` that failed, with a way back.
pub(super) fn failure_instead_of(response: &Response, path: &str) -> Response {
    let mut page = failure(response.status(), message(response.status()), path);
    if let Some(allow) = response.headers().get(header::ALLOW) {
        let headers = page.headers_mut();
        headers.insert(header::ALLOW, allow.clone());
    }
    page
}

fn failure(status: StatusCode, message: &str, path: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    // Relative, since a proxy may add a prefix to the paths.
    let up = "../".repeat(path.matches('/').count().saturating_sub(1));
    let page = layout(
        reason,
        &html! {
            p { (message) "." }
            p { a href={ (up) "./" } { "To the start" } " or to the " a href={ (up) "api/docs" } { "documentation" } }
        },
        &up,
    );
    respond(status, page)
}

/// A whole page. `up` leads from its path to `/`.
fn layout(title: &str, content: &Markup, up: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href={ (up) "favicon.svg" } type="image/svg+xml";
                link rel="stylesheet" href={ (up) "home.css" };
            }
            body {
                main {
                    h1 { (title) }
                    (content)
                }
            }
        }
    }
}

fn respond(status: StatusCode, page: Markup) -> Response {
    let mut response = content("text/html; charset=utf-8", page.into_string());
    response.set_status(status);
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The URL by which the client reached this server, without the path.
fn base(request: &Request) -> String {
    let scheme = request.scheme();
    let host = request.header(header::HOST);
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let host = host.or_else(|| Uri::authority(request.uri()).cloned());
    let host = host.as_ref().map_or("localhost:8088", Authority::as_str);
    format!("{scheme}://{host}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn people_get_html_and_programs_json() {
        let is_wanted = |accept: &[&'static str]| {
            let values = accept.iter();
            let named = values.map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
            is_wanted(&named.collect())
        };
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for accept in [
            &[chromium][..],
            &["text/html"],
            &["TEXT/HTML; q=0.5"],
            &["application/json;q=0.9, text/html"],
            &["application/json;q=0.9", "text/html"],
        ] {
            assert!(is_wanted(accept), "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["application/json, text/html;q=0.9"],
            &["text/html;q=0"],
            &["text/html;q=often"],
            &["text/plain"],
        ] {
            assert!(!is_wanted(accept), "{accept:?}");
        }
    }

    #[tokio::test]
    async fn nothing_of_a_request_becomes_markup() {
        let request = Request::builder()
            .header(header::HOST, "<script>alert(1)</script>")
            .finish();
        let body = page(&request, None)
            .into_body()
            .into_string()
            .await
            .unwrap();
        assert!(!body.contains("<script"), "{body}");
        let failed = failure(StatusCode::NOT_FOUND, "<b>", "/a/b");
        let body = failed.into_body().into_string().await.unwrap();
        assert!(body.contains("&lt;b&gt;"), "{body}");
        assert!(body.contains("href=\"../home.css\""), "{body}");
    }
}
