//! The API of the contract `openapi`: the operations on users, products and carts.

use poem::Response;
use poem::endpoint::BoxEndpoint;
use poem_openapi::{ContactObject, LicenseObject, OpenApiService, ServerObject};
use serde_json::Value;

use crate::db::Database;

use super::cart::Cart;
use super::document::{self, Combined};
use super::lists::Lists;
use super::pipeline::Settings;
use super::products::Products;
use super::users::Users;
use super::validation::Validation;

const DESCRIPTION: &str = "\
Users, products and the cart of a shop, over HTTP and JSON.

**Responses.** Every success is `{\"success\": true, \"data\": …, \"message\": \"…\"}`, every \
failure `{\"success\": false, \"error\": {\"code\": \"…\", \"message\": \"…\"}}`; a 400 adds \
`details`, one entry for each violation, and never repeats the values that were sent. \
A `reason` tells failures with the same code apart.

**Authentication.** Callers identify themselves with an access token: `Authorization: Bearer …`. A \
request whose token is not valid is a 401, also where a token is optional. Users read and change what \
belongs to them. What belongs to others is a 404 for them, as if it did not exist, and what only \
administrators may do is a 403. A server with `AUTH_MODE=off` lets requests without a token do \
everything.

**Lists.** Without parameters a list has every row, ordered by id. With `page` or `limit` it has \
that page, a `pagination` object, and the headers `Link` and `X-Total-Count`. `sort` orders the \
list, other parameters filter it. An unknown query parameter is refused.

**Requests.** Bodies are `application/json`: at most 1 MiB and 10,000 values, nested at most 64 \
levels deep. A property that a schema does not name is refused. An update changes the properties \
that are present: `null` clears a nullable property, and absent properties stay as they are.

**Conditions.** A response with one user, product or cart item has an `ETag`: the entity tag of \
its `data`, which changes whenever the data does. Send the tag as `If-None-Match` to get the same \
resource again: while nothing has changed, the response is a 304 without a body. Send it as \
`If-Match` to update or delete the resource: when the data has changed since, nothing is done and the \
response is a 412 (a changed password is not part of the data). Operations that do not list these \
headers ignore them.

**Repeats.** A client that got no response to a request that creates something does not know \
whether it was created. Send an `Idempotency-Key` with such a request: repeated with the same \
key and body, it gets the first response again instead of creating a second resource.

**Tracing.** Send `X-Request-Id` (up to 128 letters, digits, dots, dashes and underscores), and \
the response and the server's log have the same id. Without one, the server generates an id.";

type Shop = Combined<(Users, Products, Cart)>;

fn service(db: &Database, validation: Validation) -> OpenApiService<Shop, ()> {
    let lists = Lists::new(db, validation);
    let users = Users {
        db: db.clone(),
        lists: lists.clone(),
    };
    let products = Products {
        db: db.clone(),
        lists: lists.clone(),
    };
    let cart = Cart {
        db: db.clone(),
        lists,
    };
    let shop = Combined((users, products, cart));
    OpenApiService::new(shop, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .contact(ContactObject::new().name("The maintainers of ecommerce-api"))
        .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
        .server(
            ServerObject::new("http://localhost:8088")
                .description("The server with its default settings"),
        )
}

/// The handlers of all operations, over `db`.
pub(super) fn handlers(db: &Database, settings: &Settings) -> BoxEndpoint<'static, Response> {
    document::handlers(service(db, settings.validation))
}

/// The document that poem-openapi generates from the types and handlers. Needs no database.
pub(super) fn generated() -> Value {
    document::generated(&service(&Database::nowhere(), Validation::Off))
}
