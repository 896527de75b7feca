//! Made-up rows in bulk: a thousand for each statement, ten statements for each transaction.
//!
//! With a seed and an empty database the rows are the same on every machine and in every release of
//! the random generator: `ChaCha8` promises that (`StdRng` does not). Each table draws from a
//! stream of its own, so that, for example, the number of users does not change the products.

use std::fmt;

use diesel::sql_types::Integer;
use diesel::{ExpressionMethods, QueryResult, QueryableByName, insert_into};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::db::schema::{cart, products, sql_types::UsersRoleEnum, users};
use crate::db::session::Session;

const ROWS_PER_STATEMENT: u32 = 1_000;
const STATEMENTS_PER_TRANSACTION: u32 = 10;
/// One user in this many is an ADMIN.
const ADMIN_EVERY: u32 = 100;

/// How many rows to add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rows of `users`.
    pub users: u32,
    /// Rows of `products`.
    pub products: u32,
    /// Rows of `cart`, for users and products of this plan and older ones.
    pub cart: u32,
    /// The same seed makes the same rows in empty tables; without one they differ each time.
    pub rng_seed: Option<u64>,
}

/// Why not all rows were added. The rows of committed transactions stay.
#[derive(Debug)]
pub enum Error {
    /// The plan has cart rows, but this table is empty and the plan adds nothing to it.
    Missing(&'static str),
    /// The database's error.
    Query(diesel::result::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(table) => write!(
                f,
                "cart rows need {table}, and there are none: add --{table} with a number"
            ),
            Self::Query(cause) => write!(f, "adding rows failed: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<diesel::result::Error> for Error {
    fn from(cause: diesel::result::Error) -> Self {
        Self::Query(cause)
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Integer)]
    id: i32,
}

/// Adds the plan's rows to those of the tables. Every user gets `password_hash`, an Argon2id hash,
/// usually of a random password that is not kept. `progress` is called with the table, the rows done
/// and the rows in total after each statement.
///
/// # Errors
/// [`Error::Missing`] before anything is inserted, or an error of the database, after which the
/// rows of committed transactions stay. The deletion of a user or product meanwhile can cause such
/// an error.
pub fn bulk(
    session: &mut Session,
    plan: &Plan,
    password_hash: &str,
    progress: &mut dyn FnMut(&'static str, u32, u32),
) -> Result<(), Error> {
    if plan.cart > 0 {
        for (table, planned) in [("users", plan.users), ("products", plan.products)] {
            let some: Vec<Id> = session.load(&format!("SELECT id FROM {table} LIMIT 1"))?;
            if planned == 0 && some.is_empty() {
                return Err(Error::Missing(table));
            }
        }
    }
    let seed = plan.rng_seed.unwrap_or_else(rand::random);
    let stream = |number| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        rng
    };

    // The numbers that an earlier call used are not larger than the ids of its rows, so these are
    // new.
    let last: Vec<Id> = session.load("SELECT COALESCE(MAX(id), 0) AS id FROM users")?;
    let mut number = last.first().map_or(0, |row| i64::from(row.id));
    let mut rng = stream(1);
    in_batches("users", plan.users, session, progress, |session, rows| {
        let rows: Vec<_> = (0..rows)
            .map(|_| {
                number += 1;
                let role = if rng.random_range(0..ADMIN_EVERY) == 0 {
                    "'ADMIN'"
                } else {
                    "'USER'"
                };
                (
                    users::email.eq(email(&mut rng, number)),
                    users::password.eq(password_hash),
                    users::role.eq(diesel::dsl::sql::<UsersRoleEnum>(role)),
                )
            })
            .collect();
        session.execute(&insert_into(users::table).values(rows))
    })?;

    let mut rng = stream(2);
    in_batches(
        "products",
        plan.products,
        session,
        progress,
        |session, rows| {
            let rows: Vec<_> = (0..rows)
                .map(|_| {
                    let (title, image_url, description) = product(&mut rng);
                    (
                        products::title.eq(title),
                        products::image_url.eq(image_url),
                        products::description.eq(description),
                    )
                })
                .collect();
            session.execute(&insert_into(products::table).values(rows))
        },
    )?;

    if plan.cart > 0 {
        // Reads all ids, four bytes each, since a random number may be in a gap between the ids.
        let user_ids: Vec<Id> = session.load("SELECT id FROM users ORDER BY id")?;
        let product_ids: Vec<Id> = session.load("SELECT id FROM products ORDER BY id")?;
        for (table, ids) in [("users", &user_ids), ("products", &product_ids)] {
            if ids.is_empty() {
                return Err(Error::Missing(table));
            }
        }
        let mut rng = stream(3);
        let mut any = |ids: &[Id]| ids[rng.random_range(0..ids.len())].id;
        in_batches("cart", plan.cart, session, progress, |session, rows| {
            let rows: Vec<_> = (0..rows)
                .map(|_| {
                    (
                        cart::user_id.eq(any(&user_ids)),
                        cart::product_id.eq(any(&product_ids)),
                    )
                })
                .collect();
            session.execute(&insert_into(cart::table).values(rows))
        })?;
    }
    // Until its statistics are updated, the database plans joins as if the tables were empty.
    session.batch_execute("ANALYZE TABLE users, products, cart")?;
    Ok(())
}

/// Calls `insert` with row counts that add up to `total`, several calls to a transaction.
fn in_batches(
    table: &'static str,
    total: u32,
    session: &mut Session,
    progress: &mut dyn FnMut(&'static str, u32, u32),
    mut insert: impl FnMut(&mut Session, u32) -> QueryResult<usize>,
) -> QueryResult<()> {
    let mut done = 0;
    while done < total {
        session.transaction(|session| {
            for _ in 0..STATEMENTS_PER_TRANSACTION {
                let rows = ROWS_PER_STATEMENT.min(total - done);
                if rows == 0 {
                    break;
                }
                insert(session, rows)?;
                done += rows;
                progress(table, done, total);
            }
            Ok(())
        })?;
    }
    Ok(())
}

const FIRST_NAMES: [&str; 24] = [
    "ada", "amir", "bea", "carlos", "chloe", "dmitri", "elif", "emma", "farid", "grace", "hana",
    "igor", "joao", "kofi", "lena", "mei", "nadia", "olu", "priya", "quinn", "rosa", "sven",
    "tariq", "zoe",
];
const LAST_NAMES: [&str; 24] = [
    "abe", "becker", "costa", "dubois", "eriksen", "fischer", "garcia", "haddad", "ito", "jansen",
    "khan", "lopez", "moreau", "nguyen", "okoye", "petrov", "quist", "rossi", "silva", "tran",
    "ueda", "varga", "weber", "yilmaz",
];
/// Domains reserved for examples by RFC 2606.
const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// An email address. Different numbers make different addresses.
fn email(rng: &mut ChaCha8Rng, number: i64) -> String {
    format!(
        "{}.{}.{number}@{}",
        pick(rng, &FIRST_NAMES),
        pick(rng, &LAST_NAMES),
        pick(rng, &DOMAINS)
    )
}

const STYLES: [&str; 16] = [
    "Classic",
    "Compact",
    "Everyday",
    "Folding",
    "Handmade",
    "Heavy-duty",
    "Large",
    "Little",
    "Nordic",
    "Provençal",
    "Rustic",
    "Slim",
    "Stackable",
    "Travel",
    "Vintage",
    "Zürich",
];
const MATERIALS: [&str; 16] = [
    "aluminium",
    "bamboo",
    "beechwood",
    "brass",
    "cast-iron",
    "ceramic",
    "cork",
    "cotton",
    "enamel",
    "glass",
    "jute",
    "linen",
    "oak",
    "porcelain",
    "steel",
    "wool",
];
const THINGS: [&str; 24] = [
    "apron",
    "basket",
    "bottle",
    "bowl",
    "café table",
    "candlestick",
    "chair",
    "coffee mill",
    "colander",
    "crêpe pan",
    "cutting board",
    "fondue pot",
    "jar",
    "kettle",
    "lamp",
    "mug",
    "pepper mill",
    "plate",
    "shelf",
    "stool",
    "teapot",
    "tray",
    "vase",
    "wok (炒鍋)",
];
const SENTENCES: [&str; 14] = [
    "Made in small batches by a family workshop.",
    "Dishwasher-safe.",
    "Wipe it with a damp cloth; no soap needed.",
    "Keeps drinks warm for up to 6 hours.",
    "Fits into every cupboard that we have tried.",
    "Each piece is a little different – that is how you know it is made by hand.",
    "Spare parts are available for ten years.",
    "Comes in a box of recycled cardboard, without plastic.",
    "Usable between −20 °C and 220 °C.",
    "A present for people who have everything 🎁.",
    "Tested by our own cooks for a year before we put it into the shop.",
    "The finish is food-safe oil, no varnish.",
    "Costs less than 5 € to send anywhere in Europe.",
    "Designed in København, made in Košice.",
];

/// A product's title, picture and description.
fn product(rng: &mut ChaCha8Rng) -> (String, Option<String>, Option<String>) {
    let style = pick(rng, &STYLES);
    let material = pick(rng, &MATERIALS);
    let thing = pick(rng, &THINGS);
    let model = rng.random_range(100..10_000_u32);
    let title = format!("{style} {material} {thing}, no. {model}");
    let image_url = rng
        .random_bool(0.8)
        .then(|| format!("/images/{material}-{model}.jpg"));
    let description = rng.random_bool(0.9).then(|| {
        let sentences = rng.random_range(1..=4);
        (0..sentences)
            .map(|_| pick(rng, &SENTENCES))
            .collect::<Vec<_>>()
            .join(" ")
    });
    (title, image_url, description)
}

fn pick(rng: &mut ChaCha8Rng, from: &[&'static str]) -> &'static str {
    from.choose(rng).expect("the lists above are not empty")
}
