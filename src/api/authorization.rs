//! Who may do what: the one table of the operations of all contracts.
//!
//! Imports nothing of the resources.

use Access::{Administrators, Everyone, Oneself, Own};
use poem::http::StatusCode;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everyone, also without a token.
    Everyone,
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
const RULES: [Rule; 17] = [
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

impl Rule {
    const fn with(mut self, body: BodyRule) -> Self {
        self.body = Some(body);
        self
    }

    /// Whether the operation can be called without a token.
    pub(super) fn is_public(&self) -> bool {
        self.access == Everyone
    }

    /// Whether the operation is a 403 for some callers, or for some of their bodies.
    pub(super) fn can_forbid(&self) -> bool {
        let is_forbidden = [Administrators, Oneself(StatusCode::FORBIDDEN)].contains(&self.access);
        is_forbidden || self.body.is_some()
    }
}
