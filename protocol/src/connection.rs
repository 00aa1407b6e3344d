//! The client's state machine: when to connect, wait, poll, probe or give up.
//!
//! A shell feeds it what happened ([`Input`]) and the moment it happened, carries out the
//! [`Action`]s that come back, and calls again with [`Input::Due`] when the [deadline] passes. The
//! machine never touches a socket or a clock, so the browser, the command line and a simulation of
//! a thousand clients all run this same code.
//!
//! It owns the resume point, the one stream that may be open, and every deadline. It never sees a
//! payload: the shell keeps the event at hand and gives it to the page on [`Action::Deliver`].
//!
//! How the promise is kept, every event once and in order:
//! - Each stream or request has a [`Link`]; whatever comes from an older one is ignored.
//! - The resume point moves with each event that is delivered, and with heartbeats and gaps: to their
//!   ids, which tell where the server stands with this reader.
//! - While a stream is tried out beside polling both may bring the same event. Ids are cursors, so
//!   an event at or behind the resume point is dropped.
//!
//! ```
//! use heartwire_protocol::connection::{Action, Connection, Input, Resume, Settings};
//! use heartwire_protocol::Moment;
//!
//! let mut connection = Connection::new(Settings::default());
//! connection.handle(Input::Start, Moment::from_millis(0));
//! let link = loop {
//!     match connection.next_action().unwrap() {
//!         Action::OpenStream { link, resume } => {
//!             assert_eq!(resume, Resume::Live);
//!             break link;
//!         }
//!         _ => {}
//!     }
//! };
//! connection.handle(Input::Event { link, id: b"abc-7" }, Moment::from_millis(80));
//! assert!(core::iter::from_fn(|| connection.next_action()).any(|action| action == Action::Deliver));
//! assert_eq!(connection.resume(), Resume::After("abc-7".into()));
//! ```
//!
//! [deadline]: Connection::deadline

mod life;

use crate::backoff::Backoff;
use crate::control::{Closing, ClosingReason, Connected, Control, Expiring, Gap, Heartbeat};
use crate::cursor::Cursor;
use crate::decode::text_of;
use crate::heartbeat::{Watchdog, silence_limit};
use crate::time::{Moment, part};
use core::time::Duration;
use std::collections::VecDeque;

/// The longest time that a server can make a client stay away: ten minutes. Asked for more, the
/// client comes back after that long.
pub const MAX_HINT: Duration = Duration::from_secs(600);
/// So many silent links in a row, none of them healthy before, and the way is taken for blocked.
const SILENCES_UNTIL_BLOCKED: u32 = 2;
/// So many refused streams in a row, by something between the two or from a server that is well, and the way is taken for blocked.
const REFUSALS_UNTIL_BLOCKED: u32 = 3;
/// So many failed polls in a row and a stream is worth another try.
const FAILED_POLLS_UNTIL_STREAM: u32 = 3;
/// So many events in one answer, and more may wait behind its cursor: the next poll follows at once.
const FULL_POLL: u32 = 100;
/// A timer that fires so late was held back: by a browser that throttles a hidden page, or by whatever kept the
/// page busy. What came from the peer meanwhile may still be waiting behind it.
const LATE: Duration = Duration::from_secs(1);
/// So long may a peer that seems silent still be heard when perhaps only we were away.
const GRACE: Duration = Duration::from_millis(500);
/// Without a network, so far apart are the tries that are made in case the host is wrong about it.
const OFFLINE_DELAY: Duration = Duration::from_secs(60);
/// A blocked way is probed ever more rarely, down to a probe in so many intervals.
const MAX_PROBE_DOUBLINGS: u32 = 3;

/// How a client behaves. The default suits a page on the open internet.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The page's half of the one switch: `false` polls and never opens a stream. Default `true`.
    pub enabled: bool,
    /// Whether polling may stand in for a stream. Default `true`; without the feature `polling` it never does.
    pub polling: bool,
    /// Where to begin. Default [`Resume::Live`].
    pub resume: Resume,
    /// The delay before each attempt.
    pub backoff: Backoff,
    /// Give up after so many failed attempts in a row. Default `None`: never.
    pub max_attempts: Option<u32>,
    /// The longest silence on an open stream. Default: as the server says.
    pub silence: SilenceLimit,
    /// How long a stream may take from the first try to its first event, and how long a request may
    /// take beyond its `wait`. Default 15 s.
    pub connect_timeout: Duration,
    /// A link that was heard for this long counts as healthy: the attempts are counted afresh. Default 10 s.
    pub healthy_after: Duration,
    /// The least time between the starts of two polls, unless an answer was so full that more must be
    /// waiting. Default 2 s.
    pub poll_interval: Duration,
    /// How long the server may hold a poll back until there is something to tell; at most 30 s. Default 25 s.
    pub poll_wait: Duration,
    /// While polling: how often to look whether a stream works again. Default 30 s.
    pub probe_interval: Duration,
    /// Whether each stream is opened with a fresh token. Then a stream whose token expires soon is replaced in
    /// time, and the page notices nothing. Default `false`: it lives to its end.
    pub renews_token: bool,
    /// Where the jitter comes from: draw it at random, so that no two clients have the same. Default 0.
    pub seed: u64,
}

impl Settings {
    /// The default, for constants.
    pub const DEFAULT: Self = Self {
        enabled: true,
        polling: true,
        resume: Resume::Live,
        backoff: Backoff::DEFAULT,
        max_attempts: None,
        silence: SilenceLimit::FromServer,
        connect_timeout: Duration::from_secs(15),
        healthy_after: Duration::from_secs(10),
        poll_interval: Duration::from_secs(2),
        poll_wait: Duration::from_secs(25),
        probe_interval: Duration::from_secs(30),
        renews_token: false,
        seed: 0,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The longest silence to bear on an open stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SilenceLimit {
    /// One and a half of the interval that the server's `connected` event tells; any, if it tells none.
    #[default]
    FromServer,
    /// This long, whatever the server says.
    Fixed(Duration),
    /// Any.
    Unlimited,
}

/// Where a stream or a poll begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resume {
    /// With what is published from now on.
    #[default]
    Live,
    /// With the oldest event that the server still has.
    Earliest,
    /// After the event with this id.
    After(String),
}

/// One stream or request. What comes from a link that is over is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(u64);

impl Link {
    /// The link of this number: for a shell that keeps numbers in the place of links, as one beyond the border
    /// of a language must. A number that was never given out is as good as that of a link that is over.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// A number that no other link of this connection has.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// The page wants events. Does nothing the second time.
    Start,
    /// The server has accepted the stream. Its first event has still to prove that bytes get through.
    Opened {
        /// Which stream.
        link: Link,
    },
    /// Bytes came by stream, whatever they mean. Only a shell that sees them can tell; a page that has
    /// an `EventSource` hears of events alone.
    Heard {
        /// Which stream.
        link: Link,
    },
    /// An event for the page came, by stream or in the answer to a poll.
    Event {
        /// Which stream or poll.
        link: Link,
        /// Its id as it came, UTF-8 or not; empty when it has none.
        id: &'a [u8],
    },
    /// A control event came, or the answer to a poll tells of a gap.
    Control {
        /// Which stream or poll.
        link: Link,
        /// Its id; empty when it has none.
        id: &'a str,
        /// What it says.
        control: Control,
    },
    /// The server refused the stream for a reason of its own, and said which.
    Refused {
        /// Which stream.
        link: Link,
        /// Why.
        reason: ClosingReason,
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// The stream was refused, was cut or came to its end.
    Lost {
        /// Which stream.
        link: Link,
        /// The HTTP status it was refused with, where the shell can know it. Then nobody has to ask why:
        /// the server's health is not looked into.
        status: Option<u16>,
        /// The `Retry-After` of the refusal, or the `retry:` of the stream.
        retry_after: Option<Duration>,
    },
    /// A poll is answered, and its gap and events have been handed in.
    PollDone {
        /// Which poll.
        link: Link,
        /// Where to go on.
        cursor: &'a str,
    },
    /// A poll failed.
    PollFailed {
        /// Which poll.
        link: Link,
        /// The `Retry-After` of the refusal.
        retry_after: Option<Duration>,
    },
    /// The server tells whether streaming is switched on.
    Health {
        /// Which question.
        link: Link,
        /// The server's half of the one switch.
        enabled: bool,
    },
    /// The question after the server's health got no answer.
    HealthFailed {
        /// Which question.
        link: Link,
    },
    /// The page throws its half of the one switch.
    SetEnabled(bool),
    /// The network is gone, as far as the host can tell. What is open stays open and is judged by its
    /// silence, as ever; but hardly anything is tried until the network is back or is heard.
    Offline,
    /// The network is back: what waits is tried at once, and an open stream has to show that it outlived the change.
    Online,
    /// The page is put aside and may come back. Nothing stays open and nothing is due until it [wakes](Self::Woke).
    Paused,
    /// Nothing ran until now: the machine slept, or the page was frozen or put aside. The moments of the
    /// caller's clock must count that time, also where `performance.now()` and `Instant` do not.
    Woke,
    /// The deadline has passed.
    Due,
    /// The page has had enough.
    Close,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a stream. There is no other one open.
    OpenStream {
        /// The name under which to report what becomes of it.
        link: Link,
        /// Where it begins.
        resume: Resume,
    },
    /// Close a stream. Closing one that has ended by itself is nothing special.
    CloseStream {
        /// Which stream.
        link: Link,
    },
    /// Send a poll.
    Poll {
        /// The name under which to report what becomes of it.
        link: Link,
        /// Where it begins.
        resume: Resume,
        /// How long the server may hold it back.
        wait: Duration,
    },
    /// Abandon a poll.
    CancelPoll {
        /// Which poll.
        link: Link,
    },
    /// Ask the server's health.
    AskHealth {
        /// The name under which to report the answer.
        link: Link,
    },
    /// Give the page the event that was just handed in. Without this, the page has had it already.
    Deliver,
    /// Tell the page.
    Tell(Notice),
}

/// What a page may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The link is in another state.
    State(State),
    /// A heartbeat came, so much later than the fastest one of this stream. The clocks of two
    /// machines cannot be compared, so this is the part of the latency that can be known.
    Heartbeat {
        /// The delay beyond the fastest heartbeat seen on this stream.
        latency: Duration,
    },
    /// Events are gone.
    Gap(Gap),
    /// The token that the stream was opened with expires soon, and the stream ends then.
    Expiring {
        /// How long the token is still good for.
        expires_in: Duration,
    },
}

/// The state of the link, as a page sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A stream is being opened.
    Connecting {
        /// Which try in a row to reconnect this is: 0 for the first connection and after a healthy link, then 1, 2, …
        attempt: u32,
    },
    /// Events come by stream.
    Open,
    /// Nothing is connected until the next try.
    Waiting {
        /// Which try in a row to reconnect comes next, from 1.
        attempt: u32,
        /// How long it takes until then.
        delay: Duration,
        /// What went wrong.
        reason: Loss,
    },
    /// Events come by polling.
    Polling {
        /// Why not by stream.
        reason: PollReason,
    },
    /// Nothing more comes.
    Closed {
        /// Why not.
        reason: ClosedReason,
    },
}

/// How a stream, or a poll in its stead, was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The server could not be reached, or refused the stream.
    Refused,
    /// No first event came in time.
    ConnectTimeout,
    /// The link was cut, or the server ended it without a word.
    Cut,
    /// Nothing was heard for longer than the silence limit.
    Silent,
    /// The page or the machine slept, and the link has not outlived it.
    Slept,
    /// The network was gone, and the link has not outlived it.
    Offline,
    /// The server said why it ends the stream, or begins none.
    Closing(ClosingReason),
    /// Polls fail.
    PollFailed,
}

/// Why a client polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PollReason {
    /// The page's half of the switch is off.
    SwitchedOff,
    /// The server's half of the switch is off.
    ServerDisabled,
    /// Streams do not get through, though the server is there.
    StreamBlocked,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosedReason {
    /// The page closed the connection.
    ByPage,
    /// All attempts were used up.
    GaveUp,
    /// The server told the client to stop, by status 204 as in the standard.
    Stopped,
    /// The page's half of the switch is off, and polling is not allowed. Switching on opens it again.
    SwitchedOff,
}

impl Loss {
    /// The word for it that pages and people read; for `Closing` it is the server's own.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect-timeout",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::Slept => "slept",
            Self::Offline => "offline",
            Self::Closing(reason) => reason.as_str(),
            Self::PollFailed => "poll-failed",
        }
    }
}

impl PollReason {
    /// The word for it that pages and people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SwitchedOff => "switched-off",
            Self::ServerDisabled => "server-disabled",
            Self::StreamBlocked => "stream-blocked",
        }
    }
}

impl ClosedReason {
    /// The word for it that pages and people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByPage => "by-page",
            Self::GaveUp => "gave-up",
            Self::Stopped => "stopped",
            Self::SwitchedOff => "switched-off",
        }
    }
}

/// What has happened so far, for a page's own metrics. Counters only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Streams that were tried, successful or not.
    pub attempts_total: u64,
    /// Streams that came to life.
    pub opened_total: u64,
    /// Streams that were lost, or refused, for whatever reason.
    pub losses_total: u64,
    /// Losses by silence alone.
    pub silences_total: u64,
    /// Polls that were answered.
    pub polls_total: u64,
    /// Heartbeats heard.
    pub heartbeats_total: u64,
    /// Events given to the page.
    pub delivered_total: u64,
    /// Events dropped since the page had had them.
    pub duplicates_total: u64,
    /// Gaps told to the page.
    pub gaps_total: u64,
}

impl Counters {
    const NONE: Self = Self {
        attempts_total: 0,
        opened_total: 0,
        losses_total: 0,
        silences_total: 0,
        polls_total: 0,
        heartbeats_total: 0,
        delivered_total: 0,
        duplicates_total: 0,
        gaps_total: 0,
    };
}

/// The state machine of one connection.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    plan: Plan,
    /// The resume point, once events have moved it on.
    last_event_id: Vec<u8>,
    /// The resume point, should it be one that can be compared: read once, and not with each event.
    cursor: Option<Cursor>,
    /// A question after the server's health that is on its way, and when it is given up.
    health: Option<(Link, Moment)>,
    /// Tries to reconnect since the link was last healthy.
    attempt: u32,
    /// This client's place in the line of those that reconnect, drawn once for each outage.
    place: f64,
    silences_in_a_row: u32,
    refusals_in_a_row: u32,
    /// Until then the server wants to be left alone.
    not_before: Moment,
    /// The host says that there is no network, and nothing was heard since that would prove it wrong.
    offline: bool,
    /// The page is put aside.
    paused: bool,
    told: Option<State>,
    counters: Counters,
    actions: VecDeque<Action>,
    next_link: u64,
    rng: fastrand::Rng,
}

/// What is going on. At most one stream is open because there is room for only one in here, and
/// every wait has its deadline because there is none without.
#[derive(Debug)]
enum Plan {
    NotStarted,
    Waiting { until: Moment },
    Streaming(Stream),
    Polling(Polling),
    SwitchedOff,
    Closed,
}

#[derive(Debug)]
struct Stream {
    link: Link,
    since: Moment,
    /// When the first event must have come; `None` once it has.
    first_event_by: Option<Moment>,
    watchdog: Watchdog,
    /// The peer should have been heard by now, but perhaps only we were away. Any sound clears it.
    last_chance: Option<LastChance>,
    /// When another stream, with a fresh token, takes its place.
    renew_at: Option<Moment>,
    /// The smallest difference seen between our clock and the server's, in ms.
    clock_offset_ms: Option<i64>,
}

/// Until when a stream is given to be heard, and what it is lost to otherwise.
#[derive(Debug, Clone, Copy)]
struct LastChance {
    until: Moment,
    loss: Loss,
}

#[derive(Debug)]
struct Polling {
    _is_compiled_in: CompiledIn,
    reason: PollReason,
    request: PollRequest,
    failures_in_a_row: u32,
    /// The stream that is tried out beside polling.
    probe: Option<Stream>,
    /// When to look next whether a stream works again.
    probe_at: Option<Moment>,
    probes: u32,
}

/// A value of this exists only where polling is compiled in. Otherwise there can be no `Polling` either, and the
/// compiler leaves out whatever is done with one.
#[cfg(feature = "polling")]
#[derive(Debug, Clone, Copy)]
struct CompiledIn;

#[cfg(not(feature = "polling"))]
#[derive(Debug, Clone, Copy)]
enum CompiledIn {}

impl CompiledIn {
    #[cfg(feature = "polling")]
    const PROOF: Option<Self> = Some(Self);
    #[cfg(not(feature = "polling"))]
    const PROOF: Option<Self> = None;
}

#[derive(Debug, Clone, Copy)]
enum PollRequest {
    Sent { link: Link, sent_at: Moment, give_up_at: Moment, n_events: u32 },
    Next { at: Moment },
}

impl Default for Connection {
    fn default() -> Self {
        Self::new(Settings::DEFAULT)
    }
}

impl Connection {
    /// A connection that does nothing until [`Input::Start`].
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            plan: Plan::NotStarted,
            last_event_id: Vec::new(),
            cursor: None,
            health: None,
            attempt: 0,
            place: 0.0,
            silences_in_a_row: 0,
            refusals_in_a_row: 0,
            not_before: Moment::from_millis(0),
            offline: false,
            paused: false,
            told: None,
            counters: Counters::NONE,
            actions: VecDeque::new(),
            next_link: 0,
            rng: fastrand::Rng::with_seed(0),
        }
    }

    /// How it behaves: for a shell that learns that piece by piece, before [`Input::Start`].
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Takes in what happened at the moment `now`. Then carry out the actions until there are none.
    #[inline]
    pub fn handle(&mut self, input: Input<'_>, now: Moment) {
        match input {
            Input::Start => self.start(now),
            Input::Opened { link } => {
                if let Some(stream) = self.stream(link) {
                    stream.heard(now);
                }
            }
            Input::Heard { link } => self.bytes(link, now),
            Input::Event { link, id } => self.event(link, id, now),
            Input::Control { link, id, control } => self.control(link, id, control, now),
            Input::Refused { link, reason, retry_after } => {
                if self.stream(link).is_some() {
                    self.lost(Loss::Closing(reason), None, retry_after, now);
                }
            }
            Input::Lost { link, status, retry_after } => self.stream_lost(link, status, retry_after, now),
            Input::PollDone { link, cursor } => self.poll_done(link, cursor, now),
            Input::PollFailed { link, retry_after } => {
                if self.is_poll(link) {
                    self.poll_failed(retry_after, now);
                }
            }
            Input::Health { link, enabled } => {
                if self.take_health(link) {
                    self.health(enabled, now);
                }
            }
            Input::HealthFailed { link } => {
                self.take_health(link);
            }
            Input::SetEnabled(enabled) => self.set_enabled(enabled, now),
            Input::Offline => self.go_offline(now),
            Input::Online => self.go_online(now),
            Input::Paused => self.pause(now),
            Input::Woke => self.wake(now),
            Input::Due => self.due(now),
            Input::Close => self.close(ClosedReason::ByPage),
        }
    }

    /// What [`next_action`](Self::next_action) would take.
    #[must_use]
    #[inline]
    pub fn peek_action(&self) -> Option<&Action> {
        self.actions.front()
    }

    /// Takes the next thing to do; `None` until something happens.
    #[inline]
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call with [`Input::Due`], unless something happens before; `None` when there is nothing to wait for.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        if self.paused {
            return None;
        }
        let health = self.health.map(|(_, give_up_at)| give_up_at);
        let plan = match &self.plan {
            Plan::Waiting { until } => Some(*until),
            Plan::Streaming(stream) => stream.deadline(),
            Plan::Polling(polling) => polling.deadline(),
            Plan::NotStarted | Plan::SwitchedOff | Plan::Closed => None,
        };
        earliest([health, plan])
    }

    /// Where the next stream or poll begins.
    #[must_use]
    pub fn resume(&self) -> Resume {
        if self.last_event_id.is_empty() {
            self.settings.resume.clone()
        } else {
            Resume::After(text_of(&self.last_event_id).into_owned())
        }
    }

    /// What the page was last told about the link; `None` before the start.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.told
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn start(&mut self, now: Moment) {
        if matches!(self.plan, Plan::NotStarted) {
            let Settings { polling, resume, seed, .. } = &mut self.settings;
            *polling &= CompiledIn::PROOF.is_some();
            self.rng = fastrand::Rng::with_seed(*seed);
            if let Resume::After(id) = resume {
                self.cursor = id.parse().ok();
            }
            if self.settings.enabled {
                self.connect(now);
            } else {
                self.switch_off(now);
            }
        }
    }

    // The stream.

    fn connect(&mut self, now: Moment) {
        let stream = self.open_stream(now);
        self.plan = Plan::Streaming(stream);
        self.tell_state(State::Connecting { attempt: self.attempt });
    }

    fn open_stream(&mut self, now: Moment) -> Stream {
        self.counters.attempts_total += 1;
        let link = self.new_link();
        self.actions.push_back(Action::OpenStream { link, resume: self.resume() });
        Stream {
            link,
            since: now,
            first_event_by: Some(now + self.settings.connect_timeout),
            watchdog: Watchdog::new(None, now),
            last_chance: None,
            renew_at: None,
            clock_offset_ms: None,
        }
    }

    /// The open stream, if it is this one.
    #[inline]
    fn stream(&mut self, link: Link) -> Option<&mut Stream> {
        self.any_stream().filter(|stream| stream.link == link)
    }

    #[inline]
    fn any_stream(&mut self) -> Option<&mut Stream> {
        match &mut self.plan {
            Plan::Streaming(stream) => Some(stream),
            Plan::Polling(polling) => polling.probe.as_mut(),
            _ => None,
        }
    }

    /// Some bytes came: the peer lives. Whether the stream works is still for its first event to show,
    /// since a proxy may pass on the first bytes alone.
    fn bytes(&mut self, link: Link, now: Moment) {
        let connect_timeout = self.settings.connect_timeout;
        let Some(stream) = self.stream(link) else { return };
        stream.heard(now);
        if let Some(deadline) = &mut stream.first_event_by {
            *deadline = now + connect_timeout;
        }
        self.offline = false;
    }

    /// An event came by stream: the peer lives, and if it is the first one, the stream works.
    #[inline]
    fn heard(&mut self, link: Link, now: Moment) -> bool {
        let silence = self.settings.silence;
        let Some(stream) = self.stream(link) else { return false };
        stream.heard(now);
        if stream.first_event_by.take().is_some() {
            if let SilenceLimit::Fixed(limit) = silence {
                stream.watchdog.set_limit(Some(limit));
            }
            self.stream_works();
        }
        self.offline = false;
        true
    }

    /// Another stream takes the place of one whose token expires soon, and begins where that one ends. The page
    /// is told nothing: for all that it can see, the link goes on.
    fn renew(&mut self, now: Moment) {
        let Plan::Streaming(stream) = &self.plan else { return };
        self.actions.push_back(Action::CloseStream { link: stream.link });
        if stream.heard_for() >= self.settings.healthy_after {
            self.count_afresh();
        }
        let stream = self.open_stream(now);
        self.plan = Plan::Streaming(stream);
    }

    /// Whatever went wrong before counts no more.
    fn count_afresh(&mut self) {
        self.attempt = 0;
        self.silences_in_a_row = 0;
        self.refusals_in_a_row = 0;
    }

    fn stream_works(&mut self) {
        self.counters.opened_total += 1;
        self.refusals_in_a_row = 0;
        self.plan = match core::mem::replace(&mut self.plan, Plan::Closed) {
            Plan::Polling(Polling { probe: Some(stream), request, .. }) => {
                self.cancel(request);
                Plan::Streaming(stream)
            }
            plan => plan,
        };
        self.health = None;
        self.tell_state(State::Open);
    }

    #[inline]
    fn event(&mut self, link: Link, id: &[u8], now: Moment) {
        if !self.heard(link, now) && !self.is_poll(link) {
            return;
        }
        if let Plan::Polling(Polling { request: PollRequest::Sent { n_events, .. }, .. }) = &mut self.plan {
            *n_events += 1;
        }
        if self.advance(id) {
            self.counters.delivered_total += 1;
            self.actions.push_back(Action::Deliver);
        } else {
            self.counters.duplicates_total += 1;
        }
    }

    fn control(&mut self, link: Link, id: &str, control: Control, now: Moment) {
        if let Control::Closing(Closing { reason, retry_ms }) = control
            && self.stream(link).is_some_and(|stream| stream.first_event_by.is_some())
        {
            // A stream that begins with its end is a refusal, in words that a browser lets a page hear.
            self.lost(Loss::Closing(reason), None, Some(Duration::from_millis(retry_ms)), now);
            return;
        }
        if !self.heard(link, now) && !self.is_poll(link) {
            return;
        }
        match control {
            Control::Connected(Connected { heartbeat_interval_ms, time_ms, .. }) => {
                self.advance(id.as_bytes());
                let from_server = self.settings.silence == SilenceLimit::FromServer;
                if let Some(stream) = self.stream(link) {
                    if from_server {
                        let interval = heartbeat_interval_ms.map(Duration::from_millis);
                        stream.watchdog.set_limit(interval.map(silence_limit));
                    }
                    stream.latency(time_ms, now);
                }
            }
            Control::Heartbeat(Heartbeat { time_ms }) => {
                self.advance(id.as_bytes());
                self.counters.heartbeats_total += 1;
                if let Some(stream) = self.stream(link) {
                    let latency = stream.latency(time_ms, now);
                    self.tell(Notice::Heartbeat { latency });
                }
            }
            // By the other transport the page has come past it already.
            Control::Gap(gap) if self.has_passed(&gap) => {}
            Control::Gap(gap) => {
                if leads_back(&gap) {
                    // Not `advance`: the place to go on lies before the one we thought.
                    self.go_on_after(gap.to.as_bytes(), gap.to.parse().ok());
                } else {
                    // The id and not `to`: a slow reader may get some events of the gap after all.
                    self.advance(if id.is_empty() { &gap.to } else { id }.as_bytes());
                }
                self.counters.gaps_total += 1;
                self.tell(Notice::Gap(gap));
            }
            Control::Expiring(Expiring { expires_in_ms }) => {
                self.advance(id.as_bytes());
                let expires_in = Duration::from_millis(expires_in_ms);
                // Not all clients at once that were given their tokens in one moment, and all in the first half,
                // since to get another may take its time.
                let drawn = now + part(expires_in, self.rng.f64() / 2.0);
                let Settings { renews_token, backoff: Backoff { base_delay, .. }, .. } = self.settings;
                if let Some(stream) = self.stream(link) {
                    // A server that never finds a token fresh enough must not be asked without a pause.
                    let renew_at = drawn.max(stream.since + base_delay);
                    stream.renew_at = renews_token.then_some(renew_at);
                    self.tell(Notice::Expiring { expires_in });
                }
            }
            Control::Closing(closing) => {
                self.advance(id.as_bytes());
                let retry = Duration::from_millis(closing.retry_ms);
                self.lost(Loss::Closing(closing.reason), None, Some(retry), now);
            }
        }
    }

    /// Moves the resume point forward; `false` when it has been there already.
    #[inline]
    fn advance(&mut self, id: &[u8]) -> bool {
        if id.is_empty() {
            return true;
        }
        let cursor = Cursor::from_bytes(id).ok();
        if let (Some(new), Some(last)) = (cursor, self.cursor)
            && new.is_behind_or_at(last)
        {
            return false;
        }
        self.go_on_after(id, cursor);
        true
    }

    #[inline]
    fn go_on_after(&mut self, id: &[u8], cursor: Option<Cursor>) {
        self.cursor = cursor;
        id.clone_into(&mut self.last_event_id);
    }

    /// Whether the whole of a gap lies behind the resume point. A gap that leads back never does.
    fn has_passed(&self, gap: &Gap) -> bool {
        let (Ok(to), Some(last)) = (gap.to.parse::<Cursor>(), self.cursor) else { return false };
        to.is_behind_or_at(last) && !leads_back(gap)
    }

    fn stream_lost(&mut self, link: Link, status: Option<u16>, retry_after: Option<Duration>, now: Moment) {
        let Some(stream) = self.stream(link) else { return };
        // [spec] 204 is the standard's way to say stop.
        if status == Some(204) {
            self.close(ClosedReason::Stopped);
            return;
        }
        let loss = if stream.first_event_by.is_some() { Loss::Refused } else { Loss::Cut };
        self.lost(loss, status, retry_after, now);
    }

    /// The stream is over. The one place that decides what comes next.
    fn lost(&mut self, loss: Loss, status: Option<u16>, hint: Option<Duration>, now: Moment) {
        let disabled = loss == Loss::Closing(ClosingReason::Disabled);
        let is_told = matches!(loss, Loss::Closing(_));
        self.counters.losses_total += 1;
        if loss == Loss::Silent {
            self.counters.silences_total += 1;
        }
        if let Plan::Polling(polling) = &mut self.plan {
            // It was only tried out: polling goes on.
            if let Some(stream) = polling.probe.take() {
                self.actions.push_back(Action::CloseStream { link: stream.link });
                if disabled {
                    self.polls_since_disabled(now);
                    return;
                }
                self.schedule_probe(now);
                if status.is_none() && !is_told {
                    self.ask_health(now);
                }
            }
            return;
        }
        let Plan::Streaming(stream) = core::mem::replace(&mut self.plan, Plan::NotStarted) else { return };
        self.actions.push_back(Action::CloseStream { link: stream.link });
        let worked = stream.first_event_by.is_none();

        if stream.heard_for() >= self.settings.healthy_after {
            self.count_afresh();
        }
        if matches!(loss, Loss::Silent | Loss::ConnectTimeout) {
            self.silences_in_a_row += 1;
        }
        if self.settings.polling {
            if disabled {
                self.start_polling(PollReason::ServerDisabled, now);
                return;
            }
            if self.silences_in_a_row >= SILENCES_UNTIL_BLOCKED {
                self.start_polling(PollReason::StreamBlocked, now);
                return;
            }
        }
        self.wait(loss, hint, now);
        if worked || is_told {
            return;
        }
        match status {
            None => self.ask_health(now),
            // The server's own word, which a poll would get as well.
            Some(400..=499) => {}
            Some(_) if hint.is_some() => {}
            Some(_) => {
                // The delays go on where they are: no poll has shown yet that the server is well.
                let attempt = self.attempt;
                self.refused(now);
                self.attempt = attempt;
            }
        }
    }

    /// A stream was refused, by something that is not the server's own will.
    fn refused(&mut self, now: Moment) {
        self.refusals_in_a_row += 1;
        let may_poll = self.settings.polling && matches!(self.plan, Plan::Waiting { .. });
        if may_poll && self.refusals_in_a_row >= REFUSALS_UNTIL_BLOCKED {
            self.start_polling(PollReason::StreamBlocked, now);
        }
    }

    fn wait(&mut self, reason: Loss, hint: Option<Duration>, now: Moment) {
        self.plan = Plan::NotStarted;
        if let Some(mut delay) = self.next_delay(hint, now) {
            if matches!(reason, Loss::Slept | Loss::Offline) && !self.offline {
                // It was our side that was away: the server has not been asked in vain.
                delay = self.soon(now) - now;
            }
            self.plan = Plan::Waiting { until: now + delay };
            self.tell_state(State::Waiting { attempt: self.attempt, delay, reason });
        }
    }

    /// The delay before the next attempt, or `None` and the end when all are used up.
    fn next_delay(&mut self, hint: Option<Duration>, now: Moment) -> Option<Duration> {
        let hint = hint.unwrap_or_default().min(MAX_HINT);
        self.not_before = now + hint;
        if self.offline {
            // It costs no attempt: the server has nothing to do with it.
            self.attempt = self.attempt.max(1);
            return Some(OFFLINE_DELAY.max(hint));
        }
        if self.settings.max_attempts.is_some_and(|most| self.attempt >= most) {
            self.close(ClosedReason::GaveUp);
            return None;
        }
        if self.attempt == 0 {
            self.place = self.rng.f64();
        }
        self.attempt = self.attempt.saturating_add(1);
        // On top of the hint: a server may have given many clients the same one.
        Some(hint + self.settings.backoff.delay(self.attempt, self.place))
    }

    // Polling.

    fn start_polling(&mut self, reason: PollReason, now: Moment) {
        let Some(_is_compiled_in) = CompiledIn::PROOF else { return };
        self.count_afresh();
        self.health = None;
        let request = self.send_poll(now);
        self.plan = Plan::Polling(Polling {
            _is_compiled_in,
            reason,
            request,
            failures_in_a_row: 0,
            probe: None,
            probe_at: None,
            probes: 0,
        });
        self.schedule_probe(now);
        self.tell_state(State::Polling { reason });
    }

    fn send_poll(&mut self, now: Moment) -> PollRequest {
        let link = self.new_link();
        let wait = self.settings.poll_wait;
        self.actions.push_back(Action::Poll { link, resume: self.resume(), wait });
        PollRequest::Sent { link, sent_at: now, give_up_at: now + wait + self.settings.connect_timeout, n_events: 0 }
    }

    fn is_poll(&self, link: Link) -> bool {
        match &self.plan {
            Plan::Polling(polling) => matches!(polling.request, PollRequest::Sent { link: sent, .. } if sent == link),
            _ => false,
        }
    }

    fn poll_done(&mut self, link: Link, cursor: &str, now: Moment) {
        if !self.is_poll(link) {
            return;
        }
        self.advance(cursor.as_bytes());
        self.attempt = 0;
        self.offline = false;
        self.counters.polls_total += 1;
        let interval = self.settings.poll_interval;
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.failures_in_a_row = 0;
        if let PollRequest::Sent { sent_at, n_events, .. } = polling.request {
            let at = if n_events < FULL_POLL { (sent_at + interval).max(now) } else { now };
            polling.request = PollRequest::Next { at };
        }
        let reason = polling.reason;
        self.tell_state(State::Polling { reason });
    }

    fn poll_failed(&mut self, hint: Option<Duration>, now: Moment) {
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.failures_in_a_row += 1;
        if polling.reason != PollReason::SwitchedOff && polling.failures_in_a_row >= FAILED_POLLS_UNTIL_STREAM {
            self.leave_polling();
            self.wait(Loss::PollFailed, hint, now);
            return;
        }
        let Some(delay) = self.next_delay(hint, now) else { return };
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.request = PollRequest::Next { at: now + delay };
        self.tell_state(State::Waiting { attempt: self.attempt, delay, reason: Loss::PollFailed });
    }

    fn schedule_probe(&mut self, now: Moment) {
        let jitter = 0.5 + self.rng.f64() / 2.0;
        let interval = part(self.settings.probe_interval, jitter);
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.probe_at = match polling.reason {
            PollReason::SwitchedOff => None,
            PollReason::ServerDisabled => Some(now + interval),
            PollReason::StreamBlocked => {
                let doublings = polling.probes.min(MAX_PROBE_DOUBLINGS);
                Some(now + interval.saturating_mul(1 << doublings))
            }
        };
    }

    /// Looks whether a stream works again: by a cheap question where the server said no, by trying
    /// where the way is blocked.
    fn probe(&mut self, now: Moment) {
        let Plan::Polling(polling) = &mut self.plan else { return };
        polling.probe_at = None;
        if self.offline {
            self.schedule_probe(now);
            return;
        }
        match polling.reason {
            PollReason::SwitchedOff => {}
            PollReason::ServerDisabled => {
                self.schedule_probe(now);
                self.ask_health(now);
            }
            PollReason::StreamBlocked => self.try_stream(now),
        }
    }

    fn try_stream(&mut self, now: Moment) {
        if !matches!(self.resume(), Resume::After(_)) {
            // No poll has said yet where to begin. Beside one, the stream would begin elsewhere, and what
            // lies between the two would be left out without a word.
            self.leave_polling();
            self.connect(now);
            return;
        }
        let stream = self.open_stream(now);
        if let Plan::Polling(polling) = &mut self.plan {
            polling.probes += 1;
            polling.probe_at = None;
            polling.probe = Some(stream);
        }
    }

    fn cancel(&mut self, request: PollRequest) {
        if let PollRequest::Sent { link, .. } = request {
            self.actions.push_back(Action::CancelPoll { link });
        }
    }

    fn leave_polling(&mut self) {
        if let Plan::Polling(polling) = core::mem::replace(&mut self.plan, Plan::NotStarted) {
            self.cancel(polling.request);
            if let Some(stream) = polling.probe {
                self.actions.push_back(Action::CloseStream { link: stream.link });
            }
        }
    }

    // The server's health.

    fn ask_health(&mut self, now: Moment) {
        // Without polling the answer would change nothing.
        let matters = self.settings.polling && !self.offline && !matches!(self.plan, Plan::Closed);
        if matters && self.health.is_none() {
            let link = self.new_link();
            self.health = Some((link, now + self.settings.connect_timeout));
            self.actions.push_back(Action::AskHealth { link });
        }
    }

    fn take_health(&mut self, link: Link) -> bool {
        self.health.take_if(|(asked, _)| *asked == link).is_some()
    }

    fn health(&mut self, enabled: bool, now: Moment) {
        match &mut self.plan {
            Plan::Waiting { .. } if self.settings.polling => {
                if !enabled {
                    self.start_polling(PollReason::ServerDisabled, now);
                } else {
                    self.refused(now);
                }
            }
            Plan::Polling(polling) => match (polling.reason, enabled) {
                (PollReason::ServerDisabled, true) if polling.probe.is_none() => self.try_stream(now),
                (PollReason::StreamBlocked, false) => self.polls_since_disabled(now),
                _ => {}
            },
            _ => {}
        }
    }

    /// Polling goes on, and the server's switch is why.
    fn polls_since_disabled(&mut self, now: Moment) {
        if let Plan::Polling(polling) = &mut self.plan {
            polling.reason = PollReason::ServerDisabled;
            self.schedule_probe(now);
            self.tell_state(State::Polling { reason: PollReason::ServerDisabled });
        }
    }

    // The page's switch, and the end.

    fn set_enabled(&mut self, enabled: bool, now: Moment) {
        if self.settings.enabled == enabled {
            return;
        }
        self.settings.enabled = enabled;
        match (&mut self.plan, enabled) {
            (Plan::NotStarted | Plan::Closed, _) => {}
            (_, false) => self.switch_off(now),
            (Plan::SwitchedOff, true) => self.connect(now),
            (Plan::Polling(polling), true) => {
                // Polling goes on until the stream has shown that it works.
                polling.reason = PollReason::StreamBlocked;
                self.try_stream(now);
            }
            (Plan::Waiting { .. } | Plan::Streaming(_), true) => {}
        }
    }

    fn switch_off(&mut self, now: Moment) {
        if let Plan::Streaming(stream) = &self.plan {
            self.actions.push_back(Action::CloseStream { link: stream.link });
        }
        self.leave_polling();
        self.health = None;
        if self.settings.polling {
            self.start_polling(PollReason::SwitchedOff, now);
        } else {
            self.plan = Plan::SwitchedOff;
            self.tell_state(State::Closed { reason: ClosedReason::SwitchedOff });
        }
    }

    fn close(&mut self, reason: ClosedReason) {
        if matches!(self.plan, Plan::Closed) {
            return;
        }
        if let Plan::Streaming(stream) = &self.plan {
            self.actions.push_back(Action::CloseStream { link: stream.link });
        }
        self.leave_polling();
        self.plan = Plan::Closed;
        self.health = None;
        self.tell_state(State::Closed { reason });
    }

    // Time.

    fn due(&mut self, now: Moment) {
        if self.paused {
            return;
        }
        self.health.take_if(|(_, give_up_at)| now >= *give_up_at);
        match &self.plan {
            Plan::Waiting { until } if now >= *until => self.connect(now),
            Plan::Streaming(_) => self.check_stream(now),
            Plan::Polling(polling) => {
                let probe_due = polling.probe_at.is_some_and(|at| now >= at);
                self.check_stream(now);
                if probe_due {
                    self.probe(now);
                }
                self.check_poll(now);
            }
            _ => {}
        }
    }

    fn check_stream(&mut self, now: Moment) {
        let Some(stream) = self.any_stream() else { return };
        if stream.renew_at.is_some_and(|at| now >= at) {
            // Also when it was not heard for too long: the next one shows whether the peer is there.
            return self.renew(now);
        }
        let Some((deadline, loss)) = stream.judgement().filter(|(deadline, _)| now >= *deadline) else { return };
        if stream.last_chance.is_none() && now - deadline >= LATE {
            stream.last_chance = Some(LastChance { until: now + GRACE, loss });
        } else {
            self.lost(loss, None, None, now);
        }
    }

    fn check_poll(&mut self, now: Moment) {
        let Plan::Polling(polling) = &self.plan else { return };
        match polling.request {
            PollRequest::Sent { link, give_up_at, .. } if now >= give_up_at => {
                self.actions.push_back(Action::CancelPoll { link });
                self.poll_failed(None, now);
            }
            PollRequest::Next { at } if now >= at => {
                let request = self.send_poll(now);
                if let Plan::Polling(polling) = &mut self.plan {
                    polling.request = request;
                }
            }
            _ => {}
        }
    }

    // The page.

    fn tell(&mut self, notice: Notice) {
        self.actions.push_back(Action::Tell(notice));
    }

    fn tell_state(&mut self, state: State) {
        if self.told != Some(state) {
            self.told = Some(state);
            self.tell(Notice::State(state));
        }
    }

    fn new_link(&mut self) -> Link {
        self.next_link += 1;
        Link(self.next_link)
    }
}

impl Stream {
    fn deadline(&self) -> Option<Moment> {
        earliest([self.judgement().map(|(deadline, _)| deadline), self.renew_at])
    }

    /// When the stream is lost unless it is heard before, and to what.
    fn judgement(&self) -> Option<(Moment, Loss)> {
        if let Some(LastChance { until, loss }) = self.last_chance {
            return Some((until, loss));
        }
        match self.first_event_by {
            Some(deadline) => Some((deadline, Loss::ConnectTimeout)),
            None => self.watchdog.deadline().map(|deadline| (deadline, Loss::Silent)),
        }
    }

    /// When a stream that is well has been heard.
    fn expected_by(&self) -> Option<Moment> {
        self.first_event_by.or_else(|| self.watchdog.expected_by())
    }

    fn heard(&mut self, now: Moment) {
        self.watchdog.heard(now);
        self.last_chance = None;
    }

    /// For how long something was heard. A proxy that lets the first bytes through and swallows the
    /// rest makes a stream that is open for long and heard for a moment.
    fn heard_for(&self) -> Duration {
        self.watchdog.last_heard() - self.since
    }

    fn latency(&mut self, server_time_ms: u64, now: Moment) -> Duration {
        // What is beyond 300 million years is a server's nonsense, and costs nothing but the figure.
        let offset = now.since_origin_ms().wrapping_sub(server_time_ms).cast_signed();
        let fastest = self.clock_offset_ms.map_or(offset, |fastest| fastest.min(offset));
        self.clock_offset_ms = Some(fastest);
        Duration::from_millis(offset.wrapping_sub(fastest).cast_unsigned())
    }
}

impl Polling {
    fn deadline(&self) -> Option<Moment> {
        let request = match self.request {
            PollRequest::Sent { give_up_at, .. } => give_up_at,
            PollRequest::Next { at } => at,
        };
        earliest([Some(request), self.probe_at, self.probe.as_ref().and_then(Stream::deadline)])
    }
}

/// Whether a gap ends before it begins, since the server does not know the place that it was asked for.
fn leads_back(gap: &Gap) -> bool {
    let from = gap.from.as_deref().and_then(|from| from.parse::<Cursor>().ok());
    let (Some(from), Ok(to)) = (from, gap.to.parse::<Cursor>()) else { return false };
    from.epoch == to.epoch && !from.is_behind_or_at(to)
}

fn earliest<const N: usize>(moments: [Option<Moment>; N]) -> Option<Moment> {
    moments.into_iter().flatten().min()
}
