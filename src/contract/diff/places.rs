//! Which places of a document hold the same kind of thing, so that one mistake that was made at many
//! places is reported once.
//!
//! Imports the module's `structure`.

use super::structure::METHODS;

/// A JSON pointer without what only says where it stands: an operation, a status or a component. A
/// header that every response has, for example, is `responses/headers/X-Request-Id` in each of them.
/// Other pointers, those of single parameters among them, stay as they are.
pub(in crate::contract) fn kind(pointer: &str) -> String {
    let segments: Vec<&str> = pointer.split('/').skip(1).collect();
    match segments.as_slice() {
        ["paths", _, method, "responses", _, rest @ ..] if METHODS.contains(method) => {
            format!("responses/{}", rest.join("/"))
        }
        ["components", "responses", _, rest @ ..] if !rest.is_empty() => {
            format!("responses/{}", rest.join("/"))
        }
        ["paths", _, method, "parameters", _] if METHODS.contains(method) => {
            "operations/parameters".to_owned()
        }
        ["paths", _, method, key] if METHODS.contains(method) => format!("operations/{key}"),
        ["components", "schemas", _, "properties", rest @ ..] => {
            format!("schemas/properties/{}", rest.join("/"))
        }
        _ => pointer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn a_part_of_every_response_is_one_kind_of_thing() {
        let header = "responses/headers/ETag";
        for pointer in [
            "/paths/~1users/get/responses/200/headers/ETag",
            "/paths/~1users~1{id}/put/responses/404/headers/ETag",
            "/components/responses/NotFound/headers/ETag",
        ] {
            assert_eq!(kind(pointer), header);
        }
    }

    #[test]
    fn a_property_of_one_name_is_one_kind_of_thing_in_every_schema() {
        let email = "schemas/properties/email/maxLength";
        for schema in ["User", "UserDraft"] {
            let pointer = format!("/components/schemas/{schema}/properties/email/maxLength");
            assert_eq!(kind(&pointer), email);
        }
    }

    #[test]
    fn what_has_a_name_of_its_own_stays_apart() {
        for pointer in [
            "",
            "/info/title",
            "/paths/~1users",
            "/paths/~1users/get",
            "/paths/~1users/parameters/0",
            "/paths/~1users/get/parameters/0/schema",
            "/components/schemas/User",
            "/components/schemas/User/required",
            "/components/parameters/Page/schema/maximum",
            "/components/headers/ETag",
            "/components/responses/NotFound",
        ] {
            assert_eq!(kind(pointer), pointer);
        }
    }
}
