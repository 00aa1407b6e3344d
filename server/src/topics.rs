//! The hub's memory: the recent events of all topics, within their bounds.
//!
//! It owns every topic log, what is known of dropped topics, and the head, the sequence of the last
//! event of all. It is plain data under the hub's one lock: it never waits, never wakes and never
//! reads a clock. The log's tail fills it, subscriptions read it, the hub's clean-up empties it.

use crate::bell::Bell;
use crate::config::{HubConfig, PerTopic, SlowReaders};
use crate::entry::Entry;
use crate::forgotten::Forgotten;
use crate::metrics::Audience;
use crate::rate::Rate;
use crate::topic_log::TopicLog;
use heartwire_protocol::Topic;
use serde::Serialize;
use slab::Slab;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a topic that holds events takes beside them: its slot, its name in two maps and its bell. A
/// topic without any costs no history: otherwise the names that readers make up would push events out.
const TOPIC_COST_BYTES: usize = 512;

/// How much may be kept, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) events_per_topic: usize,
    pub(crate) bytes_per_topic: usize,
    pub(crate) bytes_total: usize,
    pub(crate) event_ttl: Option<Duration>,
    pub(crate) topic_ttl: Option<Duration>,
}

impl From<&HubConfig> for Bounds {
    fn from(config: &HubConfig) -> Self {
        Self {
            events_per_topic: config.max_history_per_topic,
            bytes_per_topic: config.max_bytes_per_topic,
            bytes_total: config.max_bytes_total,
            event_ttl: config.event_ttl,
            topic_ttl: config.topic_ttl,
        }
    }
}

/// How much one reading brings at most. The first event always comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimit {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// Nothing behind this sequence.
    pub(crate) through: u64,
}

/// Where a reader stands, as far as reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Everything up to this sequence was handed out, or told to be missed.
    pub(crate) position: u64,
    /// The reader was told that it misses events up to here, and gets the newest of each key of them
    /// alone. 0, or any place at or before the position: it gets everything.
    pub(crate) newest_through: u64,
    /// What was among the first so many events to be given up, of all topics, is not missed: it was gone
    /// before the reader came.
    pub(crate) n_evictions_before: Option<u64>,
}

impl Place {
    /// For a reader that gets everything from here on.
    pub(crate) fn at(position: u64) -> Self {
        Self { position, newest_through: 0, n_evictions_before: None }
    }

    /// Up to here the reader has been told whatever there is to tell about what is gone.
    pub(crate) fn told_through(self) -> u64 {
        self.position.max(self.newest_through)
    }
}

/// A topic that has readers, and is therefore not dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicKey(usize);

/// What a reader finds after its position.
#[derive(Debug)]
pub(crate) enum Reading {
    /// The next events, and where the reader stands once it has them.
    Batch { entries: Vec<Arc<Entry>>, position: u64, more: bool },
    /// Events after its position are gone.
    Lost,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    bounds: Bounds,
    slow_readers: PerTopic<SlowReaders>,
    head: u64,
    slots: Slab<Slot>,
    by_name: HashMap<Topic, TopicKey>,
    /// Each topic that holds events, by the sequence of its oldest one. Sequences grow with time, so
    /// the first of these is the oldest event of all.
    by_oldest: BTreeMap<u64, TopicKey>,
    cost_bytes: usize,
    /// How many events were given up so far, of all topics.
    n_evictions: u64,
    forgotten: Forgotten,
}

#[derive(Debug)]
struct Slot {
    topic: Topic,
    slow_readers: SlowReaders,
    log: TopicLog,
    bell: Arc<Bell>,
    n_readers: usize,
    used_at: Instant,
    audience: Arc<Audience>,
    n_events: u64,
    rate: Rate,
}

/// What is told about one topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TopicFigures {
    topic: String,
    /// Open streams that read it.
    streams: usize,
    /// Since it came into being, or came back.
    events_total: u64,
    events_per_s: f64,
    kept_events: usize,
    kept_bytes: usize,
}

impl Slot {
    fn cost_bytes(&self) -> usize {
        if self.log.len() == 0 { 0 } else { TOPIC_COST_BYTES + self.topic.as_str().len() + self.log.cost_bytes() }
    }
}

impl Topics {
    pub(crate) fn new(bounds: Bounds, slow_readers: PerTopic<SlowReaders>) -> Self {
        Self {
            bounds,
            slow_readers,
            head: 0,
            slots: Slab::new(),
            by_name: HashMap::new(),
            by_oldest: BTreeMap::new(),
            cost_bytes: 0,
            n_evictions: 0,
            forgotten: Forgotten::default(),
        }
    }

    /// The sequence of the last event of all topics.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// What all of this takes, in bytes, counted as the most that it can come to.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.cost_bytes
    }

    /// The log goes back to the event after `sequence` only.
    pub(crate) fn begin(&mut self, sequence: u64) {
        self.head = self.head.max(sequence);
        self.forgotten.all_through(sequence);
    }

    /// Takes the next event of the log, and returns the bell of its topic.
    pub(crate) fn append(&mut self, entry: Arc<Entry>, now: Instant) -> Arc<Bell> {
        self.head = entry.sequence();
        let key = self.find_or_add(entry.topic(), now);
        self.change_log(key, |log| log.append(entry));
        let slot = &mut self.slots[key.0];
        slot.used_at = now;
        slot.n_events += 1;
        slot.rate.count(now);
        let bell = Arc::clone(&slot.bell);

        let Bounds { events_per_topic, bytes_per_topic, bytes_total, .. } = self.bounds;
        while self.slots[key.0].log.len() > events_per_topic || self.slots[key.0].log.cost_bytes() > bytes_per_topic {
            self.evict_oldest(key);
        }
        // Never the event that has just come: what is published is there to be read.
        while self.cost_bytes > bytes_total && self.by_oldest.keys().next().is_some_and(|oldest| *oldest < self.head) {
            self.evict_oldest_of_all();
        }
        bell
    }

    /// Changes how much all topics may take, and gives up the oldest events until they do.
    pub(crate) fn set_bytes_total(&mut self, bytes_total: usize) {
        self.bounds.bytes_total = bytes_total;
        while self.cost_bytes > bytes_total {
            self.evict_oldest_of_all();
        }
    }

    /// A reader of this topic comes. It must [`leave`](Self::leave) again.
    pub(crate) fn enter(&mut self, topic: &Topic, now: Instant) -> TopicKey {
        let key = self.find_or_add(topic, now);
        self.slots[key.0].n_readers += 1;
        key
    }

    /// A reader of this topic goes.
    pub(crate) fn leave(&mut self, key: TopicKey, now: Instant) {
        let slot = &mut self.slots[key.0];
        slot.n_readers -= 1;
        slot.used_at = now;
        self.drop_if_useless(key);
    }

    /// Whether these topics and those that are kept are at most so many.
    pub(crate) fn has_room_for<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>, max: usize) -> bool {
        let mut new: HashSet<&Topic> = HashSet::new();
        topics.into_iter().filter(|topic| !self.by_name.contains_key(*topic)).all(|topic| {
            new.insert(topic);
            self.slots.len() + new.len() <= max
        })
    }

    pub(crate) fn bell(&self, key: TopicKey) -> &Arc<Bell> {
        &self.slots[key.0].bell
    }

    /// Who counts the streams of some topics.
    pub(crate) fn audiences(&self, keys: &[TopicKey]) -> Box<[Arc<Audience>]> {
        keys.iter().map(|key| Arc::clone(&self.slots[key.0].audience)).collect()
    }

    /// Whether anybody reads a topic right now.
    #[cfg(feature = "cli")]
    pub(crate) fn is_read(&self, topic: &Topic) -> bool {
        self.by_name.get(topic).is_some_and(|key| self.slots[key.0].n_readers > 0)
    }

    /// How many topics there are, less those that Heartwire keeps for itself.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().filter(|(_, slot)| !slot.topic.is_reserved()).count()
    }

    /// How many topics there are, and the figures of those where most happens.
    pub(crate) fn busiest(&self, n_most: usize, now: Instant) -> (usize, Vec<TopicFigures>) {
        let figures = |slot: &Slot| (slot.rate.per_second(now), slot.audience.n_streams(), slot.n_events);
        let mut slots: Vec<(&Slot, (f64, usize, u64))> = self
            .slots
            .iter()
            .filter(|(_, slot)| !slot.topic.is_reserved())
            .map(|(_, slot)| (slot, figures(slot)))
            .collect();
        let count = slots.len();
        // In thousandths, since floating numbers have no order.
        let busyness = |(rate, n_streams, n_events): (f64, usize, u64)| ((rate * 1e3) as u64, n_streams, n_events);
        let busiest_first = |one: &(&Slot, _), other: &(&Slot, _)| {
            busyness(other.1).cmp(&busyness(one.1)).then_with(|| one.0.topic.cmp(&other.0.topic))
        };
        if count > n_most {
            slots.select_nth_unstable_by(n_most, busiest_first);
            slots.truncate(n_most);
        }
        slots.sort_by(busiest_first);
        let told = slots.into_iter().map(|(slot, (rate, streams, events_total))| TopicFigures {
            topic: slot.topic.as_str().into(),
            streams,
            events_total,
            events_per_s: (rate * 10.0).round() / 10.0,
            kept_events: slot.log.len(),
            kept_bytes: slot.log.cost_bytes(),
        });
        (count, told.collect())
    }

    pub(crate) fn bells(&self) -> impl Iterator<Item = &Arc<Bell>> {
        self.slots.iter().map(|(_, slot)| &slot.bell)
    }

    /// How many events were given up so far, of all topics.
    pub(crate) fn n_evictions(&self) -> u64 {
        self.n_evictions
    }

    /// The next events of some topics after a place, by sequence.
    pub(crate) fn read(&self, keys: &[TopicKey], place: Place, limit: BatchLimit) -> Reading {
        // A topic gives up its oldest event first, so the last one that it gave up tells for all.
        let lost = |key: &TopicKey| {
            let log = &self.slots[key.0].log;
            let was_there = place.n_evictions_before.is_none_or(|n| log.last_eviction() > n);
            log.evicted_through() > place.told_through() && was_there
        };
        if keys.iter().any(lost) {
            return Reading::Lost;
        }
        // Each topic's next event, with the rest behind it. Searched linearly: of at most a hundred
        // topics, most have nothing to tell.
        let mut heads: Vec<(&Arc<Entry>, _)> = Vec::new();
        for key in keys {
            let mut rest = self.slots[key.0].log.after(place.position, place.newest_through);
            heads.extend(rest.next().map(|next| (next, rest)));
        }
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut bytes = 0;
        while let Some(index) = (0..heads.len()).min_by_key(|index| heads[*index].0.sequence()) {
            if heads[index].0.sequence() > limit.through {
                return Reading::Batch { entries, position: limit.through, more: true };
            }
            if let Some(last) = entries.last()
                && (entries.len() >= limit.events || bytes >= limit.bytes)
            {
                let position = last.sequence();
                return Reading::Batch { entries, position, more: true };
            }
            let (next, rest) = &mut heads[index];
            bytes += next.data().as_str().len();
            entries.push(Arc::clone(next));
            match rest.next() {
                Some(entry) => *next = entry,
                None => drop(heads.swap_remove(index)),
            }
        }
        Reading::Batch { entries, position: self.head, more: false }
    }

    /// How many events of some topics lie after `position`.
    pub(crate) fn count_after(&self, keys: &[TopicKey], position: u64) -> usize {
        keys.iter().map(|key| self.slots[key.0].log.count_after(position)).sum()
    }

    /// What happens to a slow reader of some topics: the most careful policy among theirs.
    pub(crate) fn slow_readers(&self, keys: &[TopicKey]) -> SlowReaders {
        keys.iter().map(|key| self.slots[key.0].slow_readers).min().unwrap_or_default()
    }

    /// The last sequence that any of these topics gave up.
    pub(crate) fn evicted_through(&self, keys: &[TopicKey]) -> u64 {
        keys.iter().map(|key| self.slots[key.0].log.evicted_through()).max().unwrap_or(0)
    }

    /// The sequence of the oldest event that these topics still hold.
    pub(crate) fn oldest(&self, keys: &[TopicKey]) -> Option<u64> {
        keys.iter().filter_map(|key| self.slots[key.0].log.oldest()).map(|entry| entry.sequence()).min()
    }

    /// Gives up at most `n_most` events that have lived their time. Returns whether there may be more.
    pub(crate) fn evict_expired(&mut self, now: Instant, n_most: usize) -> bool {
        let Some(event_ttl) = self.bounds.event_ttl else { return false };
        for _ in 0..n_most {
            let oldest = self.by_oldest.first_key_value().and_then(|(_, key)| self.slots[key.0].log.oldest());
            if oldest.is_none_or(|entry| now.duration_since(entry.appended_at()) < event_ttl) {
                return false;
            }
            self.evict_oldest_of_all();
        }
        true
    }

    /// Drops topics that nobody used for their time, with what they still hold: at most `n_most` topics, and as
    /// many events. Returns whether there may be more.
    pub(crate) fn drop_idle(&mut self, now: Instant, n_most: usize) -> bool {
        let Some(topic_ttl) = self.bounds.topic_ttl else { return false };
        let idle = |slot: &Slot| slot.n_readers == 0 && now.duration_since(slot.used_at) >= topic_ttl;
        let keys: Vec<TopicKey> =
            self.slots.iter().filter(|(_, slot)| idle(slot)).map(|(key, _)| TopicKey(key)).take(n_most).collect();
        let last_eviction = self.n_evictions + n_most as u64;
        for key in &keys {
            while self.slots[key.0].log.len() > 0 {
                if self.n_evictions == last_eviction {
                    return true;
                }
                self.evict_oldest(*key);
            }
            self.drop_if_useless(*key);
        }
        keys.len() == n_most
    }

    fn find_or_add(&mut self, topic: &Topic, now: Instant) -> TopicKey {
        if let Some(key) = self.by_name.get(topic) {
            return *key;
        }
        let slow_readers = self.slow_readers.of(topic);
        let slot = Slot {
            topic: topic.clone(),
            slow_readers,
            log: TopicLog::new(self.forgotten.remove(topic), slow_readers == SlowReaders::Newest),
            bell: Arc::default(),
            n_readers: 0,
            used_at: now,
            audience: Audience::new(topic.clone()),
            n_events: 0,
            rate: Rate::new(now),
        };
        let key = TopicKey(self.slots.insert(slot));
        self.by_name.insert(topic.clone(), key);
        key
    }

    /// The one way to change a topic's log: keeps the count of bytes and the order by age.
    fn change_log(&mut self, key: TopicKey, change: impl FnOnce(&mut TopicLog)) {
        let slot = &mut self.slots[key.0];
        let (oldest_before, cost_before) = (slot.log.oldest().map(|entry| entry.sequence()), slot.cost_bytes());
        change(&mut slot.log);
        let oldest = slot.log.oldest().map(|entry| entry.sequence());
        self.cost_bytes = self.cost_bytes + slot.cost_bytes() - cost_before;
        if oldest != oldest_before {
            oldest_before.map(|sequence| self.by_oldest.remove(&sequence));
            oldest.map(|sequence| self.by_oldest.insert(sequence, key));
        }
    }

    fn evict_oldest(&mut self, key: TopicKey) {
        self.n_evictions += 1;
        let number = self.n_evictions;
        self.change_log(key, |log| drop(log.evict_oldest(number)));
    }

    fn evict_oldest_of_all(&mut self) {
        if let Some(key) = self.by_oldest.values().next().copied() {
            self.evict_oldest(key);
            self.drop_if_useless(key);
        }
    }

    /// A topic without events and without readers is nothing but its name and what it lost.
    fn drop_if_useless(&mut self, key: TopicKey) {
        let slot = &self.slots[key.0];
        if slot.n_readers > 0 || slot.log.len() > 0 {
            return;
        }
        let slot = self.slots.remove(key.0);
        self.by_name.remove(&slot.topic);
        self.forgotten.insert(slot.topic, slot.log.evicted_through());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::entry::tests::entry;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    const ALL: BatchLimit = BatchLimit { events: usize::MAX, bytes: usize::MAX, through: u64::MAX };

    fn at(position: u64) -> Place {
        Place::at(position)
    }

    fn new_topics(bounds: Bounds) -> Topics {
        Topics::new(bounds, HubConfig::default().slow_readers_per_topic())
    }

    /// A source of numbers that is the same in every run.
    pub(crate) struct Numbers(pub(crate) u64);

    impl Numbers {
        pub(crate) fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    fn check_bookkeeping(topics: &Topics) {
        let costs: usize = topics.slots.iter().map(|(_, slot)| slot.cost_bytes()).sum();
        assert_eq!(topics.cost_bytes(), costs);
        assert!(topics.cost_bytes() <= topics.bounds.bytes_total);
        let oldest: BTreeMap<u64, TopicKey> = topics
            .slots
            .iter()
            .filter_map(|(key, slot)| Some((slot.log.oldest()?.sequence(), TopicKey(key))))
            .collect();
        assert_eq!(topics.by_oldest, oldest);
        assert_eq!(topics.by_name.len(), topics.slots.len());
    }

    /// The promise that all others rest on, whatever is published, evicted, dropped and folded.
    #[test]
    fn a_reader_gets_everything_after_its_position_or_is_told_that_something_is_lost() {
        let start = Instant::now();
        let mut n_told = [0, 0];
        for seed in 0..30 {
            let mut numbers = Numbers(seed);
            let mut topics = new_topics(Bounds {
                events_per_topic: 1 + numbers.below(12) as usize,
                bytes_per_topic: 6_000,
                bytes_total: 12_000,
                event_ttl: Some(Duration::from_secs(20)),
                topic_ttl: Some(Duration::from_secs(8)),
            });
            let mut published: Vec<(u64, &str)> = Vec::new();
            let mut now = start;
            for _ in 0..400 {
                now += Duration::from_millis(numbers.below(900));
                match numbers.below(10) {
                    0..=5 => {
                        let name = NAMES[numbers.below(4) as usize];
                        let sequence = published.len() as u64 + 1;
                        topics.append(entry(sequence, name, &"x".repeat(numbers.below(300) as usize), now), now);
                        published.push((sequence, name));
                    }
                    6 => while topics.evict_expired(now, 2) {},
                    7 => while topics.drop_idle(now, 2) {},
                    _ => {
                        let n_topics = 1 + numbers.below(4) as usize;
                        let names = &NAMES[..n_topics];
                        let position = numbers.below(published.len() as u64 + 1);
                        let keys: Vec<_> =
                            names.iter().map(|name| topics.enter(&Topic::parse(name).unwrap(), now)).collect();
                        let expected =
                            published.iter().filter(|(sequence, name)| *sequence > position && names.contains(name));
                        match topics.read(&keys, at(position), ALL) {
                            Reading::Batch { entries, position, more } => {
                                let read = entries.iter().map(|entry| (entry.sequence(), entry.topic().as_str()));
                                assert!(read.eq(expected.copied()), "seed {seed}");
                                assert!(!more && position == published.len() as u64);
                                n_told[0] += 1;
                            }
                            Reading::Lost => {
                                assert!(expected.count() > 0, "nothing was there to lose, seed {seed}");
                                n_told[1] += 1;
                            }
                        }
                        for key in keys {
                            topics.leave(key, now);
                        }
                    }
                }
                check_bookkeeping(&topics);
            }
        }
        assert!(n_told.iter().all(|n| *n > 300), "both cases are met often: {n_told:?}");
    }

    #[test]
    fn what_was_gone_before_a_reader_came_does_not_hide_what_is_lost_after() {
        let now = Instant::now();
        let mut topics = new_topics(Bounds {
            events_per_topic: 10,
            bytes_per_topic: 1 << 20,
            bytes_total: 1 << 20,
            event_ttl: None,
            topic_ttl: None,
        });
        for sequence in 1..=40 {
            // The first ten of one topic are kept, and of the other the last ten of thirty.
            topics.append(entry(sequence, if sequence <= 10 { "b" } else { "a" }, "x", now), now);
        }
        let keys = ["a", "b"].map(|name| topics.enter(&Topic::parse(name).unwrap(), now));
        let before = Some(topics.n_evictions());
        let Reading::Batch { entries, .. } = topics.read(&keys, Place { n_evictions_before: before, ..at(0) }, ALL)
        else {
            panic!("nothing is missed")
        };
        assert_eq!(entries.len(), 20);
        topics.append(entry(41, "b", "x", now), now);
        assert!(
            matches!(topics.read(&keys, Place { n_evictions_before: before, ..at(0) }, ALL), Reading::Lost),
            "the first of b is gone now"
        );
        assert!(
            matches!(topics.read(&keys, Place { n_evictions_before: before, ..at(1) }, ALL), Reading::Batch { .. }),
            "this reader had it"
        );
    }

    #[test]
    fn what_takes_more_than_it_may_from_now_on_gives_up_its_oldest_events() {
        let now = Instant::now();
        let mut topics = new_topics(Bounds {
            events_per_topic: 10,
            bytes_per_topic: 1 << 20,
            bytes_total: 1 << 20,
            event_ttl: None,
            topic_ttl: None,
        });
        for sequence in 1..=10 {
            topics.append(entry(sequence, NAMES[sequence as usize % 3], "x", now), now);
        }
        let keys = NAMES.map(|name| topics.enter(&Topic::parse(name).unwrap(), now));
        topics.set_bytes_total(topics.cost_bytes() - 1);
        check_bookkeeping(&topics);
        assert_eq!((topics.oldest(&keys), topics.evicted_through(&keys)), (Some(2), 1));
        topics.set_bytes_total(0);
        check_bookkeeping(&topics);
        assert_eq!((topics.oldest(&keys), topics.evicted_through(&keys)), (None, 10));
    }

    #[test]
    fn names_that_readers_make_up_push_no_event_out() {
        let now = Instant::now();
        let mut topics = new_topics(Bounds {
            events_per_topic: 10,
            bytes_per_topic: 2_000,
            bytes_total: 2_000,
            event_ttl: None,
            topic_ttl: None,
        });
        topics.append(entry(1, "a", "x", now), now);
        for n in 0..1_000 {
            topics.enter(&Topic::parse(&format!("made up {n}")).unwrap(), now);
        }
        topics.append(entry(2, "a", "x", now), now);
        let keys = [topics.enter(&Topic::parse("a").unwrap(), now)];
        let Reading::Batch { entries, .. } = topics.read(&keys, at(0), ALL) else { panic!("nothing is lost") };
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn idle_topics_are_dropped_in_steps() {
        let now = Instant::now();
        let topic_ttl = Duration::from_secs(8);
        let mut topics = new_topics(Bounds {
            events_per_topic: 10,
            bytes_per_topic: 1 << 20,
            bytes_total: 1 << 20,
            event_ttl: None,
            topic_ttl: Some(topic_ttl),
        });
        for sequence in 1..=28 {
            topics.append(entry(sequence, NAMES[sequence as usize % 4], "x", now), now);
        }
        let later = now + topic_ttl;
        let (mut n_steps, mut goes_on) = (0, true);
        while goes_on {
            let (n_topics, n_evictions) = (topics.len(), topics.n_evictions());
            goes_on = topics.drop_idle(later, 5);
            assert!(n_topics - topics.len() <= 5 && topics.n_evictions() - n_evictions <= 5);
            check_bookkeeping(&topics);
            n_steps += 1;
        }
        assert_eq!((topics.len(), topics.n_evictions(), n_steps), (0, 28, 6));
    }

    #[test]
    fn there_is_always_room_for_a_topic_that_is_kept() {
        let now = Instant::now();
        let mut topics = new_topics(Bounds {
            events_per_topic: 10,
            bytes_per_topic: 1 << 20,
            bytes_total: 1 << 20,
            event_ttl: None,
            topic_ttl: None,
        });
        topics.append(entry(1, "a", "x", now), now);
        let read = topics.enter(&Topic::parse("b").unwrap(), now);
        let has_room = |topics: &Topics, names: &[&str], max| {
            let names: Vec<Topic> = names.iter().map(|name| Topic::parse(name).unwrap()).collect();
            topics.has_room_for(&names, max)
        };
        assert!(has_room(&topics, &["a", "b", "a"], 0));
        assert!(has_room(&topics, &["a", "c", "c", "c"], 3), "named again it is no other");
        assert!(!has_room(&topics, &["c"], 2));
        assert!(!has_room(&topics, &["c", "d"], 3));
        topics.leave(read, now);
        assert!(has_room(&topics, &["c"], 2), "whom nobody reads, and who has no events, is forgotten");
    }

    #[test]
    fn a_reading_in_steps_is_the_reading_in_one() {
        let now = Instant::now();
        let mut topics = new_topics(Bounds {
            events_per_topic: 1_000,
            bytes_per_topic: 1 << 20,
            bytes_total: 1 << 20,
            event_ttl: None,
            topic_ttl: None,
        });
        for sequence in 1..=100 {
            topics.append(entry(sequence, NAMES[sequence as usize % 3], "0123456789", now), now);
        }
        let keys: Vec<_> = NAMES.iter().map(|name| topics.enter(&Topic::parse(name).unwrap(), now)).collect();
        for limit in [BatchLimit { events: 7, ..ALL }, BatchLimit { events: 99, bytes: 1, ..ALL }, ALL] {
            let (mut position, mut sequences, mut goes_on) = (0, Vec::new(), true);
            while goes_on {
                let Reading::Batch { entries, position: next, more } = topics.read(&keys, at(position), limit) else {
                    panic!("nothing was evicted");
                };
                sequences.extend(entries.iter().map(|entry| entry.sequence()));
                (position, goes_on) = (next, more);
            }
            assert!(sequences.iter().copied().eq(1..=100), "{limit:?}: {sequences:?}");
            assert_eq!(position, 100);
        }
    }
}
