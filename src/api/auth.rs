//! The API of the contract `auth`: logging in and out, and the password.
//!
//! A login and each refresh return an access token, which is verified without a query, and a refresh token,
//! which is stored (see `db::sessions`).

mod bearer;
mod schemas;

use std::sync::Arc;
use std::time::SystemTime;

use poem::Response;
use poem::endpoint::BoxEndpoint;
use poem::web::Data;
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::clients::Network;
use crate::db::Database;
use crate::db::logins::Origin;
use crate::db::sessions::{self, Credentials, Refreshed, Session};
use crate::db::users::Role;
use crate::error::Error;
use crate::passwords::{self, Verified};
use crate::tokens::{self, Bearer, Keys, RefreshToken};

use super::audit::{self, Event};
use super::context::RequestContext;
use super::document::{self, Combined};
use super::failures::{GuardedError, RequestError};
use super::json::JsonBody;
use super::pipeline::Settings;
use super::responses::{Success, counted};
use super::schemas::UserResponse;
use super::tags::AuthTag;
use super::types::Constant;
use super::users::check_new_password;

use bearer::Authenticated;
use schemas::{
    EndedSessionsResponse, Login, PasswordChange, RefreshTokenUse, Tokens, TokensResponse,
};

const DESCRIPTION: &str = "\
Logging in and out of the shop, over HTTP and JSON. Responses, requests and ids of requests are those \
of the contract `openapi`.

**Tokens.** A login begins a session and returns two tokens. The access token is sent with other requests, \
as `Authorization: Bearer …`, and is valid for 15 minutes. The refresh token is valid for 24 hours and \
is exchanged, once, for two new tokens; so a session lasts as long as its client refreshes it.

**Reuse.** A refresh token that is used twice was stolen, or its thief was first: its session ends, and \
every token of it. Only a client that got no response may send its refresh token again, within 30 seconds \
and before it uses a newer one.

**Ends.** A session ends with a logout, with a new password, when its user is deleted or is no longer an \
administrator, and when an administrator ends it. Its access tokens are refused within two seconds.";

/// The message of a login with a wrong email or password, the same for both.
const WRONG_CREDENTIALS: &str = "The email or the password is wrong";
/// The message of a refresh with a token that is not valid.
const WRONG_REFRESH_TOKEN: &str = "The refresh token is not valid: log in again";
/// The message of a request whose user was deleted after the token had been verified.
const NO_USER: &str = "The user of the access token does not exist";

/// The operations of the contract `auth`.
pub struct Authentication {
    db: Database,
    keys: Arc<Keys>,
}

#[OpenApi(tag = "AuthTag::Authentication")]
impl Authentication {
    /// Log in
    ///
    /// Begins a session. An unknown email and a wrong password are the same failure.
    #[oai(path = "/api/auth/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        context: Data<&RequestContext>,
        /// The user's email and password
        body: JsonBody<Login>,
    ) -> Result<Success<TokensResponse>, RequestError> {
        let Login { email, password } = body.0;
        let password = SecretString::from(password.0);
        let network = context.client.network;
        let from = network.map(|network| network.to_string());
        let attempt = self.db.begin_login(Origin::new(&email, from.as_deref()));
        let attempt = attempt.await?;
        let found = self.db.credentials(email).await?;
        let user = found.as_ref().map(|found| found.user.id);
        let verified = verified(found, password.clone(), network).await?;
        let token = new_refresh_token()?;
        let session = match verified {
            Some((verified, is_outdated)) => {
                let new_hash = if is_outdated {
                    Some(passwords::hash(password, network).await?)
                } else {
                    None
                };
                let session = self.db.begin_session(verified, token.hash(), new_hash);
                session.await?
            }
            None => None,
        };
        let Some(session) = session else {
            audit::record(Event::LoginRefused, user, context.0);
            return Err(Error::Unauthenticated(WRONG_CREDENTIALS).into());
        };
        self.db.login_succeeded(attempt).await?;
        audit::record(Event::Login, user, context.0);
        Ok(self.tokens(&session, &token, "Logged in")?)
    }

    /// Get new tokens
    ///
    /// Exchanges a refresh token for a new access token and a new refresh token. The used one is not valid
    /// any more: when it is used again, its session ends.
    #[oai(path = "/api/auth/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(
        &self,
        context: Data<&RequestContext>,
        /// The refresh token
        body: JsonBody<RefreshTokenUse>,
    ) -> Result<Success<TokensResponse>, RequestError> {
        let sent = RefreshToken(body.0.refresh_token.0.into());
        let token = new_refresh_token()?;
        let (event, user) = match self.db.refresh_session(sent.hash(), token.hash()).await? {
            Refreshed::Renewed(session) => {
                audit::record(Event::Refresh, Some(session.user.id), context.0);
                return Ok(self.tokens(&session, &token, "Tokens renewed")?);
            }
            Refreshed::Reused { user, .. } => (Event::RefreshReused, Some(user)),
            Refreshed::Unknown => (Event::RefreshRefused, None),
        };
        audit::record(event, user, context.0);
        Err(Error::Unauthenticated(WRONG_REFRESH_TOKEN).into())
    }

    /// Log out
    ///
    /// Ends the session that the refresh token belongs to. A token of no session ends nothing, and is no
    /// failure.
    #[oai(path = "/api/auth/logout", method = "post", operation_id = "logout")]
    async fn logout(
        &self,
        context: Data<&RequestContext>,
        /// The refresh token
        body: JsonBody<RefreshTokenUse>,
    ) -> Result<Success<EndedSessionsResponse>, RequestError> {
        let sent = RefreshToken(body.0.refresh_token.0.into());
        let user = self.db.end_session_of(sent.hash()).await?;
        if user.is_some() {
            audit::record(Event::Logout, user, context.0);
        }
        let ended = usize::from(user.is_some());
        Ok(Success(EndedSessionsResponse::new(ended, "Logged out")))
    }

    /// Log out everywhere
    ///
    /// Ends every session of the user, also that of the access token.
    #[oai(
        path = "/api/auth/logout-all",
        method = "post",
        operation_id = "logoutAll"
    )]
    async fn logout_all(
        &self,
        caller: Authenticated,
        context: Data<&RequestContext>,
    ) -> Result<Success<EndedSessionsResponse>, RequestError> {
        let ended = self.db.end_sessions_of(caller.0.user).await?;
        audit::record(Event::LogoutAll, Some(caller.0.user), context.0);
        let message = format!("{} ended", counted(ended, "session"));
        Ok(Success(EndedSessionsResponse::new(ended, message)))
    }

    /// Get the user who is logged in
    ///
    /// The user of the access token, as stored now.
    #[oai(path = "/api/auth/me", method = "get", operation_id = "getMe")]
    async fn me(&self, caller: Authenticated) -> Result<Success<UserResponse>, RequestError> {
        match self.db.user(caller.0.user).await {
            Ok(user) => Ok(Success(UserResponse::new(user, "User found"))),
            Err(Error::NotFound(_)) => Err(Error::Unauthenticated(NO_USER).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Change the password
    ///
    /// Changes the password of the user and ends every session of the user, also that of the access token: log
    /// in again with the new password. It must not be among the 3,000 most common ones.
    #[oai(
        path = "/api/auth/password",
        method = "put",
        operation_id = "changePassword"
    )]
    async fn change_password(
        &self,
        caller: Authenticated,
        context: Data<&RequestContext>,
        /// The present and the new password
        body: JsonBody<PasswordChange>,
    ) -> Result<Success<EndedSessionsResponse>, GuardedError> {
        let user = Some(caller.0.user);
        let network = context.client.network;
        let current_password = SecretString::from(body.0.current_password.0);
        let new_password = SecretString::from(body.0.new_password.0);
        check_new_password(&new_password, "/new_password")?;
        let found = self.db.credentials_of(caller.0.user).await?;
        let changed = match verified(found, current_password, network).await? {
            Some((verified, _)) => {
                let hash = passwords::hash(new_password, network).await?;
                self.db.change_password(verified, hash).await?
            }
            None => None,
        };
        let Some(ended) = changed else {
            audit::record(Event::PasswordRefused, user, context.0);
            return Err(Error::WrongPassword.into());
        };
        audit::record(Event::PasswordChanged, user, context.0);
        let message = format!("Password changed, {} ended", counted(ended, "session"));
        Ok(Success(EndedSessionsResponse::new(ended, message)))
    }
}

impl Authentication {
    /// The response with the tokens of a session.
    fn tokens(
        &self,
        session: &Session,
        refresh_token: &RefreshToken,
        message: &str,
    ) -> Result<Success<TokensResponse>, Error> {
        let bearer = Bearer {
            user: session.user.id,
            is_admin: session.user.role == Role::Admin,
            session: session.id,
        };
        let access_token = self.keys.sign(bearer, SystemTime::now());
        let access_token = access_token.map_err(|cause| Error::Internal(cause.into()))?;
        let lifetime = tokens::LIFETIME.as_secs();
        Ok(Success(TokensResponse {
            success: Constant,
            data: Tokens {
                access_token: access_token.expose_secret().to_owned(),
                token_type: "Bearer".to_owned(),
                expires_in: i32::try_from(lifetime).unwrap_or(i32::MAX),
                refresh_token: refresh_token.0.expose_secret().to_owned(),
                refresh_expires_in: sessions::LIFETIME_SECONDS,
            },
            message: message.to_owned(),
        }))
    }
}

fn new_refresh_token() -> Result<RefreshToken, Error> {
    RefreshToken::random().map_err(|cause| Error::Internal(cause.into()))
}

/// The found user, if the password is right, and whether the stored one is to be replaced by a new hash. Without
/// a user the work is the same, so that the time tells nobody which emails are known.
async fn verified(
    found: Option<Credentials>,
    password: SecretString,
    network: Option<Network>,
) -> Result<Option<(Credentials, bool)>, Error> {
    let Some(found) = found else {
        passwords::verify_nobody(password, network).await?;
        return Ok(None);
    };
    let verified = passwords::verify_stored(password, &found.password, network).await?;
    Ok(match verified {
        Verified::Wrong => None,
        Verified::Right => Some((found, false)),
        Verified::RightAndOutdated => Some((found, true)),
    })
}

type Auth = Combined<Authentication>;

fn service(db: &Database, keys: Arc<Keys>) -> OpenApiService<Auth, ()> {
    let db = db.clone();
    OpenApiService::new(
        Combined(Authentication { db, keys }),
        "ecommerce-api: authentication",
        "0.1.0",
    )
    .description(DESCRIPTION)
    .contact(ContactObject::new().name("The maintainers of ecommerce-api"))
    .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
    .server(
        ServerObject::new("http://localhost:8088")
            .description("The server with its default settings"),
    )
}

/// The handlers of all operations, over `db`.
pub(super) fn handlers(db: &Database, settings: &Settings) -> BoxEndpoint<'static, Response> {
    document::handlers(service(db, Arc::clone(&settings.authentication.keys)))
}

/// The document that poem-openapi generates from the types and handlers. Needs no database.
///
/// # Panics
/// When the machine has no randomness.
pub(super) fn generated() -> Value {
    let keys = Keys::random().expect("the machine has randomness");
    document::generated(&service(&Database::nowhere(), Arc::new(keys)))
}
