//! Every vector of `tests/vectors/streams.json`, fed whole, byte by byte, and cut at every position.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use base64::Engine;
use heartwire_protocol::Decoder;
use heartwire_protocol::decode::{DecodedEvent, EventTooLong};
use serde::Deserialize;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Deserialize)]
struct Vector {
    name: String,
    stream: Option<String>,
    /// For streams that are not UTF-8.
    stream_base64: Option<String>,
    events: Vec<Expected>,
    last_event_id: String,
    retry_ms: Option<u128>,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "type")]
    event_type: String,
    data: String,
    id: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../tests/vectors/streams.json")).unwrap()
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        match (&self.stream, &self.stream_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(base64)) => base64::engine::general_purpose::STANDARD.decode(base64).unwrap(),
            _ => panic!("{}: one of stream and stream_base64", self.name),
        }
    }

    fn check<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>, how: &str) {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.feed(piece);
            while let Some(event) = decoder.next_event().unwrap() {
                events.push((event.event_type, event.data, event.last_event_id));
            }
        }
        let expected: Vec<_> =
            self.events.iter().map(|e| (e.event_type.clone(), e.data.clone(), e.id.clone())).collect();
        assert_eq!(events, expected, "{}, {how}", self.name);
        assert_eq!(decoder.last_event_id(), self.last_event_id, "{}, {how}", self.name);
        assert_eq!(decoder.retry().map(|retry| retry.as_millis()), self.retry_ms, "{}, {how}", self.name);
    }
}

#[test]
fn a_stream_means_the_same_however_it_is_cut() {
    for vector in vectors() {
        let bytes = vector.bytes();
        vector.check([&bytes[..]], "whole");
        vector.check(bytes.chunks(1), "byte by byte");
        vector.check(bytes.chunks(3), "three bytes at a time");
        for at in 0..=bytes.len() {
            vector.check([&bytes[..at], &bytes[at..]], "cut in two");
        }
    }
}

#[test]
fn an_endless_line_is_an_error_and_not_a_full_memory() {
    let check = |pieces: &[&str]| {
        let mut decoder = Decoder::new(100);
        let mut result = Ok(None);
        for piece in pieces {
            decoder.feed(piece.as_bytes());
            result = decoder.next_event();
            if result.is_err() {
                break;
            }
        }
        assert_eq!(result, Err(EventTooLong { limit_bytes: 100 }), "{pieces:?}");
        decoder.feed(b"\n\ndata: ok\n\n");
        assert!(decoder.next_event().is_err(), "what follows cannot be trusted");
    };
    check(&[&"x".repeat(101)]);
    check(&[&"x".repeat(60), &"x".repeat(60)]);
    check(&[&format!("data: {}\n", "x".repeat(120))]);
    check(&["data: 1234567890\n"; 12]);
    check(&[&"data: 1234567890\n".repeat(12)]);
}

#[test]
fn events_below_the_limit_never_add_up() {
    let mut decoder = Decoder::new(100);
    for _ in 0..1_000 {
        decoder.feed(b"data: 1234567890\n\n: a comment\n");
        let event: DecodedEvent = decoder.next_event().unwrap().unwrap();
        assert_eq!(event.data, "1234567890");
        assert_eq!(decoder.next_event(), Ok(None));
    }
}

#[test]
fn a_retry_too_large_to_count_is_the_longest_there_is() {
    let mut decoder = Decoder::default();
    decoder.feed(b"retry: 31536000000000000000000000000\n");
    decoder.next_event().unwrap();
    assert_eq!(decoder.retry().unwrap().as_millis(), u128::from(u64::MAX));
}
