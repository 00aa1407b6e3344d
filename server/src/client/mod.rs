//! A native subscriber: the browser client's state machine over an HTTP client.
//!
//! [`Subscriber`] is a shell around [`Connection`]: it carries what happened in and actions out, and
//! decides nothing. It resumes, opens frames, polls where streams do not get through and climbs back,
//! because the machine does. Available with the cargo feature `client`.

pub(crate) mod http;
mod link;
mod url;

pub use http::HttpError;
pub use url::{SubscriberUrl, UrlError};

use heartwire_protocol::Moment;
use heartwire_protocol::answer::{PollAnswer, RefusalAnswer};
use heartwire_protocol::connection::{Action, Connection, Counters, Input, Link, Notice, Settings, State};
use heartwire_protocol::control::Control;
use heartwire_protocol::frame::FrameError;
use link::{Happening, Heard};
use reqwest::header::HeaderMap;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::pending;
use std::path::Path;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// So many happenings may wait to be looked at. Then the links stop reading, and the server is
/// slowed down by TCP.
const HEARD_AHEAD: usize = 64;

/// What a subscriber brings.
#[derive(Debug)]
pub enum Update {
    /// The next event.
    Event(ReceivedEvent),
    /// An event came whose frame cannot be opened. The ones after it are fine.
    BadFrame {
        /// Its id.
        id: String,
        /// What is wrong with it.
        error: FrameError,
    },
    /// The server refuses a stream or a poll and says why. A refusal for the same reason as the last one
    /// is not told again. The subscriber tries on as ever: after a status of 400, which no other try
    /// can better, it is for the caller to stop.
    Refused {
        /// The HTTP status.
        status: u16,
        /// A stable word for programs.
        code: String,
        /// One helpful sentence, as the server wrote it: it may hold any characters.
        detail: String,
    },
    /// There is no answer to a stream or a poll: nobody listens there, its certificate is not trusted, or it speaks
    /// no HTTP. The same is not told again in a row. The subscriber tries on as ever.
    Unreachable {
        /// What went wrong, with its causes.
        why: String,
    },
    /// News about the link: its state, gaps, heartbeats.
    Notice(Notice),
}

/// An event as it was received, its frame opened.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// Where to resume after it.
    pub id: String,
    /// The event type.
    pub event_type: String,
    /// The payload.
    pub data: String,
}

impl fmt::Debug for ReceivedEvent {
    /// Tells the payload's length alone: payloads never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedEvent")
            .field("id", &self.id)
            .field("event_type", &self.event_type)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

/// Reads a hub's topics over HTTP for as long as it is kept. Dropping it closes everything.
///
/// ```no_run
/// use heartwire::client::{Subscriber, SubscriberUrl, Update};
/// use heartwire_protocol::connection::Settings;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = SubscriberUrl::new(&"http://127.0.0.1:8080/".parse()?, &[heartwire::Topic::parse("orders")?])?;
/// let mut subscriber = Subscriber::new(url, Settings::default())?;
/// while let Some(update) = subscriber.next().await {
///     if let Update::Event(event) = update {
///         println!("{} {}", event.id, event.data);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscriber {
    url: SubscriberUrl,
    http: reqwest::Client,
    connection: Connection,
    origin: Instant,
    /// Tasks end with this set, and so with the subscriber.
    tasks: JoinSet<()>,
    running: HashMap<Link, AbortHandle>,
    hear: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
    updates: VecDeque<Update>,
    /// The last thing that was told to be in the way, until a stream opens or a poll is answered: the code of a
    /// refusal, or why there is no answer.
    last_trouble: Option<String>,
}

impl Subscriber {
    /// Begins to connect at the first call of [`next`](Self::next). Over TLS it trusts the authorities that
    /// this machine trusts; their list is read once in a process, so there may be thousands of subscribers.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(url: SubscriberUrl, settings: Settings) -> Result<Self, HttpError> {
        Self::trusting(url, settings, None)
    }

    /// The same, but over TLS it trusts the authorities in a PEM file, and no others. `None`: as
    /// [`new`](Self::new).
    ///
    /// # Errors
    /// The file cannot be used, or the HTTP client cannot be set up.
    pub fn trusting(url: SubscriberUrl, settings: Settings, ca: Option<&Path>) -> Result<Self, HttpError> {
        Self::with_headers(url, settings, ca, HeaderMap::new())
    }

    /// As [`trusting`](Self::trusting), with headers for every request: such as `Authorization`, where the hub wants
    /// to know who reads.
    ///
    /// # Errors
    /// The file cannot be used, or the HTTP client cannot be set up.
    pub fn with_headers(
        url: SubscriberUrl,
        settings: Settings,
        ca: Option<&Path>,
        headers: HeaderMap,
    ) -> Result<Self, HttpError> {
        let http = http::builder(url.scheme(), ca)?.default_headers(headers).build().map_err(HttpError::Client)?;
        let (hear, heard) = mpsc::channel(HEARD_AHEAD);
        Ok(Self {
            url,
            http,
            connection: Connection::new(settings),
            origin: Instant::now(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            hear,
            heard,
            updates: VecDeque::new(),
            last_trouble: None,
        })
    }

    /// What it reads.
    #[must_use]
    pub fn url(&self) -> &SubscriberUrl {
        &self.url
    }

    /// The state of the link; `None` before the first call of [`next`](Self::next).
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.connection.state()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.connection.counters()
    }

    /// Waits for what comes next; `None` once the machine has closed for good.
    ///
    /// Nothing is lost when the returned future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Update> {
        self.handle(Input::Start, None);
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Some(update);
            }
            if matches!(self.connection.state(), Some(State::Closed { .. })) {
                return None;
            }
            // A deadline that no clock can tell is never reached.
            let deadline = self.connection.deadline().and_then(|moment| self.origin.checked_add(moment.since_origin()));
            tokio::select! {
                Some(heard) = self.heard.recv() => self.hear(heard),
                () = at(deadline) => self.handle(Input::Due, None),
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    fn hear(&mut self, Heard { link, happening }: Heard) {
        match happening {
            Happening::Opened => {
                self.last_trouble = None;
                self.handle(Input::Opened { link }, None);
            }
            Happening::Heard => self.handle(Input::Heard { link }, None),
            Happening::Event(event) => {
                let id = event.id.clone();
                self.handle(Input::Event { link, id: id.as_bytes() }, Some(Update::Event(event)));
            }
            Happening::BadFrame { id, error } => {
                self.handle(Input::Event { link, id: id.as_bytes() }, Some(Update::BadFrame { id: id.clone(), error }));
            }
            Happening::Control { id, control } => self.handle(Input::Control { link, id: &id, control }, None),
            Happening::Refused { status, answer, retry_after } => {
                let reason = answer.closing_reason();
                let RefusalAnswer { detail, code } = answer;
                if self.is_new_trouble(link, &code) {
                    self.updates.push_back(Update::Refused { status: status.as_u16(), code, detail });
                }
                if let Some(reason) = reason {
                    self.handle(Input::Refused { link, reason, retry_after }, None);
                }
            }
            Happening::Unreachable { why } => {
                if self.is_new_trouble(link, &why) {
                    self.updates.push_back(Update::Unreachable { why });
                }
            }
            Happening::Lost { status, retry_after } => self.handle(Input::Lost { link, status, retry_after }, None),
            Happening::Polled(answer) => self.hear_poll(link, answer),
            Happening::PollFailed { retry_after } => self.handle(Input::PollFailed { link, retry_after }, None),
            Happening::Health { enabled: Some(enabled) } => self.handle(Input::Health { link, enabled }, None),
            Happening::Health { enabled: None } => self.handle(Input::HealthFailed { link }, None),
        }
    }

    /// Whether trouble is worth a word. A link that the machine has closed has nothing more to say.
    fn is_new_trouble(&mut self, link: Link, trouble: &str) -> bool {
        let is_new = self.running.contains_key(&link) && self.last_trouble.as_deref() != Some(trouble);
        if is_new {
            self.last_trouble = Some(trouble.to_owned());
        }
        is_new
    }

    fn hear_poll(&mut self, link: Link, answer: PollAnswer) {
        self.last_trouble = None;
        if let Some(gap) = answer.gap {
            let id = gap.to.clone();
            self.handle(Input::Control { link, id: &id, control: Control::Gap(gap) }, None);
        }
        for event in answer.events {
            let event = ReceivedEvent { id: event.id, event_type: event.event_type, data: event.data };
            let id = event.id.clone();
            self.handle(Input::Event { link, id: id.as_bytes() }, Some(Update::Event(event)));
        }
        self.handle(Input::PollDone { link, cursor: &answer.cursor }, None);
    }

    /// One input in, all actions out. `at_hand` is what `Deliver` would deliver.
    fn handle(&mut self, input: Input<'_>, mut at_hand: Option<Update>) {
        self.connection.handle(input, Moment::new(self.origin.elapsed()));
        while let Some(action) = self.connection.next_action() {
            match action {
                Action::OpenStream { link, resume } => {
                    let url = self.url.stream(&resume);
                    self.run(link, link::stream(self.http.clone(), url, link, self.hear.clone()));
                }
                Action::Poll { link, resume, wait } => {
                    let url = self.url.poll(&resume, wait);
                    self.run(link, link::poll(self.http.clone(), url, link, self.hear.clone()));
                }
                Action::AskHealth { link } => {
                    self.run(link, link::health(self.http.clone(), self.url.health(), link, self.hear.clone()));
                }
                Action::CloseStream { link } | Action::CancelPoll { link } => {
                    if let Some(task) = self.running.remove(&link) {
                        task.abort();
                    }
                }
                Action::Deliver => self.updates.extend(at_hand.take()),
                Action::Tell(notice) => self.updates.push_back(Update::Notice(notice)),
            }
        }
    }

    fn run(&mut self, link: Link, task: impl Future<Output = ()> + Send + 'static) {
        self.running.retain(|_, task| !task.is_finished());
        self.running.insert(link, self.tasks.spawn(task));
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Json, Router};
    use heartwire_protocol::backoff::Backoff;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn subscriber(address: &str, settings: Settings) -> Subscriber {
        let url = format!("http://{address}/events?topic=a").parse().unwrap();
        Subscriber::new(SubscriberUrl::new(&url, &[]).unwrap(), settings).unwrap()
    }

    #[tokio::test]
    async fn a_deadline_beyond_all_clocks_is_never_reached() {
        let mut subscriber =
            subscriber("127.0.0.1:1", Settings { connect_timeout: Duration::MAX, ..Settings::default() });
        assert!(matches!(subscriber.next().await, Some(Update::Notice(Notice::State(State::Connecting { .. })))));
        assert!(matches!(subscriber.next().await, Some(Update::Unreachable { .. })));
        assert!(matches!(subscriber.next().await, Some(Update::Notice(Notice::State(State::Waiting { .. })))));
    }

    #[tokio::test]
    async fn each_reason_of_a_server_to_refuse_is_told_once_in_a_row() {
        static N_ASKED: AtomicUsize = AtomicUsize::new(0);
        let refuse = async || {
            let code = ["full", "full", "closed", "closed", "full"][N_ASKED.fetch_add(1, Ordering::Relaxed)];
            (StatusCode::SERVICE_UNAVAILABLE, Json(RefusalAnswer { detail: "Later".into(), code: code.into() }))
        };
        let router = Router::new().route("/events", get(refuse));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let soon = Duration::from_millis(10);
        let settings = Settings {
            polling: false,
            max_attempts: Some(4),
            backoff: Backoff { base_delay: soon, max_delay: soon },
            ..Settings::default()
        };
        let mut subscriber = subscriber(&address, settings);
        let mut told = Vec::new();
        while let Some(update) = subscriber.next().await {
            if let Update::Refused { status: 503, code, detail } = update {
                assert_eq!(detail, "Later");
                told.push(code);
            }
        }
        assert_eq!(told, ["full", "closed", "full"]);
        server.abort();
    }
}
