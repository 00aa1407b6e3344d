//! One connection: what happened goes into the machine, what is to be done comes out in turn.
//!
//! The client owns the machine, the decoder of a stream over `fetch`, and what has been told last. It decides
//! nothing, and opens nothing: JavaScript does what [`next_told`](Client::next_told) says.

use crate::places::{Place, Units, place_of_event};
use crate::words::{Happening, Setting, Told};
use core::mem;
use core::time::Duration;
use heartwire_protocol::answer::RefusalAnswer;
use heartwire_protocol::connection::{Action, Connection, Input, Link, Notice, Resume, Settings, SilenceLimit, State};
use heartwire_protocol::control::{Closing, ClosingReason, Connected, Expiring, Gap, GapReason, Heartbeat};
use heartwire_protocol::decode::{DEFAULT_MAX_EVENT_BYTES, EventRef, text_of};
use heartwire_protocol::frame;
use heartwire_protocol::{Control, Decoder, Moment};

/// What ends each text but the last, where a message has several.
const END_OF_TEXT: &[u8] = b"\0";
/// As many as a [`Told::Copy`] needs.
const N_NUMBERS: usize = 6;
/// So many events are told by one [`Told::Slices`] at the most.
const N_SLICES: usize = 128;
/// So much memory is kept from one call to the next.
const KEPT_BYTES: usize = 64 * 1024;

/// One connection behind the border. The functions of this crate have one of their own.
#[derive(Debug)]
pub struct Client {
    /// No frames were asked for, so none are known.
    no_frames: bool,
    machine: Connection,
    /// What JavaScript has written for the next call: so many bytes, before what was left by an earlier one.
    room: Vec<u8>,
    n_room_bytes: usize,
    /// The moment of what is being taken in. All events of one piece came at once.
    now: Moment,
    /// The stream that was opened last.
    stream: Option<Link>,
    decoder: Decoder,
    /// Along the decoder's lines.
    units: Units,
    /// The type of the last event that was told as a slice or a copy.
    last_type: String,
    at_hand: AtHand,
    /// The places of the events that were told as slices.
    slices: [Place; N_SLICES],
    /// The decoder's event has to wait until those were told.
    event_waits: bool,
    /// The stream was given up for an event that is too long, which the page has still to be told.
    too_long: bool,
    /// The types that the page listens for.
    types: Vec<String>,
    /// The id of the last event for the page that the open stream brought by way of JavaScript.
    last_id: String,
    /// What belongs to what was told: its numbers, and its text, unless that is the decoder's.
    numbers: [f64; N_NUMBERS],
    text: Vec<u8>,
    text_is_decoders: bool,
}

/// The event that was just handed to the machine, should it say `Deliver`.
#[derive(Debug, Default)]
enum AtHand {
    /// JavaScript has it.
    #[default]
    Beyond,
    /// The decoder has it, and here it stands in its text.
    Slice(Place),
    /// The decoder has it.
    Decoded,
    /// The decoder has it, and JavaScript is to have it opened.
    // Only now, when the page has not had it already.
    Frame,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client whose settings have their defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            no_frames: false,
            machine: Connection::new(Settings::DEFAULT),
            room: Vec::new(),
            n_room_bytes: 0,
            now: Moment::from_millis(0),
            stream: None,
            decoder: Decoder::new(DEFAULT_MAX_EVENT_BYTES),
            units: Units::START,
            last_type: String::new(),
            at_hand: AtHand::Beyond,
            slices: [[0; 6]; N_SLICES],
            event_waits: false,
            too_long: false,
            types: Vec::new(),
            last_id: String::new(),
            numbers: [0.0; N_NUMBERS],
            text: Vec::new(),
            text_is_decoders: false,
        }
    }

    /// See `room` in `border`.
    pub fn room(&mut self, n_bytes: usize) -> &mut [u8] {
        if self.room.len() < n_bytes {
            self.room.resize(n_bytes, 0);
        }
        self.n_room_bytes = n_bytes;
        &mut self.room[..n_bytes]
    }

    /// See `set` in `border`. A number that no setting has is ignored.
    pub fn set(&mut self, setting: u32, value: f64) {
        let Some(setting) = Setting::ALL.get(setting as usize) else { return };
        let settings = self.machine.settings_mut();
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
            Setting::Frames => self.no_frames = value == 0.0,
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
        let written = &room[..mem::take(&mut self.n_room_bytes)];
        if let Happening::Chunk = happening {
            self.read(link, written);
            self.keep(room);
            return;
        }
        // JavaScript's encoder makes nothing else.
        let text = core::str::from_utf8(written).unwrap_or_default();
        let mut rest = text;
        let input = match happening {
            Happening::Start => {
                if let Resume::After(id) = &mut self.machine.settings_mut().resume {
                    text.clone_into(id);
                }
                Input::Start
            }
            Happening::Opened => Input::Opened { link },
            Happening::Event => {
                self.at_hand = AtHand::Beyond;
                // A poll's events have ids of their own.
                let id = if self.stream == Some(link) { own_id(&mut self.last_id, text) } else { text };
                Input::Event { link, id: id.as_bytes() }
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
            Happening::SetEnabled => Input::SetEnabled(number != 0.0),
            Happening::Offline => Input::Offline,
            Happening::Online => Input::Online,
            Happening::Paused => Input::Paused,
            Happening::Woke => Input::Woke,
            Happening::Due => Input::Due,
            Happening::Close => {
                // What the page has not been given must not count as seen.
                self.stream = None;
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
        let mut n_slices = 0;
        while n_slices < N_SLICES {
            match (self.machine.peek_action(), &self.at_hand) {
                (Some(Action::Deliver), AtHand::Slice(place)) => {
                    self.slices[n_slices] = *place;
                    n_slices += 1;
                    if place[1] > 0 {
                        self.keep_type();
                    }
                    self.machine.next_action();
                }
                (Some(_), _) if n_slices > 0 => break,
                (Some(_), _) => {
                    if let Some(action) = self.machine.next_action() {
                        return self.tell(action);
                    }
                }
                (None, _) => {
                    if let Some(told) = self.read_on(n_slices > 0) {
                        if n_slices == 0 {
                            return told;
                        }
                        break;
                    }
                }
            }
        }
        self.told(Told::Slices, &[n_slices as f64]);
        self.text_is_decoders = true;
        Told::Slices
    }

    /// See `slices` in `border`.
    #[must_use]
    pub fn slices(&self) -> &[[u32; 6]] {
        &self.slices
    }

    /// See `count_units` in `border`.
    pub fn count_units(&mut self) {
        let (text, n_slices) = (self.decoder.lines(), self.numbers[0] as usize);
        for place in self.slices.iter_mut().take(n_slices) {
            self.units.convert(place, text);
        }
    }

    /// See `numbers` in `border`.
    #[must_use]
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// The text that belongs to what was told. That of a stream is as it came, and may have in it what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        if self.text_is_decoders { self.decoder.lines() } else { &self.text }
    }

    /// See `last_event_id` in `border`.
    pub fn last_event_id(&mut self) {
        self.text.clear();
        if let Resume::After(id) = self.machine.resume() {
            self.text.extend_from_slice(id.as_bytes());
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
            6 => of_machine.duplicates_total,
            _ => of_machine.gaps_total,
        };
        count as f64
    }

    // A stream over fetch.

    fn read(&mut self, link: Link, bytes: &[u8]) {
        if self.stream == Some(link) {
            self.decoder.feed(bytes);
            self.units = Units::START;
            self.machine.handle(Input::Heard { link }, self.now);
        }
    }

    /// Hands the machine the next event of the stream. Answers what JavaScript has to do before the machine can
    /// say anything, or that there is nothing more. Where slices wait to be told, that is all the answer: what comes
    /// next may depend on what the page makes of them.
    fn read_on(&mut self, slices_wait: bool) -> Option<Told> {
        if !slices_wait && mem::take(&mut self.too_long) {
            return Some(self.trouble("event-too-long", "an event is longer than 32 MiB"));
        }
        let Some(link) = self.stream else { return Some(Told::Nothing) };
        if !mem::take(&mut self.event_waits) {
            match self.decoder.advance() {
                Ok(true) => {}
                Ok(false) => return Some(Told::Nothing),
                Err(_) => {
                    self.machine.handle(Input::Lost { link, status: None, retry_after: None }, self.now);
                    self.stream = None;
                    self.too_long = true;
                    return None;
                }
            }
        }
        let event = self.decoder.event();
        // Then it is as wanted as that one, and JavaScript knows its type.
        let is_of_last_type = event.event_type == self.last_type.as_bytes();
        let mut is_frame = false;
        if !is_of_last_type {
            let event_type = &*text_of(event.event_type);
            let inner = if self.no_frames { None } else { frame::inner_type(event_type) };
            let is_control = Control::is_control_type(event_type);
            let is_wanted = is_wanted(&self.types, inner.unwrap_or(event_type));
            if slices_wait && (is_control || !is_wanted) {
                self.event_waits = true;
                return Some(Told::Nothing);
            }
            if is_control {
                return Some(self.copied(Told::Control));
            }
            if !is_wanted {
                return None;
            }
            is_frame = inner.is_some();
        }
        self.at_hand = if is_frame {
            AtHand::Frame
        } else {
            place_of_event(&self.decoder, is_of_last_type).map_or(AtHand::Decoded, AtHand::Slice)
        };
        let is_new = self.decoder.take_new_id();
        let id = if is_new { self.decoder.event().last_event_id } else { b"" };
        self.machine.handle(Input::Event { link, id }, self.now);
        None
    }

    // What is to be done.

    fn tell(&mut self, action: Action) -> Told {
        match action {
            Action::OpenStream { link, resume } => {
                self.stream = Some(link);
                self.event_waits = false;
                self.decoder = Decoder::new(DEFAULT_MAX_EVENT_BYTES);
                self.units = Units::START;
                self.last_id.clear();
                self.told_where(Told::OpenStream, link, resume, Duration::ZERO)
            }
            Action::CloseStream { link } => {
                // Of what it brought, nothing is read any more.
                self.stream = self.stream.filter(|open| *open != link);
                self.told(Told::CloseStream, &[number_of(link)])
            }
            Action::Poll { link, resume, wait } => self.told_where(Told::Poll, link, resume, wait),
            Action::CancelPoll { .. } => Told::CancelPoll,
            Action::AskHealth { link } => self.told(Told::AskHealth, &[number_of(link)]),
            Action::Deliver => self.deliver(),
            Action::Tell(Notice::State(state)) => {
                let (number, attempt, delay, reason) = in_words(state);
                self.say(&[reason]);
                self.told(Told::State, &[number, attempt.into(), ms_of_span(delay)])
            }
            Action::Tell(Notice::Heartbeat { latency }) => self.told(Told::Heartbeat, &[ms_of_span(latency)]),
            Action::Tell(Notice::Gap(Gap { from, to, reason })) => {
                self.say(&[from.as_deref().unwrap_or_default(), &to, reason.as_str()]);
                self.told(Told::Gap, &[])
            }
            Action::Tell(Notice::Expiring { expires_in }) => self.told(Told::Expiring, &[ms_of_span(expires_in)]),
        }
    }

    fn deliver(&mut self) -> Told {
        match mem::take(&mut self.at_hand) {
            AtHand::Beyond => Told::Deliver,
            AtHand::Slice(_) | AtHand::Decoded => {
                self.keep_type();
                self.copied(Told::Copy)
            }
            AtHand::Frame => self.copied(Told::Frame),
        }
    }

    /// The event that is told now is of the same type as the next ones, most likely.
    fn keep_type(&mut self) {
        self.last_type.clear();
        self.last_type.push_str(&text_of(self.decoder.event().event_type));
    }

    /// With the decoder's event in a text of its own.
    fn copied(&mut self, told: Told) -> Told {
        let EventRef { event_type, data, last_event_id } = self.decoder.event();
        self.text.clear();
        for (part, place) in [event_type, data, last_event_id].iter().zip(self.numbers.as_chunks_mut::<2>().0) {
            place[0] = self.text.len() as f64;
            self.text.extend_from_slice(part);
            place[1] = self.text.len() as f64;
        }
        self.told(told, &[])
    }

    fn trouble(&mut self, code: &str, message: &str) -> Told {
        self.say(&[code, message]);
        self.told(Told::Trouble, &[])
    }

    fn told_where(&mut self, told: Told, link: Link, resume: Resume, wait: Duration) -> Told {
        let begins = match &resume {
            Resume::Live => 0.0,
            Resume::Earliest => 1.0,
            Resume::After(_) => 2.0,
        };
        self.text = if let Resume::After(id) = resume { id.into_bytes() } else { Vec::new() };
        self.told(told, &[number_of(link), begins, wait.as_secs_f64()])
    }

    /// Makes these texts the one that belongs to what is told, each ended but the last.
    fn say(&mut self, texts: &[&str]) {
        self.text.clear();
        for (i, text) in texts.iter().enumerate() {
            if i > 0 {
                self.text.extend_from_slice(END_OF_TEXT);
            }
            self.text.extend_from_slice(text.as_bytes());
        }
    }

    /// With these numbers, and the text of its own.
    fn told(&mut self, told: Told, numbers: &[f64]) -> Told {
        for (place, number) in self.numbers.iter_mut().zip(numbers) {
            *place = *number;
        }
        self.text_is_decoders = false;
        told
    }

    /// Keeps the memory of a call for the next one, unless it was a large one.
    fn keep(&mut self, room: Vec<u8>) {
        if room.capacity() <= KEPT_BYTES {
            self.room = room;
        }
    }
}

/// Whether the page listens for this type. Events that are published as `open` and `error` come with the
/// browser's own, so they come by fetch, too.
fn is_wanted(types: &[String], event_type: &str) -> bool {
    matches!(event_type, "open" | "error") || types.iter().any(|known| known == event_type)
}

/// The id of an event for the page that came by way of JavaScript, should it be its own.
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
    let end = texts.bytes().position(|byte| byte == 0).unwrap_or(texts.len());
    let (text, rest) = texts.split_at(end);
    *texts = rest.get(1..).unwrap_or_default();
    text
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
