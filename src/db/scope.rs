//! [`Scope`]: which rows a read shows to its caller.

/// Which rows a read shows to its caller.
///
/// The scope is part of every key under which callers share a read of rows or of a list, so that no
/// caller gets what only another caller may see. With a further variant, the program does not
/// compile until each of these reads handles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every caller sees the same rows.
    Everyone,
}
