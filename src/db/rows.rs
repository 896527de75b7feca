//! The rows of the three tables, and the reads by id that the queries of several resources use.
//!
//! Imports `db::errors`, `db::ids` and `db::schema`. The modules of the resources import this one
//! instead of each other.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::mysql::{Mysql, MysqlValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel_async::RunQueryDsl;

use crate::error::Error;

use super::Connection;
use super::errors::or_missing;
use super::ids::Ids;
use super::schema::sql_types::UsersRoleEnum;
use super::schema::{cart, products, users};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = UsersRoleEnum)]
pub enum Role {
    /// May administer the shop.
    Admin,
    /// May shop.
    User,
}

impl ToSql<UsersRoleEnum, Mysql> for Role {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
        use std::io::Write;
        out.write_all(match self {
            Self::Admin => b"ADMIN",
            Self::User => b"USER",
        })?;
        Ok(IsNull::No)
    }
}

impl FromSql<UsersRoleEnum, Mysql> for Role {
    fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"ADMIN" => Ok(Self::Admin),
            b"USER" => Ok(Self::User),
            _ => Err("a role that is neither ADMIN nor USER".into()),
        }
    }
}

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
pub struct User {
    /// The primary key.
    pub id: i32,
    /// The email, which is unique. The column's collation decides which emails are equal: usually
    /// letter case does not count.
    pub email: String,
    /// What the user may do.
    pub role: Role,
}

impl User {
    /// The user with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) async fn find(conn: &mut Connection, id: i32) -> Result<Self, Error> {
        users::table
            .find(id)
            .select(Self::as_select())
            .first(conn)
            .await
            .map_err(or_missing("User"))
    }

    /// The users with these ids, in any order. An id without a user is left out.
    ///
    /// # Errors
    /// Only those of the database.
    pub(super) async fn with_ids(conn: &mut Connection, ids: &[i32]) -> Result<Vec<Self>, Error> {
        let users = users::table.filter(users::id.eq_any(Ids::new(ids)));
        Ok(users.select(Self::as_select()).load(conn).await?)
    }
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
pub struct Product {
    /// The primary key.
    pub id: i32,
    /// The product's name.
    pub title: String,
    /// The URL of a picture.
    pub image_url: Option<String>,
    /// A text about the product.
    pub description: Option<String>,
}

impl Product {
    /// The product with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) async fn find(conn: &mut Connection, id: i32) -> Result<Self, Error> {
        products::table
            .find(id)
            .select(Self::as_select())
            .first(conn)
            .await
            .map_err(or_missing("Product"))
    }

    /// The products with these ids, in any order. An id without a product is left out.
    ///
    /// # Errors
    /// Only those of the database.
    pub(super) async fn with_ids(conn: &mut Connection, ids: &[i32]) -> Result<Vec<Self>, Error> {
        let products = products::table.filter(products::id.eq_any(Ids::new(ids)));
        Ok(products.select(Self::as_select()).load(conn).await?)
    }
}

/// A product in a user's cart.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = cart)]
pub struct CartItem {
    /// The primary key.
    pub id: i32,
    /// The user whose cart the item is in.
    pub user_id: i32,
    /// The product in the cart.
    pub product_id: i32,
}

/// A cart item with its user and product.
pub type FullItem = (CartItem, User, Product);
