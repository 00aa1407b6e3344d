//! A stream over `fetch`: its request, and its bytes decoded here.
//!
//! Each piece of the stream crosses the border once, as bytes; the text of all its events goes back at
//! most once, and each event is told by where it stands in there. One call for each string would cost
//! several times as much.

use crate::request::Request;
use core::cell::Cell;
use core::time::Duration;
use heartwire_protocol::Decoder;
use heartwire_protocol::connection::Link;
use heartwire_protocol::decode::EventRef;

/// An open stream; dropping it closes it.
pub(crate) struct Fetched {
    request: Request,
    decoder: Decoder,
}

impl Fetched {
    pub(crate) fn new(request: Request) -> Self {
        Self { request, decoder: Decoder::default() }
    }

    pub(crate) fn link(&self) -> Link {
        self.request.link()
    }

    /// The reconnection time that the stream last asked for.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.decoder.retry()
    }

    /// The events that are whole with these bytes.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Batch {
        let mut batch = Batch::default();
        self.decoder.feed(bytes);
        loop {
            match self.decoder.next_event_ref() {
                Ok(Some(event)) => batch.push(event),
                Ok(None) => break,
                Err(_) => {
                    batch.too_long = true;
                    break;
                }
            }
        }
        batch
    }
}

/// The events of one piece of the stream.
#[derive(Default)]
pub(crate) struct Batch {
    /// Type, data and id of each, without anything between.
    text: String,
    /// The lengths of the three, in bytes.
    lengths: Vec<[usize; 3]>,
    /// What comes after is longer than an event may be.
    pub(crate) too_long: bool,
    /// Whether the text has crossed the border.
    pub(crate) told: Cell<bool>,
}

/// Where an event stands in its batch's text, as JavaScript counts: its start, then the ends of its
/// type, its data and its id.
pub(crate) type Place = [u32; 4];

impl Batch {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The events in order, each with its place.
    pub(crate) fn events(&self) -> impl Iterator<Item = (EventRef<'_>, Place)> {
        let ascii = self.text.is_ascii();
        let mut rest = self.text.as_str();
        let mut end = 0;
        self.lengths.iter().map(move |lengths| {
            let mut place = [end; 4];
            let [event_type, data, last_event_id] = core::array::from_fn(|i| {
                let (part, after) = rest.split_at(lengths[i]);
                rest = after;
                // JavaScript counts UTF-16.
                end += if ascii { part.len() } else { part.encode_utf16().count() } as u32;
                place[i + 1] = end;
                part
            });
            (EventRef { event_type, data, last_event_id }, place)
        })
    }

    fn push(&mut self, EventRef { event_type, data, last_event_id }: EventRef<'_>) {
        let parts = [event_type, data, last_event_id];
        for part in parts {
            self.text.push_str(part);
        }
        self.lengths.push(parts.map(str::len));
    }
}
