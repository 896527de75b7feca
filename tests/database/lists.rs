//! Lists: their rows, their order, and their cost for the database.

use std::fmt::Debug;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use ecommerce_api::db::cart::{self, CartItem};
use ecommerce_api::db::migrations;
use ecommerce_api::db::products::{self, Product};
use ecommerce_api::db::users::{self, Role, User};
use ecommerce_api::db::{
    Database, Known, Landmark, List, ListConnection, ListRange, Order, Page, Scope,
};
use ecommerce_api::error::Error;
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use crate::server::empty_database;

mod cost;
mod filters;

const WHOLE: ListRange = ListRange::After(0);

/// One page of a list, with nothing known about the list.
fn one_page(page: Page) -> ListRange {
    ListRange::Page(page, Known::default())
}

/// A shop with the rows of one test, and the connection that reads its lists.
struct Shop {
    connection: ListConnection,
    runtime: Runtime,
}

impl Shop {
    /// A migrated shop with the rows that the statements add.
    fn with(sql: &str) -> Self {
        let database = empty_database();
        let mut session = database.session();
        migrations::run(&mut session).unwrap();
        session.batch_execute(sql).unwrap();
        let runtime = Runtime::new().unwrap();
        let pool = Database::new(&database.url.async_opts(), 1, 1);
        let connection = runtime.block_on(pool.list_connection()).unwrap();
        Self {
            connection,
            runtime,
        }
    }

    /// A shop with products of these titles, whose ids begin at 1.
    fn with_titles(titles: &[&str]) -> Self {
        let mut shop = Self::with("DO 0");
        let rows: Vec<_> = titles
            .iter()
            .map(|title| ecommerce_api::db::schema::products::title.eq(*title))
            .collect();
        let table = ecommerce_api::db::schema::products::table;
        let inserted = diesel::insert_into(table).values(rows);
        let inserted = inserted.execute(&mut *shop.connection);
        shop.runtime.block_on(inserted).unwrap();
        shop
    }

    /// A shop with users of these emails, whose ids begin at 1.
    fn with_emails(emails: &[&str]) -> Self {
        use ecommerce_api::db::schema::users::{email, password, table};
        let mut shop = Self::with("DO 0");
        let row = |text: &&'_ str| (email.eq((*text).to_owned()), password.eq("hash"));
        let rows: Vec<_> = emails.iter().map(row).collect();
        let inserted = diesel::insert_into(table).values(rows);
        let inserted = inserted.execute(&mut *shop.connection);
        shop.runtime.block_on(inserted).unwrap();
        shop
    }

    fn run_sql(&mut self, sql: &str) {
        let done = self.connection.batch_execute(sql);
        self.runtime.block_on(done).unwrap();
    }

    /// The value of a status variable of this connection.
    fn status(&mut self, name: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            value: i64,
        }
        let sql = "SELECT CAST(variable_value AS SIGNED) AS value \
                   FROM information_schema.session_status WHERE variable_name = ?";
        let row = diesel::sql_query(sql).bind::<Text, _>(name);
        let row: Row = self
            .runtime
            .block_on(row.get_result(&mut *self.connection))
            .unwrap();
        row.value
    }

    fn products(
        &mut self,
        filter: &products::Filter,
        order: Order<products::Column>,
        range: ListRange,
    ) -> Read<Product> {
        let list =
            async { read(products::list(&mut self.connection, filter, order, range).await).await };
        self.runtime.block_on(list).unwrap()
    }

    fn users(
        &mut self,
        filter: &users::Filter,
        order: Order<users::Column>,
        range: ListRange,
    ) -> Read<User> {
        let list =
            async { read(users::list(&mut self.connection, filter, order, range).await).await };
        self.runtime.block_on(list).unwrap()
    }

    /// The ids of the products whose titles begin with `prefix`.
    fn beginning_with(&mut self, prefix: &str) -> Vec<i32> {
        let page = one_page(Page {
            number: 1,
            size: 100,
        });
        let order = by(products::Column::Title, false);
        let read = self.products(&prefixed(prefix), order, page);
        assert_eq!(read.total, Some(i64::try_from(read.rows.len()).unwrap()));
        // The list in id order has the same rows.
        let mut ids = read.ids();
        ids.sort_unstable();
        let by_id = self
            .products(&prefixed(prefix), Order::default(), page)
            .ids();
        assert_eq!(by_id, ids, "{prefix:?}");
        ids
    }
}

/// The rows and the total of a list.
#[derive(Debug, PartialEq)]
struct Read<T> {
    rows: Vec<T>,
    total: Option<i64>,
}

async fn read<T>(list: Result<List<'_, T>, Error>) -> Result<Read<T>, Error> {
    let List { rows, page } = list?;
    Ok(Read {
        rows: rows.try_collect().await?,
        total: page.map(|(_, total)| total),
    })
}

/// A row with an id.
trait Row {
    fn id(&self) -> i32;
}

impl Row for Product {
    fn id(&self) -> i32 {
        self.id
    }
}

impl Row for User {
    fn id(&self) -> i32 {
        self.id
    }
}

impl<T, U> Row for (CartItem, T, U) {
    fn id(&self) -> i32 {
        self.0.id
    }
}

impl<T> Row for (CartItem, T) {
    fn id(&self) -> i32 {
        self.0.id
    }
}

impl<T: Row> Read<T> {
    fn ids(&self) -> Vec<i32> {
        self.rows.iter().map(Row::id).collect()
    }
}

fn by<C>(by: C, is_reversed: bool) -> Order<C> {
    Order { by, is_reversed }
}

fn prefixed(prefix: &str) -> products::Filter {
    products::Filter {
        prefix: Some(prefix.to_owned()),
    }
}

/// Asserts that a list has the `expected` ids. Reads it whole and in pages of every size, in both
/// directions. Also reads each page with every landmark that an earlier page can have recorded.
fn assert_in_order<T: Row + Debug + PartialEq>(
    expected: &[i32],
    mut read: impl FnMut(bool, ListRange) -> Read<T>,
) {
    let whole = read(false, WHOLE);
    assert_eq!((whole.ids().as_slice(), whole.total), (expected, None));
    let backwards: Vec<i32> = expected.iter().rev().copied().collect();
    assert_eq!(read(true, WHOLE).ids(), backwards);
    let total = i64::try_from(expected.len()).unwrap();
    for size in 1..=expected.len() + 1 {
        for (is_reversed, expected) in [(false, expected), (true, &backwards)] {
            for (index, chunk) in expected.chunks(size).chain([&[][..]]).enumerate() {
                let page = Page {
                    number: i32::try_from(index + 1).unwrap(),
                    size: i32::try_from(size).unwrap(),
                };
                let alone = read(is_reversed, one_page(page));
                assert_eq!((alone.ids().as_slice(), alone.total), (chunk, Some(total)));
                for (rows, id) in (1..).zip(expected.iter().take(index * size)) {
                    let known = Known {
                        total: Some(total),
                        landmark: Some(Landmark { id: *id, rows }),
                    };
                    let with_landmark = read(is_reversed, ListRange::Page(page, known));
                    assert_eq!(with_landmark, alone, "{page:?} {known:?}");
                }
            }
        }
    }
}

/// Some of these titles are equal in the collation, which ignores letter case, accents and trailing
/// spaces. Their ids decide the order.
const TITLES: [&str; 8] = ["Tea", "apple", "tea ", "TÉA", "zebra", "teal", "", "Apple"];

#[test]
fn products_are_sorted_by_title_then_id_and_the_reverse_is_exact() {
    let mut shop = Shop::with_titles(&TITLES);
    let all = products::Filter::default();
    assert_in_order(&[7, 2, 8, 1, 3, 4, 6, 5], |is_reversed, range| {
        shop.products(&all, by(products::Column::Title, is_reversed), range)
    });
    assert_in_order(&[1, 2, 3, 4, 5, 6, 7, 8], |is_reversed, range| {
        shop.products(&all, by(products::Column::Id, is_reversed), range)
    });
}

#[test]
fn products_with_a_prefix_are_in_the_same_order_as_all_products() {
    let mut shop = Shop::with_titles(&TITLES);
    assert_in_order(&[1, 3, 4, 6], |is_reversed, range| {
        shop.products(
            &prefixed("tE"),
            by(products::Column::Title, is_reversed),
            range,
        )
    });
    assert_in_order(&[2, 8], |is_reversed, range| {
        shop.products(
            &prefixed("ap"),
            by(products::Column::Id, is_reversed),
            range,
        )
    });
    assert_in_order(&[], |is_reversed, range| {
        shop.products(
            &prefixed("none"),
            by(products::Column::Title, is_reversed),
            range,
        )
    });
}

#[test]
fn lists_in_id_order_continue_after_any_row() {
    let mut shop = Shop::with_titles(&TITLES);
    let rest = shop.products(
        &products::Filter::default(),
        Order::default(),
        ListRange::After(5),
    );
    assert_eq!(rest.ids(), [6, 7, 8]);
    let rest = shop.products(&prefixed("te"), Order::default(), ListRange::After(3));
    assert_eq!(rest.ids(), [4, 6]);
    let mut shop = Shop::with_emails(&["b", "a", "c"]);
    let rest = shop.users(
        &users::Filter::default(),
        Order::default(),
        ListRange::After(1),
    );
    assert_eq!(rest.ids(), [2, 3]);
}

#[test]
fn users_are_sorted_by_email_with_any_filter() {
    let mut shop = Shop::with_emails(&["dora@x", "Bea@x", "ann@x", "Beth@x", "bert@x"]);
    shop.run_sql("UPDATE users SET role = 'ADMIN' WHERE id IN (2, 3, 5)");
    let filter = |prefix: Option<&str>, role| users::Filter {
        prefix: prefix.map(str::to_owned),
        email: None,
        role,
    };
    for (filter, by_id, by_email) in [
        (
            filter(None, None),
            &[1, 2, 3, 4, 5][..],
            &[3, 2, 5, 4, 1][..],
        ),
        (filter(None, Some(Role::Admin)), &[2, 3, 5], &[3, 2, 5]),
        (filter(None, Some(Role::User)), &[1, 4], &[4, 1]),
        (filter(Some("bE"), None), &[2, 4, 5], &[2, 5, 4]),
        (filter(Some("be"), Some(Role::Admin)), &[2, 5], &[2, 5]),
        (filter(Some("do"), Some(Role::Admin)), &[], &[]),
    ] {
        assert_in_order(by_id, |is_reversed, range| {
            shop.users(&filter, by(users::Column::Id, is_reversed), range)
        });
        assert_in_order(by_email, |is_reversed, range| {
            shop.users(&filter, by(users::Column::Email, is_reversed), range)
        });
    }
}

#[test]
fn rows_have_every_column_in_every_order() {
    let mut shop = Shop::with(
        "INSERT INTO products VALUES (3, 'Tea', 'https://x.io/a', 'd'), (5, 'Pot', NULL, NULL);
         INSERT INTO users VALUES (4, 'a@x.io', 'hash', 'ADMIN')",
    );
    let page = one_page(Page { number: 1, size: 9 });
    let filter = products::Filter::default();
    let mut expected = shop.products(&filter, Order::default(), page).rows;
    assert_eq!(expected[0].description.as_deref(), Some("d"));
    expected.reverse();
    for range in [page, WHOLE] {
        let read = shop.products(&filter, by(products::Column::Title, false), range);
        assert_eq!(read.rows, expected);
        let read = shop.users(
            &users::Filter::default(),
            by(users::Column::Email, true),
            range,
        );
        let user = User {
            id: 4,
            email: "a@x.io".into(),
            role: Role::Admin,
        };
        assert_eq!(read.rows, [user]);
    }
}

#[test]
fn cart_items_are_in_id_order_or_its_reverse() {
    let mut shop = Shop::with(
        "INSERT INTO users (email, password) VALUES ('a', 'x'), ('b', 'x');
         INSERT INTO products (title) VALUES ('t'), ('s');
         INSERT INTO cart (user_id, product_id) VALUES (1, 2), (2, 1), (1, 1), (1, 2), (2, 2)",
    );
    let Shop {
        connection,
        runtime,
    } = &mut shop;
    assert_in_order(&[1, 2, 3, 4, 5], |is_reversed, range| {
        let list =
            async { read(cart::list(connection, Scope::Everyone, is_reversed, range).await).await };
        runtime.block_on(list).unwrap()
    });
    assert_in_order(&[1, 3, 4], |is_reversed, range| {
        let list = async { read(cart::of_user(connection, 1, is_reversed, range).await).await };
        runtime.block_on(list).unwrap()
    });
    assert_in_order(&[1, 4, 5], |is_reversed, range| {
        let list =
            async { read(cart::with_product(connection, 2, is_reversed, range).await).await };
        runtime.block_on(list).unwrap()
    });
}

#[test]
fn a_snapshot_shows_one_state_at_any_isolation_level_of_the_server() {
    let database = empty_database();
    let mut session = database.session();
    migrations::run(&mut session).unwrap();
    session
        .batch_execute("SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .unwrap();
    let pool = Database::new(&database.url.async_opts(), 1, 1);
    let page = one_page(Page { number: 1, size: 9 });
    let runtime = Runtime::new().unwrap();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let mut snapshot = runtime.block_on(pool.snapshot()).unwrap();
        for _ in 0..2 {
            let all = products::Filter::default();
            let list = async {
                read(products::list(&mut snapshot, &all, Order::default(), page).await).await
            };
            let list = runtime.block_on(list).unwrap();
            counts.push((list.rows.len(), list.total.unwrap()));
            session
                .batch_execute("INSERT INTO products (title) VALUES ('Kettle')")
                .unwrap();
        }
        runtime.block_on(snapshot.finish());
    }
    session
        .batch_execute("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .unwrap();
    assert_eq!(counts, [(0, 0), (0, 0), (2, 2), (2, 2)]);
}
