//! A server under siege: slow heads, floods of headers, posts that never come, rubbish, topics without end.
//! Its memory stays what it is, and what a healthy publisher says beside all of this reaches a healthy stream, every
//! event once and in order.
//!
//! Some seconds by default; `SIEGE_SECONDS=3600 cargo test --release -p heartwire --test siege -- --nocapture`
//! goes on for an hour and prints what it sees.

#![cfg(all(feature = "cli", target_os = "linux"))]
// To clippy, a helper of tests is no test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod common;

use common::process::{Process, publish};
use common::{Stream, request};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many of each sort attack at a time.
const ATTACKERS: u64 = 8;
/// A head is given up after ten seconds, and a client that has said nothing yet after ten more.
const HEAD_PATIENCE: Duration = Duration::from_secs(25);
/// How long the healthy stream may be silent: far longer than between two of its events, since the attackers keep
/// this machine as busy as the server.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// The pieces of memory that an allocator keeps for later come and go.
const MEMORY_NOISE_BYTES: u64 = 6 * 1024 * 1024;

/// Numbers of chance, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn bytes(&mut self, n_bytes: u64) -> Vec<u8> {
        (0..n_bytes).map(|_| self.below(256) as u8).collect()
    }
}

/// What a client can do to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    SlowHead,
    HeaderFlood,
    StalledPost,
    Rubbish,
    Http2Rubbish,
    MadeUpTopics,
    ForgedAddresses,
    SilentReader,
}

const ATTACKS: [Attack; 8] = [
    Attack::SlowHead,
    Attack::HeaderFlood,
    Attack::StalledPost,
    Attack::Rubbish,
    Attack::Http2Rubbish,
    Attack::MadeUpTopics,
    Attack::ForgedAddresses,
    Attack::SilentReader,
];

impl Attack {
    /// One attack, to its end. Whatever the server does to it is fine, as long as it does something.
    async fn carry_out(self, address: SocketAddr, dice: &mut Dice) -> std::io::Result<()> {
        let mut socket = TcpStream::connect(address).await?;
        let number = dice.below(1 << 30);
        match self {
            Self::SlowHead => {
                let begun = Instant::now();
                let mut byte = [0];
                socket.write_all(b"GET /events?topic=t HTTP/1.1\r\n").await?;
                loop {
                    assert!(begun.elapsed() < HEAD_PATIENCE, "a head that never ends is given up");
                    let pause = tokio::time::timeout(Duration::from_millis(200), socket.read(&mut byte)).await;
                    if pause.is_ok() {
                        return Ok(());
                    }
                    socket.write_all(b"X: y\r\n").await?;
                }
            }
            Self::HeaderFlood => {
                let header = format!("X-{number}: {}\r\n", "y".repeat(dice.below(2_000) as usize));
                socket.write_all(b"GET /events?topic=t HTTP/1.1\r\nHost: localhost\r\n").await?;
                socket.write_all(header.repeat(200).as_bytes()).await?;
                socket.write_all(b"\r\n").await?;
                drain(socket).await
            }
            Self::StalledPost => {
                let body = dice.bytes(number % 100_000);
                let head = "POST /events?topic=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n";
                socket.write_all(head.as_bytes()).await?;
                socket.write_all(&body).await?;
                if number.is_multiple_of(4) {
                    return Ok(());
                }
                drain(socket).await
            }
            Self::Rubbish => {
                socket.write_all(&dice.bytes(number % 20_000)).await?;
                socket.write_all(b"\r\n\r\n").await?;
                drain(socket).await
            }
            Self::Http2Rubbish => {
                socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
                socket.write_all(&dice.bytes(number % 5_000)).await?;
                socket.shutdown().await?;
                drain(socket).await
            }
            Self::MadeUpTopics => {
                let lines = (0..100).map(|n| format!("{{\"topic\":\"made up {number} {n}\",\"data\":\"x\"}}\n"));
                let body: String = lines.collect();
                let head = "POST /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
                let about = format!("Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n", body.len());
                socket.write_all(format!("{head}{about}{body}").as_bytes()).await?;
                drain(socket).await
            }
            Self::ForgedAddresses => {
                let forged = std::net::Ipv4Addr::from_bits(number as u32);
                let head = "GET /events/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
                let about = format!("X-Forwarded-For: {forged}, \"\r\nForwarded: for=\"{forged}\r\n\r\n");
                socket.write_all(format!("{head}{about}").as_bytes()).await?;
                drain(socket).await
            }
            Self::SilentReader => {
                let topics: String = (0..50).map(|n| format!("&topic=made+up+{number}+{n}")).collect();
                socket.write_all(request(&topics[1..], "never-an-id").as_bytes()).await?;
                let mut some = vec![0; 1 + number as usize % 300];
                socket.read_exact(&mut some).await?;
                Ok(())
            }
        }
    }
}

/// Reads what the server has to say, for as long as it says something; a client that waits for ever is not
/// what is told of here.
async fn drain(mut socket: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4_096];
    let to_the_end = async {
        while socket.read(&mut buffer).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), to_the_end).await.unwrap_or(Ok(()))
}

/// What the healthy publisher says when it is done.
const LAST: &str = "last";

/// A healthy publisher: every event is taken, whatever else goes on. How many there were.
async fn publish_steadily(address: SocketAddr, until: Instant) -> u64 {
    let mut n_events = 0;
    while Instant::now() < until {
        n_events += 1;
        publish(address, "healthy", &n_events.to_string()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    publish(address, "healthy", LAST).await;
    n_events
}

/// A healthy stream, to the last event.
struct Watched {
    n_events: u64,
    n_heartbeats: u64,
    longest_silence: Duration,
}

/// Reads the healthy stream: what is published comes once, in order and with nothing missing.
async fn watch(mut stream: Stream) -> Watched {
    let mut watched = Watched { n_events: 0, n_heartbeats: 0, longest_silence: Duration::ZERO };
    loop {
        let silent_since = Instant::now();
        let block = tokio::time::timeout(LONGEST_SILENCE, stream.block()).await;
        let block = block.expect("a healthy stream is served").expect("a healthy stream never ends");
        watched.longest_silence = watched.longest_silence.max(silent_since.elapsed());
        if block.contains("event: heartbeat") {
            watched.n_heartbeats += 1;
        } else if block.ends_with(&format!("\ndata: {LAST}")) {
            return watched;
        } else {
            watched.n_events += 1;
            if !block.ends_with(&format!("\ndata: {}", watched.n_events)) {
                panic!("{} is next: {block}, {:?}", watched.n_events, stream.block().await);
            }
        }
    }
}

async fn open_healthy_stream(address: SocketAddr) -> Stream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request("topic=healthy", "").as_bytes()).await.unwrap();
    let (_, stream) = Stream::over(socket).await;
    stream.opened().await
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_siege_neither_moves_memory_nor_ends_a_healthy_stream() {
    let span = Duration::from_secs(std::env::var("SIEGE_SECONDS").map_or(16, |text| text.parse().unwrap()));
    let settings = [
        ["--body-timeout", "1"],
        ["--heartbeat-interval", "0.5"],
        ["--max-topics", "5000"],
        // Some seconds of the flood: a reader whose next event is given up before it is written is told that it lagged.
        ["--max-bytes-total", "32000000"],
        ["--max-bytes-per-topic", "1000000"],
        ["--event-ttl", "5"],
        ["--cleanup-interval", "0.5"],
    ];
    let server = Process::start(&settings.concat());
    let address = server.address;
    let until = Instant::now() + span;
    let counts: Arc<[AtomicU64; ATTACKS.len()]> = Arc::default();
    let mut attackers = JoinSet::new();
    for (sort, attack) in ATTACKS.into_iter().enumerate() {
        for n in 0..ATTACKERS {
            let counts = Arc::clone(&counts);
            attackers.spawn(async move {
                let mut dice = Dice(n * ATTACKERS + sort as u64);
                while Instant::now() < until {
                    // A reset is an answer, too.
                    let _ = attack.carry_out(address, &mut dice).await;
                    counts[sort].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    let healthy = open_healthy_stream(address).await;
    let watching = tokio::spawn(watch(healthy));
    let publishing = tokio::spawn(publish_steadily(address, until));
    let (mut resident, mut files) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        resident.push(server.resident_bytes());
        files.push(server.open_files() as u64);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while let Some(attacker) = attackers.join_next().await {
        attacker.unwrap();
    }
    let n_published = publishing.await.unwrap();
    let Watched { n_events, n_heartbeats, longest_silence } = watching.await.unwrap();

    // The first quarter fills what is to be full.
    let quarter = resident.len() / 4;
    let (early, late) = (median(&resident[quarter..2 * quarter]), median(&resident[3 * quarter..]));
    let counts: Vec<u64> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    println!("{} s of attacks: {ATTACKS:?} {counts:?}", span.as_secs());
    println!(
        "healthy stream: {n_events} of {n_published} events, {n_heartbeats} heartbeats, never silent for longer than {longest_silence:.2?}"
    );
    println!("memory: {early} bytes early, {late} late; at most {} open files", files.iter().max().unwrap());
    assert!(counts.iter().all(|count| *count > 0), "all attacked: {counts:?}");
    assert!(late <= early + MEMORY_NOISE_BYTES, "memory grew from {early} to {late} bytes");
    assert_eq!(n_events, n_published, "each event came, once and in order");
    assert!(n_events >= span.as_secs(), "the healthy publisher was served: {n_events} events");
    common::eventually("everybody is gone", || server.open_files() < 40).await;
}
