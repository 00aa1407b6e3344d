//! The log: the one truth about what was published, and in which order.
//!
//! A log gives each event its sequence and keeps it; it never knows readers. The hub appends to it
//! and listens to its [`Tail`]. Whatever was appended comes back through the tail, also what another
//! process appended to a log that several share, so a hub has one way in and not two.
//!
//! [`MemoryLog`] is the embedded default. A log on disk or behind a broker implements the same trait.

mod memory;
#[cfg(test)]
pub(crate) mod suite;

pub use memory::MemoryLog;

use heartwire_protocol::{Cursor, Data, Epoch, EventKey, EventType, Topic};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future, so that a log can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event as a publisher hands it in: it has no sequence yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What it is published under.
    pub topic: Topic,
    /// What a page listens for.
    pub event_type: EventType,
    /// What it is about: a reader that is given the newest of each key gets no older event of this topic
    /// with the same one. Without a key it counts under its event type.
    pub key: Option<EventKey>,
    /// The payload.
    pub data: Data,
}

impl NewEvent {
    /// An event without a key.
    #[must_use]
    pub fn new(topic: Topic, event_type: EventType, data: Data) -> Self {
        Self { topic, event_type, key: None, data }
    }
}

/// An event as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place in the log: 1 for the first event of an epoch, and one more with every event.
    pub sequence: u64,
    /// How long ago it was appended: nothing for one that was appended just now, more for one that
    /// was read back from an older log.
    pub age: Duration,
    /// What was appended.
    pub event: NewEvent,
}

/// Where events are kept in order.
///
/// One value stands for one life of a log, its epoch: a log that has lost its past opens as another
/// value with another epoch.
pub trait Log: Send + Sync + 'static {
    /// The name of this life of the log.
    fn epoch(&self) -> Epoch;

    /// Appends all of the events, next to each other and in this order, or none of them.
    ///
    /// Resolves with their cursors once the log has them for good. Their way through the tail may
    /// take longer, or may be over already.
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Cursor>, LogError>>;

    /// Whether appending is likely to succeed. A hub whose log says no is not [ready](crate::Hub::is_ready).
    /// Asked often, so it answers from what it knows and returns at once.
    fn is_available(&self) -> bool {
        true
    }

    /// Connects the one listener of this process, before it appends anything.
    ///
    /// The log calls [`Tail::begin`] once, then [`Tail::deliver`] with the history it still holds
    /// and from then on with every event: each once, in the order of the sequence, one call at a time.
    /// A second listener takes the place of the first.
    fn attach(&self, tail: Arc<dyn Tail>);
}

/// The listener at the end of a log. Both calls return at once: the log may hold its lock meanwhile.
pub trait Tail: Send + Sync + 'static {
    /// The log goes back to the event after `sequence`; what came before it is gone. 0: nothing is.
    fn begin(&self, sequence: u64);

    /// The next events of the log.
    fn deliver(&self, events: Vec<LoggedEvent>);
}

/// The log did not take the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogError {
    /// It cannot be reached, or cannot write, right now. Trying again may help.
    Unavailable(String),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the log is unavailable: {why}"),
        }
    }
}

impl std::error::Error for LogError {}
