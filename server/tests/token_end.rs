//! The end of a token, on real sockets and in both lanes.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use common::{Lane, Server, Stream, in_both_lanes, publish};
use heartwire::auth::{Identity, Rights};
use heartwire::{HubConfig, TopicPattern};
use std::time::{Duration, Instant, SystemTime};

in_both_lanes! {
    a_stream_warns_of_the_end_of_its_token_and_ends_with_it
    the_next_stream_goes_on_where_the_token_ended
    readers_with_and_without_an_end_share_what_is_compressed
}

/// Long enough to be warned of, and not longer than a test should take.
const TOKEN_LIFE: Duration = Duration::from_millis(2_200);

/// A server on which tokens have an end, but for those who come back after the first event.
async fn server(lane: Lane) -> Server {
    let identify = async |mut request: Request, next: Next| {
        let all = || vec![TopicPattern::parse("*").unwrap()];
        let identity = Identity::new(Rights { read: all(), ..Rights::default() });
        let comes_back = request.headers().get("last-event-id").is_some_and(|id| id == "abc-1");
        let identity = if comes_back { identity } else { identity.with_expiry(SystemTime::now() + TOKEN_LIFE) };
        request.extensions_mut().insert(identity);
        next.run(request).await
    };
    let config = HubConfig { heartbeat_interval: None, ..HubConfig::default() };
    Server::start_with(lane, config, |router| router.layer(from_fn(identify))).await
}

fn expires_in_ms(block: &str) -> u64 {
    let (_, left) = block.split_once("event: expiring\ndata: {\"expires_in_ms\":").expect(block);
    left.trim_end_matches('}').parse().unwrap()
}

async fn ends_with_its_token(mut stream: Stream, begin: Instant) {
    let expiring = stream.block().await.unwrap();
    assert!(expiring.starts_with("id: abc-1\n"), "{expiring}");
    let left_ms = expires_in_ms(&expiring);
    assert!((500..=1_100).contains(&left_ms), "{left_ms}");
    assert!(begin.elapsed() >= TOKEN_LIFE / 2, "{:?}", begin.elapsed());
    let closing = "id: abc-1\nevent: closing\ndata: {\"reason\":\"token-expired\",\"retry_ms\":R}";
    assert_eq!(stream.rest().await, ["retry: R", closing]);
    assert!(begin.elapsed() >= TOKEN_LIFE, "{:?}", begin.elapsed());
}

async fn a_stream_warns_of_the_end_of_its_token_and_ends_with_it(lane: Lane) {
    let server = server(lane).await;
    let begin = Instant::now();
    let mut plain = server.open("topic=a").await.opened().await;
    let mut gzip = server.open_gzip("topic=a", "").await.opened().await;
    publish(&server.hub, "a", ["1"]).await;
    for stream in [&mut plain, &mut gzip] {
        assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    }
    tokio::join!(ends_with_its_token(plain, begin), ends_with_its_token(gzip, begin));
    server.has_streams(0).await;
}

async fn the_next_stream_goes_on_where_the_token_ended(lane: Lane) {
    let server = server(lane).await;
    let mut stream = server.open("topic=a").await.opened().await;
    publish(&server.hub, "a", ["1"]).await;
    let blocks = stream.rest().await;
    assert!(blocks.last().unwrap().starts_with("id: abc-1\nevent: closing"), "{blocks:?}");
    publish(&server.hub, "a", ["2"]).await;
    let mut next = server.resume("topic=a", "abc-1").await.opened().await;
    assert_eq!(next.blocks().await, ["id: abc-2\ndata: 2"]);
}

async fn readers_with_and_without_an_end_share_what_is_compressed(lane: Lane) {
    let server = server(lane).await;
    publish(&server.hub, "a", ["0"]).await;
    let mut readers = Vec::new();
    for n in 0..8 {
        let after = if n % 2 == 0 { "abc-0" } else { "abc-1" };
        readers.push(server.open_gzip("topic=a", after).await.opened().await);
    }
    // Enough of them for a context to be shared, and to go on beyond the end of the tokens.
    let begin = Instant::now();
    let mut n_published = 1;
    while begin.elapsed() < TOKEN_LIFE + Duration::from_millis(300) {
        for _ in 0..20 {
            n_published += 1;
            publish(&server.hub, "a", [&*format!("{{\"n\":{n_published}}}")]).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (n, reader) in readers.iter_mut().enumerate() {
        let ends = n % 2 == 0;
        let mut next = if ends { 1 } else { 2 };
        let mut warned = false;
        loop {
            if !ends && next > n_published {
                break;
            }
            let block = reader.block().await.expect("the end is told");
            if block.contains("event: expiring") {
                warned = true;
            } else if block.contains("event: closing") {
                assert!(ends && block.contains("token-expired"), "{block}");
                break;
            } else if block != "retry: R" {
                assert!(block.starts_with(&format!("id: abc-{next}\n")), "{next}: {block}");
                next += 1;
            }
        }
        assert_eq!(warned, ends);
    }
}
