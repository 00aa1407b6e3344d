//! Whatever a frame claims, it opens to no more than the limit, or says why it does not; and what another
//! library makes of deflated bytes, a frame of them opens to. The first byte chooses between raw base64 text, bytes
//! that are put into base64 first, and deflated bytes that get the header and the trailer that belong to
//! them, so that the fuzzer gets past the first checks.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISO_HDLC, Crc};
use heartwire_protocol::frame::{self, FrameError};
use libfuzzer_sys::fuzz_target;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

const MAX_BYTES: usize = 65_536;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

fuzz_target!(|input: &[u8]| {
    let Some((&kind, bytes)) = input.split_first() else { return };
    let data = match kind % 4 {
        0 => String::from_utf8_lossy(bytes).into_owned(),
        1 => STANDARD.encode(bytes),
        _ => {
            compare(bytes);
            return;
        }
    };
    if let Ok(payload) = frame::open(data.as_bytes(), MAX_BYTES) {
        assert!(payload.len() <= MAX_BYTES);
    }
});

fn compare(deflated: &[u8]) {
    let Ok(payload) = decompress_to_vec_with_limit(deflated, MAX_BYTES) else { return };
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(deflated);
    gzip.extend(CHECKSUM.checksum(&payload).to_le_bytes());
    gzip.extend((payload.len() as u32).to_le_bytes());
    match frame::open(STANDARD.encode(gzip).as_bytes(), MAX_BYTES) {
        Ok(opened) => assert_eq!(opened.as_bytes(), payload),
        Err(FrameError::NotUtf8) => assert!(std::str::from_utf8(&payload).is_err()),
        // What follows the last block is nothing to the library, and damage to us.
        Err(error) => assert_eq!(error, FrameError::Corrupt),
    }
}
