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
use crate::json::{self, Json};
use crate::options::Options;
#[cfg(feature = "polling")]
use crate::poll::{Answer, Request};
use crate::sink::{Sink, Word};
use crate::source::{Heard, Source};
use crate::timer::{Timer, now};
use core::cell::{Cell, RefCell};
use heartwire_protocol::connection::{Action, Connection, Input, Link, Notice, Resume, State};
use heartwire_protocol::frame;
#[cfg(feature = "polling")]
use heartwire_protocol::{
    Control,
    answer::{PollAnswer, PolledEvent},
};
use js_sys::{Object, Reflect};
use std::collections::VecDeque;
use std::rc::Rc;
use web_sys::MessageEvent;

/// One connection and what it has open.
pub(crate) struct Driver {
    sink: Sink,
    address: Address,
    with_credentials: bool,
    max_frame_bytes: Option<usize>,
    machine: RefCell<Connection>,
    open: RefCell<Open>,
    frames: Cell<FrameCounters>,
    inbox: RefCell<VecDeque<Happening>>,
    busy: Cell<bool>,
    /// Set as soon as the page has had enough: what is still under way reaches it no more.
    closed_by_page: Cell<bool>,
}

/// What is open, and what the next stream has to know.
#[derive(Default)]
struct Open {
    source: Option<Source>,
    timer: Option<Timer>,
    #[cfg(feature = "polling")]
    poll: Option<Request>,
    #[cfg(feature = "polling")]
    health: Option<Request>,
    /// The types that the page listens for.
    types: Vec<String>,
    /// The id of the last event for the page that the open stream brought.
    last_id: String,
    /// Why the last poll was refused: each reason is told once.
    #[cfg(feature = "polling")]
    last_refusal: Option<String>,
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
    #[cfg(feature = "polling")]
    Poll(Link, Answer),
    #[cfg(feature = "polling")]
    Health(Link, Answer),
}

/// The event that was just handed to the machine, should it say `Deliver`.
enum AtHand<'a> {
    Nothing,
    Event(&'a MessageEvent),
    Frame(&'a MessageEvent),
    #[cfg(feature = "polling")]
    Polled(&'a PolledEvent),
}

impl Driver {
    pub(crate) fn new(url: &str, options: Options, sink: Sink) -> Result<Rc<Self>, Refusal> {
        let Options { mut settings, resume, with_credentials, max_frame_bytes } = options;
        let address = Address::parse(url, max_frame_bytes.is_some())?;
        settings.resume = resume.unwrap_or_else(|| address.resume().clone());
        Ok(Rc::new(Self {
            sink,
            address,
            with_credentials,
            max_frame_bytes,
            machine: RefCell::new(Connection::new(settings)),
            open: RefCell::default(),
            frames: Cell::default(),
            inbox: RefCell::default(),
            busy: Cell::new(false),
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
            if let Some(source) = &open.source {
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

    pub(crate) fn last_event_id(&self) -> String {
        match self.machine.borrow().resume() {
            Resume::After(id) => id.clone(),
            Resume::Live | Resume::Earliest => String::new(),
        }
    }

    pub(crate) fn counters(&self) -> Object {
        let of_machine = self.machine.borrow().counters();
        let of_frames = self.frames.get();
        let counters = Object::new();
        for (name, count) in [
            ("attempts", of_machine.attempts_total as f64),
            ("opened", of_machine.opened_total as f64),
            ("losses", of_machine.losses_total as f64),
            ("silences", of_machine.silences_total as f64),
            ("polls", of_machine.polls_total as f64),
            ("heartbeats", of_machine.heartbeats_total as f64),
            ("delivered", of_machine.delivered_total as f64),
            ("duplicates", of_machine.duplicates_total as f64),
            ("gaps", of_machine.gaps_total as f64),
            ("frames", of_frames.opened.into()),
            ("badFrames", of_frames.bad.into()),
            ("bytesSavedByFrames", of_frames.saved_bytes),
        ] {
            // Setting a property on an object that we have just made cannot fail.
            let _ = Reflect::set(&counters, &name.into(), &count.into());
        }
        counters
    }

    // What happened.

    fn hand_in(self: &Rc<Self>, happening: Happening) {
        self.inbox.borrow_mut().push_back(happening);
        if self.busy.replace(true) {
            return;
        }
        while let Some(happening) = self.next_happening() {
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
            #[cfg(feature = "polling")]
            Happening::Poll(link, answer) => self.polled(link, answer),
            #[cfg(feature = "polling")]
            Happening::Health(link, answer) => {
                let enabled = match answer {
                    Answer::Good(answer) => json::health_answer(&answer),
                    Answer::Refused { .. } | Answer::None => None,
                };
                let input = enabled.map_or(Input::HealthFailed { link }, |enabled| Input::Health { link, enabled });
                self.step(input, &AtHand::Nothing);
            }
        }
    }

    fn heard(self: &Rc<Self>, link: Link, heard: Heard) {
        match heard {
            Heard::Opened => self.step(Input::Opened { link }, &AtHand::Nothing),
            Heard::Lost => {
                self.step(Input::Lost { link, status: None, retry_after: None }, &AtHand::Nothing);
            }
            Heard::Event(event) => {
                self.step(Input::Event { link, id: &self.id_of(&event) }, &AtHand::Event(&event));
            }
            // A frame counts as seen whether or not it opens: asked for again, it would be no better.
            Heard::Frame(event) => {
                self.step(Input::Event { link, id: &self.id_of(&event) }, &AtHand::Frame(&event));
            }
            Heard::Control(event) => {
                match Json::parse(&event.data()).and_then(|data| json::control(&event.type_(), &data)) {
                    Some(control) => {
                        let id = &event.last_event_id();
                        self.step(Input::Control { link, id, control }, &AtHand::Nothing);
                    }
                    None => self.trouble(&Trouble::BadControl),
                }
            }
        }
    }

    /// The id of an event for the page; empty when it has none.
    fn id_of(&self, event: &MessageEvent) -> String {
        let id = event.last_event_id();
        let mut open = self.open.borrow_mut();
        // [spec] An event without an id is dispatched with the last one. It must not pass for that
        // event a second time. Our own server gives each event an id, others need not.
        if open.last_id == id {
            return String::new();
        }
        open.last_id.clone_from(&id);
        id
    }

    #[cfg(feature = "polling")]
    fn polled(self: &Rc<Self>, link: Link, answer: Answer) {
        let (retry_after, trouble) = match answer {
            Answer::Good(answer) => match json::poll_answer(&answer) {
                Some(answer) => return self.poll_done(link, &answer),
                None => (None, Some(Trouble::BadAnswer)),
            },
            Answer::Refused { retry_after, refusal } => (retry_after, refusal.map(Trouble::Refused)),
            Answer::None => (None, None),
        };
        self.step(Input::PollFailed { link, retry_after }, &AtHand::Nothing);
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
            self.step(Input::Event { link, id: &event.id }, &AtHand::Polled(event));
        }
        self.step(Input::PollDone { link, cursor: &answer.cursor }, &AtHand::Nothing);
    }

    // What is to be done.

    /// Hands one input to the machine and performs the actions that come back.
    fn step(self: &Rc<Self>, input: Input<'_>, at_hand: &AtHand<'_>) {
        self.machine.borrow_mut().handle(input, now());
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
                let closed = self.open.borrow_mut().source.take_if(|source| source.link() == link);
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
        let driver = Rc::clone(self);
        let heard = move |link, heard| driver.hand_in(Happening::Stream(link, heard));
        let frames = self.max_frame_bytes.is_some();
        let opened = self
            .address
            .stream(resume)
            .and_then(|url| Source::open(&url, self.with_credentials, link, frames, heard).ok());
        let mut open = self.open.borrow_mut();
        open.last_id.clear();
        match opened {
            Some(source) => {
                for event_type in &open.types {
                    source.listen(event_type);
                }
                open.source = Some(source);
            }
            None => self.inbox.borrow_mut().push_back(Happening::Stream(link, Heard::Lost)),
        }
    }

    #[cfg(feature = "polling")]
    fn poll(self: &Rc<Self>, link: Link, resume: &Resume, wait: core::time::Duration) {
        let request = self.request(self.address.poll(resume, wait), link, Happening::Poll);
        let previous = core::mem::replace(&mut self.open.borrow_mut().poll, request);
        drop(previous);
    }

    #[cfg(feature = "polling")]
    fn ask_health(self: &Rc<Self>, link: Link) {
        let request = self.request(self.address.health(), link, Happening::Health);
        let previous = core::mem::replace(&mut self.open.borrow_mut().health, request);
        drop(previous);
    }

    #[cfg(feature = "polling")]
    fn request(
        self: &Rc<Self>,
        url: Option<String>,
        link: Link,
        happening: fn(Link, Answer) -> Happening,
    ) -> Option<Request> {
        let driver = Rc::clone(self);
        let done = move |answer| driver.hand_in(happening(link, answer));
        let sent = url.and_then(|url| Request::send(&url, self.with_credentials, done).ok());
        if sent.is_none() {
            self.inbox.borrow_mut().push_back(happening(link, Answer::None));
        }
        sent
    }

    fn deliver(&self, at_hand: &AtHand<'_>) {
        if self.closed_by_page.get() {
            return;
        }
        match at_hand {
            AtHand::Nothing => {}
            AtHand::Event(event) => self.sink.tell(&Word::Forward(event)),
            AtHand::Frame(event) => self.deliver_frame(event),
            #[cfg(feature = "polling")]
            AtHand::Polled(PolledEvent { id, event_type, data, .. }) => {
                self.sink.tell(&Word::Deliver { event_type, data, id });
            }
        }
    }

    fn deliver_frame(&self, event: &MessageEvent) {
        let frame_type = event.type_();
        let framed = event.data().as_string().unwrap_or_default();
        let limit = self.max_frame_bytes.unwrap_or_default();
        let mut counters = self.frames.get();
        let opened = frame::open(&framed, limit);
        match &opened {
            Ok(data) => {
                counters.opened += 1;
                counters.saved_bytes += data.len() as f64 - framed.len() as f64;
            }
            Err(_) => counters.bad += 1,
        }
        self.frames.set(counters);
        match opened {
            Ok(data) => {
                let event_type = frame::inner_type(&frame_type).unwrap_or_default();
                self.sink.tell(&Word::Deliver { event_type, data: &data, id: &event.last_event_id() });
            }
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
