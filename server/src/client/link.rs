//! The requests of a subscriber, each a task that tells what it hears.

use super::ReceivedEvent;
use crate::causes;
use heartwire_protocol::Decoder;
use heartwire_protocol::answer::{HealthAnswer, PollAnswer, RefusalAnswer};
use heartwire_protocol::connection::Link;
use heartwire_protocol::control::Control;
use heartwire_protocol::decode::DecodedEvent;
use heartwire_protocol::frame::{self, FrameError};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::mpsc;

/// The largest answer to a poll: what a server may put in one, with room for escapes.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// The largest refusal that is read: one sentence and a word, with room for those of others.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;

/// Who takes no more than a stream is refused by one that ends, as a browser's `EventSource` must be.
const STREAM_OR_REFUSAL: &str = "text/event-stream, application/json";

/// What happened on a link.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) link: Link,
    pub(super) happening: Happening,
}

#[derive(Debug)]
pub(super) enum Happening {
    Opened,
    /// Bytes came, whatever they mean.
    Heard,
    Event(ReceivedEvent),
    BadFrame {
        id: String,
        error: FrameError,
    },
    Control {
        id: String,
        control: Control,
    },
    /// The request did not get to anything that answers HTTP.
    Unreachable {
        why: String,
    },
    Refused {
        status: StatusCode,
        answer: RefusalAnswer,
        retry_after: Option<Duration>,
    },
    Lost {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
    Polled(PollAnswer),
    PollFailed {
        retry_after: Option<Duration>,
    },
    Health {
        enabled: Option<bool>,
    },
}

/// A stream, from the request to its end.
pub(super) async fn stream(http: Client, url: Url, link: Link, hear: mpsc::Sender<Heard>) {
    let happening = match http.get(url).header(ACCEPT, STREAM_OR_REFUSAL).send().await {
        Err(err) => {
            hear_failure(err, link, &hear).await;
            Happening::Lost { status: None, retry_after: None }
        }
        Ok(response) if !is_stream(&response) => {
            let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
            hear_refusal(response, link, &hear).await;
            Happening::Lost { status: Some(status), retry_after }
        }
        Ok(response) => read(response, link, &hear).await,
    };
    // Fails only when the subscriber is gone, and then nobody wants to know.
    let _ = hear.send(Heard { link, happening }).await;
}

/// Reads a stream to its end.
async fn read(mut response: Response, link: Link, hear: &mpsc::Sender<Heard>) -> Happening {
    let mut decoder = Decoder::default();
    if hear.send(Heard { link, happening: Happening::Opened }).await.is_err() {
        return Happening::Lost { status: None, retry_after: None };
    }
    while let Ok(Some(bytes)) = response.chunk().await {
        decoder.feed(&bytes);
        if hear.send(Heard { link, happening: Happening::Heard }).await.is_err() {
            break;
        }
        loop {
            // An event that is too long leaves nothing to go on with.
            let Ok(next) = decoder.next_event() else { return Happening::Lost { status: None, retry_after: None } };
            let Some(event) = next else { break };
            let Some(happening) = understood(event) else { continue };
            if hear.send(Heard { link, happening }).await.is_err() {
                break;
            }
        }
    }
    Happening::Lost { status: None, retry_after: decoder.retry() }
}

/// What an event of the stream means; `None` for a control event that makes no sense.
fn understood(DecodedEvent { event_type, data, last_event_id: id }: DecodedEvent) -> Option<Happening> {
    if let Some(control) = Control::from_json(&event_type, &data) {
        return control.ok().map(|control| Happening::Control { id, control });
    }
    let Some(inner) = frame::inner_type(&event_type) else {
        return Some(Happening::Event(ReceivedEvent { id, event_type, data }));
    };
    Some(match frame::open(data.as_bytes(), frame::DEFAULT_MAX_OPEN_BYTES) {
        Ok(data) => Happening::Event(ReceivedEvent { id, event_type: inner.to_owned(), data }),
        Err(error) => Happening::BadFrame { id, error },
    })
}

/// One poll.
pub(super) async fn poll(http: Client, url: Url, link: Link, hear: mpsc::Sender<Heard>) {
    let happening = match http.get(url).send().await {
        Ok(response) if response.status().is_success() => match json(response, MAX_ANSWER_BYTES).await {
            Some(answer) => Happening::Polled(answer),
            None => Happening::PollFailed { retry_after: None },
        },
        Ok(response) => {
            let retry_after = retry_after(&response);
            hear_refusal(response, link, &hear).await;
            Happening::PollFailed { retry_after }
        }
        Err(err) => {
            hear_failure(err, link, &hear).await;
            Happening::PollFailed { retry_after: None }
        }
    };
    let _ = hear.send(Heard { link, happening }).await;
}

/// One question after the server's health.
pub(super) async fn health(http: Client, url: Url, link: Link, hear: mpsc::Sender<Heard>) {
    let enabled = match http.get(url).send().await {
        Ok(response) if response.status().is_success() => {
            json(response, MAX_ANSWER_BYTES).await.map(|HealthAnswer { enabled, .. }| enabled)
        }
        _ => None,
    };
    let _ = hear.send(Heard { link, happening: Happening::Health { enabled } }).await;
}

/// Tells why there is no answer. That the stream or the poll is over is for the caller to tell.
async fn hear_failure(err: reqwest::Error, link: Link, hear: &mpsc::Sender<Heard>) {
    // The URL is told by whoever asked, and may hold a ticket.
    let why = causes::told(&err.without_url());
    let _ = hear.send(Heard { link, happening: Happening::Unreachable { why } }).await;
}

/// Tells why the server refuses, where it says so in our JSON. That the stream or the poll is over is
/// for the caller to tell.
async fn hear_refusal(response: Response, link: Link, hear: &mpsc::Sender<Heard>) {
    let (status, retry_after) = (response.status(), retry_after(&response));
    // What succeeds and is no stream is somebody else's page, not a refusal, and may be endless.
    if status.is_success() {
        return;
    }
    if let Some(answer) = json(response, MAX_REFUSAL_BYTES).await {
        let _ = hear.send(Heard { link, happening: Happening::Refused { status, answer, retry_after } }).await;
    }
}

fn is_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    response.status().as_u16() == 200 && content_type.starts_with("text/event-stream")
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn json<T: DeserializeOwned>(mut response: Response, limit_bytes: usize) -> Option<T> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.ok()? {
        if body.len() + bytes.len() > limit_bytes {
            return None;
        }
        body.extend_from_slice(&bytes);
    }
    serde_json::from_slice(&body).ok()
}
