//! The one list of what the diff does not see.

/// All that the diff does not see: its name, and why it may go unseen.
///
/// Everything else counts. A test demonstrates each entry, together with a neighbour that is still
/// caught, and the mutation test lets no edit survive that no entry explains.
pub const IGNORED: &[(&str, &str)] = &[
    (
        "examples of media types, parameters and headers",
        "poem-openapi cannot generate them; the contract's tests hold them against its schemas",
    ),
    (
        "patch version of OpenAPI",
        "poem-openapi writes 3.0.0 whatever the contract says; the 3.0.x differ in wording alone",
    ),
    (
        "order of names",
        "keys, `required`, `enum`, `parameters`, `x-needs-paging`, declared tags and security alternatives are sets; the generator sorts some. For generated clients the order of properties and parameters counts all the same: see `evolution`",
    ),
    (
        "white space in summaries and descriptions",
        "doc comments are wrapped at the source's width",
    ),
    (
        "letter case of header names",
        "HTTP ignores it; poem-openapi writes capitals",
    ),
    (
        "whole numbers written as floats",
        "JSON has one kind of number; poem-openapi prints bounds as floats",
    ),
    (
        "keywords that state their default",
        "`deprecated: false`, `minLength: 0`, an empty list of tags: the same as nothing; poem-openapi writes some, people do not",
    ),
    (
        "`style` and `explode` without effect",
        "`explode` changes nothing for a parameter that is one scalar, a default `style` nothing at all; poem-openapi writes `explode` always",
    ),
    (
        "title of a component schema that repeats its name",
        "poem-openapi adds it to every object",
    ),
    (
        "components that are not schemas",
        "a referenced parameter, header, response or request body counts where it is used; poem-openapi writes it out there",
    ),
    (
        "parameters of a path, security of the document",
        "both are shorthand for saying it at each operation; poem-openapi says it there",
    ),
    (
        "`allOf` members that repeat their parent",
        "poem-openapi writes the keywords beside a `$ref` both in the `allOf` and next to it",
    ),
];
