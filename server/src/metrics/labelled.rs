//! Numbers under names that come from outside, of which only so many are told apart.

use parking_lot::Mutex;
use std::collections::HashMap;

/// What stands for all names beyond the limit.
pub(super) const OTHER: &str = "other";

/// How many events of each type were published, and under each topic where that is asked for.
#[derive(Debug)]
pub(super) struct EventCounts {
    max_names: usize,
    by_topic: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    types: HashMap<Box<str>, u32>,
    topics: HashMap<Box<str>, u32>,
    /// By the numbers of both names; 0 is all others.
    counts: HashMap<(u32, u32), u64>,
    total: u64,
}

/// One row of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventCount {
    pub(super) event_type: String,
    /// `None` where topics are not told apart.
    pub(super) topic: Option<String>,
    pub(super) n: u64,
}

impl EventCounts {
    /// `max_names`: how many types are told apart, and how many topics if they are at all.
    pub(super) fn new(max_names: usize, by_topic: bool) -> Self {
        Self { max_names, by_topic, known: Mutex::default() }
    }

    pub(super) fn add<'a>(&self, events: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut known = self.known.lock();
        let Known { types, topics, counts, total } = &mut *known;
        for (event_type, topic) in events {
            let event_type = number(types, event_type, self.max_names);
            let topic = if self.by_topic { number(topics, topic, self.max_names) } else { 0 };
            *counts.entry((event_type, topic)).or_default() += 1;
            *total += 1;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.known.lock().total
    }

    /// All rows, in the order of their names.
    pub(super) fn rows(&self) -> Vec<EventCount> {
        let known = self.known.lock();
        let (types, topics) = (names(&known.types), names(&known.topics));
        let name = |names: &HashMap<u32, &str>, number: u32| names.get(&number).map_or(OTHER, |name| *name).to_owned();
        let row = |(&(event_type, topic), &n): (&(u32, u32), &u64)| EventCount {
            event_type: name(&types, event_type),
            topic: self.by_topic.then(|| name(&topics, topic)),
            n,
        };
        let mut rows: Vec<EventCount> = known.counts.iter().map(row).collect();
        drop(known);
        rows.sort_unstable();
        // A name that is spelled like the one for all others is one of them.
        rows.dedup_by(|next, kept| {
            let is_same = (&next.event_type, &next.topic) == (&kept.event_type, &kept.topic);
            if is_same {
                kept.n += next.n;
            }
            is_same
        });
        rows
    }
}

fn number(known: &mut HashMap<Box<str>, u32>, name: &str, max_names: usize) -> u32 {
    if let Some(number) = known.get(name) {
        return *number;
    }
    if known.len() >= max_names {
        return 0;
    }
    let number = u32::try_from(known.len() + 1).unwrap_or(0);
    known.insert(name.into(), number);
    number
}

fn names(known: &HashMap<Box<str>, u32>) -> HashMap<u32, &str> {
    known.iter().map(|(name, number)| (*number, &**name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(max_names: usize, by_topic: bool, events: &[(&str, &str)], expected: &[(&str, Option<&str>, u64)]) {
        let counts = EventCounts::new(max_names, by_topic);
        counts.add(events.iter().copied());
        let expected: Vec<EventCount> = expected
            .iter()
            .map(|(event_type, topic, n)| EventCount {
                event_type: (*event_type).into(),
                topic: topic.map(Into::into),
                n: *n,
            })
            .collect();
        assert_eq!(counts.rows(), expected);
        assert_eq!(counts.total(), events.len() as u64);
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let events = [("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"), ("d", "z")];
        check(9, false, &events, &[("a", None, 2), ("b", None, 1), ("c", None, 1), ("d", None, 1)]);
        check(2, false, &events, &[("a", None, 2), ("b", None, 1), ("other", None, 2)]);
        check(
            1,
            true,
            &events,
            &[("a", Some("other"), 1), ("a", Some("x"), 1), ("other", Some("other"), 1), ("other", Some("x"), 2)],
        );
        check(0, false, &events, &[("other", None, 5)]);
        check(2, false, &[("other", "x"), ("b", "x"), ("c", "x")], &[("b", None, 1), ("other", None, 2)]);
    }

    #[test]
    fn a_hundred_thousand_names_make_no_more_rows_than_a_hundred() {
        let counts = EventCounts::new(100, true);
        for n in 0..100_000 {
            let name = n.to_string();
            counts.add([(name.as_str(), name.as_str())]);
        }
        assert_eq!(counts.rows().len(), 101);
    }
}
