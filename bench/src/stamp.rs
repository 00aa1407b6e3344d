//! The mark in each payload by which the load generator knows an event again: its number, and the
//! moment at which it was published. The generator reads nothing else of a stream.
//!
//! A stamp has one width and stands at the end of its payload, so an event whose stamp has arrived
//! has arrived itself, but for three bytes.

use memchr::memmem::Finder;

const MARKER: &[u8] = br#""stamp":""#;
const NUMBER_DIGITS: usize = 8;
const MICROS_DIGITS: usize = 12;
/// `"stamp":"00000007-000000123456"`
pub(crate) const STAMP_BYTES: usize = MARKER.len() + NUMBER_DIGITS + 1 + MICROS_DIGITS + 1;

/// What a payload says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Counts the events of one server's life.
    pub(crate) number: u32,
    /// When it was published, in microseconds since the generator's own origin.
    pub(crate) at_us: u64,
}

impl Stamp {
    /// The stamp as the member of a JSON object.
    pub(crate) fn to_json_member(self) -> String {
        format!(r#""stamp":"{:0NUMBER_DIGITS$}-{:0MICROS_DIGITS$}""#, self.number, self.at_us)
    }

    /// Reads the stamp at the end of a whole payload.
    pub(crate) fn of_payload(payload: &str) -> Option<Self> {
        let stamp = payload.as_bytes().strip_suffix(b"\"}")?;
        let (_, stamp) = stamp.split_last_chunk::<{ STAMP_BYTES - 1 }>()?;
        Self::parse(stamp.strip_prefix(MARKER)?)
    }

    /// Reads the text that follows the marker.
    fn parse(text: &[u8]) -> Option<Self> {
        let (number, rest) = text.split_at_checked(NUMBER_DIGITS)?;
        let (separator, at_us) = rest.split_first()?;
        if *separator != b'-' {
            return None;
        }
        Some(Self { number: u32::try_from(digits(number)?).ok()?, at_us: digits(at_us)? })
    }
}

/// Finds stamps in a stream that arrives in slices of any size. One serves any number of streams:
/// each keeps its own [`Rest`].
pub(crate) struct StampFinder {
    marker: Finder<'static>,
}

/// The end of a slice in which a stamp may have begun.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rest {
    bytes: [u8; STAMP_BYTES],
    length: u8,
}

impl StampFinder {
    pub(crate) fn new() -> Self {
        Self { marker: Finder::new(MARKER) }
    }

    /// How much room must be left in front of what is read into a buffer for [`Self::feed`].
    pub(crate) const ROOM: usize = STAMP_BYTES;

    /// Calls `found` for each stamp that ends in this slice. The slice is `buffer` from [`Self::ROOM`]
    /// on; the room before it is written over, which spares a copy of the slice.
    pub(crate) fn feed(&self, rest: &mut Rest, buffer: &mut [u8], mut found: impl FnMut(Stamp)) {
        let kept = usize::from(rest.length);
        let start = Self::ROOM - kept;
        buffer[start..Self::ROOM].copy_from_slice(&rest.bytes[..kept]);
        let mut text = &buffer[start..];
        while let Some(at) = self.marker.find(text) {
            let Some(stamp) = text.get(at + MARKER.len()..at + STAMP_BYTES - 1) else {
                rest.keep(&text[at..]);
                return;
            };
            let Some(stamp) = Stamp::parse(stamp) else {
                text = &text[at + MARKER.len()..];
                continue;
            };
            found(stamp);
            // Less the closing quote, which may still be on its way.
            text = &text[at + STAMP_BYTES - 1..];
        }
        rest.keep(&text[text.len().saturating_sub(MARKER.len() - 1)..]);
    }
}

impl Rest {
    fn keep(&mut self, end: &[u8]) {
        self.bytes[..end.len()].copy_from_slice(end);
        self.length = u8::try_from(end.len()).expect("what is kept is shorter than a stamp");
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number: u64, digit| {
        digit.is_ascii_digit().then(|| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(slices: &[&[u8]]) -> Vec<Stamp> {
        let (finder, mut rest, mut found) = (StampFinder::new(), Rest::default(), Vec::new());
        for slice in slices {
            let mut buffer = [&[0; StampFinder::ROOM], *slice].concat();
            finder.feed(&mut rest, &mut buffer, |stamp| found.push(stamp));
        }
        found
    }

    fn stream() -> (Vec<u8>, Vec<Stamp>) {
        let stamps = [Stamp { number: 7, at_us: 123_456 }, Stamp { number: 99_999_999, at_us: 0 }];
        let [one, two] = stamps.map(Stamp::to_json_member);
        let text =
            format!(": hi\n\ndata: {{\"a\":1,{one}}}\n\nid: 8\r\ndata: {{{two}}}\r\n\r\n: \"stamp\" \"stamp\":\n\n");
        (text.into_bytes(), stamps.to_vec())
    }

    #[test]
    fn every_stamp_is_found_once_however_the_stream_is_cut() {
        let (text, expected) = stream();
        assert_eq!(find(&[&text]), expected);
        assert_eq!(find(&text.chunks(1).collect::<Vec<_>>()), expected);
        for cut in 0..=text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!(find(&[one, two]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_only_looks_like_a_stamp_is_passed_over() {
        let stamp = Stamp { number: 1, at_us: 2 };
        let text = format!(r#"{{"stamp":"soon"}}{{{}}}"#, stamp.to_json_member());
        assert_eq!(find(&[text.as_bytes()]), [stamp]);
    }

    #[test]
    fn the_stamp_of_a_whole_payload_is_at_its_end() {
        let stamp = Stamp { number: 12, at_us: 34 };
        let member = stamp.to_json_member();
        assert_eq!(Stamp::of_payload(&format!(r#"{{"a":1,{member}}}"#)), Some(stamp));
        assert_eq!(Stamp::of_payload(&format!(r#"{{{member},"a":1}}"#)), None);
        assert_eq!(Stamp::of_payload(""), None);
    }

    #[test]
    fn the_width_is_what_the_constant_says() {
        assert_eq!(Stamp { number: 0, at_us: 0 }.to_json_member().len(), STAMP_BYTES);
    }
}
