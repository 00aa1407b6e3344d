//! The promise, against a server and a link made of dice: every event once and in order, or a word
//! about what was missed. And whatever comes in whatever order: at most one open stream, and never
//! a wait without a deadline.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use core::time::Duration;
use heartwire_protocol::connection::{Action, Connection, Input, Link, Notice, Resume, Settings, State};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Control, Expiring, Gap, GapReason, Heartbeat};
use heartwire_protocol::{Cursor, Epoch, Moment};
use proptest::prelude::*;

/// What a server does with a slow reader.
#[derive(Debug, Clone, Copy)]
enum SlowReaders {
    Close,
    Skip,
    Newest,
}

/// Each third event has the same key.
const KEYS: u64 = 3;

/// A server with a log that keeps the last so many events, and that may begin a new life.
struct Server {
    epoch: u64,
    head: u64,
    keeps: u64,
    enabled: bool,
    up: bool,
    slow_readers: SlowReaders,
}

/// A stream that the server writes.
struct Stream {
    link: Link,
    position: u64,
    /// Up to here it brings the newest of each key only.
    newest_through: u64,
}

impl Server {
    fn cursor(&self, sequence: u64) -> String {
        Cursor { epoch: Epoch(self.epoch), sequence }.to_string()
    }

    /// Where a reader begins, and the gap it has to be told of.
    fn resume(&self, resume: &Resume) -> (u64, Option<Gap>) {
        let oldest = self.head.saturating_sub(self.keeps);
        let id = match resume {
            Resume::Live => return (self.head, None),
            Resume::Earliest => return (oldest, None),
            Resume::After(id) => id,
        };
        let gap = |to, reason| (to, Some(Gap { from: Some(id.clone()), to: self.cursor(to), reason }));
        match id.parse::<Cursor>() {
            Ok(cursor) if cursor.epoch != Epoch(self.epoch) => gap(oldest, GapReason::OtherEpoch),
            Ok(cursor) if cursor.sequence > self.head => gap(self.head, GapReason::BadCursor),
            Ok(cursor) if cursor.sequence < oldest => gap(oldest, GapReason::Evicted),
            Ok(cursor) => (cursor.sequence, None),
            Err(_) => gap(self.head, GapReason::BadCursor),
        }
    }
}

/// What the page has seen: it checks the promise as it reads.
#[derive(Default)]
struct Page {
    epoch: Option<u64>,
    next: Option<u64>,
    /// Events up to here may be missing: a slow reader was told so, and gets what it gets.
    missed_through: u64,
    n_events: u64,
}

impl Page {
    fn event(&mut self, id: &str) {
        let cursor: Cursor = id.parse().unwrap();
        if self.epoch == Some(cursor.epoch.0) {
            let next = self.next.unwrap();
            assert!(cursor.sequence >= next, "once and in order");
            assert!(cursor.sequence <= next.max(self.missed_through + 1), "none left out without a word");
        } else {
            assert_eq!(self.epoch, None, "another epoch without a gap");
        }
        self.epoch = Some(cursor.epoch.0);
        self.next = Some(cursor.sequence + 1);
        self.n_events += 1;
    }

    fn gap(&mut self, gap: &Gap) {
        let to: Cursor = gap.to.parse().unwrap();
        if gap.reason == GapReason::Lagged {
            assert_eq!(self.epoch.get_or_insert(to.epoch.0), &to.epoch.0);
            let from: Cursor = gap.from.as_ref().unwrap().parse().unwrap();
            self.next = self.next.max(Some(from.sequence + 1));
            self.missed_through = to.sequence;
            return;
        }
        self.missed_through = 0;
        if self.epoch == Some(to.epoch.0) && gap.reason != GapReason::BadCursor {
            assert!(Some(to.sequence + 1) >= self.next, "a gap does not lead back to what the page has seen");
        }
        self.epoch = Some(to.epoch.0);
        self.next = Some(to.sequence + 1);
    }
}

struct World {
    server: Server,
    page: Page,
    connection: Connection,
    now: Moment,
    stream: Option<Stream>,
    unopened: Option<(Link, Resume)>,
    poll: Option<(Link, Resume)>,
    health: Option<Link>,
    paused: bool,
}

impl World {
    fn new(seed: u64, slow_readers: SlowReaders) -> Self {
        let settings = Settings {
            seed,
            resume: Resume::Earliest,
            poll_interval: Duration::from_millis(500),
            probe_interval: Duration::from_secs(2),
            renews_token: true,
            ..Settings::default()
        };
        let mut world = Self {
            server: Server { epoch: 1, head: 0, keeps: 20, enabled: true, up: true, slow_readers },
            page: Page::default(),
            connection: Connection::new(settings),
            now: Moment::from_millis(0),
            stream: None,
            unopened: None,
            poll: None,
            health: None,
            paused: false,
        };
        world.input(Input::Start, None);
        world
    }

    /// Hands an input in and carries the actions out; `id` is the event at hand.
    fn input(&mut self, input: Input<'_>, id: Option<&str>) {
        self.connection.handle(input, self.now);
        while let Some(action) = self.connection.next_action() {
            match action {
                Action::OpenStream { link, resume } => {
                    assert!(self.stream.is_none() && self.unopened.is_none(), "at most one open stream");
                    self.unopened = Some((link, resume));
                }
                Action::CloseStream { link } => {
                    self.stream.take_if(|stream| stream.link == link);
                    self.unopened.take_if(|(open, _)| *open == link);
                }
                Action::Poll { link, resume, .. } => {
                    assert!(self.poll.is_none(), "at most one poll");
                    self.poll = Some((link, resume));
                }
                Action::CancelPoll { link } => {
                    self.poll.take_if(|(sent, _)| *sent == link);
                }
                Action::AskHealth { link } => self.health = Some(link),
                Action::Deliver => self.page.event(id.expect("an event is at hand")),
                Action::Tell(Notice::Gap(gap)) => self.page.gap(&gap),
                Action::Tell(_) => {}
            }
        }
        // A stream of a server that promised no heartbeats may be open without one.
        let may_last = self.paused || matches!(self.connection.state(), Some(State::Closed { .. } | State::Open));
        assert!(may_last || self.connection.deadline().is_some(), "never a wait without a deadline");
    }

    fn lose_stream(&mut self) {
        let link = self.stream.take().map(|stream| stream.link).or(self.unopened.take().map(|(link, _)| link));
        if let Some(link) = link {
            self.input(Input::Lost { link, status: None, retry_after: None }, None);
        }
    }

    fn open_stream(&mut self) {
        let Some((link, resume)) = self.unopened.take() else { return };
        if !self.server.up || !self.server.enabled {
            self.unopened = Some((link, resume));
            self.lose_stream();
            return;
        }
        let (position, gap) = self.server.resume(&resume);
        self.stream = Some(Stream { link, position, newest_through: 0 });
        self.input(Input::Opened { link }, None);
        let connected =
            Connected { protocol: 1, heartbeat_interval_ms: Some(2_000), resumed: gap.is_none(), time_ms: 0 };
        let id = if gap.is_none() { self.server.cursor(position) } else { String::new() };
        self.input(Input::Control { link, id: &id, control: Control::Connected(connected) }, None);
        if let Some(gap) = gap {
            let id = gap.to.clone();
            self.input(Input::Control { link, id: &id, control: Control::Gap(gap) }, None);
        }
    }

    /// Brings up to `n` events of the log to the reader, and perhaps a heartbeat.
    fn stream_events(&mut self, n: u64, heartbeat: bool) {
        for _ in 0..n {
            let Some(Stream { link, position, newest_through }) = &mut self.stream else { return };
            let (link, head) = (*link, self.server.head);
            let evicted_through = head.saturating_sub(self.server.keeps);
            if evicted_through > (*position).max(*newest_through) {
                self.lag();
                continue;
            }
            let is_wanted = |n: &u64| *n > *newest_through || *n + KEYS > *newest_through;
            if let Some(next) = ((*position).max(evicted_through) + 1..=head).find(is_wanted) {
                *position = next;
                let id = self.server.cursor(next);
                self.input(Input::Event { link, id: id.as_bytes() }, Some(&id));
            }
        }
        if let (true, Some(Stream { link, position, .. })) = (heartbeat, &self.stream) {
            let (link, id) = (*link, self.server.cursor(*position));
            self.input(Input::Control { link, id: &id, control: Control::Heartbeat(Heartbeat { time_ms: 0 }) }, None);
        }
    }

    /// The token of the open stream has only so long to live.
    fn warn(&mut self, expires_in_ms: u64) {
        let Some(Stream { link, position, .. }) = &self.stream else { return };
        let (link, id) = (*link, self.server.cursor(*position));
        self.input(Input::Control { link, id: &id, control: Control::Expiring(Expiring { expires_in_ms }) }, None);
    }

    /// The reader fell off the end of the history.
    fn lag(&mut self) {
        let Some(Stream { link, position, newest_through }) = &mut self.stream else { return };
        let (link, from) = (*link, self.server.cursor(*position));
        match self.server.slow_readers {
            SlowReaders::Close => {
                let closing = Closing { reason: ClosingReason::Lagged, retry_ms: 0 };
                return self.input(Input::Control { link, id: "", control: Control::Closing(closing) }, None);
            }
            SlowReaders::Skip => *position = self.server.head,
            SlowReaders::Newest => *newest_through = self.server.head,
        }
        let id = self.server.cursor(*position);
        let gap = Gap { from: Some(from), to: self.server.cursor(self.server.head), reason: GapReason::Lagged };
        self.input(Input::Control { link, id: &id, control: Control::Gap(gap) }, None);
    }

    /// Answers the poll; the link may be cut after the server has, which the client never learns.
    fn answer_poll(&mut self, fails: bool) {
        let Some((link, resume)) = self.poll.take() else { return };
        if fails || !self.server.up {
            self.input(Input::PollFailed { link, retry_after: None }, None);
            return;
        }
        let (position, gap) = self.server.resume(&resume);
        if let Some(gap) = gap {
            self.input(Input::Control { link, id: "", control: Control::Gap(gap) }, None);
        }
        let last = self.server.head.min(position + 7);
        for sequence in position + 1..=last {
            let id = self.server.cursor(sequence);
            self.input(Input::Event { link, id: id.as_bytes() }, Some(&id));
        }
        let cursor = self.server.cursor(last);
        self.input(Input::PollDone { link, cursor: &cursor }, None);
    }

    fn answer_health(&mut self) {
        let Some(link) = self.health.take() else { return };
        if self.server.up {
            self.input(Input::Health { link, enabled: self.server.enabled }, None);
        } else {
            self.input(Input::HealthFailed { link }, None);
        }
    }

    fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(deadline) = self.connection.deadline().filter(|deadline| *deadline <= until) {
            self.now = deadline.max(self.now);
            self.input(Input::Due, None);
            let next = self.connection.deadline();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that has passed is dealt with");
        }
        self.now = until;
    }

    /// Time passes in which nothing runs; the server may give the reader up meanwhile.
    fn sleep(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.paused = false;
        self.input(Input::Woke, None);
    }

    fn restart(&mut self) {
        self.lose_stream();
        self.server.epoch += 1;
        self.server.head = 0;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Publish(u64),
    Open,
    Events(u64, bool),
    Expiring(u64),
    Cut,
    Restart,
    Up(bool),
    Enabled(bool),
    PageEnabled(bool),
    AnswerPoll { fails: bool },
    AnswerHealth,
    Pass(u64),
    Sleep(u64),
    Pause,
    Wake,
    Network(bool),
}

fn slow_readers() -> impl Strategy<Value = SlowReaders> {
    prop_oneof![Just(SlowReaders::Close), Just(SlowReaders::Skip), Just(SlowReaders::Newest)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..6).prop_map(Step::Publish),
        1 => (20_u64..50).prop_map(Step::Publish),
        6 => Just(Step::Open),
        8 => (0_u64..9, any::<bool>()).prop_map(|(n, heartbeat)| Step::Events(n, heartbeat)),
        2 => (0_u64..3_000).prop_map(Step::Expiring),
        3 => Just(Step::Cut),
        1 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Up),
        2 => any::<bool>().prop_map(Step::Enabled),
        2 => any::<bool>().prop_map(Step::PageEnabled),
        6 => prop::bool::weighted(0.2).prop_map(|fails| Step::AnswerPoll { fails }),
        4 => Just(Step::AnswerHealth),
        8 => (0_u64..5_000).prop_map(Step::Pass),
        2 => (0_u64..100_000).prop_map(Step::Sleep),
        1 => Just(Step::Pause),
        2 => Just(Step::Wake),
        2 => any::<bool>().prop_map(Step::Network),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_once_and_in_order_or_a_gap_is_told(seed in any::<u64>(), slow_readers in slow_readers(), steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(seed, slow_readers);
        for step in steps {
            match step {
                Step::Publish(n) => world.server.head += n,
                Step::Open => world.open_stream(),
                Step::Events(n, heartbeat) => world.stream_events(n, heartbeat),
                Step::Expiring(ms) => world.warn(ms),
                Step::Cut => world.lose_stream(),
                Step::Restart => world.restart(),
                Step::Up(up) => {
                    world.server.up = up;
                    if !up {
                        world.lose_stream();
                    }
                }
                Step::Enabled(enabled) => world.server.enabled = enabled,
                Step::PageEnabled(enabled) => world.input(Input::SetEnabled(enabled), None),
                Step::AnswerPoll { fails } => world.answer_poll(fails),
                Step::AnswerHealth => world.answer_health(),
                Step::Pass(ms) => world.pass(ms),
                Step::Sleep(ms) => world.sleep(ms),
                Step::Pause => {
                    world.paused = true;
                    world.input(Input::Paused, None);
                    prop_assert!(world.stream.is_none() && world.unopened.is_none() && world.poll.is_none(), "nothing is left open");
                }
                Step::Wake => world.sleep(0),
                Step::Network(up) => world.input(if up { Input::Online } else { Input::Offline }, None),
            }
        }

        // However bad it was: when all is well again, the page has everything within five minutes.
        world.server.up = true;
        world.server.enabled = true;
        world.sleep(0);
        world.input(Input::Online, None);
        world.input(Input::SetEnabled(true), None);
        for _ in 0..3_000 {
            world.pass(100);
            world.open_stream();
            world.stream_events(50, true);
            world.answer_poll(false);
            world.answer_health();
        }
        prop_assert_eq!(world.connection.state(), Some(State::Open));
        let Resume::After(id) = world.connection.resume() else { panic!("it has been connected") };
        prop_assert_eq!(id, world.server.cursor(world.server.head));
    }

    #[test]
    fn any_order_of_inputs_is_survived(seed in any::<u64>(), inputs in prop::collection::vec((0_u8..18, 0_usize..6, 0_u64..70_000), 1..200)) {
        let mut world = World::new(seed, SlowReaders::Close);
        let mut links: Vec<Link> = Vec::new();
        for (kind, which, ms) in inputs {
            for link in [world.unopened.as_ref().map(|(link, _)| *link), world.poll.as_ref().map(|(link, _)| *link), world.health] {
                links.extend(link.filter(|link| !links.contains(link)));
            }
            let Some(link) = links.get(links.len().saturating_sub(1 + which)).copied() else { continue };
            world.now = world.now + Duration::from_millis(ms);
            let connected = Connected { protocol: 1, heartbeat_interval_ms: Some(ms), resumed: false, time_ms: ms };
            let closing = Closing { reason: ClosingReason::Disabled, retry_ms: ms };
            // What has ended has ended, whether the machine was waiting for it or not.
            match kind {
                5 => drop((world.stream.take_if(|stream| stream.link == link), world.unopened.take_if(|(open, _)| *open == link))),
                6 | 7 => drop(world.poll.take_if(|(sent, _)| *sent == link)),
                _ => {}
            }
            let input = match kind {
                0 => Input::Start,
                1 => Input::Opened { link },
                2 => Input::Control { link, id: "", control: Control::Connected(connected) },
                3 => Input::Control { link, id: "", control: Control::Heartbeat(Heartbeat { time_ms: ms }) },
                4 => Input::Control { link, id: "", control: Control::Closing(closing) },
                5 if ms % 3 == 0 => Input::Refused { link, reason: ClosingReason::Disabled, retry_after: None },
                5 => {
                    let status = (ms % 2 == 0).then_some(502);
                    Input::Lost { link, status, retry_after: (ms % 4 < 2).then_some(Duration::from_millis(ms)) }
                }
                6 => Input::PollDone { link, cursor: "x" },
                7 => Input::PollFailed { link, retry_after: None },
                8 => Input::Health { link, enabled: ms % 2 == 0 },
                9 => Input::HealthFailed { link },
                10 => Input::SetEnabled(ms % 2 == 0),
                11 => Input::Heard { link },
                12 => Input::Offline,
                13 => Input::Online,
                14 => {
                    world.paused = true;
                    Input::Paused
                }
                15 => {
                    world.paused = false;
                    Input::Woke
                }
                16 => Input::Control { link, id: "", control: Control::Expiring(Expiring { expires_in_ms: ms }) },
                _ => Input::Due,
            };
            world.input(input, None);
        }
    }
}
