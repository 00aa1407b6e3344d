//! The events of one piece of a stream over `fetch`.
//!
//! Each piece crosses the border once, as bytes; the text of all its events goes back at most once, and each
//! event is told by where it stands in there. One call for each string would cost several times as much.

use heartwire_protocol::Decoder;
use heartwire_protocol::decode::EventRef;

/// So much memory for text is kept from one piece to the next.
const KEPT_BYTES: usize = 256 * 1024;

/// The events of one piece of the stream, read one after the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Type, data and id of each, without anything between.
    text: String,
    /// The lengths of the three, in bytes.
    lengths: Vec<[usize; 3]>,
    /// How many events were read.
    n_read: usize,
    /// Where the next one begins: in bytes, and as JavaScript counts.
    start: usize,
    units: u32,
    /// What comes after is longer than an event may be.
    too_long: bool,
}

/// Where an event stands in a text, as JavaScript counts: its start, then the ends of its type, its data and
/// its id.
pub(crate) type Place = [u32; 4];

/// Where an event stands in its batch.
#[derive(Debug)]
pub(crate) struct Spot {
    /// In bytes.
    start: usize,
    /// Of type, data and id, in bytes.
    lengths: [usize; 3],
    pub(crate) place: Place,
}

impl Batch {
    /// The events that are whole with what the decoder was fed.
    pub(crate) fn fill(&mut self, decoder: &mut Decoder) {
        self.clear();
        loop {
            match decoder.next_event_ref() {
                Ok(Some(event)) => self.push(event),
                Ok(None) => break,
                Err(_) => {
                    self.too_long = true;
                    break;
                }
            }
        }
    }

    /// Forgets what was not read.
    pub(crate) fn clear(&mut self) {
        // One large event is no reason to keep its memory for as long as the stream is open.
        if self.text.capacity() > KEPT_BYTES {
            self.text = String::new();
        }
        self.text.clear();
        self.lengths.clear();
        self.n_read = 0;
        self.start = 0;
        self.units = 0;
        self.too_long = false;
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the next event stands.
    pub(crate) fn next(&mut self) -> Option<Spot> {
        let lengths = *self.lengths.get(self.n_read)?;
        let mut spot = Spot { start: self.start, lengths, place: [0; 4] };
        let EventRef { event_type, data, last_event_id } = self.event(&spot);
        spot.place = place(&[event_type, data, last_event_id], self.units);
        self.n_read += 1;
        self.start += lengths[0] + lengths[1] + lengths[2];
        self.units = spot.place[3];
        Some(spot)
    }

    /// The event that stands there. The spot is one of this batch.
    pub(crate) fn event(&self, spot: &Spot) -> EventRef<'_> {
        let mut end = spot.start;
        let mut part = |length| {
            let start = end;
            end += length;
            self.text.get(start..end).unwrap_or_default()
        };
        let [event_type, data, last_event_id] = spot.lengths;
        EventRef { event_type: part(event_type), data: part(data), last_event_id: part(last_event_id) }
    }

    /// Whether the piece ended in an event that is too long. Says so once.
    pub(crate) fn take_too_long(&mut self) -> bool {
        core::mem::take(&mut self.too_long)
    }

    fn push(&mut self, EventRef { event_type, data, last_event_id }: EventRef<'_>) {
        let parts = [event_type, data, last_event_id];
        for part in parts {
            self.text.push_str(part);
        }
        self.lengths.push([event_type.len(), data.len(), last_event_id.len()]);
    }
}

/// The place of these three, one after the other, where the first begins at `units`.
pub(crate) fn place(parts: &[&str; 3], mut units: u32) -> Place {
    let mut place = [units; 4];
    for (end, part) in place[1..].iter_mut().zip(parts) {
        units += utf16_len(part);
        *end = units;
    }
    place
}

/// How long JavaScript finds a text: one unit for each character, two for those that take four bytes here.
fn utf16_len(text: &str) -> u32 {
    // Several times as fast as to decode the characters.
    text.bytes().map(|byte| u32::from(byte & 0xc0 != 0x80) + u32::from(byte >= 0xf0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_text_is_as_long_as_javascript_finds_it() {
        for text in
            ["", "a", "\0", "\u{7f}\u{80}", "zw\u{f6}lf", "\u{7ff}\u{800}\u{ffff}", "\u{10000}\u{1f30a}", "\u{10ffff}"]
        {
            assert_eq!(utf16_len(text) as usize, text.encode_utf16().count(), "{text:?}");
        }
    }
}
