//! What happened goes into the machine; its actions are performed.
//!
//! The driver owns the machine and whatever is open at the moment: the stream, a poll, a question after
//! the server's health, the timer. It decides nothing.
//!
//! Any call into JavaScript may come straight back, since a page's listener may close the connection,
//! throw the switch or add a listener. Hence two rules:
//! - what happens while the driver is busy waits in the inbox;
//! - no borrow of a `RefCell` is held across such a call. What is dropped is therefore taken out first.

use crate::address::Address;
use crate::error::{Refusal, Trouble};
use crate::fetched::{Batch, Fetched, Place};
use crate::json::{self, Json, span_of_ms};
use crate::options::Options;
use crate::request::{Answer, Request, number};
use crate::sink::{Sink, Word};
use crate::source::{Heard, Source};
use crate::timer::{Timer, now};
use core::cell::{Cell, RefCell};
use core::time::Duration;
use heartwire_protocol::answer::RefusalAnswer;
#[cfg(feature = "polling")]
use heartwire_protocol::answer::{PollAnswer, PolledEvent};
use heartwire_protocol::connection::{Action, Connection, Input, Link, Notice, Resume, State};
use heartwire_protocol::{Control, Moment, decode::EventRef, frame};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::MessageEvent;

/// One connection and what it has open.
pub(crate) struct Driver {
    sink: Sink,
    address: Address,
    with_credentials: bool,
    fetch: bool,
    max_frame_bytes: Option<usize>,
    machine: RefCell<Connection>,
    open: RefCell<Open>,
    frames: Cell<FrameCounters>,
    inbox: RefCell<VecDeque<Happening>>,
    busy: Cell<bool>,
    /// The moment of what is being taken in. All events of one piece came at once.
    now: Cell<Moment>,
    /// Set as soon as the page has had enough: what is still under way reaches it no more.
    closed_by_page: Cell<bool>,
}

/// What is open, and what the next stream has to know.
#[derive(Default)]
struct Open {
    stream: Option<Stream>,
    timer: Option<Timer>,
    #[cfg(feature = "polling")]
    poll: Option<Request>,
    #[cfg(feature = "polling")]
    health: Option<Request>,
    /// The types that the page listens for.
    types: Vec<String>,
    /// The id of the last event for the page that the open stream brought.
    last_id: String,
    /// Why the last stream or poll was refused: each reason is told once.
    last_refusal: Option<String>,
}

/// The open stream, by either transport.
enum Stream {
    Native(Source),
    Fetched(Fetched),
}

impl Stream {
    fn link(&self) -> Link {
        match self {
            Self::Native(source) => source.link(),
            Self::Fetched(fetched) => fetched.link(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct FrameCounters {
    opened: u32,
    bad: u32,
    saved_bytes: f64,
}

/// Something that happened, until the driver has time for it.
enum Happening {
    Start,
    Due,
    SetEnabled(bool),
    Close,
    Stream(Link, Heard),
    Chunk(u32, Vec<u8>),
    Done(u32, Answer),
}

/// What a request is for.
enum Asked {
    Stream {
        /// The reconnection time that the stream last asked for.
        retry: Option<Duration>,
    },
    #[cfg(feature = "polling")]
    Poll,
    #[cfg(feature = "polling")]
    Health,
}

/// The event that was just handed to the machine, should it say `Deliver`.
enum AtHand<'a> {
    Nothing,
    Event(&'a MessageEvent),
    Frame(&'a MessageEvent),
    Fetched(&'a Batch, Place),
    FetchedFrame(EventRef<'a>),
    #[cfg(feature = "polling")]
    Polled(&'a PolledEvent),
}

impl Driver {
    pub(crate) fn new(url: &str, options: Options, sink: Sink) -> Result<Rc<Self>, Refusal> {
        let Options { mut settings, resume, with_credentials, fetch, max_frame_bytes } = options;
        let address = Address::parse(url, max_frame_bytes.is_some())?;
        settings.resume = resume.unwrap_or_else(|| address.resume().clone());
        Ok(Rc::new(Self {
            sink,
            address,
            with_credentials,
            fetch,
            max_frame_bytes,
            machine: RefCell::new(Connection::new(settings)),
            open: RefCell::default(),
            frames: Cell::default(),
            inbox: RefCell::default(),
            busy: Cell::new(false),
            now: Cell::default(),
            closed_by_page: Cell::new(false),
        }))
    }

    // What the page asks for.

    pub(crate) fn start(self: &Rc<Self>) {
        self.hand_in(Happening::Start);
    }

    pub(crate) fn listen(&self, event_type: &str) {
        let mut open = self.open.borrow_mut();
        if !open.types.iter().any(|known| known == event_type) {
            open.types.push(event_type.to_owned());
            // An `addEventListener` calls nothing back, so the borrow may last.
            if let Some(Stream::Native(source)) = &open.stream {
                source.listen(event_type);
            }
        }
    }

    pub(crate) fn set_enabled(self: &Rc<Self>, enabled: bool) {
        self.hand_in(Happening::SetEnabled(enabled));
    }

    pub(crate) fn close(self: &Rc<Self>) {
        self.closed_by_page.set(true);
        self.hand_in(Happening::Close);
    }

    pub(crate) fn chunk(self: &Rc<Self>, link: u32, bytes: Vec<u8>) {
        self.hand_in(Happening::Chunk(link, bytes));
    }

    pub(crate) fn done(self: &Rc<Self>, link: u32, status: u16, retry_after: f64, body: JsValue) {
        let answer = Answer {
            status: (status > 0).then_some(status),
            retry_after: (retry_after >= 0.0).then(|| span_of_ms(retry_after * 1000.0)),
            body: body.into(),
        };
        self.hand_in(Happening::Done(link, answer));
    }

    pub(crate) fn last_event_id(&self) -> String {
        match self.machine.borrow().resume() {
            Resume::After(id) => id.clone(),
            Resume::Live | Resume::Earliest => String::new(),
        }
    }

    /// In the order of `COUNTERS` in the face's `engine.ts`.
    pub(crate) fn counters(&self) -> Vec<f64> {
        let of_machine = self.machine.borrow().counters();
        let of_frames = self.frames.get();
        vec![
            of_machine.attempts_total as f64,
            of_machine.opened_total as f64,
            of_machine.losses_total as f64,
            of_machine.silences_total as f64,
            of_machine.polls_total as f64,
            of_machine.heartbeats_total as f64,
            of_machine.delivered_total as f64,
            of_machine.duplicates_total as f64,
            of_machine.gaps_total as f64,
            of_frames.opened.into(),
            of_frames.bad.into(),
            of_frames.saved_bytes,
        ]
    }

    // What happened.

    fn hand_in(self: &Rc<Self>, happening: Happening) {
        self.inbox.borrow_mut().push_back(happening);
        if self.busy.replace(true) {
            return;
        }
        while let Some(happening) = self.next_happening() {
            self.now.set(now());
            self.take_in(happening);
        }
        self.set_timer();
        self.busy.set(false);
    }

    // A function of its own, so that the borrow ends before the happening is looked at.
    fn next_happening(&self) -> Option<Happening> {
        self.inbox.borrow_mut().pop_front()
    }

    fn take_in(self: &Rc<Self>, happening: Happening) {
        match happening {
            Happening::Start => self.step(Input::Start, &AtHand::Nothing),
            Happening::Due => {
                drop(self.open.borrow_mut().timer.take());
                self.step(Input::Due, &AtHand::Nothing);
            }
            Happening::SetEnabled(enabled) => self.step(Input::SetEnabled(enabled), &AtHand::Nothing),
            Happening::Close => self.step(Input::Close, &AtHand::Nothing),
            Happening::Stream(link, heard) => self.heard(link, heard),
            Happening::Chunk(link, bytes) => self.read(link, &bytes),
            Happening::Done(link, answer) => self.answered(link, &answer),
        }
    }

    fn heard(self: &Rc<Self>, link: Link, heard: Heard) {
        match heard {
            Heard::Opened => self.step(Input::Opened { link }, &AtHand::Nothing),
            Heard::Lost => {
                self.step(Input::Lost { link, status: None, retry_after: None }, &AtHand::Nothing);
            }
            Heard::Event(event) => self.event(link, &event.last_event_id(), &AtHand::Event(&event)),
            Heard::Frame(event) => self.event(link, &event.last_event_id(), &AtHand::Frame(&event)),
            Heard::Control(event) => self.control(link, &event.type_(), &event.data(), &event.last_event_id()),
        }
    }

    /// An event for the page. A frame counts as seen whether or not it opens: asked for again, it would
    /// be no better.
    fn event(self: &Rc<Self>, link: Link, id: &str, at_hand: &AtHand<'_>) {
        let id = if self.is_new(id) { id } else { "" };
        self.step(Input::Event { link, id }, at_hand);
    }

    /// Whether an event for the page has an id of its own.
    fn is_new(&self, id: &str) -> bool {
        let mut open = self.open.borrow_mut();
        // [spec] An event without an id is dispatched with the last one. It must not pass for that
        // event a second time. Our own server gives each event an id, others need not.
        let is_new = open.last_id != id;
        if is_new {
            open.last_id.clear();
            open.last_id.push_str(id);
        }
        is_new
    }

    fn control(self: &Rc<Self>, link: Link, event_type: &str, data: &JsValue, id: &str) {
        match Json::parse(data).and_then(|data| json::control(event_type, &data)) {
            Some(control) => self.step(Input::Control { link, id, control }, &AtHand::Nothing),
            None => self.trouble(&Trouble::BadControl),
        }
    }

    /// The next bytes of a stream over `fetch`.
    fn read(self: &Rc<Self>, number_of_link: u32, bytes: &[u8]) {
        let Some((link, batch)) = self.decode(number_of_link, bytes) else { return };
        self.step(Input::Heard { link }, &AtHand::Nothing);
        for (event, place) in batch.events() {
            // What the page has not been given must not count as seen.
            if self.closed_by_page.get() {
                return;
            }
            let EventRef { event_type, data, last_event_id: id } = event;
            if Control::is_control_type(event_type) {
                self.control(link, event_type, &data.into(), id);
            } else if let Some(inner) = frame::inner_type(event_type)
                && self.max_frame_bytes.is_some()
            {
                if self.is_wanted(inner) {
                    self.event(link, id, &AtHand::FetchedFrame(EventRef { event_type: inner, ..event }));
                }
            } else if self.is_wanted(event_type) {
                self.event(link, id, &AtHand::Fetched(&batch, place));
            }
        }
        if batch.too_long {
            self.step(Input::Lost { link, status: None, retry_after: None }, &AtHand::Nothing);
            self.trouble(&Trouble::EventTooLong);
        }
    }

    // A function of its own, so that the borrow ends before the events are looked at.
    fn decode(&self, number_of_link: u32, bytes: &[u8]) -> Option<(Link, Batch)> {
        match &mut self.open.borrow_mut().stream {
            Some(Stream::Fetched(fetched)) if number(fetched.link()) == number_of_link => {
                Some((fetched.link(), fetched.decode(bytes)))
            }
            _ => None,
        }
    }

    /// Whether the page listens for this type. Events that are published as `open` and `error` come with
    /// the browser's own, so they come here too.
    fn is_wanted(&self, event_type: &str) -> bool {
        matches!(event_type, "open" | "error") || self.open.borrow().types.iter().any(|known| known == event_type)
    }

    /// The end of a request; of one that was abandoned nobody wants to know.
    fn answered(self: &Rc<Self>, number_of_link: u32, answer: &Answer) {
        match self.asked(number_of_link) {
            Some((link, Asked::Stream { retry })) => self.stream_ended(link, retry, answer),
            #[cfg(feature = "polling")]
            Some((link, Asked::Poll)) => self.polled(link, answer),
            #[cfg(feature = "polling")]
            Some((link, Asked::Health)) => {
                let enabled = if answer.is_good() { json::health_answer(&answer.body) } else { None };
                let input = enabled.map_or(Input::HealthFailed { link }, |enabled| Input::Health { link, enabled });
                self.step(input, &AtHand::Nothing);
            }
            None => {}
        }
    }

    // A function of its own, so that the borrow ends before the answer is looked at.
    fn asked(&self, number_of_link: u32) -> Option<(Link, Asked)> {
        let open = self.open.borrow();
        let stream = match &open.stream {
            Some(Stream::Fetched(fetched)) => Some((fetched.link(), Asked::Stream { retry: fetched.retry() })),
            _ => None,
        };
        let asked = [
            stream,
            #[cfg(feature = "polling")]
            open.poll.as_ref().map(|poll| (poll.link(), Asked::Poll)),
            #[cfg(feature = "polling")]
            open.health.as_ref().map(|health| (health.link(), Asked::Health)),
        ];
        asked.into_iter().flatten().find(|(link, _)| number(*link) == number_of_link)
    }

    fn stream_ended(self: &Rc<Self>, link: Link, retry: Option<Duration>, answer: &Answer) {
        let Answer { status, retry_after, body } = answer;
        let refusal = json::refusal_answer(body);
        let input = match refusal.as_ref().and_then(RefusalAnswer::closing_reason) {
            Some(reason) => Input::Refused { link, reason, retry_after: *retry_after },
            None => Input::Lost { link, status: *status, retry_after: retry_after.or(retry) },
        };
        self.step(input, &AtHand::Nothing);
        self.refused(refusal.map(Trouble::Refused));
    }

    #[cfg(feature = "polling")]
    fn polled(self: &Rc<Self>, link: Link, answer: &Answer) {
        let trouble = if answer.is_good() {
            if let Some(answer) = json::poll_answer(&answer.body) {
                self.poll_done(link, &answer);
                return;
            }
            Some(Trouble::BadAnswer)
        } else {
            json::refusal_answer(&answer.body).map(Trouble::Refused)
        };
        self.step(Input::PollFailed { link, retry_after: answer.retry_after }, &AtHand::Nothing);
        self.refused(trouble);
    }

    /// Tells why a stream or a poll was refused, unless that was why the last time.
    fn refused(&self, trouble: Option<Trouble>) {
        let code = trouble.as_ref().map(|trouble| trouble.code().to_owned());
        let last_code = core::mem::replace(&mut self.open.borrow_mut().last_refusal, code.clone());
        if let Some(trouble) = trouble
            && code != last_code
        {
            self.trouble(&trouble);
        }
    }

    #[cfg(feature = "polling")]
    fn poll_done(self: &Rc<Self>, link: Link, answer: &PollAnswer) {
        self.open.borrow_mut().last_refusal = None;
        if let Some(gap) = &answer.gap {
            let control = Control::Gap(gap.clone());
            self.step(Input::Control { link, id: "", control }, &AtHand::Nothing);
        }
        for event in &answer.events {
            // What the page has not been given must not count as seen.
            if self.closed_by_page.get() {
                return;
            }
            self.step(Input::Event { link, id: &event.id }, &AtHand::Polled(event));
        }
        self.step(Input::PollDone { link, cursor: &answer.cursor }, &AtHand::Nothing);
    }

    // What is to be done.

    /// Hands one input to the machine and performs the actions that come back.
    fn step(self: &Rc<Self>, input: Input<'_>, at_hand: &AtHand<'_>) {
        self.machine.borrow_mut().handle(input, self.now.get());
        while let Some(action) = self.next_action() {
            self.perform(action, at_hand);
        }
    }

    fn next_action(&self) -> Option<Action> {
        self.machine.borrow_mut().next_action()
    }

    fn perform(self: &Rc<Self>, action: Action, at_hand: &AtHand<'_>) {
        match action {
            Action::OpenStream { link, resume } => self.open_stream(link, &resume),
            Action::CloseStream { link } => {
                let closed = self.open.borrow_mut().stream.take_if(|stream| stream.link() == link);
                drop(closed);
            }
            Action::Deliver => self.deliver(at_hand),
            Action::Tell(notice) => {
                let last_word = matches!(notice, Notice::State(State::Closed { .. }));
                if last_word || !self.closed_by_page.get() {
                    self.sink.tell(&Word::Notice(&notice));
                }
            }
            #[cfg(feature = "polling")]
            Action::Poll { link, resume, wait } => self.poll(link, &resume, wait),
            #[cfg(feature = "polling")]
            Action::CancelPoll { .. } => {
                let abandoned = self.open.borrow_mut().poll.take();
                drop(abandoned);
            }
            #[cfg(feature = "polling")]
            Action::AskHealth { link } => self.ask_health(link),
            // Polling is off in the settings, and the answer to the question would change nothing.
            #[cfg(not(feature = "polling"))]
            Action::Poll { .. } | Action::CancelPoll { .. } | Action::AskHealth { .. } => {}
        }
    }

    fn open_stream(self: &Rc<Self>, link: Link, resume: &Resume) {
        let url = self.address.stream(resume);
        let opened = if self.fetch {
            Request::send(&self.sink, url, link, true).map(|request| Stream::Fetched(Fetched::new(request)))
        } else {
            let driver = Rc::clone(self);
            let heard = move |link, heard| driver.hand_in(Happening::Stream(link, heard));
            let frames = self.max_frame_bytes.is_some();
            let source = url.and_then(|url| Source::open(&url, self.with_credentials, link, frames, heard).ok());
            source.map(Stream::Native)
        };
        let mut open = self.open.borrow_mut();
        open.last_id.clear();
        match opened {
            Some(stream) => {
                if let Stream::Native(source) = &stream {
                    for event_type in &open.types {
                        source.listen(event_type);
                    }
                }
                open.stream = Some(stream);
            }
            None => self.inbox.borrow_mut().push_back(Happening::Stream(link, Heard::Lost)),
        }
    }

    #[cfg(feature = "polling")]
    fn poll(self: &Rc<Self>, link: Link, resume: &Resume, wait: Duration) {
        let request = Request::send(&self.sink, self.address.poll(resume, wait), link, false);
        let previous = core::mem::replace(&mut self.open.borrow_mut().poll, request);
        drop(previous);
    }

    #[cfg(feature = "polling")]
    fn ask_health(self: &Rc<Self>, link: Link) {
        let request = Request::send(&self.sink, self.address.health(), link, false);
        let previous = core::mem::replace(&mut self.open.borrow_mut().health, request);
        drop(previous);
    }

    fn deliver(&self, at_hand: &AtHand<'_>) {
        if self.closed_by_page.get() {
            return;
        }
        match at_hand {
            AtHand::Nothing => {}
            AtHand::Event(event) => self.sink.tell(&Word::Forward(event)),
            AtHand::Frame(event) => {
                let frame_type = event.type_();
                let event_type = frame::inner_type(&frame_type).unwrap_or_default();
                self.deliver_frame(event_type, &event.data().as_string().unwrap_or_default(), &event.last_event_id());
            }
            AtHand::Fetched(batch, place) => {
                if !batch.told.replace(true) {
                    self.sink.tell(&Word::Text(batch.text()));
                }
                self.sink.tell(&Word::Slice(*place));
            }
            AtHand::FetchedFrame(EventRef { event_type, data, last_event_id }) => {
                self.deliver_frame(event_type, data, last_event_id);
            }
            #[cfg(feature = "polling")]
            AtHand::Polled(PolledEvent { id, event_type, data, .. }) => {
                self.sink.tell(&Word::Deliver { event_type, data, id });
            }
        }
    }

    fn deliver_frame(&self, event_type: &str, framed: &str, id: &str) {
        let limit = self.max_frame_bytes.unwrap_or_default();
        let mut counters = self.frames.get();
        let opened = frame::open(framed, limit);
        match &opened {
            Ok(data) => {
                counters.opened += 1;
                counters.saved_bytes += data.len() as f64 - framed.len() as f64;
            }
            Err(_) => counters.bad += 1,
        }
        self.frames.set(counters);
        match opened {
            Ok(data) => self.sink.tell(&Word::Deliver { event_type, data: &data, id }),
            Err(error) => self.trouble(&Trouble::BadFrame(error)),
        }
    }

    fn trouble(&self, trouble: &Trouble) {
        if !self.closed_by_page.get() {
            self.sink.tell(&Word::Trouble(trouble));
        }
    }

    /// Sees to it that the machine is called at its deadline.
    fn set_timer(self: &Rc<Self>) {
        let deadline = self.machine.borrow().deadline();
        let set_for = self.open.borrow().timer.as_ref().map(Timer::at);
        let timer = match (deadline, set_for) {
            (None, None) => return,
            (None, Some(_)) => None,
            // Every event that is heard puts the deadline off. The timer stays as it is: it fires too
            // early, nothing is due, and it is set anew. That is cheaper than to do so for each event.
            (Some(deadline), Some(set_for)) if set_for <= deadline => return,
            (Some(deadline), _) => {
                let driver = Rc::clone(self);
                Some(Timer::new(deadline, move || driver.hand_in(Happening::Due)))
            }
        };
        let previous = core::mem::replace(&mut self.open.borrow_mut().timer, timer);
        drop(previous);
    }
}
