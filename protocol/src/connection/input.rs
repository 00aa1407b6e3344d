//! What can happen to a connection.

use crate::control::{ClosingReason, Control};
use core::time::Duration;

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
