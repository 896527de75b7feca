//! The tables and columns that the program needs. Imports no other module.

/// The length of `$argon2id$v=19$m=19456,t=2,p=1$<salt of 16 bytes>$<hash of 32 bytes>`.
pub(super) const PASSWORD_HASH_CHARS: i64 = 97;

/// What a column must be able to hold.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The table's key.
    Id,
    /// The `id` of a row of this table.
    Reference(&'static str),
    /// Text of up to this many characters.
    Text(i64),
    /// A password's hash.
    Hash,
    /// A user's role.
    Role,
}

/// A column that the program needs.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    /// The type that a message suggests for a new column.
    pub(super) sql: &'static str,
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
pub(super) const TABLES: [(&str, &[Column]); 3] = [
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
