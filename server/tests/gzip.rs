//! Streams as gzip, compressed once for all of their readers, in both lanes.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lane, Server, Stream, in_both_lanes, publish, publish_at_once, request, topic};
use heartwire::{EventType, HubConfig, TopicPattern, TopicRule};
use std::time::Duration;

in_both_lanes! {
    whoever_does_not_accept_gzip_gets_plain_bytes
    frames_are_not_compressed_again
    a_topic_can_be_left_uncompressed
    readers_who_join_at_any_time_get_every_event
    a_reader_of_one_topic_sees_nothing_of_another
    heartbeats_reach_those_who_share_and_those_who_do_not
    a_shared_stream_saves_three_quarters_of_the_bytes
    what_lagged_and_resumed_is_whole
    closing_ends_the_stream_as_ever
}

/// An event as applications send them.
fn json(n: usize) -> String {
    let id = n.wrapping_mul(2_654_435_761) % 16;
    format!(r#"{{"type":"progress","id":"{id:08x}","bytes":{},"total":1073741824,"eta":{}}}"#, n * 977, n % 91)
}

fn block(sequence: usize) -> String {
    format!("id: abc-{sequence}\ndata: {}", json(sequence))
}

async fn publish_json(server: &Server, sequences: impl Iterator<Item = usize>) {
    publish_at_once(&server.hub, "a", sequences.map(json)).await;
}

async fn whoever_does_not_accept_gzip_gets_plain_bytes(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    for accepted in ["", "Accept-Encoding: br, zstd\r\n", "Accept-Encoding: gzip;q=0, *\r\n"] {
        let request = request("topic=a", "").replace("\r\n\r\n", &format!("\r\n{accepted}\r\n"));
        let (head, stream) = Stream::over(server.send(&request).await).await;
        assert!(!head.contains("content-encoding"), "{head}");
        assert!(head.contains("vary: accept-encoding\r\n"), "{head}");
        stream.opened().await;
    }
}

async fn frames_are_not_compressed_again(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let large = "all work and no play ".repeat(100);
    publish(&server.hub, "a", [&large]).await;
    let mut stream = server.open_gzip("topic=a&from=earliest&frames=gzip", "").await.opened().await;
    assert_eq!(stream.block().await.unwrap(), format!("id: abc-1\ndata: {large}"));
}

async fn a_topic_can_be_left_uncompressed(lane: Lane) {
    let pattern = TopicPattern::parse("accounts/*").unwrap();
    let rule = TopicRule { stream_compression: Some(false), ..TopicRule::new(pattern) };
    let server = Server::start(lane, HubConfig { topic_rules: vec![rule], ..HubConfig::default() }).await;
    let accepting = |query| request(query, "").replace("\r\n\r\n", "\r\nAccept-Encoding: gzip\r\n\r\n");
    for (query, compressed) in [("topic=a", true), ("topic=accounts/7", false), ("topic=a&topic=accounts/7", false)] {
        let (head, stream) = Stream::over(server.send(&accepting(query)).await).await;
        assert_eq!(head.contains("content-encoding: gzip"), compressed, "{query}: {head}");
        stream.opened().await;
    }
}

async fn readers_who_join_at_any_time_get_every_event(lane: Lane) {
    const EVENTS: usize = 3_000;
    let server = Server::start(lane, HubConfig::default()).await;
    let mut readers = Vec::new();
    let mut next = 1_usize;
    // The number of a step is as good as chance.
    for step in 1..=60 {
        if step % 4 == 1 {
            let from = if step % 8 == 1 { next } else { next.saturating_sub(37 * step % 400).max(1) };
            let resumed = format!("abc-{}", from - 1);
            readers.push((from, server.open_gzip("topic=a", &resumed).await.opened().await));
        }
        publish_json(&server, next..next + EVENTS / 60).await;
        next += EVENTS / 60;
        // Some read as they go, others are left behind.
        for (number, (expected, stream)) in readers.iter_mut().enumerate() {
            while (number + step) % 3 != 0 && *expected < next {
                assert_eq!(stream.block().await.unwrap(), block(*expected));
                *expected += 1;
            }
        }
    }
    for (expected, stream) in &mut readers {
        for sequence in *expected..next {
            assert_eq!(stream.block().await.unwrap(), block(sequence));
        }
    }
}

async fn a_reader_of_one_topic_sees_nothing_of_another(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let mut readers = Vec::new();
    for query in ["topic=a", "topic=b", "topic=a&topic=b", "topic=b&topic=a"] {
        for _ in 0..4 {
            readers.push((query, server.open_gzip(query, "").await.opened().await));
        }
    }
    let name = |sequence: usize| if sequence.is_multiple_of(3) { "a" } else { "b" };
    for sequence in 1..=300 {
        publish(&server.hub, name(sequence), [&json(sequence)]).await;
    }
    for (query, stream) in &mut readers {
        for sequence in (1..=300).filter(|sequence| query.contains(&format!("topic={}", name(*sequence)))) {
            assert_eq!(stream.block().await.unwrap(), block(sequence), "{query}");
        }
    }
}

async fn heartbeats_reach_those_who_share_and_those_who_do_not(lane: Lane) {
    let config = HubConfig { heartbeat_interval: Some(Duration::from_millis(40)), ..HubConfig::default() };
    let server = Server::start(lane, config).await;
    let mut readers = Vec::new();
    for number in 0..7 {
        readers.push(server.open_gzip(if number < 6 { "topic=a" } else { "topic=b" }, "").await.opened().await);
    }
    for round in 1..=20 {
        publish_json(&server, (10 * round)..(10 * round + 10)).await;
        for (number, stream) in readers.iter_mut().enumerate() {
            let mut n_events = 0;
            loop {
                let block = stream.block().await.unwrap();
                if block.contains("event: heartbeat") {
                    // Those who have everything of this round are content with any heartbeat behind it.
                    if n_events == 10 || number == 6 {
                        break;
                    }
                } else {
                    n_events += 1;
                }
            }
        }
    }
    for (number, mut stream) in readers.into_iter().enumerate() {
        let heartbeat = stream.block().await.unwrap();
        assert!(
            heartbeat.contains("event: heartbeat") && heartbeat.starts_with("id: abc-200\n"),
            "{number}: {heartbeat}"
        );
    }
}

async fn a_shared_stream_saves_three_quarters_of_the_bytes(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(server.open_gzip("topic=a", "").await.opened().await);
    }
    for sequence in 1..=2_000 {
        let event_type = EventType::parse("progress").unwrap();
        server.hub.publish(&topic("a"), &event_type, &json(sequence)).await.unwrap();
    }
    for stream in &mut readers {
        let mut n_bytes = 0;
        for _ in 1..=2_000 {
            n_bytes += stream.block().await.unwrap().len() + "\n\n".len();
        }
        assert!(stream.n_wire_bytes() * 4 < n_bytes, "{} of {n_bytes}", stream.n_wire_bytes());
    }
}

async fn what_lagged_and_resumed_is_whole(lane: Lane) {
    let config = HubConfig { max_history_per_topic: 500, heartbeat_interval: None, ..HubConfig::default() };
    let server = Server::start(lane, config).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(server.open_gzip("topic=a", "").await.opened().await);
    }
    publish_json(&server, 1..=100).await;
    for stream in &mut readers {
        for sequence in 1..=100 {
            assert_eq!(stream.block().await.unwrap(), block(sequence));
        }
    }
    // More than the history holds, in one step: all of them fall off its end.
    publish_json(&server, 101..=1_000).await;
    for stream in &mut readers {
        let [retry, closing] = stream.rest().await.try_into().unwrap();
        assert_eq!(retry, "retry: R");
        assert_eq!(closing, "id: abc-100\nevent: closing\ndata: {\"reason\":\"lagged\",\"retry_ms\":R}");
    }
    let mut stream = server.open_gzip("topic=a", "abc-100").await.opened().await;
    assert_eq!(
        stream.block().await.unwrap(),
        "id: abc-500\nevent: gap\ndata: {\"from\":\"abc-100\",\"to\":\"abc-500\",\"reason\":\"evicted\"}"
    );
    for sequence in 501..=1_000 {
        assert_eq!(stream.block().await.unwrap(), block(sequence));
    }
}

async fn closing_ends_the_stream_as_ever(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(server.open_gzip("topic=a", "").await.opened().await);
    }
    publish_json(&server, 1..=3).await;
    for stream in &mut readers {
        assert_eq!(stream.blocks().await, [1, 2, 3].map(block));
    }
    server.hub.set_enabled(false);
    for stream in &mut readers {
        let [retry, closing] = stream.rest().await.try_into().unwrap();
        assert_eq!(retry, "retry: R");
        assert_eq!(closing, "id: abc-3\nevent: closing\ndata: {\"reason\":\"disabled\",\"retry_ms\":R}");
    }
}
