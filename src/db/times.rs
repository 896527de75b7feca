//! SQL functions of time. All stored times are those of the database server, in UTC, and are compared only
//! with its own clock. Imports no other module.

use diesel::sql_types::{Datetime, Text};

diesel::define_sql_function! {
    /// The present time of the database server, in UTC.
    fn utc_timestamp() -> Datetime;
}

diesel::define_sql_function! {
    /// The time `at`, moved by `by`.
    fn addtime(at: Datetime, by: Text) -> Datetime;
}
