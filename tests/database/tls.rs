//! The protection of connections is never weaker than the URL asks, for blocking and asynchronous
//! ones.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use ecommerce_api::db::url::DatabaseUrl;
use ecommerce_api::db::{migrations, session};
use mysql_async::prelude::Queryable;

use crate::server::{ELSEWHERE, PLAIN, SERVER, Server};

const CIPHER: &str = "SELECT variable_value AS cipher FROM information_schema.session_status \
                      WHERE variable_name = 'Ssl_cipher'";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    cipher: String,
}

/// The result of connecting.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Outcome {
    Plain,
    Encrypted,
    Failed,
}

impl Outcome {
    fn of(cipher: Option<&str>) -> Self {
        match cipher {
            None => Self::Failed,
            Some("") => Self::Plain,
            Some(_) => Self::Encrypted,
        }
    }
}

fn blocking(url: &DatabaseUrl) -> Outcome {
    let cipher = session::connect(url).ok().map(|mut session| {
        let rows: Vec<Row> = session.load(CIPHER).unwrap();
        rows[0].cipher.clone()
    });
    Outcome::of(cipher.as_deref())
}

fn asynchronous(url: &DatabaseUrl) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cipher = runtime.block_on(async {
        let mut connection = mysql_async::Conn::new(url.async_opts()).await.ok()?;
        let cipher: Option<String> = connection.query_first(CIPHER).await.unwrap();
        connection.disconnect().await.unwrap();
        cipher
    });
    Outcome::of(cipher.as_deref())
}

fn url(server: &Server, host: &str, parameters: &str) -> DatabaseUrl {
    let text = format!(
        "mysql://shop:p%20w%2F%23%3A%40%3F%26%3D%25%C3%BC@{host}:{}/my%20shop{parameters}",
        server.port
    );
    DatabaseUrl::parse(&text).unwrap()
}

#[test]
fn both_kinds_of_connection_are_protected_as_the_url_asks_or_fail() {
    use Outcome::{Encrypted, Failed, Plain};
    let ca = |name: &str| SERVER.directory.join(name).display().to_string();
    let (ours, theirs) = (ca("ca.pem"), ca("other-ca.pem"));
    // Columns: the server with TLS, the server with a certificate for another host, the server
    // without TLS.
    for (parameters, expected) in [
        (String::new(), [Plain, Plain, Plain]),
        ("?ssl_mode=disabled".into(), [Plain, Plain, Plain]),
        ("?ssl_mode=required".into(), [Encrypted, Encrypted, Failed]),
        (
            format!("?ssl_mode=verify_ca&ssl_ca={ours}"),
            [Encrypted, Encrypted, Failed],
        ),
        (format!("?ssl_mode=verify_ca&ssl_ca={theirs}"), [Failed; 3]),
        (
            format!("?ssl_mode=verify_identity&ssl_ca={ours}"),
            [Encrypted, Failed, Failed],
        ),
        (
            format!("?ssl_mode=verify_identity&ssl_ca={theirs}"),
            [Failed; 3],
        ),
        // The system's roots do not contain the authority of this test.
        ("?ssl_mode=verify_identity".into(), [Failed; 3]),
    ] {
        for (server, expected) in [&*SERVER, &*ELSEWHERE, &*PLAIN].into_iter().zip(expected) {
            for host in ["127.0.0.1", "localhost"] {
                let url = url(server, host, &parameters);
                assert_eq!(blocking(&url), expected, "blocking, {url:?}");
                assert_eq!(asynchronous(&url), expected, "asynchronous, {url:?}");
            }
        }
    }
}

#[test]
fn migrations_run_and_revert_over_tls() {
    let ca = SERVER.directory.join("ca.pem");
    let database = crate::server::empty_database();
    let url = DatabaseUrl::parse(&format!(
        "mysql://shop:p%20w%2F%23%3A%40%3F%26%3D%25%C3%BC@localhost:{}/{}?ssl_mode=verify_identity&ssl_ca={}",
        SERVER.port,
        database.url.database(),
        ca.display()
    ))
    .unwrap();
    let mut session = session::connect(&url).unwrap();
    assert_eq!(migrations::run(&mut session).unwrap().len(), 5);
    assert_eq!(
        ecommerce_api::db::check::mismatches(&mut session).unwrap(),
        Vec::<String>::new()
    );
    let plan = ecommerce_api::db::seed::Plan {
        users: 3,
        products: 3,
        cart: 3,
        rng_seed: Some(1),
    };
    ecommerce_api::db::seed::bulk(&mut session, &plan, "hash", &mut |_, _, _| ()).unwrap();
    // The four newest migrations drop no table of the shop.
    for _ in 0..4 {
        migrations::revert(&mut session, false).unwrap().unwrap();
    }
    let reverted = migrations::revert(&mut session, true).unwrap().unwrap();
    assert_eq!(reverted.dropped.len(), 3);
}

#[test]
fn the_blocking_connection_works_beside_an_asynchronous_runtime() {
    let url = url(&SERVER, "localhost", "?ssl_mode=required");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcome = runtime.block_on(async {
        tokio::task::spawn_blocking(move || blocking(&url))
            .await
            .unwrap()
    });
    assert_eq!(outcome, Outcome::Encrypted);
}
