//! One connection: what happened goes into the machine, what is to be done comes out in turn.
//!
//! The client owns the machine, the decoder of a stream over `fetch`, and what has been told last. It decides
//! nothing, and opens nothing: JavaScript does what [`next_told`](Client::next_told) says.

use crate::batch::{Batch, Place, Spot, place};
use crate::words::{Happening, Setting, Told};
use core::mem;
use core::time::Duration;
use heartwire_protocol::answer::RefusalAnswer;
use heartwire_protocol::connection::{Action, Connection, Input, Link, Notice, Resume, Settings, SilenceLimit, State};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Expiring, Gap, GapReason, Heartbeat};
use heartwire_protocol::decode::EventRef;
use heartwire_protocol::frame::{self, DEFAULT_MAX_OPEN_BYTES, FrameError};
use heartwire_protocol::{Control, Decoder, Moment};

/// What ends each text but the last, where a message has several.
const END_OF_TEXT: char = '\0';
/// As many as [`Told::Slice`] needs.
const N_NUMBERS: usize = 4;
/// So much memory is kept from one call to the next.
const KEPT_BYTES: usize = 64 * 1024;

/// One connection behind the border. The functions of this crate have one of their own.
#[derive(Debug, Default)]
pub struct Client {
    settings: Settings,
    /// The most bytes that a frame may open to; 0 asks for no frames, `None` leaves it to the protocol.
    max_frame_bytes: Option<usize>,
    machine: Connection,
    /// What JavaScript has written for the next call.
    room: Vec<u8>,
    /// The moment of what is being taken in. All events of one piece came at once.
    now: Moment,
    /// The stream that was opened last.
    stream: Option<Link>,
    decoder: Decoder,
    batch: Batch,
    at_hand: AtHand,
    /// The stream was given up for an event that is too long, which the page has still to be told.
    too_long: bool,
    /// The types that the page listens for.
    types: Vec<String>,
    /// The id of the last event for the page that the open stream brought.
    last_id: String,
    frames: FrameCounters,
    /// What belongs to what was told: its numbers, and its text, unless that is the batch's.
    numbers: [f64; N_NUMBERS],
    text: String,
    text_is_batch: bool,
}

/// The event that was just handed to the machine, should it say `Deliver`.
#[derive(Debug, Default)]
enum AtHand {
    /// JavaScript has it.
    #[default]
    Beyond,
    /// It is in the batch.
    Slice(Place),
    /// It is in the batch, and has to be opened.
    // Only now, when the page has not had it already.
    Frame(Spot),
}

#[derive(Debug, Default)]
struct FrameCounters {
    opened: u32,
    bad: u32,
    saved_bytes: f64,
}

impl Client {
    /// See `room` in `border`.
    pub fn room(&mut self, n_bytes: usize) -> &mut [u8] {
        self.room.resize(n_bytes, 0);
        &mut self.room
    }

    /// See `set` in `border`. A number that no setting has is ignored.
    pub fn set(&mut self, setting: u32, value: f64) {
        let Some(setting) = Setting::ALL.get(setting as usize) else { return };
        let settings = &mut self.settings;
        let span = span_of_ms(value);
        match setting {
            Setting::Seed => settings.seed = value as u64,
            Setting::Resume => {
                settings.resume = match value {
                    1.0 => Resume::Earliest,
                    2.0 => Resume::After(String::new()),
                    _ => Resume::Live,
                }
            }
            Setting::MaxFrameBytes => self.max_frame_bytes = Some(value as usize),
            Setting::Enabled => settings.enabled = value != 0.0,
            Setting::Polling => settings.polling = value != 0.0,
            Setting::HeartbeatTimeout => {
                settings.silence = if value.is_finite() { SilenceLimit::Fixed(span) } else { SilenceLimit::Unlimited };
            }
            Setting::ConnectTimeout => settings.connect_timeout = span,
            Setting::BaseReconnectDelay => settings.backoff.base_delay = span,
            Setting::MaxReconnectDelay => settings.backoff.max_delay = span,
            Setting::MaxReconnectAttempts => settings.max_attempts = value.is_finite().then_some(value as u32),
            Setting::HealthyAfter => settings.healthy_after = span,
            Setting::PollInterval => settings.poll_interval = span,
            Setting::PollWait => settings.poll_wait = span,
            Setting::ProbeInterval => settings.probe_interval = span,
            Setting::RenewsToken => settings.renews_token = value != 0.0,
        }
    }

    /// See `handle` in `border`. A number that nothing has is ignored.
    pub fn handle(&mut self, happening: u32, link: u32, number: f64, other: f64, now_ms: f64) {
        let Some(happening) = Happening::ALL.get(happening as usize) else { return };
        let link = Link::numbered(link.into());
        let now = Moment::new(span_of_ms(now_ms));
        self.now = now;
        let room = mem::take(&mut self.room);
        if let Happening::Chunk = happening {
            self.read(link, &room);
            self.keep(room);
            return;
        }
        // JavaScript's encoder makes nothing else.
        let text = core::str::from_utf8(&room).unwrap_or_default();
        let mut rest = text;
        let input = match happening {
            Happening::Start => {
                let mut settings = self.settings.clone();
                // Compiled out means switched off, so that the machine never asks for what cannot be done.
                settings.polling &= cfg!(feature = "polling");
                if let Resume::After(id) = &mut settings.resume {
                    text.clone_into(id);
                }
                if self.machine.state().is_none() {
                    self.machine = Connection::new(settings);
                }
                Input::Start
            }
            Happening::Opened => Input::Opened { link },
            Happening::Event => {
                self.at_hand = AtHand::Beyond;
                // A poll's events have ids of their own.
                let id = if self.stream == Some(link) { own_id(&mut self.last_id, text) } else { text };
                Input::Event { link, id }
            }
            Happening::Connected => {
                let heartbeat_interval_ms = number.is_finite().then_some(number as u64);
                let connected = Connected { protocol: 0, heartbeat_interval_ms, resumed: false, time_ms: other as u64 };
                Input::Control { link, id: text, control: Control::Connected(connected) }
            }
            Happening::Heartbeat => {
                let control = Control::Heartbeat(Heartbeat { time_ms: number as u64 });
                Input::Control { link, id: text, control }
            }
            Happening::Gap => {
                let id = next_text(&mut rest);
                let from = Some(next_text(&mut rest)).filter(|from| !from.is_empty()).map(str::to_owned);
                let to = next_text(&mut rest).to_owned();
                let gap = Gap { from, to, reason: GapReason::from_word(rest) };
                Input::Control { link, id, control: Control::Gap(gap) }
            }
            Happening::Closing => {
                let id = next_text(&mut rest);
                let reason = ClosingReason::from_word(rest);
                Input::Control { link, id, control: Control::Closing(Closing { reason, retry_ms: number as u64 }) }
            }
            Happening::Expiring => {
                let control = Control::Expiring(Expiring { expires_in_ms: number as u64 });
                Input::Control { link, id: text, control }
            }
            Happening::Lost => {
                let retry_after = span_of_seconds(other);
                let refusal = RefusalAnswer { detail: String::new(), code: text.to_owned() };
                match refusal.closing_reason() {
                    Some(reason) => Input::Refused { link, reason, retry_after },
                    None => {
                        let retry = if self.stream == Some(link) { self.decoder.retry() } else { None };
                        let status = (number > 0.0).then_some(number as u16);
                        Input::Lost { link, status, retry_after: retry_after.or(retry) }
                    }
                }
            }
            Happening::PollDone => Input::PollDone { link, cursor: text },
            Happening::PollFailed => Input::PollFailed { link, retry_after: span_of_seconds(number) },
            Happening::Health => Input::Health { link, enabled: number != 0.0 },
            Happening::HealthFailed => Input::HealthFailed { link },
            Happening::SetEnabled => {
                // The machine may be made only now.
                self.settings.enabled = number != 0.0;
                Input::SetEnabled(self.settings.enabled)
            }
            Happening::Offline => Input::Offline,
            Happening::Online => Input::Online,
            Happening::Paused => Input::Paused,
            Happening::Woke => Input::Woke,
            Happening::Due => Input::Due,
            Happening::Close => {
                // What the page has not been given must not count as seen.
                self.batch.clear();
                Input::Close
            }
            Happening::Listen => {
                self.types.push(text.to_owned());
                self.keep(room);
                return;
            }
            // Seen to above.
            Happening::Chunk => return,
        };
        self.machine.handle(input, now);
        self.keep(room);
    }

    /// See `next` in `border`.
    pub fn next_told(&mut self) -> Told {
        loop {
            if let Some(action) = self.machine.next_action() {
                return self.tell(action);
            }
            if let Some(told) = self.read_on() {
                return told;
            }
        }
    }

    /// See `number` in `border`.
    #[must_use]
    pub fn number(&self, index: usize) -> f64 {
        self.numbers.get(index).copied().unwrap_or_default()
    }

    /// The text that belongs to what was told.
    #[must_use]
    pub fn text(&self) -> &str {
        if self.text_is_batch { self.batch.text() } else { &self.text }
    }

    /// See `open_frame` in `border`.
    pub fn open_frame(&mut self) -> bool {
        let room = mem::take(&mut self.room);
        let opened = self.frames.open(core::str::from_utf8(&room).unwrap_or_default(), self.frame_limit());
        self.keep(room);
        let is_open = opened.is_ok();
        self.text = opened.unwrap_or_else(|error| error.as_str().to_owned());
        self.told(Told::Nothing, &[]);
        is_open
    }

    /// See `last_event_id` in `border`.
    pub fn last_event_id(&mut self) {
        self.text.clear();
        if let Resume::After(id) = self.machine.resume() {
            self.text.push_str(id);
        }
        self.told(Told::Nothing, &[]);
    }

    /// See `deadline` in `border`.
    #[must_use]
    pub fn deadline(&self) -> f64 {
        self.machine.deadline().map_or(f64::INFINITY, |moment| ms_of_span(moment.since_origin()))
    }

    /// See `counter` in `border`.
    #[must_use]
    pub fn counter(&self, index: usize) -> f64 {
        let of_machine = self.machine.counters();
        let count = match index {
            0 => of_machine.attempts_total,
            1 => of_machine.opened_total,
            2 => of_machine.losses_total,
            3 => of_machine.silences_total,
            4 => of_machine.polls_total,
            5 => of_machine.heartbeats_total,
            6 => of_machine.delivered_total,
            7 => of_machine.duplicates_total,
            8 => of_machine.gaps_total,
            9 => self.frames.opened.into(),
            10 => self.frames.bad.into(),
            _ => return self.frames.saved_bytes,
        };
        count as f64
    }

    // A stream over fetch.

    fn read(&mut self, link: Link, bytes: &[u8]) {
        if self.stream == Some(link) {
            self.decoder.feed(bytes);
            self.batch.fill(&mut self.decoder);
            self.machine.handle(Input::Heard { link }, self.now);
        }
    }

    /// Hands the machine the next event of the batch. Answers what JavaScript has to do before the machine can
    /// say anything, or that there is nothing more.
    fn read_on(&mut self) -> Option<Told> {
        let Some(link) = self.stream else { return Some(Told::Nothing) };
        let Some(spot) = self.batch.next() else {
            if self.batch.take_too_long() {
                self.machine.handle(Input::Lost { link, status: None, retry_after: None }, self.now);
                self.too_long = true;
                return None;
            }
            if mem::take(&mut self.too_long) {
                return Some(self.trouble("event-too-long", "an event is longer than 32 MiB"));
            }
            return Some(Told::Nothing);
        };
        let EventRef { event_type, last_event_id, .. } = self.batch.event(&spot);
        if Control::is_control_type(event_type) {
            return Some(self.told_of_batch(Told::Control, spot.place));
        }
        let inner = if self.frame_limit() > 0 { frame::inner_type(event_type) } else { None };
        if !is_wanted(&self.types, inner.unwrap_or(event_type)) {
            return None;
        }
        let id = own_id(&mut self.last_id, last_event_id);
        self.machine.handle(Input::Event { link, id }, self.now);
        self.at_hand = if inner.is_some() { AtHand::Frame(spot) } else { AtHand::Slice(spot.place) };
        None
    }

    // What is to be done.

    fn tell(&mut self, action: Action) -> Told {
        match action {
            Action::OpenStream { link, resume } => {
                self.stream = Some(link);
                self.decoder = Decoder::default();
                self.batch.clear();
                self.last_id.clear();
                self.told_where(Told::OpenStream, link, resume, Duration::ZERO)
            }
            Action::CloseStream { link } => self.told(Told::CloseStream, &[number_of(link)]),
            Action::Poll { link, resume, wait } => self.told_where(Told::Poll, link, resume, wait),
            Action::CancelPoll { .. } => Told::CancelPoll,
            Action::AskHealth { link } => self.told(Told::AskHealth, &[number_of(link)]),
            Action::Deliver => self.deliver(),
            Action::Tell(Notice::State(state)) => {
                let (number, attempt, delay, reason) = in_words(state);
                self.text.clear();
                self.text.push_str(reason);
                self.told(Told::State, &[number, attempt.into(), ms_of_span(delay)])
            }
            Action::Tell(Notice::Heartbeat { latency }) => self.told(Told::Heartbeat, &[ms_of_span(latency)]),
            Action::Tell(Notice::Gap(Gap { from, to, reason })) => {
                self.text = join(&[from.as_deref().unwrap_or_default(), &to, reason.as_str()]);
                self.told(Told::Gap, &[])
            }
            Action::Tell(Notice::Expiring { expires_in }) => self.told(Told::Expiring, &[ms_of_span(expires_in)]),
        }
    }

    fn deliver(&mut self) -> Told {
        match mem::take(&mut self.at_hand) {
            AtHand::Beyond => Told::Deliver,
            AtHand::Slice(place) => self.told_of_batch(Told::Slice, place),
            AtHand::Frame(spot) => {
                let limit = self.frame_limit();
                let EventRef { event_type, data, last_event_id } = self.batch.event(&spot);
                match self.frames.open(data, limit) {
                    Ok(payload) => {
                        let event_type = frame::inner_type(event_type).unwrap_or_default();
                        let place = place(&[event_type, &payload, last_event_id], 0);
                        self.text.clear();
                        self.text.push_str(event_type);
                        self.text.push_str(&payload);
                        self.text.push_str(last_event_id);
                        self.numbers = place.map(f64::from);
                        self.told(Told::Opened, &[])
                    }
                    Err(error) => self.trouble("bad-frame", error.as_str()),
                }
            }
        }
    }

    fn frame_limit(&self) -> usize {
        self.max_frame_bytes.unwrap_or(DEFAULT_MAX_OPEN_BYTES)
    }

    fn trouble(&mut self, code: &str, message: &str) -> Told {
        self.text = join(&[code, message]);
        self.told(Told::Trouble, &[])
    }

    fn told_where(&mut self, told: Told, link: Link, resume: Resume, wait: Duration) -> Told {
        let begins = match &resume {
            Resume::Live => 0.0,
            Resume::Earliest => 1.0,
            Resume::After(_) => 2.0,
        };
        self.text = if let Resume::After(id) = resume { id } else { String::new() };
        self.told(told, &[number_of(link), begins, wait.as_secs_f64()])
    }

    /// With these numbers, and the text of its own.
    fn told(&mut self, told: Told, numbers: &[f64]) -> Told {
        for (place, number) in self.numbers.iter_mut().zip(numbers) {
            *place = *number;
        }
        self.text_is_batch = false;
        told
    }

    /// With the text of the batch.
    fn told_of_batch(&mut self, told: Told, place: Place) -> Told {
        self.numbers = place.map(f64::from);
        self.text_is_batch = true;
        told
    }

    /// Keeps the memory of a call for the next one, unless it was a large one.
    fn keep(&mut self, mut room: Vec<u8>) {
        room.clear();
        if room.capacity() <= KEPT_BYTES {
            self.room = room;
        }
    }
}

impl FrameCounters {
    fn open(&mut self, framed: &str, limit: usize) -> Result<String, FrameError> {
        let opened = frame::open(framed, limit);
        match &opened {
            Ok(payload) => {
                self.opened += 1;
                self.saved_bytes += payload.len() as f64 - framed.len() as f64;
            }
            Err(_) => self.bad += 1,
        }
        opened
    }
}

/// Whether the page listens for this type. Events that are published as `open` and `error` come with the
/// browser's own, so they come by fetch, too.
fn is_wanted(types: &[String], event_type: &str) -> bool {
    matches!(event_type, "open" | "error") || types.iter().any(|known| known == event_type)
}

/// The id of an event for the page, should it be its own.
// [spec] An event without an id is dispatched with the last one. It must not pass for that event a second time.
// Our own server gives each event an id, others need not.
fn own_id<'a>(last_id: &mut String, id: &'a str) -> &'a str {
    if *last_id == id {
        return "";
    }
    last_id.clear();
    last_id.push_str(id);
    id
}

fn number_of(link: Link) -> f64 {
    link.number() as f64
}

/// Takes the first of several texts.
fn next_text<'a>(texts: &mut &'a str) -> &'a str {
    let end = texts.bytes().position(|byte| char::from(byte) == END_OF_TEXT).unwrap_or(texts.len());
    let (text, rest) = texts.split_at(end);
    *texts = rest.get(1..).unwrap_or_default();
    text
}

/// Puts texts into one, each ended but the last.
fn join(texts: &[&str]) -> String {
    let mut joined = String::new();
    for (i, text) in texts.iter().enumerate() {
        if i > 0 {
            joined.push(END_OF_TEXT);
        }
        joined.push_str(text);
    }
    joined
}

/// The state's number, its attempt, its delay and its reason.
fn in_words(state: State) -> (f64, u32, Duration, &'static str) {
    match state {
        State::Connecting { attempt } => (0.0, attempt, Duration::ZERO, ""),
        State::Open => (1.0, 0, Duration::ZERO, ""),
        State::Waiting { attempt, delay, reason } => (2.0, attempt, delay, reason.as_str()),
        State::Polling { reason } => (3.0, 0, Duration::ZERO, reason.as_str()),
        State::Closed { reason } => (4.0, 0, Duration::ZERO, reason.as_str()),
    }
}

/// Milliseconds as a span. The casts saturate: what is too long to count is simply very long.
fn span_of_ms(ms: f64) -> Duration {
    Duration::from_micros((ms * 1000.0) as u64)
}

/// Seconds as a span; NaN is none.
fn span_of_seconds(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| span_of_ms(seconds * 1000.0))
}

fn ms_of_span(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
