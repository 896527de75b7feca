//! The tables for diesel. Roles are read as text.

diesel::table! {
    users (id) {
        id -> Integer,
        email -> Varchar,
        role -> Varchar,
    }
}

diesel::table! {
    products (id) {
        id -> Integer,
        title -> Varchar,
        image_url -> Nullable<Varchar>,
        description -> Nullable<Text>,
    }
}

diesel::table! {
    cart (id) {
        id -> Integer,
        user_id -> Integer,
        product_id -> Integer,
    }
}

diesel::joinable!(cart -> products (product_id));
diesel::joinable!(cart -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(cart, products, users);
