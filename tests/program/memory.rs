//! The memory that the serving process keeps.

use crate::database::Database;
use crate::http::{get, send, send_json};
use crate::process::{Server, directory, eventually};

/// How many passwords are hashed, one after another.
const SIGN_UPS: usize = 60;
/// MiB: more than the rest of the program needs for so many requests.
const GROWTH: usize = 8;
/// MiB: what one hash needs.
const BLOCKS: usize = 19;

#[test]
fn sign_ups_keep_the_memory_of_one_hash_per_hashing_thread_and_give_it_back() {
    let database = Database::empty("sign_up_memory");
    let variables = [database.setting(), ("MIGRATE_ON_START", "yes")];
    let server = Server::start(directory().path(), &variables);
    let address = &server.address;
    // The first requests open connections to the database.
    assert_eq!(get(address, "/api/users/1", &[]).status, 404);
    let start = server.memory();

    let clients = 4;
    std::thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                for number in 0..SIGN_UPS / clients {
                    let user = format!(
                        r#"{{"email":"{client}-{number}@example.com","password":"secret","role":"USER"}}"#
                    );
                    assert_eq!(send_json(address, "POST", "/api/users", &user).status, 201);
                }
            });
        }
    });
    let cores = std::thread::available_parallelism().unwrap().get();
    let most = start + GROWTH + BLOCKS * (cores - 1).max(1);
    let after = server.memory();
    assert!(
        after <= most,
        "{start} MiB at the start, {after} MiB after sign-ups"
    );

    let given_back = eventually(|| (server.memory() <= start + GROWTH).then_some(()));
    let memory = server.memory();
    assert!(
        given_back.is_some(),
        "{start} MiB at the start, {memory} MiB at rest"
    );
    server.stop();
}

#[test]
fn rejected_duplicates_and_unknown_ids_cost_no_hash() {
    let database = Database::empty("rejected_sign_ups");
    let variables = [database.setting(), ("MIGRATE_ON_START", "yes")];
    let server = Server::start(directory().path(), &variables);
    let address = &server.address;
    database.execute("INSERT INTO users (email, password) VALUES ('a@example.com', 'x')");
    assert_eq!(get(address, "/api/users/1", &[]).status, 200);
    let start = server.peak_memory();

    let user = r#"{"email":"A@example.com","password":"secret","role":"USER"}"#;
    let password = r#"{"password":"secret"}"#;
    assert_eq!(send_json(address, "POST", "/api/users", user).status, 409);
    let json = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "k"),
    ];
    let with_key = send(address, "POST", "/api/users", &json, user);
    assert_eq!(with_key.response().status, 409);
    assert_eq!(
        send_json(address, "PUT", "/api/users/2", password).status,
        404
    );
    let peak = server.peak_memory();
    assert!(
        peak < start + BLOCKS / 2,
        "{start} MiB before, {peak} MiB after"
    );

    assert_eq!(
        send_json(address, "PUT", "/api/users/1", password).status,
        200
    );
    let peak = server.peak_memory();
    assert!(peak >= start + BLOCKS / 2, "a hash is noticed: {peak} MiB");
    server.stop();
}
