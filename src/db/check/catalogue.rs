//! What the database says about the three tables: its catalogue (`information_schema`), and
//! `SHOW CREATE TABLE`. Needs no right but SELECT on each table. Imports `db::session`.

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName};

use crate::db::session::Session;

use super::created::{self, Definition, ForeignKey, quoted};
use super::tables::Base;

#[derive(QueryableByName)]
struct Created {
    #[diesel(sql_type = Text, column_name = "Create Table")]
    sql: String,
}

#[derive(QueryableByName)]
struct Options {
    #[diesel(sql_type = Text)]
    engine: String,
    #[diesel(sql_type = Text)]
    row_format: String,
    #[diesel(sql_type = Text)]
    comment: String,
    #[diesel(sql_type = Nullable<Text>)]
    exhausted: Option<String>,
}

/// One column of the catalogue.
#[derive(QueryableByName)]
pub(super) struct ColumnRow {
    #[diesel(sql_type = Text)]
    name: String,
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
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) collation: Option<String>,
    /// How many bytes a character of the character set has at most.
    #[diesel(sql_type = BigInt)]
    pub(super) bytes_per_character: i64,
    /// The digits after the decimal point of a number.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) scale: Option<i64>,
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
    pub(super) index_name: String,
    /// `None` for an expression. The name under which the program sees the column.
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) column_name: Option<String>,
    /// The number of leading characters that are indexed; `None` if all are.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) prefix: Option<i64>,
}

/// One number, as the queries of the other checks return it.
#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The number of rows of `table` for which `condition` holds.
pub(super) fn count(session: &mut Session, table: &str, condition: &str) -> QueryResult<i64> {
    let rows: Vec<Number> = session.load(&format!(
        "SELECT CAST(COUNT(*) AS SIGNED) AS number FROM {table} WHERE {condition}"
    ))?;
    Ok(rows.first().map_or(0, |row| row.number))
}

pub(super) struct ColumnFacts {
    /// The name under which the program sees the column; for a column that a view leaves out, the
    /// name in the table.
    pub(super) name: String,
    /// Whether the program sees the column.
    is_visible: bool,
    /// The name in the table, in backticks.
    pub(super) sql_name: String,
    pub(super) row: ColumnRow,
    /// The definition, with all its attributes.
    pub(super) definition: Definition,
}

/// What the database says about one of the three tables, or about the table behind a view.
pub(super) struct TableFacts {
    /// The name under which the program uses the table.
    pub(super) name: &'static str,
    pub(super) base: Base,
    /// The name of the table in the database, quoted if necessary.
    pub(super) sql_name: String,
    pub(super) engine: String,
    pub(super) row_format: String,
    pub(super) comment: String,
    /// The next id, when it is past what the contract allows.
    pub(super) exhausted: Option<String>,
    pub(super) columns: Vec<ColumnFacts>,
    pub(super) uniques: Vec<UniqueFacts>,
    pub(super) keys: Vec<ForeignKey>,
}

impl TableFacts {
    pub(super) fn load(session: &mut Session, name: &'static str, base: Base) -> QueryResult<Self> {
        let sql_name = if base.name == name {
            name.to_owned()
        } else {
            quoted(&base.name)
        };
        let literal = base.name.replace('\\', "\\\\").replace('\'', "''");
        // Constants for the schema and the table: otherwise MariaDB opens every table.
        let this = format!("table_schema = DATABASE() AND table_name = '{literal}'");
        let created: Vec<Created> = session.load(&format!("SHOW CREATE TABLE {sql_name}"))?;
        let created = created.first().map_or("", |row| &row.sql);
        let mut definitions = created::columns(created);
        // Column aliases, since MySQL 8 returns the catalogue's column names in capitals.
        let tables: Vec<Options> = session.load(&format!(
            "SELECT COALESCE(engine, 'none') AS engine, COALESCE(row_format, '') AS row_format, \
                    COALESCE(table_comment, '') AS comment, \
                    IF(auto_increment > 2147483647, CAST(auto_increment AS CHAR), NULL) AS exhausted \
             FROM information_schema.tables WHERE {this}"
        ))?;
        let columns: Vec<ColumnRow> = session.load(&format!(
            "SELECT column_name AS name, \
                    LOWER(data_type) AS family, column_type AS full_type, \
                    CAST(character_maximum_length AS SIGNED) AS length, \
                    c.character_set_name AS charset, c.collation_name AS collation, \
                    CAST(COALESCE(s.maxlen, 1) AS SIGNED) AS bytes_per_character, \
                    CAST(numeric_scale AS SIGNED) AS scale, is_nullable AS nullable, \
                    CAST(COALESCE(column_default, 'NULL') <> 'NULL' AS SIGNED) AS has_default, \
                    UPPER(COALESCE(extra, '')) AS extra \
             FROM information_schema.columns c \
             LEFT JOIN information_schema.character_sets s \
                    ON s.character_set_name = c.character_set_name \
             WHERE {this} ORDER BY ordinal_position"
        ))?;
        let columns = columns.into_iter().filter_map(|row| {
            let place = definitions.iter().position(|(name, _)| *name == row.name)?;
            let (base_name, definition) = definitions.swap_remove(place);
            let visible = base.visible_name(&base_name);
            let sql_name = match &visible {
                Some(visible) if *visible == base_name => base_name.clone(),
                _ => quoted(&base_name),
            };
            Some(ColumnFacts {
                is_visible: visible.is_some(),
                name: visible.unwrap_or(base_name),
                sql_name,
                row,
                definition,
            })
        });
        let columns = columns.collect();
        let mut uniques: Vec<UniqueFacts> = session.load(&format!(
            "SELECT index_name AS index_name, column_name AS column_name, \
                    CAST(sub_part AS SIGNED) AS prefix \
             FROM information_schema.statistics WHERE {this} AND non_unique = 0 \
             ORDER BY index_name, seq_in_index"
        ))?;
        for part in &mut uniques {
            let column = part.column_name.take();
            part.column_name = column.map(|column| base.visible_name(&column).unwrap_or(column));
        }
        let table = tables.into_iter().next();
        Ok(Self {
            name,
            sql_name,
            engine: table
                .as_ref()
                .map_or_else(String::new, |row| row.engine.clone()),
            row_format: table
                .as_ref()
                .map_or_else(String::new, |row| row.row_format.clone()),
            comment: table
                .as_ref()
                .map_or_else(String::new, |row| row.comment.clone()),
            exhausted: table.and_then(|row| row.exhausted),
            columns,
            uniques,
            keys: created::foreign_keys(created),
            base,
        })
    }

    /// The column that the program sees under this name.
    pub(super) fn column(&self, name: &str) -> Option<&ColumnFacts> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.is_visible && column.name == name)
    }
}

impl ColumnFacts {
    /// How many characters fit whatever they are; `None` if the column is not text.
    pub(super) fn capacity(&self) -> Option<i64> {
        let length = self.row.length?;
        match self.row.family.as_str() {
            "char" | "varchar" => Some(length),
            // The length of these types is in bytes.
            "tinytext" | "text" | "mediumtext" | "longtext" => {
                Some(length / self.row.bytes_per_character)
            }
            _ => None,
        }
    }

    pub(super) fn is_generated(&self) -> bool {
        // Not MySQL's DEFAULT_GENERATED, which is a default that is an expression.
        let extra = &self.row.extra;
        extra.contains("VIRTUAL GENERATED") || extra.contains("STORED GENERATED")
    }

    pub(super) fn is_nullable(&self) -> bool {
        self.row.nullable == "YES"
    }

    pub(super) fn is_auto_increment(&self) -> bool {
        self.row.extra.contains("AUTO_INCREMENT")
    }
}
