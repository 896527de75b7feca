//! Random calls of the API.

use proptest::prelude::*;

#[expect(
    clippy::option_option,
    reason = "absent, null and a value, as in the API"
)]
/// A call of the API. Each number selects an existing row, or an id that does not exist.
#[derive(Debug, Clone)]
pub enum Call {
    CreateUser {
        email: u8,
        admin: bool,
    },
    UpdateUser {
        user: u8,
        email: Option<u8>,
        admin: Option<bool>,
    },
    DeleteUser {
        user: u8,
    },
    CreateProduct {
        title: String,
        image: Option<String>,
        description: Option<String>,
    },
    UpdateProduct {
        product: u8,
        title: Option<String>,
        image: Option<Option<String>>,
        description: Option<Option<String>>,
    },
    DeleteProduct {
        product: u8,
    },
    Add {
        user: u8,
        product: u8,
    },
    Remove {
        item: u8,
    },
    Clear {
        user: u8,
    },
}

pub fn calls() -> impl Strategy<Value = Vec<Call>> {
    let text = || "\\PC{1,12}".prop_map(|text: String| text);
    // Absent, null, or a string that may be empty.
    let optional = || {
        let text = proptest::option::of("\\PC{0,12}".prop_map(|text: String| text));
        proptest::option::of(text)
    };
    let call = prop_oneof![
        3 => (0..6_u8, any::<bool>()).prop_map(|(email, admin)| Call::CreateUser { email, admin }),
        2 => (any::<u8>(), proptest::option::of(0..6_u8), proptest::option::of(any::<bool>()))
            .prop_map(|(user, email, admin)| Call::UpdateUser { user, email, admin }),
        1 => any::<u8>().prop_map(|user| Call::DeleteUser { user }),
        3 => (text(), optional(), optional()).prop_map(|(title, image, description)| Call::CreateProduct {
            title,
            image: image.flatten(),
            description: description.flatten(),
        }),
        2 => (any::<u8>(), proptest::option::of(text()), optional(), optional()).prop_map(
            |(product, title, image, description)| Call::UpdateProduct { product, title, image, description },
        ),
        1 => any::<u8>().prop_map(|product| Call::DeleteProduct { product }),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(user, product)| Call::Add { user, product }),
        1 => any::<u8>().prop_map(|item| Call::Remove { item }),
        1 => any::<u8>().prop_map(|user| Call::Clear { user }),
    ];
    proptest::collection::vec(call, 1..60)
}
