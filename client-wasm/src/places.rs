//! Where the parts of an event stand in the text of a stream, in bytes, and as JavaScript counts.
//!
//! The text crosses the border once for all its events, and JavaScript cuts each part out of it. A string for each
//! part would cost several times as much.

use core::ops::Range;
use heartwire_protocol::Decoder;

/// Start and end of the type, the data and the id. What is empty may be anywhere; a type that JavaScript has is at 0.
pub(crate) type Place = [u32; 6];

/// Where the event of the decoder stands among its lines; `None` when a part of it does not. `is_of_last_type`:
/// JavaScript has its type.
#[inline]
pub(crate) fn place_of_event(decoder: &Decoder, is_of_last_type: bool) -> Option<Place> {
    let [event_type, data, id] = decoder.places();
    // Without a type it is a "message", which does not stand there.
    let event_type = if is_of_last_type { 0..0 } else { event_type.filter(|place| !place.is_empty())? };
    let (data, id) = (data?, id?);
    Some([event_type.start, event_type.end, data.start, data.end, id.start, id.end].map(|byte| byte as u32))
}

/// Counts along one text as JavaScript does: one unit for each character, two for those that take four bytes here.
#[derive(Debug)]
pub(crate) struct Units {
    /// The events so far end at this byte,
    bytes: usize,
    /// where JavaScript has counted so many units.
    units: u32,
    /// The id of the last event, which those without one have again: where it begins, and where JavaScript finds it.
    id: (usize, [u32; 2]),
}

impl Units {
    /// Before the first event of a text.
    pub(crate) const START: Self = Self { bytes: 0, units: 0, id: (0, [0; 2]) };

    /// Turns the place of the next event, in bytes, into one in units.
    pub(crate) fn convert(&mut self, place: &mut Place, text: &[u8]) {
        let (mut last_end, id_start) = ((self.bytes, self.units), place[4] as usize);
        for part in place.as_chunks_mut::<2>().0 {
            let bytes = part[0] as usize..part[1] as usize;
            if bytes.is_empty() {
                *part = [0; 2];
            } else {
                *part = self.count(text, &bytes);
                last_end = last_end.max((bytes.end, part[1]));
            }
        }
        (self.bytes, self.units) = last_end;
        self.id = (id_start, [place[4], place[5]]);
    }

    fn count(&self, text: &[u8], part: &Range<usize>) -> [u32; 2] {
        if part.start < self.bytes && part.start == self.id.0 {
            return self.id.1;
        }
        // An id may be that of an earlier event.
        let (from, before) = if part.start < self.bytes { (0, 0) } else { (self.bytes, self.units) };
        let length = |bytes| text.get(bytes).map_or(0, utf16_len);
        let start = before + length(from..part.start);
        [start, start + length(part.clone())]
    }
}

/// How long JavaScript finds a text that is UTF-8.
fn utf16_len(text: &[u8]) -> u32 {
    // Eight bytes at a time, several times as fast as to decode the characters.
    const EACH: u64 = u64::MAX / 0xff;
    let (words, rest) = text.as_chunks::<8>();
    let in_words = words.iter().map(|word| {
        let word = u64::from_le_bytes(*word);
        let following = (word >> 7) & !(word >> 6) & EACH;
        let first_of_four = (word >> 7) & (word >> 6) & (word >> 5) & (word >> 4) & EACH;
        8 - following.count_ones() + first_of_four.count_ones()
    });
    let in_rest = rest.iter().map(|byte| u32::from(byte & 0xc0 != 0x80) + u32::from(*byte >= 0xf0));
    in_words.sum::<u32>() + in_rest.sum::<u32>()
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
            for n_times in 1..20 {
                let text = text.repeat(n_times);
                assert_eq!(utf16_len(text.as_bytes()) as usize, text.encode_utf16().count(), "{text:?}");
            }
        }
    }

    fn converted(units: &mut Units, text: &str, parts: [Range<usize>; 3]) -> Place {
        let [event_type, data, id] = parts;
        let mut place =
            [event_type.start, event_type.end, data.start, data.end, id.start, id.end].map(|byte| byte as u32);
        units.convert(&mut place, text.as_bytes());
        place
    }

    #[test]
    fn an_event_without_an_id_has_that_of_the_one_before_where_it_stands() {
        let mut units = Units::START;
        let mut place = |data, id| converted(&mut units, "zw\u{f6}lf 1, eins 2, zwei", [0..0, data, id]);
        assert_eq!(place(0..6, 7..8), [0, 0, 0, 5, 6, 7]);
        assert_eq!(place(10..14, 7..8), [0, 0, 9, 13, 6, 7]);
        assert_eq!(place(18..22, 15..16), [0, 0, 17, 21, 14, 15]);
        assert_eq!(place(10..14, 7..8), [0, 0, 9, 13, 6, 7], "though nothing asks for that");
    }

    #[test]
    fn parts_are_found_in_whatever_order_they_stand() {
        let text = "\u{f6} data, 7, t\u{f6}t, data \u{1f30a}, 8";
        let part = |start: &str, end: &str| {
            let start = text.rfind(start).unwrap_or_default();
            start..start + text[start..].find(end).unwrap_or(text.len() - start)
        };
        let in_units: Vec<u16> = text.encode_utf16().collect();
        let mut units = Units::START;
        for parts in [[0..0, 3..7, 9..10], [part("t\u{f6}t", ","), part("data \u{1f30a}", ","), part("8", "\0")]] {
            let place = converted(&mut units, text, parts.clone());
            let cut = |i: usize| String::from_utf16_lossy(&in_units[place[i] as usize..place[i + 1] as usize]);
            assert_eq!([cut(0), cut(2), cut(4)], parts.map(|part| text[part].to_owned()));
        }
    }
}
