//! Lists of any length: their rows, transfers that are broken off, slow clients, and rows that do not
//! conform to the contract.

mod contents;
mod interruptions;
mod nonconforming_rows;
mod shares;
mod slow_clients;

use ecommerce_api::api::validation::Validation;
use serde_json::Value;

use crate::harness::{ClientResponse, Shop, connections};

const USER: &str = "JSON_OBJECT('id', u.id, 'email', u.email, 'role', u.role)";
const PRODUCT: &str = "JSON_OBJECT('id', p.id, 'title', p.title, 'image_url', p.image_url, \
                       'description', p.description)";
const ITEM: &str = "'id', c.id, 'user_id', c.user_id, 'product_id', c.product_id";
const CART: &str = "cart c JOIN users u ON u.id = c.user_id JOIN products p ON p.id = c.product_id";

/// Queries the expected rows of a list with SQL: `object` for each row of `from`.
async fn rows(shop: &Shop, object: &str, from: &str) -> Vec<Value> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        object: String,
    }
    let sql = format!("SELECT {object} AS object FROM {from}");
    let rows = shop.sql(move |session| session.load::<Row>(&sql).unwrap());
    let rows = rows.await.into_iter();
    rows.map(|row| serde_json::from_str(&row.object).unwrap())
        .collect()
}

/// Checks that a list has exactly these rows, and a `Content-Length` if and only if `is_small`.
#[track_caller]
fn assert_list(response: &ClientResponse, rows: &[Value], is_small: bool) {
    let list = response.expect(200);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), rows.len());
    for (item, row) in list.iter().zip(rows) {
        assert_eq!(item, row);
    }
    let length = is_small.then(|| response.body.len().to_string());
    assert_eq!(response.header("content-length"), length.as_deref());
}

/// A shop with 3,000 users and products and 10,000 cart items. Half of the items belong to user 1, and
/// half contain product 1.
async fn large_shop(validation: Validation) -> Shop {
    let shop = Shop::open_with(validation).await;
    shop.execute(
        r#"INSERT INTO users (id, email, password, role)
           SELECT seq, CONCAT('user', seq, '@example.com'), 'x', IF(seq % 3, 'USER', 'ADMIN')
           FROM seq_1_to_3000;
           INSERT INTO products (id, title, image_url, description)
           SELECT seq, CONCAT('"Pot" \\ 😀 ', seq),
                  IF(seq % 2, NULL, CONCAT('https://example.com/', seq)),
                  IF(seq % 5, NULL, REPEAT('ö\n', seq % 300))
           FROM seq_1_to_3000;
           INSERT INTO cart (id, user_id, product_id)
           SELECT seq, IF(seq % 2, 1, 1 + seq % 3000), IF(seq % 4 < 2, 1, 1 + seq % 3000)
           FROM seq_1_to_10000"#,
    )
    .await;
    shop
}

/// A shop whose list of products, of about 26 MB, exceeds all buffers between the service and a client.
pub async fn shop_of_large_products() -> Shop {
    let shop = Shop::open().await;
    insert_large_products(&shop).await;
    shop
}

/// Inserts the products of [`shop_of_large_products`].
pub async fn insert_large_products(shop: &Shop) {
    shop.execute(
        "INSERT INTO products (title, description)
         SELECT seq, REPEAT('😀', 16383) FROM seq_1_to_400",
    )
    .await;
}

/// The end of a complete chunked response.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// The database connections on which a list of products is being read.
pub async fn list_connections(shop: &Shop) -> Vec<i64> {
    shop.sql(|session| connections(session, "info LIKE 'SELECT%products%'"))
        .await
}

/// Kills the query of the only list that is being read.
pub async fn kill_list(shop: &Shop) {
    let [list] = list_connections(shop).await[..] else {
        panic!("one list is being read")
    };
    shop.execute(format!("KILL {list}")).await;
}
