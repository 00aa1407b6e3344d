//! Whatever comes in: a clear refusal, and nothing published.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::{Method, Request};
use axum::response::Response;
use common::{answer, get, hub, poll, refusal, send};
use heartwire::{Hub, HubConfig};
use tower::ServiceExt;

async fn post(hub: &Hub, query: &str, content_type: &str, body: impl Into<Body>) -> Response {
    let request = Request::post(format!("/events?{query}")).header("content-type", content_type);
    send(hub, request.body(body.into()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_is_refused_with_a_stable_code() {
    let hub = hub(HubConfig::default());
    let long = "x".repeat(257);
    let check = async |uri: &str, code: &str| {
        assert_eq!(refusal(get(&hub, uri).await).await, (400, code.to_owned()), "{uri}");
    };
    for path in ["/events", "/events/poll"] {
        check(path, "no-topic").await;
        for bad in
            ["topic=", "topic", &format!("topic={long}"), "topic=a%0Ab", "topic=a%00", "topic=%C2%85", "topic=$x"]
        {
            check(&format!("{path}?{bad}"), "bad-topic").await;
        }
        check(&format!("{path}?topic=%FF"), "query-not-utf8").await;
        check(&format!("{path}?topic=a&colour=red"), "unknown-parameter").await;
        check(&format!("{path}?topic=a&from=yesterday"), "bad-parameter").await;
        check(&format!("{path}?topic=a&from=earliest&from=earliest"), "repeated-parameter").await;
        let many = "topic=t&".repeat(7_000);
        check(&format!("{path}?{many}"), "too-many-topics").await;
    }
    check("/events?topic=a&frames=br", "bad-parameter").await;
    for wait in ["-1", "31", "NaN", "soon", ""] {
        check(&format!("/events/poll?topic=a&wait={wait}"), "bad-parameter").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_is_refused_and_leaves_no_trace() {
    let hub = hub(HubConfig { max_body_bytes: 1_000, ..HubConfig::default() });
    let check = async |query: &str, body: &'static [u8], expected: (u16, &str)| {
        let (status, code) = refusal(post(&hub, query, "text/plain", body).await).await;
        assert_eq!((status, code.as_str()), expected, "{query}");
    };
    check("", b"x", (400, "no-topic")).await;
    check("topic=", b"x", (400, "bad-topic")).await;
    check("topic=a&topic=b", b"x", (400, "repeated-parameter")).await;
    check("topic=a&id=7", b"x", (400, "unknown-parameter")).await;
    for reserved in ["connected", "heartbeat", "gap", "expiring", "closing", "x%2Bgzip", ""] {
        check(&format!("topic=a&type={reserved}"), b"x", (400, "bad-event-type")).await;
    }
    check("topic=a&key=", b"x", (400, "bad-key")).await;
    check("topic=a&key=b%0Ac", b"x", (400, "bad-key")).await;
    check("topic=a", b"ok \xff", (400, "body-not-utf8")).await;
    check("topic=a", &[b'x'; 1_001], (413, "body-too-large")).await;
    assert_eq!(hub.head().sequence, 0);
    assert!(post(&hub, "topic=a", "text/plain", "x".repeat(1_000)).await.status().is_success());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hides_its_length_is_bounded_too() {
    let hub = hub(HubConfig { max_body_bytes: 1_000, ..HubConfig::default() });
    let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(100)));
    let response = post(&hub, "topic=a", "text/plain", Body::from_stream(chunks)).await;
    assert_eq!(refusal(response).await, (413, "body-too-large".into()));
}

#[tokio::test(start_paused = true)]
async fn lines_are_published_together_or_not_at_all() {
    let hub = hub(HubConfig::default());
    let good = "{\"topic\":\"a\",\"data\":\"one\"}\n\n{\"type\":\"e\",\"data\":{\"n\": 2}}\n";
    let (_, body) = answer(post(&hub, "topic=b", "application/x-ndjson; charset=utf-8", good).await).await;
    assert_eq!(body, r#"{"ids":["abc-1","abc-2"]}"#);
    let events = poll(&hub, "topic=a&topic=b&from=earliest").await["events"].clone();
    assert_eq!(events[1]["data"], r#"{"n": 2}"#);

    let bad = "{\"topic\":\"a\",\"data\":3}\n{\"topic\":\"a\"}\n";
    let response = post(&hub, "", "application/x-ndjson", bad).await;
    let (status, body) = answer(response).await;
    assert_eq!(status.as_u16(), 400);
    assert!(body.contains("Line 2") && body.contains("\"code\":\"bad-line\""), "{body}");
    let response = post(&hub, "", "application/x-ndjson", r#"["a","message","an array is no event"]"#).await;
    assert_eq!(refusal(response).await, (400, "bad-line".into()));
    assert_eq!(hub.head().sequence, 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_topic_could_hold_is_refused() {
    let hub = hub(HubConfig { max_bytes_per_topic: 2_000, ..HubConfig::default() });
    let response = post(&hub, "topic=a", "text/plain", "x".repeat(2_000)).await;
    assert_eq!(refusal(response).await, (413, "event-too-large".into()));
}

#[tokio::test(start_paused = true)]
async fn the_routes_of_readers_take_no_event() {
    let hub = hub(HubConfig::default());
    let ask = async |request: Request<Body>| heartwire::reader_router(hub.clone()).oneshot(request).await.unwrap();
    let response = ask(Request::post("/events?topic=a").body("x".into()).unwrap()).await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(refusal(response).await, (405, "method-not-allowed".into()));
    let polled = ask(Request::get("/events/poll?topic=a&from=earliest").body(Body::empty()).unwrap()).await;
    let (status, body) = answer(polled).await;
    assert!(status == 200 && body.contains("\"events\":[]"), "{status} {body}");
    assert_eq!(ask(Request::get("/events?topic=a").body(Body::empty()).unwrap()).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_method_is_told_the_right_ones() {
    let hub = hub(HubConfig::default());
    let check = async |method: Method, path: &str, allow: &str| {
        let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
        let response = send(&hub, request).await;
        assert_eq!(response.headers()["allow"], allow, "{method} {path}");
        assert_eq!(refusal(response).await, (405, "method-not-allowed".into()));
    };
    check(Method::DELETE, "/events", "GET,HEAD,POST").await;
    check(Method::POST, "/events/poll", "GET,HEAD").await;
    check(Method::PUT, "/events/health", "GET,HEAD").await;
    check(Method::POST, "/health/live", "GET,HEAD").await;
}

#[tokio::test(start_paused = true)]
async fn the_router_can_be_mounted_under_any_prefix() {
    use tower::ServiceExt;
    let hub = hub(HubConfig::default());
    let nested = axum::Router::new().nest("/live", heartwire::router(hub.clone()));
    let request = Request::get("/live/health/live").body(Body::empty()).unwrap();
    assert_eq!(answer(nested.oneshot(request).await.unwrap()).await.1, r#"{"status":"alive"}"#);
    let own = axum::Router::new().route("/", axum::routing::get(async || "own")).fallback(async || "mine");
    let merged = own.merge(heartwire::router(hub));
    let request = Request::get("/elsewhere").body(Body::empty()).unwrap();
    assert_eq!(answer(merged.oneshot(request).await.unwrap()).await.1, "mine");
}
