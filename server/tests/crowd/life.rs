//! What readers see, and whether that is what was published.

use super::*;

/// What an event says, so that nobody takes one for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) topic: String,
    /// Of its publisher.
    pub(crate) number: u64,
    pub(crate) n_bytes: usize,
}

impl Text {
    pub(crate) fn is_of(&self, topics: &[&str]) -> bool {
        topics.contains(&self.topic.as_str())
    }

    pub(crate) fn write(&self) -> String {
        let Self { topic, number, n_bytes } = self;
        let mut text = format!("{topic} {number} {n_bytes} ");
        let mut noise = Dice(*number);
        while text.len() < *n_bytes {
            text += &format!("{{\"of\":\"{topic}\",\"n\":{}}}", noise.below(1 << 12));
        }
        text
    }

    /// Panics unless every byte is as it was written.
    pub(crate) fn read(text: &str) -> Self {
        let mut words = text.split(' ');
        let (topic, number, n_bytes) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let read = Self { topic: topic.into(), number: number.parse().unwrap(), n_bytes: n_bytes.parse().unwrap() };
        assert!(read.write() == text, "an event came garbled: {text:.100}");
        read
    }
}

/// What a reader knows of one way through the log: it begins somewhere, and each stream or poll goes on behind the
/// last id of the one before.
pub(crate) struct Life {
    pub(crate) topics: Vec<&'static str>,
    /// It began with all that was kept of what had been published up to here: what was gone of a topic before the
    /// first event that it got was gone before it came.
    pub(crate) kept_through: u64,
    pub(crate) seen: Vec<Seen>,
    /// Up to here it has everything or was told.
    pub(crate) told_through: u64,
}

#[derive(Debug)]
pub(crate) enum Seen {
    /// It has everything up to here.
    Place(u64),
    Event(u64, Text),
    /// Events are missing from one sequence on up to another, and it stands at a third.
    Gap(u64, u64, u64),
}

impl Life {
    pub(crate) fn place(&self) -> Option<u64> {
        self.seen.last().map(|seen| match seen {
            Seen::Place(place) | Seen::Event(place, _) | Seen::Gap(_, _, place) => *place,
        })
    }

    pub(crate) fn saw(&mut self, seen: Seen) {
        if let Seen::Gap(_, to, _) = seen {
            self.told_through = self.told_through.max(to);
        }
        self.seen.push(seen);
        self.told_through = self.told_through.max(self.place().unwrap_or(0));
    }

    /// Holds what was seen against what was published.
    pub(crate) fn check(&self, published: &BTreeMap<u64, Text>) -> Result<(), String> {
        let Some(&Seen::Place(mut place)) = self.seen.first() else {
            return if self.seen.is_empty() { Ok(()) } else { Err("it begins nowhere".into()) };
        };
        let (mut told_through, mut met): (u64, Vec<&str>) = (0, Vec::new());
        for (index, seen) in self.seen.iter().enumerate() {
            let (has_all_before, next) = match seen {
                Seen::Place(next) => (*next + 1, *next),
                Seen::Event(next, text) => {
                    let said = published.get(next);
                    if said != Some(text) || !text.is_of(&self.topics) {
                        return Err(format!("{index}: {next} is not {text:?}: {said:?}"));
                    }
                    if *next <= place {
                        return Err(format!("{index}: {next} comes twice or late, behind {place}"));
                    }
                    (*next, *next)
                }
                Seen::Gap(from, to, next) => {
                    if from < &place || to < from || to < next {
                        return Err(format!("{index}: {seen:?} at {place}"));
                    }
                    (from + 1, *next)
                }
            };
            if next < place {
                return Err(format!("{index}: back from {place} to {next}"));
            }
            let missing = published.range(place + 1..has_all_before.max(place + 1)).find(|(sequence, text)| {
                let was_gone = **sequence <= self.kept_through && !met.contains(&text.topic.as_str());
                text.is_of(&self.topics) && **sequence > told_through && !was_gone
            });
            if let Some((sequence, text)) = missing {
                return Err(format!(
                    "{index}: {sequence}, {text:?}, is missing before {seen:?}, told through {told_through}"
                ));
            }
            match seen {
                Seen::Place(_) => {}
                Seen::Event(_, text) => {
                    if !met.contains(&text.topic.as_str()) {
                        met.push(&text.topic);
                    }
                }
                Seen::Gap(_, to, _) => told_through = told_through.max(*to),
            }
            place = next;
        }
        Ok(())
    }
}
