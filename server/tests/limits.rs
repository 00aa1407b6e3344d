//! What one client may take, and how it is told that this is all.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::{Chunks, Lane, Server, Stream, answer, get, hub, in_both_lanes, poll, publish, refusal, request, send};
use heartwire::auth::{Identity, Rights};
use heartwire::{ClientAddress, Hub, HubConfig, TopicPattern};
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

in_both_lanes! {
    an_address_gets_its_places_back_however_its_streams_end
    a_body_that_does_not_come_is_not_waited_for
}

/// The answer on a socket on which a request was sent: its head, and its body as far as it has one.
async fn answered(mut socket: tokio::net::TcpStream) -> String {
    let mut text = String::new();
    // A server that has had enough of a client may cut it off behind the answer.
    let _ = socket.read_to_string(&mut text).await;
    text
}

/// A stream request of a client at this address, which a proxy's middleware has found out.
async fn ask_from(hub: &Hub, address: &str, accept: &str) -> axum::response::Response {
    let mut request = Request::get("/events?topic=a").header("accept", accept).body(Body::empty()).unwrap();
    request.extensions_mut().insert(ClientAddress(address.parse::<IpAddr>().unwrap()));
    send(hub, request).await
}

async fn an_address_gets_its_places_back_however_its_streams_end(lane: Lane) {
    const PLACES: usize = 4;
    let config = HubConfig { max_connections_per_ip: Some(PLACES), ..HubConfig::default() };
    let server = Server::start(lane, config).await;
    let refused = || async {
        let close = request("topic=a", "").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        answered(server.send(&close).await).await
    };
    for round in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..PLACES {
            streams.push(server.send(&request("topic=a", "")).await);
        }
        server.has_streams(PLACES).await;
        let text = refused().await;
        assert!(text.starts_with("HTTP/1.1 429 ") && text.contains("\"code\":\"too-many-from-address\""), "{text}");
        assert!(text.to_ascii_lowercase().contains("\r\nretry-after: 5\r\n"), "{text}");
        assert_eq!(server.hub.active_connections(), PLACES, "who is refused takes no place");
        match round {
            // They leave as they should, are reset, or the server ends them.
            0 => drop(streams),
            1 => {
                for socket in &streams {
                    socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
                }
                drop(streams);
            }
            _ => {
                server.hub.set_enabled(false);
                for socket in streams {
                    assert!(Stream::over(socket).await.1.rest().await.last().unwrap().contains("disabled"));
                }
                server.hub.set_enabled(true);
            }
        }
        server.has_streams(0).await;
    }
    server.open("topic=a").await.opened().await;
}

async fn a_body_that_does_not_come_is_not_waited_for(lane: Lane) {
    let config = HubConfig { body_timeout: Some(Duration::from_millis(200)), ..HubConfig::default() };
    let server = Server::start(lane, config).await;
    let head = "POST /events?topic=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";
    for begun in ["", "some of it"] {
        let text = answered(server.send(&format!("{head}{begun}")).await).await;
        assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("\"code\":\"body-too-slow\""), "{text}");
    }
    // Nor is one that never ends, however busy it looks.
    let mut socket = server.send(&head.replace("100", "1000000")).await;
    let (mut reading, mut writing) = socket.split();
    let dripping = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut first = [0; 12];
    tokio::select! {
        () = dripping => panic!("it is told why"),
        read = reading.read_exact(&mut first) => assert_eq!((read.unwrap(), &first), (12, b"HTTP/1.1 408")),
    }
    assert_eq!(server.hub.head().sequence, 0);
}

#[tokio::test(start_paused = true)]
async fn a_bare_event_source_is_refused_by_a_stream_that_tells_it_when_to_come_back() {
    let hub = hub(HubConfig { max_connections: Some(2), max_connections_per_ip: Some(1), ..HubConfig::default() });
    let _one = Stream::open(&hub, "topic=a").await.opened().await;
    let _two = Stream::of(ask_from(&hub, "192.0.2.1", "*/*").await).opened().await;
    for (address, reason) in [("192.0.2.1", "too-many-from-address"), ("192.0.2.2", "too-many-connections")] {
        let response = ask_from(&hub, address, "text/event-stream").await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let closing = format!("event: closing\ndata: {{\"reason\":\"{reason}\",\"retry_ms\":R}}");
        assert_eq!(Stream::of(response).rest().await, [": heartwire", "retry: R", &closing]);
        let response = ask_from(&hub, address, "text/event-stream, application/json").await;
        assert_eq!(refusal(response).await.1, reason, "whoever understands a status gets it");
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_has_its_places_wherever_it_comes_from() {
    let hub = hub(HubConfig { max_connections_per_identity: Some(1), ..HubConfig::default() });
    let rights = Rights { read: vec![TopicPattern::parse("*").unwrap()], ..Rights::default() };
    let ask = async |subject: &str| {
        let mut request = Request::get("/events?topic=a").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Identity::new(rights.clone()).with_subject(subject));
        send(&hub, request).await
    };
    let stream = Stream::of(ask("ada").await).opened().await;
    assert_eq!(refusal(ask("ada").await).await, (429, "too-many-of-identity".into()));
    Stream::of(ask("bob").await).opened().await;
    drop(stream);
    Stream::of(ask("ada").await).opened().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_refused_keeps_its_resume_point() {
    let hub = hub(HubConfig { enable_sse: false, ..HubConfig::default() });
    let check = async |query: &str, header: &str, expected: &str| {
        let request = Request::get(format!("/events?topic=a&{query}"));
        let request = request.header("accept", "text/event-stream").header("last-event-id", header);
        let blocks = Stream::of(send(&hub, request.body(Body::empty()).unwrap()).await).rest().await;
        let closing = "event: closing\ndata: {\"reason\":\"disabled\",\"retry_ms\":R}";
        assert_eq!(blocks.last().unwrap(), &format!("{expected}{closing}"), "{query} {header}");
    };
    check("", "", "").await;
    check("", "abc-7", "id: abc-7\n").await;
    check("last_event_id=abc-6", "", "id: abc-6\n").await;
    check("last_event_id=abc-6", "abc-7", "id: abc-7\n").await;
    check("", "whatever it was", "").await;
}

#[tokio::test(start_paused = true)]
async fn soft_refusals_can_be_switched_off_and_are_for_what_waiting_helps_with() {
    let hard = hub(HubConfig { soft_refusals: false, enable_sse: false, ..HubConfig::default() });
    let response = ask_from(&hard, "192.0.2.1", "text/event-stream").await;
    assert_eq!(refusal(response).await, (503, "sse-disabled".into()));
    let soft = hub(HubConfig::default());
    let request = Request::get("/events").header("accept", "text/event-stream").body(Body::empty()).unwrap();
    assert_eq!(refusal(send(&soft, request).await).await, (400, "no-topic".into()));
}

#[tokio::test(start_paused = true)]
async fn who_is_outside_the_roll_out_meets_a_server_that_is_switched_off() {
    let hub = hub(HubConfig { rollout_percent: 0, ..HubConfig::default() });
    let off = common::hub(HubConfig { enable_sse: false, ..HubConfig::default() });
    let stream = "/events?topic=a&client_id=ada";
    let health = "/events/health?client_id=ada";
    for path in [stream, health] {
        let (one, other) = (get(&hub, path).await, get(&off, path).await);
        assert_eq!(one.headers(), other.headers());
        assert_eq!(answer(one).await, answer(other).await);
    }
    publish(&hub, "a", ["1"]).await;
    assert_eq!(poll(&hub, "topic=a&client_id=ada&cursor=abc-0").await["events"][0]["data"], "1");

    // Some percentage lets her in, and no higher one takes her out.
    let mut is_in = false;
    for percent in 1..=100 {
        hub.set_rollout_percent(percent);
        let gets_a_stream = get(&hub, stream).await.status().is_success();
        assert!(gets_a_stream || !is_in, "{percent}");
        is_in = gets_a_stream;
        let said = answer(get(&hub, health).await).await.1;
        assert!(said.starts_with(&format!("{{\"enabled\":{is_in},")), "{percent}: {said}");
    }
    assert!(is_in);
}

#[tokio::test(start_paused = true)]
async fn one_publisher_cannot_make_topics_without_end() {
    let hub = hub(HubConfig { max_topics: Some(10), event_ttl: Some(Duration::from_secs(60)), ..HubConfig::default() });
    let post = async |n: usize| {
        let request = Request::post(format!("/events?topic=made-up-{n}")).body("x".into()).unwrap();
        send(&hub, request).await
    };
    for n in 0..10 {
        assert!(post(n).await.status().is_success());
    }
    let response = post(10).await;
    assert_eq!(response.headers()["retry-after"], "30");
    assert_eq!(refusal(response).await, (503, "no-room-for-topic".into()));
    assert!(post(9).await.status().is_success(), "what is there can be used");
    assert_eq!(refusal(get(&hub, "/events?topic=made-up-10").await).await, (503, "no-room-for-topic".into()));
    assert_eq!(refusal(get(&hub, "/events/poll?topic=made-up-10").await).await, (503, "no-room-for-topic".into()));
    Stream::open(&hub, "topic=made-up-9").await.opened().await;
    // An event that has lived its time takes its topic along.
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert!(post(10).await.status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_so_many_headers_and_so_many_bytes() {
    let server = Server::start(Lane::Lean, HubConfig::default()).await;
    let status = async |more: String| {
        let request = format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
        let text = answered(server.send(&request).await).await;
        text.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status("X: y\r\n".repeat(98)).await, "200");
    assert_eq!(status("X: y\r\n".repeat(99)).await, "431");
    assert_eq!(status(format!("X: {}\r\n", "y".repeat(80_000))).await, "200");
    assert_eq!(status(format!("X: {}\r\n", "y".repeat(120_000))).await, "431");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_the_address_is_known_as_well() {
    let server = Server::start(Lane::Lean, HubConfig { max_connections_per_ip: Some(1), ..HubConfig::default() }).await;
    let _stream = server.open("topic=a").await.opened().await;
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(socket);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}/events?topic=a", server.address);
    let response = client.send_request(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 429);
    connection.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_refused_softly_ends_as_it_should_on_a_socket() {
    let server = Server::start(Lane::Lean, HubConfig { enable_sse: false, ..HubConfig::default() }).await;
    let request = request("topic=a", "abc-0").replace("\r\n\r\n", "\r\nAccept: text/event-stream\r\n\r\n");
    let (head, _) = Chunks::of(server.send(&request).await).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: "), "{head}");
}
