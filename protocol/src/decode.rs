//! Bytes, in slices of any size, to events.
//!
//! This carries out "Interpreting an event stream" of the HTML standard (section 9.2.6) to the
//! letter, and adds the one thing that the standard leaves out: a limit. It owns the bytes that
//! are not yet an event; it never looks into a payload.
//!
//! Most events are made of whole lines of one slice. Their parts are never copied: they stay where they
//! stand, until the next slice comes. What runs with every line may be inlined into other crates, since the
//! browser's client is compiled for speed and the rest of this one for size.
//!
//! By the standard a stream is decoded as UTF-8 and then cut into lines and fields. Here it is cut first: all that it is
//! cut at is ASCII, which stands for itself in UTF-8 and is never a part of what is not UTF-8, so both come to the same.

use core::fmt;
use core::mem;
use core::ops::Range;
use core::time::Duration;
use std::borrow::Cow;

/// The most bytes that one event may take unless the caller says otherwise: 32 MiB, room for a
/// base64 frame of 16 MiB.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// So much memory is kept from one event, or from one slice of the stream, to the next.
const KEPT_BYTES: usize = 256 * 1024;

/// An event as it was dispatched.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodedEvent {
    /// `message` when the stream named none.
    pub event_type: String,
    /// The payload.
    pub data: String,
    /// The last event id at the moment of dispatch; empty when none was ever set.
    pub last_event_id: String,
}

/// An event as it was dispatched, in the decoder's own memory: bytes, of which [`text_of`] makes text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// `message` when the stream named none.
    pub event_type: &'a [u8],
    /// The payload.
    pub data: &'a [u8],
    /// The last event id at the moment of dispatch; empty when none was ever set.
    pub last_event_id: &'a [u8],
}

impl EventRef<'_> {
    /// The event in memory of its own.
    #[must_use]
    pub fn into_owned(self) -> DecodedEvent {
        let [event_type, data, last_event_id] =
            [self.event_type, self.data, self.last_event_id].map(|part| text_of(part).into_owned());
        DecodedEvent { event_type, data, last_event_id }
    }
}

impl fmt::Debug for EventRef<'_> {
    /// Tells the payload's length alone, as that of [`DecodedEvent`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.into_owned().fmt(f)
    }
}

impl fmt::Debug for DecodedEvent {
    /// Tells the payload's length alone: payloads never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedEvent")
            .field("event_type", &self.event_type)
            .field("data_bytes", &self.data.len())
            .field("last_event_id", &self.last_event_id)
            .finish()
    }
}

/// "UTF-8 decode" of the Encoding standard: what is not UTF-8 is replaced by U+FFFD.
#[must_use]
pub fn text_of(mut bytes: &[u8]) -> Cow<'_, str> {
    let mut replaced = String::new();
    loop {
        match core::str::from_utf8(bytes) {
            Ok(text) if replaced.is_empty() => return Cow::Borrowed(text),
            Ok(text) => return Cow::Owned(replaced + text),
            Err(err) => {
                let (valid, rest) = bytes.split_at(err.valid_up_to());
                replaced += core::str::from_utf8(valid).unwrap_or_default();
                replaced += "\u{fffd}";
                // Without a length, the bytes end in the middle of a character.
                bytes = &rest[err.error_len().unwrap_or(rest.len())..];
            }
        }
    }
}

/// The stream has an event that is longer than the limit. Nothing after it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLong {
    /// The most bytes that one event may take.
    pub limit_bytes: usize,
}

impl fmt::Display for EventTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event is longer than {} bytes", self.limit_bytes)
    }
}

impl core::error::Error for EventTooLong {}

/// Turns the bytes of a stream into events.
///
/// ```
/// use heartwire_protocol::Decoder;
///
/// let mut decoder = Decoder::default();
/// decoder.feed(b"id: abc-7\nevent: progress\nda");
/// assert_eq!(decoder.next_event(), Ok(None));
/// decoder.feed(b"ta: half\n\n");
/// let event = decoder.next_event().unwrap().unwrap();
/// assert_eq!((event.event_type.as_str(), event.data.as_str()), ("progress", "half"));
/// assert_eq!(decoder.last_event_id(), "abc-7");
/// ```
#[derive(Debug)]
pub struct Decoder {
    max_event_bytes: usize,
    /// What was fed last, after what of a line came before.
    bytes: Vec<u8>,
    /// Where in there the line begins that has not been read yet.
    line_start: usize,
    /// How far that line has been searched for its end, so that no byte is looked at twice.
    searched: usize,
    /// The last line ended in CR: an LF that comes next belongs to it.
    after_cr: bool,
    bom: ByteOrderMark,
    event_type: Value,
    data: Value,
    has_data: bool,
    /// The type and the data are those of an event that was dispatched.
    dispatched: bool,
    last_event_id_buffer: Value,
    last_event_id: Value,
    /// The block that is being read has an id.
    has_id: bool,
    id_is_new: bool,
    retry: Option<Duration>,
    failed: Option<EventTooLong>,
}

#[derive(Debug, PartialEq, Eq)]
enum ByteOrderMark {
    MayCome,
    Past,
}

enum Field {
    Data,
    Event,
    Id,
    Retry,
}

/// The value of a field: where it stands among the decoder's bytes, or a copy.
#[derive(Debug)]
struct Value {
    start: usize,
    end: usize,
    copy: Vec<u8>,
    is_copy: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_EVENT_BYTES)
    }
}

impl Decoder {
    /// A decoder for one stream, whose events take at most `max_event_bytes` each.
    #[must_use]
    pub const fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            bytes: Vec::new(),
            line_start: 0,
            searched: 0,
            after_cr: false,
            bom: ByteOrderMark::MayCome,
            event_type: Value::NONE,
            data: Value::NONE,
            has_data: false,
            dispatched: false,
            last_event_id_buffer: Value::NONE,
            last_event_id: Value::NONE,
            has_id: false,
            id_is_new: false,
            retry: None,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream. Then call [`next_event`](Self::next_event) until it has none.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.copy_values();
        if self.failed.is_some() {
            self.bytes = Vec::new();
            return;
        }
        if self.line_start > 0 {
            let n_bytes = self.bytes.len() - self.line_start;
            self.bytes.copy_within(self.line_start.., 0);
            self.bytes.truncate(n_bytes);
        }
        // One large event is no reason to keep its memory for as long as the stream is open.
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.searched -= self.line_start;
        self.line_start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole event, or `None` until more bytes are fed.
    ///
    /// An event that the stream ends in the middle of is never dispatched, as the standard says.
    ///
    /// # Errors
    /// One event is longer than the limit; every later call says so again.
    pub fn next_event(&mut self) -> Result<Option<DecodedEvent>, EventTooLong> {
        Ok(self.advance()?.then(|| self.event().into_owned()))
    }

    /// Goes on to the next whole event, which is then [`event`](Self::event); `false` when there is none until
    /// more bytes are fed.
    ///
    /// # Errors
    /// As for [`next_event`](Self::next_event).
    #[inline]
    pub fn advance(&mut self) -> Result<bool, EventTooLong> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        if mem::take(&mut self.dispatched) {
            self.forget_event();
        }
        while let Some((start, end)) = self.next_line() {
            if start == end {
                if self.dispatch() {
                    return Ok(true);
                }
            } else {
                self.read_line(start, end);
            }
            self.check_limit(0)?;
        }
        self.check_limit(self.bytes.len() - self.line_start)?;
        Ok(false)
    }

    /// The event that [`advance`](Self::advance) went on to.
    #[must_use]
    #[inline]
    pub fn event(&self) -> EventRef<'_> {
        let event_type = self.event_type.of(&self.bytes);
        EventRef {
            event_type: if event_type.is_empty() { b"message" } else { event_type },
            data: self.data.of(&self.bytes),
            last_event_id: self.last_event_id.of(&self.bytes),
        }
    }

    /// The whole lines of what was fed last, after what of a line came before. The parts of most events are parts of
    /// it. Where the stream is UTF-8, so is this.
    #[must_use]
    #[inline]
    pub fn lines(&self) -> &[u8] {
        let end = self.bytes.iter().rposition(is_line_end).map_or(0, |last| last + 1);
        &self.bytes[..end]
    }

    /// Where in there the type, the data and the id of the [`event`](Self::event) stand; `None` for one that does not,
    /// since it came in parts, or has several lines. What is empty may be anywhere.
    #[must_use]
    #[inline]
    pub fn places(&self) -> [Option<Range<usize>>; 3] {
        [self.event_type.place(), self.data.place(), self.last_event_id.place()]
    }

    /// The last event id, as of the last blank line; empty when none was ever set.
    #[must_use]
    #[inline]
    pub fn last_event_id(&self) -> Cow<'_, str> {
        text_of(self.last_event_id.of(&self.bytes))
    }

    /// Whether the last event id is another one than when this was asked last. An event without an id is dispatched
    /// with the last one, and must not pass for that event a second time.
    #[inline]
    pub fn take_new_id(&mut self) -> bool {
        mem::take(&mut self.id_is_new)
    }

    /// The reconnection time that the stream last asked for.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    #[inline]
    fn check_limit(&mut self, unread_bytes: usize) -> Result<(), EventTooLong> {
        if unread_bytes + self.data.len() <= self.max_event_bytes { Ok(()) } else { Err(self.fail()) }
    }

    fn fail(&mut self) -> EventTooLong {
        let failure = EventTooLong { limit_bytes: self.max_event_bytes };
        // The events before it may still be looked at, so the bytes stay until they would be others.
        self.failed = Some(failure);
        failure
    }

    /// The bytes are about to be others.
    fn copy_values(&mut self) {
        for value in [&mut self.event_type, &mut self.data, &mut self.last_event_id_buffer, &mut self.last_event_id] {
            value.copy_from(&self.bytes);
        }
    }

    /// Where the next whole line stands, without its end.
    #[inline]
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.bom == ByteOrderMark::MayCome {
            self.skip_byte_order_mark();
        }
        if self.after_cr
            && let Some(next) = self.bytes.get(self.line_start)
        {
            self.after_cr = false;
            if *next == b'\n' {
                self.line_start += 1;
                self.searched = self.line_start;
            }
        }
        let Some(offset) = line_end(&self.bytes[self.searched..]) else {
            self.searched = self.bytes.len();
            return None;
        };
        let line = (self.line_start, self.searched + offset);
        self.after_cr = self.bytes[line.1] == b'\r';
        self.line_start = line.1 + 1;
        self.searched = self.line_start;
        Some(line)
    }

    /// [spec] "Parsing an event stream": one leading U+FEFF is ignored, no other is.
    fn skip_byte_order_mark(&mut self) {
        const MARK: &[u8] = "\u{feff}".as_bytes();
        if self.bytes.starts_with(MARK) {
            self.line_start = MARK.len();
            self.searched = self.line_start;
        } else if MARK.starts_with(&self.bytes) {
            // Its other bytes may still come.
            return;
        }
        self.bom = ByteOrderMark::Past;
    }

    /// [spec] "Interpreting an event stream": process the line, then the field.
    #[inline]
    fn read_line(&mut self, start: usize, end: usize) {
        let (field, rest) = match &self.bytes[start..end] {
            [b'd', b'a', b't', b'a', rest @ ..] => (Field::Data, rest),
            [b'e', b'v', b'e', b'n', b't', rest @ ..] => (Field::Event, rest),
            [b'i', b'd', rest @ ..] => (Field::Id, rest),
            [b'r', b'e', b't', b'r', b'y', rest @ ..] => (Field::Retry, rest),
            // A comment has the empty name.
            _ => return,
        };
        let value = match rest {
            [b':', b' ', value @ ..] | [b':', value @ ..] | value @ [] => value,
            // The name goes on.
            _ => return,
        };
        let start = end - value.len();
        match field {
            Field::Data if self.has_data => self.data.append_line(&self.bytes, start, end),
            Field::Data => {
                self.data.stand(start, end);
                self.has_data = true;
            }
            Field::Event => self.event_type.stand(start, end),
            Field::Id if value.contains(&0) => {}
            Field::Id => {
                self.last_event_id_buffer.stand(start, end);
                self.has_id = true;
            }
            Field::Retry => self.retry = milliseconds(value).or(self.retry),
        }
    }

    /// [spec] "Dispatch the event". Whether there is one.
    #[inline]
    fn dispatch(&mut self) -> bool {
        if mem::take(&mut self.has_id) {
            let (last, new) = (self.last_event_id.of(&self.bytes), self.last_event_id_buffer.of(&self.bytes));
            // Most ids differ in how they end.
            self.id_is_new |= last.last() != new.last() || last != new;
            self.last_event_id.assign(&self.last_event_id_buffer);
        }
        self.dispatched = self.has_data;
        if !self.has_data {
            self.forget_event();
        }
        self.dispatched
    }

    #[inline]
    fn forget_event(&mut self) {
        self.event_type.forget();
        self.data.forget();
        self.has_data = false;
    }
}

impl Value {
    const NONE: Self = Self { start: 0, end: 0, copy: Vec::new(), is_copy: false };

    #[inline]
    fn of<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        if self.is_copy { &self.copy } else { bytes.get(self.start..self.end).unwrap_or_default() }
    }

    /// Where it stands. An empty one stands anywhere.
    #[inline]
    fn place(&self) -> Option<Range<usize>> {
        if self.is_copy { self.copy.is_empty().then_some(0..0) } else { Some(self.start..self.end) }
    }

    #[inline]
    fn len(&self) -> usize {
        if self.is_copy { self.copy.len() } else { self.end - self.start }
    }

    /// It is what stands there.
    #[inline]
    fn stand(&mut self, start: usize, end: usize) {
        (self.start, self.end, self.is_copy) = (start, end, false);
    }

    /// It no longer stands among the bytes, which will be others.
    fn copy_from(&mut self, bytes: &[u8]) {
        if !self.is_copy {
            self.copy.clear();
            self.copy.extend_from_slice(bytes.get(self.start..self.end).unwrap_or_default());
            self.is_copy = true;
        }
    }

    fn append_line(&mut self, bytes: &[u8], start: usize, end: usize) {
        self.copy_from(bytes);
        self.copy.push(b'\n');
        self.copy.extend_from_slice(bytes.get(start..end).unwrap_or_default());
    }

    #[inline]
    fn assign(&mut self, other: &Self) {
        (self.start, self.end, self.is_copy) = (other.start, other.end, other.is_copy);
        if other.is_copy {
            self.copy.clone_from(&other.copy);
        }
    }

    #[inline]
    fn forget(&mut self) {
        self.stand(0, 0);
        if self.copy.capacity() > KEPT_BYTES {
            self.copy = Vec::new();
        }
    }
}

/// Where the first line of these bytes ends. Eight bytes at a time: this is where a decoder spends its time.
#[inline]
fn line_end(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::MAX / 0xff;
    const HIGH_BITS: u64 = EACH << 7;
    // Has a high bit unless all bytes are ASCII and above the two ends.
    let suspicious = |word: u64| (word.wrapping_sub(EACH * u64::from(b'\r' + 1)) | word) & HIGH_BITS != 0;
    // Marks the first byte that is this end in its high bit; behind that it may mark others, too.
    let marked = |word: u64, end: u8| {
        let word = word ^ (EACH * u64::from(end));
        word.wrapping_sub(EACH) & !word & HIGH_BITS
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        if suspicious(word) {
            let found = marked(word, b'\n') | marked(word, b'\r');
            if found != 0 {
                return Some(8 * i + found.trailing_zeros() as usize / 8);
            }
        }
    }
    Some(8 * words.len() + rest.iter().position(is_line_end)?)
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// ASCII digits and nothing else. A number that is too large to count is the longest span there is.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = core::str::from_utf8(value).ok()?;
    Some(Duration::from_millis(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_line_ends_where_its_first_end_stands() {
        // All that could be taken for an end, and what a neighbour could make of it.
        for filler in [b'a', b'\t', 0x0b, 0x0c, 0x0e, 0x8a, 0x8d, 0xff, 0] {
            for n_before in 0..20 {
                for end in [b'\n', b'\r'] {
                    let mut bytes = vec![filler; n_before];
                    assert_eq!(line_end(&bytes), None);
                    bytes.push(end);
                    assert_eq!(line_end(&bytes), Some(n_before), "{bytes:?}");
                    bytes.extend([filler, b'\r', b'\n', filler, filler, filler, filler, filler, filler, filler]);
                    assert_eq!(line_end(&bytes), Some(n_before), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn an_event_without_an_id_has_the_last_one_which_is_not_new() {
        let mut decoder = Decoder::default();
        decoder.feed(b"id: 1\ndata\n\ndata\n\nid: 1\ndata\n\nid: 2\n\ndata\n\nid\ndata\n\nid: 3\0\ndata\n\nid: 1");
        let mut next = || {
            assert_eq!(decoder.advance(), Ok(true));
            let is_new = decoder.take_new_id();
            (String::from_utf8_lossy(decoder.event().last_event_id).into_owned(), is_new)
        };
        let expected = [("1", true), ("1", false), ("1", false), ("2", true), ("", true), ("", false)];
        for (id, is_new) in expected {
            assert_eq!(next(), (id.to_owned(), is_new));
        }
        decoder.feed(b"1\ndata\n\ndata\n\n");
        for is_new in [true, false] {
            assert_eq!(decoder.advance(), Ok(true));
            assert_eq!((decoder.take_new_id(), decoder.last_event_id().as_ref()), (is_new, "11"));
        }
    }
}
