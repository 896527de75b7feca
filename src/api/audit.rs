//! Audit events: who logged in, who was refused, what was ended. Lines of the log with the target [`TARGET`], which
//! the log drops last and logs whatever `RUST_LOG` says of other targets.
//!
//! An event has the id of the user if it is known, the client's address, and the id of the request. It has no
//! secret and no text that the client has sent: people also type their passwords into the field of the
//! email.

use super::context::RequestContext;

/// The target of the events.
const TARGET: &str = "audit";

/// An event of a request that somebody may have to account for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A user has logged in.
    Login,
    /// An email or a password was wrong.
    LoginRefused,
    /// A refresh token was exchanged.
    Refresh,
    /// A refresh token was unknown or expired, or its session had ended.
    RefreshRefused,
    /// A refresh token was used again, and its session was ended.
    RefreshReused,
    /// A session was ended by its refresh token.
    Logout,
    /// Every session of a user was ended by the user.
    LogoutAll,
    /// A user has changed the password.
    PasswordChanged,
    /// The present password was wrong.
    PasswordRefused,
    /// The bearer of a token has changed a user.
    UserChanged,
    /// The bearer of a token has deleted a user.
    UserDeleted,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginRefused => "login refused",
            Self::Refresh => "refresh",
            Self::RefreshRefused => "refresh refused",
            Self::RefreshReused => "refresh token reused",
            Self::Logout => "logout",
            Self::LogoutAll => "logout everywhere",
            Self::PasswordChanged => "password changed",
            Self::PasswordRefused => "password refused",
            Self::UserChanged => "user changed",
            Self::UserDeleted => "user deleted",
        }
    }
}

/// Logs an event that concerns this user, as far as the user is known, and that the bearer of the request's
/// token has caused (`by`). The span of the request adds its id.
pub(super) fn record(event: Event, user: Option<i32>, context: &RequestContext) {
    let (name, client, by) = (event.name(), context.client.address, context.caller.user());
    if event == Event::RefreshReused {
        tracing::warn!(target: TARGET, event = name, user, by, %client, "{name}");
    } else {
        tracing::info!(target: TARGET, event = name, user, by, %client, "{name}");
    }
}
