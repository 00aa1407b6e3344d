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

mod action;
mod events;
mod input;
mod life;
mod polling;
mod settings;
mod stream;

pub use action::{Action, ClosedReason, Counters, Loss, Notice, PollReason, State};
pub use input::{Input, Link};
pub use settings::{Resume, Settings, SilenceLimit};
pub use stream::MAX_HINT;

use crate::cursor::Cursor;
use crate::decode::text_of;
use crate::time::Moment;
use polling::{CompiledIn, PollRequest, Polling};
use std::collections::VecDeque;
use stream::{LastChance, Stream};

/// The state machine of one connection.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    plan: Plan,
    /// The resume point, once events have moved it on.
    last_event_id: Vec<u8>,
    /// The resume point, should it be one that can be compared: read once, and not with each event.
    cursor: Option<Cursor>,
    /// A control event has moved the resume point on to where it is, so no event with that id has come.
    moved_by_control: bool,
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
            moved_by_control: false,
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
        Link::numbered(self.next_link)
    }
}

fn earliest<const N: usize>(moments: [Option<Moment>; N]) -> Option<Moment> {
    moments.into_iter().flatten().min()
}
