//! Checks that the stored ids and texts are within the contract.

use diesel::QueryResult;

use crate::db::session::Session;

use super::catalogue::{Facts, TableFacts, Value};
use super::needed::{Column, Kind};

impl Facts {
    /// Checks the smallest, the largest and the next id.
    pub(super) fn check_ids(
        &self,
        session: &mut Session,
        table: &TableFacts,
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        let name = &table.name;
        if self.column(name, "id").is_none() {
            return Ok(());
        }
        // Both ends of an index: two look-ups in a table of any size.
        let outside: Vec<Value> = session.load(&format!(
            "SELECT CAST(id AS CHAR) AS value FROM \
             (SELECT MIN(id) AS id FROM {name} UNION SELECT MAX(id) FROM {name}) AS ends \
             WHERE id < 1 OR id > 2147483647"
        ))?;
        for row in outside {
            mismatches.push(format!(
                "{name}.id: there is a row {}; the contract's ids go from 1 to 2147483647",
                row.value.unwrap_or_default()
            ));
        }
        if let Some(next) = &table.exhausted {
            mismatches.push(format!(
                "{name}.id: the next one would be {next}; the contract's ids end at 2147483647: \
                 ALTER TABLE {name} AUTO_INCREMENT = 1 (continues after the largest id)"
            ));
        }
        Ok(())
    }

    /// Checks that no stored text is longer than the contract says.
    pub(super) fn check_lengths(
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
            // In a column that holds no more than `limit` bytes or characters, no text is too long.
            if found.capacity().is_none() || found.length <= Some(limit) {
                continue;
            }
            let name = column.name;
            // Comparing bytes first avoids decoding the short texts.
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
