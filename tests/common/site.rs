//! The paths of the service that are in no contract. A path that is neither here nor in a contract is a
//! 404.

use std::borrow::Cow;
use std::sync::LazyLock;

use ecommerce_api::api::contracts::contracts;

/// A page or document. Its methods are GET and HEAD.
#[derive(Clone)]
pub struct Page {
    pub path: Cow<'static, str>,
    /// The statuses in addition to those that any request can have.
    pub statuses: &'static [u16],
    pub content_type: &'static str,
    pub cache_control: &'static str,
    /// The headers of its 200, 304 or 308 in addition to those of every response.
    pub headers: &'static [&'static str],
}

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The pages that do not depend on the contracts.
const FIXED: [Page; 14] = [
    Page {
        path: Cow::Borrowed("/"),
        statuses: &[200],
        content_type: JSON,
        cache_control: "no-store",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/health"),
        statuses: &[200, 503],
        content_type: JSON,
        cache_control: "no-store",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/home.css"),
        statuses: &[200],
        content_type: CSS,
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/favicon.svg"),
        statuses: &[200],
        content_type: "image/svg+xml",
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/favicon.ico"),
        statuses: &[200],
        content_type: "image/svg+xml",
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/robots.txt"),
        statuses: &[200],
        content_type: "text/plain; charset=utf-8",
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/health/ready"),
        statuses: &[200, 503],
        content_type: JSON,
        cache_control: "no-store",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/health/live"),
        statuses: &[200],
        content_type: JSON,
        cache_control: "no-store",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/api/docs"),
        statuses: &[200],
        content_type: "text/html; charset=utf-8",
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/api/docs/"),
        statuses: &[308],
        content_type: "",
        cache_control: "no-store",
        headers: &["location"],
    },
    Page {
        path: Cow::Borrowed("/api/docs/init.js"),
        statuses: &[200],
        content_type: JAVASCRIPT,
        cache_control: "no-cache",
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/api/docs/swagger-ui.js"),
        statuses: &[200],
        content_type: JAVASCRIPT,
        cache_control: IMMUTABLE,
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/api/docs/docs.css"),
        statuses: &[200],
        content_type: CSS,
        cache_control: IMMUTABLE,
        headers: &[],
    },
    Page {
        path: Cow::Borrowed("/api/docs/swagger-ui.css"),
        statuses: &[200],
        content_type: CSS,
        cache_control: IMMUTABLE,
        headers: &[],
    },
];

/// All pages and documents.
pub fn pages() -> &'static [Page] {
    static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
        let of_contracts = contracts().iter().flat_map(|published| {
            let name = published.contract.name();
            [
                document(format!("/api/{name}.json"), JSON),
                document(format!("/api/{name}.yaml"), YAML),
            ]
        });
        let main = document("/api/swagger.json".to_owned(), JSON);
        FIXED
            .into_iter()
            .chain([main])
            .chain(of_contracts)
            .collect()
    });
    &PAGES
}

/// The page for the file of a contract.
fn document(path: String, content_type: &'static str) -> Page {
    Page {
        path: path.into(),
        statuses: &[200, 304],
        content_type,
        cache_control: "no-cache",
        headers: &["etag"],
    }
}

/// The page at `path`.
pub fn page(path: &str) -> Option<&'static Page> {
    pages().iter().find(|page| page.path == path)
}
