//! [`Scope`]: whose view of the data a read shows.

/// Whose view of the data a read shows.
///
/// It is part of every key by which callers share a read, whether of rows or of a list: one caller
/// must not be given what only another may see. A further scope does not compile before each of these
/// reads decides what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every caller sees the same rows.
    Everyone,
}
