//! Polling: the same cursors as the stream.

mod common;

use common::{Stream, hub, poll, publish};
use heartwire::HubConfig;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_poll_without_a_cursor_gets_one_at_once() {
    let hub = hub(HubConfig::default());
    publish(&hub, "a", ["1"]).await;
    let asked_at = Instant::now();
    let answer = poll(&hub, "topic=a&wait=30").await;
    assert_eq!(answer, json!({"events": [], "cursor": "abc-1", "gap": null}));
    assert_eq!(asked_at.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_poll_with_a_cursor_gets_what_came_after_it() {
    let hub = hub(HubConfig::default());
    publish(&hub, "a", ["1", "2\n3"]).await;
    publish(&hub, "b", ["4"]).await;
    let expected = json!({
        "events": [{"id": "abc-2", "type": "message", "data": "2\n3", "topic": "a"}],
        "cursor": "abc-3",
        "gap": null,
    });
    assert_eq!(poll(&hub, "topic=a&cursor=abc-1").await, expected);
    assert_eq!(poll(&hub, "topic=a&from=earliest").await["events"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_for_the_first_event() {
    let hub = hub(HubConfig::default());
    let asked_at = Instant::now();
    let publisher = hub.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        publish(&publisher, "b", ["other"]).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        publish(&publisher, "a", ["1"]).await;
    });
    let answer = poll(&hub, "topic=a&cursor=abc-0&wait=25").await;
    assert_eq!((answer["events"][0]["id"].as_str(), answer["cursor"].as_str()), (Some("abc-2"), Some("abc-2")));
    assert_eq!(asked_at.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_in_vain_brings_a_newer_cursor() {
    let hub = hub(HubConfig::default());
    let asked_at = Instant::now();
    let publisher = hub.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        publish(&publisher, "b", ["other"]).await;
    });
    let answer = poll(&hub, "topic=a&cursor=abc-0&wait=2.5").await;
    assert_eq!(answer, json!({"events": [], "cursor": "abc-1", "gap": null}));
    assert_eq!(asked_at.elapsed(), Duration::from_millis(2_500));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_answered_at_once() {
    let hub = hub(HubConfig { max_history_per_topic: 1, ..HubConfig::default() });
    publish(&hub, "a", ["1", "2", "3"]).await;
    let asked_at = Instant::now();
    let answer = poll(&hub, "topic=a&cursor=abc-0&wait=25").await;
    assert_eq!(answer["gap"], json!({"from": "abc-0", "to": "abc-2", "reason": "evicted"}));
    assert_eq!((answer["events"][0]["id"].as_str(), answer["cursor"].as_str()), (Some("abc-3"), Some("abc-3")));
    let nonsense = poll(&hub, "topic=a&cursor=nonsense&wait=25").await;
    let gap = json!({"from": null, "to": "abc-3", "reason": "bad-cursor"});
    assert_eq!(nonsense, json!({"events": [], "cursor": "abc-3", "gap": gap}));
    assert_eq!(asked_at.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_bounded_and_the_next_one_goes_on() {
    let hub = hub(HubConfig::default());
    for n in 0..2_500 {
        publish(&hub, "a", [&n.to_string()]).await;
    }
    let mut cursor = "abc-0".to_owned();
    for expected in [1_000, 1_000, 500, 0] {
        let answer = poll(&hub, &format!("topic=a&cursor={cursor}")).await;
        assert_eq!(answer["events"].as_array().unwrap().len(), expected);
        answer["cursor"].as_str().unwrap().clone_into(&mut cursor);
    }
    assert_eq!(cursor, "abc-2500");
}

#[tokio::test(start_paused = true)]
async fn a_reader_moves_between_stream_and_poll_without_loss_or_repetition() {
    let hub = hub(HubConfig::default());
    publish(&hub, "a", ["1", "2", "3"]).await;
    let mut stream = Stream::open(&hub, "topic=a&last_event_id=abc-0").await.opened().await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    let answer = poll(&hub, "topic=a&cursor=abc-1").await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 2);
    publish(&hub, "a", ["4"]).await;
    let mut stream = Stream::resume(&hub, "topic=a", answer["cursor"].as_str().unwrap()).await.opened().await;
    assert_eq!(stream.blocks().await, ["id: abc-4\ndata: 4"]);
}
