//! The sample shop: a few users, the products of a kitchen shop, some items in carts.

use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods, QueryResult, QueryableByName, insert_into, sql_query};

use crate::db::schema::products;
use crate::db::session::Session;

/// The users: email and role.
const USERS: [(&str, &str); 5] = [
    ("ines.carvalho@example.com", "ADMIN"),
    ("jonas.lindqvist@example.com", "USER"),
    ("amara.okafor@example.com", "USER"),
    ("tomasz.nowak@example.com", "USER"),
    ("yuki.tanaka@example.com", "USER"),
];

/// The products: title, picture, description.
const PRODUCTS: [(&str, Option<&str>, Option<&str>); 12] = [
    (
        "Moka pot, 3 cups",
        Some("/images/moka-pot.jpg"),
        Some(
            "Aluminium, for the stove. Makes 150 ml of strong coffee; every part can be bought singly.",
        ),
    ),
    (
        "Enamel mug, 350 ml",
        Some("/images/enamel-mug.jpg"),
        Some("White with a blue rim. Survives camp fires, dishwashers and most falls."),
    ),
    (
        "Chef’s knife, 20 cm",
        Some("/images/chefs-knife.jpg"),
        Some("Forged carbon steel with a walnut handle. Takes a very keen edge; dry it after use."),
    ),
    (
        "Cast-iron skillet, 26 cm",
        Some("/images/cast-iron-skillet.jpg"),
        Some(
            "Seasoned with linseed oil and ready to use. For gas, induction and the oven; weighs 2.4 kg.",
        ),
    ),
    (
        "Crème brûlée dishes, set of 4",
        Some("/images/creme-brulee-dishes.jpg"),
        Some("Shallow stoneware dishes, 12 cm across, safe under the grill."),
    ),
    (
        "Linen tea towel",
        Some("/images/linen-tea-towel.jpg"),
        Some("50 × 70 cm of washed Lithuanian linen. Polishes glasses without lint."),
    ),
    (
        "Olive-wood spoon",
        None,
        Some("Carved from a single piece, so no two are alike. Oil it now and then."),
    ),
    (
        "Digital kitchen scale",
        Some("/images/kitchen-scale.jpg"),
        Some("Weighs up to 5 kg in steps of 1 g. Runs on two AAA batteries, which are included."),
    ),
    (
        "Glass storage jar, 1 l",
        Some("/images/storage-jar.jpg"),
        None,
    ),
    (
        "Salad spinner",
        Some("/images/salad-spinner.jpg"),
        Some("Pull cord, brake, and a bowl that may come to the table. Holds 4.5 l."),
    ),
    (
        "Matcha whisk (chasen), 80 prongs",
        Some("/images/chasen.jpg"),
        Some("Split by hand from one piece of bamboo in Takayama (高山). Rinse with water only."),
    ),
    ("Beeswax wraps, set of 3", None, None),
];

/// The cart items: user and product, as indexes into the lists above.
const CART: [(usize, usize); 7] = [(1, 0), (1, 1), (1, 1), (2, 3), (2, 5), (3, 10), (4, 2)];

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    found: i64,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

/// Fills the tables in one transaction if all three are empty; returns whether they were.
///
/// Every user gets `password_hash`. It should be the hash of a random password that is not kept, so
/// that no one can log in as one of these users.
///
/// # Errors
/// The database's; then nothing was inserted.
pub fn sample_shop(session: &mut Session, password_hash: &str) -> QueryResult<bool> {
    session.transaction(|session| {
        let found: Vec<Found> = session.load(
            "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM products) \
                 OR EXISTS (SELECT 1 FROM cart) AS found",
        )?;
        if found.iter().any(|row| row.found != 0) {
            return Ok(false);
        }

        let mut users = Vec::new();
        for (email, role) in USERS {
            session.execute(
                &sql_query("INSERT INTO users (email, password, role) VALUES (?, ?, ?)")
                    .bind::<Text, _>(email)
                    .bind::<Text, _>(password_hash)
                    .bind::<Text, _>(role),
            )?;
            users.push(last_id(session)?);
        }
        let mut products = Vec::new();
        for (title, image_url, description) in PRODUCTS {
            session.execute(&insert_into(products::table).values((
                products::title.eq(title),
                products::image_url.eq(image_url),
                products::description.eq(description),
            )))?;
            products.push(last_id(session)?);
        }
        for (user, product) in CART {
            let (user, product) = (users[user], products[product]);
            session.batch_execute(&format!(
                "INSERT INTO cart (user_id, product_id) VALUES ({user}, {product})"
            ))?;
        }
        Ok(true)
    })
}

/// The id of the row that was inserted last.
fn last_id(session: &mut Session) -> QueryResult<i32> {
    let ids: Vec<Id> = session.load("SELECT LAST_INSERT_ID() AS id")?;
    ids.first().map(|row| row.id).ok_or(diesel::NotFound)
}
