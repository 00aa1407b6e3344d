//! A cursor over some topics, and the reason it ended.
//!
//! Replay is a subscription that is behind, and going live is nothing but having caught up: the same
//! reading serves both, so there is no seam between them. A subscription owns its position. It holds
//! no events, so a slow reader costs nothing; what becomes of it when it has fallen too far behind, or
//! off the end of a log, is decided with everything else that it gets, in its [`Standing`].

use crate::entry::Entry;
use crate::hub::Hub;
use crate::membership::Membership;
use crate::standing::{Standing, Step};
use crate::topics::{BatchLimit, TopicKey, Topics};
use heartwire_protocol::control::{ClosingReason, Gap, GapReason};
use heartwire_protocol::{Cursor, Topic};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What one step of an in-process subscription or of a stream brings at most.
pub(crate) const STREAM_BATCH: BatchLimit = BatchLimit { events: 256, bytes: 64 * 1024, through: u64::MAX };

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resume {
    /// With what is published from now on.
    #[default]
    Live,
    /// With the oldest event that is still kept.
    Earliest,
    /// After this cursor. What is gone since then is told by a gap.
    After(Cursor),
    /// After something that is no cursor: a gap says so, then as [`Resume::Live`].
    Unreadable,
}

impl Resume {
    /// Reads the text that a client resumes from. It may be anything: no text is an error.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::Live;
        }
        text.parse().map_or(Self::Unreadable, Self::After)
    }
}

/// What a subscription brings next.
#[derive(Debug)]
pub enum Delivery {
    /// Events between two cursors are gone for this reader. Comes before any event, and again where the
    /// reader is slow and [`slow_readers`](crate::HubConfig::slow_readers) lets it go on. Where it gets the
    /// newest of each key of what it missed, these follow, with cursors inside the gap.
    Gap(Gap),
    /// The next events of its topics, in the order of their cursors. Never empty.
    Events(Vec<Arc<Entry>>),
    /// Nothing more comes.
    Ended(Ended),
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The reader was too slow: it fell too far behind, or off the end of the history, and
    /// [`slow_readers`](crate::HubConfig::slow_readers) does not let it go on.
    Lagged,
    /// The server shuts down.
    Draining,
    /// The stream has reached the longest life that a stream has.
    Rotated,
    /// The token that the reader came with has expired.
    TokenExpired,
    /// Streaming was switched off.
    Disabled,
}

impl Ended {
    pub(crate) fn closing_reason(self) -> ClosingReason {
        match self {
            Self::Lagged => ClosingReason::Lagged,
            Self::Draining => ClosingReason::Draining,
            Self::Rotated => ClosingReason::Rotated,
            Self::TokenExpired => ClosingReason::TokenExpired,
            Self::Disabled => ClosingReason::Disabled,
        }
    }
}

/// A reader of some topics, made by [`Hub::subscribe`].
///
/// ```
/// use heartwire::{Delivery, EventType, Hub, Resume, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (hub, topic) = (Hub::default(), Topic::parse("orders")?);
/// let mut subscription = hub.subscribe(&[topic.clone()], Resume::Live);
/// hub.publish(&topic, &EventType::default(), "paid").await?;
/// let Delivery::Events(events) = subscription.next().await else { panic!("events come first") };
/// assert_eq!(events[0].data().as_str(), "paid");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    membership: Membership,
    wake: Arc<Notify>,
    standing: Standing,
    /// A gap to tell before anything else.
    gap: Option<Gap>,
    resumed: bool,
    /// How often streaming had been switched off when this began; `None` for a reader that does not mind.
    switched_off_total: Option<u64>,
    ended: Option<Ended>,
}

/// The point that a resume request leads to.
struct Start {
    position: u64,
    /// See [`Standing`].
    n_evictions_before: Option<u64>,
    gap: Option<Gap>,
    resumed: bool,
}

impl Subscription {
    pub(crate) fn new(hub: Hub, topics: &[Topic], resume: Resume) -> Self {
        let now = Instant::now();
        // One lock for coming in and finding the start, so that no event falls between the two.
        let mut all = hub.topics().write();
        let mut keys: Vec<TopicKey> = Vec::with_capacity(topics.len());
        for topic in topics {
            let key = all.enter(topic, now);
            if keys.contains(&key) {
                all.leave(key, now);
            } else {
                keys.push(key);
            }
        }
        let start = start(&hub, &all, &keys, resume);
        drop(all);
        let Start { position, n_evictions_before, gap, resumed } = start;
        Self {
            membership: Membership::new(hub, keys),
            wake: Arc::default(),
            standing: Standing::new(position, n_evictions_before),
            gap,
            resumed,
            switched_off_total: None,
            ended: None,
        }
    }

    /// Makes it end when streaming is switched off. `switched_off_total` was read before the switch was
    /// found to be on: a switch that is thrown in between is then seen in any case.
    pub(crate) fn ending_with_the_switch(mut self, switched_off_total: u64) -> Self {
        self.switched_off_total = Some(switched_off_total);
        self
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.membership.hub()
    }

    /// How often streaming had been switched off when it began, if it minds.
    pub(crate) fn switched_off_total(&self) -> Option<u64> {
        self.switched_off_total
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    #[cfg(test)]
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    #[cfg(test)]
    pub(crate) fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// What is left when somebody else wakes it and reads for it: its topics and its place in them.
    pub(crate) fn into_parts(self) -> (Membership, Standing) {
        debug_assert!(self.gap.is_none() && self.ended.is_none(), "it is told all that it must be told");
        (self.membership, self.standing)
    }

    /// Where the reader stands: everything of its topics up to here was handed out, or told to be gone.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.hub().cursor(self.standing.position())
    }

    /// Whether it began exactly where the reader said it had left off.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Takes the gap that [`next`](Self::next) would bring first.
    pub(crate) fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// Waits for what comes next. After the end it says so again.
    ///
    /// Nothing is lost when the returned future is dropped before it is ready.
    pub async fn next(&mut self) -> Delivery {
        self.next_within(STREAM_BATCH).await
    }

    pub(crate) async fn next_within(&mut self, limit: BatchLimit) -> Delivery {
        loop {
            if let Some(delivery) = self.read(limit) {
                return delivery;
            }
            self.membership.moved(&self.wake).await;
        }
    }

    /// What comes next without waiting; `None` when the reader has everything, up to the head.
    pub(crate) fn read(&mut self, limit: BatchLimit) -> Option<Delivery> {
        self.ended = self.ended.or_else(|| called_off(self.hub(), self.standing, self.switched_off_total));
        if let Some(ended) = self.ended {
            return Some(Delivery::Ended(ended));
        }
        if let Some(gap) = self.gap.take() {
            return Some(Delivery::Gap(gap));
        }
        match self.standing.step(self.hub(), self.membership.keys(), limit) {
            Step::Lagged => {
                self.ended = Some(Ended::Lagged);
                Some(Delivery::Ended(Ended::Lagged))
            }
            Step::Moved { gap, standing } => {
                self.standing = standing;
                Some(Delivery::Gap(gap))
            }
            Step::Read { entries, standing, .. } => {
                self.standing = standing;
                if !entries.is_empty() {
                    return Some(Delivery::Events(entries));
                }
                // It may have reached the place that it had to reach.
                self.ended = called_off(self.hub(), self.standing, self.switched_off_total);
                self.ended.map(Delivery::Ended)
            }
        }
    }
}

/// Whether the hub wants a reader to go. `switched_off_total`: how often streaming had been switched
/// off when it began, if it minds.
pub(crate) fn called_off(hub: &Hub, standing: Standing, switched_off_total: Option<u64>) -> Option<Ended> {
    // Not before it has all that was published until then: with a log in memory it is the last chance.
    if hub.draining().is_some_and(|drain| standing.position() >= drain.head) {
        return Some(Ended::Draining);
    }
    let switched_off = switched_off_total.is_some_and(|total| total != hub.switched_off_total());
    switched_off.then_some(Ended::Disabled)
}

fn start(hub: &Hub, topics: &Topics, keys: &[TopicKey], resume: Resume) -> Start {
    let head = topics.head();
    let evicted_through = topics.evicted_through(keys);
    // Just before the oldest event that is kept. Topics that gave up more than others do not hide
    // what the others still have.
    let earliest = topics.oldest(keys).map_or(head, |sequence| sequence - 1);
    let gap = |from: Option<Cursor>, to: u64, reason| {
        Some(Gap { from: from.map(|cursor| cursor.to_string()), to: hub.cursor(to).to_string(), reason })
    };
    let live = Start { position: head, n_evictions_before: None, gap: None, resumed: false };
    let n_evictions_before = Some(topics.n_evictions());
    match resume {
        Resume::Live => live,
        Resume::Earliest => Start { position: earliest, n_evictions_before, ..live },
        Resume::Unreadable => Start { gap: gap(None, head, GapReason::BadCursor), ..live },
        Resume::After(cursor) if cursor.epoch != hub.cursor(0).epoch => {
            let position = if evicted_through == 0 { 0 } else { earliest };
            let gap = gap(Some(cursor), position, GapReason::OtherEpoch);
            Start { position, n_evictions_before, gap, resumed: false }
        }
        Resume::After(cursor) if cursor.sequence > head => {
            Start { gap: gap(Some(cursor), head, GapReason::BadCursor), ..live }
        }
        Resume::After(cursor) if cursor.sequence < evicted_through => {
            // What other topics still hold from before that point is skipped too: a reader that was
            // given it here could not tell, after another cut, how much it had been told of.
            let gap = gap(Some(cursor), evicted_through, GapReason::Evicted);
            Start { position: evicted_through, gap, ..live }
        }
        Resume::After(cursor) => Start { position: cursor.sequence, resumed: true, ..live },
    }
}
