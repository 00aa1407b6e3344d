//! All readers of the soak: one thread, one poll.
//!
//! It does what the clock and the dice say, and never waits for anything but its poll.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mio::{Events, Poll, Token};

use super::account::{Published, Tally};
use super::churn::{Churn, Move};
use super::press::Press;
use super::reader::{Looked, Reader};
use crate::call::Call;
use crate::payload::Payloads;
use crate::plan::MAX_READERS;
use crate::stamp::Stamp;
use crate::stop::Stop;

pub(super) const PATH: &str = "/events?topic=soak";
/// Of sockets that are looked after in one go, so that nothing planned is late by much.
const EVENTS: usize = 1024;
/// The longest that one turn waits for a socket.
const TURN: Duration = Duration::from_millis(50);
/// The longest that everything may take that is not the load itself: to open, to catch up, to leave.
const PATIENCE: Duration = Duration::from_secs(60);
/// Counting all readers in every turn would cost more than reading does.
const COUNT_EVERY: Duration = Duration::from_millis(20);
/// A stream that the server ended is asked for again after this: no closing of ours says more.
const COME_BACK: Duration = Duration::from_millis(200);

/// The readers and their publisher.
pub(super) struct Flock {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    readers: Vec<Reader>,
    n_connected: Arc<AtomicUsize>,
    counted_at: Instant,
    press: Press,
    payloads: Payloads,
    published: Published,
    /// When which reader does what comes next for it, unless something else happened to it meanwhile.
    planned: BinaryHeap<Reverse<(Instant, usize, u32)>>,
    churn: Churn,
    pub(super) moves: Moves,
    pub(super) tally: Tally,
    address: SocketAddr,
    origin: Instant,
    stop: Stop,
}

/// How many readers did what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    pub(super) reset: u64,
    pub(super) closed: u64,
    pub(super) parted: u64,
    pub(super) fell_deaf: u64,
    pub(super) came_back: u64,
}

impl Flock {
    pub(super) fn new(n_readers: usize, address: SocketAddr, churn: Churn, stop: &Stop) -> Result<Self> {
        ensure!(n_readers <= MAX_READERS, "one generator has at most {MAX_READERS} readers");
        Ok(Self {
            poll: Poll::new().context("cannot make a poll")?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; Call::READ_BYTES],
            readers: (0..n_readers).map(|_| Reader::default()).collect(),
            n_connected: Arc::default(),
            counted_at: Instant::now(),
            press: Press::start(address, PATH),
            payloads: Payloads::new(),
            published: Published::default(),
            planned: BinaryHeap::new(),
            churn,
            moves: Moves::default(),
            tally: Tally::default(),
            address,
            origin: Instant::now(),
            stop: stop.clone(),
        })
    }

    /// How many readers have a stream, as of some milliseconds ago.
    pub(super) fn connected(&mut self) -> Arc<AtomicUsize> {
        self.count();
        Arc::clone(&self.n_connected)
    }

    pub(super) fn n_connected(&self) -> usize {
        self.readers.iter().filter(|reader| reader.is_connected()).count()
    }

    pub(super) fn n_published(&self) -> u64 {
        self.published.sent
    }

    /// Publishes one event and waits until it is in the log.
    pub(super) fn publish_one(&mut self) -> Result<()> {
        self.publish()?;
        self.turn_until("an event cannot be published", |flock| flock.published.answered == flock.published.sent)
    }

    /// Lets everybody come.
    pub(super) fn open(&mut self) -> Result<()> {
        for index in 0..self.readers.len() {
            self.come(index, false)?;
            if index % 256 == 255 {
                self.turn(Duration::ZERO)?;
            }
        }
        self.turn_until("not every reader gets a stream", |flock| flock.n_connected() == flock.readers.len())
    }

    /// Publishes `rate` events a second for `span`, while `moves_per_second` readers leave or fall deaf.
    /// Calls `watch` in every turn.
    pub(super) fn load(
        &mut self,
        rate: f64,
        moves_per_second: f64,
        span: Duration,
        mut watch: impl FnMut(&mut Self),
    ) -> Result<()> {
        let (mut n_events, mut n_moves) = (0_u32, 0_u32);
        let started = Instant::now();
        let due = |nth: u32, per_second: f64| {
            started.checked_add(Duration::try_from_secs_f64(f64::from(nth) / per_second).ok()?)
        };
        while started.elapsed() < span {
            let now = Instant::now();
            while due(n_events, rate).is_some_and(|due| due <= now) {
                self.publish()?;
                n_events += 1;
            }
            while due(n_moves, moves_per_second).is_some_and(|due| due <= now) {
                self.move_one()?;
                n_moves += 1;
            }
            self.do_what_was_planned(now)?;
            let next = due(n_events, rate).into_iter().chain(due(n_moves, moves_per_second)).min();
            let wait = next.map_or(TURN, |next| next.saturating_duration_since(Instant::now()).min(TURN));
            self.turn(wait)?;
            watch(self);
        }
        Ok(())
    }

    /// Lets all come back and hear again, and waits until each has everything. Whoever does not get
    /// there in time has missed it.
    pub(super) fn settle(&mut self) -> Result<()> {
        for index in 0..self.readers.len() {
            if self.readers[index].is_away() {
                self.come_back(index)?;
            } else if self.readers[index].is_deaf() {
                self.hear_again(index)?;
            }
        }
        let everything = |flock: &Self| {
            let last = flock.published.sent;
            flock.published.answered == last && flock.readers.iter().all(|reader| reader.account.has_all(last))
        };
        let started = Instant::now();
        while !everything(self) && started.elapsed() < PATIENCE {
            // Those that the server sends away now, or that were on their way out, come again.
            self.do_what_was_planned(Instant::now())?;
            self.turn(TURN)?;
        }
        for reader in &mut self.readers {
            reader.account.close(self.published.sent, &mut self.tally);
        }
        Ok(())
    }

    /// Looks after the sockets until `is_so`. False when it does not come to be in time.
    pub(super) fn wait_until(&mut self, mut is_so: impl FnMut(&Self) -> Result<bool>) -> Result<bool> {
        let started = Instant::now();
        while !is_so(self)? {
            if started.elapsed() > PATIENCE {
                return Ok(false);
            }
            self.turn(TURN)?;
        }
        Ok(true)
    }

    /// Sends all away, each in its own manner. They do not come back.
    pub(super) fn leave(&mut self) -> Result<()> {
        for index in 0..self.readers.len() {
            match self.churn.next_move() {
                Move::Reset => self.readers[index].leave(true)?,
                Move::Close | Move::FallDeaf(_) => self.readers[index].leave(false)?,
                Move::Part => self.readers[index].part(),
            }
        }
        self.turn_until("the server does not part from readers that have left", |flock| {
            flock.readers.iter().all(Reader::is_away)
        })
    }

    fn publish(&mut self) -> Result<()> {
        let at_us = u64::try_from(self.origin.elapsed().as_micros())?;
        let stamp = Stamp { number: u32::try_from(self.published.sent)?, at_us };
        self.published.sent += 1;
        self.press.publish(self.payloads.next(stamp))
    }

    /// A reader that listens is chosen, and something happens to it.
    fn move_one(&mut self) -> Result<()> {
        const N_TRIES: usize = 10;
        let n_readers = self.readers.len();
        let mut drawn = (0..N_TRIES).map(|_| self.churn.one_of(n_readers));
        let Some(index) = drawn.find(|index| self.readers[*index].is_listening()) else { return Ok(()) };
        let reader = &mut self.readers[index];
        match self.churn.next_move() {
            Move::Reset => {
                self.moves.reset += 1;
                reader.leave(true)?;
            }
            Move::Close => {
                self.moves.closed += 1;
                reader.leave(false)?;
            }
            Move::Part => {
                self.moves.parted += 1;
                reader.part();
                // It comes back when the server has closed, too.
                return Ok(());
            }
            Move::FallDeaf(span) => {
                self.moves.fell_deaf += 1;
                reader.fall_deaf();
                self.plan(index, span);
                return Ok(());
            }
        }
        let absence = self.churn.absence();
        self.plan(index, absence);
        Ok(())
    }

    fn plan(&mut self, index: usize, after: Duration) {
        self.planned.push(Reverse((Instant::now() + after, index, self.readers[index].turn)));
    }

    fn do_what_was_planned(&mut self, now: Instant) -> Result<()> {
        while let Some(Reverse((at, index, turn))) = self.planned.peek().copied()
            && at <= now
        {
            self.planned.pop();
            let reader = &self.readers[index];
            if reader.turn != turn {
                continue;
            }
            if reader.is_away() {
                self.come_back(index)?;
            } else if reader.is_deaf() {
                self.hear_again(index)?;
            }
        }
        Ok(())
    }

    fn come_back(&mut self, index: usize) -> Result<()> {
        self.moves.came_back += 1;
        let resumes = self.churn.resumes();
        self.come(index, resumes)
    }

    fn come(&mut self, index: usize, resumes: bool) -> Result<()> {
        let at = (self.poll.registry(), Token(index));
        self.readers[index].come(resumes, (self.address, PATH), self.published, at)
    }

    fn hear_again(&mut self, index: usize) -> Result<()> {
        self.readers[index].hear_again();
        self.read(index, true)
    }

    fn read(&mut self, index: usize, end_may_be_here: bool) -> Result<()> {
        let (reader, buffer) = (&mut self.readers[index], &mut self.buffer);
        let looked = reader.readable(buffer, end_may_be_here, self.published, &mut self.tally)?;
        if looked == Looked::Gone {
            self.plan(index, COME_BACK);
        }
        Ok(())
    }

    fn count(&mut self) {
        self.n_connected.store(self.n_connected(), Ordering::Relaxed);
        self.counted_at = Instant::now();
    }

    fn turn_until(&mut self, otherwise: &str, mut is_so: impl FnMut(&Self) -> bool) -> Result<()> {
        let came = self.wait_until(|flock| Ok(is_so(flock)))?;
        ensure!(came, "{otherwise} within {} s", PATIENCE.as_secs());
        Ok(())
    }

    /// Waits for sockets, at most for `limit`, and looks after those that have something.
    fn turn(&mut self, limit: Duration) -> Result<()> {
        self.stop.check()?;
        match self.poll.poll(&mut self.events, Some(limit)) {
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("cannot wait for sockets")?,
        }
        self.published.answered = self.press.n_answered();
        let mut ready = Vec::with_capacity(EVENTS);
        for event in &self.events {
            ready.push((event.token().0, event.is_writable(), event.is_readable(), event.is_read_closed()));
        }
        for (index, is_writable, is_readable, is_closed) in ready {
            if is_writable {
                self.readers[index].writable()?;
            }
            if is_readable {
                self.read(index, is_closed)?;
            }
        }
        if self.counted_at.elapsed() > COUNT_EVERY {
            self.count();
        }
        Ok(())
    }
}
