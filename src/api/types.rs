//! Types that the contract has and poem-openapi does not: an id, an email address, a constant flag, an
//! inline string enum, and a required property that may be null.

mod constant;
mod email;
mod id;
mod nullable;
mod string_enum;

pub use constant::Constant;
pub use email::Email;
pub use id::Id;
pub(super) use id::check_id;
pub use nullable::Nullable;
pub use string_enum::{EnumValue, StringEnum};
