//! Checks the foreign keys and the unique indexes.

use super::catalogue::{Facts, KeyFacts, UniqueFacts};
use super::needed::Column;

impl Facts {
    /// Checks that a column refers to the `id` of `parent`, and that deletions cascade.
    pub(super) fn check_key(
        &self,
        table: &str,
        name: &str,
        parent: &str,
        mismatches: &mut Vec<String>,
    ) {
        let target = format!("{parent}.id");
        let add = format!("ADD FOREIGN KEY ({name}) REFERENCES {parent} (id) ON DELETE CASCADE");
        let is_wanted = |key: &&KeyFacts| {
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
        // If a column has several foreign keys, the strictest decides what a deletion does.
        let mut keys = self.keys.iter().filter(is_wanted).peekable();
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

    /// Checks that `id` and `email` are unique, and that no other unique index rejects rows that
    /// the contract allows.
    pub(super) fn check_uniques(
        &self,
        table: &str,
        columns: &[Column],
        mismatches: &mut Vec<String>,
    ) {
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

        // A unique index rejects no row when one of its columns never has the same value in two
        // rows: the id, the email, or a column that inserts leave NULL.
        let never_repeats = |part: &UniqueFacts| {
            let name = part.column_name.as_deref().unwrap_or_default();
            let is_needed = columns.iter().any(|column| column.name == name);
            let is_whole = part.prefix.is_none();
            is_whole && (name == "id" || (name == "email" && is_needed))
                || !is_needed
                    && self.column(table, name).is_some_and(|column| {
                        column.nullable == "YES"
                            && column.has_default == 0
                            && !column.is_generated()
                    })
        };
        for index in indexes {
            if !index.iter().any(|part| never_repeats(part)) {
                let names: Vec<&str> = index
                    .iter()
                    .map(|part| part.column_name.as_deref().unwrap_or("an expression"))
                    .collect();
                mismatches.push(format!(
                    "{table}: unique index {} on {} would reject rows that the contract allows: \
                     ALTER TABLE {table} DROP INDEX `{}`",
                    index[0].index_name,
                    names.join(", "),
                    index[0].index_name
                ));
            }
        }
    }
}
