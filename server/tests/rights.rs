//! What an identity may do, whoever put it into the request.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Router};
use common::{Stream, answer, hub, publish, refusal};
use heartwire::auth::{Identity, Rights};
use heartwire::{Hub, HubConfig, TopicPattern};
use tower::ServiceExt;

fn patterns(patterns: &[&str]) -> Vec<TopicPattern> {
    patterns.iter().map(|text| TopicPattern::parse(text).unwrap()).collect()
}

/// Somebody who may read and publish under these.
fn party(read: &[&str], publish: &[&str]) -> Identity {
    Identity::new(Rights { read: patterns(read), publish: patterns(publish), admin: false }).with_subject("somebody")
}

async fn send_as(identity: &Identity, hub: &Hub, request: Request<Body>) -> Response {
    let routes: Router = heartwire::router(hub.clone()).merge(heartwire::admin_router(hub.clone()));
    routes.layer(Extension(identity.clone())).oneshot(request).await.unwrap()
}

async fn get_as(identity: &Identity, hub: &Hub, uri: &str) -> Response {
    send_as(identity, hub, Request::get(uri).body(Body::empty()).unwrap()).await
}

async fn post_as(identity: &Identity, hub: &Hub, uri: &str, content_type: &str, body: &str) -> Response {
    let request = Request::post(uri).header(header::CONTENT_TYPE, content_type);
    send_as(identity, hub, request.body(Body::from(body.to_owned())).unwrap()).await
}

const NOT_THIS_TOPIC: (u16, &str) = (403, "topic-forbidden");

fn is(refusal: (u16, String), expected: (u16, &str)) {
    assert_eq!((refusal.0, refusal.1.as_str()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_read_by_whoever_may() {
    let hub = hub(HubConfig::default());
    let reader = party(&["a", "b/*"], &[]);
    for path in ["/events", "/events/poll"] {
        for query in ["topic=c", "topic=a&topic=c", "topic=b/1&topic=a&topic=b"] {
            let response = get_as(&reader, &hub, &format!("{path}?{query}")).await;
            let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
            assert_eq!(challenge, "Bearer realm=\"heartwire\", error=\"insufficient_scope\"");
            is(refusal(response).await, NOT_THIS_TOPIC);
        }
        assert_eq!(get_as(&reader, &hub, &format!("{path}?topic=b/1&topic=a")).await.status(), StatusCode::OK);
    }
    let mut stream = Stream::of(get_as(&reader, &hub, "/events?topic=b/2").await).opened().await;
    publish(&hub, "b/2", ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_published_by_whoever_may_and_all_lines_or_none() {
    let hub = hub(HubConfig::default());
    let publisher = party(&[], &["a", "b/*"]);
    is(refusal(post_as(&publisher, &hub, "/events?topic=c", "text/plain", "x").await).await, NOT_THIS_TOPIC);
    let line = |topic: &str| format!("{{\"topic\":\"{topic}\",\"data\":1}}\n");
    for lines in [line("c"), line("a") + &line("c"), line("a") + &line("b/1") + &line("b") + &line("a")] {
        let response = post_as(&publisher, &hub, "/events", "application/x-ndjson", &lines).await;
        is(refusal(response).await, NOT_THIS_TOPIC);
    }
    assert_eq!(hub.head().sequence, 0, "nothing was published");

    let allowed = line("a") + "{\"data\":2}\n" + &line("b/2");
    let response = post_as(&publisher, &hub, "/events?topic=b/1", "application/x-ndjson", &allowed).await;
    assert_eq!(answer(response).await, (StatusCode::OK, r#"{"ids":["abc-1","abc-2","abc-3"]}"#.into()));
    assert_eq!(post_as(&publisher, &hub, "/events?topic=a", "text/plain", "x").await.status(), StatusCode::OK);
    // The line names a topic of its own, which counts.
    let response = post_as(&publisher, &hub, "/events?topic=a", "application/x-ndjson", &line("c")).await;
    is(refusal(response).await, NOT_THIS_TOPIC);
}

#[tokio::test(start_paused = true)]
async fn the_body_of_somebody_who_may_publish_nothing_is_not_read() {
    let hub = hub(HubConfig::default());
    let never = Body::from_stream(futures_util::stream::pending::<Result<&[u8], std::io::Error>>());
    let request = Request::post("/events?topic=a").body(never).unwrap();
    is(refusal(send_as(&party(&["*"], &[]), &hub, request).await).await, NOT_THIS_TOPIC);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_known_is_asked_who_it_is() {
    let hub = hub(HubConfig::default());
    let stranger = Identity::anonymous(patterns(&["news"]));
    for response in [
        get_as(&stranger, &hub, "/events?topic=a").await,
        get_as(&stranger, &hub, "/events?topic=news&topic=a").await,
        get_as(&stranger, &hub, "/events/poll?topic=a").await,
        post_as(&stranger, &hub, "/events?topic=news", "text/plain", "x").await,
        send_as(&stranger, &hub, Request::put("/events/switch").body(Body::empty()).unwrap()).await,
    ] {
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"heartwire\"");
        is(refusal(response).await, (401, "no-token"));
    }
    Stream::of(get_as(&stranger, &hub, "/events?topic=news").await).opened().await;
    for open in ["/events/health", "/health/live"] {
        assert_eq!(get_as(&stranger, &hub, open).await.status(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn the_switch_is_thrown_by_whoever_runs_the_hub() {
    let hub = hub(HubConfig::default());
    let off = || Request::put("/events/switch").body(Body::from(r#"{"enabled":false}"#)).unwrap();
    is(refusal(send_as(&party(&["*"], &["*"]), &hub, off()).await).await, (403, "admin-only"));
    assert!(hub.is_enabled());
    let admin = Identity::new(Rights { admin: true, ..Rights::default() });
    assert_eq!(send_as(&admin, &hub, off()).await.status(), StatusCode::OK);
    assert!(!hub.is_enabled());
    is(refusal(get_as(&party(&[], &[]), &hub, "/events?topic=a").await).await, NOT_THIS_TOPIC);
}
