//! `/api/docs`: Swagger UI, from assets inside the binary and under a strict content policy.
//!
//! poem-openapi carries Swagger UI as one page with everything inline, for which a policy would
//! have to allow inline scripts. So that page is taken apart, and its script and style are served
//! as files; page and start-up script are ours. All links are relative: the pages also work behind
//! a proxy that serves them under a prefix.

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

/// Made when somebody first asks for it: it takes 1.6 MB, and most servers are never asked.
static SWAGGER_UI: LazyLock<SwaggerUi> = LazyLock::new(|| {
    let page = OpenApiService::new((), "", "").swagger_ui_html();
    SwaggerUi::from_page(&page)
        .expect("this module's test saw this very page, compiled in, come apart")
});

struct SwaggerUi {
    script: Bytes,
    style: Bytes,
    /// Changes with the content, so that browsers may keep a version for good.
    version: String,
}

impl SwaggerUi {
    /// Takes the script and the style out of poem-openapi's page; `None` if they are not where
    /// they were.
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

/// Adds the page and its parts to `route`; the page shows one of the contracts of these names.
pub(super) fn add_to(route: Route, contracts: &[String]) -> Route {
    let start_script = START_SCRIPT.replace("[\"{contracts}\"]", &json!(contracts).to_string());
    let page = make_sync(|_| {
        let page = PAGE.replace("{version}", &SWAGGER_UI.version);
        let mut response = content("text/html; charset=utf-8", page);
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            response
                .headers_mut()
                .insert(name, header::HeaderValue::from_static(value));
        }
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

/// What the page asks for under a version of its own: good for ever.
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
    fn swagger_ui_comes_apart_into_script_and_style() {
        let page = OpenApiService::new((), "", "").swagger_ui_html();
        let ui = SwaggerUi::from_page(&page).expect("poem-openapi's page has changed its shape");
        let script = std::str::from_utf8(&ui.script).expect("UTF-8");
        let style = std::str::from_utf8(&ui.style).expect("UTF-8");
        // Whole, not cut off at a tag within: both ends are there.
        assert!(script.contains("exports.SwaggerUIBundle=") && script.ends_with("})()));"));
        assert!(style.contains(".swagger-ui .opblock") && style.ends_with("*/"));
    }
}
