//! Where a reader stands in the log, and the one rule of what it gets next.
//!
//! A standing is plain data: reading makes a new one and leaves the old one as it was. So readers
//! that stand at the same place can share one reading.

use crate::entry::Entry;
use crate::hub::Hub;
use crate::topics::{BatchLimit, Reading, TopicKey, Topics};
use std::sync::Arc;

/// The place of one reader in some topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    /// Everything of its topics up to this sequence was handed out.
    position: u64,
    /// So many events had been given up, of all topics, when it came to read all that is kept: what was
    /// gone by then is not missed. `None` for one that begins at a place of its own, and once it has
    /// caught up, since nothing from before lies ahead of it any more: so equal places compare as equal.
    n_evictions_before: Option<u64>,
    /// Whether it has once had everything there was: from then on it may not fall too far behind.
    caught_up: bool,
}

/// What a reader finds at its place.
pub(crate) enum Step {
    /// The next events, if any, the place after them, and whether there is more.
    Read { entries: Vec<Arc<Entry>>, standing: Standing, more: bool },
    /// It has fallen too far behind, or off the end of the history.
    Lagged,
}

impl Standing {
    pub(crate) fn new(position: u64, n_evictions_before: Option<u64>) -> Self {
        Self { position, n_evictions_before, caught_up: false }
    }

    pub(crate) fn position(self) -> u64 {
        self.position
    }

    pub(crate) fn step(self, hub: &Hub, keys: &[TopicKey], limit: BatchLimit) -> Step {
        let topics = hub.topics().read();
        let Reading::Batch { entries, position, more } =
            topics.read(keys, self.position, self.n_evictions_before, limit)
        else {
            return Step::Lagged;
        };
        if more && self.lags(hub, &topics, keys) {
            return Step::Lagged;
        }
        Step::Read { entries, standing: self.moved_to(position, more), more }
    }

    /// Whether it has fallen too far behind, for a reader that does not get its events by a step.
    pub(crate) fn is_too_far_behind(self, hub: &Hub, keys: &[TopicKey]) -> bool {
        self.lags(hub, &hub.topics().read(), keys)
    }

    /// Where it stands once it has everything up to a position. `more`: that is not all there is.
    pub(crate) fn moved_to(self, position: u64, more: bool) -> Self {
        let caught_up = self.caught_up || !more;
        Self { position, n_evictions_before: self.n_evictions_before.filter(|_| !caught_up), caught_up }
    }

    fn lags(self, hub: &Hub, topics: &Topics, keys: &[TopicKey]) -> bool {
        let max_behind = hub.config().max_queue_size.filter(|_| self.caught_up);
        max_behind.is_some_and(|max| topics.count_after(keys, self.position) > max)
    }
}
