//! Bytes, in slices of any size, to events.
//!
//! This carries out "Interpreting an event stream" of the HTML standard (section 9.2.6) to the
//! letter, and adds the one thing that the standard leaves out: a limit. It owns the bytes that
//! are not yet an event; it never looks into a payload.

use core::fmt;
use core::mem;
use core::time::Duration;

/// The most bytes that one event may take unless the caller says otherwise: 32 MiB, room for a
/// base64 frame of 16 MiB.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// So much memory for data is kept from one event to the next.
const KEPT_BYTES: usize = 64 * 1024;

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

/// An event as it was dispatched, in the decoder's own memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// `message` when the stream named none.
    pub event_type: &'a str,
    /// The payload.
    pub data: &'a str,
    /// The last event id at the moment of dispatch; empty when none was ever set.
    pub last_event_id: &'a str,
}

impl EventRef<'_> {
    /// The event in memory of its own.
    #[must_use]
    pub fn into_owned(self) -> DecodedEvent {
        let Self { event_type, data, last_event_id } = self;
        DecodedEvent {
            event_type: event_type.to_owned(),
            data: data.to_owned(),
            last_event_id: last_event_id.to_owned(),
        }
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
    bytes: Vec<u8>,
    /// Where in `bytes` the line begins that has not been read yet.
    line_start: usize,
    /// How far that line has been searched for its end, so that no byte is looked at twice.
    searched: usize,
    /// The last line ended in CR: an LF that comes next belongs to it.
    after_cr: bool,
    bom: ByteOrderMark,
    event_type: String,
    data: String,
    has_data: bool,
    /// The type and the data are those of an event that was given away.
    dispatched: bool,
    last_event_id_buffer: String,
    last_event_id: String,
    retry: Option<Duration>,
    failed: Option<EventTooLong>,
}

#[derive(Debug, PartialEq, Eq)]
enum ByteOrderMark {
    MayCome,
    Past,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_EVENT_BYTES)
    }
}

impl Decoder {
    /// A decoder for one stream, whose events take at most `max_event_bytes` each.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            bytes: Vec::new(),
            line_start: 0,
            searched: 0,
            after_cr: false,
            bom: ByteOrderMark::MayCome,
            event_type: String::new(),
            data: String::new(),
            has_data: false,
            dispatched: false,
            last_event_id_buffer: String::new(),
            last_event_id: String::new(),
            retry: None,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream. Then call [`next_event`](Self::next_event) until it has none.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.line_start);
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
        Ok(self.next_event_ref()?.map(EventRef::into_owned))
    }

    /// As [`next_event`](Self::next_event), without memory for each event: it stays in the decoder
    /// until the next call.
    ///
    /// # Errors
    /// As there.
    pub fn next_event_ref(&mut self) -> Result<Option<EventRef<'_>>, EventTooLong> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        if mem::take(&mut self.dispatched) {
            self.forget_event();
        }
        while let Some((start, end)) = self.next_line() {
            if start == end {
                if self.dispatch() {
                    return Ok(Some(EventRef {
                        event_type: if self.event_type.is_empty() { "message" } else { &self.event_type },
                        data: &self.data,
                        last_event_id: &self.last_event_id,
                    }));
                }
            } else {
                self.read_line(start, end);
            }
            self.check_limit(0)?;
        }
        self.check_limit(self.bytes.len() - self.line_start)?;
        Ok(None)
    }

    /// The last event id, as of the last blank line; empty when none was ever set.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The reconnection time that the stream last asked for.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn check_limit(&mut self, unread_bytes: usize) -> Result<(), EventTooLong> {
        if unread_bytes + self.data.len() <= self.max_event_bytes {
            return Ok(());
        }
        let failure = EventTooLong { limit_bytes: self.max_event_bytes };
        self.failed = Some(failure);
        self.bytes = Vec::new();
        self.line_start = 0;
        self.searched = 0;
        self.data = String::new();
        Err(failure)
    }

    /// Where in `bytes` the next whole line stands, without its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        self.skip_byte_order_mark()?;
        if self.after_cr && self.line_start < self.bytes.len() {
            self.after_cr = false;
            if self.bytes[self.line_start] == b'\n' {
                self.line_start += 1;
                self.searched = self.line_start;
            }
        }
        let unsearched = &self.bytes[self.searched..];
        let Some(offset) = unsearched.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.bytes.len();
            return None;
        };
        let line = (self.line_start, self.searched + offset);
        self.after_cr = unsearched[offset] == b'\r';
        self.line_start = line.1 + 1;
        self.searched = self.line_start;
        Some(line)
    }

    /// [spec] "Parsing an event stream": one leading U+FEFF is ignored, no other is.
    /// `None` while the bytes so far may still become one.
    fn skip_byte_order_mark(&mut self) -> Option<()> {
        const MARK: &[u8] = "\u{feff}".as_bytes();
        if self.bom == ByteOrderMark::MayCome {
            if self.bytes.len() < MARK.len() && MARK.starts_with(&self.bytes) {
                return None;
            }
            if self.bytes.starts_with(MARK) {
                self.line_start = MARK.len();
                self.searched = MARK.len();
            }
            self.bom = ByteOrderMark::Past;
        }
        Some(())
    }

    /// [spec] "Interpreting an event stream": process the line, then the field.
    fn read_line(&mut self, start: usize, end: usize) {
        let line = &self.bytes[start..end];
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                push(&mut self.data, value);
            }
            b"event" => replace(&mut self.event_type, value),
            b"id" if !value.contains(&0) => replace(&mut self.last_event_id_buffer, value),
            b"retry" => self.retry = milliseconds(value).or(self.retry),
            // A comment has the empty name.
            _ => {}
        }
    }

    /// [spec] "Dispatch the event". Whether there is one.
    fn dispatch(&mut self) -> bool {
        self.last_event_id.clone_from(&self.last_event_id_buffer);
        self.dispatched = self.has_data;
        if !self.has_data {
            self.forget_event();
        }
        self.dispatched
    }

    fn forget_event(&mut self) {
        self.event_type.clear();
        self.has_data = false;
        // One large event is no reason to keep its memory for as long as the stream is open.
        if self.data.capacity() > KEPT_BYTES {
            self.data = String::new();
        }
        self.data.clear();
    }
}

/// Puts a value in the place of the one before.
fn replace(text: &mut String, value: &[u8]) {
    text.clear();
    push(text, value);
}

/// [spec] "UTF-8 decode": what is not UTF-8 is replaced.
fn push(text: &mut String, value: &[u8]) {
    match core::str::from_utf8(value) {
        // Several times as fast as looking for what to replace.
        Ok(value) => text.push_str(value),
        Err(_) => text.push_str(&String::from_utf8_lossy(value)),
    }
}

/// ASCII digits and nothing else. A number that is too large to count is the longest span there is.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = core::str::from_utf8(value).ok()?;
    Some(Duration::from_millis(digits.parse().unwrap_or(u64::MAX)))
}
