//! What is known of topics that the hub no longer holds.
//!
//! A topic that is dropped leaves behind up to where its events are gone, so that a reader who
//! comes back with an old cursor meets a gap and not silence. That knowledge is bounded too.

use heartwire_protocol::Topic;
use std::collections::HashMap;

/// So many dropped topics are remembered one by one; at the longest topic name about 3 MiB.
const MAX_TOPICS: usize = 10_000;

/// Up to which sequence the events of topics are gone.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    by_topic: HashMap<Topic, u64>,
    /// For every topic that is not in the map.
    through: u64,
}

impl Forgotten {
    /// Everything up to and including this sequence is gone, whatever its topic.
    pub(crate) fn all_through(&mut self, sequence: u64) {
        self.through = self.through.max(sequence);
    }

    /// A topic is dropped, and its events up to and including this sequence are gone.
    pub(crate) fn insert(&mut self, topic: Topic, evicted_through: u64) {
        if evicted_through <= self.through {
            return;
        }
        if self.by_topic.len() >= MAX_TOPICS {
            // Folded into one number: some reader of another topic may now be told of a gap that it
            // does not have. The other way round would be a lie.
            let folded = self.by_topic.drain().map(|(_, sequence)| sequence).max();
            self.all_through(folded.unwrap_or(0));
        }
        self.by_topic.insert(topic, evicted_through);
    }

    /// A topic comes back: up to where its events are gone.
    pub(crate) fn remove(&mut self, topic: &Topic) -> u64 {
        self.by_topic.remove(topic).unwrap_or(0).max(self.through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(n: usize) -> Topic {
        Topic::parse(&n.to_string()).unwrap()
    }

    #[test]
    fn never_forgets_a_loss_however_many_topics_come_and_go() {
        let mut forgotten = Forgotten::default();
        let n_topics = 3 * MAX_TOPICS;
        for n in 1..=n_topics {
            forgotten.insert(topic(n), n as u64);
            assert!(forgotten.by_topic.len() <= MAX_TOPICS);
        }
        for n in 1..=n_topics {
            assert!(forgotten.remove(&topic(n)) >= n as u64, "{n}");
        }
    }

    #[test]
    fn a_topic_that_was_never_seen_has_lost_nothing() {
        let mut forgotten = Forgotten::default();
        forgotten.insert(topic(1), 5);
        assert_eq!(forgotten.remove(&topic(2)), 0);
        assert_eq!(forgotten.remove(&topic(1)), 5);
        assert_eq!(forgotten.remove(&topic(1)), 0, "the topic itself knows from here on");
    }
}
