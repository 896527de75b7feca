//! Checks the triggers that run before an insert.
//!
//! A trigger may give a row another id than the server would. MariaDB returns the id of the row that it
//! has stored (`INSERT … RETURNING`). MySQL has only `LAST_INSERT_ID()`, which would be the id of another
//! row, so there such a table is no use. A user without the right TRIGGER on the table sees no trigger.
//!
//! Imports `db::session`.

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryResult, QueryableByName};

use crate::db::session::Session;

use super::catalogue::TableFacts;

#[derive(QueryableByName)]
struct Trigger {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    body: String,
    /// 1 if the server returns the rows that it has stored, else 0.
    #[diesel(sql_type = BigInt)]
    has_returning: i64,
}

impl TableFacts {
    /// Checks that no trigger sets ids, on a server that does not return them.
    pub(super) fn check_triggers(
        &self,
        session: &mut Session,
        mismatches: &mut Vec<String>,
    ) -> QueryResult<()> {
        let literal = self.base.name.replace('\\', "\\\\").replace('\'', "''");
        let triggers: Vec<Trigger> = session.load(&format!(
            "SELECT trigger_name AS name, action_statement AS body, \
                    0 /*M!100600 + 1 */ AS has_returning \
             FROM information_schema.triggers \
             WHERE event_object_schema = DATABASE() AND event_object_table = '{literal}' \
               AND event_manipulation = 'INSERT' AND action_timing = 'BEFORE'"
        ))?;
        mismatches.extend(triggers.iter().filter_map(|it| it.mismatch(self.name)));
        Ok(())
    }
}

impl Trigger {
    fn mismatch(&self, table: &str) -> Option<String> {
        (self.has_returning == 0 && names_new_id(&self.body)).then(|| {
            format!(
                "{table}: the trigger {} sets NEW.id, and this server does not tell which id a row \
                 was stored with; let AUTO_INCREMENT choose the ids",
                self.name
            )
        })
    }
}

/// Whether the body of a trigger has `NEW.id`, in any notation.
fn names_new_id(body: &str) -> bool {
    let body = body
        .to_lowercase()
        .replace(['`', ' ', '\t', '\r', '\n'], "");
    body.match_indices("new.id").any(|(start, found)| {
        let next = body[start + found.len()..].chars().next();
        // Without its white space, the text does not show where a word ends, except at `=`.
        next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(has_returning: i64, body: &str) -> Option<String> {
        let (name, body) = ("own_ids".to_owned(), body.to_owned());
        let trigger = Trigger {
            name,
            body,
            has_returning,
        };
        trigger.mismatch("cart")
    }

    #[test]
    fn a_trigger_that_sets_ids_is_a_mismatch_where_the_server_does_not_return_them() {
        for body in [
            "SET NEW.id = 7",
            "BEGIN SET new . `ID` := (SELECT MAX(id) + 1 FROM cart); END",
            "SELECT 7 INTO\nNEW.id",
        ] {
            let found = mismatch(0, body);
            assert!(found.is_some_and(|line| line.contains("own_ids")), "{body}");
            assert_eq!(mismatch(1, body), None, "{body}");
        }
    }

    #[test]
    fn other_triggers_are_accepted() {
        for body in [
            "SET NEW.identity = 7",
            "INSERT INTO log VALUES (NEW.user_id)",
        ] {
            assert_eq!(mismatch(0, body), None, "{body}");
        }
    }
}
