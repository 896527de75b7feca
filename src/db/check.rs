//! Whether the database's tables serve this program: each mismatch is one line, with the SQL that
//! mends it where one statement does. Imports `db::catalogue`, `db::indexes`, `db::session` and the
//! baseline's mark.
//!
//! | what              | needed                                                                    |
//! |-------------------|---------------------------------------------------------------------------|
//! | table             | a base table (no view), InnoDB                                            |
//! | `id`              | an integer of any width, signed or not; `AUTO_INCREMENT` and unique; the values stored and the next one within 1 to 2147483647 |
//! | `user_id`, `product_id` | an integer; a foreign key to the parent's `id`, `ON DELETE CASCADE` |
//! | `email`, `title`, `image_url`, `description` | VARCHAR or TEXT family, utf8mb4, as long as the contract allows or longer; no stored value longer than that. No CHAR: it drops trailing spaces |
//! | `password`        | CHAR, VARCHAR or TEXT family, any character set, for 97 characters (an Argon2id hash) or more. What is stored is never read here |
//! | `role`            | ENUM of exactly ADMIN and USER, in any order                              |
//! | nullability       | as in the baseline                                                        |
//! | unique indexes    | one on `email` alone; others only if the contract's requests cannot violate them |
//! | further columns   | nullable, with a default, or generated: inserts do not mention them       |
//!
//! Not looked at: triggers, CHECK constraints, foreign keys of other tables to these, defaults,
//! collations, and stored values but for ids and lengths.
//!
//! Four queries of the catalogue and one of each table's smallest and largest id: a few
//! milliseconds, no locks. A column that can hold more than the contract allows is read through
//! once, unless the baseline created its table (only this program writes there).

use diesel::sql_types::{Nullable, Text};
use diesel::{QueryResult, QueryableByName};

use super::catalogue::{ColumnFacts, Facts, KeyFacts, TableFacts, UniqueFacts};
use super::indexes::ListIndex;
use super::migrations::MARK;
use super::session::Session;

/// The length of `$argon2id$v=19$m=19456,t=2,p=1$<salt of 16 bytes>$<hash of 32 bytes>`.
const PASSWORD_HASH_CHARS: i64 = 97;

/// What a column must be able to hold.
#[derive(Clone, Copy)]
enum Kind {
    /// The table's key.
    Id,
    /// The `id` of a row of this table.
    Reference(&'static str),
    /// Text of at most so many characters.
    Text(i64),
    /// A password's hash.
    Hash,
    /// A user's role.
    Role,
}

struct Column {
    name: &'static str,
    kind: Kind,
    nullable: bool,
    /// The type to suggest.
    sql: &'static str,
}

const fn column(name: &'static str, kind: Kind, nullable: bool, sql: &'static str) -> Column {
    Column {
        name,
        kind,
        nullable,
        sql,
    }
}

const ID: Column = column("id", Kind::Id, false, "INT NOT NULL AUTO_INCREMENT");

/// The tables, parents first.
const TABLES: [(&str, &[Column]); 3] = [
    (
        "users",
        &[
            ID,
            column(
                "email",
                Kind::Text(255),
                false,
                "VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL",
            ),
            column("password", Kind::Hash, false, "VARCHAR(255) NOT NULL"),
            column(
                "role",
                Kind::Role,
                false,
                "ENUM('ADMIN', 'USER') NOT NULL DEFAULT 'USER'",
            ),
        ],
    ),
    (
        "products",
        &[
            ID,
            column(
                "title",
                Kind::Text(255),
                false,
                "VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL",
            ),
            column(
                "image_url",
                Kind::Text(500),
                true,
                "VARCHAR(500) CHARACTER SET utf8mb4 NULL",
            ),
            column(
                "description",
                Kind::Text(16_383),
                true,
                "TEXT CHARACTER SET utf8mb4 NULL",
            ),
        ],
    ),
    (
        "cart",
        &[
            ID,
            column("user_id", Kind::Reference("users"), false, "INT NOT NULL"),
            column(
                "product_id",
                Kind::Reference("products"),
                false,
                "INT NOT NULL",
            ),
        ],
    ),
];

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

/// What does not work in the session's database although its tables serve the program, a line each.
///
/// # Errors
/// When the database cannot be read.
pub fn warnings(session: &mut Session) -> QueryResult<Vec<String>> {
    let mut warnings = Vec::new();
    for index in ListIndex::ALL {
        let exists = index.exists();
        let found: Vec<Value> =
            session.load(&format!("SELECT IF({exists}, 'yes', NULL) AS value"))?;
        if found.iter().any(|row| row.value.is_some()) {
            continue;
        }
        let (table, column) = index.column();
        warnings.push(format!(
            "{table}.{column}: no index that lists can be read from, so that {table} cannot be \
             searched or sorted by {column}: `ecommerce-api migrate run` adds one to products if \
             `migrate status` shows a migration as pending; else ALTER TABLE {table} ADD INDEX \
             ({column}), which takes texts of up to VARCHAR(768)"
        ));
    }
    Ok(warnings)
}

/// Everything in which the session's database does not serve the program, a line each; none is good.
///
/// # Errors
/// When the database cannot be read.
pub fn mismatches(session: &mut Session) -> QueryResult<Vec<String>> {
    let facts = Facts::load(session)?;
    let mut mismatches = Vec::new();
    for (table, columns) in &TABLES {
        let Some(found) = facts.tables.iter().find(|found| found.name == *table) else {
            mismatches.push(format!(
                "{table}: the table is missing; `ecommerce-api migrate run` creates it"
            ));
            continue;
        };
        if found.kind != "BASE TABLE" {
            mismatches.push(format!(
                "{table}: is a {}; must be a table",
                found.kind.to_lowercase()
            ));
            continue;
        }
        let engine = found.engine.as_deref().unwrap_or("none");
        if !engine.eq_ignore_ascii_case("InnoDB") {
            mismatches.push(format!(
                "{table}: engine {engine}; must be InnoDB, for transactions and foreign keys: \
                 ALTER TABLE {table} ENGINE = InnoDB"
            ));
        }
        for needed in *columns {
            facts.check_column(table, needed, &mut mismatches);
        }
        facts.check_uniques(table, columns, &mut mismatches);
        facts.check_further_columns(table, columns, &mut mismatches);
        facts.check_ids(session, found, &mut mismatches)?;
        if found.comment != MARK {
            facts.check_lengths(session, table, columns, &mut mismatches)?;
        }
    }
    Ok(mismatches)
}

impl Facts {
    fn check_column(&self, table: &str, needed: &Column, mismatches: &mut Vec<String>) {
        let Column { name, sql, .. } = needed;
        let Some(found) = self.column(table, name) else {
            mismatches.push(format!(
                "{table}.{name}: the column is missing; needed: {sql}"
            ));
            return;
        };
        if let Some(reason) = wrong_type(needed.kind, found) {
            mismatches.push(format!(
                "{table}.{name}: {reason}: ALTER TABLE {table} MODIFY {name} {sql}"
            ));
        } else if found.is_generated() {
            mismatches.push(format!(
                "{table}.{name}: is generated; must be an ordinary column, written by inserts"
            ));
        } else if let Some(reason) = wrong_attribute(needed, found) {
            mismatches.push(format!(
                "{table}.{name}: {reason}: ALTER TABLE {table} MODIFY {name} {}",
                same_type(needed, found)
            ));
        }
        if let Kind::Reference(parent) = needed.kind {
            self.check_key(table, name, parent, mismatches);
        }
    }

    fn check_key(&self, table: &str, name: &str, parent: &str, mismatches: &mut Vec<String>) {
        let target = format!("{parent}.id");
        let add = format!("ADD FOREIGN KEY ({name}) REFERENCES {parent} (id) ON DELETE CASCADE");
        let single = |key: &&KeyFacts| {
            key.in_table == table
                && key.column_name == name
                && key.target == target
                && self
                    .keys
                    .iter()
                    .filter(|other| other.key_name == key.key_name)
                    .count()
                    == 1
        };
        // With several keys on one column, the strictest decides.
        let mut keys = self.keys.iter().filter(single).peekable();
        if keys.peek().is_none() {
            mismatches.push(format!(
                "{table}.{name}: no foreign key to {target}: ALTER TABLE {table} {add}"
            ));
        }
        for key in keys.filter(|key| key.on_delete != "CASCADE") {
            mismatches.push(format!(
                "{table}.{name}: foreign key ON DELETE {}; must be ON DELETE CASCADE: \
                 ALTER TABLE {table} DROP FOREIGN KEY `{}`, {add}",
                key.on_delete, key.key_name
            ));
        }
    }

    /// `id` and `email` must be unique; what else is unique must not refuse the contract's requests.
    fn check_uniques(&self, table: &str, columns: &[Column], mismatches: &mut Vec<String>) {
        let mut indexes: Vec<Vec<&UniqueFacts>> = Vec::new();
        for part in self.uniques.iter().filter(|part| part.in_table == table) {
            match indexes.last_mut() {
                Some(index) if index[0].index_name == part.index_name => index.push(part),
                _ => indexes.push(vec![part]),
            }
        }
        let is_unique = |name: &str| {
            indexes.iter().any(|index| {
                index.len() == 1
                    && index[0].column_name.as_deref() == Some(name)
                    && index[0].prefix.is_none()
            })
        };
        for (name, add) in [
            ("id", "ADD PRIMARY KEY (id)"),
            ("email", "ADD UNIQUE INDEX users_email (email)"),
        ] {
            if self.column(table, name).is_some()
                && columns.iter().any(|column| column.name == name)
                && !is_unique(name)
            {
                mismatches.push(format!(
                    "{table}.{name}: no unique index on it alone: ALTER TABLE {table} {add}"
                ));
            }
        }

        // An index is harmless when a part of it differs in any two rows anyway: the id, the email,
        // or a further column that inserts leave NULL.
        let harmless = |part: &UniqueFacts| {
            let name = part.column_name.as_deref().unwrap_or_default();
            let ours = columns.iter().any(|column| column.name == name);
            let whole = part.prefix.is_none();
            whole && (name == "id" || (name == "email" && ours))
                || !ours
                    && self.column(table, name).is_some_and(|column| {
                        column.nullable == "YES"
                            && column.has_default == 0
                            && !column.is_generated()
                    })
        };
        for index in indexes {
            if !index.iter().any(|part| harmless(part)) {
                let names: Vec<&str> = index
                    .iter()
                    .map(|part| part.column_name.as_deref().unwrap_or("an expression"))
                    .collect();
                mismatches.push(format!(
                    "{table}: unique index {} on {} would refuse rows that the contract allows: \
                     ALTER TABLE {table} DROP INDEX `{}`",
                    index[0].index_name,
                    names.join(", "),
                    index[0].index_name
                ));
            }
        }
    }

    fn check_further_columns(&self, table: &str, columns: &[Column], mismatches: &mut Vec<String>) {
        let further = self
            .columns
            .iter()
            .filter(|found| found.in_table == table)
            .filter(|found| columns.iter().all(|column| column.name != found.name));
        for found in further {
            let filled = found.nullable == "YES"
                || found.has_default == 1
                || found.is_generated()
                || found.extra.contains("AUTO_INCREMENT");
            if !filled {
                let name = &found.name;
                mismatches.push(format!(
                    "{table}.{name}: NOT NULL without a default, so inserts would fail: \
                     ALTER TABLE {table} MODIFY `{name}` {} NULL",
                    found.full_type
                ));
            }
        }
    }

    fn check_ids(
        &self,
        session: &mut Session,
        table: &TableFacts,
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        let name = &table.name;
        if self.column(name, "id").is_none() {
            return Ok(());
        }
        // The ends of an index: two look-ups, however large the table.
        let strays: Vec<Value> = session.load(&format!(
            "SELECT CAST(id AS CHAR) AS value FROM \
             (SELECT MIN(id) AS id FROM {name} UNION SELECT MAX(id) FROM {name}) AS ends \
             WHERE id < 1 OR id > 2147483647"
        ))?;
        for stray in strays {
            mismatches.push(format!(
                "{name}.id: there is a row {}; the contract's ids go from 1 to 2147483647",
                stray.value.unwrap_or_default()
            ));
        }
        if let Some(next) = &table.exhausted {
            mismatches.push(format!(
                "{name}.id: the next one would be {next}; the contract's ids end at 2147483647: \
                 ALTER TABLE {name} AUTO_INCREMENT = 1 (goes on after the largest id)"
            ));
        }
        Ok(())
    }

    /// Stored texts must not be longer than clients are told.
    fn check_lengths(
        &self,
        session: &mut Session,
        table: &str,
        columns: &[Column],
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        for column in columns {
            let (Kind::Text(limit), Some(found)) = (column.kind, self.column(table, column.name))
            else {
                continue;
            };
            // Whether bytes or characters: with fewer than the limit, nothing is too long.
            if found.capacity().is_none() || found.length <= Some(limit) {
                continue;
            }
            let name = column.name;
            // Counting bytes first spares the decoding of all that is short.
            let longer: Vec<Value> = session.load(&format!(
                "SELECT CAST(CHAR_LENGTH({name}) AS CHAR) AS value FROM {table} \
                 WHERE LENGTH({name}) > {limit} AND CHAR_LENGTH({name}) > {limit} LIMIT 1"
            ))?;
            if let Some(Value { value: Some(chars) }) = longer.first() {
                mismatches.push(format!(
                    "{table}.{name}: a row has {chars} characters, more than the contract's {limit}: \
                     UPDATE {table} SET {name} = LEFT({name}, {limit}) WHERE CHAR_LENGTH({name}) > {limit}"
                ));
            }
        }
        Ok(())
    }
}

/// Why the column's type does not serve, if it does not.
fn wrong_type(kind: Kind, found: &ColumnFacts) -> Option<String> {
    let full_type = &found.full_type;
    match kind {
        Kind::Id | Kind::Reference(_) => {
            let integers = ["tinyint", "smallint", "mediumint", "int", "bigint"];
            (!integers.contains(&found.family.as_str()))
                .then(|| format!("{full_type}; must be an integer"))
        }
        Kind::Text(limit) => match found.capacity() {
            None => Some(format!("{full_type}; must be text for {limit} characters")),
            Some(_) if found.family == "char" => Some(format!(
                "{full_type}; must be VARCHAR, since CHAR drops trailing spaces"
            )),
            Some(chars) if chars < limit => Some(format!(
                "{full_type}, for {chars} characters; must hold {limit}"
            )),
            Some(_) => match found.charset.as_deref() {
                Some("utf8mb4") => None,
                other => Some(format!(
                    "character set {}; must be utf8mb4, which holds any text",
                    other.unwrap_or("none")
                )),
            },
        },
        Kind::Hash => match found.capacity() {
            Some(chars) if chars >= PASSWORD_HASH_CHARS => None,
            _ => Some(format!(
                "{full_type}; must be text of {PASSWORD_HASH_CHARS} characters or more, the length \
                 of an Argon2id hash"
            )),
        },
        Kind::Role => {
            let serves = ["enum('ADMIN','USER')", "enum('USER','ADMIN')"];
            (!serves.contains(&full_type.as_str()))
                .then(|| format!("{full_type}; must be ENUM('ADMIN', 'USER')"))
        }
    }
}

/// What is wrong with a column of the right type, if anything is.
fn wrong_attribute(needed: &Column, found: &ColumnFacts) -> Option<&'static str> {
    let counts = found.extra.contains("AUTO_INCREMENT");
    match (found.nullable == "YES", needed.nullable) {
        (true, false) => Some("nullable; must be NOT NULL"),
        (false, true) => Some("NOT NULL; must be nullable"),
        _ if matches!(needed.kind, Kind::Id) && !counts => Some("must be AUTO_INCREMENT"),
        _ => None,
    }
}

/// The column's own type with the attributes that are needed: nothing stored has to change.
fn same_type(needed: &Column, found: &ColumnFacts) -> String {
    let mut sql = found.full_type.clone();
    if let Some(charset) = &found.charset {
        sql.push_str(" CHARACTER SET ");
        sql.push_str(charset);
    }
    sql.push_str(if needed.nullable {
        " NULL"
    } else {
        " NOT NULL"
    });
    if matches!(needed.kind, Kind::Id) {
        sql.push_str(" AUTO_INCREMENT");
    }
    sql
}
