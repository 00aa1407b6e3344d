//! What is in the bytes that a reader gets in one piece.

use super::counts::{Count, Counts};
use heartwire_protocol::control::GapReason;
use tokio::time::Instant;

/// What a batch tells a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) n_events: u64,
    /// When the first of its events was appended to the log.
    pub(crate) since: Option<Instant>,
    /// How long its events would be without compression, and how long they are. What HTTP adds is in neither.
    pub(crate) plain_bytes: usize,
    pub(crate) sent_bytes: usize,
    /// A heartbeat is in it.
    pub(crate) heartbeat: bool,
    pub(crate) gap: Option<GapReason>,
}

impl Told {
    pub(crate) fn event(appended_at: Instant, plain_bytes: usize, sent_bytes: usize) -> Self {
        Self { n_events: 1, since: Some(appended_at), plain_bytes, sent_bytes, ..Self::default() }
    }

    /// This and what follows.
    pub(crate) fn and(self, next: Self) -> Self {
        Self {
            n_events: self.n_events + next.n_events,
            since: self.since.or(next.since),
            plain_bytes: self.plain_bytes + next.plain_bytes,
            sent_bytes: self.sent_bytes + next.sent_bytes,
            heartbeat: self.heartbeat || next.heartbeat,
            gap: self.gap.or(next.gap),
        }
    }

    /// As a reader gets it who catches up: what waited for a reader was not late.
    pub(crate) fn as_history(self) -> Self {
        Self { since: None, ..self }
    }
}

/// How a reader gets its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Frames,
    Gzip,
}

impl Counts {
    /// A batch is handed to a connection. `now` is asked for where it matters.
    pub(crate) fn wrote(&mut self, told: &Told, form: Form, now: impl FnOnce() -> Instant) {
        let (plain, sent) = match form {
            Form::Plain => (Count::PlainBytesAsPlain, Count::SentBytesAsPlain),
            Form::Frames => (Count::PlainBytesAsFrames, Count::SentBytesAsFrames),
            Form::Gzip => (Count::PlainBytesAsGzip, Count::SentBytesAsGzip),
        };
        self.add(plain, told.plain_bytes as u64);
        self.add(sent, told.sent_bytes as u64);
        self.add(Count::Deliveries, told.n_events);
        self.add(Count::Heartbeats, u64::from(told.heartbeat));
        if let Some(since) = told.since {
            // All of them as the first: events that go out together came close together.
            self.latency_mut().observe(now().duration_since(since), told.n_events);
        }
    }
}
