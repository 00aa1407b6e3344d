//! How a connection behaves.

use crate::backoff::Backoff;
use core::time::Duration;

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
