//! Requests with an `Idempotency-Key`: the replay of a kept response, or the creation of something whose
//! response is kept (see `db::idempotency`).
//!
//! The fingerprint of a body is a hash of its JSON in a canonical form, without the properties that the
//! contract declares as `writeOnly`: a fast hash of a password would help to guess it. A password is
//! compared with the Argon2id hash that was made of the first one.
//!
//! Imports `clients`, `db` and `passwords`.

use poem_openapi::types::ToJSON;
use secrecy::SecretString;
use serde_json::Value;

use crate::clients::Network;
use crate::db::Database;
use crate::db::idempotency::{Kept, Key, Outcome};
use crate::error::Error;
use crate::passwords;
use crate::violation::{Place, Violation};

use super::context::RequestContext;
use super::responses::Created;

/// The password in the body of a request, and the network of the client that sent it.
pub(super) type SentPassword<'a> = (&'a SecretString, Option<Network>);

/// The key of a request, whose header `Idempotency-Key` is `header`; `None` without the header.
pub(super) fn key(
    context: &RequestContext,
    header: Option<&str>,
    body: &impl ToJSON,
) -> Option<Key> {
    let (user, operation) = (context.caller.user(), &context.operation.id);
    header.map(|text| Key::new(user, operation, text, canonical(body).as_bytes()))
}

/// A body as JSON, in a form that equal bodies share: without `writeOnly` properties, which poem-openapi
/// leaves out, and without `null`, which means the same as an absent property in everything that can be
/// created. The properties are sorted by their names.
fn canonical(body: &impl ToJSON) -> String {
    let mut value = body.to_json().unwrap_or_default();
    if let Value::Object(properties) = &mut value {
        properties.retain(|_, value| !value.is_null());
    }
    value.sort_all_objects();
    value.to_string()
}

/// The response that is kept for a key; if there is none, the response that `create` makes and keeps.
///
/// # Errors
/// `Invalid` when the database has no table for keys, `KeyReused` when the kept response is that to a
/// request with another body; otherwise those of `create`.
pub(super) async fn replay_or<T>(
    db: &Database,
    key: &Key,
    password: Option<SentPassword<'_>>,
    create: impl Future<Output = Result<Outcome, Error>>,
) -> Result<Created<T>, Error> {
    let _turn = db.idempotency_turn(key).await;
    let outcome = match db.kept_response(*key).await {
        Ok(Some(kept)) => Ok(Outcome::Kept(kept)),
        Ok(None) => create.await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(Outcome::Created(response)) => Ok(Created::from_response(response, false)),
        Ok(Outcome::Kept(kept)) => replay(kept, key, password).await,
        Err(error @ Error::Internal(_)) => Err(if db.has_idempotency_keys().await? {
            error
        } else {
            no_table()
        }),
        Err(error) => Err(error),
    }
}

/// A kept response, if it belongs to a request with the same body.
async fn replay<T>(
    kept: Kept,
    key: &Key,
    password: Option<SentPassword<'_>>,
) -> Result<Created<T>, Error> {
    let is_same = kept.is_for(key)
        && match (password, &kept.password) {
            (Some((password, network)), Some(hash)) => {
                passwords::verify(password.clone(), hash, network).await?
            }
            (password, hash) => password.is_none() && hash.is_none(),
        };
    if is_same {
        Ok(Created::from_response(kept.response, true))
    } else {
        Err(Error::KeyReused)
    }
}

fn no_table() -> Error {
    let problem = "is not available: the database has no table for it";
    let violation = Violation::new(Place::Header, "Idempotency-Key", problem);
    Error::Invalid(vec![violation])
}
