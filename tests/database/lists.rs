//! Lists: which rows, in which order, and what the database does for them.

use std::fmt::Debug;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use ecommerce_api::db::cart::{self, CartItem};
use ecommerce_api::db::migrations;
use ecommerce_api::db::products::{self, Product};
use ecommerce_api::db::users::{self, Role, User};
use ecommerce_api::db::{Cursor, Database, List, Order, Page, Span};
use ecommerce_api::error::Error;
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use crate::server::empty_database;

const WHOLE: Span = Span::After(0);

/// A shop with rows of a test's own, and the connection that its lists are read with.
struct Shop {
    cursor: Cursor,
    runtime: Runtime,
}

impl Shop {
    /// After the migrations, with what the statements add.
    fn with(sql: &str) -> Self {
        let database = empty_database();
        let mut session = database.session();
        migrations::run(&mut session).unwrap();
        session.batch_execute(sql).unwrap();
        let runtime = Runtime::new().unwrap();
        let pool = Database::new(database.url.async_opts(), 1, 1);
        let cursor = runtime.block_on(pool.cursor()).unwrap();
        Self { cursor, runtime }
    }

    /// With products of these titles, their ids from 1.
    fn with_titles(titles: &[&str]) -> Self {
        let mut shop = Self::with("DO 0");
        let rows: Vec<_> = titles
            .iter()
            .map(|title| ecommerce_api::db::schema::products::title.eq(*title))
            .collect();
        let table = ecommerce_api::db::schema::products::table;
        let inserted = diesel::insert_into(table).values(rows);
        let inserted = inserted.execute(&mut *shop.cursor);
        shop.runtime.block_on(inserted).unwrap();
        shop
    }

    /// With users of these emails, their ids from 1.
    fn with_emails(emails: &[&str]) -> Self {
        use ecommerce_api::db::schema::users::{email, password, table};
        let mut shop = Self::with("DO 0");
        let row = |text: &&'_ str| (email.eq((*text).to_owned()), password.eq("hash"));
        let rows: Vec<_> = emails.iter().map(row).collect();
        let inserted = diesel::insert_into(table).values(rows);
        let inserted = inserted.execute(&mut *shop.cursor);
        shop.runtime.block_on(inserted).unwrap();
        shop
    }

    fn do_sql(&mut self, sql: &str) {
        let done = self.cursor.batch_execute(sql);
        self.runtime.block_on(done).unwrap();
    }

    /// A counter of this connection.
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
            .block_on(row.get_result(&mut *self.cursor))
            .unwrap();
        row.value
    }

    fn products(
        &mut self,
        filter: &products::Filter,
        order: Order<products::Column>,
        span: Span,
    ) -> Read<Product> {
        let list =
            async { read(products::list(&mut self.cursor, filter, order, span).await).await };
        self.runtime.block_on(list).unwrap()
    }

    fn users(
        &mut self,
        filter: &users::Filter,
        order: Order<users::Column>,
        span: Span,
    ) -> Read<User> {
        let list = async { read(users::list(&mut self.cursor, filter, order, span).await).await };
        self.runtime.block_on(list).unwrap()
    }

    /// The ids of the products that begin with `prefix`, by title.
    fn beginning_with(&mut self, prefix: &str) -> Vec<i32> {
        let page = Span::Page(Page {
            number: 1,
            size: 100,
        });
        let order = by(products::Column::Title, false);
        let read = self.products(&prefixed(prefix), order, page);
        assert_eq!(read.total, Some(i64::try_from(read.rows.len()).unwrap()));
        // Found by the primary key, the same.
        let mut ids = read.ids();
        ids.sort_unstable();
        let by_id = self
            .products(&prefixed(prefix), Order::default(), page)
            .ids();
        assert_eq!(by_id, ids, "{prefix:?}");
        ids
    }
}

/// What a list gave.
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

/// Reads a list of `expected` ids whole, and in pages of every size, forwards and backwards.
fn is_in_order<T: Row + Debug + PartialEq>(
    expected: &[i32],
    mut read: impl FnMut(bool, Span) -> Read<T>,
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
                let page = read(is_reversed, Span::Page(page));
                assert_eq!((page.ids().as_slice(), page.total), (chunk, Some(total)));
            }
        }
    }
}

/// The collation knows neither letter case nor accents nor trailing spaces: the id decides.
const TITLES: [&str; 8] = ["Tea", "apple", "tea ", "TÉA", "zebra", "teal", "", "Apple"];

#[test]
fn products_are_sorted_by_title_then_id_and_the_reverse_is_exact() {
    let mut shop = Shop::with_titles(&TITLES);
    let all = products::Filter::default();
    is_in_order(&[7, 2, 8, 1, 3, 4, 6, 5], |is_reversed, span| {
        shop.products(&all, by(products::Column::Title, is_reversed), span)
    });
    is_in_order(&[1, 2, 3, 4, 5, 6, 7, 8], |is_reversed, span| {
        shop.products(&all, by(products::Column::Id, is_reversed), span)
    });
}

#[test]
fn products_with_a_prefix_are_sorted_as_all_are() {
    let mut shop = Shop::with_titles(&TITLES);
    is_in_order(&[1, 3, 4, 6], |is_reversed, span| {
        shop.products(
            &prefixed("tE"),
            by(products::Column::Title, is_reversed),
            span,
        )
    });
    is_in_order(&[2, 8], |is_reversed, span| {
        shop.products(&prefixed("ap"), by(products::Column::Id, is_reversed), span)
    });
    is_in_order(&[], |is_reversed, span| {
        shop.products(
            &prefixed("none"),
            by(products::Column::Title, is_reversed),
            span,
        )
    });
}

#[test]
fn lists_by_id_go_on_after_any_of_their_rows() {
    let mut shop = Shop::with_titles(&TITLES);
    let rest = shop.products(
        &products::Filter::default(),
        Order::default(),
        Span::After(5),
    );
    assert_eq!(rest.ids(), [6, 7, 8]);
    let rest = shop.products(&prefixed("te"), Order::default(), Span::After(3));
    assert_eq!(rest.ids(), [4, 6]);
    let mut shop = Shop::with_emails(&["b", "a", "c"]);
    let rest = shop.users(&users::Filter::default(), Order::default(), Span::After(1));
    assert_eq!(rest.ids(), [2, 3]);
}

#[test]
fn users_are_sorted_by_email_with_any_filter() {
    let mut shop = Shop::with_emails(&["dora@x", "Bea@x", "ann@x", "Beth@x", "bert@x"]);
    shop.do_sql("UPDATE users SET role = 'ADMIN' WHERE id IN (2, 3, 5)");
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
        is_in_order(by_id, |is_reversed, span| {
            shop.users(&filter, by(users::Column::Id, is_reversed), span)
        });
        is_in_order(by_email, |is_reversed, span| {
            shop.users(&filter, by(users::Column::Email, is_reversed), span)
        });
    }
}

#[test]
fn a_row_is_read_whole_in_every_order() {
    let mut shop = Shop::with(
        "INSERT INTO products VALUES (3, 'Tea', 'https://x.io/a', 'd'), (5, 'Pot', NULL, NULL);
         INSERT INTO users VALUES (4, 'a@x.io', 'hash', 'ADMIN')",
    );
    let page = Span::Page(Page { number: 1, size: 9 });
    let filter = products::Filter::default();
    let mut expected = shop.products(&filter, Order::default(), page).rows;
    assert_eq!(expected[0].description.as_deref(), Some("d"));
    expected.reverse();
    for span in [page, WHOLE] {
        let read = shop.products(&filter, by(products::Column::Title, false), span);
        assert_eq!(read.rows, expected);
        let read = shop.users(
            &users::Filter::default(),
            by(users::Column::Email, true),
            span,
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
    let Shop { cursor, runtime } = &mut shop;
    is_in_order(&[1, 2, 3, 4, 5], |is_reversed, span| {
        let list = async { read(cart::list(cursor, is_reversed, span).await).await };
        runtime.block_on(list).unwrap()
    });
    is_in_order(&[1, 3, 4], |is_reversed, span| {
        let list = async { read(cart::of_user(cursor, 1, is_reversed, span).await).await };
        runtime.block_on(list).unwrap()
    });
    is_in_order(&[1, 4, 5], |is_reversed, span| {
        let list = async { read(cart::with_product(cursor, 2, is_reversed, span).await).await };
        runtime.block_on(list).unwrap()
    });
}

#[test]
fn no_character_of_a_prefix_is_a_wildcard() {
    let titles = [
        "100%",
        "100 percent",
        "100%%",
        "a_b",
        "axb",
        "a\\b",
        "a\\%b",
        "a%b",
        "!bang",
        "!!bang",
        "!%bang",
        "!_",
        "it's",
        "it\"s",
        "😀 one",
        "😀 two",
        "😁 one",
        "n\0l",
        "n\0",
        "nl",
        "\\\\",
        "\\",
        "\\%",
        "_%_",
        "é!",
        "日本語",
    ];
    let mut shop = Shop::with_titles(&titles);
    for mode in [
        "STRICT_ALL_TABLES",
        "STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES",
    ] {
        shop.do_sql(&format!("SET SESSION sql_mode = '{mode}'"));
        for title in titles {
            for end in title
                .char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .chain([title.len()])
            {
                let prefix = &title[..end];
                let expected: Vec<i32> = (1..)
                    .zip(titles)
                    .filter(|(_, title)| title.starts_with(prefix))
                    .map(|(id, _)| id)
                    .collect();
                assert_eq!(shop.beginning_with(prefix), expected, "{prefix:?} {mode}");
            }
        }
    }
    // Longer than any title, of characters that the pattern doubles.
    assert_eq!(shop.beginning_with(&"%_!\\".repeat(500)), Vec::<i32>::new());
}

#[test]
fn a_prefix_of_an_email_is_literal_too() {
    let mut shop = Shop::with_emails(&["a_b@x", "acb@x", "a%@x", "A_C@x"]);
    let filter = users::Filter {
        prefix: Some("a_".into()),
        ..users::Filter::default()
    };
    let read = shop.users(
        &filter,
        Order::default(),
        Span::Page(Page { number: 1, size: 9 }),
    );
    assert_eq!(read.ids(), [1, 4]);
}

/// All of these pairs are equal for the collation.
#[test]
fn an_email_is_found_to_the_byte() {
    let emails = [
        "Ana@x.io",
        "bob@x.io ",
        "cé@x.io",
        "\\'\"%_!@x.io",
        "😀@x.io",
        "d\0@x.io",
        "straße@x.io",
    ];
    let mut shop = Shop::with_emails(&emails);
    let mut found = |email: &str, order, span| {
        let filter = users::Filter {
            email: Some(email.to_owned()),
            ..users::Filter::default()
        };
        shop.users(&filter, order, span)
    };
    let page = Span::Page(Page { number: 1, size: 9 });
    for (id, email) in (1..).zip(emails) {
        for order in [Order::default(), by(users::Column::Email, true)] {
            let read = found(email, order, page);
            assert_eq!((read.ids(), read.total), (vec![id], Some(1)), "{email:?}");
            assert_eq!(found(email, order, WHOLE).ids(), [id], "{email:?}");
        }
    }
    for email in [
        "ana@x.io",
        "Ána@x.io",
        "Ana@x.io ",
        "bob@x.io",
        "bob@x.io  ",
        "ce@x.io",
        "c\u{65}\u{301}@x.io",
        "😁@x.io",
        "d@x.io",
        "strasse@x.io",
        "%",
        "",
        "Ana@x.i_",
    ] {
        let read = found(email, Order::default(), page);
        assert_eq!((read.ids(), read.total), (vec![], Some(0)), "{email:?}");
        assert_eq!(
            found(email, Order::default(), WHOLE).ids(),
            Vec::<i32>::new(),
            "{email:?}"
        );
    }
}

/// 20,000 products, the last 400 of which are rare, and as many users, the last 40 of which are
/// administrators; more than a thousand rows so that the database minds what a scan costs.
fn large_shop() -> Shop {
    Shop::with(
        "INSERT INTO products (title, description)
             SELECT IF(seq > 19600, CONCAT('Rare ', seq), CONCAT('Common ', seq * 7919 MOD 10007)), REPEAT('d', 200)
             FROM seq_1_to_20000;
         INSERT INTO users (email, password, role)
             SELECT CONCAT(seq * 7919 MOD 10007, '.', seq, '@x'), REPEAT('h', 97), IF(seq > 19960, 'ADMIN', 'USER')
             FROM seq_1_to_20000;
         ANALYZE TABLE products, users",
    )
}

/// How many rows the database reads, from an index or a table, and sorts for a page, its total
/// aside.
fn cost(shop: &mut Shop, list: impl Fn(&mut Shop, Page)) -> Cost {
    let counters = [
        "Handler_read_first",
        "Handler_read_key",
        "Handler_read_last",
        "Handler_read_next",
        "Handler_read_prev",
        "Handler_read_rnd",
        "Handler_read_rnd_next",
    ];
    let mut measure = |page| {
        shop.do_sql("FLUSH STATUS");
        list(shop, page);
        let reads = counters.map(|name| shop.status(name));
        Cost {
            reads: reads.iter().sum(),
            sorted: shop.status("Sort_rows"),
        }
    };
    // Past the end: the total alone.
    let total = measure(Page {
        number: i32::MAX,
        size: 1000,
    });
    let page = measure(Page {
        number: 3,
        size: 10,
    });
    Cost {
        reads: page.reads - total.reads,
        sorted: page.sorted,
    }
}

#[derive(Debug)]
struct Cost {
    reads: i64,
    sorted: i64,
}

#[test]
fn a_page_in_the_order_of_an_index_reads_no_more_than_it_passes_over() {
    let mut shop = large_shop();
    for is_reversed in [false, true] {
        for cost in [
            cost(&mut shop, |shop, page| {
                let order = by(products::Column::Title, is_reversed);
                shop.products(&products::Filter::default(), order, Span::Page(page));
            }),
            cost(&mut shop, |shop, page| {
                let order = by(products::Column::Title, is_reversed);
                shop.products(&prefixed("Common"), order, Span::Page(page));
            }),
            cost(&mut shop, |shop, page| {
                let order = by(users::Column::Email, is_reversed);
                shop.users(&users::Filter::default(), order, Span::Page(page));
            }),
        ] {
            assert!(cost.reads < 100 && cost.sorted <= 10, "{cost:?}");
        }
    }
}

#[test]
fn a_page_deep_in_a_list_reads_the_rows_of_no_other() {
    let mut shop = large_shop();
    shop.do_sql("FLUSH STATUS");
    let deep = Span::Page(Page {
        number: 1500,
        size: 10,
    });
    let order = by(products::Column::Title, false);
    let read = shop.products(&products::Filter::default(), order, deep);
    assert_eq!(read.rows.len(), 10);
    let (scanned, sorted) = (
        shop.status("Handler_read_rnd_next"),
        shop.status("Sort_rows"),
    );
    assert!(
        scanned < 50 && sorted <= 10,
        "{scanned} rows scanned, {sorted} sorted"
    );
}

#[test]
fn a_page_of_few_hits_reads_the_hits_alone_wherever_they_are() {
    let mut shop = large_shop();
    let rare = cost(&mut shop, |shop, page| {
        shop.products(&prefixed("Rare"), Order::default(), Span::Page(page));
    });
    assert!(rare.reads < 1000, "{rare:?}");
    let administrators = users::Filter {
        role: Some(Role::Admin),
        ..users::Filter::default()
    };
    // The table is read once, without an index on roles, and the hits are sorted.
    let by_email = cost(&mut shop, |shop, page| {
        let order = by(users::Column::Email, false);
        shop.users(&administrators, order, Span::Page(page));
    });
    assert!(
        by_email.reads < 20_200 && by_email.sorted <= 60,
        "{by_email:?}"
    );
}

#[test]
fn no_value_has_a_statement_of_its_own() {
    let mut shop = Shop::with_emails(&["a@x", "b@x"]);
    let lists = |shop: &mut Shop, text: &str, role, size| {
        let page = Span::Page(Page { number: 1, size });
        let filter = users::Filter {
            prefix: Some(text.to_owned()),
            email: Some(text.to_owned()),
            role: Some(role),
        };
        shop.users(&filter, by(users::Column::Email, true), page);
        shop.users(
            &users::Filter {
                email: None,
                ..filter
            },
            Order::default(),
            page,
        );
        shop.products(&prefixed(text), by(products::Column::Title, true), page);
    };
    lists(&mut shop, "a@x", Role::User, 10);
    let prepared = shop.status("Com_stmt_prepare");
    for size in 1..20 {
        lists(
            &mut shop,
            &"b@x%".repeat(usize::try_from(size).unwrap()),
            Role::Admin,
            size,
        );
    }
    // The question itself, once.
    assert_eq!(shop.status("Com_stmt_prepare"), prepared + 1);
}
