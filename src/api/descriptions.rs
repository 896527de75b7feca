//! The descriptions, in the generated document, of parameters that several operations have. A parameter
//! of a single operation is described at its handler.

use poem_openapi::registry::MetaPath;

use super::lists::paging;

/// For each parameter its name, the beginning of the paths that have it, and its description. In the
/// description, `{default}` stands for the value in [`paging::DEFAULTS`].
const DESCRIPTIONS: [(&str, &str, &str); 11] = [
    ("id", "/api/users/", "The user's id"),
    ("id", "/api/products/", "The product's id"),
    ("id", "/api/cart/", "The cart item's id"),
    ("user_id", "", "The id of the user who has the cart"),
    (
        "page",
        "",
        "The number of the page, from 1; {default} when only `limit` is given. A page past the end is \
         empty.",
    ),
    (
        "limit",
        "",
        "The number of rows on a page; {default} when only `page` is given.",
    ),
    (
        "sort",
        "",
        "The property that orders the list; a minus sign reverses the order. Rows with equal values \
         are ordered by id, in the same direction.",
    ),
    (
        "If-Match",
        "",
        "The entity tags, separated by commas, of the states in which the resource may be changed, \
         or `*` for any state. 412 when the present state has none of these tags. Weak tags \
         (`W/\"…\"`) and malformed tags match nothing.",
    ),
    (
        "If-None-Match",
        "",
        "The entity tags, separated by commas, of the states that the client already has, or `*` for \
         any state. 304 when the present state has one of these tags. A weak tag (`W/\"…\"`) matches \
         like the strong one; malformed tags match nothing.",
    ),
    (
        "Idempotency-Key",
        "",
        "A key of the client's choice for this request, a UUID for example, with which the request \
         can be repeated without creating a second resource. For 24 hours a request to the same \
         operation with the same key and the same body gets the response to the first one, with \
         `Idempotent-Replayed: true`; with another body, a 422. While the first request is in \
         progress, the others wait for it. Only successful responses are kept: a failed request \
         may be repeated with its key. 400 when the database has no table for keys.",
    ),
    (
        "X-Request-Id",
        "",
        "An id for this request, which the response and the server's log have, too. It has up to 128 \
         letters, digits, dots, dashes and underscores; the server generates one when it is absent \
         or malformed.",
    ),
];

/// Adds the descriptions of the parameters at `path` whose handlers do not describe them.
pub(super) fn describe(path: &mut MetaPath) {
    let parameters = path
        .operations
        .iter_mut()
        .flat_map(|operation| &mut operation.params)
        .filter(|parameter| parameter.description.is_none());
    for parameter in parameters {
        parameter.description = description(&path.path, &parameter.name);
    }
}

fn description(path: &str, name: &str) -> Option<String> {
    let (.., text) = DESCRIPTIONS
        .iter()
        .find(|(known, beginning, _)| *known == name && path.starts_with(beginning))?;
    let default = paging::DEFAULTS.iter().find(|(page, _)| *page == name);
    Some(match default {
        Some((_, default)) => text.replace("{default}", &default.to_string()),
        None => (*text).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_the_contract_says_how_many_rows_a_page_has() {
        let page = include_str!("../../openapi/README.md");
        let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let [(_, page), (_, limit)] = paging::DEFAULTS;
        for part in [
            format!("`page` (from 1, {page} if absent)"),
            format!("`limit` (1 to 1000, {limit} if absent)"),
        ] {
            assert!(text.contains(&part), "{part}");
        }
    }
}
