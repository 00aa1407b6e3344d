//! Where a reader stands in the log, and the one rule of what it gets next.
//!
//! A standing is plain data: reading makes a new one and leaves the old one as it was. So readers
//! that stand at the same place can share one reading.

use crate::config::SlowReaders;
use crate::entry::Entry;
use crate::hub::Hub;
use crate::topics::{BatchLimit, Place, Reading, TopicKey, Topics};
use heartwire_protocol::control::{Gap, GapReason};
use std::sync::Arc;

/// The place of one reader in some topics. What no longer matters to it is set back, so that equal places
/// compare as equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    place: Place,
    /// Whether it has once had everything there was: from then on it may not fall too far behind.
    caught_up: bool,
}

/// What a reader finds at its place.
pub(crate) enum Step {
    /// The next events, if any, the place after them, and whether there is more.
    Read { entries: Vec<Arc<Entry>>, standing: Standing, more: bool },
    /// It had fallen too far behind, or off the end of the history, and is moved forward. It is to be told
    /// of the gap before anything else.
    Moved { gap: Gap, standing: Standing },
    /// It has fallen too far behind, or off the end of the history, and is to go.
    Lagged,
}

impl Standing {
    /// `n_evictions_before`: so many events had been given up, of all topics, when it came to read all
    /// that is kept. `None` for one that begins at a place of its own.
    pub(crate) fn new(position: u64, n_evictions_before: Option<u64>) -> Self {
        Self { place: Place { position, newest_through: 0, n_evictions_before }, caught_up: false }
    }

    pub(crate) fn position(self) -> u64 {
        self.place.position
    }

    /// Whether it has once had everything there was.
    pub(crate) fn has_caught_up(self) -> bool {
        self.caught_up
    }

    pub(crate) fn step(self, hub: &Hub, keys: &[TopicKey], limit: BatchLimit) -> Step {
        let topics = hub.topics().read();
        let Reading::Batch { entries, position, more } = topics.read(keys, self.place, limit) else {
            return self.lag(hub, &topics, keys);
        };
        if more && self.is_too_far_behind(hub, &topics, keys) {
            return self.lag(hub, &topics, keys);
        }
        Step::Read { entries, standing: self.moved_on(position, more), more }
    }

    /// What happens to a reader that has fallen too far behind, if it has: for one that does not get its
    /// events by a step.
    pub(crate) fn lagging(self, hub: &Hub, keys: &[TopicKey]) -> Option<Step> {
        let topics = hub.topics().read();
        self.is_too_far_behind(hub, &topics, keys).then(|| self.lag(hub, &topics, keys))
    }

    fn is_too_far_behind(self, hub: &Hub, topics: &Topics, keys: &[TopicKey]) -> bool {
        let max_behind = hub.config().max_queue_size.filter(|_| self.caught_up);
        max_behind.is_some_and(|max| topics.count_after(keys, self.place.position) > max)
    }

    /// Whether it gets the newest events of a gap, and not all of them.
    pub(crate) fn leaves_out_events(self) -> bool {
        self.place.newest_through > 0
    }

    /// Where it stands once it has everything up to a position. `more`: that is not all there is.
    pub(crate) fn moved_on(self, position: u64, more: bool) -> Self {
        let Place { newest_through, n_evictions_before, .. } = self.place;
        let has_newest = newest_through > 0 && position >= newest_through;
        let caught_up = self.caught_up || !more || has_newest;
        let place = Place {
            position,
            newest_through: if has_newest { 0 } else { newest_through },
            // Nothing from before lies ahead of it any more.
            n_evictions_before: n_evictions_before.filter(|_| !caught_up),
        };
        Self { place, caught_up }
    }

    /// It has fallen too far behind, or off the end of the history.
    fn lag(self, hub: &Hub, topics: &Topics, keys: &[TopicKey]) -> Step {
        // To the head and no less: whatever lies before it is old by the very measure that the reader
        // failed, and anywhere else it would be about to fail again.
        let head = topics.head();
        let place = Place::at(head);
        let standing = match topics.slow_readers(keys) {
            SlowReaders::Close => return Step::Lagged,
            SlowReaders::Skip => Self { place, caught_up: true },
            // It stays where it is, so that each of the newest events moves it as events do: a reader that
            // is cut off among them resumes behind the last that it has. It counts as caught up when it
            // has all of them, and not before, or else it might get nothing but gaps.
            SlowReaders::Newest => {
                let place = Place { position: self.place.position, newest_through: head, ..place };
                Self { place, caught_up: false }
            }
        };
        let text = |sequence| hub.cursor(sequence).to_string();
        let gap = Gap { from: Some(text(self.place.position)), to: text(head), reason: GapReason::Lagged };
        Step::Moved { gap, standing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HubConfig;
    use crate::log::NewEvent;
    use crate::subscription::{Resume, Subscription};
    use crate::topics::tests::Numbers;
    use crate::{TopicPattern, TopicRule};
    use heartwire_protocol::{Cursor, Data, EventKey, EventType, Topic};

    const NAMES: [&str; 3] = ["a", "b", "c"];

    /// All that was ever published, by sequence from 1: the topic and the key.
    type Published = Vec<(&'static str, u64)>;

    /// A client, and what it may conclude.
    struct Reader {
        topics: &'static [&'static str],
        subscription: Subscription,
        /// The id of what it saw last.
        last_id: u64,
        /// It has had everything up to here, or was told.
        complete_through: u64,
        /// Up to here events may be missing.
        told_through: u64,
        /// Up to here it gets the newest of each key.
        newest_through: u64,
        n_gaps: usize,
    }

    impl Reader {
        fn new(hub: &Hub, topics: &'static [&'static str], resume: Resume) -> Self {
            let names: Vec<Topic> = topics.iter().map(|name| Topic::parse(name).unwrap()).collect();
            let mut subscription = hub.subscribe(&names, resume);
            subscription.take_gap();
            let begin = subscription.cursor().sequence;
            Self {
                topics,
                subscription,
                last_id: begin,
                complete_through: begin,
                told_through: begin,
                newest_through: 0,
                n_gaps: 0,
            }
        }

        /// Comes back after a cut, with nothing but the id that it saw last.
        fn resume(&mut self, hub: &Hub) {
            let resume = Resume::After(hub.cursor(self.last_id));
            let next = Self::new(hub, self.topics, resume);
            // What came before the place of the gap at the begin was told to be gone.
            self.complete_through = self.complete_through.max(next.complete_through);
            (self.subscription, self.last_id, self.newest_through) = (next.subscription, next.last_id, 0);
        }

        fn step(&mut self, hub: &Hub, published: &Published, limit: BatchLimit) {
            let (keys, at) = (self.subscription.membership().keys().to_vec(), self.subscription.standing());
            match at.step(hub, &keys, limit) {
                Step::Lagged => {
                    assert!(self.topics.contains(&"c"), "only this topic closes");
                    self.resume(hub);
                }
                Step::Moved { gap, standing } => {
                    assert!(!self.topics.contains(&"c"));
                    let sequence = |text: &str| text.parse::<Cursor>().unwrap().sequence;
                    assert_eq!(sequence(gap.from.as_deref().unwrap()), at.position());
                    self.told_through = sequence(&gap.to);
                    assert_eq!(self.told_through, published.len() as u64);
                    self.newest_through = if self.topics == ["a"] { self.told_through } else { 0 };
                    self.last_id = standing.position();
                    self.n_gaps += 1;
                    self.subscription.set_standing(standing);
                }
                Step::Read { entries, standing, more } => {
                    for entry in &entries {
                        self.has_had_or_was_told_of_all_before(hub, published, entry.sequence());
                        let is_newest = !self.successors(published, entry.sequence(), self.newest_through);
                        assert!(is_newest, "{}", entry.sequence());
                        (self.last_id, self.complete_through) = (entry.sequence(), entry.sequence());
                    }
                    if !more {
                        self.has_had_or_was_told_of_all_before(hub, published, standing.position() + 1);
                        self.complete_through = standing.position();
                    }
                    assert!(standing.position() >= self.last_id);
                    self.subscription.set_standing(standing);
                }
            }
        }

        fn has_had_or_was_told_of_all_before(&self, hub: &Hub, published: &Published, next: u64) {
            assert!(next > self.complete_through || next > self.last_id, "nothing comes twice");
            for passed in self.complete_through + 1..next {
                let (topic, _) = published[passed as usize - 1];
                if let Some(index) = self.topics.iter().position(|name| *name == topic) {
                    assert!(passed <= self.told_through, "{passed} was left out without a word");
                    let key = &self.subscription.membership().keys()[index..=index];
                    let is_kept = passed > hub.topics().read().evicted_through(key);
                    if is_kept && passed <= self.newest_through {
                        assert!(self.successors(published, passed, self.newest_through), "{passed} is the newest");
                    }
                }
            }
        }

        /// Whether an event of the same topic and key follows up to some place.
        fn successors(&self, published: &Published, sequence: u64, through: u64) -> bool {
            let subject = published[sequence as usize - 1];
            (sequence + 1..=through).any(|later| published[later as usize - 1] == subject)
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_misses_and_gets_nothing_twice() {
        let mut n_gaps = 0;
        for seed in 0..40 {
            let mut numbers = Numbers(seed);
            let rule = |text: &str, policy| TopicRule {
                slow_readers: Some(policy),
                ..TopicRule::new(TopicPattern::parse(text).unwrap())
            };
            let hub = Hub::new(HubConfig {
                max_queue_size: Some(5 + numbers.below(30) as usize),
                max_history_per_topic: 10 + numbers.below(60) as usize,
                topic_rules: vec![rule("a", SlowReaders::Newest), rule("b*", SlowReaders::Skip)],
                ..HubConfig::default()
            })
            .unwrap();
            let topics: [&[&str]; 4] = [&["a"], &["b"], &["a", "b"], &["a", "c"]];
            let mut readers: Vec<Reader> =
                topics.into_iter().map(|topics| Reader::new(&hub, topics, Resume::Earliest)).collect();
            let mut published = Published::new();
            for _ in 0..300 {
                let (name, n_events) = (NAMES[numbers.below(3) as usize], numbers.below(12));
                let mut events = Vec::new();
                for _ in 0..n_events {
                    let key = numbers.below(9);
                    let event_type = EventType::parse(&format!("k{key}")).unwrap();
                    // Without a key it counts under its type, so both make the same groups here.
                    let key_text = (key > 4).then(|| EventKey::parse(&key.to_string()).unwrap());
                    let new = NewEvent::new(Topic::parse(name).unwrap(), event_type, Data::new(""));
                    events.push(NewEvent { key: key_text, ..new });
                    published.push((name, key));
                }
                hub.publish_all(events).await.unwrap();
                for reader in &mut readers {
                    // Most of the time a reader stands still.
                    for _ in 0..numbers.below(10).saturating_sub(6) {
                        let limit =
                            BatchLimit { events: 1 + numbers.below(5) as usize, bytes: usize::MAX, through: u64::MAX };
                        reader.step(&hub, &published, limit);
                    }
                    if numbers.below(20) == 0 {
                        reader.resume(&hub);
                    }
                }
            }
            n_gaps += readers.iter().map(|reader| reader.n_gaps).sum::<usize>();
        }
        assert!(n_gaps > 1_000, "readers are slow often: {n_gaps}");
    }
}
