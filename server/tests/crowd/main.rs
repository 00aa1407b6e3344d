//! A crowd at random: readers of overlapping topics who come, leave at once, stop reading, come back from wherever
//! they like, in every form that a stream has and over polls, while publishers go on, little is kept, and the switch
//! is thrown. What each of them had is written down and compared with what was published when all is over: every
//! event of its topics once and in order, or a gap that covers it.
//!
//! A few seeds by default; `CROWD_SEEDS=100 cargo test -p heartwire --test crowd -- --nocapture` takes the first
//! hundred, and `CROWD_FIRST_SEED=17` begins elsewhere. A seed decides what everybody does, if not when.

// To clippy, a helper of tests is no test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod life;
mod link;
mod reader;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use common::{Lane, Server, gunzip, opened, poll, request, topic};
use flate2::Decompress;
use heartwire::log::NewEvent;
use heartwire::{Cursor, Data, EventKey, EventType, HubConfig, SlowReaders, TopicPattern, TopicRule};
use heartwire_protocol::control::Gap;
use heartwire_protocol::{Decoder, frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use life::{Life, Seen, Text};
use link::{Form, Link, sequence};
use reader::Reader;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const READERS: u64 = 60;
const PUBLISHERS: u64 = 2;
/// By their first letter, slow readers of theirs get the newest of each key, skip to the head, or are closed.
const TOPICS: [&str; 12] = ["na", "nb", "nc", "nd", "sa", "sb", "sc", "sd", "ca", "cb", "cc", "cd"];
/// How long the publishers go on.
const SPAN: Duration = Duration::from_millis(1_200);
/// How long one of them waits between two batches.
const PACE: Duration = Duration::from_millis(4);
/// Nothing is late by as much, unless somebody was forgotten.
const LONGEST_SILENCE: Duration = Duration::from_secs(20);

/// Numbers of chance, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Whether one of so many cases is met.
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What all have in common.
struct World {
    server: Server,
    /// By sequence.
    published: Mutex<BTreeMap<u64, Text>>,
    is_over: AtomicBool,
    /// Whether nothing more is published.
    end: watch::Sender<bool>,
}

/// Publishes for a while, in bursts of any size, and throws the switch now and then.
async fn publish(world: Arc<World>, mut dice: Dice, until: Instant) {
    let mut number = dice.below(1 << 20) << 20;
    let mut interval = tokio::time::interval(PACE);
    let hub = &world.server.hub;
    while Instant::now() < until {
        interval.tick().await;
        let n_events = if dice.one_in(60) { 400 } else { 1 + dice.below(12) };
        let favourite = dice.below(TOPICS.len() as u64) as usize;
        let mut texts = Vec::new();
        for _ in 0..n_events {
            number += 1;
            let n_bytes = match dice.below(100) {
                0 => dice.below(30_000),
                1..10 => dice.below(3_000),
                _ => dice.below(200),
            };
            let topic = if dice.one_in(2) { favourite } else { dice.below(TOPICS.len() as u64) as usize };
            texts.push(Text { topic: TOPICS[topic].into(), number, n_bytes: n_bytes as usize });
        }
        world.publish(texts, &mut dice).await;
        if dice.one_in(150) {
            hub.set_enabled(false);
            tokio::task::yield_now().await;
            hub.set_enabled(true);
        }
    }
}

impl World {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    async fn publish(&self, texts: Vec<Text>, dice: &mut Dice) {
        let event = |text: &Text| NewEvent {
            key: dice.one_in(3).then(|| EventKey::parse(&dice.below(9).to_string()).unwrap()),
            ..NewEvent::new(topic(&text.topic), EventType::default(), Data::new(&text.write()))
        };
        let cursors = self.server.hub.publish_all(texts.iter().map(event).collect()).await.unwrap();
        let sequences = cursors.iter().map(|cursor| cursor.sequence);
        self.published.lock().await.extend(sequences.zip(texts));
    }
}

/// A hub that is short of everything.
fn config(dice: &mut Dice) -> HubConfig {
    let rule = |pattern: &str, policy| TopicRule {
        slow_readers: Some(policy),
        ..TopicRule::new(TopicPattern::parse(pattern).unwrap())
    };
    let mut ms = |least: u64, span: u64, one_in: u64| {
        dice.one_in(one_in).then(|| Duration::from_millis(least + dice.below(span)))
    };
    let (event_ttl, topic_ttl, connection_timeout) = (ms(100, 400, 2), ms(50, 300, 2), ms(50, 900, 3));
    let max_subscriber_idle_time = ms(50, 400, 2);
    let heartbeat_interval = ms(10, 60, 1);
    HubConfig {
        topic_rules: vec![rule("n*", SlowReaders::Newest), rule("s*", SlowReaders::Skip)],
        event_ttl,
        topic_ttl,
        connection_timeout,
        max_subscriber_idle_time,
        heartbeat_interval,
        cleanup_interval: Duration::from_millis(20),
        max_history_per_topic: 5 + dice.below(400) as usize,
        max_queue_size: Some(5 + dice.below(600) as usize),
        max_bytes_total: 600_000 + dice.below(3_000_000) as usize,
        max_bytes_per_topic: 300_000,
        drain_window: Duration::from_millis(dice.below(300)),
        ..HubConfig::default()
    }
}

async fn tell(seed: u64) {
    let mut dice = Dice(seed);
    let server = Server::start(Lane::Lean, config(&mut dice)).await;
    let hub = server.hub.clone();
    let (end, _) = watch::channel(false);
    let world = Arc::new(World { server, published: Mutex::default(), is_over: AtomicBool::new(false), end });
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let reader =
            Reader { dice: Dice(seed * 1_000 + number), world: Arc::clone(&world), lives: Vec::new(), last: None };
        readers.spawn(reader.read());
    }
    let until = Instant::now() + SPAN;
    let publishers = (0..PUBLISHERS).map(|n| tokio::spawn(publish(Arc::clone(&world), Dice(!n - seed), until)));
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    world.is_over.store(true, Ordering::SeqCst);
    // One more of each topic, so that everybody looks up.
    for name in TOPICS {
        world.publish(vec![Text { topic: name.into(), number: 0, n_bytes: 0 }], &mut dice).await;
    }
    if dice.one_in(2) {
        hub.drain();
    }
    world.end.send_replace(true);
    let mut lives = Vec::new();
    while let Some(of_one) = readers.join_next().await {
        lives.extend(of_one.unwrap());
    }
    let published = world.published.lock().await;
    assert!(published.keys().copied().eq(1..=hub.head().sequence), "all that was published is known");
    let (mut n_events, mut n_gaps) = (0, 0);
    for life in &lives {
        if let Err(problem) = life.check(&published) {
            panic!("seed {seed}, {:?}: {problem}", life.topics);
        }
        n_events += life.seen.iter().filter(|seen| matches!(seen, Seen::Event(..))).count();
        n_gaps += life.seen.iter().filter(|seen| matches!(seen, Seen::Gap(..))).count();
    }
    assert!(n_events > 500 && n_gaps > 10, "seed {seed}: a crowd that got {n_events} events and {n_gaps} gaps");
    println!("seed {seed}: {} published, {} lives, {n_events} events, {n_gaps} gaps", published.len(), lives.len());
    world.server.has_streams(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_crowd_does_each_gets_every_event_once_or_a_gap() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let first: u64 = number("CROWD_FIRST_SEED", 0);
    for seed in first..first + number("CROWD_SEEDS", 3) {
        tell(seed).await;
    }
}
