//! An event and its checked parts.
//!
//! Each type here is parsed once, at the edge, and is fit for the wire from then on: the encoder
//! cannot fail and no handler meets an unchecked topic. This module owns the rules for what a
//! topic, an event type, an id and a payload may be; it never touches bytes.

use core::fmt;
use core::time::Duration;
use std::borrow::Cow;
use std::sync::Arc;

/// The longest topic, in bytes of UTF-8.
pub const MAX_TOPIC_BYTES: usize = 256;
/// The longest event type that can be published, in bytes of UTF-8.
pub const MAX_EVENT_TYPE_BYTES: usize = 128;
/// The longest key of an event, in bytes of UTF-8.
pub const MAX_EVENT_KEY_BYTES: usize = 256;
/// The longest event id, in bytes of UTF-8.
pub const MAX_EVENT_ID_BYTES: usize = 256;
/// What the type of a compressed frame ends in.
pub const FRAME_SUFFIX: &str = "+gzip";
/// What the topics that Heartwire keeps for itself begin with.
pub const RESERVED_TOPIC_PREFIX: char = '$';

const CONTROL_TYPES: [&str; 5] = ["connected", "heartbeat", "gap", "expiring", "closing"];

/// Why a text cannot be a topic, an event type, a key or an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// It has no characters.
    Empty,
    /// It has more bytes of UTF-8 than allowed.
    TooLong {
        /// The most that are allowed.
        limit_bytes: usize,
    },
    /// It has a control character, such as a line break, a tab or NUL.
    ControlCharacter {
        /// Where in the text the character stands, in bytes from its start.
        at: usize,
    },
    /// Heartwire keeps this name for itself.
    Reserved,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { limit_bytes } => write!(f, "is longer than {limit_bytes} bytes"),
            Self::ControlCharacter { at } => write!(f, "has a control character at byte {at}"),
            Self::Reserved => f.write_str("is a name that Heartwire keeps for itself"),
        }
    }
}

impl core::error::Error for FieldError {}

fn check(text: &str, limit_bytes: usize) -> Result<(), FieldError> {
    if text.is_empty() {
        return Err(FieldError::Empty);
    }
    if text.len() > limit_bytes {
        return Err(FieldError::TooLong { limit_bytes });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(FieldError::ControlCharacter { at }),
        None => Ok(()),
    }
}

/// The name under which events are published and read.
///
/// 1 to 256 bytes of UTF-8 without control characters. Names that begin with `$` are reserved.
///
/// ```
/// use heartwire_protocol::{FieldError, Topic};
///
/// assert_eq!(Topic::parse("orders/42").unwrap().as_str(), "orders/42");
/// assert_eq!(Topic::parse(""), Err(FieldError::Empty));
/// assert_eq!(Topic::parse("$stats"), Err(FieldError::Reserved));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Checks a topic that came from outside.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        check(text, MAX_TOPIC_BYTES)?;
        if text.starts_with(RESERVED_TOPIC_PREFIX) {
            return Err(FieldError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The topic under which a hub publishes its own figures, `$stats`: reserved, so that nobody else can.
    #[must_use]
    pub fn stats() -> Self {
        Self("$stats".into())
    }

    /// Whether Heartwire keeps this name for itself.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED_TOPIC_PREFIX)
    }

    /// The topic as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The type under which a page listens for an event.
///
/// 1 to 128 bytes of UTF-8 without control characters; `message` when the publisher named none.
/// The names of control events and names that end in `+gzip` are reserved.
///
/// ```
/// use heartwire_protocol::{EventType, FieldError};
///
/// assert_eq!(EventType::parse("progress").unwrap().as_str(), "progress");
/// assert_eq!(EventType::default().as_str(), "message");
/// assert_eq!(EventType::parse("heartbeat"), Err(FieldError::Reserved));
/// assert_eq!(EventType::parse("a\nb"), Err(FieldError::ControlCharacter { at: 1 }));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Cow<'static, str>);

impl EventType {
    /// Checks an event type that a publisher named.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        check(text, MAX_EVENT_TYPE_BYTES)?;
        if CONTROL_TYPES.contains(&text) || text.ends_with(FRAME_SUFFIX) {
            return Err(FieldError::Reserved);
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    /// The type of a control event, which nobody can publish under.
    pub(crate) const fn control(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The type of the compressed frame that stands for an event of this type.
    #[cfg(feature = "compress")]
    pub(crate) fn of_frame(&self) -> Self {
        Self(Cow::Owned(format!("{}{FRAME_SUFFIX}", self.0)))
    }

    /// The event type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the type that the standard assumes when a stream names none.
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.0 == "message"
    }
}

impl Default for EventType {
    /// `message`, as in the standard.
    fn default() -> Self {
        Self(Cow::Borrowed("message"))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What an event is about, within its topic: a later event with the same key makes it old news.
///
/// Publishers give it, and readers never see it: a server uses it to tell a slow reader the newest of
/// each key where it cannot have all. 1 to 256 bytes of UTF-8 without control characters.
///
/// ```
/// use heartwire_protocol::{EventKey, FieldError};
///
/// assert_eq!(EventKey::parse("AAPL").unwrap().as_str(), "AAPL");
/// assert_eq!(EventKey::parse(""), Err(FieldError::Empty));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Arc<str>);

impl EventKey {
    /// Checks a key that a publisher named.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        check(text, MAX_EVENT_KEY_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The text after which a reader resumes: opaque to clients, a [`Cursor`](crate::Cursor) to servers.
///
/// At most 256 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Checks an id.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        check(text, MAX_EVENT_ID_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<crate::Cursor> for EventId {
    fn from(cursor: crate::Cursor) -> Self {
        Self(cursor.to_string().into())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The payload of an event: any text, with its line breaks as line feeds.
///
/// The stream format has one kind of line break, so a reader could never tell CR LF and CR from LF
/// apart. They become LF here, once, so that every transport delivers the same text.
///
/// ```
/// use heartwire_protocol::Data;
///
/// assert_eq!(Data::new("one\r\ntwo\rthree").as_str(), "one\ntwo\nthree");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Data(Arc<str>);

impl Data {
    /// Takes any text as a payload.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if text.contains('\r') {
            Self(text.replace("\r\n", "\n").replace('\r', "\n").into())
        } else {
            Self(text.into())
        }
    }

    /// The payload as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Data {
    /// Tells the length alone: payloads never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} bytes)", self.0.len())
    }
}

/// The reconnection time that a stream asks for, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Retry(Duration);

impl Retry {
    /// Takes a span, rounded down to whole milliseconds.
    #[must_use]
    pub fn new(span: Duration) -> Self {
        Self(span)
    }

    /// The span in whole milliseconds, as it stands on the wire.
    #[must_use]
    pub fn as_millis(self) -> u128 {
        self.0.as_millis()
    }
}

/// One event, ready to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where a reader that has seen this event resumes; `None` leaves its resume point alone.
    pub id: Option<EventId>,
    /// What a page listens for.
    pub event_type: EventType,
    /// The payload.
    pub data: Data,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_topic_is_refused_for_the_rule_it_breaks() {
        let check = |text: &str, expected| assert_eq!(Topic::parse(text).err(), expected, "{text:?}");
        check("host", None);
        check("ünï/code топик", None);
        check(&"x".repeat(MAX_TOPIC_BYTES), None);
        check("", Some(FieldError::Empty));
        check(&"x".repeat(MAX_TOPIC_BYTES + 1), Some(FieldError::TooLong { limit_bytes: MAX_TOPIC_BYTES }));
        check("a\0b", Some(FieldError::ControlCharacter { at: 1 }));
        check("ab\u{85}", Some(FieldError::ControlCharacter { at: 2 }));
        check("$", Some(FieldError::Reserved));
    }

    #[test]
    fn nobody_publishes_under_a_name_that_the_client_trusts() {
        for name in CONTROL_TYPES.into_iter().chain(["progress+gzip", "+gzip"]) {
            assert_eq!(EventType::parse(name), Err(FieldError::Reserved), "{name}");
        }
        assert!(EventType::parse("gzip").is_ok());
        assert!(EventType::parse("error").is_ok(), "the client tells it from its own errors");
    }

    #[test]
    fn a_key_is_refused_for_the_rule_it_breaks() {
        let check = |text: &str, expected| assert_eq!(EventKey::parse(text).err(), expected, "{text:?}");
        check("$ user/17 gap", None);
        check(&"x".repeat(MAX_EVENT_KEY_BYTES), None);
        check("", Some(FieldError::Empty));
        check(&"x".repeat(MAX_EVENT_KEY_BYTES + 1), Some(FieldError::TooLong { limit_bytes: MAX_EVENT_KEY_BYTES }));
        check("a\nb", Some(FieldError::ControlCharacter { at: 1 }));
    }

    #[test]
    fn a_payload_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", Data::new("secret")), "Data(6 bytes)");
    }
}
