//! The list of what the diff ignores.

/// Everything that the diff ignores, each with the reason.
///
/// All other differences are reported. A test demonstrates each entry together with a similar
/// difference that is still reported, and the mutation test fails for an edit of the contract that is
/// not reported and has no entry.
pub const IGNORED: &[(&str, &str)] = &[
    (
        "examples of media types, parameters and headers",
        "poem-openapi cannot generate them; the tests check them against the schemas of the contract",
    ),
    (
        "patch version of OpenAPI",
        "poem-openapi always writes 3.0.0; the versions 3.0.x differ only in wording",
    ),
    (
        "order of names",
        "keys, `required`, `enum`, `parameters`, `x-needs-paging`, declared tags and security alternatives are sets; the generator sorts some. For generated clients the order of properties and parameters matters nevertheless: see `evolution`",
    ),
    (
        "white space in summaries and descriptions",
        "doc comments are wrapped at the line width of the source",
    ),
    (
        "letter case of header names",
        "HTTP ignores it; poem-openapi writes capitals",
    ),
    (
        "whole numbers written as floats",
        "JSON has one type of number; poem-openapi writes bounds as floats",
    ),
    (
        "keywords that state their default",
        "`deprecated: false`, `minLength: 0`, an empty list of tags, an empty `security` where the document has none: the same as an absent keyword; poem-openapi writes some of them, people do not",
    ),
    (
        "`style` and `explode` without effect",
        "`explode` has no effect on a scalar parameter, a default `style` has none at all; poem-openapi always writes `explode`",
    ),
    (
        "title of a component schema that repeats its name",
        "poem-openapi adds it to every object",
    ),
    (
        "components that are not schemas",
        "a referenced parameter, header, response or request body is compared where it is used; poem-openapi writes it out there",
    ),
    (
        "parameters of a path, security of the document",
        "both are shorthand for repeating them in each operation, as poem-openapi does",
    ),
    (
        "`allOf` members that repeat their parent",
        "poem-openapi writes the keywords beside a `$ref` both in the `allOf` and next to it",
    ),
];
