//! Who may do what: the one table of the operations of all contracts.
//!
//! What the path and the caller decide is decided before the parameters and the body are read. What the body
//! decides is decided as soon as it is known to conform to the contract, before any query. What belongs to
//! another user is never looked up, or is left out by the query itself (see [`Scope`]).
//!
//! Imports `contract`, `db` for the scope, and the module's `context` and `failures`.

use Access::{Administrators, Everyone, Oneself, Own, Users, WithoutToken};
use poem::http::StatusCode;
use serde_json::Value;

use crate::contract::Operation;
use crate::db::Scope;
use crate::error::Error;
use crate::tokens::Bearer;
use crate::violation::{Place, Violation};

use super::context::Caller;
use super::failures::Failure;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everyone. A token is not looked at: the caller proves in the body who it is.
    WithoutToken,
    /// Everyone, also without a token.
    Everyone,
    /// Every user.
    Users,
    /// Users, who see only the rows that belong to them; administrators, who see all.
    Own,
    /// The user whose id is in the path, and administrators. For others the response has this status: a 404
    /// hides whether the user exists.
    Oneself(StatusCode),
    /// Administrators.
    Administrators,
}

/// What a caller's body must not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyRule {
    /// The role of an administrator, unless the caller is one.
    NewRole,
    /// A user's own role; nor an own email or password without the present password.
    OwnChanges,
    /// The id of another user.
    OwnCart,
}

/// The rule for one operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    operation: &'static str,
    access: Access,
    body: Option<BodyRule>,
}

/// The rule for each operation.
#[rustfmt::skip]
const RULES: [Rule; 23] = [
    rule_of("listUsers", Administrators),
    rule_of("createUser", Everyone).with(BodyRule::NewRole),
    rule_of("getUser", Oneself(StatusCode::NOT_FOUND)),
    rule_of("updateUser", Oneself(StatusCode::NOT_FOUND)).with(BodyRule::OwnChanges),
    rule_of("deleteUser", Oneself(StatusCode::NOT_FOUND)),
    rule_of("getUserCart", Oneself(StatusCode::NOT_FOUND)),
    rule_of("listProducts", Everyone),
    rule_of("createProduct", Administrators),
    rule_of("getProduct", Everyone),
    rule_of("updateProduct", Administrators),
    rule_of("deleteProduct", Administrators),
    rule_of("getProductCarts", Administrators),
    rule_of("listCartItems", Own),
    rule_of("addCartItem", Own).with(BodyRule::OwnCart),
    rule_of("getCartItem", Own),
    rule_of("removeCartItem", Own),
    rule_of("clearUserCart", Oneself(StatusCode::FORBIDDEN)),
    rule_of("login", WithoutToken),
    rule_of("refresh", WithoutToken),
    rule_of("logout", WithoutToken),
    rule_of("logoutAll", Users),
    rule_of("getMe", Users),
    rule_of("changePassword", Users),
];

const fn rule_of(operation: &'static str, access: Access) -> Rule {
    let body = None;
    Rule {
        operation,
        access,
        body,
    }
}

/// The rule for the operation with this id.
pub(super) fn rule(operation: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.operation == operation)
}

/// What a caller may do with one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permission {
    /// The rows that the operation shows to the caller, or changes for the caller.
    pub scope: Scope,
    /// What the body must not contain.
    body: Option<(BodyRule, Caller)>,
}

/// What `caller` may do with a request to `operation` at this path.
///
/// # Errors
/// 401 without a token that is needed; 403 or 404 for what the caller may not do; 400 when that cannot be
/// decided, since the path is not one of the contract.
pub(super) fn permit(
    operation: &Operation,
    caller: Caller,
    path: &str,
) -> Result<Permission, Failure> {
    let everything = Permission {
        scope: Scope::Everyone,
        body: None,
    };
    if caller == Caller::Anyone {
        return Ok(everything);
    }
    let rule = rule(&operation.id).ok_or_else(|| {
        let id = &operation.id;
        Error::Internal(format!("no rule says who may call {id}").into())
    })?;
    let bearer = match caller {
        Caller::Bearer(bearer) if bearer.is_admin => return Ok(everything),
        Caller::Bearer(bearer) => Some(bearer),
        Caller::Anyone | Caller::Anonymous => None,
    };
    let scope = match (rule.access, bearer) {
        (Everyone | WithoutToken, _) => Scope::Everyone,
        (_, None) => return Err(Failure::new(StatusCode::UNAUTHORIZED)),
        (Own | Users, Some(bearer)) => Scope::User(bearer.user),
        (Oneself(status), Some(bearer)) => {
            check_path(operation, path, bearer, status)?;
            Scope::User(bearer.user)
        }
        (Administrators, Some(_)) => return Err(Failure::new(StatusCode::FORBIDDEN)),
    };
    let body = rule.body.map(|body| (body, caller));
    Ok(Permission { scope, body })
}

/// Checks that a path has the id of the bearer.
fn check_path(
    operation: &Operation,
    path: &str,
    bearer: Bearer,
    status: StatusCode,
) -> Result<(), Failure> {
    let own = bearer.user.to_string();
    let values = operation.path_values(path);
    if !values.is_empty() && values.iter().all(|(_, value)| *value == own) {
        return Ok(());
    }
    let mut violations = operation.parameter_violations(path, "", |_| None);
    violations.retain(|violation| violation.place == Place::Path);
    if !violations.is_empty() {
        return Err(Error::Invalid(violations).into());
    }
    Err(if status == StatusCode::NOT_FOUND {
        // The response to the id of a user who does not exist.
        Error::NotFound("User").into()
    } else {
        Failure::new(status)
    })
}

impl Permission {
    /// Checks that the caller may send this body, which conforms to the contract.
    ///
    /// # Errors
    /// 401 or 403 when the caller may not; 400 when a property is missing without which the caller may not.
    pub(super) fn check_body(&self, body: &Value) -> Result<(), Failure> {
        match self.body {
            None => Ok(()),
            Some((BodyRule::NewRole, caller)) => check_new_role(body, caller),
            Some((BodyRule::OwnChanges, _)) => check_own_changes(body),
            Some((BodyRule::OwnCart, caller)) => check_own_cart(body, caller),
        }
    }
}

/// Whether a body gives a role that only administrators give. Without a role it gives none.
fn has_higher_role(body: &Value) -> bool {
    body.get("role").is_some_and(|role| role != "USER")
}

fn check_new_role(body: &Value, caller: Caller) -> Result<(), Failure> {
    if !has_higher_role(body) {
        return Ok(());
    }
    if caller == Caller::Anonymous {
        return Err(Failure::new(StatusCode::UNAUTHORIZED));
    }
    let problem = "may be ADMIN only if an administrator creates the user";
    Err(Failure::forbidden_body(Violation::in_body(
        "/role", problem,
    )))
}

fn check_own_changes(body: &Value) -> Result<(), Failure> {
    if has_higher_role(body) {
        let problem = "may be changed only by an administrator";
        return Err(Failure::forbidden_body(Violation::in_body(
            "/role", problem,
        )));
    }
    let has = |name| body.get(name).is_some();
    if (has("email") || has("password")) && !has("current_password") {
        let problem = "is required to change your own email or password";
        let violation = Violation::in_body("/current_password", problem);
        return Err(Error::Invalid(vec![violation]).into());
    }
    Ok(())
}

fn check_own_cart(body: &Value, caller: Caller) -> Result<(), Failure> {
    let user = body.get("user_id").and_then(Value::as_i64);
    if user.is_some() && user == caller.user().map(i64::from) {
        return Ok(());
    }
    let problem = "must be your own id";
    Err(Failure::forbidden_body(Violation::in_body(
        "/user_id", problem,
    )))
}

impl Rule {
    const fn with(mut self, body: BodyRule) -> Self {
        self.body = Some(body);
        self
    }

    /// Whether the operation can be called without a token.
    pub(super) fn is_public(&self) -> bool {
        matches!(self.access, Everyone | WithoutToken)
    }

    /// Whether a token of the caller is looked at.
    pub(super) fn takes_token(&self) -> bool {
        self.access != WithoutToken
    }

    /// Whether the operation is a 403 for some callers, or for some of their bodies.
    pub(super) fn can_forbid(&self) -> bool {
        let is_forbidden = [Administrators, Oneself(StatusCode::FORBIDDEN)].contains(&self.access);
        is_forbidden || self.body.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::contracts;
    use super::*;

    /// A test of the running service compares both with the same table.
    #[test]
    fn every_operation_has_a_rule_and_every_rule_an_operation() {
        for operation in contracts::operations() {
            let rule = rule(&operation.id);
            let is_public = rule.map(Rule::is_public);
            assert_eq!(
                is_public,
                Some(operation.security.is_optional()),
                "{}",
                operation.id
            );
        }
        for rule in &RULES {
            let mut operations = contracts::operations();
            assert!(
                operations.any(|operation| operation.id == rule.operation),
                "{rule:?}"
            );
            let same = RULES
                .iter()
                .filter(|other| other.operation == rule.operation);
            assert_eq!(same.count(), 1, "{rule:?}");
        }
    }
}
