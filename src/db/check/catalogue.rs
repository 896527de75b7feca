//! What the database's catalogue (`information_schema`) says about the three tables, in four queries.
//! Imports `db::session`.

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName};

use crate::db::session::Session;

#[derive(QueryableByName)]
pub(super) struct TableFacts {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) engine: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) comment: String,
    /// The next id, when it is past what the contract allows.
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) exhausted: Option<String>,
}

#[derive(QueryableByName)]
pub(super) struct ColumnFacts {
    #[diesel(sql_type = Text)]
    pub(super) in_table: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    /// The type's name: `varchar`.
    #[diesel(sql_type = Text)]
    pub(super) family: String,
    /// The whole type: `varchar(255)`.
    #[diesel(sql_type = Text)]
    pub(super) full_type: String,
    /// The largest length in characters; for the TEXT family, in bytes.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) length: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) charset: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) nullable: String,
    /// 1 if the column has a default other than NULL, else 0. (MariaDB shows the default NULL as
    /// the text `NULL`.)
    #[diesel(sql_type = BigInt)]
    pub(super) has_default: i64,
    #[diesel(sql_type = Text)]
    pub(super) extra: String,
}

/// One column of a unique index.
#[derive(QueryableByName)]
pub(super) struct UniqueFacts {
    #[diesel(sql_type = Text)]
    pub(super) in_table: String,
    #[diesel(sql_type = Text)]
    pub(super) index_name: String,
    /// `None` for an expression.
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) column_name: Option<String>,
    /// The number of leading characters that are indexed; `None` if all are.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) prefix: Option<i64>,
}

/// One column of a foreign key.
#[derive(QueryableByName)]
pub(super) struct KeyFacts {
    #[diesel(sql_type = Text)]
    pub(super) in_table: String,
    #[diesel(sql_type = Text)]
    pub(super) key_name: String,
    #[diesel(sql_type = Text)]
    pub(super) column_name: String,
    /// The column that the key refers to: `users.id`.
    #[diesel(sql_type = Text)]
    pub(super) target: String,
    #[diesel(sql_type = Text)]
    pub(super) on_delete: String,
}

/// One text, as the queries of the other checks return it.
#[derive(QueryableByName)]
pub(super) struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) value: Option<String>,
}

/// What the catalogue says about the three tables.
pub(super) struct Facts {
    pub(super) tables: Vec<TableFacts>,
    pub(super) columns: Vec<ColumnFacts>,
    pub(super) uniques: Vec<UniqueFacts>,
    pub(super) keys: Vec<KeyFacts>,
}

impl Facts {
    pub(super) fn load(session: &mut Session) -> QueryResult<Self> {
        // Column aliases, since MySQL 8 returns the catalogue's column names in capitals.
        Ok(Self {
            tables: session.load(
                "SELECT LOWER(table_name) AS name, table_type AS kind, engine AS engine, \
                        COALESCE(table_comment, '') AS comment, \
                        IF(auto_increment > 2147483647, CAST(auto_increment AS CHAR), NULL) AS exhausted \
                 FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name IN ('users', 'products', 'cart')",
            )?,
            columns: session.load(
                "SELECT LOWER(table_name) AS in_table, LOWER(column_name) AS name, \
                        LOWER(data_type) AS family, column_type AS full_type, \
                        CAST(character_maximum_length AS SIGNED) AS length, \
                        character_set_name AS charset, is_nullable AS nullable, \
                        CAST(COALESCE(column_default, 'NULL') <> 'NULL' AS SIGNED) AS has_default, \
                        UPPER(COALESCE(extra, '')) AS extra \
                 FROM information_schema.columns \
                 WHERE table_schema = DATABASE() AND table_name IN ('users', 'products', 'cart') \
                 ORDER BY table_name, ordinal_position",
            )?,
            uniques: session.load(
                "SELECT LOWER(table_name) AS in_table, index_name AS index_name, \
                        LOWER(column_name) AS column_name, CAST(sub_part AS SIGNED) AS prefix \
                 FROM information_schema.statistics \
                 WHERE table_schema = DATABASE() AND table_name IN ('users', 'products', 'cart') \
                   AND non_unique = 0 \
                 ORDER BY table_name, index_name, seq_in_index",
            )?,
            keys: session.load(
                "SELECT LOWER(k.table_name) AS in_table, k.constraint_name AS key_name, \
                        LOWER(k.column_name) AS column_name, \
                        LOWER(CONCAT(k.referenced_table_name, '.', k.referenced_column_name)) AS target, \
                        r.delete_rule AS on_delete \
                 FROM information_schema.key_column_usage k \
                 JOIN information_schema.referential_constraints r \
                   ON r.constraint_schema = k.constraint_schema \
                  AND r.table_name = k.table_name AND r.constraint_name = k.constraint_name \
                 WHERE k.table_schema = DATABASE() AND k.table_name = 'cart' \
                   AND k.referenced_table_schema = DATABASE() \
                   AND r.constraint_schema = DATABASE() AND r.table_name = 'cart'",
            )?,
        })
    }

    pub(super) fn column(&self, table: &str, name: &str) -> Option<&ColumnFacts> {
        self.columns
            .iter()
            .find(|column| column.in_table == table && column.name == name)
    }
}

impl ColumnFacts {
    /// How many characters fit whatever they are; `None` if the column is not text.
    pub(super) fn capacity(&self) -> Option<i64> {
        let length = self.length?;
        match self.family.as_str() {
            "char" | "varchar" => Some(length),
            // The length of these types is in bytes. Four bytes hold any character.
            "tinytext" | "text" | "mediumtext" | "longtext" => {
                Some(match self.charset.as_deref() {
                    Some("utf8mb4") => length / 4,
                    Some("utf8mb3" | "utf8") => length / 3,
                    _ => length,
                })
            }
            _ => None,
        }
    }

    pub(super) fn is_generated(&self) -> bool {
        // Not MySQL's DEFAULT_GENERATED, which is a default that is an expression.
        self.extra.contains("VIRTUAL GENERATED") || self.extra.contains("STORED GENERATED")
    }
}
