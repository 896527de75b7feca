//! The rows of the three tables.

use ecommerce_api::db::session::Session;

use super::ProductColumns;

#[derive(diesel::QueryableByName)]
struct UserRow {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::Text)]
    email: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    role: String,
}

#[derive(diesel::QueryableByName)]
struct ProductRow {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::Text)]
    title: String,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    image_url: Option<String>,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    description: Option<String>,
}

#[derive(diesel::QueryableByName)]
struct CartRow {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    user_id: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    product_id: i64,
}

pub type Tables = (
    Vec<(i64, String, String)>,
    Vec<(i64, ProductColumns)>,
    Vec<(i64, i64, i64)>,
);

pub fn tables(session: &mut Session) -> Tables {
    let users: Vec<UserRow> = session
        .load("SELECT id, email, CAST(role AS CHAR) AS role FROM users ORDER BY id")
        .unwrap();
    let products: Vec<ProductRow> = session
        .load("SELECT id, title, image_url, description FROM products ORDER BY id")
        .unwrap();
    let cart: Vec<CartRow> = session
        .load("SELECT id, user_id, product_id FROM cart ORDER BY id")
        .unwrap();
    (
        users
            .into_iter()
            .map(|row| (row.id, row.email, row.role))
            .collect(),
        products
            .into_iter()
            .map(|row| (row.id, (row.title, row.image_url, row.description)))
            .collect(),
        cart.into_iter()
            .map(|row| (row.id, row.user_id, row.product_id))
            .collect(),
    )
}
