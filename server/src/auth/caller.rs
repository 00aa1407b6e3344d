//! What the routes ask about whoever calls them.

use super::Identity;
use crate::environment;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use heartwire_protocol::Topic;
use std::convert::Infallible;
use std::time::Duration;

/// Whoever sent a request; without an identity it may do everything.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Option<Identity>);

impl Caller {
    fn of(parts: &Parts) -> Self {
        Self(parts.extensions.get().cloned())
    }

    /// Refuses all topics together when it may not read one of them.
    pub(crate) fn check_may_read(&self, topics: &[Topic]) -> Result<(), Problem> {
        let Some(identity) = &self.0 else { return Ok(()) };
        match topics.iter().find(|topic| !identity.may_read(topic)) {
            Some(topic) => Err(identity.refusal(Problem::MayNotRead { topic: topic.clone() })),
            None => Ok(()),
        }
    }

    /// Who it is, where that is known.
    #[cfg(feature = "auth")]
    pub(crate) fn known(self) -> Result<Identity, Problem> {
        match self.0 {
            Some(identity) if !identity.is_anonymous() => Ok(identity),
            Some(identity) => Err(identity.refusal(Problem::NoToken)),
            None => Err(Problem::NoToken),
        }
    }

    /// For how long it will go on being who it is; `None` for as long as it likes.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.0.as_ref()?.expires_at().map(environment::time_until)
    }

    /// Refuses whoever does not run the hub.
    pub(crate) fn check_is_admin(&self) -> Result<(), Problem> {
        match &self.0 {
            Some(identity) if !identity.is_admin() => Err(identity.refusal(Problem::AdminOnly)),
            Some(_) | None => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// A caller who may publish under some topic at least: of whoever may not, no body is read.
#[derive(Debug, Clone)]
pub(crate) struct Publisher(Option<Identity>);

impl Publisher {
    /// Refuses all events together when it may not publish under the topic of one of them.
    pub(crate) fn check_may_publish<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) -> Result<(), Problem> {
        let Some(identity) = &self.0 else { return Ok(()) };
        match topics.into_iter().find(|topic| !identity.may_publish(topic)) {
            Some(topic) => Err(identity.refusal(Problem::MayNotPublish { topic: Some(topic.clone()) })),
            None => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Publisher {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Caller(identity) = Caller::of(parts);
        match identity {
            Some(identity) if !identity.may_publish_something() => {
                Err(identity.refusal(Problem::MayNotPublish { topic: None }))
            }
            identity => Ok(Self(identity)),
        }
    }
}
