//! Reads the result of `SHOW CREATE TABLE`: the definitions of columns, and foreign keys. Any user
//! of a table may run this statement, while `information_schema.referential_constraints` is empty
//! for a user with rights on single tables. Imports no other module.
//!
//! The server writes one column or key on each line, and escapes line breaks in texts. Names are in
//! backticks, since the session sets `sql_quote_show_create` and an `sql_mode` without `ANSI_QUOTES`.

/// A column, as the server writes its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    /// The type: `varchar(255)`, `bigint(20) unsigned`.
    pub(super) full_type: String,
    /// `CHARACTER SET x`, if it is not that of the table.
    pub(super) charset: Option<String>,
    /// `COLLATE x`, if it is not that of the table.
    pub(super) collation: Option<String>,
    pub(super) is_nullable: bool,
    /// `DEFAULT x`, without `DEFAULT NULL`.
    pub(super) default: Option<String>,
    pub(super) is_auto_increment: bool,
    /// Everything else, in its order: comment, `CHECK`, `INVISIBLE`, …
    pub(super) rest: Vec<String>,
}

impl Definition {
    /// Reads what follows the column's name.
    fn parse(text: &str) -> Self {
        let mut tokens = tokens(text).into_iter().peekable();
        let mut full_type = tokens.next().unwrap_or_default();
        while let Some(word) =
            tokens.next_if(|word| ["unsigned", "zerofill"].contains(&word.to_lowercase().as_str()))
        {
            full_type = format!("{full_type} {word}");
        }
        let mut definition = Self {
            full_type,
            charset: None,
            collation: None,
            is_nullable: true,
            default: None,
            is_auto_increment: false,
            rest: Vec::new(),
        };
        while let Some(word) = tokens.next() {
            let mut next = || tokens.next().unwrap_or_default();
            match word.to_uppercase().as_str() {
                "CHARACTER" => {
                    next();
                    definition.charset = Some(next());
                }
                "COLLATE" => definition.collation = Some(next()),
                "NOT" => {
                    next();
                    definition.is_nullable = false;
                }
                "NULL" => definition.is_nullable = true,
                "DEFAULT" => {
                    let value = next();
                    definition.default = Some(value).filter(|value| value.to_uppercase() != "NULL");
                }
                "AUTO_INCREMENT" => definition.is_auto_increment = true,
                _ => definition.rest.push(word),
            }
        }
        definition
    }
}

impl std::fmt::Display for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full_type)?;
        if let Some(charset) = &self.charset {
            write!(f, " CHARACTER SET {charset}")?;
        }
        if let Some(collation) = &self.collation {
            write!(f, " COLLATE {collation}")?;
        }
        f.write_str(if self.is_nullable {
            " NULL"
        } else {
            " NOT NULL"
        })?;
        if let Some(default) = &self.default {
            write!(f, " DEFAULT {default}")?;
        }
        if self.is_auto_increment {
            f.write_str(" AUTO_INCREMENT")?;
        }
        for word in &self.rest {
            write!(f, " {word}")?;
        }
        Ok(())
    }
}

/// A foreign key on one column. Keys on several columns are not of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) column: String,
    /// The table and the column that the key refers to; the table is in the same database.
    pub(super) target: (String, String),
    /// `CASCADE`, `SET NULL`, …; `RESTRICT` if the server writes none.
    pub(super) on_delete: String,
    /// ` ON UPDATE x`, if the server writes it.
    pub(super) on_update: String,
}

/// The columns of a table with their definitions, by name.
pub(super) fn columns(created: &str) -> Vec<(String, Definition)> {
    let lines = created.lines().skip(1).map(str::trim);
    let columns = lines.filter(|line| line.starts_with('`'));
    let columns = columns.filter_map(|line| {
        let (name, rest) = identifier(line)?;
        let rest = rest.strip_suffix(',').unwrap_or(rest);
        Some((name, Definition::parse(rest)))
    });
    columns.collect()
}

/// The foreign keys of a table that are on one column.
pub(super) fn foreign_keys(created: &str) -> Vec<ForeignKey> {
    created
        .lines()
        .map(str::trim)
        .filter_map(foreign_key)
        .collect()
}

/// Reads ``CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `t` (`d`) ON DELETE CASCADE``.
fn foreign_key(line: &str) -> Option<ForeignKey> {
    let (name, rest) = identifier(line.strip_prefix("CONSTRAINT ")?)?;
    let (column, rest) = identifier(rest.strip_prefix(" FOREIGN KEY (")?)?;
    let (table, rest) = identifier(rest.strip_prefix(") REFERENCES ")?)?;
    let (target, rest) = identifier(rest.strip_prefix(" (")?)?;
    let rules = rest.strip_prefix(')')?.trim_end_matches(',');
    let rule = |event: &str| {
        let (_, rule) = rules.split_once(event)?;
        Some(rule.split(" ON ").next().unwrap_or(rule).trim().to_owned())
    };
    let on_update = rule(" ON UPDATE ");
    Some(ForeignKey {
        name,
        column,
        target: (table, target),
        on_delete: rule(" ON DELETE ").unwrap_or_else(|| "RESTRICT".into()),
        on_update: on_update.map_or_else(String::new, |rule| format!(" ON UPDATE {rule}")),
    })
}

/// Reads a name in backticks; returns it and what follows.
pub(super) fn identifier(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('`')?;
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('`')?;
        name.push_str(part);
        match after.strip_prefix('`') {
            Some(after) => {
                name.push('`');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The words of a definition. Texts, parentheses and comments are parts of words.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    let mut depth = 0_usize;
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let word = tokens.last_mut().expect("there is always a word");
        match (quote, character) {
            (None, ' ') if depth == 0 => {
                tokens.push(String::new());
                continue;
            }
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '/') if characters.peek() == Some(&'*') => depth += 1,
            (None, '*') if characters.peek() == Some(&'/') => depth = depth.saturating_sub(1),
            (Some('\''), '\\') => {
                word.push(character);
                word.extend(characters.next());
                continue;
            }
            // A doubled quote ends the text and begins it again.
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        word.push(character);
    }
    tokens.retain(|word| !word.is_empty());
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = r"CREATE TABLE `t` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `a``b` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'it''s, \\ ''' COMMENT 'x\n  CONSTRAINT `evil` FOREIGN KEY (`id`) REFERENCES `u` (`id`)',
  `e` enum('a','b,c)','d''') NOT NULL DEFAULT 'a' CHECK (`e` <> 'x y'),
  `d` timestamp NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `c` text /*M!100301 COMPRESSED*/ DEFAULT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `k` FOREIGN KEY (`id`) REFERENCES `u` (`id`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `two` FOREIGN KEY (`id`, `e`) REFERENCES `u` (`id`, `e`),
  CONSTRAINT `c` CHECK (`id` > 0)
) ENGINE=InnoDB";

    #[test]
    fn a_definition_is_read_and_written_with_all_its_attributes() {
        let columns = columns(CREATED);
        let written: Vec<String> = columns
            .iter()
            .map(|(name, definition)| format!("{name} {definition}"))
            .collect();
        assert_eq!(
            written,
            [
                "id bigint(20) unsigned NOT NULL AUTO_INCREMENT",
                r"a`b varchar(20) CHARACTER SET latin1 COLLATE latin1_bin NULL DEFAULT 'it''s, \\ ''' COMMENT 'x\n  CONSTRAINT `evil` FOREIGN KEY (`id`) REFERENCES `u` (`id`)'",
                "e enum('a','b,c)','d''') NOT NULL DEFAULT 'a' CHECK (`e` <> 'x y')",
                "d timestamp NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()",
                "c text NULL /*M!100301 COMPRESSED*/",
            ]
        );
    }

    #[test]
    fn foreign_keys_on_one_column_are_found_with_their_rules() {
        let keys = foreign_keys(CREATED);
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!(
            (keys[0].name.as_str(), keys[0].column.as_str()),
            ("k", "id")
        );
        assert_eq!(keys[0].target, ("u".into(), "id".into()));
        assert_eq!(keys[0].on_delete, "SET NULL");
        assert_eq!(keys[0].on_update, " ON UPDATE CASCADE");
    }
}
