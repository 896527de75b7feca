//! The site's table: what the service serves beside the contract's operations. A path that is
//! neither here nor in a contract is a 404.

/// One page or document of the site; all of them take GET and HEAD.
pub struct Page {
    pub path: &'static str,
    /// Its statuses beside those that any request can have.
    pub statuses: &'static [u16],
    pub content_type: &'static str,
    pub cache_control: &'static str,
    /// The headers of its 200, 304 or 308 beside those of every response.
    pub headers: &'static [&'static str],
}

const JSON: &str = "application/json";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

pub const SITE: [Page; 10] = [
    Page {
        path: "/",
        statuses: &[200],
        content_type: JSON,
        cache_control: "no-store",
        headers: &[],
    },
    Page {
        path: "/health",
        statuses: &[200, 503],
        content_type: JSON,
        cache_control: "no-store",
        headers: &[],
    },
    Page {
        path: "/api/swagger.json",
        statuses: &[200, 304],
        content_type: JSON,
        cache_control: "no-cache",
        headers: &["etag"],
    },
    Page {
        path: "/api/openapi.json",
        statuses: &[200, 304],
        content_type: JSON,
        cache_control: "no-cache",
        headers: &["etag"],
    },
    Page {
        path: "/api/openapi.yaml",
        statuses: &[200, 304],
        content_type: "application/yaml",
        cache_control: "no-cache",
        headers: &["etag"],
    },
    Page {
        path: "/api/docs",
        statuses: &[200],
        content_type: "text/html; charset=utf-8",
        cache_control: "no-cache",
        headers: &["content-security-policy", "referrer-policy"],
    },
    Page {
        path: "/api/docs/",
        statuses: &[308],
        content_type: "",
        cache_control: "no-store",
        headers: &["location"],
    },
    Page {
        path: "/api/docs/init.js",
        statuses: &[200],
        content_type: JAVASCRIPT,
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: "/api/docs/swagger-ui.js",
        statuses: &[200],
        content_type: JAVASCRIPT,
        cache_control: FOR_GOOD,
        headers: &[],
    },
    Page {
        path: "/api/docs/swagger-ui.css",
        statuses: &[200],
        content_type: "text/css; charset=utf-8",
        cache_control: FOR_GOOD,
        headers: &[],
    },
];

/// The page at `path`.
pub fn page(path: &str) -> Option<&'static Page> {
    SITE.iter().find(|page| page.path == path)
}
