//! The recent events of one topic.
//!
//! It owns their order and remembers the last one it gave up. It never decides when to give one
//! up: [`Topics`](crate::topics::Topics) does, which sees all topics.

use crate::entry::Entry;
use std::collections::VecDeque;
use std::sync::Arc;

/// Events of one topic, oldest first, by growing sequence.
#[derive(Debug, Default)]
pub(crate) struct TopicLog {
    entries: VecDeque<Arc<Entry>>,
    cost_bytes: usize,
    /// The sequence of the last event that was given up; 0 when none ever was.
    evicted_through: u64,
    /// Which eviction of the whole hub that was; 0 when it was before this log began.
    last_eviction: u64,
}

impl TopicLog {
    /// An empty log whose events up to and including this sequence are gone.
    pub(crate) fn evicted_through_from(evicted_through: u64) -> Self {
        Self { evicted_through, ..Self::default() }
    }

    pub(crate) fn append(&mut self, entry: Arc<Entry>) {
        debug_assert!(self.entries.back().is_none_or(|last| last.sequence() < entry.sequence()));
        self.cost_bytes += entry.cost_bytes();
        self.entries.push_back(entry);
    }

    /// Gives up the oldest event. `number`: which eviction of the whole hub this is, from 1.
    pub(crate) fn evict_oldest(&mut self, number: u64) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.cost_bytes -= entry.cost_bytes();
        self.evicted_through = entry.sequence();
        self.last_eviction = number;
        if self.entries.is_empty() {
            // A deque keeps its room for ever, and a quiet topic should cost next to nothing.
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    pub(crate) fn oldest(&self) -> Option<&Arc<Entry>> {
        self.entries.front()
    }

    pub(crate) fn evicted_through(&self) -> u64 {
        self.evicted_through
    }

    pub(crate) fn last_eviction(&self) -> u64 {
        self.last_eviction
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn cost_bytes(&self) -> usize {
        self.cost_bytes
    }

    /// The events after a sequence.
    pub(crate) fn after(&self, sequence: u64) -> impl ExactSizeIterator<Item = &Arc<Entry>> {
        let start = match self.entries.back() {
            // The common case, a reader that has everything, needs no search.
            Some(last) if last.sequence() <= sequence => self.entries.len(),
            _ => self.entries.partition_point(|entry| entry.sequence() <= sequence),
        };
        self.entries.range(start..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::entry;
    use tokio::time::Instant;

    #[test]
    fn reads_after_any_sequence_whether_it_holds_that_one_or_not() {
        let mut log = TopicLog::default();
        for sequence in [3, 5, 9] {
            log.append(entry(sequence, "a", "x", Instant::now()));
        }
        let check = |after: u64, expected: &[u64]| {
            let sequences: Vec<u64> = log.after(after).map(|entry| entry.sequence()).collect();
            assert_eq!(sequences, expected, "after {after}");
        };
        check(0, &[3, 5, 9]);
        check(3, &[5, 9]);
        check(4, &[5, 9]);
        check(8, &[9]);
        check(9, &[]);
        check(u64::MAX, &[]);
    }

    #[test]
    fn remembers_what_it_gave_up() {
        let mut log = TopicLog::default();
        assert!(log.evict_oldest(1).is_none());
        assert_eq!(log.evicted_through(), 0);
        log.append(entry(3, "a", "x", Instant::now()));
        log.append(entry(5, "a", "xyz", Instant::now()));
        assert!(log.evict_oldest(1).is_some_and(|entry| entry.sequence() == 3));
        assert_eq!((log.evicted_through(), log.len()), (3, 1));
        log.evict_oldest(2);
        assert_eq!((log.evicted_through(), log.len(), log.cost_bytes()), (5, 0, 0));
    }
}
