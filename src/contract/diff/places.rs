//! Groups the places of a document by what they contain, so that a mistake repeated at many places is
//! reported once.
//!
//! Imports the module's `structure`.

use super::structure::METHODS;

/// The kind of a place: its JSON pointer without the path, method, status or component that contains it.
/// A header of any response, for example, becomes `responses/headers/X-Request-Id`. Pointers to other
/// places, including those to single parameters, are returned unchanged.
pub(in crate::contract) fn place_kind(pointer: &str) -> String {
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
    use super::place_kind;

    #[test]
    fn a_part_of_several_responses_is_one_kind_of_place() {
        let header = "responses/headers/ETag";
        for pointer in [
            "/paths/~1users/get/responses/200/headers/ETag",
            "/paths/~1users~1{id}/put/responses/404/headers/ETag",
            "/components/responses/NotFound/headers/ETag",
        ] {
            assert_eq!(place_kind(pointer), header);
        }
    }

    #[test]
    fn a_property_of_several_schemas_is_one_kind_of_place() {
        let email = "schemas/properties/email/maxLength";
        for schema in ["User", "UserDraft"] {
            let pointer = format!("/components/schemas/{schema}/properties/email/maxLength");
            assert_eq!(place_kind(&pointer), email);
        }
    }

    #[test]
    fn other_pointers_are_returned_unchanged() {
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
            assert_eq!(place_kind(pointer), pointer);
        }
    }
}
