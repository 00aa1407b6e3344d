//! Where the parts of an event stand in the text of a stream, as JavaScript counts.
//!
//! The text crosses the border once for all its events, and JavaScript cuts each part out of it. A string for each
//! part would cost several times as much.

use core::ops::Range;
use heartwire_protocol::Decoder;

/// Start and end of the type, the data and the id. What is empty may be anywhere; a type that JavaScript has is at 0.
pub(crate) type Place = [u32; 6];

/// Counts along one text.
#[derive(Debug)]
pub(crate) struct Places {
    /// The events so far end at this byte,
    bytes: usize,
    /// where JavaScript has counted so many units.
    units: u32,
    /// The id of the last event, which those without one have again: where it begins, and where JavaScript finds it.
    id: (usize, [u32; 2]),
    /// Something up to here is not UTF-8, so that nobody can say how JavaScript counts.
    is_spoilt: bool,
}

impl Places {
    /// Before the first event of a text.
    pub(crate) const START: Self = Self { bytes: 0, units: 0, id: (0, [0; 2]), is_spoilt: false };

    /// Where the next event of the text stands; `None` when a part of it is not in there, or when something up to its
    /// end is not UTF-8. `is_of_last_type`: JavaScript has its type, and it needs no place. As far as the text
    /// `is_ascii`, JavaScript counts as we do.
    #[inline]
    pub(crate) fn of_event(&mut self, decoder: &Decoder, is_of_last_type: bool) -> Option<Place> {
        let [event_type, data, id] = decoder.places();
        let (data, id) = (data?, id?);
        // Without a type it is a "message", which does not stand there.
        let event_type = if is_of_last_type { 0..0 } else { event_type.filter(|place| !place.is_empty())? };
        if decoder.is_ascii_so_far() {
            let place = [event_type.start, event_type.end, data.start, data.end, id.start, id.end];
            return Some(place.map(|byte| byte as u32));
        }
        self.of([event_type, data, id], decoder.bytes())
    }

    fn of(&mut self, parts: [Range<usize>; 3], text: &[u8]) -> Option<Place> {
        let (mut place, mut last_end) = ([0; 6], (self.bytes, self.units));
        for (part, place) in parts.iter().zip(place.as_chunks_mut::<2>().0) {
            if !part.is_empty() {
                *place = self.count(text, part)?;
                last_end = last_end.max((part.end, place[1]));
            }
        }
        (self.bytes, self.units) = last_end;
        self.id = (parts[2].start, [place[4], place[5]]);
        Some(place)
    }

    fn count(&mut self, text: &[u8], part: &Range<usize>) -> Option<[u32; 2]> {
        if self.is_spoilt {
            return None;
        }
        if part.start < self.bytes && part.start == self.id.0 {
            return Some(self.id.1);
        }
        // An id may be that of an earlier event.
        let (from, before) = if part.start < self.bytes { (0, 0) } else { (self.bytes, self.units) };
        let Ok(text) = core::str::from_utf8(text.get(from..part.end)?) else {
            self.is_spoilt = true;
            return None;
        };
        let units = before + utf16_len(text.get(..part.start - from)?);
        Some([units, units + utf16_len(text.get(part.start - from..)?)])
    }
}

/// How long JavaScript finds a text: one unit for each character, two for those that take four bytes here.
#[inline(never)]
pub(crate) fn utf16_len(text: &str) -> u32 {
    // Eight bytes at a time, several times as fast as to decode the characters.
    const EACH: u64 = u64::MAX / 0xff;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
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
                assert_eq!(utf16_len(&text) as usize, text.encode_utf16().count(), "{text:?}");
            }
        }
    }

    #[test]
    fn an_event_without_an_id_has_that_of_the_one_before_where_it_stands() {
        let text = "zw\u{f6}lf 1, eins 2, zwei".as_bytes();
        let mut places = Places::START;
        let mut place = |data, id| places.of([0..0, data, id], text).unwrap_or_default();
        assert_eq!(place(0..6, 7..8), [0, 0, 0, 5, 6, 7]);
        assert_eq!(place(10..14, 7..8), [0, 0, 9, 13, 6, 7]);
        assert_eq!(place(18..22, 15..16), [0, 0, 17, 21, 14, 15]);
        assert_eq!(place(10..14, 7..8), [0, 0, 9, 13, 6, 7], "though nothing asks for that");
    }

    #[test]
    fn parts_are_found_in_whatever_order_they_stand_and_not_behind_what_is_no_text() {
        let text = "\u{f6} data, 7, t\u{f6}t, data \u{1f30a}, 8";
        let part = |start: &str, end: &str| {
            let start = text.rfind(start).unwrap_or_default();
            start..start + text[start..].find(end).unwrap_or(text.len() - start)
        };
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut places = Places::START;
        for parts in [[0..0, 3..7, 9..10], [part("t\u{f6}t", ","), part("data \u{1f30a}", ","), part("8", "\0")]] {
            let place = places.of(parts.clone(), text.as_bytes()).unwrap_or_default();
            let cut = |i: usize| String::from_utf16_lossy(&units[place[i] as usize..place[i + 1] as usize]);
            assert_eq!([cut(0), cut(2), cut(4)], parts.map(|part| text[part].to_owned()));
        }

        let spoilt = b"one \xff two";
        let mut places = Places::START;
        let mut place = |data| places.of([0..0, data, 0..0], spoilt);
        assert_eq!(place(0..3), Some([0, 0, 0, 3, 0, 0]));
        assert_eq!(place(6..9), None);
    }
}
