//! Lists of any length: what is in them, how they break, and who waits for whom.

use std::time::Duration;

use bytes::Bytes;
use ecommerce_api::api::validation::Validation;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::common::conformance::check;
use crate::common::wire::{Received, Sent};
use crate::harness::{Answer, Shop, connections, eventually, received_head};
use crate::validation::{captured_log, complaints};

const USER: &str = "JSON_OBJECT('id', u.id, 'email', u.email, 'role', u.role)";
const PRODUCT: &str = "JSON_OBJECT('id', p.id, 'title', p.title, 'image_url', p.image_url, \
                       'description', p.description)";
const ITEM: &str = "'id', c.id, 'user_id', c.user_id, 'product_id', c.product_id";
const CART: &str = "cart c JOIN users u ON u.id = c.user_id JOIN products p ON p.id = c.product_id";

/// The rows of a list as SQL says that they are: `object` for each row of `from`.
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

/// Exactly these rows, of a list that is told its length beforehand if `is_small`.
#[track_caller]
fn assert_list(answer: &Answer, rows: &[Value], is_small: bool) {
    let list = answer.expect(200);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), rows.len());
    for (item, row) in list.iter().zip(rows) {
        assert_eq!(item, row);
    }
    let length = is_small.then(|| answer.body.len().to_string());
    assert_eq!(answer.header("content-length"), length.as_deref());
}

// ── What is in them ─────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_list_of_few_or_large_rows_is_what_sql_says_whole_and_as_a_page() {
    // A part is sent at 16 KiB; this many characters fill one to the last byte.
    let around = r#"{"success":true,"data":["#.len()
        + json!({"id": 1, "title": "x", "image_url": null, "description": ""})
            .to_string()
            .len();
    let full = 16 * 1024 - around;
    let shop = Shop::open().await;
    for (descriptions, is_small) in [
        (String::new(), true),
        ("(1, 'x', 'small')".into(), true),
        (format!("(1, 'x', REPEAT('a', {}))", full - 1), true),
        (format!("(1, 'x', REPEAT('a', {full}))"), false),
        (
            format!("(1, 'x', REPEAT('a', {full})), (2, 'y', 'z')"),
            false,
        ),
        ("(1, 'x', REPEAT('😀', 16383))".into(), false),
    ] {
        shop.execute("DELETE FROM products").await;
        if !descriptions.is_empty() {
            let insert = "INSERT INTO products (id, title, description) VALUES";
            shop.execute(format!("{insert} {descriptions}")).await;
        }
        let rows = rows(&shop, PRODUCT, "products p ORDER BY id").await;
        assert_list(&shop.get("/api/products").await, &rows, is_small);
        let page = shop.get("/api/products?limit=2").await;
        assert_list(&page, &rows, is_small);
        assert_eq!(
            page.json()["pagination"],
            json!({"page": 1, "limit": 2, "total": rows.len()})
        );
    }
}

/// A shop of 3,000 users and products and 10,000 cart items; half of these are the first user's,
/// and half of them the first product.
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

#[tokio::test]
async fn a_list_of_thousands_of_rows_is_what_sql_says_whole_and_as_a_page() {
    let shop = large_shop(Validation::Off).await;
    let with_user = format!("JSON_OBJECT({ITEM}, 'user', {USER})");
    let with_product = format!("JSON_OBJECT({ITEM}, 'product', {PRODUCT})");
    let with_both = format!("JSON_OBJECT({ITEM}, 'user', {USER}, 'product', {PRODUCT})");
    for (path, object, from) in [
        ("/api/users", USER, "users u ORDER BY id".to_owned()),
        ("/api/products", PRODUCT, "products p ORDER BY id".into()),
        ("/api/cart", &with_both, format!("{CART} ORDER BY c.id")),
        (
            "/api/users/1/cart",
            &with_product,
            format!("{CART} WHERE c.user_id = 1 ORDER BY c.id"),
        ),
        (
            "/api/products/1/carts",
            &with_user,
            format!("{CART} WHERE c.product_id = 1 ORDER BY c.id"),
        ),
    ] {
        let rows = rows(&shop, object, &from).await;
        assert!(rows.len() >= 3000, "{path}: {}", rows.len());
        let whole = shop.get(path).await;
        assert_list(&whole, &rows, false);
        let page = shop.get(&format!("{path}?limit=1000&page=2")).await;
        assert_list(&page, &rows[1000..2000], false);
        assert_eq!(page.json()["pagination"]["total"], rows.len());
    }
}

#[tokio::test]
async fn a_list_of_several_parts_may_be_compressed() {
    let shop = large_shop(Validation::Off).await;
    let plain = shop.get("/api/products").await;
    let gzip = [("accept-encoding", "gzip")];
    let compressed = shop
        .send(Method::GET, "/api/products", &gzip, Vec::new())
        .await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert_eq!(compressed.expect(200).as_array().unwrap().len(), 3000);
    assert_eq!(compressed.body, plain.body);
}

#[tokio::test]
async fn the_head_of_a_large_list_holds_no_connection() {
    let shop = large_shop(Validation::Off).await;
    for _ in 0..20 {
        let head = shop
            .send(Method::HEAD, "/api/products", &[], Vec::new())
            .await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    shop.get("/api/products").await.expect(200);
}

// ── How they break ──────────────────────────────────────────────────────────────────────────────

/// A shop whose list of products, some 26 MB, is more than all buffers on its way can hold.
pub async fn shop_of_large_products() -> Shop {
    let shop = Shop::open().await;
    shop.execute(
        "INSERT INTO products (title, description)
         SELECT seq, REPEAT('😀', 16383) FROM seq_1_to_400",
    )
    .await;
    shop
}

/// A client that reads no further than the test lets it.
pub struct Reader {
    stream: TcpStream,
    sent: Sent,
}

impl Reader {
    /// Asks for a list and reads the first bytes of the answer.
    pub async fn begin(shop: &Shop, path: &str, headers: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(256 * 1024).unwrap();
        let address = shop.address.parse().unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let head = "Host: localhost\r\nConnection: close\r\n";
        let request = format!("GET {path} HTTP/1.1\r\n{head}{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        let sent = Sent::read(request.as_bytes());
        Self { stream, sent }
    }

    /// All that comes until the connection ends, one way or the other; it is checked as far as it
    /// came.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut rest = b"HTTP/1.1 200 OK".to_vec();
        let reading = self.stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(30), reading)
            .await
            .expect("the connection ends");
        let mut received = Received::read(&rest);
        received.is_whole &= received.header("content-encoding").is_none();
        check(&self.sent, &received);
        rest
    }
}

/// Checks the answer to `GET path` before its body has come.
fn check_head(path: &str, response: &Response<Incoming>) {
    let head = received_head(response.status(), response.headers());
    check(&Sent::new("GET", path, &[], b""), &head);
}

/// What a chunked answer that is whole ends with.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// The connections on which a list of products is being read.
pub async fn lists_under_way(shop: &Shop) -> Vec<i64> {
    shop.sql(|session| connections(session, "info LIKE 'SELECT%products%'"))
        .await
}

pub async fn kill_list(shop: &Shop) {
    let [list] = lists_under_way(shop).await[..] else {
        panic!("one list is under way")
    };
    shop.execute(format!("KILL {list}")).await;
}

#[tokio::test]
async fn a_transfer_breaks_when_the_database_dies_midway() {
    let shop = shop_of_large_products().await;
    let whole = Reader::begin(&shop, "/api/products", "").await.rest().await;
    assert!(whole.ends_with(LAST_CHUNK));

    let reader = Reader::begin(&shop, "/api/products", "").await;
    kill_list(&shop).await;
    let rest = reader.rest().await;
    assert!(rest.len() < whole.len());
    assert!(!rest.ends_with(LAST_CHUNK));
    let page = shop.get("/api/products?limit=1").await;
    assert_eq!(page.json()["pagination"]["total"], 400);
}

#[tokio::test]
async fn over_http2_a_database_that_dies_midway_resets_the_stream() {
    let shop = shop_of_large_products().await;
    let stream = TokioIo::new(TcpStream::connect(&shop.address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut get = async |path| {
        let uri = format!("http://localhost{path}");
        let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        client.send_request(request).await.unwrap()
    };
    let list = get("/api/products").await;
    check_head("/api/products", &list);
    assert_eq!(list.status(), 200);
    kill_list(&shop).await;
    let broken = list.into_body().collect().await;
    assert!(broken.is_err(), "it ended as if it were whole");
    let path = "/api/products?limit=1";
    let next = Answer::read(get(path).await).await;
    check(&Sent::new("GET", path, &[], b""), &next.received());
    next.expect(200);
}

#[tokio::test]
async fn a_client_that_leaves_midway_ends_the_query_and_its_connection() {
    let shop = shop_of_large_products().await;
    let reader = Reader::begin(&shop, "/api/products", "").await;
    let [list] = lists_under_way(&shop).await[..] else {
        panic!("one list is under way")
    };
    drop(reader);
    eventually("its connection is closed", async || {
        let same = move |session: &mut _| connections(session, &format!("id = {list}"));
        shop.sql(same).await.is_empty()
    })
    .await;
    let next = Reader::begin(&shop, "/api/products", "").await;
    assert!(next.rest().await.ends_with(LAST_CHUNK));
}

// ── Who waits for whom ──────────────────────────────────────────────────────────────────────────

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_hold_up_other_lists_alone_and_those_not_for_ever() {
    let shop = shop_of_large_products().await;
    let user = shop.create_user("ada@example.com").await;
    // A page that is too large for the memory holds a connection.
    let idle = join_all((0..8).map(|_| Reader::begin(&shop, "/api/products?limit=400", ""))).await;
    assert_eq!(lists_under_way(&shop).await.len(), 8);

    let ninth = async {
        let list = shop.get("/api/users");
        tokio::time::timeout(Duration::from_secs(15), list)
            .await
            .expect("it is refused before long")
    };
    let others = async {
        for _ in 0..10 {
            let item = shop.add_to_cart(user, 1).await;
            shop.get(&format!("/api/cart/{item}")).await.expect(200);
            shop.get(&format!("/api/users/{user}/cart"))
                .await
                .expect(200);
            shop.put("/api/products/2", &json!({"title": "Pan"}))
                .await
                .expect(200);
            shop.delete(&format!("/api/cart/{item}")).await.expect(200);
        }
        lists_under_way(&shop).await.len()
    };
    let (ninth, still_idle) = tokio::join!(ninth, others);
    assert_eq!(still_idle, 8, "no list had ended meanwhile");
    assert_eq!(ninth.error(503).0, "SERVICE_UNAVAILABLE");
    assert_eq!(ninth.header("retry-after"), Some("1"));

    drop(idle);
    eventually("lists are read again", async || {
        shop.get("/api/users").await.status == 200
    })
    .await;
}

/// What one client gets of a list, and what two get who ask for it at the same time; the last of them
/// does not read before the other has all.
async fn read_slowly_beside_another(shop: &Shop, path: &str) -> [Answer; 3] {
    // While one reader lets it wait, the list counts as being read; how long it takes is known
    // when another has read it.
    let _idle = Reader::begin(shop, path, "").await;
    let alone = shop.get(path).await;

    // Both ask at the same time, which makes them share a cursor where the list may be shared.
    let stream = TokioIo::new(TcpStream::connect(&shop.address).await.unwrap());
    let handshake = hyper::client::conn::http1::handshake(stream).await;
    let (mut client, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "localhost");
    let slow = client.send_request(request.body(Empty::<Bytes>::new()).unwrap());
    let (slow, fast) = tokio::join!(slow, shop.get(path));
    let slow = Answer::read(slow.unwrap()).await;
    check(&Sent::new("GET", path, &[], b""), &slow.received());
    [alone, fast, slow]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_reads_slowly_gets_the_whole_list_and_holds_up_nobody() {
    let shop = shop_of_large_products().await;
    let rows = rows(&shop, PRODUCT, "products p ORDER BY id").await;
    let answers = read_slowly_beside_another(&shop, "/api/products").await;
    for answer in &answers {
        assert_list(answer, &rows, false);
    }
    assert_eq!(answers[2].json()["message"], "400 products");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_reads_a_reversed_list_slowly_gets_the_whole_of_it_in_its_order() {
    let shop = shop_of_large_products().await;
    shop.execute(
        "INSERT INTO users (email, password, role)
           SELECT CONCAT(REPEAT('x', 230), seq, '@example.com'), 'x', 'USER' FROM seq_1_to_24000;
         INSERT INTO cart (user_id, product_id) SELECT 1, 1 FROM seq_1_to_400;
         INSERT INTO cart (user_id, product_id) SELECT 2, 2 FROM seq_1_to_24000",
    )
    .await;
    for path in [
        "/api/users?sort=-id",
        "/api/products?sort=-id",
        "/api/products/2/carts?sort=-id",
        "/api/users/1/cart?sort=-id",
    ] {
        let answers = read_slowly_beside_another(&shop, path).await;
        let [alone, fast, slow] = answers.map(|answer| answer.body);
        assert!(fast == alone, "{path}: beside another");
        assert!(slow == alone, "{path}: slowly");
    }
}

// ── Rows that stray from the contract ───────────────────────────────────────────────────────────

/// A large shop in which one product's title is longer than the contract allows.
async fn shop_with_a_stray_row(validation: Validation, id: i32) -> Shop {
    let shop = large_shop(validation).await;
    shop.execute(format!(
        "ALTER TABLE products MODIFY title VARCHAR(400) NOT NULL;
         UPDATE products SET title = REPEAT('secret', 60) WHERE id = {id}"
    ))
    .await;
    shop
}

#[tokio::test]
async fn enforce_answers_500_for_a_list_with_a_stray_row_in_its_first_part() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_stray_row(Validation::Enforce, 7).await;
    let answer = shop.get("/api/products").await;
    assert_eq!(answer.error(500).0, "INTERNAL_ERROR");
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
    assert_eq!(complaints(&log)[0]["pointer"], "/data/6/title");
}

#[tokio::test]
async fn enforce_breaks_the_transfer_of_a_list_at_a_stray_row() {
    let (log, _guard) = captured_log();
    // In a part on the way, and in the last.
    for id in [2000, 3000] {
        let shop = shop_with_a_stray_row(Validation::Enforce, id).await;
        let rest = Reader::begin(&shop, "/api/products", "").await.rest().await;
        assert!(!rest.ends_with(LAST_CHUNK));
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.contains(r#""id":1000,"#) && !rest.contains("secret"));
        let gzip = Reader::begin(&shop, "/api/products", "Accept-Encoding: gzip\r\n").await;
        assert!(!gzip.rest().await.ends_with(LAST_CHUNK));
    }
    let complaints = complaints(&log);
    let pointers = complaints.iter().map(|complaint| &complaint["pointer"]);
    assert_eq!(
        pointers.collect::<Vec<_>>(),
        [
            "/data/1999/title",
            "/data/1999/title",
            "/data/2999/title",
            "/data/2999/title"
        ]
    );
}

#[tokio::test]
async fn enforce_and_warn_send_a_list_that_keeps_to_the_contract() {
    for validation in [Validation::Enforce, Validation::Warn(1.0)] {
        let (log, _guard) = captured_log();
        let shop = large_shop(validation).await;
        let list = shop.get("/api/cart").await;
        assert_eq!(list.expect(200).as_array().unwrap().len(), 10_000);
        assert!(complaints(&log).is_empty());
    }
}

#[tokio::test]
async fn warn_logs_a_stray_row_of_a_long_list_and_sends_it() {
    let (log, _guard) = captured_log();
    let shop = shop_with_a_stray_row(Validation::Warn(1.0), 2000).await;
    let list = shop
        .send_stray(Method::GET, "/api/products", &[], Vec::new())
        .await
        .expect(200);
    assert_eq!(list[1999]["title"], "secret".repeat(60));
    assert_eq!(list.as_array().unwrap().len(), 3000);
    let complaints = complaints(&log);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert_eq!(complaints[0]["pointer"], "/data/1999/title");
}
