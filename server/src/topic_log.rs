//! The recent events of one topic.
//!
//! It owns their order, knows which of them are old news, and remembers the last one it gave up. It never decides when to give one
//! up: [`Topics`](crate::topics::Topics) does, which sees all topics.

use crate::entry::Entry;
use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What an event takes in here beyond itself, in bytes: its place in the deque and its place among the
/// newest of each key. Both may be half empty.
pub(crate) const PLACE_BYTES: usize = 2 * size_of::<Kept>() + 3 * size_of::<Newest>();

/// Events of one topic, oldest first, by growing sequence.
#[derive(Debug, Default)]
pub(crate) struct TopicLog {
    entries: VecDeque<Kept>,
    /// The newest event of each key; `None` where nobody will ask for it.
    newest: Option<HashSet<Newest>>,
    cost_bytes: usize,
    /// The sequence of the last event that was given up; 0 when none ever was.
    evicted_through: u64,
    /// Which eviction of the whole hub that was; 0 when it was before this log began.
    last_eviction: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Arc<Entry>,
    /// The next event of the same key, by its sequence; [`NOT_YET`] while there is none.
    superseded_by: u64,
}

const NOT_YET: u64 = u64::MAX;

/// An event, found by its key, or its type where it has none.
#[derive(Debug)]
struct Newest(Arc<Entry>);

impl PartialEq for Newest {
    fn eq(&self, other: &Self) -> bool {
        self.0.subject() == other.0.subject()
    }
}

impl Eq for Newest {}

impl Hash for Newest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.subject().hash(state);
    }
}

impl TopicLog {
    /// An empty log whose events up to and including this sequence are gone. `conflates`: readers may
    /// ask for the newest event of each key.
    pub(crate) fn new(evicted_through: u64, conflates: bool) -> Self {
        Self { evicted_through, newest: conflates.then(HashSet::new), ..Self::default() }
    }

    pub(crate) fn append(&mut self, entry: Arc<Entry>) {
        debug_assert!(self.entries.back().is_none_or(|last| last.entry.sequence() < entry.sequence()));
        self.cost_bytes += entry.cost_bytes();
        if let Some(newest) = &mut self.newest
            && let Some(Newest(older)) = newest.replace(Newest(Arc::clone(&entry)))
            && let Ok(at) = self.entries.binary_search_by_key(&older.sequence(), |kept| kept.entry.sequence())
        {
            self.entries[at].superseded_by = entry.sequence();
        }
        self.entries.push_back(Kept { entry, superseded_by: NOT_YET });
    }

    /// Gives up the oldest event. `number`: which eviction of the whole hub this is, from 1.
    pub(crate) fn evict_oldest(&mut self, number: u64) -> Option<Arc<Entry>> {
        let Kept { entry, superseded_by } = self.entries.pop_front()?;
        self.cost_bytes -= entry.cost_bytes();
        self.evicted_through = entry.sequence();
        self.last_eviction = number;
        if let Some(newest) = &mut self.newest
            && superseded_by == NOT_YET
        {
            newest.remove(&Newest(Arc::clone(&entry)));
        }
        if self.entries.is_empty() {
            // Both keep their room for ever, and a quiet topic should cost next to nothing.
            self.entries = VecDeque::new();
            self.newest = self.newest.take().map(|_| HashSet::new());
        }
        Some(entry)
    }

    pub(crate) fn oldest(&self) -> Option<&Arc<Entry>> {
        self.entries.front().map(|kept| &kept.entry)
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

    /// How many events come after a sequence.
    pub(crate) fn count_after(&self, sequence: u64) -> usize {
        self.entries.len() - self.index_after(sequence)
    }

    /// The events after a sequence; of those up to and including `newest_through`, the ones alone to
    /// which no other of the same key comes up to there. 0: all events.
    pub(crate) fn after(&self, sequence: u64, newest_through: u64) -> impl Iterator<Item = &Arc<Entry>> {
        // What comes after that place is superseded after it, too.
        let is_wanted = move |kept: &&Kept| kept.superseded_by > newest_through;
        self.entries.range(self.index_after(sequence)..).filter(is_wanted).map(|kept| &kept.entry)
    }

    fn index_after(&self, sequence: u64) -> usize {
        match self.entries.back() {
            // The common case, a reader that has everything, needs no search.
            Some(last) if last.entry.sequence() <= sequence => self.entries.len(),
            _ => self.entries.partition_point(|kept| kept.entry.sequence() <= sequence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::{entry, keyed_entry};
    use tokio::time::Instant;

    #[test]
    fn reads_after_any_sequence_whether_it_holds_that_one_or_not() {
        let mut log = TopicLog::default();
        for sequence in [3, 5, 9] {
            log.append(entry(sequence, "a", "x", Instant::now()));
        }
        let check = |after: u64, expected: &[u64]| {
            let sequences: Vec<u64> = log.after(after, 0).map(|entry| entry.sequence()).collect();
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
    fn knows_the_newest_of_each_key_up_to_any_place() {
        let mut log = TopicLog::new(0, true);
        for (sequence, key) in [(1, "x"), (2, "y"), (4, "x"), (5, ""), (7, "x"), (8, ""), (9, "note")] {
            let key = Some(key).filter(|key| !key.is_empty());
            log.append(keyed_entry(sequence, "a", key, "-", Instant::now()));
        }
        let check = |log: &TopicLog, (after, through): (u64, u64), expected: &[u64]| {
            let sequences: Vec<u64> = log.after(after, through).map(|entry| entry.sequence()).collect();
            assert_eq!(sequences, expected, "after {after} through {through}");
        };
        check(&log, (0, 0), &[1, 2, 4, 5, 7, 8, 9]);
        check(&log, (0, 1), &[1, 2, 4, 5, 7, 8, 9]);
        check(&log, (0, 4), &[2, 4, 5, 7, 8, 9]);
        check(&log, (0, 6), &[2, 4, 5, 7, 8, 9]);
        check(&log, (0, 7), &[2, 5, 7, 8, 9]);
        // A key is not the event type of the same name.
        check(&log, (0, 9), &[2, 7, 8, 9]);
        check(&log, (2, 9), &[7, 8, 9]);
        check(&log, (7, 9), &[8, 9]);
        for number in 1..=5 {
            log.evict_oldest(number);
        }
        check(&log, (0, 9), &[8, 9]);
        log.append(keyed_entry(11, "a", Some("x"), "-", Instant::now()));
        check(&log, (0, 11), &[8, 9, 11]);
        let n_newest = |log: &TopicLog| log.newest.as_ref().map(HashSet::len);
        assert_eq!(n_newest(&log), Some(3), "what is gone is not held here either");
        while log.evict_oldest(9).is_some() {}
        assert_eq!(n_newest(&log), Some(0));
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
