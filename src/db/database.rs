//! [`Database`]: the methods by which the rest of the program uses the shop's database.
//!
//! A handler calls one method of it; the handler of a list reads the rows from a
//! [`ListConnection`]. Imports the pool, the batches and the query functions; none of them imports
//! this module.

mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mysql_async::Opts;
use scoped_futures::{ScopedBoxFuture, ScopedFutureExt};
use secrecy::SecretString;
use tokio::time::timeout;
use tracing::Instrument;

use crate::deadlines::{self, Limits};
use crate::error::Error;
use crate::metrics::Metrics;

use super::availability::Availability;
use super::batches::{Batches, Cart, Key};
use super::cart::additions;
use super::cart::{self, NewCartItem};
use super::idempotency::{self, Kept, Key as IdempotencyKey, KeyTurn, KeyTurns, Outcome, Response};
use super::indexes::{self, ListIndex};
use super::logins::{self, Attempt, Attempts, Origin};
use super::pages::Snapshot;
use super::pool::{ListConnection, Pool, Turns};
use super::products::{self, NewProduct, ProductChanges};
use super::reads::read_again_if_closed;
use super::rows::{CartItem, FullItem, Product, User};
use super::scope::Scope;
use super::session_settings::Purpose;
use super::sessions::Ended;
use super::shares::{Row, Shares};
use super::users::{self, NewUser, UserChanges};
use super::{Condition, Connection, errors};

/// The number of connections for groups of additions, which never wait for a lock.
pub(super) const GROUP_CONNECTIONS: u16 = 4;

/// The number of connections to read which sessions have ended.
pub(super) const SESSION_CONNECTIONS: u16 = 1;

/// The shop's database; cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// How requests share the pool.
    shares: Arc<Shares>,
    /// Lists have connections of their own, so that slow clients do not starve other requests.
    list_pool: Pool,
    batches: Arc<Batches>,
    availability: Arc<Availability>,
    metrics: Arc<Metrics>,
    limits: Limits,
    key_turns: Arc<KeyTurns>,
    login_attempts: Arc<Attempts>,
    /// Whether each index of [`ListIndex::ALL`] was found to exist.
    has_index: Arc<[AtomicBool; ListIndex::ALL.len()]>,
    ended_sessions: Arc<Ended>,
    /// The number of refresh tokens that this process has issued.
    issued_tokens: Arc<AtomicUsize>,
}

impl Database {
    /// A database with at most `size` connections for requests, at most `list_size` for lists, and a
    /// few for groups of additions, and with the default limits. Each is opened when it is first
    /// needed.
    #[must_use]
    pub fn new(options: &Opts, size: usize, list_size: usize) -> Self {
        Self::with_limits(options, size, list_size, Limits::DEFAULT)
    }

    /// As [`Self::new`], with these limits.
    #[must_use]
    pub fn with_limits(options: &Opts, size: usize, list_size: usize, limits: Limits) -> Self {
        let metrics = Arc::new(Metrics::new());
        let availability = Arc::new(Availability::new(options));
        availability.show_in(&metrics);
        let turns = Arc::new(Turns::default());
        let pool = |name, purpose, size| {
            let pool = Pool::new(options, purpose, size, limits, &availability, &turns);
            pool.shown_in(&metrics, name)
        };
        let requests = pool("requests", Purpose::Requests, size);
        let groups = pool("groups", Purpose::Groups, GROUP_CONNECTIONS.into());
        let reader = Pool::new(
            options,
            Purpose::Requests,
            SESSION_CONNECTIONS.into(),
            Ended::LIMITS,
            &availability,
            &turns,
        );
        let shares = Shares::new(requests.clone(), metrics.database.shares());
        let shares = Arc::new(shares);
        Self {
            batches: Arc::new(Batches::new(&shares, groups, &metrics.database)),
            shares,
            list_pool: pool("lists", Purpose::Lists, list_size),
            pool: requests,
            key_turns: Arc::default(),
            login_attempts: Arc::default(),
            has_index: Arc::default(),
            ended_sessions: Arc::new(Ended::new(reader, limits.operation)),
            issued_tokens: Arc::default(),
            availability,
            metrics,
            limits,
        }
    }

    /// The limits of requests.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The metrics of this database and of the service that uses it.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The largest number of lists that are read at a time.
    #[must_use]
    pub fn max_lists(&self) -> usize {
        self.list_pool.max_size()
    }

    /// A database without an address, for code that needs the service's types but no rows. Every
    /// query fails.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::new(&Opts::default(), 1, 1)
    }

    /// A connection to read a list with, by the `list` functions of the resources' modules.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database cannot be reached, [`Error::Busy`] when every
    /// connection stays in use.
    pub async fn list_connection(&self) -> Result<ListConnection, Error> {
        self.list_pool.get_for_list().await
    }

    /// A connection for pages of a list, on which everything is read from one snapshot.
    ///
    /// # Errors
    /// As [`Self::list_connection`].
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let lease = || self.list_connection();
        let begun = read_again_if_closed(lease, |conn| Snapshot::begin(conn).scope_boxed());
        let (connection, begun) = begun.await?;
        begun.map(|()| Snapshot::on(connection))
    }

    /// Whether the database has an index. An index that was found once is not looked for again.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn has_index(&self, index: ListIndex) -> Result<bool, Error> {
        let known = &self.has_index[index as usize];
        if known.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let exists = self.read_catalogue(move |conn| indexes::exists(conn, index).scope_boxed());
        let exists = exists.await?;
        known.store(exists, Ordering::Relaxed);
        Ok(exists)
    }

    /// Checks that the database responds within a second, on a connection of its own: how busy the
    /// others are makes no difference.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let cause = match timeout(deadlines::HEALTH, self.availability.probe.ping()).await {
            Ok(Ok(())) => return Ok(()),
            // The connections that it has are enough, if they are this service's.
            Ok(Err(error)) if error.is_full() && self.pool.has_connections() => return Ok(()),
            Ok(Err(error)) => error.into(),
            Err(_) => "no response within a second".into(),
        };
        Err(Error::Unavailable(cause))
    }

    /// The user with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn user(&self, id: i32) -> Result<User, Error> {
        let user = self.batches.users.call(Key::for_everyone(id)).await??;
        user.ok_or(Error::NotFound("User"))
    }

    /// The stored password of the user with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn password(&self, id: i32) -> Result<SecretString, Error> {
        self.read(move |conn| users::password(conn, id).scope_boxed())
            .await
    }

    /// Checks that no user has this email, before its password is hashed.
    ///
    /// # Errors
    /// `Conflict` when a user has the email.
    pub async fn check_email_is_free(&self, email: String) -> Result<(), Error> {
        self.read(move |conn| {
            let email = email.clone();
            async move { users::check_email_is_free(conn, &email).await }.scope_boxed()
        })
        .await
    }

    /// Stores a new user.
    ///
    /// # Errors
    /// `Conflict` when another user has the email.
    pub async fn create_user(&self, new: NewUser) -> Result<User, Error> {
        self.change(&[], |conn| {
            async move { users::create(conn, &new).await }.boxed()
        })
        .await
    }

    /// Stores a new user and keeps the response for this key, or returns the response that is kept for
    /// the key.
    ///
    /// # Errors
    /// As [`Self::create_user`].
    pub async fn create_user_with_key(
        &self,
        new: NewUser,
        key: IdempotencyKey,
        respond: fn(User) -> Response,
    ) -> Result<Outcome, Error> {
        let rows = [Row::Key(key.id())];
        let outcome = self.change(&rows, move |conn| {
            async move { users::create_with_key(conn, &new, &key, respond).await }.boxed()
        });
        self.count_kept(outcome.await)
    }

    /// Changes a user; returns the changed row.
    ///
    /// # Errors
    /// `NotFound`, `Stale` when the condition does not hold, or `Conflict` when another user has the
    /// new email.
    pub async fn update_user(
        &self,
        id: i32,
        changes: UserChanges,
        condition: Option<Condition<User>>,
    ) -> Result<User, Error> {
        let ended = Arc::clone(&self.ended_sessions);
        self.change(&[Row::User(id)], move |conn| {
            async move {
                let updated = users::update(conn, id, &changes, condition.as_ref()).await?;
                ended.add(&updated.ended_sessions);
                Ok(updated.result)
            }
            .boxed()
        })
        .await
    }

    /// Deletes a user with the items of the user's cart; returns the number of these items.
    ///
    /// # Errors
    /// `NotFound`, `Stale` when the condition does not hold, or `Conflict` when a table of another
    /// program still refers to the user.
    pub async fn delete_user(
        &self,
        id: i32,
        condition: Option<Condition<User>>,
    ) -> Result<usize, Error> {
        let ended = Arc::clone(&self.ended_sessions);
        self.change(&[Row::User(id)], move |conn| {
            async move {
                let deleted = users::delete(conn, id, condition.as_ref()).await?;
                ended.add(&deleted.ended_sessions);
                Ok(deleted.result)
            }
            .boxed()
        })
        .await
    }

    /// The product with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn product(&self, id: i32) -> Result<Product, Error> {
        let product = self.batches.products.call(Key::for_everyone(id)).await??;
        product.ok_or(Error::NotFound("Product"))
    }

    /// Stores a new product.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn create_product(&self, new: NewProduct) -> Result<Product, Error> {
        self.change(&[], |conn| {
            async move { products::create(conn, &new).await }.boxed()
        })
        .await
    }

    /// Stores a new product and keeps the response for this key, or returns the response that is kept
    /// for the key.
    ///
    /// # Errors
    /// As [`Self::create_product`].
    pub async fn create_product_with_key(
        &self,
        new: NewProduct,
        key: IdempotencyKey,
        respond: fn(Product) -> Response,
    ) -> Result<Outcome, Error> {
        let rows = [Row::Key(key.id())];
        let outcome = self.change(&rows, move |conn| {
            async move { products::create_with_key(conn, &new, &key, respond).await }.boxed()
        });
        self.count_kept(outcome.await)
    }

    /// Changes a product; returns the changed row.
    ///
    /// # Errors
    /// `NotFound`, or `Stale` when the condition does not hold.
    pub async fn update_product(
        &self,
        id: i32,
        changes: ProductChanges,
        condition: Option<Condition<Product>>,
    ) -> Result<Product, Error> {
        self.change(&[Row::Product(id)], move |conn| {
            async move { products::update(conn, id, &changes, condition.as_ref()).await }.boxed()
        })
        .await
    }

    /// Deletes a product with the cart items that contain it; returns the number of these items.
    ///
    /// # Errors
    /// `NotFound`, `Stale` when the condition does not hold, or `Conflict` when a table of another
    /// program still refers to the product.
    pub async fn delete_product(
        &self,
        id: i32,
        condition: Option<Condition<Product>>,
    ) -> Result<usize, Error> {
        self.change(&[Row::Product(id)], move |conn| {
            async move { products::delete(conn, id, condition.as_ref()).await }.boxed()
        })
        .await
    }

    /// The cart item with this id, with its user and product, if it is in this scope.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn cart_item(&self, id: i32, scope: Scope) -> Result<FullItem, Error> {
        let item = self.batches.items.call(Key { scope, id }).await??;
        item.ok_or(Error::NotFound("Cart item"))
    }

    /// The items in one user's cart, each with its product, in id order; `None` for a large cart,
    /// which has to be read with a [`ListConnection`].
    ///
    /// # Errors
    /// `NotFound` when there is no such user.
    pub async fn small_cart(
        &self,
        user_id: i32,
    ) -> Result<Option<Vec<(CartItem, Product)>>, Error> {
        match self.batches.carts.call(Key::for_everyone(user_id)).await? {
            Cart::NoUser => Err(Error::NotFound("User")),
            Cart::Items(items) => Ok(Some(Arc::unwrap_or_clone(items))),
            Cart::TooLarge => Ok(None),
        }
    }

    /// Puts a product into a user's cart; returns the new item, with the user and the product as
    /// they were just before.
    ///
    /// # Errors
    /// `Conflict` when the user or the product does not exist.
    pub async fn add_to_cart(&self, new: NewCartItem) -> Result<FullItem, Error> {
        match self.batches.additions.call(new).await? {
            additions::Outcome::Done(result) => result,
            additions::Outcome::Alone(rows) => {
                self.change(&rows, move |conn| additions::add_alone(conn, new).boxed())
                    .await
            }
        }
    }

    /// Puts a product into a user's cart and keeps the response for this key, or returns the response
    /// that is kept for the key.
    ///
    /// # Errors
    /// As [`Self::add_to_cart`].
    pub async fn add_to_cart_with_key(
        &self,
        new: NewCartItem,
        key: IdempotencyKey,
        respond: fn(FullItem) -> Response,
    ) -> Result<Outcome, Error> {
        let rows = [
            Row::User(new.user_id),
            Row::Product(new.product_id),
            Row::Key(key.id()),
        ];
        let outcome = self.change(&rows, move |conn| {
            async move { cart::keyed::add(conn, new, &key, respond).await }.boxed()
        });
        self.count_kept(outcome.await)
    }

    /// The turn of a request with this key: waits until no other request of this process with the key
    /// is in progress.
    pub async fn idempotency_turn(&self, key: &IdempotencyKey) -> KeyTurn {
        self.key_turns.take(key).await
    }

    /// The response that is kept for a key.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn kept_response(&self, key: IdempotencyKey) -> Result<Option<Kept>, Error> {
        self.read(move |conn| async move { idempotency::kept(conn, &key).await }.scope_boxed())
            .await
    }

    /// Whether the database can keep responses: whether it has the table for them.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn has_idempotency_keys(&self) -> Result<bool, Error> {
        self.read_catalogue(|conn| idempotency::table_exists(conn).scope_boxed())
            .await
    }

    /// Returns `result`; deletes some expired responses in a task of its own, after every so many new
    /// ones.
    fn count_kept(&self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        if matches!(result, Ok(Outcome::Created(_))) && self.key_turns.count_kept() {
            let db = self.clone();
            let deleting = async move {
                let deleted = db.change(&[], |conn| idempotency::delete_expired(conn).boxed());
                if let Err(cause) = deleted.await {
                    tracing::warn!(%cause, "expired idempotency keys were not deleted");
                }
            };
            tokio::spawn(deleting.in_current_span());
        }
        result
    }

    /// Counts an attempt to log in, before its password is verified. To be called in the same way for an email
    /// that nobody has.
    ///
    /// # Errors
    /// `RateLimited` when there were too many failures, `TablesMissing`.
    pub async fn begin_login(&self, origin: Origin) -> Result<Attempt, Error> {
        if self.login_attempts.count() {
            let db = self.clone();
            let deleting = async move {
                let deleted = db.change(&[], |conn| logins::delete_expired(conn).boxed());
                if let Err(cause) = deleted.await {
                    tracing::warn!(%cause, "expired attempts to log in were not deleted");
                }
            };
            tokio::spawn(deleting.in_current_span());
        }
        let begun = self.change(&[], move |conn| logins::begin(conn, origin).boxed());
        self.or_tables_missing(begun.await).await
    }

    /// Records that the password of an attempt to log in was right.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn login_succeeded(&self, attempt: Attempt) -> Result<(), Error> {
        self.change(&[], move |conn| {
            async move { logins::succeed(conn, &attempt).await }.boxed()
        })
        .await
    }

    /// Removes one item from its cart, if it is in this scope.
    ///
    /// # Errors
    /// `NotFound`, or `Stale` when the condition does not hold.
    pub async fn remove_cart_item(
        &self,
        id: i32,
        scope: Scope,
        condition: Option<Condition<FullItem>>,
    ) -> Result<(), Error> {
        self.change(&[Row::CartItem(id)], move |conn| {
            async move { cart::remove(conn, id, scope, condition.as_ref()).await }.boxed()
        })
        .await
    }

    /// Empties one user's cart; returns how many items were in it.
    ///
    /// # Errors
    /// `NotFound` when there is no such user.
    pub async fn clear_cart(&self, user_id: i32) -> Result<usize, Error> {
        self.change(&[Row::User(user_id)], move |conn| {
            cart::clear(conn, user_id).boxed()
        })
        .await
    }

    /// Runs `query`, which reads only the catalogue, on a connection of the pool.
    async fn read_catalogue<T: Send + 'static>(
        &self,
        query: impl for<'c> Fn(&'c mut Connection) -> ScopedBoxFuture<'static, 'c, Result<T, Error>>
        + Send
        + Sync
        + 'static,
    ) -> Result<T, Error> {
        let pool = self.pool.clone();
        to_its_end(async move { read_again_if_closed(|| pool.get(), query).await?.1 }).await
    }

    /// Runs `query`, which changes nothing but may have to wait for a locked table, on a connection of
    /// the changes' share.
    async fn read<T: Send + 'static>(
        &self,
        query: impl for<'c> Fn(&'c mut Connection) -> ScopedBoxFuture<'static, 'c, Result<T, Error>>
        + Send
        + Sync
        + 'static,
    ) -> Result<T, Error> {
        let shares = Arc::clone(&self.shares);
        to_its_end(async move {
            let lease = || shares.for_change(&[]);
            read_again_if_closed(lease, query).await?.1
        })
        .await
    }

    /// Runs `query`, which may have to wait for these rows, on a connection of the changes' share.
    async fn change<T: Send + 'static>(
        &self,
        rows: &[Row],
        query: impl for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let mut conn = self.shares.for_change(rows).await?;
        to_its_end(async move {
            let result = query(&mut conn).await;
            errors::diagnose(&mut conn, result).await
        })
        .await
    }
}

/// The result of `queries`, which run to their end, or to the deadline of their connection, even if the
/// caller is dropped meanwhile: the connection would be lost otherwise.
async fn to_its_end<T: Send + 'static>(
    queries: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(queries.in_current_span()).await {
        Ok(result) => result,
        Err(panic) => Err(Error::Internal(panic.into())),
    }
}
