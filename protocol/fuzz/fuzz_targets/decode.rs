//! However rubbish is cut, the decoder makes the same of it, and never holds more than its limit.
//! The first byte says where to cut.

#![no_main]

use heartwire_protocol::Decoder;
use heartwire_protocol::decode::{DecodedEvent, EventTooLong};
use libfuzzer_sys::fuzz_target;

const MAX_EVENT_BYTES: usize = 4_096;

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<DecodedEvent>, Option<EventTooLong>, String) {
    let mut decoder = Decoder::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(failure) => return (events, Some(failure), decoder.last_event_id().into_owned()),
            }
        }
    }
    (events, None, decoder.last_event_id().into_owned())
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else { return };
    let whole = decode([stream]);
    let pieces = decode(stream.chunks(usize::from(piece_bytes).max(1)));
    assert_eq!(whole, pieces);
});
