//! The contract's tag `Users`: one handler for each operation.

use futures_util::FutureExt;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use crate::db::{self, Database, Pooled};
use crate::passwords;

use super::conditions::{Tags, condition};
use super::json::JsonBody;
use super::lists::{Listing, Lists};
use super::responses::{
    Answer, ChangeError, CreateError, Created, FindError, Found, RequestError, Updated,
};
use super::schemas::{
    RemovalResponse, User, UserCartResponse, UserChanges, UserDraft, UserListResponse, UserResponse,
};
use super::types::Id;
use super::{Tag, page};

/// The operations on users.
#[derive(Clone)]
pub struct Users {
    /// The shop.
    pub db: Database,
    /// Its lists.
    pub lists: Lists,
}

#[OpenApi(tag = "Tag::Users")]
impl Users {
    /// List users
    ///
    /// Every user in the order of the ids, or one page of them.
    #[oai(path = "/api/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        /// Which page, from 1; 1 when only `limit` is given. A page past the end is empty.
        #[oai(name = "page")]
        number: Query<Option<Id>>,
        /// How many rows a page holds; 10 when only `page` is given.
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
    ) -> Result<Listing<UserListResponse>, RequestError> {
        let page = page(number.0, size.0);
        let list = self
            .lists
            .read(None, page, |conn, span| db::users::list(conn, span).boxed());
        Ok(list.await?)
    }

    /// Create a user
    ///
    /// The email must not belong to another user; letter case does not count. The password is
    /// stored as an Argon2id hash and never shown.
    #[oai(path = "/api/users", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        /// The new user
        body: JsonBody<UserDraft>,
    ) -> Result<Created<UserResponse>, CreateError> {
        let UserDraft {
            email,
            password,
            role,
        } = body.0;
        let password = passwords::hash(password.0.into()).await?;
        let new = db::users::NewUser {
            email: email.0,
            password,
            role: role.into(),
        };
        let query = async move |mut conn: Pooled| db::users::create(&mut conn, &new).await;
        let user = self.db.run(query).await?;
        let location = format!("/api/users/{}", user.id);
        Ok(Created {
            location,
            body: UserResponse::new(user, "User created"),
        })
    }

    /// Get a user
    ///
    /// One user, by id.
    #[oai(path = "/api/users/:id", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        /// The user's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states that the client has, or `*` for any; 304
        /// when it still has one of them. A weak tag (`W/"…"`) stands for its strong one.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<Tags>>,
    ) -> Result<Found<UserResponse>, FindError> {
        let user = self.db.user(id.0.0).await?;
        let body = UserResponse::new(user, "User found");
        Ok(Found::unless(if_none_match.0, body))
    }

    /// Update a user
    ///
    /// Changes the properties that are present and leaves the others; an empty object changes
    /// nothing.
    #[oai(path = "/api/users/:id", method = "put", operation_id = "updateUser")]
    async fn update(
        &self,
        /// The user's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states in which it may be changed, or `*` for any;
        /// 412 when it has none of them now. A weak tag (`W/"…"`) is none.
        #[oai(name = "If-Match")]
        if_match: Header<Option<Tags>>,
        /// What to change
        body: JsonBody<UserChanges>,
    ) -> Result<Updated<UserResponse>, ChangeError> {
        let UserChanges {
            email,
            password,
            role,
        } = body.0;
        let password = match password {
            Some(password) => Some(passwords::hash(password.0.into()).await?),
            None => None,
        };
        let changes = db::users::UserChanges {
            email: email.map(|email| email.0),
            password,
            role: role.map(Into::into),
        };
        let condition = condition::<_, User>(if_match.0);
        let query = async move |mut conn: Pooled| {
            db::users::update(&mut conn, id.0.0, &changes, condition.as_ref()).await
        };
        let user = self.db.run(query).await?;
        Ok(Updated(UserResponse::new(user, "User updated")))
    }

    /// Delete a user
    ///
    /// Removes the user and everything in the user's cart, both or neither. 409 when other tables
    /// of the shop, orders for example, still refer to the user.
    #[oai(
        path = "/api/users/:id",
        method = "delete",
        operation_id = "deleteUser"
    )]
    async fn delete(
        &self,
        /// The user's id
        id: Path<Id>,
        /// The tags, separated by commas, of the states in which it may be changed, or `*` for any;
        /// 412 when it has none of them now. A weak tag (`W/"…"`) is none.
        #[oai(name = "If-Match")]
        if_match: Header<Option<Tags>>,
    ) -> Result<Answer<RemovalResponse>, ChangeError> {
        let condition = condition::<_, User>(if_match.0);
        let query = async move |mut conn: Pooled| {
            db::users::delete(&mut conn, id.0.0, condition.as_ref()).await
        };
        let removed = self.db.run(query).await?;
        Ok(Answer(RemovalResponse::cascading("User", removed)))
    }

    /// List a user's cart
    ///
    /// The items in one user's cart, each with its product, in the order in which they were added.
    #[oai(
        path = "/api/users/:id/cart",
        method = "get",
        operation_id = "getUserCart"
    )]
    async fn cart(
        &self,
        /// The user's id
        id: Path<Id>,
        /// Which page, from 1; 1 when only `limit` is given. A page past the end is empty.
        #[oai(name = "page")]
        number: Query<Option<Id>>,
        /// How many rows a page holds; 10 when only `page` is given.
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
    ) -> Result<Listing<UserCartResponse>, FindError> {
        let page = page(number.0, size.0);
        if page.is_none()
            && let Some(items) = self.db.small_cart(id.0.0).await?
        {
            return Ok(Listing::of(items)?);
        }
        let id = id.0.0;
        let list = self.lists.read(Some(id), page, move |conn, span| {
            db::cart::of_user(conn, id, span).boxed()
        });
        Ok(list.await?)
    }
}
