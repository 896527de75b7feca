//! Filters by prefix and by email, with all kinds of characters.

use super::*;

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
        shop.run_sql(&format!("SET SESSION sql_mode = '{mode}'"));
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
    // A prefix longer than any title, of characters that the pattern escapes.
    assert_eq!(shop.beginning_with(&"%_!\\".repeat(500)), Vec::<i32>::new());
}

#[test]
fn no_character_of_an_email_s_prefix_is_a_wildcard() {
    let mut shop = Shop::with_emails(&["a_b@x", "acb@x", "a%@x", "A_C@x"]);
    let filter = users::Filter {
        prefix: Some("a_".into()),
        ..users::Filter::default()
    };
    let read = shop.users(
        &filter,
        Order::default(),
        one_page(Page { number: 1, size: 9 }),
    );
    assert_eq!(read.ids(), [1, 4]);
}

/// The emails that must not be found are equal to one of the stored emails in the collation, or
/// match one as a pattern.
#[test]
fn an_email_filter_compares_bytes() {
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
    let mut found = |email: &str, order, range| {
        let filter = users::Filter {
            email: Some(email.to_owned()),
            ..users::Filter::default()
        };
        shop.users(&filter, order, range)
    };
    let page = one_page(Page { number: 1, size: 9 });
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
