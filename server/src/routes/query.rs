//! Query parameters, parsed once.

use crate::hub::Hub;
use crate::problem::Problem;
use crate::subscription::Resume;
use axum::extract::FromRequestParts;
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use heartwire_protocol::{EventKey, EventType, Topic};
use percent_encoding::percent_decode_str;
use std::convert::Infallible;
use std::time::Duration;

/// The header in which a browser's `EventSource` resumes by itself.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The name that a client gives itself.
const CLIENT_ID: &str = "client_id";
/// The longest name that a client can give itself, in characters.
const MAX_CLIENT_ID_CHARS: usize = 128;
/// The longest that a poll can be held back.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The query of `GET /events`.
#[derive(Debug, PartialEq)]
pub(crate) struct StreamQuery {
    pub(crate) topics: Vec<Topic>,
    pub(crate) resume: Resume,
    /// The reader opens compressed frames.
    pub(crate) frames: bool,
    /// What the client calls itself, for the roll-out.
    pub(crate) client_id: Option<String>,
}

/// Of the query of `GET /events/health`, what the client calls itself. Whatever else stands there is ignored:
/// those who ask whether a server is well ask in many ways.
pub(crate) struct ClientId(pub(crate) Option<String>);

/// The query of `GET /events/poll`.
#[derive(Debug, PartialEq)]
pub(crate) struct PollQuery {
    pub(crate) topics: Vec<Topic>,
    pub(crate) resume: Resume,
    pub(crate) wait: Duration,
}

/// The query of `POST /events`.
#[derive(Debug, PartialEq)]
pub(crate) struct PublishQuery {
    pub(crate) topic: Option<Topic>,
    pub(crate) event_type: Option<EventType>,
    pub(crate) key: Option<EventKey>,
}

impl StreamQuery {
    fn parse(query: &str, last_event_id: Option<&[u8]>, max_topics: usize) -> Result<Self, Problem> {
        let mut topics = Topics::new(max_topics);
        let mut resume_id = Once::new("last_event_id");
        let mut from = Once::new("from");
        let mut frames = Once::new("frames");
        let mut client_id = Once::new(CLIENT_ID);
        for pair in pairs(query) {
            let Pair { name, value } = pair?;
            match name.as_str() {
                "topic" => topics.push(&value)?,
                "last_event_id" => resume_id.set(value)?,
                "from" => from.set(value)?,
                "frames" => frames.set(value)?,
                CLIENT_ID => client_id.set(check_client_id(value)?)?,
                // It was used before this is reached: it says who opens the stream.
                "ticket" => {}
                _ => return Err(Problem::UnknownParameter { name }),
            }
        }
        let frames = match frames.value.as_deref() {
            None => false,
            Some("gzip") => true,
            Some(_) => return Err(Problem::BadParameter { name: "frames", must: "can only be \"gzip\"" }),
        };
        // The header is the newer of the two: a browser updates it and keeps the URL.
        let header = last_event_id.filter(|id| !id.is_empty());
        let resume = match header.map(std::str::from_utf8) {
            Some(Ok(id)) => resume(Some(id), from)?,
            Some(Err(_)) => Resume::Unreadable,
            None => resume(resume_id.value.as_deref(), from)?,
        };
        Ok(Self { topics: topics.at_least_one()?, resume, frames, client_id: client_id.value })
    }
}

impl PollQuery {
    fn parse(query: &str, max_topics: usize) -> Result<Self, Problem> {
        let mut topics = Topics::new(max_topics);
        let mut cursor = Once::new("cursor");
        let mut from = Once::new("from");
        let mut wait = Once::new("wait");
        let mut client_id = Once::new(CLIENT_ID);
        for pair in pairs(query) {
            let Pair { name, value } = pair?;
            match name.as_str() {
                "topic" => topics.push(&value)?,
                "cursor" => cursor.set(value)?,
                "from" => from.set(value)?,
                "wait" => wait.set(value)?,
                CLIENT_ID => client_id.set(check_client_id(value)?)?,
                _ => return Err(Problem::UnknownParameter { name }),
            }
        }
        let wait = match wait.value {
            None => Duration::ZERO,
            Some(text) => parse_wait(&text)
                .ok_or(Problem::BadParameter { name: "wait", must: "must be a number of seconds from 0 to 30" })?,
        };
        let resume = resume(cursor.value.as_deref(), from)?;
        Ok(Self { topics: topics.at_least_one()?, resume, wait })
    }
}

impl PublishQuery {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut topic = Once::new("topic");
        let mut event_type = Once::new("type");
        let mut key = Once::new("key");
        for pair in pairs(query) {
            let Pair { name, value } = pair?;
            match name.as_str() {
                "topic" => topic.set(value)?,
                "type" => event_type.set(value)?,
                "key" => key.set(value)?,
                _ => return Err(Problem::UnknownParameter { name }),
            }
        }
        let topic = topic.value.map(|text| Topic::parse(&text)).transpose().map_err(Problem::BadTopic)?;
        let event_type =
            event_type.value.map(|text| EventType::parse(&text)).transpose().map_err(Problem::BadEventType)?;
        let key = key.value.map(|text| EventKey::parse(&text)).transpose().map_err(Problem::BadKey)?;
        Ok(Self { topic, event_type, key })
    }
}

impl FromRequestParts<Hub> for StreamQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Hub) -> Result<Self, Problem> {
        let last_event_id = parts.headers.get(LAST_EVENT_ID).map(|value| value.as_bytes());
        Self::parse(query_of(parts), last_event_id, hub.config().max_topics_per_request)
    }
}

impl FromRequestParts<Hub> for PollQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Hub) -> Result<Self, Problem> {
        Self::parse(query_of(parts), hub.config().max_topics_per_request)
    }
}

impl FromRequestParts<Hub> for PublishQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Hub) -> Result<Self, Problem> {
        Self::parse(query_of(parts))
    }
}

impl<S: Sync> FromRequestParts<S> for ClientId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut named = pairs(query_of(parts)).flatten().filter(|pair| pair.name == CLIENT_ID);
        Ok(Self(named.next().map(|pair| pair.value).filter(|id| !id.is_empty())))
    }
}

fn query_of(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

/// A resume point wins over `from`: a client keeps its URL when it reconnects.
fn resume(id: Option<&str>, from: Once) -> Result<Resume, Problem> {
    let from = match from.value.as_deref() {
        None => Resume::Live,
        Some("earliest") => Resume::Earliest,
        Some(_) => return Err(Problem::BadParameter { name: "from", must: "can only be \"earliest\"" }),
    };
    Ok(id.filter(|id| !id.is_empty()).map_or(from, Resume::parse))
}

fn parse_wait(text: &str) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (wait <= MAX_WAIT).then_some(wait)
}

struct Pair {
    name: String,
    value: String,
}

/// The pairs of a query, decoded. A browser's `URLSearchParams` writes a space as `+`.
fn pairs(query: &str) -> impl Iterator<Item = Result<Pair, Problem>> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().map(|text| text.into_owned()).map_err(|_| Problem::QueryNotUtf8)
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok(Pair { name: decode(name)?, value: decode(value)? })
    })
}

/// A parameter that can be given once.
struct Once {
    name: &'static str,
    value: Option<String>,
}

impl Once {
    fn new(name: &'static str) -> Self {
        Self { name, value: None }
    }

    fn set(&mut self, value: String) -> Result<(), Problem> {
        match self.value.replace(value) {
            None => Ok(()),
            Some(_) => Err(Problem::RepeatedParameter { name: self.name }),
        }
    }
}

/// The name that a client gives itself. It is for whoever reads the requests, such as a proxy's log, and for the
/// roll-out. Nobody may be told by it who a client is.
fn check_client_id(text: String) -> Result<String, Problem> {
    // Counted no further than to the limit, since it may be as long as the whole query.
    let n_chars = text.chars().take(MAX_CLIENT_ID_CHARS + 1).count();
    if (1..=MAX_CLIENT_ID_CHARS).contains(&n_chars) && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(Problem::BadParameter {
            name: "client_id",
            must: "must be 1 to 128 characters, none of them a control character",
        })
    }
}

/// The topics of a request, counted before each is looked at, so that ten thousand cost no more
/// than one too many.
struct Topics {
    limit: usize,
    topics: Vec<Topic>,
}

impl Topics {
    fn new(limit: usize) -> Self {
        Self { limit, topics: Vec::new() }
    }

    fn push(&mut self, text: &str) -> Result<(), Problem> {
        if self.topics.len() >= self.limit {
            return Err(Problem::TooManyTopics { limit: self.limit });
        }
        // The one reserved topic that can be read; who may is for the route to ask.
        let stats = Topic::stats();
        let topic = if text == stats.as_str() { Ok(stats) } else { Topic::parse(text) };
        self.topics.push(topic.map_err(Problem::BadTopic)?);
        Ok(())
    }

    fn at_least_one(self) -> Result<Vec<Topic>, Problem> {
        if self.topics.is_empty() { Err(Problem::NoTopic) } else { Ok(self.topics) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartwire_protocol::{Cursor, Epoch};

    const AFTER_7: Resume = Resume::After(Cursor { epoch: Epoch(0xa), sequence: 7 });
    const AFTER_8: Resume = Resume::After(Cursor { epoch: Epoch(0xa), sequence: 8 });

    #[test]
    fn the_newest_resume_point_wins() {
        let check = |query: &str, header: Option<&str>, expected: Resume| {
            let query = format!("topic=t&{query}");
            let parsed = StreamQuery::parse(&query, header.map(str::as_bytes), 100).unwrap();
            assert_eq!(parsed.resume, expected, "{query} {header:?}");
        };
        check("", None, Resume::Live);
        check("last_event_id=", Some(""), Resume::Live);
        check("last_event_id=a-7", None, AFTER_7);
        check("last_event_id=a-7", Some(""), AFTER_7);
        check("last_event_id=a-7", Some("a-8"), AFTER_8);
        check("last_event_id=a-7", Some("nonsense"), Resume::Unreadable);
        check("from=earliest", None, Resume::Earliest);
        check("from=earliest&last_event_id=a-7", None, AFTER_7);
        check("from=earliest", Some("a-8"), AFTER_8);
        check("from=earliest&last_event_id=", None, Resume::Earliest);
    }

    #[test]
    fn escapes_and_plus_signs_are_decoded() {
        let topic = |query: &str| StreamQuery::parse(query, None, 100).map(|parsed| parsed.topics[0].to_string());
        assert_eq!(topic("topic=a%2Fb+c%2B"), Ok("a/b c+".into()));
        assert_eq!(topic("topic=%C3%BC"), Ok("ü".into()));
        assert_eq!(topic("topic=100%"), Ok("100%".into()));
        assert_eq!(topic("topic=%FF"), Err(Problem::QueryNotUtf8));
        assert_eq!(
            topic("topic=a%00"),
            Err(Problem::BadTopic(heartwire_protocol::FieldError::ControlCharacter { at: 1 }))
        );
    }

    #[test]
    fn wait_is_a_number_of_seconds_up_to_thirty() {
        let check = |text: &str, expected_ms: Option<u64>| {
            assert_eq!(parse_wait(text), expected_ms.map(Duration::from_millis), "{text}");
        };
        check("0", Some(0));
        check("0.5", Some(500));
        check("30", Some(30_000));
        for nonsense in ["30.001", "-1", "NaN", "inf", "1s", "", "1e99"] {
            check(nonsense, None);
        }
    }

    #[test]
    fn a_client_may_give_itself_a_name_of_some_length() {
        let check = |text: &str, expected: bool| {
            let stream = StreamQuery::parse(&format!("topic=t&client_id={text}"), None, 100);
            let poll = PollQuery::parse(&format!("topic=t&client_id={text}"), 100);
            assert_eq!((stream.is_ok(), poll.is_ok()), (expected, expected), "{text}");
        };
        check("tab+7", true);
        check(&"%C3%BC".repeat(128), true);
        check(&"x".repeat(129), false);
        check("", false);
        check("a%0Ab", false);
        check("a&client_id=b", false);
    }

    #[test]
    fn what_is_not_a_parameter_is_refused_by_name() {
        let unknown = |name: &str| Problem::UnknownParameter { name: name.into() };
        assert_eq!(StreamQuery::parse("topic=t&wait=1", None, 100), Err(unknown("wait")));
        assert_eq!(PollQuery::parse("topic=t&last_event_id=a-7", 100), Err(unknown("last_event_id")));
        assert_eq!(PublishQuery::parse("topics=t"), Err(unknown("topics")));
        assert_eq!(PublishQuery::parse("topic=t&topic=u"), Err(Problem::RepeatedParameter { name: "topic" }));
        assert_eq!(StreamQuery::parse("", None, 100), Err(Problem::NoTopic));
        assert_eq!(StreamQuery::parse("topic=a&topic=b&topic=", None, 2), Err(Problem::TooManyTopics { limit: 2 }));
    }
}
