//! A crowd at random: readers of overlapping topics who come, leave at once, stop reading, come back from wherever
//! they like, in every form that a stream has and over polls, while publishers go on, little is kept, and the switch
//! is thrown. What each of them had is written down and compared with what was published when all is over: every
//! event of its topics once and in order, or a gap that covers it.
//!
//! A few seeds by default; `CROWD_SEEDS=100 cargo test -p heartwire --test crowd -- --nocapture` takes the first
//! hundred, and `CROWD_FIRST_SEED=17` begins elsewhere. A seed decides what everybody does, if not when.

// To clippy, a helper of tests is no test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod common;

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

/// What an event says, so that nobody takes one for another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    topic: String,
    /// Of its publisher.
    number: u64,
    n_bytes: usize,
}

impl Text {
    fn is_of(&self, topics: &[&str]) -> bool {
        topics.contains(&self.topic.as_str())
    }

    fn write(&self) -> String {
        let Self { topic, number, n_bytes } = self;
        let mut text = format!("{topic} {number} {n_bytes} ");
        let mut noise = Dice(*number);
        while text.len() < *n_bytes {
            text += &format!("{{\"of\":\"{topic}\",\"n\":{}}}", noise.below(1 << 12));
        }
        text
    }

    /// Panics unless every byte is as it was written.
    fn read(text: &str) -> Self {
        let mut words = text.split(' ');
        let (topic, number, n_bytes) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let read = Self { topic: topic.into(), number: number.parse().unwrap(), n_bytes: n_bytes.parse().unwrap() };
        assert!(read.write() == text, "an event came garbled: {text:.100}");
        read
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

/// What a reader knows of one way through the log: it begins somewhere, and each stream or poll goes on behind the
/// last id of the one before.
struct Life {
    topics: Vec<&'static str>,
    /// It began with all that was kept of what had been published up to here: what was gone of a topic before the
    /// first event that it got was gone before it came.
    kept_through: u64,
    seen: Vec<Seen>,
    /// Up to here it has everything or was told.
    told_through: u64,
}

#[derive(Debug)]
enum Seen {
    /// It has everything up to here.
    Place(u64),
    Event(u64, Text),
    /// Events are missing from one sequence on up to another, and it stands at a third.
    Gap(u64, u64, u64),
}

impl Life {
    fn place(&self) -> Option<u64> {
        self.seen.last().map(|seen| match seen {
            Seen::Place(place) | Seen::Event(place, _) | Seen::Gap(_, _, place) => *place,
        })
    }

    fn saw(&mut self, seen: Seen) {
        if let Seen::Gap(_, to, _) = seen {
            self.told_through = self.told_through.max(to);
        }
        self.seen.push(seen);
        self.told_through = self.told_through.max(self.place().unwrap_or(0));
    }

    /// Holds what was seen against what was published.
    fn check(&self, published: &BTreeMap<u64, Text>) -> Result<(), String> {
        let Some(&Seen::Place(mut place)) = self.seen.first() else {
            return if self.seen.is_empty() { Ok(()) } else { Err("it begins nowhere".into()) };
        };
        let (mut told_through, mut met): (u64, Vec<&str>) = (0, Vec::new());
        for (index, seen) in self.seen.iter().enumerate() {
            let (has_all_before, next) = match seen {
                Seen::Place(next) => (*next + 1, *next),
                Seen::Event(next, text) => {
                    let said = published.get(next);
                    if said != Some(text) || !text.is_of(&self.topics) {
                        return Err(format!("{index}: {next} is not {text:?}: {said:?}"));
                    }
                    if *next <= place {
                        return Err(format!("{index}: {next} comes twice or late, behind {place}"));
                    }
                    (*next, *next)
                }
                Seen::Gap(from, to, next) => {
                    if from < &place || to < from || to < next {
                        return Err(format!("{index}: {seen:?} at {place}"));
                    }
                    (from + 1, *next)
                }
            };
            if next < place {
                return Err(format!("{index}: back from {place} to {next}"));
            }
            let missing = published.range(place + 1..has_all_before.max(place + 1)).find(|(sequence, text)| {
                let was_gone = **sequence <= self.kept_through && !met.contains(&text.topic.as_str());
                text.is_of(&self.topics) && **sequence > told_through && !was_gone
            });
            if let Some((sequence, text)) = missing {
                return Err(format!(
                    "{index}: {sequence}, {text:?}, is missing before {seen:?}, told through {told_through}"
                ));
            }
            match seen {
                Seen::Place(_) => {}
                Seen::Event(_, text) => {
                    if !met.contains(&text.topic.as_str()) {
                        met.push(&text.topic);
                    }
                }
                Seen::Gap(_, to, _) => told_through = told_through.max(*to),
            }
            place = next;
        }
        Ok(())
    }
}

/// A stream that is being read, whatever it comes over.
struct Link {
    source: Source,
    gunzip: Option<Decompress>,
    decoder: Decoder,
    /// It was opened to go on somewhere.
    resumes: bool,
}

enum Source {
    Http1 {
        socket: TcpStream,
        raw: Vec<u8>,
    },
    Http2 {
        body: Incoming,
        /// Keeps the connection open.
        _client: SendRequest<Body>,
    },
}

/// What a stream looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Frames,
    Gzip,
}

impl Source {
    /// The next bytes. `None`: the end, as it should be.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Http2 { body, .. } => match body.frame().await {
                None => Ok(None),
                Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap().into())),
                Some(Err(err)) => Err(io::Error::other(err)),
            },
            Self::Http1 { socket, raw } => loop {
                if let Some(line_end) = raw.windows(2).position(|bytes| bytes == b"\r\n") {
                    let n_bytes = std::str::from_utf8(&raw[..line_end]).expect("a chunk begins with its length");
                    let n_bytes = usize::from_str_radix(n_bytes, 16).expect("a chunk begins with its length");
                    let end = line_end + 2 + n_bytes;
                    if raw.len() >= end + 2 {
                        assert_eq!(&raw[end..end + 2], b"\r\n");
                        let content = raw[line_end + 2..end].to_vec();
                        raw.drain(..end + 2);
                        return Ok((n_bytes > 0).then_some(content));
                    }
                }
                if socket.read_buf(raw).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            },
        }
    }
}

impl Link {
    /// Opens a stream. `None`: the server has none to give.
    async fn open(world: &World, query: &str, form: Form, dice: &mut Dice) -> io::Result<Option<Self>> {
        let socket = TcpSocket::new_v4()?;
        if dice.one_in(4) && !world.is_over() {
            // One that is full soon when nobody reads.
            socket.set_recv_buffer_size(16 * 1024)?;
        }
        let mut socket = socket.connect(world.server.address).await?;
        let frames = if form == Form::Frames { "&frames=gzip" } else { "" };
        let query = format!("{query}{frames}");
        if dice.one_in(3) {
            return Self::open_http2(socket, &query, form).await;
        }
        let accepting = if form == Form::Gzip { "\r\nAccept-Encoding: gzip\r\n\r\n" } else { "\r\n\r\n" };
        let request = request(&query, "").replace("\r\n\r\n", accepting);
        socket.write_all(request.as_bytes()).await?;
        if dice.one_in(6) {
            // It leaves at once, with or without a word.
            if dice.one_in(2) {
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            }
            return Ok(None);
        }
        let mut raw = Vec::new();
        let head_end = loop {
            if let Some(at) = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut raw).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let body = raw.split_off(head_end);
        if !raw.starts_with(b"HTTP/1.1 200 ") {
            assert!(raw.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&raw));
            return Ok(None);
        }
        let gunzip = (form == Form::Gzip).then(gunzip);
        let resumes = query.contains("last_event_id");
        Ok(Some(Self { source: Source::Http1 { socket, raw: body }, gunzip, decoder: Decoder::default(), resumes }))
    }

    async fn open_http2(socket: TcpStream, query: &str, form: Form) -> io::Result<Option<Self>> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(16 * 1024).initial_connection_window_size(64 * 1024);
        let (mut client, connection) = builder.handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let mut request = Request::get(format!("http://localhost/events?{query}"));
        if form == Form::Gzip {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        let sent = client.send_request(request.body(Body::empty()).unwrap());
        let response = sent.await.map_err(io::Error::other)?;
        if response.status() != StatusCode::OK {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            return Ok(None);
        }
        let gunzip = response.headers().contains_key(header::CONTENT_ENCODING).then(gunzip);
        assert_eq!(gunzip.is_some(), form == Form::Gzip);
        Ok(Some(Self {
            source: Source::Http2 { body: response.into_body(), _client: client },
            gunzip,
            decoder: Decoder::default(),
            resumes: query.contains("last_event_id"),
        }))
    }

    /// The next event, as something seen. `None`: the stream has ended, one way or another.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(event) = self.decoder.next_event().unwrap() {
                let id = &event.last_event_id;
                match event.event_type.as_str() {
                    // A gap follows, which says where it begins.
                    "connected" if self.resumes && event.data.contains("\"resumed\":false") => {}
                    "connected" | "heartbeat" | "closing" => return Some(Seen::Place(sequence(id))),
                    "gap" => {
                        let Gap { from, to, .. } = serde_json::from_str(&event.data).unwrap();
                        let (place, to) = (sequence(id), sequence(&to));
                        // What is no cursor of this log leaves nothing to compare.
                        let from = from.filter(|from| from.starts_with("abc-")).map_or(place, |from| sequence(&from));
                        return Some(Seen::Gap(from.min(to), to, place));
                    }
                    "message" => return Some(Seen::Event(sequence(id), Text::read(&event.data))),
                    "message+gzip" => {
                        let data = frame::open(event.data.as_bytes(), frame::DEFAULT_MAX_OPEN_BYTES).unwrap();
                        return Some(Seen::Event(sequence(id), Text::read(&data)));
                    }
                    other => panic!("nobody said {other}"),
                }
                continue;
            }
            let came = timeout(LONGEST_SILENCE, self.source.next()).await.expect("a stream is never silent for long");
            let Ok(Some(bytes)) = came else { return None };
            match &mut self.gunzip {
                None => self.decoder.feed(&bytes),
                Some(gunzip) => self.decoder.feed(&opened(gunzip, &bytes)),
            }
        }
    }
}

fn sequence(id: &str) -> u64 {
    let Cursor { epoch, sequence } = id.parse().unwrap();
    assert_eq!(epoch.0, 0xabc);
    sequence
}

/// One who reads, for as long as there is something to read.
struct Reader {
    dice: Dice,
    world: Arc<World>,
    lives: Vec<Life>,
    /// The last event of its topics, once there is one.
    last: Option<u64>,
}

impl Reader {
    /// Reads on and off until all is over, and then to the end.
    async fn read(mut self) -> Vec<Life> {
        while !self.world.is_over() {
            if self.lives.is_empty() || self.dice.one_in(3) {
                self.begin_a_life().await;
            } else {
                self.go_on().await;
            }
        }
        let Some(Life { topics, .. }) = self.lives.last() else { return self.lives };
        self.world.end.subscribe().wait_for(|is_known| *is_known).await.unwrap();
        self.last =
            self.world.published.lock().await.iter().rev().find(|(_, text)| text.is_of(topics)).map(|(last, _)| *last);
        let begun = Instant::now();
        while !self.has_all() {
            assert!(begun.elapsed() < LONGEST_SILENCE, "{:?} comes", self.last);
            self.go_on().await;
        }
        self.lives
    }

    /// Whether it has had the last event that there is for it, or was told of it.
    fn has_all(&self) -> bool {
        let told_through = self.lives.last().map_or(0, |life| life.told_through);
        self.last.is_some_and(|last| told_through >= last)
    }

    fn life(&mut self) -> &mut Life {
        self.lives.last_mut().unwrap()
    }

    fn some_topics(&mut self) -> Vec<&'static str> {
        let n_topics = 1 + self.dice.below(5) as usize;
        // Few sets for many readers, so that most of them have company.
        let mut choice = Dice(self.dice.below(8));
        let mut topics = TOPICS.to_vec();
        for at in 0..n_topics {
            let chosen = at + choice.below((topics.len() - at) as u64) as usize;
            topics.swap(at, chosen);
        }
        topics.truncate(n_topics);
        if self.dice.one_in(2) {
            topics.reverse();
        }
        topics
    }

    /// Begins somewhere, with some topics, whatever it read before.
    async fn begin_a_life(&mut self) {
        let topics = self.some_topics();
        let head = self.world.server.hub.head().sequence;
        let (resume, place) = match self.dice.below(8) {
            0 => ("from=earliest".into(), None),
            1 => (format!("last_event_id=def-{}", self.dice.below(head + 9)), None),
            2 => (format!("last_event_id=abc-{}", head + 1 + self.dice.below(1 << 40)), None),
            3 => ("last_event_id=no+cursor".into(), None),
            4 | 5 => {
                // A place where others begin, too.
                let place = head.saturating_sub(self.dice.below(100)) / 16 * 16;
                (format!("last_event_id=abc-{place}"), Some(place))
            }
            _ => (String::new(), None),
        };
        self.lives.push(Life { topics, kept_through: 0, seen: Vec::new(), told_through: 0 });
        if let Some(place) = place {
            self.life().saw(Seen::Place(place));
            // It may well be cut off meanwhile, or refused.
            drop(self.pass_by(place).await);
        }
        self.visit(&resume).await;
        if self.life().place().is_none() {
            self.lives.pop();
        }
    }

    /// Begins at a place with all sorts of topics, and leaves at once, without a word.
    async fn pass_by(&mut self, place: u64) -> io::Result<()> {
        let mut sockets = Vec::new();
        for _ in 0..self.dice.below(12) {
            let topics = self.some_topics().join("&topic=");
            let mut socket = TcpStream::connect(self.world.server.address).await?;
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            socket.write_all(request(&format!("topic={topics}"), &format!("abc-{place}")).as_bytes()).await?;
            sockets.push(socket);
        }
        Ok(())
    }

    /// Goes on behind what it saw last.
    async fn go_on(&mut self) {
        let Some(place) = self.life().place() else { return };
        let name = if self.dice.one_in(6) { "cursor" } else { "last_event_id" };
        self.visit(&format!("{name}=abc-{place}")).await;
    }

    /// Reads a while.
    async fn visit(&mut self, resume: &str) {
        let topics: Vec<String> = self.life().topics.iter().map(|name| format!("topic={name}")).collect();
        let query = format!("{}&{resume}", topics.join("&"));
        let query = query.trim_end_matches('&');
        if resume.starts_with("cursor") {
            return self.poll(query).await;
        }
        let form = [Form::Plain, Form::Frames, Form::Gzip, Form::Gzip][self.dice.below(4) as usize];
        let (world, dice) = (Arc::clone(&self.world), &mut self.dice);
        let opening = timeout(LONGEST_SILENCE, Link::open(&world, query, form, dice)).await;
        // Whoever was refused or cut off comes again.
        let Ok(Some(mut link)) = opening.expect("an answer comes") else { return };
        if resume.starts_with("from") || resume.contains("=def-") {
            // Not before the stream has begun: it may have begun later than it was asked for.
            self.life().kept_through = world.server.hub.head().sequence;
        }
        let at_most = if self.dice.one_in(6) { 500 } else { 15 };
        let n_most = self.dice.below(at_most);
        for _ in 0..n_most {
            // All is over: it needs to know first what the last is.
            if self.last.is_none() && world.is_over() || self.has_all() {
                return;
            }
            if self.dice.one_in(30) {
                self.pause().await;
            }
            let Some(seen) = link.next().await else { return };
            let life = self.life();
            match seen {
                // Where it begins after all; what it asked for was no place.
                Seen::Gap(_, _, place) if life.seen.is_empty() => life.saw(Seen::Place(place)),
                seen => life.saw(seen),
            }
        }
    }

    async fn poll(&mut self, query: &str) {
        let answer = poll(&self.world.server.hub, &format!("{query}&wait=0.05")).await;
        if let Some(gap) = answer["gap"].as_object() {
            let [from, to] = ["from", "to"].map(|name| sequence(gap[name].as_str().unwrap()));
            self.life().saw(Seen::Gap(from, to, to));
        }
        for event in answer["events"].as_array().unwrap() {
            let [id, data] = ["id", "data"].map(|name| event[name].as_str().unwrap());
            self.life().saw(Seen::Event(sequence(id), Text::read(data)));
        }
        self.life().saw(Seen::Place(sequence(answer["cursor"].as_str().unwrap())));
    }

    /// Takes nothing until so many more events are published.
    async fn pause(&mut self) {
        let hub = self.world.server.hub.clone();
        let until = hub.head().sequence + self.dice.below(1_500);
        let mut interval = tokio::time::interval(PACE);
        while hub.head().sequence < until && !self.world.is_over() {
            interval.tick().await;
        }
    }
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
