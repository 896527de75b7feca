//! What the database does for a page: rows read, rows sorted, statements prepared.

use super::*;

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
                shop.products(&products::Filter::default(), order, ListRange::Page(page));
            }),
            cost(&mut shop, |shop, page| {
                let order = by(products::Column::Title, is_reversed);
                shop.products(&prefixed("Common"), order, ListRange::Page(page));
            }),
            cost(&mut shop, |shop, page| {
                let order = by(users::Column::Email, is_reversed);
                shop.users(&users::Filter::default(), order, ListRange::Page(page));
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
    let deep = ListRange::Page(Page {
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
        shop.products(&prefixed("Rare"), Order::default(), ListRange::Page(page));
    });
    assert!(rare.reads < 1000, "{rare:?}");
    let administrators = users::Filter {
        role: Some(Role::Admin),
        ..users::Filter::default()
    };
    // The table is read once, without an index on roles, and the hits are sorted.
    let by_email = cost(&mut shop, |shop, page| {
        let order = by(users::Column::Email, false);
        shop.users(&administrators, order, ListRange::Page(page));
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
        let page = ListRange::Page(Page { number: 1, size });
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
