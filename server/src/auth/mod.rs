//! Who a request comes from, and what it may do.
//!
//! An [`Identity`] in a request's extensions says so; a layer in front of [`router`](crate::router) puts it
//! there. The routes ask it which topics may be read and published, and who runs the hub. Without one, access
//! is open.
//!
//! [`Authenticator`] is such a layer: it knows JSON Web Tokens, the keys of programs and single-use tickets.
//! It comes with the cargo feature `auth`. A service that knows its users already needs none of that: a
//! middleware of its own makes an [`Identity`].

#[cfg(feature = "auth")]
mod api_keys;
#[cfg(feature = "auth")]
mod authenticator;
mod caller;
#[cfg(feature = "auth")]
mod credential;
mod identity;
#[cfg(feature = "auth")]
mod keys;
#[cfg(feature = "auth")]
mod lockout;
#[cfg(feature = "auth")]
mod tickets;
#[cfg(feature = "auth")]
mod tokens;

#[cfg(feature = "auth")]
pub use authenticator::{Authenticator, AuthenticatorError};
pub(crate) use caller::{Caller, Publisher};
pub use identity::{Identity, Rights};
#[cfg(feature = "auth")]
pub use keys::KeysError;
#[cfg(feature = "cli")]
pub(crate) use keys::check as check_keys;
#[cfg(feature = "auth")]
pub(crate) use tickets::Tickets;

/// Making what [`Authenticator`] knows.
#[cfg(feature = "cli")]
pub(crate) mod mint {
    pub(crate) use super::api_keys::new_key;
    pub(crate) use super::tokens::mint as token;
}
