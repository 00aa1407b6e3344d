//! Where a reader goes on, and what it is told of what is gone.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lane, Server, Stream, Streams, hub, in_both_lanes, poll, publish};
use heartwire::HubConfig;
use serde_json::json;
use std::time::Duration;

in_both_lanes! {
    a_reader_goes_on_after_its_last_id
    a_bad_cursor_is_never_an_error_but_a_gap
    a_cursor_of_another_epoch_is_told_and_gets_all_that_is_kept
    what_was_evicted_by_count_is_a_gap_for_those_who_missed_it_only
    earliest_brings_what_each_topic_still_has
}

/// The data of `connected` and of the gap, if any, and the ids and data of the events that follow.
async fn check(streams: &impl Streams, query: &str, resumed: bool, gap: Option<&str>, events: &[&str]) {
    check_stream(streams.open_stream(query, "").await, resumed, gap, events).await;
}

async fn check_stream(mut stream: Stream, resumed: bool, gap: Option<&str>, events: &[&str]) {
    let [_, connected] = stream.blocks().await;
    assert!(connected.contains(&format!("\"resumed\":{resumed}")), "{connected}");
    if let Some(gap) = gap {
        let json: serde_json::Value = serde_json::from_str(gap).unwrap();
        let id_of_connected = connected.strip_prefix("id: ").and_then(|rest| rest.split('\n').next());
        assert_eq!(
            id_of_connected,
            json["from"].as_str(),
            "a link that is cut here must not lose the gap: {connected}"
        );
        let id = json["to"].as_str().unwrap();
        assert_eq!(stream.block().await.unwrap(), format!("id: {id}\nevent: gap\ndata: {gap}"));
    } else {
        assert!(connected.starts_with("id: "), "{connected}");
    }
    for expected in events {
        let block = stream.block().await.unwrap();
        assert_eq!(block.strip_prefix("id: abc-").unwrap().replace("\ndata: ", " "), *expected);
    }
    let more = tokio::time::timeout(Duration::from_millis(10), stream.block()).await;
    assert!(more.is_err(), "nothing but {events:?} is there, yet: {more:?}");
}

async fn a_reader_goes_on_after_its_last_id(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    publish(&server.hub, "a", ["x", "y", "z"]).await;
    check(&server, "topic=a", false, None, &[]).await;
    check(&server, "topic=a&last_event_id=", false, None, &[]).await;
    check(&server, "topic=a&last_event_id=abc-1", true, None, &["2 y", "3 z"]).await;
    check(&server, "topic=a&last_event_id=abc-3", true, None, &[]).await;
    check(&server, "topic=a&last_event_id=abc-0", true, None, &["1 x", "2 y", "3 z"]).await;
    check(&server, "topic=a&from=earliest", false, None, &["1 x", "2 y", "3 z"]).await;
    check(&server, "topic=new&last_event_id=abc-1", true, None, &[]).await;
    let newer_header = server.resume("topic=a&last_event_id=abc-1", "abc-2").await;
    check_stream(newer_header, true, None, &["3 z"]).await;
}

async fn a_bad_cursor_is_never_an_error_but_a_gap(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    publish(&server.hub, "a", ["x", "y"]).await;
    let unreadable = r#"{"from":null,"to":"abc-2","reason":"bad-cursor"}"#;
    for nonsense in ["nonsense", "abc", "abc-02", "%00", "abc-2%20", "-1", "%F0%9F%92%A9"] {
        check(&server, &format!("topic=a&last_event_id={nonsense}"), false, Some(unreadable), &[]).await;
    }
    let beyond = r#"{"from":"abc-9","to":"abc-2","reason":"bad-cursor"}"#;
    check(&server, "topic=a&last_event_id=abc-9", false, Some(beyond), &[]).await;
    check_stream(server.resume("topic=a", "nonsense").await, false, Some(unreadable), &[]).await;
}

async fn a_cursor_of_another_epoch_is_told_and_gets_all_that_is_kept(lane: Lane) {
    let server = Server::start(lane, HubConfig { max_history_per_topic: 2, ..HubConfig::default() }).await;
    publish(&server.hub, "a", ["x", "y"]).await;
    let from_start = r#"{"from":"def-7","to":"abc-0","reason":"other-epoch"}"#;
    check(&server, "topic=a&last_event_id=def-7", false, Some(from_start), &["1 x", "2 y"]).await;
    publish(&server.hub, "a", ["z"]).await;
    let after_evicted = r#"{"from":"def-7","to":"abc-1","reason":"other-epoch"}"#;
    check(&server, "topic=a&last_event_id=def-7", false, Some(after_evicted), &["2 y", "3 z"]).await;
}

async fn what_was_evicted_by_count_is_a_gap_for_those_who_missed_it_only(lane: Lane) {
    let server = Server::start(lane, HubConfig { max_history_per_topic: 2, ..HubConfig::default() }).await;
    publish(&server.hub, "a", ["1", "2", "3", "4"]).await;
    let gap = r#"{"from":"abc-1","to":"abc-2","reason":"evicted"}"#;
    check(&server, "topic=a&last_event_id=abc-1", false, Some(gap), &["3 3", "4 4"]).await;
    check(&server, "topic=a&last_event_id=abc-2", true, None, &["3 3", "4 4"]).await;
    check(&server, "topic=a&from=earliest", false, None, &["3 3", "4 4"]).await;
    check(&server, "topic=b&last_event_id=abc-1", true, None, &[]).await;
}

async fn earliest_brings_what_each_topic_still_has(lane: Lane) {
    let server = Server::start(lane, HubConfig { max_history_per_topic: 2, ..HubConfig::default() }).await;
    publish(&server.hub, "quiet", ["q"]).await;
    publish(&server.hub, "busy", ["1", "2", "3", "4"]).await;
    check(&server, "topic=quiet&topic=busy&from=earliest", false, None, &["1 q", "4 3", "5 4"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_evicted_by_bytes_is_a_gap() {
    let max_bytes_per_topic = 10_000;
    let hub = hub(HubConfig { max_bytes_per_topic, max_bytes_total: 1 << 20, ..HubConfig::default() });
    let payload = "x".repeat(900);
    for _ in 0..20 {
        publish(&hub, "a", [payload.as_str()]).await;
    }
    assert!(hub.history_bytes() <= max_bytes_per_topic + 1_000, "{}", hub.history_bytes());
    let answer = poll(&hub, "topic=a&cursor=abc-1").await;
    assert_eq!(answer["gap"]["reason"], "evicted");
    let n_kept = answer["events"].as_array().unwrap().len();
    assert!((2..=5).contains(&n_kept), "{n_kept}");
}

#[tokio::test(start_paused = true)]
async fn all_topics_together_stay_within_their_bytes_and_the_oldest_event_goes_first() {
    let max_bytes_total = 100_000;
    let hub = hub(HubConfig { max_bytes_total, max_bytes_per_topic: 50_000, ..HubConfig::default() });
    for n in 0..2_000 {
        publish(&hub, &format!("t{n}"), [&n.to_string()]).await;
        assert!(hub.history_bytes() <= max_bytes_total);
    }
    assert_eq!(poll(&hub, "topic=t1999&cursor=abc-0").await["events"][0]["data"], "1999");
    let gone = poll(&hub, "topic=t0&cursor=abc-0").await;
    assert_eq!(gone["gap"], json!({"from": "abc-0", "to": "abc-1", "reason": "evicted"}));
}

#[tokio::test(start_paused = true)]
async fn what_was_evicted_by_age_is_a_gap() {
    // Cleaning comes every 60 s.
    let hub = hub(HubConfig { event_ttl: Some(Duration::from_secs(90)), ..HubConfig::default() });
    publish(&hub, "a", ["old"]).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    publish(&hub, "a", ["new"]).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    check(&hub, "topic=a&last_event_id=abc-0", true, None, &["1 old", "2 new"]).await;
    tokio::time::sleep(Duration::from_secs(22)).await;
    let gap = r#"{"from":"abc-0","to":"abc-1","reason":"evicted"}"#;
    check(&hub, "topic=a&last_event_id=abc-0", false, Some(gap), &["2 new"]).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let gap = r#"{"from":"abc-0","to":"abc-2","reason":"evicted"}"#;
    check(&hub, "topic=a&last_event_id=abc-0", false, Some(gap), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_dropped_when_idle_still_knows_what_it_lost() {
    let (event_ttl, topic_ttl) = (None, Some(Duration::from_secs(600)));
    let hub = hub(HubConfig { event_ttl, topic_ttl, ..HubConfig::default() });
    let before = hub.history_bytes();
    publish(&hub, "a", ["1", "2"]).await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(hub.history_bytes(), before, "the topic is gone");

    let gap = r#"{"from":"abc-1","to":"abc-2","reason":"evicted"}"#;
    check(&hub, "topic=a&last_event_id=abc-1", false, Some(gap), &[]).await;
    publish(&hub, "a", ["3"]).await;
    check(&hub, "topic=a&last_event_id=abc-1", false, Some(gap), &["3 3"]).await;
    check(&hub, "topic=a&last_event_id=abc-2", true, None, &["3 3"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_with_a_reader_is_not_idle() {
    let (event_ttl, topic_ttl) = (None, Some(Duration::from_secs(600)));
    let hub = hub(HubConfig { event_ttl, topic_ttl, heartbeat_interval: None, ..HubConfig::default() });
    publish(&hub, "a", ["1"]).await;
    let stream = Stream::open(&hub, "topic=a").await.opened().await;
    tokio::time::sleep(Duration::from_secs(5_000)).await;
    check(&hub, "topic=a&last_event_id=abc-0", true, None, &["1 1"]).await;
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_quiet_topic_never_meets_a_gap_of_its_own_making() {
    let hub = hub(HubConfig { max_history_per_topic: 2, ..HubConfig::default() });
    publish(&hub, "quiet", ["1", "2", "3"]).await;
    let mut stream = Stream::open(&hub, "topic=quiet").await.opened().await;
    publish(&hub, "busy", ["1", "2", "3", "4"]).await;
    let heartbeat = stream.block().await.unwrap();
    assert!(heartbeat.starts_with("id: abc-7\nevent: heartbeat"), "{heartbeat}");
    check(&hub, "topic=quiet&topic=busy&last_event_id=abc-7", true, None, &[]).await;
}
