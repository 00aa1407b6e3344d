//! What is shed, and what is refused, before memory runs out.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::{Lane, Server, Stream, answer, hub, in_both_lanes, poll, publish, refusal, request, send};
use heartwire::{Hub, HubConfig};
use std::time::{Duration, Instant};

in_both_lanes! {
    a_reader_whose_connection_takes_nothing_is_cut_after_its_time_and_no_other
}

const MB: usize = 1024 * 1024;
/// What a reader is counted as.
const READER_BYTES: usize = 2 * 1024;

fn config() -> HubConfig {
    HubConfig { memory_critical_mb: Some(1), max_bytes_per_topic: MB, ..HubConfig::default() }
}

async fn open(hub: &Hub, n_streams: usize) -> Vec<Stream> {
    let mut streams = Vec::new();
    for _ in 0..n_streams {
        streams.push(Stream::open(hub, "topic=a").await.opened().await);
    }
    streams
}

async fn post(hub: &Hub, data: &str) -> axum::response::Response {
    send(hub, Request::post("/events?topic=a").body(Body::from(data.to_owned())).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn readers_and_history_share_what_there_is_and_the_oldest_history_goes_first() {
    let hub = hub(config());
    let padding = "x".repeat(1_000);
    for n in 0..1_000 {
        publish(&hub, &format!("t{n}"), [padding.as_str()]).await;
        assert!(hub.history_bytes() <= MB);
    }
    let full = hub.history_bytes();
    assert!(full > MB - 10_000, "{full}");
    let streams = open(&hub, 100).await;
    assert!(hub.history_bytes() <= MB - 100 * READER_BYTES, "a reader takes its share when it comes");
    publish(&hub, "last", [padding.as_str()]).await;
    assert!(hub.history_bytes() <= MB - 100 * READER_BYTES);
    assert_eq!(poll(&hub, "topic=t0&cursor=abc-0").await["gap"]["reason"], "evicted");
    assert_eq!(poll(&hub, "topic=last&cursor=abc-0").await["gap"], serde_json::Value::Null);
    drop(streams);
    for n in 0..1_000 {
        publish(&hub, &format!("t{n}"), [padding.as_str()]).await;
    }
    assert!(hub.history_bytes() > MB - 10_000, "what readers gave back is used again");
}

#[tokio::test(start_paused = true)]
async fn publishing_is_refused_when_readers_take_all_and_goes_on_when_they_leave() {
    let hub = hub(config());
    publish(&hub, "a", ["before"]).await;
    let mut streams = open(&hub, MB / READER_BYTES).await;
    assert_eq!(hub.history_bytes(), 0);
    let response = post(&hub, "during").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response).await, (503, "out-of-memory".into()));
    streams.truncate(10);
    assert_eq!(answer(post(&hub, "after").await).await.0, 200);
    // The event that was refused was never there, and the one that was shed is told.
    let polled = poll(&hub, "topic=a&cursor=abc-0").await;
    assert_eq!(polled["gap"]["reason"], "evicted");
    assert_eq!((&polled["events"][0]["id"], &polled["events"][0]["data"]), (&"abc-2".into(), &"after".into()));
}

async fn a_reader_whose_connection_takes_nothing_is_cut_after_its_time_and_no_other(lane: Lane) {
    let idle_time = Duration::from_millis(500);
    let heartbeat_interval = Some(Duration::from_millis(50));
    let config = HubConfig { max_subscriber_idle_time: Some(idle_time), heartbeat_interval, ..HubConfig::default() };
    let server = Server::start(lane, config).await;
    let quiet = server.open("topic=quiet").await.opened().await;
    let deaf = server.send(&request("topic=a", "")).await;
    server.has_streams(2).await;
    let padding = "x".repeat(100_000);
    let asked_at = Instant::now();
    // More than the kernel buffers for a reader.
    for _ in 0..150 {
        publish(&server.hub, "a", [padding.as_str()]).await;
    }
    server.has_streams(1).await;
    assert!(asked_at.elapsed() >= idle_time, "{:?}", asked_at.elapsed());
    drop((quiet, deaf));
    server.has_streams(0).await;
}
