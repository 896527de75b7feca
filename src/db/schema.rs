// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(mysql_type(name = "Enum"))]
    pub struct UsersRoleEnum;
}

diesel::table! {
    auth_ended_sessions (session_id) {
        session_id -> Unsigned<Bigint>,
        ended_at -> Datetime,
    }
}

diesel::table! {
    auth_login_attempts (id) {
        id -> Unsigned<Bigint>,
        #[max_length = 32]
        account -> Binary,
        #[max_length = 32]
        network -> Nullable<Binary>,
        has_succeeded -> Bool,
        expires_at -> Datetime,
    }
}

diesel::table! {
    auth_refresh_tokens (hash) {
        #[max_length = 32]
        hash -> Binary,
        session_id -> Unsigned<Bigint>,
        used_at -> Nullable<Datetime>,
        #[max_length = 32]
        successor -> Nullable<Binary>,
        expires_at -> Datetime,
    }
}

diesel::table! {
    auth_sessions (id) {
        id -> Unsigned<Bigint>,
        user_id -> Integer,
        expires_at -> Datetime,
    }
}

diesel::table! {
    cart (id) {
        id -> Integer,
        user_id -> Integer,
        product_id -> Integer,
    }
}

diesel::table! {
    idempotency_keys (id) {
        #[max_length = 32]
        id -> Binary,
        #[max_length = 32]
        fingerprint -> Binary,
        #[max_length = 255]
        password -> Nullable<Varchar>,
        #[max_length = 255]
        location -> Varchar,
        #[max_length = 255]
        etag -> Varchar,
        body -> Mediumblob,
        expires_at -> Datetime,
    }
}

diesel::table! {
    products (id) {
        id -> Integer,
        #[max_length = 255]
        title -> Varchar,
        #[max_length = 500]
        image_url -> Nullable<Varchar>,
        description -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::UsersRoleEnum;

    users (id) {
        id -> Integer,
        #[max_length = 255]
        email -> Varchar,
        #[max_length = 255]
        password -> Varchar,
        #[max_length = 5]
        role -> UsersRoleEnum,
    }
}

diesel::joinable!(cart -> products (product_id));
diesel::joinable!(cart -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    auth_ended_sessions,
    auth_login_attempts,
    auth_refresh_tokens,
    auth_sessions,
    cart,
    idempotency_keys,
    products,
    users,
);
