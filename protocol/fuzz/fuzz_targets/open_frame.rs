//! Whatever a frame claims, it opens to no more than the limit, or says why it does not. The first
//! byte chooses between raw base64 text and bytes that are put into base64 first, so that the
//! fuzzer gets past the first check.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heartwire_protocol::frame;
use libfuzzer_sys::fuzz_target;

const MAX_BYTES: usize = 65_536;

fuzz_target!(|input: &[u8]| {
    let Some((&kind, bytes)) = input.split_first() else { return };
    let data = if kind % 4 == 0 { String::from_utf8_lossy(bytes).into_owned() } else { STANDARD.encode(bytes) };
    if let Ok(payload) = frame::open(&data, MAX_BYTES) {
        assert!(payload.len() <= MAX_BYTES);
    }
});
