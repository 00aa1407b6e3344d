//! What one reader was given, held against what was published: the promise, checked event by event.
//!
//! The hub is fresh, all events go to one topic, and one connection publishes them in order. So the
//! event that bears number n in its payload is the one with sequence n + 1 in its id, and a reader
//! that knows its place knows the very next event that must come.

use heartwire_protocol::decode::DecodedEvent;
use heartwire_protocol::{Control, Cursor};

use crate::stamp::Stamp;

/// What was published at some moment, in events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Published {
    /// Those whose publish was answered: they are in the log.
    pub(super) answered: u64,
    /// Those that were sent: they may be in the log.
    pub(super) sent: u64,
}

/// The account of one reader over all its streams.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The last id it was given, as a browser keeps it.
    last: Option<Cursor>,
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    /// It has asked, with this resume point, when so much had been published for certain.
    Asked { after: Option<Cursor>, answered: u64 },
    /// `connected` had no id, so a gap must tell where the stream begins.
    GapIsNext { after: Cursor },
    /// Everything up to this sequence was given or told.
    Reading { place: u64 },
    #[default]
    Away,
}

/// The sums over all readers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    /// Events that a reader should have had and was told nothing about.
    pub(super) missed: u64,
    /// Events that a reader had had already.
    pub(super) doubled: u64,
    /// What cannot be at all: an id on the wrong payload, control events that contradict each other.
    pub(super) wrong: u64,
    /// Streams that went on exactly where the reader had left off.
    pub(super) resumed: u64,
    pub(super) gaps_told: u64,
    /// How many events those gaps stand for.
    pub(super) events_told: u64,
    /// Streams that the server ended because the reader was too slow.
    pub(super) lagged: u64,
    /// The first few faults, in words.
    pub(super) faults: Vec<String>,
}

impl Account {
    /// The reader asks for a stream, with its resume point or as if it were new. Returns what it names.
    pub(super) fn ask(&mut self, resumes: bool, published: Published) -> Option<Cursor> {
        let after = self.last.filter(|_| resumes);
        self.stage = Stage::Asked { after, answered: published.answered };
        after
    }

    /// The stream is over.
    pub(super) fn leave(&mut self) {
        self.stage = Stage::Away;
    }

    /// Whether it has been given, or told of, everything up to this sequence.
    pub(super) fn has_all(&self, sequence: u64) -> bool {
        matches!(self.stage, Stage::Reading { place } if place >= sequence)
    }

    /// The load is over, and nothing more comes: what is not there by now is missed.
    pub(super) fn close(&mut self, sequence: u64, tally: &mut Tally) {
        match self.stage {
            Stage::Reading { place } if place >= sequence => {}
            Stage::Reading { place } => tally.miss(sequence - place, "at the end of the load"),
            _ => tally.fault("a reader has no stream at the end of the load"),
        }
    }

    /// The reader was given an event.
    pub(super) fn take(&mut self, event: &DecodedEvent, published: Published, tally: &mut Tally) {
        // `connected` before a gap has no id of its own; the decoder then has none, or that of an earlier event.
        let id = event.last_event_id.parse().ok();
        match Control::from_json(&event.event_type, &event.data) {
            None => match id {
                Some(id) => self.event(id, &event.data, tally),
                None => tally.fault("an event has no id"),
            },
            Some(Ok(Control::Connected(connected))) => self.connected(id, connected.resumed, published, tally),
            Some(Ok(Control::Gap(gap))) => match gap.to.parse() {
                Ok(to) => self.gap(gap.from.as_deref(), to, published, tally),
                Err(_) => tally.fault("a gap leads nowhere"),
            },
            Some(Ok(Control::Heartbeat(_))) => self.heartbeat(id, tally),
            Some(Ok(Control::Closing(closing))) => {
                if closing.reason == heartwire_protocol::control::ClosingReason::Lagged {
                    tally.lagged += 1;
                } else {
                    tally.fault(&format!("a stream was closed: {}", closing.reason.as_str()));
                }
            }
            Some(Ok(Control::Expiring(_))) => tally.fault("a token expires, and no reader has one"),
            Some(Err(err)) => tally.fault(&format!("a {} event cannot be read: {err}", event.event_type)),
        }
    }

    fn connected(&mut self, id: Option<Cursor>, resumed: bool, published: Published, tally: &mut Tally) {
        let Stage::Asked { after, answered } = self.stage else {
            return tally.fault("`connected` came twice");
        };
        if resumed != (after.is_some() && id.is_some()) {
            tally.fault("`connected` says the wrong thing about the resume point");
        }
        let Some(id) = id else {
            match after {
                Some(after) => self.stage = Stage::GapIsNext { after },
                None => tally.fault("a new reader was given no place"),
            }
            return;
        };
        match after {
            Some(after) if after.epoch != id.epoch => tally.fault("a stream goes on in another epoch"),
            Some(after) => {
                tally.compare(after.sequence, id.sequence, "where a stream goes on");
                tally.resumed += 1;
            }
            // A new reader begins with what is published from now on, whenever exactly that is.
            None if id.sequence < answered => tally.double(answered - id.sequence, "where a stream begins"),
            None if id.sequence > published.sent => tally.miss(id.sequence - published.sent, "where a stream begins"),
            None => {}
        }
        self.reach(id);
    }

    fn gap(&mut self, from: Option<&str>, to: Cursor, published: Published, tally: &mut Tally) {
        let Stage::GapIsNext { after } = self.stage else {
            return tally.fault("a gap came out of turn");
        };
        if from != Some(after.to_string().as_str()) || to.epoch != after.epoch || to.sequence > published.sent {
            tally.fault("a gap does not begin where the reader left off, or ends in the future");
        }
        tally.gaps_told += 1;
        match to.sequence.checked_sub(after.sequence) {
            Some(n_events @ 1..) => tally.events_told += n_events,
            _ => tally.fault("a gap of nothing"),
        }
        self.reach(to);
    }

    fn event(&mut self, id: Cursor, payload: &str, tally: &mut Tally) {
        let Stage::Reading { place } = self.stage else {
            return tally.fault("an event came before its reader had a place");
        };
        match Stamp::of_payload(payload) {
            Some(stamp) if u64::from(stamp.number) + 1 == id.sequence => {}
            _ => tally.fault("an event has another's id"),
        }
        tally.delivered += 1;
        tally.compare(place + 1, id.sequence, "between two events");
        // After a double the reader stands where it stood, or each event that follows would count as one.
        if id.sequence > place {
            self.reach(id);
        }
    }

    fn heartbeat(&mut self, id: Option<Cursor>, tally: &mut Tally) {
        match (&self.stage, id) {
            (Stage::Reading { place }, Some(id)) => {
                tally.compare(*place, id.sequence, "at a heartbeat");
                self.reach(id);
            }
            _ => tally.fault("a heartbeat without a place"),
        }
    }

    fn reach(&mut self, place: Cursor) {
        self.stage = Stage::Reading { place: place.sequence };
        self.last = Some(place);
    }
}

impl Tally {
    /// Whether every reader was given each event once and in order, or was told.
    pub(super) fn is_clean(&self) -> bool {
        (self.missed, self.doubled, self.wrong) == (0, 0, 0)
    }

    /// Something happened that cannot be.
    pub(super) fn fault(&mut self, what: &str) {
        self.wrong += 1;
        self.note(what.to_owned());
    }

    fn compare(&mut self, expected: u64, came: u64, at: &str) {
        match came.checked_sub(expected) {
            Some(0) => {}
            Some(ahead) => self.miss(ahead, at),
            None => self.double(expected - came, at),
        }
    }

    fn miss(&mut self, n_events: u64, at: &str) {
        self.missed += n_events;
        self.note(format!("{n_events} missed {at}"));
    }

    fn double(&mut self, n_events: u64, at: &str) {
        self.doubled += n_events;
        self.note(format!("{n_events} doubled {at}"));
    }

    fn note(&mut self, fault: String) {
        const N_NOTED: usize = 10;
        if self.faults.len() < N_NOTED {
            self.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: Published = Published { answered: 10, sent: 12 };

    /// One line an event: `connected 5`, `connected resumed 5`, `connected -`, `gap 3 7`, `heartbeat 6`,
    /// `closing`, or the numbers of an id and of a payload, as in `6 5`.
    fn take(account: &mut Account, tally: &mut Tally, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let id = |word: &str| if word == "-" { String::new() } else { format!("a-{word}") };
        let connected =
            |resumed| format!(r#"{{"protocol":1,"heartbeat_interval_ms":1000,"resumed":{resumed},"time_ms":0}}"#);
        let (event_type, last_event_id, data) = match words[..] {
            ["connected", "resumed", place] => ("connected", id(place), connected(true)),
            ["connected", place] => ("connected", id(place), connected(false)),
            ["gap", from, to] => ("gap", id(to), format!(r#"{{"from":"a-{from}","to":"a-{to}","reason":"evicted"}}"#)),
            ["heartbeat", place] => ("heartbeat", id(place), r#"{"time_ms":0}"#.to_owned()),
            ["closing"] => ("closing", String::new(), r#"{"reason":"lagged","retry_ms":0}"#.to_owned()),
            [sequence, number] => {
                let stamp = Stamp { number: number.parse().unwrap(), at_us: 0 };
                ("message", id(sequence), format!("{{{}}}", stamp.to_json_member()))
            }
            _ => panic!("{line}"),
        };
        let event = DecodedEvent { event_type: event_type.to_owned(), data, last_event_id };
        account.take(&event, PUBLISHED, tally);
    }

    /// What comes of a first stream and, after a `resume`, of a second one.
    fn check(story: &str, missed: u64, doubled: u64, wrong: u64) {
        let (mut account, mut tally) = (Account::default(), Tally::default());
        account.ask(true, PUBLISHED);
        for line in story.split(", ") {
            match line {
                "resume" => drop(account.ask(true, PUBLISHED)),
                "anew" => drop(account.ask(false, PUBLISHED)),
                "end" => account.close(13, &mut tally),
                line => take(&mut account, &mut tally, line),
            }
        }
        assert_eq!((tally.missed, tally.doubled, tally.wrong), (missed, doubled, wrong), "{story}: {tally:?}");
    }

    #[test]
    fn a_reader_that_is_given_everything_has_nothing_to_complain_about() {
        check("connected 11, 12 11, heartbeat 12, 13 12, end", 0, 0, 0);
        check("connected 10, 11 10, resume, connected resumed 11, 12 11, 13 12, end", 0, 0, 0);
        check("connected 10, 11 10, anew, connected 12, 13 12, end", 0, 0, 0);
    }

    #[test]
    fn what_is_left_out_is_missed_once() {
        check("connected 10, 12 11, 13 12, end", 1, 0, 0);
        check("connected 10, heartbeat 12, 13 12, end", 2, 0, 0);
        check("connected 10, 11 10, resume, connected resumed 12, 13 12, end", 1, 0, 0);
        check("connected 10, 11 10, end", 2, 0, 0);
    }

    #[test]
    fn what_comes_twice_is_doubled_once() {
        check("connected 10, 11 10, 11 10, 12 11, 13 12, end", 0, 1, 0);
        check("connected 10, 11 10, 12 11, resume, connected resumed 11, 12 11, 13 12, end", 0, 1, 0);
        check("connected 8, 9 8", 0, 2, 0);
    }

    #[test]
    fn a_gap_that_is_told_is_no_miss() {
        check("connected 10, closing, resume, connected -, gap 10 12, 13 12, end", 0, 0, 0);
        check("connected 10, resume, connected -, gap 9 12, 13 12, end", 0, 0, 1);
        check("connected 10, gap 10 12, 13 12, end", 2, 0, 1);
        check("connected 10, resume, connected -, 13 12", 0, 0, 1);
    }

    #[test]
    fn an_event_that_bears_anothers_id_is_seen() {
        check("connected 10, 11 11, 12 11, 13 12, end", 0, 0, 1);
        check("11 10", 0, 0, 1);
    }
}
