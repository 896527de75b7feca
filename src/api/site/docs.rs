//! `/api/docs`: Swagger UI, from assets in the binary and with a strict content security policy.
//!
//! Swagger UI's own files are in `swagger-ui/`, unchanged; the page, its style and the script that starts
//! Swagger UI are files of this project. All links are relative, so that the page also works behind a proxy
//! that adds a prefix to its path.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use poem::Response;
use poem::Route;
use poem::endpoint::make_sync;
use poem::http::{StatusCode, header};
use serde_json::json;

use crate::api::responses::content;

/// `style-src` must allow inline styles, which Swagger UI sets on its elements.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("docs.html");
const STYLE: &str = include_str!("docs.css");
const START_SCRIPT: &str = include_str!("init.js");
const SWAGGER_UI_SCRIPT: &str = include_str!("swagger-ui/swagger-ui-bundle.js");
const SWAGGER_UI_STYLE: &str = include_str!("swagger-ui/swagger-ui.css");

/// The release of Swagger UI, which the URLs of its files contain, so that browsers may cache them
/// permanently.
const SWAGGER_UI_VERSION: &str = "5.35.0";

/// Adds the page, its scripts and its style to `route`. The page offers the contracts with these names.
pub(super) fn add_to(route: Route, contracts: &[String]) -> Route {
    let start_script = START_SCRIPT.replace("[\"{contracts}\"]", &json!(contracts).to_string());
    let page = PAGE
        .replace("{version}", SWAGGER_UI_VERSION)
        .replace("{style}", &hash_of(STYLE));
    let page = make_sync(move |_| {
        let mut response = content("text/html; charset=utf-8", page.clone());
        let policy = header::HeaderValue::from_static(CONTENT_SECURITY_POLICY);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        response
    });
    let page_with_slash = make_sync(|_| {
        Response::builder()
            .status(StatusCode::PERMANENT_REDIRECT)
            .header(header::LOCATION, "../docs")
            .finish()
    });
    let start_script = make_sync(move |_| content(JAVASCRIPT, start_script.clone()));
    let script = make_sync(|_| versioned(JAVASCRIPT, SWAGGER_UI_SCRIPT));
    let swagger_ui_style = make_sync(|_| versioned(CSS, SWAGGER_UI_STYLE));
    let style = make_sync(|_| versioned(CSS, STYLE));
    route
        .at("/api/docs", poem::get(page))
        .at("/api/docs/", poem::get(page_with_slash))
        .at("/api/docs/init.js", poem::get(start_script))
        .at("/api/docs/swagger-ui.js", poem::get(script))
        .at("/api/docs/swagger-ui.css", poem::get(swagger_ui_style))
        .at("/api/docs/docs.css", poem::get(style))
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// A hash of a file's content, which its URL contains.
fn hash_of(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The response with a file whose URL contains its version, so that it may be cached permanently.
fn versioned(content_type: &str, body: &'static str) -> Response {
    let mut response = content(content_type, Bytes::from_static(body.as_bytes()));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    #[test]
    fn swagger_ui_is_the_release_that_its_page_says() {
        let page = include_str!("swagger-ui/README.md");
        assert!(page.contains(SWAGGER_UI_VERSION), "{page}");
        for (name, content) in [
            ("swagger-ui-bundle.js", SWAGGER_UI_SCRIPT),
            ("swagger-ui.css", SWAGGER_UI_STYLE),
        ] {
            let sum = digest(&SHA256, content.as_bytes());
            let sum = sum.as_ref().iter().map(|byte| format!("{byte:02x}"));
            let line = format!("{}  {name}\n", sum.collect::<String>());
            assert!(page.contains(&line), "{line} is not in {page}");
        }
    }
}
