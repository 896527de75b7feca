//! [`Scope`]: which rows a read shows to its caller.

/// Which rows a read shows to its caller.
///
/// The scope is part of every key under which callers share a read of rows or of a list, so that no
/// caller gets what only another caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every row.
    Everyone,
    /// The rows that belong to the user with this id.
    User(i32),
}

impl Scope {
    /// Whether the scope has the rows that belong to the user `owner`.
    #[must_use]
    pub fn has_rows_of(self, owner: i32) -> bool {
        match self {
            Self::Everyone => true,
            Self::User(user) => user == owner,
        }
    }

    /// The only scope of these, if there is one; otherwise the one that has all rows.
    pub(super) fn common(scopes: impl IntoIterator<Item = Self>) -> Self {
        let mut scopes = scopes.into_iter();
        let first = scopes.next().unwrap_or(Self::Everyone);
        if scopes.all(|scope| scope == first) {
            first
        } else {
            Self::Everyone
        }
    }
}
