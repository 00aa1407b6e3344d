//! What stands on a stream, byte for byte, in both lanes.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::{Lane, Server, Stream, answer, eventually, in_both_lanes, publish, publish_at_once, request, send, topic};
use heartwire::{EventType, HubConfig};
use std::time::{Duration, Instant};

in_both_lanes! {
    a_stream_begins_with_a_comment_and_connected_then_brings_events
    several_topics_come_in_one_order_and_a_topic_named_twice_comes_once
    a_heartbeat_tells_a_position_that_moves_with_the_events_of_other_topics
    without_heartbeats_connected_says_so
    frames_come_only_when_asked_for_and_only_when_they_save_bytes
    a_stream_is_rotated_near_the_end_of_its_longest_life
    a_reader_that_falls_off_the_history_is_told_that_it_lags_and_then_what_it_missed
    only_a_reader_that_had_caught_up_can_be_too_far_behind
    a_reader_that_leaves_leaves_nothing_behind
    the_payload_is_what_was_published_with_its_line_breaks_as_line_feeds
}

const CONNECTED: &str = r#"{"protocol":1,"heartbeat_interval_ms":15000,"resumed":false,"time_ms":T}"#;

async fn a_stream_begins_with_a_comment_and_connected_then_brings_events(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let hub = &server.hub;
    let (head, mut stream) = Stream::over(server.send(&request("topic=a", "")).await).await;
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
    let headers: Vec<_> = lines.collect();
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(headers.contains(&header), "{head}");
    }
    assert!(headers.iter().any(|header| header.starts_with("date: ")), "{head}");
    let request = Request::post("/events?topic=a&type=progress").body(Body::from("half\nway")).unwrap();
    assert_eq!(answer(send(hub, request).await).await.1, r#"{"id":"abc-1"}"#);
    publish(hub, "other", ["not for us"]).await;
    publish(hub, "a", ["done"]).await;
    assert_eq!(
        stream.blocks().await,
        [
            ": heartwire",
            &format!("id: abc-0\nevent: connected\ndata: {CONNECTED}"),
            "id: abc-1\nevent: progress\ndata: half\ndata: way",
            "id: abc-3\ndata: done",
        ]
    );
}

async fn several_topics_come_in_one_order_and_a_topic_named_twice_comes_once(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let hub = &server.hub;
    for data in ["1", "2", "3", "4"] {
        publish(hub, "a", [data]).await;
        publish(hub, "b", [data]).await;
    }
    let mut stream = server.open("topic=a&topic=b&topic=a&from=earliest").await.opened().await;
    for sequence in 1..=8 {
        let block = stream.block().await.unwrap();
        assert_eq!(block, format!("id: abc-{sequence}\ndata: {}", (sequence + 1) / 2));
    }
}

async fn a_heartbeat_tells_a_position_that_moves_with_the_events_of_other_topics(lane: Lane) {
    const INTERVAL: Duration = Duration::from_millis(200);
    let asked_at = Instant::now();
    let server = Server::start(lane, HubConfig { heartbeat_interval: Some(INTERVAL), ..HubConfig::default() }).await;
    let hub = &server.hub;
    let mut stream = server.open("topic=quiet").await.opened().await;
    assert_eq!(stream.blocks().await, ["id: abc-0\nevent: heartbeat\ndata: {\"time_ms\":T}"]);
    assert!(asked_at.elapsed() >= INTERVAL);
    publish(hub, "busy", ["1", "2", "3"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-3\nevent: heartbeat\ndata: {\"time_ms\":T}"]);
    assert!(asked_at.elapsed() >= 2 * INTERVAL);
}

async fn without_heartbeats_connected_says_so(lane: Lane) {
    let server = Server::start(lane, HubConfig { heartbeat_interval: None, ..HubConfig::default() }).await;
    let [_, connected] = server.open("topic=a").await.blocks().await;
    assert!(connected.contains("\"heartbeat_interval_ms\":null"), "{connected}");
}

async fn frames_come_only_when_asked_for_and_only_when_they_save_bytes(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let hub = &server.hub;
    let large = "all work and no play ".repeat(100);
    // Printable noise of 2,000 bytes: base64 takes back what deflate saves.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (state >> 33) as u8 % 94)
    };
    let noise: String = (0..2_000).map(|_| noise()).collect();
    publish(hub, "a", [&large, "small", &noise]).await;

    let mut plain = server.open("topic=a&from=earliest").await.opened().await;
    assert_eq!(plain.block().await.unwrap(), format!("id: abc-1\ndata: {large}"));

    let mut framed = server.open("topic=a&from=earliest&frames=gzip").await.opened().await;
    let [first, second, third] = framed.blocks().await;
    let base64 = first.strip_prefix("id: abc-1\nevent: message+gzip\ndata: ").expect(&first);
    assert_eq!(heartwire_protocol::frame::open(base64.as_bytes(), 1 << 20).unwrap(), large);
    assert_eq!(second, "id: abc-2\ndata: small");
    assert_eq!(third, format!("id: abc-3\ndata: {noise}"));
}

async fn a_stream_is_rotated_near_the_end_of_its_longest_life(lane: Lane) {
    let longest = Duration::from_millis(300);
    let asked_at = Instant::now();
    let config = HubConfig { connection_timeout: Some(longest), heartbeat_interval: None, ..HubConfig::default() };
    let server = Server::start(lane, config).await;
    let mut stream = server.open("topic=a").await.opened().await;
    assert_eq!(
        stream.rest().await,
        ["retry: R", "id: abc-0\nevent: closing\ndata: {\"reason\":\"rotated\",\"retry_ms\":R}"]
    );
    assert!(asked_at.elapsed() > longest.mul_f64(0.9));
    server.has_streams(0).await;
}

async fn a_reader_that_falls_off_the_history_is_told_that_it_lags_and_then_what_it_missed(lane: Lane) {
    let server = Server::start(lane, HubConfig { max_history_per_topic: 3, ..HubConfig::default() }).await;
    let hub = &server.hub;
    let mut stream = server.open("topic=a").await.opened().await;
    publish(hub, "a", ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    publish_at_once(hub, "a", ["2", "3", "4", "5"].map(String::from)).await;
    assert_eq!(
        stream.rest().await,
        ["retry: R", "id: abc-1\nevent: closing\ndata: {\"reason\":\"lagged\",\"retry_ms\":R}"]
    );
    let mut stream = server.resume("topic=a", "abc-1").await.opened().await;
    assert_eq!(
        stream.blocks().await,
        [
            "id: abc-2\nevent: gap\ndata: {\"from\":\"abc-1\",\"to\":\"abc-2\",\"reason\":\"evicted\"}",
            "id: abc-3\ndata: 3",
            "id: abc-4\ndata: 4",
            "id: abc-5\ndata: 5",
        ]
    );
}

async fn only_a_reader_that_had_caught_up_can_be_too_far_behind(lane: Lane) {
    let server = Server::start(lane, HubConfig { max_queue_size: Some(500), ..HubConfig::default() }).await;
    let hub = &server.hub;
    publish_at_once(hub, "a", (0..1_000).map(|n| n.to_string())).await;
    let mut stream = server.open("topic=a&from=earliest").await.opened().await;
    for n in 0..1_000 {
        assert_eq!(stream.block().await.unwrap(), format!("id: abc-{}\ndata: {n}", n + 1));
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), stream.block()).await.is_err(), "it has everything");
    publish_at_once(hub, "a", (0..501).map(|n| n.to_string())).await;
    assert!(stream.rest().await[1].contains("\"reason\":\"lagged\""));
}

async fn a_reader_that_leaves_leaves_nothing_behind(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let hub = &server.hub;
    let streams = [server.open("topic=a&topic=b").await.opened().await, server.open("topic=b").await.opened().await];
    assert_eq!((hub.history_bytes(), hub.active_connections()), (0, 2), "a name takes no room from history");
    drop(streams);
    eventually("nothing is left", || (hub.history_bytes(), hub.active_connections()) == (0, 0)).await;
}

async fn the_payload_is_what_was_published_with_its_line_breaks_as_line_feeds(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let hub = &server.hub;
    let mut stream = server.open("topic=a").await.opened().await;
    for payload in ["", " leading", "a\r\nb\rc", ": comment?", "data: x\n\nevent: gap"] {
        hub.publish(&topic("a"), &EventType::parse("e").unwrap(), payload).await.unwrap();
    }
    let expected = [
        "id: abc-1\nevent: e\ndata: ",
        "id: abc-2\nevent: e\ndata:  leading",
        "id: abc-3\nevent: e\ndata: a\ndata: b\ndata: c",
        "id: abc-4\nevent: e\ndata: : comment?",
        "id: abc-5\nevent: e\ndata: data: x\ndata: \ndata: event: gap",
    ];
    assert_eq!(stream.blocks().await, expected);
}
