//! The URL of the database.

use ecommerce_api::db::session;
use ecommerce_api::db::url::{DatabaseUrl, Tls};

use crate::server::SERVER;

#[test]
fn the_error_names_the_mistake() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let no_certificate = format!(
        "mysql://h/d?ssl_mode=verify_ca&ssl_ca={}",
        empty.path().display()
    );
    let long_socket = format!("mysql://localhost/d?socket=/{}", "s".repeat(107));
    for (url, message) in [
        ("shop", "not a database URL"),
        ("mysql://u:a/b@h/d", "percent-encoded"),
        ("mysql://u:1/b@h/d", "percent-encode"),
        ("mysql://u:1?secret@h/d", "percent-encode"),
        ("mysql://u:1#secret@h/d", "percent-encode"),
        ("postgres://u:p@h/d", "must start with mysql://"),
        ("mysql://u:p@h", "names no database"),
        ("mysql://u:p@h/", "names no database"),
        ("mysql://u:p@h/a/b", "database's name alone"),
        ("mysql://u:p@h/a%60b", "database's name alone"),
        (
            "mysql://u:%ff@h/d",
            "the password in the database URL is not UTF-8",
        ),
        (
            "mysql://u:%00@h/d",
            "the password in the database URL contains a NUL",
        ),
        ("mysql:///d", "names no host"),
        ("mysql://a;b=c/d", "not a host name"),
        ("mysql://h/d?socket=/s", "both a host and a socket"),
        (&long_socket, "longer than 107 bytes"),
        ("mysql://h/d?sokket=/s", "unknown parameter sokket"),
        ("mysql://h/d?1secret", "unknown parameter in"),
        (
            "mysql://h/d?ssl_mode=",
            "ssl_mode in the database URL is empty",
        ),
        (
            "mysql://h/d?ssl_mode=required&ssl_mode=disabled",
            "ssl_mode stands twice",
        ),
        ("mysql://h/d?ssl_mode=on", "unknown ssl_mode"),
        ("mysql://h/d?ssl_mode=preferred", "protects nothing"),
        ("mysql://h/d?ssl_mode=verify_ca", "needs ssl_ca"),
        (
            "mysql://h/d?ssl_mode=verify_ca&ssl_ca=/no/such.pem",
            "cannot read ssl_ca /no/such.pem",
        ),
        (&no_certificate, "holds no PEM certificate"),
        (
            "mysql://localhost/d?socket=/s&ssl_mode=required",
            "both socket and ssl_mode",
        ),
    ] {
        let error = DatabaseUrl::parse(url).unwrap_err().to_string();
        assert!(error.contains(message), "{url}: {error}");
        assert!(!error.contains("secret"), "{url}: {error}");
        assert!(error.lines().count() == 1, "{url}: {error}");
    }
}

#[test]
fn a_ca_that_would_be_ignored_is_an_error() {
    let ca = SERVER.directory.join("ca.pem");
    for mode in ["", "ssl_mode=disabled&", "ssl_mode=required&"] {
        let url = format!("mysql://h/d?{mode}ssl_ca={}", ca.display());
        let error = DatabaseUrl::parse(&url).unwrap_err().to_string();
        assert!(error.contains("verify_identity or verify_ca"), "{error}");
    }
}

#[test]
fn neither_user_nor_password_is_printed() {
    let url = DatabaseUrl::parse("mariadb://me:secret@Db.Example:3307/shop").unwrap();
    assert_eq!(url.to_string(), "db.example:3307, database shop");
    assert_eq!(
        format!("{url:?}"),
        "DatabaseUrl(db.example:3307, database shop, Disabled)"
    );
    let url = DatabaseUrl::parse("mysql://me:secret@[::1]/shop").unwrap();
    assert_eq!(url.to_string(), "[::1]:3306, database shop");
    assert_eq!(url.tls(), &Tls::Disabled);
}

#[test]
fn both_kinds_of_connection_use_the_same_user_password_and_database() {
    let port = SERVER.port;
    for host in ["127.0.0.1", "localhost"] {
        let url =
            format!("mysql://shop:p%20w%2F%23%3A%40%3F%26%3D%25%C3%BC@{host}:{port}/my%20shop");
        let url = DatabaseUrl::parse(&url).unwrap();
        let mut session = session::connect(&url).unwrap();
        session
            .batch_execute("CREATE TABLE IF NOT EXISTS `my shop`.seen (id INT)")
            .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            use mysql_async::prelude::Queryable;
            let mut connection = mysql_async::Conn::new(url.async_opts()).await.unwrap();
            let database: Option<String> =
                connection.query_first("SELECT DATABASE()").await.unwrap();
            assert_eq!(database.as_deref(), Some("my shop"));
            connection.disconnect().await.unwrap();
        });
    }
}

#[test]
fn a_failed_connection_says_where_and_why_without_the_password() {
    let port = SERVER.port;
    for (url, why) in [
        (
            format!("mysql://shop:secret@127.0.0.1:{port}/d"),
            "Access denied",
        ),
        (
            format!("mysql://shop:p%20w%2F%23%3A%40%3F%26%3D%25%C3%BC@127.0.0.1:{port}/none"),
            "Unknown database",
        ),
        (
            "mysql://shop:secret@127.0.0.1:1/d".to_owned(),
            "127.0.0.1:1",
        ),
        (
            "mysql://root@localhost/d?socket=/no/such/socket".to_owned(),
            "/no/such/socket",
        ),
    ] {
        let url = DatabaseUrl::parse(&url).unwrap();
        let error = session::connect(&url).err().unwrap().to_string();
        assert!(
            error.contains(why) && error.contains(&url.to_string()),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}
