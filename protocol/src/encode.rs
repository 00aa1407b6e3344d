//! Events to bytes.
//!
//! This is the one place that writes `data:`. It takes checked types only, so it cannot fail and
//! no payload can break out of its field.

use crate::event::{Event, Retry};

/// Appends one event, the blank line that dispatches it included.
///
/// The `event:` line is left out for the type `message`, which the standard assumes.
///
/// ```
/// use heartwire_protocol::{Cursor, Data, Epoch, Event, EventType, encode};
///
/// let event = Event {
///     id: Some(Cursor { epoch: Epoch(0xabc), sequence: 7 }.into()),
///     event_type: EventType::parse("progress").unwrap(),
///     data: Data::new("half\nway"),
/// };
/// let mut out = Vec::new();
/// encode::event(&event, &mut out);
/// assert_eq!(out, b"id: abc-7\nevent: progress\ndata: half\ndata: way\n\n");
/// ```
pub fn event(event: &Event, out: &mut Vec<u8>) {
    let data = event.data.as_str();
    out.reserve(data_bytes(data) + event.event_type.as_str().len() + 64);
    if let Some(id) = &event.id {
        field("id: ", id.as_str(), out);
    }
    if !event.event_type.is_message() {
        field("event: ", event.event_type.as_str(), out);
    }
    for line in data.split('\n') {
        // Always with the space: a reader strips one, so a payload may begin with another.
        field("data: ", line, out);
    }
    out.push(b'\n');
}

/// Appends the reconnection time that a bare `EventSource` should keep.
pub fn retry(retry: Retry, out: &mut Vec<u8>) {
    field("retry: ", &retry.as_millis().to_string(), out);
    out.push(b'\n');
}

/// Appends a comment, which no script ever sees: it only makes bytes move.
///
/// ```
/// let mut out = Vec::new();
/// heartwire_protocol::encode::comment("hello", &mut out);
/// assert_eq!(out, b": hello\n\n");
/// ```
pub fn comment(text: &str, out: &mut Vec<u8>) {
    for line in text.split(['\r', '\n']) {
        field(": ", line, out);
    }
    out.push(b'\n');
}

/// How many bytes the `data:` lines of a payload take on the wire.
pub(crate) fn data_bytes(data: &str) -> usize {
    let n_lines = data.bytes().filter(|byte| *byte == b'\n').count() + 1;
    data.len() + n_lines * "data: ".len() + 1
}

fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, EventType};
    use core::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_length_of_data_lines_is_known_beforehand() {
        for data in ["", "one", "one\ntwo", "\n\n", "é\n"] {
            let mut out = Vec::new();
            event(&Event { id: None, event_type: EventType::default(), data: Data::new(data) }, &mut out);
            assert_eq!(data_bytes(data), out.len() - 1, "{data:?}");
        }
    }

    #[test]
    fn retry_and_comment_stand_alone() {
        let mut out = Vec::new();
        retry(Retry::new(Duration::from_micros(1_500_999)), &mut out);
        comment("a\nb", &mut out);
        assert_eq!(out, b"retry: 1500\n\n: a\n: b\n\n");
    }
}
