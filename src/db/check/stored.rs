//! Checks that the stored ids and texts are within the contract.

use diesel::QueryResult;

use crate::db::session::Session;

use super::catalogue::TableFacts;
use super::needed::{Column, Kind};
use super::repairs::alter;
use super::tables::Value;

impl TableFacts {
    /// Checks the smallest, the largest and the next id.
    pub(super) fn check_ids(
        &self,
        session: &mut Session,
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        let name = self.name;
        if self.column("id").is_none() {
            return Ok(());
        }
        // Both ends of an index: two look-ups in a table of any size.
        let outside: Vec<Value> = session.load(&format!(
            "SELECT CAST(id AS CHAR) AS value FROM \
             (SELECT MIN(id) AS id FROM {name} UNION SELECT MAX(id) FROM {name}) AS ends \
             WHERE id < 1 OR id > 2147483647"
        ))?;
        let ids: Vec<String> = outside.into_iter().filter_map(|row| row.value).collect();
        for id in &ids {
            mismatches.push(format!(
                "{name}.id: there is a row {id}; the contract's ids go from 1 to 2147483647. No \
                 statement repairs that: whatever refers to the row has to refer to another id"
            ));
        }
        let has_large_id = ids.iter().any(|id| !id.starts_with(['-', '0']));
        if let Some(next) = &self.exhausted {
            let reason = format!(
                "{name}.id: the next one would be {next}; the contract's ids end at 2147483647"
            );
            mismatches.push(if has_large_id {
                format!("{reason}; no statement lowers it while there are rows with larger ids")
            } else {
                // The server continues after the largest id.
                format!("{reason}: {}", alter(self, "AUTO_INCREMENT = 1"))
            });
        }
        Ok(())
    }

    /// Checks that no stored text is longer than the contract says.
    pub(super) fn check_lengths(
        &self,
        session: &mut Session,
        columns: &[Column],
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        let table = self.name;
        for column in columns {
            let (Kind::Text(limit), Some(found)) = (column.kind, self.column(column.name)) else {
                continue;
            };
            // In a column that holds no more than `limit` bytes or characters, no text is too long.
            if found.capacity().is_none() || found.row.length <= Some(limit) {
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
                    "{table}.{name}: a row has {chars} characters, more than the contract's {limit}; \
                     shorten it: SELECT * FROM {table} WHERE CHAR_LENGTH({name}) > {limit}"
                ));
            }
        }
        Ok(())
    }
}
