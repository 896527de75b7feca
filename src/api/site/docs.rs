//! `/api/docs`: Swagger UI, from assets in the binary and with a strict content security policy.
//!
//! poem-openapi contains Swagger UI as one page with an inline script and style. To serve that page the
//! policy would have to allow inline scripts, so this module extracts the script and the style and
//! serves them as files. The page itself and the script that starts Swagger UI are files of this
//! project. All links are relative, so that the page also works behind a proxy that adds a prefix to its
//! path.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use bytes::Bytes;
use poem::Response;
use poem::Route;
use poem::endpoint::make_sync;
use poem::http::{StatusCode, header};
use poem_openapi::OpenApiService;
use serde_json::json;

use super::content;

/// `style-src` must allow inline styles, which Swagger UI sets on its elements.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("docs.html");
const START_SCRIPT: &str = include_str!("init.js");

/// Created at the first request to the page, since it takes 1.6 MB and many servers never get one.
static SWAGGER_UI: LazyLock<SwaggerUi> = LazyLock::new(|| {
    let page = OpenApiService::new((), "", "").swagger_ui_html();
    SwaggerUi::from_page(&page)
        .expect("the page is compiled in, and a test of this module splits it")
});

struct SwaggerUi {
    script: Bytes,
    style: Bytes,
    /// A hash of the content. The URLs contain it, so that browsers may cache the files permanently.
    version: String,
}

impl SwaggerUi {
    /// Extracts the script and the style from poem-openapi's page; `None` if one of them is missing.
    fn from_page(page: &str) -> Option<Self> {
        let inline = |open: &str, close: &str| {
            let (_, rest) = page.split_once(open)?;
            let (text, _) = rest.split_once(close)?;
            Some(text)
        };
        let style = inline("<style charset=\"UTF-8\">", "</style>")?;
        let script = inline("<script charset=\"UTF-8\">", "</script>")?;

        let mut hasher = DefaultHasher::new();
        (style, script).hash(&mut hasher);
        Some(Self {
            script: Bytes::copy_from_slice(script.as_bytes()),
            style: Bytes::copy_from_slice(style.as_bytes()),
            version: format!("{:016x}", hasher.finish()),
        })
    }
}

/// Adds the page, its scripts and its style to `route`. The page offers the contracts with these names.
pub(super) fn add_to(route: Route, contracts: &[String]) -> Route {
    let start_script = START_SCRIPT.replace("[\"{contracts}\"]", &json!(contracts).to_string());
    let page = make_sync(|_| {
        let page = PAGE.replace("{version}", &SWAGGER_UI.version);
        let mut response = content("text/html; charset=utf-8", page);
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
    let script = make_sync(|_| versioned(JAVASCRIPT, &SWAGGER_UI.script));
    let style = make_sync(|_| versioned("text/css; charset=utf-8", &SWAGGER_UI.style));
    route
        .at("/api/docs", poem::get(page))
        .at("/api/docs/", poem::get(page_with_slash))
        .at("/api/docs/init.js", poem::get(start_script))
        .at("/api/docs/swagger-ui.js", poem::get(script))
        .at("/api/docs/swagger-ui.css", poem::get(style))
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The response with a file whose URL contains its version, so that it may be cached permanently.
fn versioned(content_type: &str, body: &Bytes) -> Response {
    let mut response = content(content_type, body.clone());
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swagger_ui_is_split_into_script_and_style() {
        let page = OpenApiService::new((), "", "").swagger_ui_html();
        let ui = SwaggerUi::from_page(&page).expect("poem-openapi's page has no script or style");
        let script = std::str::from_utf8(&ui.script).expect("UTF-8");
        let style = std::str::from_utf8(&ui.style).expect("UTF-8");
        // Both end as they should: none was cut off at a tag within its text.
        assert!(script.contains("exports.SwaggerUIBundle=") && script.ends_with("})()));"));
        assert!(style.contains(".swagger-ui .opblock") && style.ends_with("*/"));
    }
}
