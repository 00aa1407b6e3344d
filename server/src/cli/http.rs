//! What the commands that talk to a hub have in common: publishing over HTTP, and saying who they are.

use super::Failure;
use super::settings::TOKEN_VARIABLE;
use crate::client::http;
use clap::Args;
use heartwire_protocol::answer::RefusalAnswer;
use heartwire_protocol::connection::MAX_HINT;
use heartwire_protocol::{EventType, Topic};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where and under what to publish.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// Topic to publish under
    #[arg(long, value_parser = parse_topic)]
    topic: Topic,
    /// Event type that pages listen for [default: message]
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_event_type)]
    event_type: Option<EventType>,
    /// Where the hub is, its prefix included
    #[arg(long, default_value = "http://127.0.0.1:8080/", value_parser = parse_url)]
    url: Url,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    bearer: Bearer,
}

/// Whom to trust where the URL begins with https.
#[derive(Debug, Clone, Args)]
pub(super) struct Trust {
    /// PEM file of the only authorities to trust for https [default: those that this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
}

/// Who the command is, where the hub wants to know.
#[derive(Clone, Default, Args)]
pub(super) struct Bearer {
    /// Token or key to send; better in the environment, since others on the machine can see flags
    #[arg(long, env = TOKEN_VARIABLE, value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Bearer {
    /// The headers that say so. The token is in no message, whatever is wrong with it.
    pub(super) fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| Failure::of("the token has characters that no header can hold"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

/// Why a server did not take events.
#[derive(Debug)]
pub(super) enum PublishFailure {
    /// It could not be reached, or cannot take them right now: trying again may help.
    Unavailable { why: String, retry_after: Option<Duration> },
    /// The body or an event in it is too large: it may take them in smaller portions.
    TooLarge(String),
    /// It will not take them, however often it is asked.
    Refused(String),
}

/// Publishes to one target.
#[derive(Debug)]
pub(super) struct Publisher {
    client: Client,
    url: Url,
}

#[derive(Deserialize)]
struct OneAnswer {
    id: String,
}

impl Publisher {
    pub(super) fn new(target: &Target) -> Result<Self, Failure> {
        let mut url = target.url.clone();
        url.path_segments_mut().map_err(|()| Failure::of("the URL must have a path"))?.pop_if_empty().push("events");
        url.query_pairs_mut().append_pair("topic", target.topic.as_str());
        if let Some(event_type) = &target.event_type {
            url.query_pairs_mut().append_pair("type", event_type.as_str());
        }
        let builder =
            http::builder(url.scheme(), target.trust.ca.as_deref()).map_err(|err| Failure::of(err.to_string()))?;
        let client = builder.timeout(TIMEOUT).default_headers(target.bearer.headers()?).build();
        Ok(Self { client: client.map_err(|err| Failure::new("cannot set up an HTTP client", &err))?, url })
    }

    /// Publishes one event and returns its id.
    pub(super) async fn publish(&self, data: String) -> Result<String, PublishFailure> {
        let answer = self.post("text/plain; charset=utf-8", data).await?;
        match serde_json::from_str(&answer) {
            Ok(OneAnswer { id }) => Ok(id),
            Err(_) => Err(PublishFailure::Refused("the server answers, but not like a hub".into())),
        }
    }

    /// Publishes one event for each line, all or none.
    pub(super) async fn publish_lines(&self, ndjson: String) -> Result<(), PublishFailure> {
        self.post("application/x-ndjson", ndjson).await.map(drop)
    }

    async fn post(&self, content_type: &'static str, body: String) -> Result<String, PublishFailure> {
        let unavailable = |err: reqwest::Error| {
            let why = Failure::new(&format!("{} cannot be reached", self.url), &err.without_url()).to_string();
            PublishFailure::Unavailable { why, retry_after: None }
        };
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, content_type).body(body);
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let text = response.text().await.map_err(unavailable)?;
        if status.is_success() {
            return Ok(text);
        }
        let why = match serde_json::from_str(&text) {
            Ok(RefusalAnswer { detail, code }) => format!("{detail} ({code})"),
            Err(_) => format!("the server answers {status}"),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(PublishFailure::Unavailable { why, retry_after });
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(PublishFailure::TooLarge(why));
        }
        Err(PublishFailure::Refused(why))
    }
}

/// How long the server asks us to stay away, bounded as for every other client.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_HINT))
}

impl From<PublishFailure> for Failure {
    fn from(failure: PublishFailure) -> Self {
        match failure {
            PublishFailure::Unavailable { why, .. } | PublishFailure::TooLarge(why) | PublishFailure::Refused(why) => {
                Self::of(why)
            }
        }
    }
}

/// Reads the URL of a hub.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|err| format!("{err}; a URL looks like http://127.0.0.1:8080/"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("only http and https URLs are known; one looks like http://127.0.0.1:8080/".into()),
    }
}

pub(super) fn parse_topic(text: &str) -> Result<Topic, String> {
    Topic::parse(text).map_err(|err| format!("the topic {err}"))
}

fn parse_event_type(text: &str) -> Result<EventType, String> {
    EventType::parse(text).map_err(|err| format!("the event type {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_nobody_away_for_longer_than_the_longest_hint() {
        let check = |value: &'static str, expected: Option<Duration>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), expected, "{value}");
        };
        check("0", Some(Duration::ZERO));
        check("30", Some(Duration::from_secs(30)));
        check("601", Some(MAX_HINT));
        check("18446744073709551615", Some(MAX_HINT));
        check("Sat, 21 Nov 2026 11:00:00 GMT", None);
    }

    #[test]
    fn a_token_does_not_show() {
        let bearer = Bearer { token: Some("hunter2".into()) };
        assert!(!format!("{bearer:?}{:?}", bearer.headers().unwrap()).contains("hunter2"));
        assert_eq!(bearer.headers().unwrap()[AUTHORIZATION], "Bearer hunter2");
        let refusal = Bearer { token: Some("hunter\n2".into()) }.headers().unwrap_err().to_string();
        assert!(!refusal.contains("hunter"), "{refusal}");
    }
}
