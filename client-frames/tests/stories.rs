//! Frames over the border, as JavaScript brings them; natively and as wasm.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use heartwire_client_frames::Opener;
use heartwire_protocol::frame::{self, DEFAULT_MIN_BYTES};
use heartwire_protocol::{Data, EventType};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn open(opener: &mut Opener, framed: &str, max_bytes: usize) -> (bool, String) {
    opener.room(framed.len()).copy_from_slice(framed.as_bytes());
    (opener.open(max_bytes), opener.text().to_owned())
}

#[test]
fn a_frame_is_opened_or_what_is_wrong_with_it_is_told() {
    let payload = "\u{fc}ber die Z\u{e4}une ".repeat(100);
    let (_, framed) = frame::compress(&EventType::default(), &Data::new(&payload), DEFAULT_MIN_BYTES).unwrap();
    let mut opener = Opener::default();
    assert_eq!(open(&mut opener, framed.as_str(), 0), (true, payload.clone()));
    assert_eq!(open(&mut opener, "no frame", 0), (false, "the frame is not base64".to_owned()));
    assert_eq!(open(&mut opener, framed.as_str(), payload.len()), (true, payload.clone()), "it goes on");
    let too_large = (false, "the frame opens to more bytes than allowed".to_owned());
    assert_eq!(open(&mut opener, framed.as_str(), payload.len() - 1), too_large);
    assert_eq!(open(&mut opener, "", 0), (false, "the frame is not gzip".to_owned()));
}
