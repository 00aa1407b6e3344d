//! Ending streams on purpose: the switch, and letting go.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::{Stream, answer, get, hub, poll, publish, refusal};
use heartwire::{Hub, HubConfig};
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt;

async fn throw(hub: &Hub, body: impl Into<Body>) -> axum::response::Response {
    let request = Request::put("/events/switch").body(body.into()).unwrap();
    heartwire::admin_router(hub.clone()).oneshot(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn switching_off_ends_streams_and_polling_goes_on() {
    let hub = hub(HubConfig::default());
    let mut stream = Stream::open(&hub, "topic=a").await.opened().await;
    assert_eq!(answer(throw(&hub, r#"{"enabled":false}"#).await).await.1, r#"{"enabled":false}"#);
    assert_eq!(
        stream.rest().await,
        ["retry: R", "id: abc-0\nevent: closing\ndata: {\"reason\":\"disabled\",\"retry_ms\":R}"]
    );
    let response = get(&hub, "/events?topic=a").await;
    assert_eq!(response.headers()["retry-after"], "30");
    let (status, body) = answer(response).await;
    let expected = r#"{"detail":"SSE is not enabled on this server","code":"sse-disabled"}"#;
    assert_eq!((status.as_u16(), body.as_str()), (503, expected));
    assert!(answer(get(&hub, "/events/health").await).await.1.starts_with(r#"{"enabled":false,"#));
    publish(&hub, "a", ["1"]).await;
    assert_eq!(poll(&hub, "topic=a&cursor=abc-0").await["events"][0]["data"], "1");

    throw(&hub, r#"{"enabled":true}"#).await;
    let mut stream = Stream::resume(&hub, "topic=a", "abc-0").await.opened().await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_even_if_the_switch_is_on_again_by_the_time_it_looks() {
    let hub = hub(HubConfig::default());
    let mut stream = Stream::open(&hub, "topic=a").await.opened().await;
    hub.set_enabled(false);
    hub.set_enabled(true);
    assert!(stream.rest().await[1].contains("\"reason\":\"disabled\""));
}

#[tokio::test(start_paused = true)]
async fn the_switch_understands_its_two_positions_only() {
    let hub = hub(HubConfig::default());
    for body in ["", "off", "{}", r#"{"enabled":1}"#, r#"{"enabled":false,"x":1}"#, "[false]"] {
        assert_eq!(refusal(throw(&hub, body.to_owned()).await).await, (400, "bad-switch".into()), "{body:.40}");
    }
    assert_eq!(refusal(throw(&hub, &b"{\"enabled\":false}\xff"[..]).await).await, (400, "bad-switch".into()));
    let too_long = "{}".repeat(2_000_000);
    assert_eq!(refusal(throw(&hub, too_long).await).await, (413, "body-too-large".into()));
    assert!(hub.is_enabled());
}

#[tokio::test(start_paused = true)]
async fn a_few_streams_are_let_go_at_once() {
    let hub = hub(HubConfig { drain_window: Duration::from_secs(30), ..HubConfig::default() });
    let mut stream = Stream::open(&hub, "topic=a").await.opened().await;
    publish(&hub, "a", ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    let asked_at = Instant::now();
    hub.drain();
    assert_eq!(
        stream.rest().await,
        ["retry: R", "id: abc-1\nevent: closing\ndata: {\"reason\":\"draining\",\"retry_ms\":R}"]
    );
    assert!(asked_at.elapsed() < Duration::from_millis(10), "{:?}", asked_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn many_streams_end_one_after_the_other_within_the_window() {
    const STREAMS: u32 = 400;
    let drain_window = Duration::from_secs(1);
    let hub = hub(HubConfig { drain_window, heartbeat_interval: None, ..HubConfig::default() });
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = Stream::open(&hub, "topic=a").await.opened().await;
        streams.push(tokio::spawn(async move {
            stream.rest().await;
            Instant::now()
        }));
    }
    tokio::task::yield_now().await;
    let asked_at = Instant::now();
    hub.drain();
    let mut early = 0;
    for stream in streams {
        let ended_after = stream.await.unwrap() - asked_at;
        assert!(ended_after <= drain_window + Duration::from_millis(2), "{ended_after:?}");
        early += u32::from(ended_after < drain_window / 2);
    }
    assert!((STREAMS / 4..STREAMS * 3 / 4).contains(&early), "half of them in half of the time, or so: {early}");
}

#[tokio::test(start_paused = true)]
async fn draining_answers_long_polls_at_once() {
    let hub = hub(HubConfig::default());
    let draining = hub.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        draining.drain();
    });
    let asked_at = Instant::now();
    let answer = poll(&hub, "topic=a&cursor=abc-0&wait=30").await;
    assert_eq!((answer["cursor"].as_str(), asked_at.elapsed()), (Some("abc-0"), Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn one_stream_too_many_is_refused_until_another_ends() {
    let hub = hub(HubConfig { max_connections: Some(1), ..HubConfig::default() });
    let stream = Stream::open(&hub, "topic=a").await.opened().await;
    let response = get(&hub, "/events?topic=a").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response).await, (503, "too-many-connections".into()));
    let health = answer(get(&hub, "/events/health").await).await.1;
    assert_eq!(health, r#"{"enabled":true,"active_connections":1,"max_connections":1,"heartbeat_interval":15.0}"#);
    drop(stream);
    Stream::open(&hub, "topic=a").await.opened().await;
}
