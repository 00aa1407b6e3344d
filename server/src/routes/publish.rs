//! `POST /events`: publishes the body as one event, or its lines as many.

use super::begins_an_object;
use super::body::Whole;
use super::query::PublishQuery;
use crate::auth::Publisher;
use crate::hub::{Hub, PublishError};
use crate::log::NewEvent;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use heartwire_protocol::{Data, EventKey, EventType, Topic};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
struct OneAnswer {
    id: String,
}

#[derive(Serialize)]
struct ManyAnswer {
    ids: Vec<String>,
}

/// A body of whole UTF-8 text within the hub's limit.
pub(super) struct Payload {
    text: String,
    is_ndjson: bool,
}

pub(super) async fn publish(
    query: PublishQuery,
    publisher: Publisher,
    State(hub): State<Hub>,
    payload: Payload,
) -> Result<Response, Problem> {
    if payload.is_ndjson {
        let events = parse_lines(&payload.text, &query)?;
        publisher.check_may_publish(events.iter().map(|event| &event.topic))?;
        let cursors = hub.publish_all(events).await?;
        return Ok(Json(ManyAnswer { ids: cursors.iter().map(ToString::to_string).collect() }).into_response());
    }
    let PublishQuery { topic, event_type, key } = query;
    let (topic, event_type) = (topic.ok_or(Problem::NoTopic)?, event_type.unwrap_or_default());
    publisher.check_may_publish([&topic])?;
    let cursor = hub.publish_event(NewEvent { topic, event_type, key, data: Data::new(&payload.text) }).await?;
    Ok(Json(OneAnswer { id: cursor.to_string() }).into_response())
}

impl FromRequest<Hub> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, hub: &Hub) -> Result<Self, Problem> {
        let is_ndjson = is_ndjson(request.headers());
        let Whole(bytes) = Whole::from_request(request, hub).await?;
        let text = String::from_utf8(bytes.into())
            .map_err(|err| Problem::BodyNotUtf8 { at: err.utf8_error().valid_up_to() })?;
        Ok(Self { text, is_ndjson })
    }
}

impl From<PublishError> for Problem {
    fn from(err: PublishError) -> Self {
        match err {
            PublishError::TooLarge { limit_bytes } => Self::EventTooLarge { limit_bytes },
            PublishError::OutOfMemory => Self::OutOfMemory,
            PublishError::TooManyTopics => Self::NoRoomForTopic,
            PublishError::Log(err) => {
                tracing::warn!(%err, "an event could not be published");
                Self::LogUnavailable
            }
        }
    }
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-ndjson")
}

/// One line of an NDJSON body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The events of an NDJSON body. The query's topic, type and key stand in where a line names none.
fn parse_lines(text: &str, query: &PublishQuery) -> Result<Vec<NewEvent>, Problem> {
    text.split('\n')
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| parse_line(line, query).map_err(|why| Problem::BadLine { number, why }))
        .collect()
}

/// The error completes "Line 3 of the body …".
fn parse_line(line: &str, query: &PublishQuery) -> Result<NewEvent, String> {
    if !begins_an_object(line.as_bytes()) {
        return Err("is not a JSON object".into());
    }
    let Line { topic, event_type, key, data } = serde_json::from_str(line).map_err(|err| json_error(&err))?;
    let topic = match topic {
        Some(text) => Topic::parse(&text).map_err(|err| format!("names a topic that {err}"))?,
        None => query.topic.clone().ok_or("names no topic, and neither does the query")?,
    };
    let event_type = match event_type {
        Some(text) => EventType::parse(&text).map_err(|err| format!("names an event type that {err}"))?,
        None => query.event_type.clone().unwrap_or_default(),
    };
    let key = match key {
        Some(text) => Some(EventKey::parse(&text).map_err(|err| format!("names a key that {err}"))?),
        None => query.key.clone(),
    };
    let data = if data.get().starts_with('"') {
        let text: Cow<'_, str> = serde_json::from_str(data.get()).map_err(|err| json_error(&err))?;
        Data::new(&text)
    } else {
        // Any other value is published as it was written, spaces and the order of members included.
        Data::new(data.get())
    };
    Ok(NewEvent { topic, event_type, key, data })
}

fn json_error(err: &serde_json::Error) -> String {
    // The text ends in " at line 1 column 5"; its line would contradict ours.
    let text = err.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("is not an event at column {}: {what}", err.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(topic: Option<&str>) -> PublishQuery {
        PublishQuery { topic: topic.map(|text| Topic::parse(text).unwrap()), event_type: None, key: None }
    }

    #[test]
    fn each_line_is_an_event_and_blank_lines_are_nothing() {
        let check = |line: &str, expected: (&str, &str, &str)| {
            let events = parse_lines(&format!("\n{line}\r\n \n"), &query(Some("default"))).unwrap();
            let [event] = &events[..] else { panic!("{events:?}") };
            let actual = (event.topic.as_str(), event.event_type.as_str(), event.data.as_str());
            assert_eq!(actual, expected, "{line}");
        };
        check(r#"{"topic":"t","type":"e","data":"d"}"#, ("t", "e", "d"));
        check(r#"{"data":"a\nb\u00fc\""}"#, ("default", "message", "a\nbü\""));
        check(r#"{"topic":"\u00fc","data":"d"}"#, ("ü", "message", "d"));
        check(r#"{"data":{"b": 1,  "a":[1.50,2]}}"#, ("default", "message", r#"{"b": 1,  "a":[1.50,2]}"#));
        check(r#"{"data":null}"#, ("default", "message", "null"));
        check(r#"{"topic":null,"type":null,"data":1}"#, ("default", "message", "1"));
    }

    #[test]
    fn a_line_without_a_key_takes_that_of_the_query() {
        let check = |line: &str, of_query: Option<&str>, expected: Option<&str>| {
            let key = of_query.map(|text| EventKey::parse(text).unwrap());
            let events = parse_lines(line, &PublishQuery { key, ..query(Some("t")) }).unwrap();
            assert_eq!(events[0].key.as_ref().map(EventKey::as_str), expected, "{line} {of_query:?}");
        };
        check(r#"{"key":"k","data":1}"#, None, Some("k"));
        check(r#"{"key":"k","data":1}"#, Some("q"), Some("k"));
        check(r#"{"data":1}"#, Some("q"), Some("q"));
        check(r#"{"key":null,"data":1}"#, None, None);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let check = |line: &str, expected: &str| {
            let text = format!("{{\"topic\":\"t\",\"data\":1}}\n\n{line}\n{{\"topic\":\"t\",\"data\":2}}");
            let Err(Problem::BadLine { number: 3, why }) = parse_lines(&text, &query(None)) else { panic!("{line}") };
            assert!(why.contains(expected), "{why}");
        };
        check("{", "is not an event at column 1");
        check("17", "is not a JSON object");
        check(r#" ["t","e",1]"#, "is not a JSON object");
        check(r#"{"topic":"t"}"#, "missing field `data`");
        check(r#"{"topic":"t","data":1,"id":"x"}"#, "unknown field `id`");
        check(r#"{"data":1}"#, "names no topic");
        check(r#"{"topic":"$t","data":1}"#, "names a topic that is a name that Heartwire keeps for itself");
        check(r#"{"topic":"t","type":"gap","data":1}"#, "names an event type that is a name");
        check(r#"{"topic":"t","key":"","data":1}"#, "names a key that is empty");
        check(r#"{"topic":"t","key":7,"data":1}"#, "is not an event at column");
        check(r#"{"topic":"t","data":"\ud800"}"#, "is not an event");
    }
}
