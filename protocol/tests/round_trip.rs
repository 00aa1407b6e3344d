//! What one end encodes the other decodes, whatever the payload and wherever the bytes are cut.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use heartwire_protocol::{Cursor, Data, Decoder, Epoch, Event, EventId, EventType, encode, frame};
use proptest::prelude::*;

/// Text that likes to be difficult: line breaks, colons, spaces, NUL, byte order marks.
fn difficult_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just(":".to_owned()),
        Just(" ".to_owned()),
        Just("data: ".to_owned()),
        Just("\0".to_owned()),
        Just("\u{feff}".to_owned()),
        any::<String>(),
        "[a-z]{0,20}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn event_type() -> impl Strategy<Value = EventType> {
    prop_oneof![Just("message".to_owned()), "[a-z:. ]{1,12}", "\\PC{1,10}"]
        .prop_filter_map("a name that can be published under", |text| EventType::parse(&text).ok())
}

fn event() -> impl Strategy<Value = Event> {
    (prop::option::of((any::<u64>(), any::<u64>())), event_type(), difficult_text()).prop_map(
        |(id, event_type, data)| Event {
            id: id.map(|(epoch, sequence)| EventId::from(Cursor { epoch: Epoch(epoch), sequence })),
            event_type,
            data: Data::new(&data),
        },
    )
}

fn decode(bytes: &[u8], piece_bytes: usize) -> Vec<(String, String, String)> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in bytes.chunks(piece_bytes) {
        decoder.feed(piece);
        while let Some(event) = decoder.next_event().unwrap() {
            events.push((event.event_type, event.data, event.last_event_id));
        }
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_comes_out_as_it_went_in(events in prop::collection::vec(event(), 0..8), piece_bytes in 1_usize..40) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        let mut last_event_id = String::new();
        for event in &events {
            encode::comment("between", &mut bytes);
            encode::event(event, &mut bytes);
            if let Some(id) = &event.id {
                id.as_str().clone_into(&mut last_event_id);
            }
            expected.push((event.event_type.to_string(), event.data.as_str().to_owned(), last_event_id.clone()));
        }
        prop_assert_eq!(decode(&bytes, piece_bytes), expected);
    }

    #[test]
    fn rubbish_means_the_same_however_it_is_cut(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd')], 0..300),
        piece_bytes in 1_usize..10,
    ) {
        prop_assert_eq!(decode(&bytes, piece_bytes), decode(&bytes, bytes.len().max(1)));
    }

    #[test]
    fn every_frame_opens_to_its_payload(text in difficult_text(), times in 1_usize..200, event_type in event_type()) {
        let payload = Data::new(&text.repeat(times));
        if let Some((frame_type, framed)) = frame::compress(&event_type, &payload, 0) {
            prop_assert_eq!(frame::inner_type(frame_type.as_str()), Some(event_type.as_str()));
            prop_assert!(framed.as_str().len() < payload.as_str().len() * 8, "no larger than the plain event");
            prop_assert_eq!(frame::open(framed.as_str().as_bytes(), usize::MAX).unwrap(), payload.as_str());
        }
    }

    #[test]
    fn a_damaged_frame_never_passes_for_another(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let payload = Data::new(&"all work and no play ".repeat(100));
        let (_, framed) = frame::compress(&EventType::default(), &payload, 0).unwrap();
        let mut damaged = framed.as_str().as_bytes().to_vec();
        let at = at.index(damaged.len());
        damaged[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(damaged)
            && let Ok(opened) = frame::open(text.as_bytes(), frame::DEFAULT_MAX_OPEN_BYTES)
        {
            // Bits of the header's time and system name carry no meaning.
            prop_assert_eq!(opened, payload.as_str());
        }
    }

    #[test]
    fn nonsense_is_never_a_panic(text in any::<String>()) {
        let _ = frame::open(text.as_bytes(), 1_000);
        let _ = text.parse::<Cursor>();
        let _ = Data::new(&text);
    }

    #[test]
    fn a_cursor_survives_its_text(epoch in any::<u64>(), sequence in any::<u64>()) {
        let cursor = Cursor { epoch: Epoch(epoch), sequence };
        prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}
