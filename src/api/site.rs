//! (placeholder until merged)
use crate::db::Database;
use poem::Route;
/// routes
pub fn routes(_db: Database) -> Route {
    Route::new()
}
