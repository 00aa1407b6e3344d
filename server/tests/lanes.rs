//! What is particular to a lane: heads, versions of HTTP, middleware around streams.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use axum::middleware::{Next, from_fn};
use common::{Lane, Server, Stream, eventually, in_both_lanes, publish, publish_at_once, request};
use futures_util::StreamExt;
use heartwire::HubConfig;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

in_both_lanes! {
    middleware_sets_headers
    middleware_may_change_the_bytes
    what_middleware_ties_to_the_body_lives_as_long_as_the_stream
    a_head_request_opens_no_stream
    an_old_client_gets_the_bytes_without_chunks
    a_request_comes_after_others_on_one_connection
    a_long_history_comes_whole_and_in_order
    switching_off_ends_streams
    draining_ends_streams
}

/// One life of a stream, as a client without a clock would write it down.
async fn everything_that_a_stream_can_say(lane: Lane) -> Vec<String> {
    let config = HubConfig {
        max_history_per_topic: 3,
        heartbeat_interval: Some(Duration::from_secs(1)),
        ..HubConfig::default()
    };
    let server = Server::start(lane, config).await;
    let hub = &server.hub;
    publish(hub, "a", ["1", "2", "3", "4", "lines\n\nof text"]).await;
    let mut said = Vec::new();
    let mut stream = server.resume("topic=a", "abc-1").await;
    said.extend(stream.blocks::<6>().await);
    publish(hub, "a", [&"all work and no play ".repeat(100)]).await;
    said.extend(stream.blocks::<2>().await);
    publish_at_once(hub, "a", (0..4).map(|n| n.to_string())).await;
    said.extend(stream.rest().await);
    for last_event_id in ["nonsense", "def-3", "abc-99"] {
        let mut stream = server.resume("topic=b&topic=a&frames=gzip", last_event_id).await;
        said.extend(stream.blocks::<3>().await);
        hub.set_enabled(false);
        hub.set_enabled(true);
        said.extend(stream.rest().await);
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn both_lanes_say_the_same() {
    let plain = everything_that_a_stream_can_say(Lane::Plain).await;
    assert_eq!(plain, everything_that_a_stream_can_say(Lane::Lean).await);
    for word in ["connected", "heartbeat", "gap", "\"lagged\"", "\"disabled\"", "bad-cursor", "other-epoch"] {
        assert!(plain.iter().any(|block| block.contains(word)), "{word}: {plain:?}");
    }
}

async fn middleware_sets_headers(lane: Lane) {
    let set = async |request: Request<Body>, next: Next| {
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-served-by", HeaderValue::from_static("node 7"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("a=1"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("b=2"));
        response
    };
    let server = Server::start_with(lane, HubConfig::default(), |router| router.layer(from_fn(set))).await;
    let (head, stream) = Stream::over(server.send(&request("topic=a", "")).await).await;
    for header in ["x-served-by: node 7\r\n", "set-cookie: a=1\r\n", "set-cookie: b=2\r\n"] {
        assert!(head.contains(header), "{head}");
    }
    stream.opened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_share_a_connection_of_http_2() {
    let server = Server::start(Lane::Lean, HubConfig::default()).await;
    let socket = TcpStream::connect(server.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut streams = Vec::new();
    for _ in 0..200 {
        let request = Request::get("http://localhost/events?topic=a").body(Body::empty()).unwrap();
        let response = client.send_request(request).await.unwrap();
        streams.push(Stream::of(response.map(Body::new)).opened().await);
    }
    publish(&server.hub, "a", ["1"]).await;
    for stream in &mut streams {
        assert_eq!(stream.block().await.unwrap(), "id: abc-1\ndata: 1");
    }
    drop(streams.pop());
    server.has_streams(199).await;
    drop((client, streams));
    server.has_streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_begins_like_http_2_need_not_be_it() {
    let server = Server::start(Lane::Lean, HubConfig::default()).await;
    let mut socket = server.send("P").await;
    tokio::task::yield_now().await;
    socket.write_all(b"OST /events?topic=a HTTP/1.0\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
}

/// Puts something around the body of each response.
fn around_bodies(router: Router, wrap: impl Fn(Body) -> Body + Clone + Send + Sync + 'static) -> Router {
    router.layer(from_fn(move |request: Request<Body>, next: Next| {
        let wrap = wrap.clone();
        async move { next.run(request).await.map(wrap) }
    }))
}

async fn middleware_may_change_the_bytes(lane: Lane) {
    let shout = |body: Body| {
        let loud = body.into_data_stream().map(|bytes| bytes.map(|bytes| bytes.to_ascii_uppercase()));
        Body::from_stream(loud)
    };
    let server = Server::start_with(lane, HubConfig::default(), |router| around_bodies(router, shout)).await;
    let mut stream = server.open("topic=a").await;
    assert_eq!(stream.block().await.unwrap(), ": HEARTWIRE");
    assert!(stream.block().await.unwrap().starts_with("ID: ABC-0\nEVENT: CONNECTED"));
    publish(&server.hub, "a", ["loud"]).await;
    assert_eq!(stream.block().await.unwrap(), "ID: ABC-1\nDATA: LOUD");
    drop(stream);
    server.has_streams(0).await;
}

/// Counts itself for as long as it lives.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn what_middleware_ties_to_the_body_lives_as_long_as_the_stream(lane: Lane) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let tie = move |body: Body| {
        let under_way = UnderWay::begin(&counted);
        Body::from_stream(body.into_data_stream().inspect(move |_| _ = &under_way))
    };
    let server = Server::start_with(lane, HubConfig::default(), |router| around_bodies(router, tie)).await;
    let mut stream = server.open("topic=a").await.opened().await;
    publish(&server.hub, "a", ["1"]).await;
    assert_eq!(stream.block().await.unwrap(), "id: abc-1\ndata: 1");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(stream);
    eventually("the body is dropped", || count.load(Ordering::SeqCst) == 0).await;
}

async fn a_head_request_opens_no_stream(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let head = "HEAD /events?topic=a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    server.send(head).await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    server.has_streams(0).await;
}

async fn an_old_client_gets_the_bytes_without_chunks(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    publish(&server.hub, "a", ["1", "2"]).await;
    let mut socket = server.send("GET /events?topic=a&from=earliest HTTP/1.0\r\n\r\n").await;
    let mut text = String::new();
    while !text.contains("data: 2\n\n") {
        let mut bytes = [0; 1024];
        let n_bytes = socket.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..n_bytes]).unwrap());
    }
    server.hub.set_enabled(false);
    socket.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK") && !head.contains("chunked"), "{head}");
    assert!(body.starts_with(": heartwire\n\nid: abc-0\nevent: connected\n"), "{body}");
    assert!(body.contains("id: abc-1\ndata: 1\n\nid: abc-2\ndata: 2\n\nretry: "), "{body}");
    assert!(body.ends_with("}\n\n"), "{body}");
}

async fn a_request_comes_after_others_on_one_connection(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    // At once, so that hyper finds them in one reading.
    let post = "POST /events?topic=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none";
    let mut socket = server.send(&format!("{post}{post}{}", request("topic=a", "abc-0"))).await;
    for _ in 0..2 {
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            answer.push(socket.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
    let (_, stream) = Stream::over(socket).await;
    let mut stream = stream.opened().await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: one", "id: abc-2\ndata: one"]);
}

async fn a_long_history_comes_whole_and_in_order(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    // Far more than the buffers between the two ends take.
    let padding = "x".repeat(2_000);
    publish_at_once(&server.hub, "a", (1..=1_500).map(|n| format!("{n} {padding}"))).await;
    let mut stream = server.open("topic=a&from=earliest").await.opened().await;
    for n in 1..=1_500 {
        assert!(stream.block().await.unwrap() == format!("id: abc-{n}\ndata: {n} {padding}"), "{n}");
    }
}

async fn switching_off_ends_streams(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let mut stream = server.open("topic=a").await.opened().await;
    server.hub.set_enabled(false);
    let closing = "id: abc-0\nevent: closing\ndata: {\"reason\":\"disabled\",\"retry_ms\":R}";
    assert_eq!(stream.rest().await, ["retry: R", closing]);
    server.has_streams(0).await;
}

async fn draining_ends_streams(lane: Lane) {
    let server = Server::start(lane, HubConfig { drain_window: Duration::from_secs(1), ..HubConfig::default() }).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(server.open("topic=a").await.opened().await);
    }
    server.hub.drain();
    let closing = "id: abc-0\nevent: closing\ndata: {\"reason\":\"draining\",\"retry_ms\":R}";
    for mut stream in streams {
        assert_eq!(stream.rest().await, ["retry: R", closing]);
    }
    server.has_streams(0).await;
}
