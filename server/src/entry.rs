//! One event in the hub's memory, and its bytes on the wire.
//!
//! The bytes are made once, when the first reader asks for them, and shared by all readers.

use crate::coding::{CHUNK_FRAME_BYTES, Chunk};
use crate::gzip;
use crate::log::{LoggedEvent, NewEvent};
use crate::topic_log::PLACE_BYTES;
use heartwire_protocol::{Cursor, Data, Epoch, Event, EventId, EventKey, EventType, Topic, encode, frame};
use std::fmt;
use std::sync::OnceLock;
use tokio::time::Instant;

/// An event that was published, as a subscriber gets it.
pub struct Entry {
    cursor: Cursor,
    topic: Topic,
    key: Option<EventKey>,
    event: Event,
    appended_at: Instant,
    compress_min_bytes: Option<usize>,
    cost_bytes: usize,
    plain: OnceLock<Chunk>,
    /// `None` inside: a frame would not be worth it.
    frame: OnceLock<Option<Frame>>,
    standing_alone: OnceLock<Chunk>,
}

struct Frame {
    chunk: Chunk,
    /// How long the plain form would be, without its own frame as a chunk.
    plain_bytes: usize,
}

/// What an event is about. A key and a type that look alike are two.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject<'a> {
    Key(&'a EventKey),
    /// Its publisher gave no key.
    Type(&'a EventType),
}

impl Entry {
    pub(crate) fn new(epoch: Epoch, logged: LoggedEvent, compress_min_bytes: Option<usize>, now: Instant) -> Self {
        let LoggedEvent { sequence, age, event } = logged;
        let cursor = Cursor { epoch, sequence };
        let cost_bytes = cost_bytes(&event, compress_min_bytes);
        Self {
            cursor,
            topic: event.topic,
            key: event.key,
            event: Event { id: Some(EventId::from(cursor)), event_type: event.event_type, data: event.data },
            // A machine that was started less than `age` ago cannot express the moment: the event lives longer.
            appended_at: now.checked_sub(age).unwrap_or(now),
            compress_min_bytes,
            cost_bytes,
            plain: OnceLock::new(),
            frame: OnceLock::new(),
            standing_alone: OnceLock::new(),
        }
    }

    /// Its place in the log. As text, the id that readers see.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// What it was published under.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// What a page listens for.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event.event_type
    }

    /// The payload.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.event.data
    }

    /// What it is about within its topic, so that the next event about the same makes it old news.
    pub(crate) fn subject(&self) -> Subject<'_> {
        self.key.as_ref().map_or(Subject::Type(&self.event.event_type), Subject::Key)
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.cursor.sequence
    }

    pub(crate) fn appended_at(&self) -> Instant {
        self.appended_at
    }

    /// The event as every reader understands it.
    pub(crate) fn plain(&self) -> &Chunk {
        self.plain.get_or_init(|| encoded(&self.event))
    }

    /// The event as a compressed frame where one is worth it, for a reader that asked for frames; and how long
    /// its plain form is.
    pub(crate) fn framed(&self) -> (&Chunk, usize) {
        let frame = self.frame.get_or_init(|| {
            let (event_type, data) =
                frame::compress(&self.event.event_type, &self.event.data, self.compress_min_bytes?)?;
            let chunk = encoded(&Event { id: self.event.id.clone(), event_type, data });
            // Made for its length alone: kept, it would take as much memory as the payload.
            Some(Frame { chunk, plain_bytes: encoded(&self.event).content_bytes() })
        });
        match frame {
            Some(Frame { chunk, plain_bytes }) => (chunk, *plain_bytes),
            None => (self.plain(), self.plain().content_bytes()),
        }
    }

    /// The event as a block of a gzip stream that refers to nothing before it.
    pub(crate) fn standing_alone(&self) -> &Chunk {
        self.standing_alone.get_or_init(|| Chunk::new(&gzip::standing_alone(&self.plain().content())))
    }

    /// The most memory that this event can come to take, in bytes. The wire bytes are counted before
    /// they exist, so that a bound on memory holds whoever comes to read.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.cost_bytes
    }
}

impl fmt::Debug for Entry {
    /// Without the payload: that never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("cursor", &format_args!("{}", self.cursor))
            .field("topic", &self.topic)
            .field("event_type", &self.event.event_type)
            .finish_non_exhaustive()
    }
}

/// What an event would cost; see [`Entry::cost_bytes`].
pub(crate) fn cost_bytes(event: &NewEvent, compress_min_bytes: Option<usize>) -> usize {
    /// The entry, its two reference counts, its place in the log of its topic, and the headers of
    /// five small allocations.
    const FIXED_BYTES: usize = size_of::<Entry>() + 2 * size_of::<usize>() + PLACE_BYTES + 5 * 16;
    /// `<16 hexadecimal digits>-<20 decimal digits>`
    const ID_BYTES: usize = 37;
    /// The header of one more allocation, with two reference counts in it.
    const KEY_BYTES: usize = 2 * size_of::<usize>() + 16;
    let NewEvent { topic: _, event_type, key, data } = event;
    let (type_bytes, data) = (event_type.as_str().len(), data.as_str());
    let key_bytes = key.as_ref().map_or(0, |key| KEY_BYTES + key.as_str().len());
    let n_lines = data.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let names = "id: \nevent: \n\n".len() + n_lines * "data: \n".len();
    let plain = names + ID_BYTES + type_bytes + data.len() + CHUNK_FRAME_BYTES;
    // A frame is only kept where it is smaller than the plain form.
    let frame = if compress_min_bytes.is_some_and(|min| data.len() >= min) { plain } else { 0 };
    FIXED_BYTES + ID_BYTES + type_bytes + key_bytes + data.len() + plain + frame + gzip::most_bytes(plain)
}

fn encoded(event: &Event) -> Chunk {
    let mut bytes = Vec::new();
    encode::event(event, &mut bytes);
    Chunk::new(&bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    pub(crate) fn entry(sequence: u64, topic: &str, data: &str, now: Instant) -> Arc<Entry> {
        keyed_entry(sequence, topic, None, data, now)
    }

    pub(crate) fn keyed_entry(sequence: u64, topic: &str, key: Option<&str>, data: &str, now: Instant) -> Arc<Entry> {
        let event = NewEvent {
            topic: Topic::parse(topic).unwrap(),
            event_type: EventType::parse("note").unwrap(),
            key: key.map(|key| EventKey::parse(key).unwrap()),
            data: Data::new(data),
        };
        let logged = LoggedEvent { sequence, age: Duration::ZERO, event };
        Arc::new(Entry::new(Epoch(0xabc), logged, Some(1024), now))
    }

    #[test]
    fn the_bytes_are_made_once_for_all_readers() {
        let entry = entry(7, "a", "hello", Instant::now());
        assert_eq!(entry.plain().content(), "id: abc-7\nevent: note\ndata: hello\n\n");
        assert_eq!(entry.plain().coded().as_ptr(), entry.plain().coded().as_ptr());
        assert_eq!(entry.framed().0.coded().as_ptr(), entry.plain().coded().as_ptr(), "too small for a frame");
    }

    #[test]
    fn a_frame_takes_the_place_of_a_large_payload_only() {
        let large = entry(7, "a", &"all work and no play ".repeat(100), Instant::now());
        let framed = large.framed().0.content();
        let framed = std::str::from_utf8(&framed).unwrap();
        assert!(framed.starts_with("id: abc-7\nevent: note+gzip\ndata: H4sI"), "{framed:.60}");
        assert!(large.plain().content().starts_with(b"id: abc-7\nevent: note\ndata: all work"));
    }

    #[test]
    fn the_cost_covers_every_form_that_a_reader_may_ask_for() {
        for data in ["", "one", &"line\n".repeat(1_000), &"\n".repeat(5_000), &"x".repeat(100_000)] {
            let entry = entry(u64::MAX, "a", data, Instant::now());
            let (plain, framed) = (entry.plain().coded(), entry.framed().0.coded());
            let framed_bytes = if framed.as_ptr() == plain.as_ptr() { 0 } else { framed.len() };
            let alone_bytes = entry.standing_alone().coded().len();
            let held = size_of::<Entry>() + data.len() + plain.len() + framed_bytes + alone_bytes;
            assert!(entry.cost_bytes() >= held, "{} < {held}", entry.cost_bytes());
            let keyed = keyed_entry(u64::MAX, "a", Some(&"k".repeat(256)), data, Instant::now());
            assert!(keyed.cost_bytes() >= held + 256);
        }
    }
}
