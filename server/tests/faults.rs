//! Clients as they are: gone without a word, deaf, talkative, many. All on real sockets.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lane, Server, Stream, in_both_lanes, publish, publish_at_once, request};
use heartwire::HubConfig;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

in_both_lanes! {
    a_reader_that_leaves_is_noticed_at_once
    readers_that_stop_reading_hold_up_nobody
    readers_that_join_and_leave_at_random_disturb_nobody
}

/// A history that no reader of these stories falls off, and no heartbeat among the events.
fn config() -> HubConfig {
    HubConfig { heartbeat_interval: None, max_queue_size: None, ..HubConfig::default() }
}

async fn open_many(server: &Server, n_streams: usize) -> Vec<TcpStream> {
    let mut sockets = Vec::with_capacity(n_streams);
    for _ in 0..n_streams {
        sockets.push(server.send(&request("topic=a", "")).await);
    }
    server.has_streams(n_streams).await;
    sockets
}

async fn a_reader_that_leaves_is_noticed_at_once(lane: Lane) {
    let server = Server::start(lane, config()).await;
    let mut sockets = open_many(&server, 100).await;
    for (number, socket) in sockets.drain(..).enumerate() {
        match number % 2 {
            // The end of the line, as it should be.
            0 => drop(socket),
            // A reset.
            _ => socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap(),
        }
    }
    server.has_streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_noticed_at_once_whatever_it_has_said_before() {
    // hyper does not see the end behind bytes that nobody reads, so this is the lean lane's alone.
    let server = Server::start(Lane::Lean, config()).await;
    let mut early = server.send(&format!("{}stray bytes", request("topic=a", ""))).await;
    let mut late = server.send(&request("topic=a", "")).await;
    let mut half = server.send(&request("topic=a", "")).await;
    server.has_streams(3).await;
    late.write_all(&[b'x'; 300_000]).await.unwrap();
    early.write_all(b"\r\n").await.unwrap();
    // Talking is allowed, and changes nothing.
    publish(&server.hub, "a", ["1"]).await;
    let (_, stream) = Stream::over(late).await;
    let mut stream = stream.opened().await;
    assert_eq!(stream.block().await.unwrap(), "id: abc-1\ndata: 1");

    half.shutdown().await.unwrap();
    server.has_streams(2).await;
    // But not for ever. The writing fails as soon as the server has had enough.
    let mut upload = server.send(&request("topic=a", "")).await;
    while upload.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
    server.has_streams(2).await;
    drop(early);
    server.has_streams(1).await;
    drop(stream);
    server.has_streams(0).await;
}

async fn readers_that_stop_reading_hold_up_nobody(lane: Lane) {
    const DEAF: usize = 20;
    const EVENTS: usize = 1_000;
    let server = Server::start(lane, config()).await;
    // More than the kernel buffers for a reader, all of it within the history.
    let padding = "x".repeat(5_000);
    let mut deaf = open_many(&server, DEAF).await;
    let mut healthy = Vec::new();
    for _ in 0..10 {
        healthy.push(server.open("topic=a").await.opened().await);
    }
    for n in 1..=EVENTS {
        publish(&server.hub, "a", [&format!("{n} {padding}")]).await;
        for stream in &mut healthy {
            assert_eq!(stream.block().await.unwrap(), format!("id: abc-{n}\ndata: {n} {padding}"));
        }
    }
    // What they have not read stays in the log: when they read again, nothing is missing that the
    // log still has, and what it gave up ends their stream.
    let (_, stream) = Stream::over(deaf.pop().unwrap()).await;
    let mut stream = stream.opened().await;
    let mut n = 0;
    let last = loop {
        let block = stream.block().await.unwrap();
        if block == format!("id: abc-{}\ndata: {} {padding}", n + 1, n + 1) {
            n += 1;
            if n == EVENTS {
                break block;
            }
        } else {
            break block;
        }
    };
    assert!(last == "retry: R" || n == EVENTS, "{n} events, then {last:.80}");
    drop((deaf, healthy, stream));
    server.has_streams(0).await;
}

async fn readers_that_join_and_leave_at_random_disturb_nobody(lane: Lane) {
    const EVENTS: u64 = 2_000;
    let server = Server::start(lane, config()).await;
    let mut watching = Vec::new();
    for _ in 0..20 {
        let mut stream = server.open("topic=a").await.opened().await;
        watching.push(tokio::spawn(async move {
            for n in 1..=EVENTS {
                assert_eq!(stream.block().await.unwrap(), format!("id: abc-{n}\ndata: {n}"));
            }
        }));
    }
    let comings_and_goings = async {
        let mut state = 7_u64;
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut sockets: Vec<TcpStream> = Vec::new();
        for _ in 0..1_000 {
            if sockets.len() < 50 && below(2) == 0 {
                // Some begin with all that was kept, and so with much to write.
                let query = if below(3) == 0 { "topic=a&from=earliest" } else { "topic=a&topic=b" };
                sockets.push(server.send(&request(query, "")).await);
            } else if !sockets.is_empty() {
                let socket = sockets.swap_remove(below(sockets.len() as u64) as usize);
                if below(2) == 0 {
                    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let publishing = async {
        let mut n = 0;
        while n < EVENTS {
            let burst = 1 + n % 7;
            publish_at_once(&server.hub, "a", (n + 1..=(n + burst).min(EVENTS)).map(|n| n.to_string())).await;
            n += burst;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(comings_and_goings, publishing);
    for stream in watching {
        stream.await.unwrap();
    }
    server.has_streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_dropped_ends_its_streams() {
    let server = Server::start(Lane::Lean, config()).await;
    let sockets = open_many(&server, 10).await;
    let hub = server.hub.clone();
    let asked_at = Instant::now();
    drop(server);
    common::eventually("the streams end with their server", || hub.active_connections() == 0).await;
    assert!(asked_at.elapsed() < Duration::from_secs(5));
    drop(sockets);
}
