//! The cost of a page for the database: rows read, rows sorted, statements prepared.

use super::*;

/// A shop with 20,000 products, the last 400 of which are rare, and 20,000 users, the last 40 of
/// which are administrators: so many rows that the database avoids scans.
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

/// The server's counters of rows read.
const READ_COUNTERS: [&str; 7] = [
    "Handler_read_first",
    "Handler_read_key",
    "Handler_read_last",
    "Handler_read_next",
    "Handler_read_prev",
    "Handler_read_rnd",
    "Handler_read_rnd_next",
];

/// How many rows the database reads, from an index or a table, and sorts for a page, without those
/// for the total.
fn cost(shop: &mut Shop, list: impl Fn(&mut Shop, Page)) -> Cost {
    let mut measure = |page| {
        shop.run_sql("FLUSH STATUS");
        list(shop, page);
        Cost {
            reads: rows_read(shop),
            sorted: shop.status("Sort_rows"),
        }
    };
    // A page past the end reads only the total.
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
fn a_page_in_the_order_of_an_index_reads_only_its_rows_and_those_before() {
    let mut shop = large_shop();
    for is_reversed in [false, true] {
        for cost in [
            cost(&mut shop, |shop, page| {
                let order = by(products::Column::Title, is_reversed);
                shop.products(&products::Filter::default(), order, one_page(page));
            }),
            cost(&mut shop, |shop, page| {
                let order = by(products::Column::Title, is_reversed);
                shop.products(&prefixed("Common"), order, one_page(page));
            }),
            cost(&mut shop, |shop, page| {
                let order = by(users::Column::Email, is_reversed);
                shop.users(&users::Filter::default(), order, one_page(page));
            }),
        ] {
            assert!(cost.reads < 100 && cost.sorted <= 10, "{cost:?}");
        }
    }
}

#[test]
fn a_page_deep_in_a_list_scans_no_table() {
    let mut shop = large_shop();
    shop.run_sql("FLUSH STATUS");
    let deep = one_page(Page {
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
fn a_page_deep_in_a_list_is_read_in_the_same_way_each_time() {
    let mut shop = large_shop();
    let known = Known {
        total: Some(20_000),
        landmark: None,
    };
    // MariaDB plans a prepared statement in another way when it runs again.
    for number in [1500, 1000, 1250] {
        let deep = ListRange::Page(Page { number, size: 10 }, known);
        for is_reversed in [false, true] {
            shop.run_sql("FLUSH STATUS");
            let order = by(products::Column::Title, is_reversed);
            shop.products(&products::Filter::default(), order, deep);
            assert_few_are_scanned(&mut shop, &format!("products, page {number}"));
            shop.run_sql("FLUSH STATUS");
            let order = by(users::Column::Email, is_reversed);
            shop.users(&users::Filter::default(), order, deep);
            assert_few_are_scanned(&mut shop, &format!("users, page {number}"));
        }
    }
}

/// Neither the whole table was read, nor more rows sorted than a page has.
#[track_caller]
fn assert_few_are_scanned(shop: &mut Shop, list: &str) {
    let scanned = shop.status("Handler_read_rnd_next");
    let sorted = shop.status("Sort_rows");
    assert!(
        scanned < 50 && sorted <= 10,
        "{list}: {scanned} rows scanned, {sorted} sorted"
    );
}

/// The number of rows that this connection has read, from indexes and tables.
fn rows_read(shop: &mut Shop) -> i64 {
    READ_COUNTERS.iter().map(|name| shop.status(name)).sum()
}

#[test]
fn a_page_that_follows_another_skips_only_the_rows_between_them() {
    let mut shop = large_shop();
    let known = Known {
        total: Some(20_000),
        landmark: Some(Landmark {
            id: 12_000,
            rows: 12_000,
        }),
    };
    let page = Page {
        number: 1210,
        size: 10,
    };
    shop.run_sql("FLUSH STATUS");
    let read = shop.products(
        &products::Filter::default(),
        Order::default(),
        ListRange::Page(page, known),
    );
    assert_eq!(read.ids(), (12_091..=12_100).collect::<Vec<_>>());
    assert_eq!(read.total, Some(20_000));
    let read = rows_read(&mut shop);
    assert!(read < 200, "{read}");
}

#[test]
fn the_last_page_is_reached_from_the_end() {
    let mut shop = large_shop();
    let last = ListRange::Page(
        Page {
            number: 2000,
            size: 10,
        },
        Known {
            total: Some(20_000),
            landmark: None,
        },
    );
    for column in [products::Column::Id, products::Column::Title] {
        shop.run_sql("FLUSH STATUS");
        let read = shop.products(&products::Filter::default(), by(column, false), last);
        assert_eq!(read.rows.len(), 10);
        let read = rows_read(&mut shop);
        assert!(read < 100, "{column:?}: {read}");
    }
}

#[test]
fn a_page_deep_in_the_cart_joins_only_its_own_rows() {
    let mut shop = large_shop();
    shop.run_sql(
        "INSERT INTO cart (user_id, product_id) SELECT seq, seq FROM seq_1_to_20000;
         ANALYZE TABLE cart;
         FLUSH STATUS",
    );
    let Shop {
        connection,
        runtime,
    } = &mut shop;
    let page = Page {
        number: 1000,
        size: 10,
    };
    let list =
        async { read(cart::list(connection, Scope::Everyone, false, one_page(page)).await).await };
    let list = runtime.block_on(list).unwrap();
    assert_eq!(list.ids(), (9991..=10_000).collect::<Vec<_>>());
    // One look-up for each item of the page, its user and its product.
    let keys = shop.status("Handler_read_key");
    assert!(keys < 100, "{keys} rows were looked up");
}

#[test]
fn a_page_of_few_matches_reads_only_the_matches() {
    let mut shop = large_shop();
    let rare = cost(&mut shop, |shop, page| {
        shop.products(&prefixed("Rare"), Order::default(), one_page(page));
    });
    assert!(rare.reads < 1000, "{rare:?}");
    let administrators = users::Filter {
        role: Some(Role::Admin),
        ..users::Filter::default()
    };
    // Reads the table once, without the index on roles, and sorts the matches.
    let by_email = cost(&mut shop, |shop, page| {
        let order = by(users::Column::Email, false);
        shop.users(&administrators, order, one_page(page));
    });
    assert!(
        by_email.reads < 20_200 && by_email.sorted <= 60,
        "{by_email:?}"
    );
}

#[test]
fn one_prepared_statement_serves_all_values() {
    let mut shop = Shop::with_emails(&["a@x", "b@x"]);
    let lists = |shop: &mut Shop, text: &str, role, size| {
        let page = one_page(Page { number: 1, size });
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
    // The query of `status` itself is prepared once.
    assert_eq!(shop.status("Com_stmt_prepare"), prepared + 1);
}
