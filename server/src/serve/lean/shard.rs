//! One thread that writes many streams.
//!
//! It sleeps in one place, the poll, and wakes for sockets, for its doorbell and for its calendar.
//! Nothing that it does waits: a socket that would block is left until the poll tells of it.

use super::Arrival;
use super::calendar::{Calendar, Tick};
use super::doorbell::{Doorbell, Ending};
use super::group::{Form, Group, Groups, index};
use super::line::{Line, Sent, State};
use super::memo::Memo;
use super::tally::Tally;
use crate::hub::Hub;
use crate::metrics::Count;
use crate::stream::{EventStream, Next, StreamPlace, script};
use crate::subscription::{Ended, called_off};
use bytes::Bytes;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DOORBELL: Token = Token(usize::MAX);
/// How many sockets one poll tells of.
const EVENTS: usize = 1_024;
/// Room is made for so many lines at once, or more.
const LEAST_ROOM: usize = 64;
/// How long to wait before the poll is tried again when it fails, which it has no reason to.
const POLL_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Shard {
    poll: Poll,
    doorbell: Arc<Doorbell>,
    lines: Slab<Line>,
    groups: Groups,
    calendar: Calendar,
    memo: Memo,
    /// Lines that had a full batch and can take another.
    behind: Vec<u32>,
    tally: Tally,
    now: Tick,
    ending: Ending,
}

impl Shard {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let doorbell = Arc::new(Doorbell::new(Waker::new(poll.registry(), DOORBELL)?));
        let begin = Instant::now();
        let calendar = Calendar::new(begin);
        Ok(Self {
            poll,
            doorbell,
            lines: Slab::new(),
            groups: Groups::default(),
            now: calendar.tick(begin),
            calendar,
            memo: Memo::default(),
            behind: Vec::new(),
            tally: Tally::default(),
            ending: Ending::NotYet,
        })
    }

    pub(super) fn doorbell(&self) -> Arc<Doorbell> {
        Arc::clone(&self.doorbell)
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while self.goes_on() {
            let timeout =
                if self.behind.is_empty() { self.calendar.wait(Instant::now()) } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                Err(err) => {
                    tracing::error!(%err, "sockets cannot be polled");
                    std::thread::sleep(POLL_PAUSE);
                }
            }
            self.now = self.calendar.tick(Instant::now());
            self.memo.forget();
            // Before the arrivals, which may get the number of a line that has just ended.
            for event in &events {
                if event.token() != DOORBELL {
                    self.socket_moved(event);
                }
            }
            self.feed_those_behind();
            self.answer_the_door();
            self.call_those_due();
            self.tally.rest();
        }
    }

    fn goes_on(&self) -> bool {
        match self.ending {
            Ending::NotYet => true,
            Ending::WhenEmpty => !self.lines.is_empty(),
            Ending::AtOnce => false,
        }
    }

    fn socket_moved(&mut self, event: &Event) {
        let number = index(event.token().0);
        let Some(line) = self.lines.get_mut(event.token().0) else { return };
        // A client that has closed its side has left: there is nothing that it could still say.
        if event.is_read_closed() || event.is_error() || event.is_readable() && !line.discard() {
            self.hang_up(number);
        } else if event.is_writable() && line.is_blocked() {
            let stuck_at = stuck_at(self.groups.get(line.group), self.now);
            let sent = line.resume(stuck_at);
            if self.settle(number, sent) {
                // Its deadlines have waited, too.
                self.call(number);
                self.feed(number);
            }
        }
    }

    fn answer_the_door(&mut self) {
        let inbox = self.doorbell.look();
        self.ending = self.ending.max(inbox.ending);
        for arrival in inbox.arrivals {
            self.admit(arrival);
        }
        for group in inbox.moved {
            self.feed_group(group);
        }
    }

    fn feed_those_behind(&mut self) {
        for number in std::mem::take(&mut self.behind) {
            // Otherwise it has ended, and its number may be another's.
            if let Some(line) = self.lines.get_mut(number as usize)
                && std::mem::take(&mut line.is_behind)
            {
                self.feed(number);
            }
        }
    }

    fn call_those_due(&mut self) {
        while let Some((tick, numbers)) = self.calendar.due(self.now) {
            for number in numbers {
                // Otherwise the line has ended, or has another deadline by now.
                if self.lines.get(number as usize).is_some_and(|line| line.call_at == tick) {
                    self.call(number);
                }
            }
        }
    }

    fn admit(&mut self, arrival: Arrival) {
        let Arrival { socket, head, coding, stream, body } = arrival;
        let EventStream { subscription, opening, packing, expires_in, permit, counted } = *stream;
        let mut socket = mio::net::TcpStream::from_std(socket);
        self.make_room();
        let slot = self.lines.vacant_entry();
        let interests = Interest::READABLE | Interest::WRITABLE;
        if let Err(err) = self.poll.registry().register(&mut socket, Token(slot.key()), interests) {
            tracing::warn!(%err, "a socket cannot be polled");
            self.doorbell.line_ended();
            return;
        }
        let config = subscription.hub().config();
        let after = |span: Option<Duration>| span.map_or(Tick::NEVER, |span| self.now.after(span));
        let life = script::life(config, expires_in);
        let state = State::Open {
            heartbeat_at: after(config.heartbeat_interval),
            warn_at: after(life.and_then(|life| life.warn_after)),
            end_at: after(life.map(|life| life.end_after)),
            ended: life.map_or(Ended::Rotated, |life| life.ended),
        };
        let switched_off_total = subscription.switched_off_total();
        let (membership, standing) = subscription.into_parts();
        let number = index(slot.key());
        let seat = self.groups.join(number, membership, Form { packing: packing.kind(), coding }, &self.doorbell);
        slot.insert(Line::new(
            socket,
            seat,
            (packing, StreamPlace::new(standing)),
            state,
            switched_off_total,
            (permit, counted, body),
        ));
        let opening = [head.as_slice(), &coding.of(&opening)].concat();
        if self.send(number, &opening.into()) {
            self.feed(number);
        }
    }

    /// Room for a line, in steps of a quarter: a vector that doubles by itself would stand half empty.
    fn make_room(&mut self) {
        if self.lines.len() == self.lines.capacity() {
            self.lines.reserve_exact(self.lines.len() / 4 + LEAST_ROOM);
        }
    }

    /// Gives all readers of a group what they have not had yet.
    fn feed_group(&mut self, number: usize) {
        let Some(group) = self.groups.rung(number) else { return };
        group.bell.heard();
        self.memo.forget();
        // From the last: a line that ends gives its seat to one that was fed already.
        for seat in (0..group.lines.len()).rev() {
            // The last line takes its group with it when it ends.
            if let Some(line) = self.groups.rung(number).and_then(|group| group.lines.get(seat)) {
                self.feed(*line);
            }
        }
    }

    /// Gives a reader what it has not had yet, one batch at most.
    fn feed(&mut self, number: u32) {
        let Some(line) = self.lines.get_mut(number as usize) else { return };
        if line.is_blocked() || line.is_behind || !matches!(line.state, State::Open { .. }) {
            return;
        }
        let group = self.groups.get(line.group);
        if let Some(ended) = called_off(group.hub(), line.place.standing, line.switched_off_total) {
            return self.end(number, ended);
        }
        match self.memo.read(line.group, group, &line.packing, line.place) {
            Next::Lagged => self.end(number, Ended::Lagged),
            Next::Bytes { bytes, place, more, told } => {
                line.place = *place;
                if told.heartbeat
                    && let State::Open { heartbeat_at, .. } = &mut line.state
                {
                    *heartbeat_at = next_heartbeat(group.hub(), self.now);
                }
                if *more {
                    line.is_behind = true;
                    self.behind.push(number);
                }
                // It may have reached the place that it had to reach before it goes.
                let ended = called_off(group.hub(), place.standing, line.switched_off_total);
                if !bytes.is_empty() {
                    let (counts, now) = self.tally.of(group.hub());
                    counts.wrote(told, line.packing.form(), now);
                    if let Some(reason) = told.gap {
                        group.hub().metrics().told_gap(reason);
                    }
                    let sent = line.send(bytes, stuck_at(group, self.now));
                    if !self.settle(number, sent) {
                        return;
                    }
                }
                if let Some(ended) = ended {
                    self.end(number, ended);
                }
            }
        }
    }

    /// A deadline has come, or may have.
    fn call(&mut self, number: u32) {
        let line = &mut self.lines[number as usize];
        if line.is_stuck(self.now) {
            tracing::debug!("a client reads nothing");
            line.counted.is_stuck();
            return self.hang_up(number);
        }
        match line.state {
            _ if line.is_blocked() => self.reschedule(number),
            State::Open { end_at, ended, .. } if end_at <= self.now => self.end(number, ended),
            State::Open { warn_at, end_at, .. } if warn_at <= self.now => self.warn(number, end_at.since(self.now)),
            State::Open { heartbeat_at, .. } if heartbeat_at <= self.now => self.beat(number),
            State::Leaving { ended, at } if at <= self.now => self.close(number, ended),
            State::Open { .. } | State::Leaving { .. } | State::Closing => self.reschedule(number),
        }
    }

    /// What is ready anyway, then the heartbeat at the position after it: so its id moves past the
    /// events of other topics, and the reader of a quiet topic never resumes from an evicted point.
    fn beat(&mut self, number: u32) {
        self.lines[number as usize].look_out_again();
        self.feed(number);
        let Some(line) = self.lines.get(number as usize) else { return };
        if line.wants_heartbeat(self.now) && line.place.is_along() {
            let group = self.groups.get(line.group);
            line.packing.beat_for_all(line.place, group.hub(), group.membership.keys());
            // What was read before that does not have it.
            self.memo.forget();
            self.feed(number);
        }
        let Some(line) = self.lines.get_mut(number as usize) else { return };
        let wants_heartbeat = line.wants_heartbeat(self.now);
        let State::Open { heartbeat_at, .. } = &mut line.state else { return };
        if !wants_heartbeat {
            // A shared one came by.
            return self.reschedule(number);
        }
        let group = self.groups.get(line.group);
        let hub = group.hub();
        *heartbeat_at = next_heartbeat(hub, self.now);
        if line.is_blocked() || line.is_behind {
            // What it was just given tells as much.
            return self.reschedule(number);
        }
        let position = hub.cursor(line.place.standing.position());
        line.place = line.place.after_private_words();
        self.tally.of(hub).0.add(Count::Heartbeats, 1);
        let heartbeat = self.memo.heartbeat(position, group.form, &line.packing);
        let sent = line.send(heartbeat, stuck_at(group, self.now));
        self.settle(number, sent);
    }

    /// The token of the reader expires soon.
    fn warn(&mut self, number: u32, expires_in: Duration) {
        let line = &mut self.lines[number as usize];
        if let State::Open { warn_at, .. } = &mut line.state {
            *warn_at = Tick::NEVER;
        }
        let group = self.groups.get(line.group);
        let position = group.hub().cursor(line.place.standing.position());
        line.place = line.place.after_private_words();
        let warning = line.packing.words(script::expiring(expires_in, position), group.form.coding);
        self.send(number, &warning);
    }

    /// A reader is to go, when its turn comes.
    fn end(&mut self, number: u32, ended: Ended) {
        let line = &mut self.lines[number as usize];
        let delay = script::delay_before_closing(ended, self.groups.get(line.group).hub());
        if delay.is_zero() {
            return self.close(number, ended);
        }
        line.state = State::Leaving { ended, at: self.now.after(delay) };
        self.reschedule(number);
    }

    /// The last words.
    fn close(&mut self, number: u32, ended: Ended) {
        let line = &mut self.lines[number as usize];
        line.state = State::Closing;
        line.counted.ends(ended);
        let group = self.groups.get(line.group);
        let coding = group.form.coding;
        let position = group.hub().cursor(line.place.standing.position());
        let closing = line.packing.words(script::closing(ended, position, group.hub()), coding);
        self.send(number, &[closing, coding.end()].concat().into());
    }

    /// Returns whether the line is there and takes more.
    fn send(&mut self, number: u32, bytes: &Bytes) -> bool {
        let line = &mut self.lines[number as usize];
        let sent = line.send(bytes, stuck_at(self.groups.get(line.group), self.now));
        self.settle(number, sent)
    }

    /// What follows from how a write went. Returns whether the line is there and takes more.
    fn settle(&mut self, number: u32, sent: Sent) -> bool {
        let line = &mut self.lines[number as usize];
        let (counts, _) = self.tally.of(self.groups.get(line.group).hub());
        line.counted.blocked(line.is_blocked(), counts);
        match (sent, line.state) {
            (Sent::Gone, _) => self.hang_up(number),
            (Sent::All, State::Closing) => {
                // Closing a socket with unread bytes would reset it, and could take the last words along.
                line.discard();
                self.hang_up(number);
            }
            (Sent::All, State::Open { .. } | State::Leaving { .. }) => {
                self.reschedule(number);
                return true;
            }
            (Sent::Blocked, _) => self.reschedule(number),
        }
        false
    }

    fn reschedule(&mut self, number: u32) {
        let line = &mut self.lines[number as usize];
        let deadline = line.deadline();
        if deadline < line.call_at || line.call_at <= self.now {
            line.call_at = deadline;
            self.calendar.enter(deadline, number);
        }
    }

    fn hang_up(&mut self, number: u32) {
        let line = self.lines.remove(number as usize);
        if let Some(moved) = self.groups.leave(line.group, line.seat) {
            self.lines[moved as usize].seat = line.seat;
        }
        if self.groups.rung(line.group as usize).is_none() {
            // Its number may be another group's next, whose readers must get nothing that was read for this one.
            self.memo.forget();
        }
        self.doorbell.line_ended();
    }
}

/// When a reader whose socket takes nothing from now on is given up.
fn stuck_at(group: &Group, now: Tick) -> Tick {
    group.hub().config().max_subscriber_idle_time.map_or(Tick::NEVER, |span| now.after(span))
}

fn next_heartbeat(hub: &Hub, now: Tick) -> Tick {
    hub.config().heartbeat_interval.map_or(Tick::NEVER, |period| now.after(period))
}

impl Drop for Shard {
    /// Also when it panics: whoever hands in a stream then must not wait for ever.
    fn drop(&mut self) {
        self.doorbell.lock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Coding;
    use crate::stream::Packing;
    use crate::stream_permits::Holder;
    use crate::subscription::Resume;
    use crate::{EventType, Topic};
    use axum::body::Body;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    /// A reader of all that there was of one topic, and the client at its other end.
    fn arrival(hub: &Hub, topic: &Topic) -> (Arrival, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let subscription = hub.subscribe(std::slice::from_ref(topic), Resume::After(hub.cursor(0)));
        let permit = hub.stream_permit(&Holder::default()).unwrap();
        let stream = Box::new(EventStream::new(subscription, Packing::Plain, permit, None));
        (Arrival { socket, head: Vec::new(), coding: Coding::Identity, stream, body: Body::empty() }, client)
    }

    #[tokio::test]
    async fn a_reader_gets_nothing_that_was_read_for_a_group_which_had_the_same_number() {
        let hub = Hub::default();
        let [ours, theirs] = ["ours", "theirs"].map(|name| Topic::parse(name).unwrap());
        for topic in [&ours, &theirs] {
            hub.publish(topic, &EventType::default(), &format!("of {topic}")).await.unwrap();
        }
        let mut shard = Shard::new().unwrap();
        // All in one pass: one reader comes and goes, and the next one stands at the same place.
        let (first, _client) = arrival(&hub, &theirs);
        shard.admit(first);
        shard.hang_up(0);
        let (second, mut client) = arrival(&hub, &ours);
        shard.admit(second);
        drop(shard);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert!(text.contains("data: of ours\n") && !text.contains("of theirs"), "{text}");
    }
}
