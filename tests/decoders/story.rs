//! A hundred thousand events, and readers who join, leave, stop reading and resume at random.

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use futures_util::future::try_join_all;
use heartwire_tests::server::{Server, folder_with_page};
use heartwire_tests::wait::PATIENCE;
use heartwire_tests::{Browser, BrowserKind};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::check::Check;
use crate::log::Log;
use crate::page::READER;
use crate::payload::{TOPICS, line};
use crate::source::{Decoder, Source};

const N_EVENTS: u32 = 100_000;
/// Publishing waits for whoever reads and is further behind than this.
const WINDOW: u64 = 1_500;
/// A reader that falls further behind is let go by the server. More than the window, so that only those
/// are who stop reading on purpose.
const MAX_QUEUE_SIZE: &str = "2500";
/// Decides what is published, and who does what when.
const SEED: u64 = 20;

/// Below four readers of the same topics the server does without a shared context: so this many of each stay
/// all the time, and any other finds one.
const N_STEADY: usize = 3;

const ALL: &[usize] = &[0, 1, 2, 3];
const SOME: &[usize] = &[1, 3];

/// What the readers and the publisher know of each other.
struct Stage {
    server: Server,
    log: Log,
    published: watch::Sender<u64>,
}

/// A reader: who decodes for it, what it reads, and how far it is. While its place is [`u64::MAX`]
/// nobody waits for it.
struct Reader {
    name: &'static str,
    decoder: Decoder,
    topics: &'static [usize],
    rng: Rng,
    place: watch::Sender<u64>,
    /// It joins first, and neither leaves nor stops reading.
    is_steady: bool,
}

impl Stage {
    fn url(&self, topics: &[usize]) -> String {
        let topics: Vec<_> = topics.iter().map(|topic| format!("topic={}", escaped(TOPICS[*topic]))).collect();
        self.server.url(&format!("/events?{}", topics.join("&")))
    }

    /// Publishes everything, no faster than those who read can follow.
    async fn publish(&self, mut rng: Rng, mut places: Vec<watch::Receiver<u64>>) -> Result<()> {
        places.push(self.log.place());
        let mut published = 0;
        while published < N_EVENTS {
            // One by one as well as many in one write.
            let n_lines = if rng.bool() { rng.u32(1..5) } else { rng.u32(1..150) }.min(N_EVENTS - published);
            let lines: Vec<_> = (published..published + n_lines).map(|number| line(number, &mut rng)).collect();
            self.server.publish_lines(&lines).await?;
            published += n_lines;
            self.published.send_replace(u64::from(published));
            let least = u64::from(published).saturating_sub(WINDOW);
            for place in &mut places {
                // A reader that has everything is gone.
                let follows = timeout(PATIENCE, place.wait_for(|place| *place >= least)).await;
                drop(follows.context("a reader does not follow")?);
            }
        }
        Ok(())
    }

    async fn reaches(&self, n_published: u64) {
        // The sender is ours.
        drop(self.published.subscribe().wait_for(|published| *published >= n_published).await);
    }
}

impl Reader {
    fn new(name: &'static str, decoder: Decoder, topics: &'static [usize], rng: Rng) -> Self {
        Self { name, decoder, topics, rng, place: watch::Sender::new(u64::MAX), is_steady: false }
    }

    fn steady(self) -> Self {
        Self { is_steady: true, ..self }
    }

    /// Joins, and then reads, stops reading, leaves, resumes or comes anew until the last event is there.
    async fn live(mut self, stage: &Stage) -> Result<String> {
        let mut check = Check::new(&stage.log, self.topics);
        let url = stage.url(self.topics);
        let (mut n_streams, mut n_pauses) = (0, 0);
        if !self.is_steady {
            stage.reaches(self.rng.u64(..u64::from(N_EVENTS / 10))).await;
        }
        loop {
            // Mostly where it left off.
            let resumes = self.rng.u8(..5) > 0;
            let last_event_id = check.begin(resumes, self.decoder.shows_head());
            let mut source = self.decoder.open(&url, last_event_id.as_deref()).await?;
            n_streams += 1;
            loop {
                let n_events = if self.is_steady { u64::MAX } else { self.rng.u64(1_000..6_000) };
                let until = check.n_events.saturating_add(n_events);
                let read = self.read(&mut source, &mut check, until).await;
                let goes_on = read.with_context(|| format!("{}, stream {n_streams}", self.name))?;
                if check.place() >= Some(u64::from(N_EVENTS)) {
                    let Check { n_events, n_resumed, n_lagged, n_heartbeats, .. } = check;
                    return Ok(format!(
                        "{:22} {n_events:6} events, {n_streams:3} streams, {n_resumed:3} resumed, {n_pauses:3} pauses, \
                         {n_lagged} times lagged, {n_heartbeats} heartbeats",
                        self.name
                    ));
                }
                ensure!(goes_on || !self.is_steady, "{} was let go though it reads", self.name);
                if !goes_on || !self.decoder.can_lag() || self.rng.u8(..3) > 0 {
                    break;
                }
                n_pauses += 1;
                self.stop_reading(stage).await;
            }
            self.place.send_replace(u64::MAX);
            drop(source);
            // Away while some events pass, but for fewer than the history holds.
            let away = self.rng.u64(..3_000);
            self.passes(stage, away).await;
        }
    }

    /// Reads until so many events were given to it in all. False when the stream is over.
    async fn read(&self, source: &mut Source, check: &mut Check<'_>, until: u64) -> Result<bool> {
        while check.n_events < until && check.place() < Some(u64::from(N_EVENTS)) {
            let bytes = timeout(PATIENCE, source.next()).await.context("nothing comes, not even a heartbeat")??;
            if bytes.is_empty() {
                return Ok(false);
            }
            check.take(&bytes).await?;
            self.place.send_replace(check.place().unwrap_or(u64::MAX));
        }
        Ok(true)
    }

    /// Until so much was published that the server must think it too slow, unless buffers hold it all.
    async fn stop_reading(&mut self, stage: &Stage) {
        self.place.send_replace(u64::MAX);
        let n_events = self.rng.u64(4_000..12_000);
        self.passes(stage, n_events).await;
    }

    async fn passes(&self, stage: &Stage, n_events: u64) {
        let now = *stage.published.borrow();
        stage.reaches((now + n_events).min(u64::from(N_EVENTS))).await;
    }
}

/// As much of percent encoding as our topics need.
fn escaped(topic: &str) -> String {
    topic.bytes().map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

async fn browser(kind: BrowserKind, server: &Server) -> Result<Arc<Browser>> {
    let browser = Browser::start(kind).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("window.ready").await?;
    Ok(Arc::new(browser))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_decoders_make_of_a_compressed_stream_what_was_sent_without_compression() {
    println!("seed {SEED}");
    let folder = folder_with_page(READER).unwrap();
    let www = folder.path().display().to_string();
    let server = Server::start(&[
        "--www",
        &www,
        // The page posts what it decodes to servers of the test's own.
        "--content-security-policy",
        "default-src 'self' 'unsafe-inline'; connect-src *",
        // Nothing that anybody resumes from may be gone.
        "--max-history-per-topic",
        "100000",
        "--max-bytes-per-topic",
        "400000000",
        "--max-bytes-total",
        "1000000000",
        "--max-queue-size",
        MAX_QUEUE_SIZE,
        "--heartbeat-interval",
        "0.25",
    ])
    .await
    .unwrap();
    let (chromium, firefox) =
        tokio::try_join!(browser(BrowserKind::Chromium, &server), browser(BrowserKind::Firefox, &server)).unwrap();
    let stage = Stage { server, log: Log::new(), published: watch::Sender::new(0) };

    let mut rng = Rng::with_seed(SEED);
    let mut reader = |name, decoder, topics| Reader::new(name, decoder, topics, rng.fork());
    let mut readers = vec![
        reader("curl", Decoder::Curl, ALL),
        reader("curl, some topics", Decoder::Curl, SOME),
        reader("Node", Decoder::Node, ALL),
        reader("Node, some topics", Decoder::Node, SOME),
        reader("Python", Decoder::Python, ALL),
        reader("Python, some topics", Decoder::Python, SOME),
        reader("Chromium, fetch", Decoder::Fetch(Arc::clone(&chromium)), ALL),
        reader("Chromium, EventSource", Decoder::EventSource(Arc::clone(&chromium)), SOME),
        reader("Firefox, fetch", Decoder::Fetch(Arc::clone(&firefox)), SOME),
        reader("Firefox, EventSource", Decoder::EventSource(Arc::clone(&firefox)), ALL),
    ];
    for topics in [ALL, SOME] {
        for decoder in [Decoder::Curl, Decoder::Node, Decoder::Python].into_iter().cycle().take(N_STEADY) {
            readers.push(reader("steady", decoder, topics).steady());
        }
    }
    let places = readers.iter().map(|reader| reader.place.subscribe()).collect();
    tell(&stage, rng.fork(), places, readers).await.unwrap();
    for browser in [chromium, firefox] {
        Arc::into_inner(browser).unwrap().close().await.unwrap();
    }
}

async fn tell(stage: &Stage, rng: Rng, places: Vec<watch::Receiver<u64>>, readers: Vec<Reader>) -> Result<()> {
    let recording = stage.log.record(stage.url(ALL), u64::from(N_EVENTS));
    let publishing = async {
        // The log must have all, from the first event on; so do those who stay.
        heartwire_tests::eventually("the first readers", async || {
            let (_, body) = stage.server.get("/events/health").await?;
            let n_first = 1 + 2 * N_STEADY;
            Ok(body.contains(&format!("\"active_connections\":{n_first}")).then_some(()))
        })
        .await?;
        stage.publish(rng, places).await
    };
    let reading = async {
        let told = try_join_all(readers.into_iter().map(|reader| reader.live(stage))).await?;
        println!("{}", told.join("\n"));
        Ok(())
    };
    tokio::try_join!(recording, publishing, reading)?;
    ensure!(stage.log.head() == u64::from(N_EVENTS));
    Ok(())
}
