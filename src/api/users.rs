//! The handlers of the operations with the tag `Users`.

use futures_util::FutureExt;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use secrecy::SecretString;

use crate::clients::Network;
use crate::db::idempotency::Outcome;
use crate::db::{self, Database, ListIndex};
use crate::error::Error;
use crate::passwords::{self, Verified};
use crate::violation::Violation;

use super::audit::{self, Event};
use super::conditions::{EntityTags, condition};
use super::context::RequestContext;
use super::failures::{ChangeError, CreateError, FindError, GuardedChangeError, RequestError};
use super::idempotency;
use super::json::JsonBody;
use super::lists::paging::page;
use super::lists::{Listing, Lists};
use super::responses::{Conditional, Created, Success, Updated};
use super::schemas::{
    RemovalResponse, Role, User, UserCartResponse, UserChanges, UserDraft, UserListResponse,
    UserResponse,
};
use super::sorting::{CartOrder, UserOrder, check_index};
use super::tags::Tag;
use super::types::{EnumValue, Id, check_id};

/// The operations on users.
#[derive(Clone)]
pub struct Users {
    /// The database.
    pub db: Database,
    /// The reader of lists.
    pub lists: Lists,
}

/// A user to store, with the password's hash. The draft is of a client in `network`.
async fn new_user(draft: UserDraft, network: Option<Network>) -> Result<db::users::NewUser, Error> {
    Ok(db::users::NewUser {
        email: draft.email.0,
        password: passwords::hash(draft.password.0.into(), network).await?,
        role: draft.role.into(),
    })
}

/// Checks that `password` is the present one of a user. It comes from a client in `network`.
async fn confirm(
    db: &Database,
    id: i32,
    password: SecretString,
    network: Option<Network>,
) -> Result<(), Error> {
    let stored = db.password(id).await?;
    match passwords::verify_stored(password, &stored, network).await? {
        Verified::Wrong => Err(Error::WrongPassword),
        Verified::Right | Verified::RightAndOutdated => Ok(()),
    }
}

/// Checks a password that somebody chooses for oneself; `pointer` leads to it in the body.
///
/// # Errors
/// `Invalid` when it is too short or too common.
pub(super) fn check_new_password(password: &SecretString, pointer: &str) -> Result<(), Error> {
    let checked = passwords::check_new(password);
    checked.map_err(|weak| Error::Invalid(vec![Violation::in_body(pointer, weak.to_string())]))
}

/// The response to the creation of `user`.
fn created(user: db::users::User) -> Created<UserResponse> {
    let location = format!("/api/users/{}", user.id);
    Created::new(location, &UserResponse::new(user, "User created"))
}

#[OpenApi(tag = "Tag::Users")]
impl Users {
    /// List users
    ///
    /// All users, or one page of them, ordered by id unless `sort` is given. A user has to match
    /// each of the filters `q`, `email` and `role` that is given. Only for administrators.
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each parameter of the operation"
    )]
    #[oai(path = "/api/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        context: Data<&RequestContext>,
        #[oai(name = "page")] number: Query<Option<Id>>,
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
        sort: Query<Option<EnumValue<UserOrder>>>,
        /// Only users whose email begins with this text, as the database's collation compares: in
        /// the tables that the server creates, letter case and accents are ignored. No character is
        /// a wildcard. Only together with `page` or `limit`.
        #[oai(name = "q", validator(min_length = 2, max_length = 255))]
        prefix: Query<Option<String>>,
        /// Only the user with exactly this email; letter case counts.
        #[oai(validator(min_length = 1, max_length = 255))]
        email: Query<Option<String>>,
        /// Only users with this role.
        role: Query<Option<Role>>,
    ) -> Result<Listing<UserListResponse>, RequestError> {
        let order = sort.0.map_or_else(UserOrder::default, |sort| sort.0);
        let filter = db::users::Filter {
            prefix: prefix.0,
            email: email.0,
            role: role.0.map(Into::into),
        };
        let is_sorted = order.by == db::users::Column::Email;
        let used = [("q", filter.prefix.is_some()), ("sort", is_sorted)];
        check_index(&self.db, ListIndex::UserEmail, used).await?;
        let is_plain = order == UserOrder::default() && filter == db::users::Filter::default();
        let page = page(number.0, size.0);
        let selection = (filter.clone(), order);
        let list = self.lists.read(
            context.0,
            None,
            page,
            is_plain,
            selection,
            move |conn, range| {
                let filter = filter.clone();
                async move { db::users::list(conn, &filter, order, range).await }.boxed()
            },
        );
        Ok(list.await?)
    }

    /// Create a user
    ///
    /// The email must not belong to another user, in any letter case. The password is stored as an
    /// Argon2id hash and never shown. Only administrators may create administrators. Other
    /// callers need a password of at least 8 characters that is not among the 3,000 most common ones.
    #[oai(path = "/api/users", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        context: Data<&RequestContext>,
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 255, pattern = "^[!-~]+$")
        )]
        key: Header<Option<String>>,
        /// The new user
        body: JsonBody<UserDraft>,
    ) -> Result<Created<UserResponse>, CreateError> {
        let key = idempotency::key(context.0, key.0.as_deref(), &body.0);
        let network = context.client.network;
        let password = SecretString::from(body.0.password.0.clone());
        if context.caller.chooses_for_oneself() {
            check_new_password(&password, "/password")?;
        }
        // The email is checked before the password is hashed, so that a taken one costs no hash. A caller
        // learns so whether an email is taken, as the 409 after hashing would tell anyway.
        let email = body.0.email.0.clone();
        let new = new_user(body.0, network);
        let Some(key) = key else {
            self.db.check_email_is_free(email).await?;
            return Ok(created(self.db.create_user(new.await?).await?));
        };
        let respond = |user| created(user).into_response_to_keep();
        let create = async {
            if let Err(error) = self.db.check_email_is_free(email).await {
                // Another process may have created this user just now, with the same key.
                let kept = self.db.kept_response(key).await?;
                return kept.map(Outcome::Kept).ok_or(error);
            }
            self.db.create_user_with_key(new.await?, key, respond).await
        };
        let once = idempotency::replay_or(&self.db, &key, Some((&password, network)), create);
        Ok(Box::pin(once).await?)
    }

    /// Get a user
    ///
    /// One user, by id. Users see only themselves.
    #[oai(path = "/api/users/:id", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        id: Path<Id>,
        #[oai(name = "If-None-Match")] if_none_match: Header<Option<EntityTags>>,
    ) -> Result<Conditional<UserResponse>, FindError> {
        let user = self.db.user(id.0.0).await?;
        let body = UserResponse::new(user, "User found");
        Ok(Conditional::new(if_none_match.0, body))
    }

    /// Update a user
    ///
    /// Changes the properties that are present and leaves the others as they are; an empty object
    /// changes nothing. The `data` of a response may be sent as it is, `id` included, and changes
    /// nothing either, provided that it keeps to the schema of the body. Users may change only
    /// themselves, and not their role; to change their email or password, they send
    /// `current_password` with it.
    #[oai(path = "/api/users/:id", method = "put", operation_id = "updateUser")]
    async fn update(
        &self,
        context: Data<&RequestContext>,
        id: Path<Id>,
        #[oai(name = "If-Match")] if_match: Header<Option<EntityTags>>,
        /// The changes
        body: JsonBody<UserChanges>,
    ) -> Result<Updated<UserResponse>, GuardedChangeError> {
        let UserChanges {
            id: id_in_body,
            email,
            password,
            role,
            current_password,
        } = body.0;
        check_id(id_in_body, id.0)?;
        let is_of_oneself = context.caller.is_ordinary_user();
        if is_of_oneself && (email.is_some() || password.is_some()) {
            let present = current_password.map_or_else(String::new, |password| password.0);
            let network = context.client.network;
            confirm(&self.db, id.0.0, present.into(), network).await?;
        }
        let password = match password {
            Some(password) => {
                // An id that does not exist costs no hash.
                self.db.user(id.0.0).await?;
                let password = SecretString::from(password.0);
                if is_of_oneself {
                    check_new_password(&password, "/password")?;
                }
                Some(passwords::hash(password, context.client.network).await?)
            }
            None => None,
        };
        let changes = db::users::UserChanges {
            email: email.map(|email| email.0),
            password,
            // The role of a user who is no administrator stays the same: another one is a 403.
            role: role.filter(|_| !is_of_oneself).map(Into::into),
        };
        let condition = condition::<_, User>(if_match.0);
        let user = self.db.update_user(id.0.0, changes, condition).await?;
        if context.caller.user().is_some() {
            audit::record(Event::UserChanged, Some(user.id), context.0);
        }
        Ok(Updated(UserResponse::new(user, "User updated")))
    }

    /// Delete a user
    ///
    /// Deletes the user and everything in the user's cart, in one transaction. 409 when other
    /// tables of the shop, orders for example, still refer to the user. Users may delete only
    /// themselves.
    #[oai(
        path = "/api/users/:id",
        method = "delete",
        operation_id = "deleteUser"
    )]
    async fn delete(
        &self,
        context: Data<&RequestContext>,
        id: Path<Id>,
        #[oai(name = "If-Match")] if_match: Header<Option<EntityTags>>,
    ) -> Result<Success<RemovalResponse>, ChangeError> {
        let condition = condition::<_, User>(if_match.0);
        let removed = self.db.delete_user(id.0.0, condition).await?;
        if context.caller.user().is_some() {
            audit::record(Event::UserDeleted, Some(id.0.0), context.0);
        }
        Ok(Success(RemovalResponse::cascading("User", removed)))
    }

    /// List a user's cart
    ///
    /// The items in one user's cart, each with its product, ordered by id unless `sort` is given.
    /// Users see only their own cart.
    #[oai(
        path = "/api/users/:id/cart",
        method = "get",
        operation_id = "getUserCart"
    )]
    async fn cart(
        &self,
        context: Data<&RequestContext>,
        id: Path<Id>,
        #[oai(name = "page")] number: Query<Option<Id>>,
        #[oai(
            name = "limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        size: Query<Option<i32>>,
        sort: Query<Option<EnumValue<CartOrder>>>,
    ) -> Result<Listing<UserCartResponse>, FindError> {
        let is_reversed = sort.0.is_some_and(|sort| sort.0.is_reversed);
        let page = page(number.0, size.0);
        if page.is_none()
            && !is_reversed
            && let Some(items) = self.db.small_cart(id.0.0).await?
        {
            return Ok(Listing::from_rows(context.0, items)?);
        }
        let id = id.0.0;
        let list = self.lists.read(
            context.0,
            Some(id),
            page,
            !is_reversed,
            is_reversed,
            move |conn, range| db::cart::of_user(conn, id, is_reversed, range).boxed(),
        );
        Ok(list.await?)
    }
}
