//! Failed starts of `serve`: one message that says what to do, and exit code 1.

use std::net::TcpListener;

use crate::database::Database;
use crate::process::{directory, run, run_in};

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let message = run(&["serve"], &[("SERVER_PORT", &port)]).failure(1);
    assert_eq!(
        message,
        format!("port {port} on 127.0.0.1 is in use: stop what uses it, or set SERVER_PORT\n")
    );
}

#[test]
fn an_address_of_another_machine() {
    let variables = [("AUTH_MODE", "off")];
    let message = run(&["--server-host=192.0.2.1"], &variables).failure(1);
    assert!(message.contains("192.0.2.1:0"), "{message}");
    assert!(message.contains("SERVER_HOST"), "{message}");
}

#[test]
fn a_database_that_cannot_be_reached() {
    let url = "mysql://shop:hunter2@127.0.0.1:1/shop";
    for arguments in [&["serve"][..], &["check"], &["seed", "--users=1"]] {
        let variables = [
            ("DATABASE_URL", url),
            ("DATABASE_WAIT", "0"),
            ("SERVER_PORT", "0"),
        ];
        let message = run(arguments, &variables).failure(1);
        let expected = "cannot connect to the database at 127.0.0.1:1, database shop";
        assert!(message.starts_with(expected), "{message}");
        assert!(message.contains("DATABASE_URL"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_wrong_password() {
    let database = Database::empty("wrong_password");
    database.execute("CREATE OR REPLACE USER careful@localhost IDENTIFIED BY 'right'");
    let url = database.url.replace("root@", "careful:hunter2@");
    let variables = [("DATABASE_URL", url.as_str()), ("SERVER_PORT", "0")];
    let message = run(&["serve"], &variables).failure(1);
    assert!(message.contains("Access denied"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    database.execute("DROP USER careful@localhost");
}

#[test]
fn a_database_that_is_not_there() {
    let database = Database::empty("absent");
    let url = database.url.replace("absent", "nowhere");
    let variables = [("DATABASE_URL", url.as_str()), ("SERVER_PORT", "0")];
    let message = run(&["serve"], &variables).failure(1);
    assert!(message.contains("Unknown database 'nowhere'"), "{message}");
}

#[test]
fn a_database_without_the_tables() {
    let database = Database::empty("no_tables");
    let variables = [database.setting(), ("SERVER_PORT", "0")];
    let message = run(&["serve"], &variables).failure_in_lines(1);
    assert_eq!(message.matches("the table is missing").count(), 3);
    assert!(message.contains("`ecommerce-api migrate run`"), "{message}");
    assert!(message.contains("MIGRATE_ON_START=true"), "{message}");
    assert_eq!(
        database.number(
            "(SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE())"
        ),
        0,
        "nothing is migrated without MIGRATE_ON_START"
    );
}

#[test]
fn tables_that_do_not_fit() {
    let database = Database::empty("mismatch");
    run(&["migrate", "run"], &[database.setting()]).success();
    database.execute(
        "ALTER TABLE users DROP INDEX users_email;
         ALTER TABLE products MODIFY title VARCHAR(100) NOT NULL",
    );
    let variables = [database.setting(), ("SERVER_PORT", "0")];
    let message = run(&["serve"], &variables).failure_in_lines(1);
    for mismatch in ["\n  users.email", "\n  products.title"] {
        assert!(message.contains(mismatch), "{message}");
    }
    assert_eq!(message.lines().count(), 4, "{message}");
}

#[test]
fn a_data_directory_that_is_a_file() {
    let directory = directory();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let variables = [("DATA_DIR", "file"), ("SERVER_PORT", "0")];
    let outcome = run_in(directory.path(), &["serve"], &variables);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let last = outcome.stderr.lines().last().unwrap();
    let expected = "ecommerce-api: cannot create the data directory file: ";
    assert!(last.starts_with(expected), "{outcome:?}");
}
