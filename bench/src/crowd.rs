//! The load generator: one thread, one epoll, all readers of one server and a few publishers.
//!
//! It puts a server under the loads that `measures` asks for and says what came of it. Every wait
//! has a limit and looks whether somebody wants us to stop.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::{Events, Poll, Token};

use crate::ledger::Ledger;
use crate::payload::Payloads;
use crate::peers::Peer;
use crate::plan::MAX_READERS;
use crate::publishers::Publishers;
use crate::reader::{ReadRoom, Reader};
use crate::stamp::Stamp;
use crate::stop::Stop;

/// So many requests to publish can be under way at once.
const N_PUBLISHERS: usize = 32;
/// Tokens below belong to readers.
const FIRST_PUBLISHER: usize = MAX_READERS;
/// Of sockets that are looked after in one go, so that publishing is never late by much.
const EVENTS: usize = 1024;
/// The kernel drops what comes in too fast; the fourth try to connect comes after seven seconds.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to deliver what it was given, once the load is over.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How long the first event may take to reach everybody; then another one is tried.
const PRIME_LIMIT: Duration = Duration::from_secs(2);
const PRIME_TRIES: usize = 10;
/// The longest that one turn waits for a socket.
const TURN: Duration = Duration::from_millis(50);

/// The readers of one server, and those who publish to it.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    room: ReadRoom,
    readers: Vec<Reader>,
    n_streaming: usize,
    publishers: Publishers,
    ledger: Ledger,
    payloads: Payloads,
    address: SocketAddr,
    request: Vec<u8>,
    origin: Instant,
    stop: Stop,
}

/// How a stream comes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    /// If the server likes.
    Gzip,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "identity",
            Self::Gzip => "gzip",
        }
    }
}

/// What a load that was kept up for a while came to.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// How many deliveries the load asked for; nobody knows beforehand in a flood.
    pub(crate) due: u64,
    pub(crate) delivered: u64,
    /// The load and what was still on its way after it.
    pub(crate) took: Duration,
    pub(crate) latencies_us: Vec<u32>,
}

impl Crowd {
    /// A crowd of `n_readers` that have not come yet, and will accept this encoding alone.
    pub(crate) fn new(
        peer: Peer,
        address: SocketAddr,
        n_readers: usize,
        encoding: Encoding,
        stop: &Stop,
    ) -> Result<Self> {
        ensure!(n_readers <= MAX_READERS, "one generator has at most {MAX_READERS} readers");
        let path = peer.stream_path();
        Ok(Self {
            poll: Poll::new().context("cannot make a poll")?,
            events: Events::with_capacity(EVENTS),
            room: ReadRoom::new(),
            readers: Vec::with_capacity(n_readers),
            n_streaming: 0,
            publishers: Publishers::new(N_PUBLISHERS, address, peer.publish_path(), FIRST_PUBLISHER),
            ledger: Ledger::new(n_readers),
            payloads: Payloads::new(),
            address,
            request: format!(
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nAccept-Encoding: {}\r\n\r\n",
                encoding.name()
            )
            .into(),
            origin: Instant::now(),
            stop: stop.clone(),
        })
    }

    /// Connects all readers in one burst. Returns how long it took until the last one had the head of
    /// its answer.
    pub(crate) fn open(&mut self, n_readers: usize) -> Result<Duration> {
        let started = Instant::now();
        for index in 0..n_readers {
            self.readers.push(Reader::connect(self.address, self.poll.registry(), Token(index))?);
            if index % 256 == 255 {
                self.turn(Duration::ZERO)?;
            }
        }
        while self.n_streaming < n_readers {
            ensure!(
                started.elapsed() < OPEN_LIMIT,
                "only {} of {n_readers} streams were open after {} s",
                self.n_streaming,
                OPEN_LIMIT.as_secs()
            );
            self.turn(TURN)?;
        }
        Ok(started.elapsed())
    }

    /// How many streams are open.
    pub(crate) fn n_streaming(&self) -> usize {
        self.n_streaming
    }

    /// The bytes of all bodies so far, with their chunks and as they were compressed.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.room.wire_bytes()
    }

    /// Whether the server compresses, once the streams are open.
    pub(crate) fn is_gzip(&self) -> bool {
        self.readers.iter().all(Reader::is_gzip)
    }

    /// Publishes an event until one reaches everybody: having the head of an answer does not mean
    /// that the server has put the reader on its list.
    pub(crate) fn prime(&mut self) -> Result<()> {
        for _ in 0..PRIME_TRIES {
            self.publish()?;
            let limit = Instant::now() + PRIME_LIMIT;
            while self.ledger.in_flight() > 0 && Instant::now() < limit {
                self.turn(TURN)?;
            }
            if self.ledger.in_flight() == 0 {
                return Ok(());
            }
            self.ledger.write_off();
        }
        bail!("no event reaches all {} readers", self.readers.len())
    }

    /// Looks after the sockets and publishes nothing.
    pub(crate) fn rest(&mut self, span: Duration) -> Result<()> {
        let end = Instant::now() + span;
        while let Some(left) = time_left(end) {
            self.turn(left.min(TURN))?;
        }
        Ok(())
    }

    /// Publishes at an even rate for `span`, and waits for what is then still on its way. An event
    /// carries the moment of its turn, also when the server is too busy to take it at once.
    pub(crate) fn pace(&mut self, rate: f64, span: Duration) -> Result<Delivered> {
        self.ledger.open();
        let started = Instant::now();
        let n_events = (rate * span.as_secs_f64()).round() as u32;
        for nth in 0..n_events {
            let due = started + Duration::from_secs_f64(f64::from(nth) / rate);
            while let Some(left) = time_left(due) {
                self.turn(left.min(TURN))?;
            }
            self.publish()?;
            self.turn(Duration::ZERO)?;
        }
        // To the end of the span and not only to the last event, so that processor time is counted
        // over whole intervals.
        self.rest((started + span).saturating_duration_since(Instant::now()))?;
        self.drain()?;
        Ok(self.close_books(started))
    }

    /// Publishes as fast as the readers get it: the next event goes out when one of the `window`
    /// events on their way has reached everybody. Counts what arrives within `span`.
    pub(crate) fn flood(&mut self, window: usize, span: Duration) -> Result<Delivered> {
        self.ledger.open();
        let started = Instant::now();
        let end = started + span;
        while let Some(left) = time_left(end) {
            while self.ledger.in_flight() < window {
                self.publish()?;
            }
            self.turn(left.min(TURN))?;
        }
        let counted = self.close_books(started);
        self.drain()?;
        Ok(counted)
    }

    fn close_books(&mut self, started: Instant) -> Delivered {
        Delivered {
            due: self.ledger.due(),
            delivered: self.ledger.delivered(),
            took: started.elapsed(),
            latencies_us: self.ledger.take_latencies_us(),
        }
    }

    /// Waits until everything has arrived or is given up.
    fn drain(&mut self) -> Result<()> {
        let limit = Instant::now() + DRAIN_LIMIT;
        while self.ledger.in_flight() > 0 && Instant::now() < limit {
            self.turn(TURN)?;
        }
        self.ledger.write_off();
        self.publishers.forget_waiting();
        Ok(())
    }

    fn publish(&mut self) -> Result<()> {
        let stamp = Stamp { number: self.ledger.publish(), at_us: self.now_us() };
        self.publishers.publish(&self.payloads.next(stamp), self.poll.registry())
    }

    /// Waits for sockets, at most for `limit`, and looks after those that have something.
    fn turn(&mut self, limit: Duration) -> Result<()> {
        self.stop.check()?;
        match self.poll.poll(&mut self.events, Some(limit)) {
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("cannot wait for sockets")?,
        }
        for event in &self.events {
            if self.publishers.moved(event)?.is_some() {
                continue;
            }
            let reader = &mut self.readers[event.token().0];
            let was_streaming = reader.is_streaming();
            if event.is_writable() {
                reader.writable(&self.request)?;
            }
            if event.is_readable() {
                let (ledger, origin) = (&mut self.ledger, self.origin);
                // One look at the clock for all events that one read brings.
                let mut now_us = None;
                reader.readable(&mut self.room, |stamp| {
                    ledger.arrive(stamp, *now_us.get_or_insert_with(|| micros_since(origin)));
                })?;
            }
            if reader.is_streaming() && !was_streaming {
                self.n_streaming += 1;
            }
        }
        self.publishers.send_waiting(self.poll.registry())
    }

    fn now_us(&self) -> u64 {
        micros_since(self.origin)
    }
}

fn micros_since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// `None` once `moment` has come.
fn time_left(moment: Instant) -> Option<Duration> {
    moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}
