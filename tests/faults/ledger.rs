//! What clients were told about each write, and the comparison with the rows of the database.
//!
//! Each write has a text or a pair of ids of its own, and is sent once. So a row shows which request
//! stored it.

use std::cell::RefCell;
use std::collections::HashMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// The one thing that identifies the row of a write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A user, by email.
    User(String),
    /// A product, by title.
    Product(String),
    /// A cart item, by user and product.
    Item(i32, i32),
}

/// The descriptions that a product may have.
#[derive(Default)]
struct Descriptions {
    acknowledged: Option<String>,
    /// Those that were sent afterwards, whose outcome is unknown.
    sent_since: Vec<String>,
}

#[derive(Default)]
struct Entries {
    /// The id in the response to each creation; `None` if it was not acknowledged.
    created: HashMap<Key, Option<i32>>,
    /// The ids of cart items whose removal was sent, and whether it was acknowledged.
    removed: HashMap<i32, bool>,
    /// By the product's id.
    descriptions: HashMap<i32, Descriptions>,
    never_sent: Vec<Key>,
    acknowledged: usize,
    wrong_in_responses: Vec<String>,
}

/// The entries of all clients.
#[derive(Default)]
pub struct Ledger(RefCell<Entries>);

/// How the database differs from what the clients were told.
#[derive(Debug, Default)]
pub struct Differences {
    /// Acknowledged writes that the database does not have.
    pub lost: Vec<String>,
    /// Rows that were sent once and are stored more than once.
    pub doubled: Vec<String>,
    /// Responses whose id or content is another row's.
    pub wrong_ids: Vec<String>,
}

impl Differences {
    pub fn are_none(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.wrong_ids.is_empty()
    }
}

impl Ledger {
    pub fn creation_sent(&self, key: &Key) {
        let previous = self.0.borrow_mut().created.insert(key.clone(), None);
        assert!(previous.is_none(), "{key:?} was sent twice");
    }

    /// Records a row that must not be there: the request for it was never whole.
    pub fn never_sent(&self, key: &Key) {
        self.0.borrow_mut().never_sent.push(key.clone());
    }

    pub fn creation_acknowledged(&self, key: &Key, id: i32) {
        let mut entries = self.0.borrow_mut();
        entries.acknowledged += 1;
        entries.created.insert(key.clone(), Some(id));
    }

    pub fn description_sent(&self, product: i32, description: &str) {
        let mut entries = self.0.borrow_mut();
        let known = entries.descriptions.entry(product).or_default();
        known.sent_since.push(description.to_owned());
    }

    pub fn description_acknowledged(&self, product: i32, description: &str) {
        let mut entries = self.0.borrow_mut();
        entries.acknowledged += 1;
        let known = entries.descriptions.entry(product).or_default();
        known.acknowledged = Some(description.to_owned());
        known.sent_since.clear();
    }

    pub fn removal_sent(&self, item: i32) {
        self.0.borrow_mut().removed.entry(item).or_insert(false);
    }

    pub fn removal_acknowledged(&self, item: i32) {
        let mut entries = self.0.borrow_mut();
        entries.acknowledged += 1;
        entries.removed.insert(item, true);
    }

    /// Records a response that shows another row than the one that was sent or asked for.
    pub fn wrong_response(&self, text: String) {
        self.0.borrow_mut().wrong_in_responses.push(text);
    }

    /// The number of acknowledged writes.
    pub fn acknowledged(&self) -> usize {
        self.0.borrow().acknowledged
    }

    /// Compares the ledger with all rows of the database.
    pub async fn compare(&self, conn: &mut Conn) -> Differences {
        let users: Vec<(i32, String)> = conn.query("SELECT id, email FROM users").await.unwrap();
        let products: Vec<(i32, String, Option<String>)> = conn
            .query("SELECT id, title, description FROM products")
            .await
            .unwrap();
        let items: Vec<(i32, i32, i32)> = conn
            .query("SELECT id, user_id, product_id FROM cart")
            .await
            .unwrap();
        let mut stored: HashMap<Key, Vec<i32>> = HashMap::new();
        let users = users.into_iter().map(|(id, email)| (Key::User(email), id));
        let titles = products.iter();
        let titles = titles.map(|(id, title, _)| (Key::Product(title.clone()), *id));
        let items = items.into_iter();
        let items = items.map(|(id, user, product)| (Key::Item(user, product), id));
        for (key, id) in users.chain(titles).chain(items) {
            stored.entry(key).or_default().push(id);
        }
        let mut differences = self.0.borrow().differences(&stored);
        let descriptions = products.into_iter().map(|(id, _, text)| (id, text));
        let lost = self.0.borrow().lost_descriptions(&descriptions.collect());
        differences.lost.extend(lost);
        differences
    }
}

impl Entries {
    /// The differences of creations and removals.
    fn differences(&self, stored: &HashMap<Key, Vec<i32>>) -> Differences {
        let mut differences = Differences {
            wrong_ids: self.wrong_in_responses.clone(),
            ..Differences::default()
        };
        for key in &self.never_sent {
            if let Some(ids) = stored.get(key) {
                let text = format!("{key:?} was never sent and is {ids:?}");
                differences.wrong_ids.push(text);
            }
        }
        for (key, acknowledged) in &self.created {
            let ids = stored.get(key).map_or(&[][..], Vec::as_slice);
            if ids.len() > 1 {
                differences.doubled.push(format!("{key:?} is {ids:?}"));
            }
            let Some(id) = acknowledged else { continue };
            let removal = self.removed.get(id);
            match ids {
                [] if removal.is_none() => {
                    differences.lost.push(format!("{key:?}, id {id}"));
                }
                [_, ..] if !ids.contains(id) => {
                    let text = format!("{key:?} was answered with id {id} and is {ids:?}");
                    differences.wrong_ids.push(text);
                }
                [_, ..] if matches!(key, Key::Item(..)) && removal == Some(&true) => {
                    differences.lost.push(format!("the removal of item {id}"));
                }
                _ => {}
            }
        }
        differences
    }

    fn lost_descriptions(&self, stored: &HashMap<i32, Option<String>>) -> Vec<String> {
        let lost = self.descriptions.iter().filter(|(product, known)| {
            let Some(acknowledged) = &known.acknowledged else {
                return false;
            };
            let stored = stored.get(product).and_then(Option::as_ref);
            !stored.is_some_and(|text| text == acknowledged || known.sent_since.contains(text))
        });
        lost.map(|(product, known)| {
            let text = known.acknowledged.as_deref().unwrap_or_default();
            format!("the description {text} of product {product}")
        })
        .collect()
    }
}
