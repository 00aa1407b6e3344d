//! Each failure that a client can meet: its status, its stable code and one helpful sentence.
//!
//! All refusals are written here and look alike: `{"detail":"...","code":"..."}`. Nothing internal
//! ever gets in; the cause of a failure goes to the log instead.

use crate::metrics::Refusal;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use heartwire_protocol::answer::{DISABLED_CODE, RefusalAnswer};
use heartwire_protocol::control::ClosingReason;
use heartwire_protocol::{FieldError, Topic};
use std::time::Duration;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The query names no topic.
    NoTopic,
    TooManyTopics {
        limit: usize,
    },
    BadTopic(FieldError),
    BadEventType(FieldError),
    BadKey(FieldError),
    UnknownParameter {
        name: String,
    },
    /// A parameter that can be given once is given again.
    RepeatedParameter {
        name: &'static str,
    },
    BadParameter {
        name: &'static str,
        /// Completes "The parameter x …".
        must: &'static str,
    },
    /// The query's percent escapes are not UTF-8.
    QueryNotUtf8,
    BodyTooLarge {
        limit_bytes: usize,
    },
    BodyNotUtf8 {
        /// Where the first bad byte stands.
        at: usize,
    },
    /// The body broke off.
    BodyUnreadable,
    /// A line of an NDJSON body.
    BadLine {
        /// Counted from 1.
        number: usize,
        why: String,
    },
    /// The event is larger than a topic may be.
    EventTooLarge {
        limit_bytes: usize,
    },
    LogUnavailable,
    /// Readers take all the memory that there may be.
    OutOfMemory,
    /// Streaming is switched off.
    Disabled,
    TooManyConnections,
    /// The client's address holds as many streams as one may.
    TooManyFromAddress,
    /// The client's identity holds as many streams as one may.
    TooManyOfIdentity,
    /// The client asks too often.
    #[cfg_attr(not(feature = "cli"), expect(dead_code))]
    TooManyRequests {
        retry_after_s: u16,
    },
    /// The hub keeps as many topics as it may.
    NoRoomForTopic,
    /// The body did not come in time.
    BodyTooSlow {
        limit: Duration,
    },
    BadSwitch,
    /// Nobody is known to have sent this, and that does not do.
    NoToken,
    #[cfg_attr(not(feature = "auth"), expect(dead_code))]
    BadToken {
        /// Completes "The token …".
        why: &'static str,
    },
    #[cfg_attr(not(feature = "auth"), expect(dead_code))]
    TokenExpired,
    #[cfg_attr(not(feature = "auth"), expect(dead_code))]
    BadTicket,
    /// No ticket can be had.
    #[cfg_attr(not(feature = "auth"), expect(dead_code))]
    NoTicket,
    /// The address has failed too often to say who it is.
    #[cfg_attr(not(feature = "auth"), expect(dead_code))]
    LockedOut {
        remaining: Duration,
    },
    MayNotRead {
        topic: Topic,
    },
    MayNotPublish {
        /// `None`: under none at all.
        topic: Option<Topic>,
    },
    /// For whoever runs the hub alone.
    AdminOnly,
    NotFound,
    MethodNotAllowed,
    /// A page of another origin tries to change something.
    #[cfg_attr(not(feature = "cli"), expect(dead_code))]
    ForeignOrigin,
    /// A server on loopback is addressed by a name that is not this machine's.
    #[cfg_attr(not(feature = "cli"), expect(dead_code))]
    ForeignHost,
}

impl Problem {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoTopic
            | Self::TooManyTopics { .. }
            | Self::BadTopic(_)
            | Self::BadEventType(_)
            | Self::BadKey(_)
            | Self::UnknownParameter { .. }
            | Self::RepeatedParameter { .. }
            | Self::BadParameter { .. }
            | Self::QueryNotUtf8
            | Self::BodyNotUtf8 { .. }
            | Self::BodyUnreadable
            | Self::BadLine { .. }
            | Self::BadSwitch => StatusCode::BAD_REQUEST,
            Self::NoToken | Self::BadToken { .. } | Self::TokenExpired | Self::BadTicket => StatusCode::UNAUTHORIZED,
            Self::MayNotRead { .. }
            | Self::MayNotPublish { .. }
            | Self::AdminOnly
            | Self::ForeignOrigin
            | Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge { .. } | Self::EventTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyFromAddress
            | Self::TooManyOfIdentity
            | Self::TooManyRequests { .. }
            | Self::LockedOut { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::LogUnavailable
            | Self::OutOfMemory
            | Self::NoTicket
            | Self::Disabled
            | Self::TooManyConnections
            | Self::NoRoomForTopic => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoTopic => "no-topic",
            Self::TooManyTopics { .. } => "too-many-topics",
            Self::BadTopic(_) => "bad-topic",
            Self::BadEventType(_) => "bad-event-type",
            Self::BadKey(_) => "bad-key",
            Self::UnknownParameter { .. } => "unknown-parameter",
            Self::RepeatedParameter { .. } => "repeated-parameter",
            Self::BadParameter { .. } => "bad-parameter",
            Self::QueryNotUtf8 => "query-not-utf8",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::BodyNotUtf8 { .. } => "body-not-utf8",
            Self::BodyUnreadable => "body-unreadable",
            Self::BadLine { .. } => "bad-line",
            Self::EventTooLarge { .. } => "event-too-large",
            Self::LogUnavailable => "log-unavailable",
            Self::OutOfMemory => "out-of-memory",
            Self::Disabled => DISABLED_CODE,
            Self::TooManyConnections => "too-many-connections",
            Self::TooManyFromAddress => "too-many-from-address",
            Self::TooManyOfIdentity => "too-many-of-identity",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::NoRoomForTopic => "no-room-for-topic",
            Self::BodyTooSlow { .. } => "body-too-slow",
            Self::BadSwitch => "bad-switch",
            Self::NoToken => "no-token",
            Self::BadToken { .. } => "bad-token",
            Self::TokenExpired => "token-expired",
            Self::BadTicket => "bad-ticket",
            Self::NoTicket => "no-ticket",
            Self::LockedOut { .. } => "locked-out",
            Self::MayNotRead { .. } | Self::MayNotPublish { .. } => "topic-forbidden",
            Self::AdminOnly => "admin-only",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::ForeignOrigin => "foreign-origin",
            Self::ForeignHost => "foreign-host",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NoTopic => "Name at least one topic: ?topic=NAME".into(),
            Self::TooManyTopics { limit } => format!("A request can name at most {limit} topics"),
            Self::BadTopic(err) => format!("The topic {err}"),
            Self::BadEventType(err) => format!("The event type {err}"),
            Self::BadKey(err) => format!("The key {err}"),
            Self::UnknownParameter { name } => format!("There is no parameter {name:?} here"),
            Self::RepeatedParameter { name } => format!("The parameter {name:?} can be given only once"),
            Self::BadParameter { name, must } => format!("The parameter {name:?} {must}"),
            Self::QueryNotUtf8 => "The query is not UTF-8 behind its percent escapes".into(),
            Self::BodyTooLarge { limit_bytes } => format!("The body can have at most {limit_bytes} bytes"),
            Self::BodyNotUtf8 { at } => format!("The body is not UTF-8: the first bad byte is at {at}"),
            Self::BodyUnreadable => "The body broke off".into(),
            Self::BadLine { number, why } => format!("Line {number} of the body {why}; nothing was published"),
            Self::EventTooLarge { limit_bytes } => {
                format!("An event takes more than the {limit_bytes} bytes that a topic may hold; nothing was published")
            }
            Self::LogUnavailable => "The log cannot take events right now; try again".into(),
            Self::OutOfMemory => "This server has no memory left for another event; try again".into(),
            // Clients of the systems that Heartwire replaces compare this sentence.
            Self::Disabled => "SSE is not enabled on this server".into(),
            Self::TooManyConnections => "This server holds as many streams as it may; try again, or poll".into(),
            Self::TooManyFromAddress => "Your address holds as many streams as it may; close one, or try again".into(),
            Self::TooManyOfIdentity => "You hold as many streams as you may; close one, or try again".into(),
            Self::TooManyRequests { .. } => "Your address asks too often; try again later".into(),
            Self::NoRoomForTopic => {
                "This server keeps as many topics as it may; use one that it has, or try again".into()
            }
            Self::BodyTooSlow { limit } => format!("The body did not come within {} s", limit.as_secs_f64()),
            Self::BadSwitch => "The body must be {\"enabled\":true} or {\"enabled\":false}".into(),
            Self::NoToken => "Say who you are: send a token, as `Authorization: Bearer` or in the cookie".into(),
            Self::BadToken { why } => format!("The token {why}"),
            Self::TokenExpired => "The token has expired; get another".into(),
            Self::BadTicket => "The ticket was used, or is too old, or never was one; get another".into(),
            Self::NoTicket => "No ticket can be had right now; try again".into(),
            Self::LockedOut { .. } => "This address has failed too often to say who it is; try again later".into(),
            Self::MayNotRead { topic } => format!("You may not read the topic {:?}", topic.as_str()),
            Self::MayNotPublish { topic: Some(topic) } => {
                format!("You may not publish under the topic {:?}; nothing was published", topic.as_str())
            }
            Self::MayNotPublish { topic: None } => "You may not publish under any topic".into(),
            Self::AdminOnly => "Only whoever runs this hub may do this".into(),
            Self::NotFound => "There is nothing at this path".into(),
            Self::MethodNotAllowed => "This path does not know this method; see the Allow header".into(),
            Self::ForeignOrigin => {
                "A page of another origin may not publish here; allow_origins names those that may".into()
            }
            Self::ForeignHost => {
                "This server answers only to localhost, a loopback address and the names in allow_hosts".into()
            }
        }
    }

    /// The word for it on a stream; `None` for what a stream never says, since waiting does not help.
    pub(crate) fn closing_reason(&self) -> Option<ClosingReason> {
        match self {
            Self::Disabled => Some(ClosingReason::Disabled),
            Self::TooManyConnections => Some(ClosingReason::TooManyConnections),
            Self::TooManyFromAddress => Some(ClosingReason::TooManyFromAddress),
            Self::TooManyOfIdentity => Some(ClosingReason::TooManyOfIdentity),
            Self::TooManyRequests { .. } => Some(ClosingReason::TooManyRequests),
            Self::NoRoomForTopic => Some(ClosingReason::NoRoomForTopic),
            _ => None,
        }
    }

    /// After how many seconds it is worth trying again; `None` where waiting does not help.
    pub(crate) fn retry_after_s(&self) -> Option<u16> {
        match self {
            // The longest that the header is given here is some eighteen hours.
            Self::LockedOut { remaining } => Some((remaining.as_secs() + 1).try_into().unwrap_or(u16::MAX)),
            Self::LogUnavailable => Some(1),
            Self::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            Self::NoRoomForTopic => Some(30),
            Self::OutOfMemory
            | Self::NoTicket
            | Self::TooManyConnections
            | Self::TooManyFromAddress
            | Self::TooManyOfIdentity => Some(5),
            Self::Disabled => Some(30),
            _ => None,
        }
    }

    /// How to say who one is, where that is what is wrong.
    // [spec] RFC 6750, section 3: an error stands in here only where a token was sent.
    fn challenge(&self) -> Option<HeaderValue> {
        let challenge = match self {
            Self::NoToken | Self::BadTicket => "Bearer realm=\"heartwire\"",
            Self::BadToken { .. } | Self::TokenExpired => "Bearer realm=\"heartwire\", error=\"invalid_token\"",
            Self::MayNotRead { .. } | Self::MayNotPublish { .. } | Self::AdminOnly => {
                "Bearer realm=\"heartwire\", error=\"insufficient_scope\""
            }
            _ => return None,
        };
        Some(HeaderValue::from_static(challenge))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let answer = RefusalAnswer { detail: self.detail(), code: self.code().into() };
        let mut response = (self.status(), Json(answer)).into_response();
        response.extensions_mut().insert(Refusal::new(self.code(), self.status()));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        // For middleware that says or counts the same in its own way.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn all() -> Vec<Problem> {
        let topic = Topic::parse("t").unwrap();
        vec![
            Problem::NoTopic,
            Problem::TooManyTopics { limit: 1 },
            Problem::BadTopic(FieldError::Empty),
            Problem::BadEventType(FieldError::Empty),
            Problem::BadKey(FieldError::Empty),
            Problem::UnknownParameter { name: String::new() },
            Problem::RepeatedParameter { name: "" },
            Problem::BadParameter { name: "", must: "" },
            Problem::QueryNotUtf8,
            Problem::BodyTooLarge { limit_bytes: 1 },
            Problem::BodyNotUtf8 { at: 0 },
            Problem::BodyUnreadable,
            Problem::BadLine { number: 1, why: String::new() },
            Problem::EventTooLarge { limit_bytes: 1 },
            Problem::LogUnavailable,
            Problem::OutOfMemory,
            Problem::Disabled,
            Problem::TooManyConnections,
            Problem::TooManyFromAddress,
            Problem::TooManyOfIdentity,
            Problem::TooManyRequests { retry_after_s: 1 },
            Problem::NoRoomForTopic,
            Problem::BodyTooSlow { limit: Duration::ZERO },
            Problem::BadSwitch,
            Problem::NoToken,
            Problem::BadToken { why: "" },
            Problem::TokenExpired,
            Problem::BadTicket,
            Problem::NoTicket,
            Problem::LockedOut { remaining: Duration::ZERO },
            Problem::MayNotRead { topic: topic.clone() },
            Problem::MayNotPublish { topic: Some(topic) },
            Problem::AdminOnly,
            Problem::NotFound,
            Problem::MethodNotAllowed,
            Problem::ForeignOrigin,
            Problem::ForeignHost,
        ]
    }

    #[test]
    fn every_refusal_stands_in_the_protocol_document_and_no_other_does() {
        let problems = all();
        let ours: BTreeSet<(String, String)> =
            problems.iter().map(|problem| (problem.status().as_str().to_owned(), problem.code().to_owned())).collect();
        assert_eq!(ours, documented());
    }

    #[test]
    fn a_client_reads_the_same_reason_out_of_a_status_and_out_of_a_stream() {
        for problem in all() {
            let answer = RefusalAnswer { detail: problem.detail(), code: problem.code().into() };
            assert_eq!(answer.closing_reason(), problem.closing_reason(), "{problem:?}");
            assert!(problem.closing_reason().is_none() || problem.retry_after_s().is_some(), "{problem:?}");
        }
    }

    /// Status and code of each row in the table of section 9. A row may hold several, side by side.
    fn documented() -> BTreeSet<(String, String)> {
        let document = include_str!("../../docs/protocol.md");
        let (_, section) = document.split_once("## 9. Refusals").unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
        rows.flat_map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let statuses: Vec<&str> = cells[1].split(", ").collect();
            let codes: Vec<&str> = cells[2].split(", ").map(|code| code.trim_matches('`')).collect();
            let status_of = move |index: usize| statuses.get(index).or(statuses.last()).unwrap().to_string();
            codes
                .into_iter()
                .enumerate()
                .map(move |(index, code)| (status_of(index), code.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
    }
}
