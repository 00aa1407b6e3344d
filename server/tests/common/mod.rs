//! What the tests in this folder share: a hub of a known epoch, and requests to its router.

// Each test crate uses a part of this, and to clippy it is no test itself.
#![allow(dead_code, unused_imports, unused_macros, clippy::unwrap_used)]

#[cfg(feature = "cli")]
pub(crate) mod binary;
#[cfg(feature = "tls")]
pub(crate) mod certificate;
#[cfg(feature = "cli")]
pub(crate) mod process;
mod server;

pub(crate) use server::{Chunks, Lane, Server, eventually, in_both_lanes, request};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use flate2::{Decompress, FlushDecompress};
use heartwire::log::{MemoryLog, NewEvent};
use heartwire::{Data, Epoch, EventType, Hub, HubConfig, Topic};
use http_body_util::BodyExt;
use std::sync::Arc;
use tower::ServiceExt;

/// A hub of the epoch `abc`, so that ids are known beforehand.
pub(crate) fn hub(config: HubConfig) -> Hub {
    Hub::with_log(config, Arc::new(MemoryLog::with_epoch(Epoch(0xabc)))).unwrap()
}

pub(crate) fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// Publishes events of the type `message`, one after the other.
pub(crate) async fn publish<const N: usize>(hub: &Hub, topic_name: &str, data: [&str; N]) {
    for data in data {
        hub.publish(&topic(topic_name), &EventType::default(), data).await.unwrap();
    }
}

/// Publishes events of the type `message` in one step: no reader sees one without the others.
pub(crate) async fn publish_at_once(hub: &Hub, topic_name: &str, data: impl IntoIterator<Item = String>) {
    let event = |data: String| NewEvent::new(topic(topic_name), EventType::default(), Data::new(&data));
    hub.publish_all(data.into_iter().map(event).collect()).await.unwrap();
}

pub(crate) async fn get(hub: &Hub, uri: &str) -> Response {
    send(hub, Request::get(uri).body(Body::empty()).unwrap()).await
}

pub(crate) async fn send(hub: &Hub, request: Request<Body>) -> Response {
    heartwire::router(hub.clone()).oneshot(request).await.unwrap()
}

/// Status and body.
pub(crate) async fn answer(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.into()).unwrap())
}

/// Status and code of a refusal.
pub(crate) async fn refusal(response: Response) -> (u16, String) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let (status, body) = answer(response).await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(json["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{body}");
    (status.as_u16(), json["code"].as_str().unwrap().to_owned())
}

/// A poll's answer.
pub(crate) async fn poll(hub: &Hub, query: &str) -> serde_json::Value {
    let (status, body) = answer(get(hub, &format!("/events/poll?{query}")).await).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Where streams are opened: a hub's router in process, or a server.
pub(crate) trait Streams {
    async fn open_stream(&self, query: &str, last_event_id: &str) -> Stream;
}

impl Streams for Hub {
    async fn open_stream(&self, query: &str, last_event_id: &str) -> Stream {
        Stream::resume(self, query, last_event_id).await
    }
}

impl Streams for Server {
    async fn open_stream(&self, query: &str, last_event_id: &str) -> Stream {
        self.resume(query, last_event_id).await
    }
}

/// A stream that is being read.
pub(crate) struct Stream {
    source: Source,
    /// Opens what is compressed.
    gunzip: Option<Decompress>,
    /// What came and was not asked for yet.
    text: String,
    n_wire_bytes: usize,
}

enum Source {
    Body(Body),
    Socket(Chunks),
}

impl Source {
    async fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Body(body) => Some(body.frame().await?.unwrap().into_data().unwrap().into()),
            Self::Socket(chunks) => chunks.next().await,
        }
    }
}

impl Stream {
    pub(crate) async fn open(hub: &Hub, query: &str) -> Self {
        Self::of(get(hub, &format!("/events?{query}")).await)
    }

    pub(crate) async fn resume(hub: &Hub, query: &str, last_event_id: &str) -> Self {
        let request = Request::get(format!("/events?{query}")).header("last-event-id", last_event_id);
        Self::of(send(hub, request.body(Body::empty()).unwrap()).await)
    }

    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        let gunzip = response.headers().contains_key(header::CONTENT_ENCODING).then(gunzip);
        Self { source: Source::Body(response.into_body()), gunzip, text: String::new(), n_wire_bytes: 0 }
    }

    /// What comes over a socket on which a request was sent, behind the head.
    pub(crate) async fn over(socket: tokio::net::TcpStream) -> (String, Self) {
        let (head, chunks) = Chunks::of(socket).await;
        let gunzip = head.contains("content-encoding: gzip").then(gunzip);
        (head, Self { source: Source::Socket(chunks), gunzip, text: String::new(), n_wire_bytes: 0 })
    }

    /// The next block up to its blank line, as written, but for clocks and jitter. `None`: the end.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = without_numbers_of_chance(block);
                self.text = rest.to_owned();
                return Some(block);
            }
            let bytes = self.source.next().await?;
            self.n_wire_bytes += bytes.len();
            let text = match &mut self.gunzip {
                None => bytes,
                Some(gunzip) => opened(gunzip, &bytes),
            };
            self.text.push_str(&String::from_utf8(text).unwrap());
        }
    }

    /// How many bytes of body it took so far, frames of chunks aside.
    pub(crate) fn n_wire_bytes(&self) -> usize {
        self.n_wire_bytes
    }

    /// The next blocks.
    pub(crate) async fn blocks<const N: usize>(&mut self) -> [String; N] {
        let mut blocks = Vec::new();
        for _ in 0..N {
            blocks.push(self.block().await.expect("the stream goes on"));
        }
        blocks.try_into().unwrap()
    }

    /// The blocks to the end.
    pub(crate) async fn rest(&mut self) -> Vec<String> {
        let mut blocks = Vec::new();
        while let Some(block) = self.block().await {
            blocks.push(block);
        }
        blocks
    }

    /// Skips the comment and `connected`.
    pub(crate) async fn opened(mut self) -> Self {
        let [comment, connected] = self.blocks().await;
        assert_eq!(comment, ": heartwire");
        assert!(connected.contains("event: connected"), "{connected}");
        self
    }
}

pub(crate) fn gunzip() -> Decompress {
    Decompress::new_gzip(15)
}

/// All that comes out of some bytes, which end where a block does.
pub(crate) fn opened(gunzip: &mut Decompress, bytes: &[u8]) -> Vec<u8> {
    let (mut text, before) = (Vec::new(), gunzip.total_in());
    loop {
        text.reserve(16 * 1024);
        let taken = (gunzip.total_in() - before) as usize;
        gunzip.decompress_vec(&bytes[taken..], &mut text, FlushDecompress::Sync).unwrap();
        if text.len() < text.capacity() {
            assert_eq!((gunzip.total_in() - before) as usize, bytes.len(), "nothing is left over");
            return text;
        }
    }
}

/// Puts `T` for the wall clock and `R` for a random delay.
fn without_numbers_of_chance(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, letter) in [("\"time_ms\":", 'T'), ("\"retry_ms\":", 'R'), ("retry: ", 'R')] {
        if let Some((head, tail)) = text.split_once(before) {
            let tail = tail.trim_start_matches(|c: char| c.is_ascii_digit());
            text = format!("{head}{before}{letter}{tail}");
        }
    }
    text
}
