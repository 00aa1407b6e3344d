//! What a connection has its shell do, and what it tells a page.

use super::{Link, Resume};
use crate::control::{ClosingReason, Gap};
use core::time::Duration;

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
    pub(super) const NONE: Self = Self {
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
