//! The layer that says who a request comes from.

use super::api_keys::ApiKeys;
use super::credential::{self, Credential};
use super::lockout::Lockout;
use super::tokens::{Refused, Tokens};
use super::{Identity, KeysError, Tickets};
use crate::client_address::ClientAddress;
use crate::config::{AuthConfig, ConfigError, TopicPattern};
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use std::fmt;
use std::sync::Arc;

/// Knows who sends a request: by a JSON Web Token in the header `Authorization` or in a cookie, by the key of a
/// program, or by a ticket. Clones are handles to the same one.
///
/// It refuses nobody by itself. Each request goes on with an [`Identity`], which for somebody who is not known may
/// read the public topics and nothing else; what is refused, and how, is for the routes to say.
///
/// ```no_run
#[doc = include_str!("../../examples/private.rs")]
/// ```
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    tokens: Arc<Tokens>,
    api_keys: ApiKeys,
    tickets: Tickets,
    lockout: Option<Lockout>,
    cookie_name: Option<String>,
    public_topics: Vec<TopicPattern>,
}

/// Why nobody can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticatorError {
    /// A setting has a value that cannot be meant.
    Config(ConfigError),
    /// The file of keys cannot be used.
    Keys(KeysError),
}

impl fmt::Display for AuthenticatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(err) => err.fmt(f),
            Self::Keys(err) => write!(f, "jwks_file {err}"),
        }
    }
}

impl std::error::Error for AuthenticatorError {}

impl Authenticator {
    /// Reads the keys.
    ///
    /// # Errors
    /// A setting has a value that cannot be meant, or the file of keys cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime, where there is a file of keys, since it starts a task that reads it again when it
    /// changes. The task ends with the last handle.
    pub fn new(config: &AuthConfig) -> Result<Self, AuthenticatorError> {
        config.check().map_err(AuthenticatorError::Config)?;
        let lockout = |max_failures| Lockout::new(max_failures, config.lockout_window, config.lockout_duration);
        Ok(Self(Arc::new(Inner {
            tokens: Tokens::new(config).map_err(AuthenticatorError::Keys)?,
            api_keys: ApiKeys::new(&config.api_keys, &config.public_topics),
            tickets: Tickets::new(config.ticket_ttl),
            lockout: config.lockout_failures.map(lockout),
            cookie_name: config.cookie_name.clone(),
            public_topics: config.public_topics.clone(),
        })))
    }

    /// Puts it in front of some routes.
    ///
    /// An address can be locked out only where it is known: see [`ClientAddress`].
    pub fn protect(&self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self.clone(), identify))
    }

    fn identify(&self, parts: &Parts) -> Identity {
        let inner = &*self.0;
        let unknown = |problem| Identity::unknown(inner.public_topics.clone(), problem);
        let Some(credential) = credential::find(parts, inner.cookie_name.as_deref()) else {
            return unknown(Problem::NoToken);
        };
        // A subscriber has all the addresses of a network, and is one suspect.
        let suspect = inner.lockout.as_ref().zip(ClientAddress::of(&parts.extensions).map(ClientAddress::network));
        if let Some(remaining) = suspect.and_then(|(lockout, address)| lockout.remaining(address)) {
            return unknown(Problem::LockedOut { remaining });
        }
        match inner.check(&credential) {
            Ok(identity) => identity,
            Err(Refused { problem, is_guess }) => {
                if let Some((lockout, address)) = suspect.filter(|_| is_guess)
                    && lockout.failed(address)
                {
                    tracing::warn!(%address, "an address is locked out: it failed too often to say who it is");
                }
                unknown(problem)
            }
        }
    }
}

impl Inner {
    fn check(&self, credential: &Credential<'_>) -> Result<Identity, Refused> {
        match credential {
            // A page that comes back with the same URL brings a ticket that it has used, and means no harm.
            Credential::Ticket(ticket) => {
                self.tickets.redeem(ticket).ok_or(Refused { problem: Problem::BadTicket, is_guess: false })
            }
            Credential::Token(key) if ApiKeys::is_key(key) => {
                let problem = Problem::BadToken { why: "is no key of this server" };
                self.api_keys.identify(key).ok_or(Refused { problem, is_guess: true })
            }
            Credential::Token(token) => self.tokens.identify(token),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

async fn identify(State(authenticator): State<Authenticator>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let identity = authenticator.identify(&parts);
    parts.extensions.insert(identity);
    parts.extensions.insert(authenticator.0.tickets.clone());
    // Whoever writes requests down behind this must not write down what they were let in by.
    for name in [AUTHORIZATION, COOKIE] {
        if let axum::http::header::Entry::Occupied(mut values) = parts.headers.entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
    next.run(Request::from_parts(parts, body)).await
}
