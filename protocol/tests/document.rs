//! The examples of `docs/protocol.md`, read as what the document says they are.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use heartwire_protocol::answer::{HealthAnswer, PollAnswer, RefusalAnswer, TicketAnswer};
use heartwire_protocol::decode::DecodedEvent;
use heartwire_protocol::{Control, Decoder, frame};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

struct Block {
    kind: &'static str,
    text: &'static str,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = DOCUMENT;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (kind, body) = after.split_once('\n').unwrap();
        let end = body.find("```").unwrap();
        blocks.push(Block { kind, text: &body[..end] });
        // From the last line feed on: two blocks may follow each other at once.
        rest = body[end..].trim_start_matches('`');
    }
    blocks
}

fn decode(stream: &str) -> Vec<DecodedEvent> {
    let mut decoder = Decoder::default();
    decoder.feed(stream.as_bytes());
    core::iter::from_fn(|| decoder.next_event().unwrap()).collect()
}

#[test]
fn every_stream_means_the_events_beside_it() {
    let blocks = blocks();
    let mut n_checked = 0;
    for pair in blocks.windows(2).filter(|pair| pair[0].kind == "stream") {
        assert_eq!(pair[1].kind, "events", "after {}", pair[0].text);
        let events: Vec<String> = decode(pair[0].text)
            .iter()
            .map(|event| format!("{} {} {}\n", event.event_type, event.last_event_id, event.data.replace('\n', "\\n")))
            .collect();
        assert_eq!(events.concat(), pair[1].text);
        n_checked += 1;
    }
    assert!(n_checked >= 6, "the document has examples: {n_checked}");
}

#[test]
fn every_control_event_reads_as_one() {
    let mut types = Vec::new();
    for block in blocks().iter().filter(|block| block.kind == "stream") {
        for event in decode(block.text) {
            if let Some(control) = Control::from_json(&event.event_type, &event.data) {
                let control = control.unwrap();
                assert_eq!(control.to_json(), event.data, "member for member what we send");
                types.push(event.event_type);
            }
        }
    }
    for name in ["connected", "heartbeat", "gap", "expiring", "closing"] {
        assert!(types.iter().any(|seen| seen == name), "the document shows a {name}");
    }
}

#[test]
fn the_frame_opens_to_the_payload_beside_it() {
    let blocks = blocks();
    let at = blocks.iter().position(|block| block.kind == "frame").unwrap();
    let framed = decode(blocks[at - 2].text).pop().unwrap();
    assert_eq!(frame::inner_type(&framed.event_type), Some("progress"));
    assert_eq!(frame::open(framed.data.as_bytes(), 1_000).unwrap(), blocks[at].text.trim_end());
}

#[test]
fn every_answer_parses_as_what_it_is() {
    let json = |kind| {
        let block = blocks().into_iter().find(|block| block.kind == kind);
        block.unwrap_or_else(|| panic!("the document shows {kind}")).text
    };
    let poll: PollAnswer = serde_json::from_str(json("json poll")).unwrap();
    assert_eq!(serde_json::to_string(&poll).unwrap(), json("json poll").trim_end());
    let health: HealthAnswer = serde_json::from_str(json("json health")).unwrap();
    assert_eq!(serde_json::to_string(&health).unwrap(), json("json health").trim_end());
    let ticket: TicketAnswer = serde_json::from_str(json("json ticket")).unwrap();
    assert_eq!(serde_json::to_string(&ticket).unwrap(), json("json ticket").trim_end());
    let refusal: RefusalAnswer = serde_json::from_str(json("json refusal")).unwrap();
    assert_eq!(refusal.code, "sse-disabled");
}
