//! A party that sends requests, and its rights.

use crate::config::TopicPattern;
use crate::problem::Problem;
use heartwire_protocol::Topic;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// What a party may do. The default is nothing.
///
/// ```
/// use heartwire::TopicPattern;
/// use heartwire::auth::Rights;
///
/// let rights = Rights { read: vec![TopicPattern::parse("orders/*")?], ..Rights::default() };
/// # Ok::<(), heartwire::TopicPatternError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// The topics that it may read.
    pub read: Vec<TopicPattern>,
    /// The topics that it may publish under.
    pub publish: Vec<TopicPattern>,
    /// Whether it runs the hub: throws the switch, sees the figures. No topic comes with that.
    pub admin: bool,
}

/// Who a request comes from. Clones are cheap.
///
/// A service that knows its users already puts one into the extensions of each request, by a middleware of
/// its own:
///
/// ```
/// use axum::extract::Request;
/// use axum::middleware::{Next, from_fn};
/// use heartwire::TopicPattern;
/// use heartwire::auth::{Identity, Rights};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let identify = async |mut request: Request, next: Next| {
///     // Look at the session, and then:
///     let own = TopicPattern::parse("users/7/*").expect("a pattern");
///     let user = Identity::new(Rights { read: vec![own], ..Rights::default() }).with_subject("7");
///     request.extensions_mut().insert(user);
///     next.run(request).await
/// };
/// let app: axum::Router = heartwire::router(heartwire::Hub::default()).layer(from_fn(identify));
/// # }
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    subject: Option<String>,
    rights: Rights,
    expires_at: Option<SystemTime>,
    /// Why nobody is known to have sent the request; `None` when somebody is.
    unknown: Option<Problem>,
}

impl Identity {
    /// A party that is known, for as long as it likes and by no name yet.
    #[must_use]
    pub fn new(rights: Rights) -> Self {
        Self(Arc::new(Inner { subject: None, rights, expires_at: None, unknown: None }))
    }

    /// Gives it a name: the subject of its token, or what its key is called. Limits for each party go by it.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).subject = Some(subject.into());
        self
    }

    /// Says when it ends. Its streams end then, with `closing: token-expired`, and are warned before.
    #[must_use]
    pub fn with_expiry(mut self, at: SystemTime) -> Self {
        Arc::make_mut(&mut self.0).expires_at = Some(at);
        self
    }

    /// Somebody who did not say who it is, and may read no more than these topics.
    #[must_use]
    pub fn anonymous(public_topics: Vec<TopicPattern>) -> Self {
        Self::unknown(public_topics, Problem::NoToken)
    }

    /// Somebody who is not known. `why` is what it is told when it wants more than it may.
    pub(crate) fn unknown(public_topics: Vec<TopicPattern>, why: Problem) -> Self {
        let rights = Rights { read: public_topics, ..Rights::default() };
        Self(Arc::new(Inner { subject: None, rights, expires_at: None, unknown: Some(why) }))
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// Whether nobody is known to have sent the request.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.0.unknown.is_some()
    }

    /// Whether it may read a topic. A topic of the hub's own, which begins with `$`, is for whoever runs the hub,
    /// whatever patterns match it.
    #[must_use]
    pub fn may_read(&self, topic: &Topic) -> bool {
        if topic.is_reserved() {
            return self.is_admin();
        }
        self.0.rights.read.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether it may publish under a topic.
    #[must_use]
    pub fn may_publish(&self, topic: &Topic) -> bool {
        self.0.rights.publish.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether there is a topic that it may publish under.
    pub(crate) fn may_publish_something(&self) -> bool {
        !self.0.rights.publish.is_empty()
    }

    /// Whether it runs the hub.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.rights.admin
    }

    /// When it ends; `None` when it does not.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// What it is told when it wants more than it may: who is not known can say who it is.
    pub(crate) fn refusal(&self, of_the_known: Problem) -> Problem {
        self.0.unknown.clone().unwrap_or(of_the_known)
    }
}

impl fmt::Debug for Identity {
    /// Tells what it may do and not who it is: a subject may be a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { rights, expires_at, .. } = &*self.0;
        f.debug_struct("Identity").field("rights", rights).field("expires_at", expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_right_is_for_the_topics_that_it_names() {
        let patterns = |patterns: &[&str]| patterns.iter().map(|text| TopicPattern::parse(text).unwrap()).collect();
        let rights = Rights { read: patterns(&["a", "b/*"]), publish: patterns(&["b/c"]), admin: false };
        let identity = Identity::new(rights).with_subject("7");
        let check = |topic: &str, may_read: bool, may_publish: bool| {
            let topic = Topic::parse(topic).unwrap();
            assert_eq!((identity.may_read(&topic), identity.may_publish(&topic)), (may_read, may_publish), "{topic}");
        };
        check("a", true, false);
        check("b/c", true, true);
        check("b/d", true, false);
        check("c", false, false);
        assert!(!format!("{identity:?}").contains('7'));
    }

    #[test]
    fn an_admin_has_no_topic_for_being_one() {
        let admin = Identity::new(Rights { admin: true, ..Rights::default() });
        let topic = Topic::parse("a").unwrap();
        assert!(admin.is_admin() && !admin.may_read(&topic) && !admin.may_publish(&topic));
    }
}
