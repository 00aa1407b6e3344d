//! Large payloads as gzip in base64, and the bounded way back.
//!
//! A frame is an event whose type ends in `+gzip` and whose data is the base64 (RFC 4648, with
//! padding) of one gzip member (RFC 1952) of the payload: one `atob` and one standard gunzip open it
//! in any language. This module owns when a frame is worth its bytes and how far one may grow.

#[cfg(feature = "compress")]
use crate::encode;
#[cfg(feature = "compress")]
use crate::event::{Data, EventType};
use crate::inflate::inflate;
#[cfg(feature = "compress")]
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;
#[cfg(feature = "compress")]
use crc::{CRC_32_ISO_HDLC, Crc, Table};
use std::sync::LazyLock;

/// Payloads below this many bytes are never compressed unless a server is set otherwise.
pub const DEFAULT_MIN_BYTES: usize = 1024;
/// The most bytes that a frame may open to unless a client is set otherwise: 16 MiB.
pub const DEFAULT_MAX_OPEN_BYTES: usize = 16 * 1024 * 1024;

#[cfg(feature = "compress")]
const CHECKSUM: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;
/// Deflate cannot grow more than this, whatever its trailer claims (RFC 1951: 258 bytes from 2 bits).
const MAX_EXPANSION: usize = 1032;

/// Why a frame cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The data is not base64 with padding.
    NotBase64,
    /// The bytes do not begin as gzip does.
    NotGzip,
    /// The bytes end too early.
    CutShort,
    /// The compressed bytes make no sense, or are followed by others.
    Corrupt,
    /// The payload is not the one that was compressed.
    WrongChecksum,
    /// The payload is larger than the client allows.
    TooLarge {
        /// The most bytes that the client allows.
        limit_bytes: usize,
    },
    /// The payload is not UTF-8.
    NotUtf8,
}

impl FrameError {
    /// The error in a clause. What `Display` writes, for where formatting would cost too much.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotBase64 => "the frame is not base64",
            Self::NotGzip => "the frame is not gzip",
            Self::CutShort => "the frame is cut short",
            Self::Corrupt => "the frame is damaged",
            Self::WrongChecksum => "the frame has a wrong checksum",
            Self::TooLarge { .. } => "the frame opens to more bytes than allowed",
            Self::NotUtf8 => "the frame does not hold text",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for FrameError {}

/// The event type that a frame stands for; `None` when `event_type` is not that of a frame.
///
/// ```
/// use heartwire_protocol::frame;
///
/// assert_eq!(frame::inner_type("progress+gzip"), Some("progress"));
/// assert_eq!(frame::inner_type("progress"), None);
/// ```
#[must_use]
pub fn inner_type(event_type: &str) -> Option<&str> {
    event_type.strip_suffix(crate::event::FRAME_SUFFIX)
}

/// Makes the frame of a payload: its type and data. `None` when the payload is smaller than
/// `min_bytes`, or when the frame would not be smaller on the wire.
///
/// ```
/// use heartwire_protocol::{Data, EventType, frame};
///
/// let payload = Data::new(&"all work and no play ".repeat(100));
/// let (event_type, data) = frame::compress(&EventType::default(), &payload, frame::DEFAULT_MIN_BYTES).unwrap();
/// assert_eq!(event_type.as_str(), "message+gzip");
/// assert_eq!(frame::open(data.as_str().as_bytes(), frame::DEFAULT_MAX_OPEN_BYTES).unwrap(), payload.as_str());
/// ```
#[cfg(feature = "compress")]
#[must_use]
pub fn compress(event_type: &EventType, data: &Data, min_bytes: usize) -> Option<(EventType, Data)> {
    const LEVEL: u8 = 6;
    let payload = data.as_str().as_bytes();
    if payload.len() < min_bytes {
        return None;
    }
    // [spec] RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(miniz_oxide::deflate::compress_to_vec(payload, LEVEL));
    gzip.extend(CHECKSUM.checksum(payload).to_le_bytes());
    // [spec] RFC 1952: the size modulo 2^32.
    gzip.extend((payload.len() as u32).to_le_bytes());
    let framed = STANDARD.encode(gzip);

    let frame_type = event_type.of_frame();
    let type_bytes = frame_type.as_str().len() + "event: \n".len();
    if encode::data_bytes(&framed) + type_bytes >= encode::data_bytes(data.as_str()) {
        return None;
    }
    Some((frame_type, Data::new(&framed)))
}

/// Opens a frame, the base64 of it: the payload, or why there is none.
///
/// Never makes more than `max_bytes`, whatever the frame claims.
///
/// # Errors
/// See [`FrameError`]; a frame that cannot be opened says nothing about the ones after it.
pub fn open(data: &[u8], max_bytes: usize) -> Result<String, FrameError> {
    let gzip = from_base64(data).ok_or(FrameError::NotBase64)?;
    let payload = gunzip(&gzip, max_bytes)?;
    String::from_utf8(payload).map_err(|_| FrameError::NotUtf8)
}

fn gunzip(gzip: &[u8], max_bytes: usize) -> Result<Vec<u8>, FrameError> {
    let body = skip_header(gzip)?;
    let Some((deflated, trailer)) = body.split_last_chunk::<TRAILER_BYTES>() else {
        return Err(FrameError::CutShort);
    };
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    if size > max_bytes {
        return Err(FrameError::TooLarge { limit_bytes: max_bytes });
    }
    // A size that deflate cannot reach is that of a frame whose end is missing: do not make room for it.
    if size > deflated.len().saturating_mul(MAX_EXPANSION) {
        return Err(FrameError::CutShort);
    }
    let payload = inflate(deflated, size)?;
    if checksum(&payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(FrameError::WrongChecksum);
    }
    Ok(payload)
}

/// [spec] RFC 1952, section 2.3: the fixed header, then what its flags announce.
fn skip_header(gzip: &[u8]) -> Result<&[u8], FrameError> {
    const HEADER_CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;

    if !gzip.starts_with(&[0x1f, 0x8b, 8]) {
        return Err(FrameError::NotGzip);
    }
    let (header, mut rest) = gzip.split_first_chunk::<HEADER_BYTES>().ok_or(FrameError::CutShort)?;
    let flags = header[3];
    if flags & RESERVED != 0 {
        return Err(FrameError::NotGzip);
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(FrameError::CutShort)?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..).ok_or(FrameError::CutShort)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(FrameError::CutShort)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        rest = rest.get(2..).ok_or(FrameError::CutShort)?;
    }
    Ok(rest)
}

// The two below are for opening alone, where a page downloads them: the crates that make frames would take more bytes
// there than all the rest of this file.

/// [spec] RFC 4648: padded, and with no bits left over.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    const NONE: u8 = 0xff;
    /// What each character stands for.
    const VALUES: [u8; 256] = {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut values = [NONE; 256];
        let mut value = 0;
        while value < alphabet.len() {
            values[alphabet[value] as usize] = value as u8;
            value += 1;
        }
        values
    };

    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let (groups, rest) = unpadded.as_chunks::<4>();
    // The rest is filled up with what stands for nothing but zeros.
    let mut last = [b'A'; 4];
    last[..rest.len()].copy_from_slice(rest);

    let mut bytes = vec![0; (groups.len() + 1) * 3];
    let mut all = 0;
    for (three, group) in bytes.as_chunks_mut().0.iter_mut().zip(groups.iter().chain([&last])) {
        let [a, b, c, d] = group.map(|character| VALUES[usize::from(character)]);
        *three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        all |= a | b | c | d;
    }
    let left_over = bytes.split_off(unpadded.len() * 3 / 4);
    let is_base64 = text.len().is_multiple_of(4) && all != NONE && left_over.iter().all(|byte| *byte == 0);
    is_base64.then_some(bytes)
}

/// [spec] RFC 1952, section 8: CRC-32, four bytes at a time.
fn checksum(bytes: &[u8]) -> u32 {
    // What comes of each byte, by how many zeros follow it. Made when it is first needed: it would not compress.
    static REMAINDERS: LazyLock<[[u32; 256]; 4]> = LazyLock::new(|| {
        let mut remainders = [[0; 256]; 4];
        for (byte, rest) in (0..).zip(&mut remainders[0]) {
            *rest = (0..8).fold(byte, |rest, _| if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 });
        }
        for n_zeros in 1..4 {
            for byte in 0..256 {
                let rest = remainders[n_zeros - 1][byte];
                remainders[n_zeros][byte] = rest >> 8 ^ remainders[0][usize::from(rest as u8)];
            }
        }
        remainders
    });
    let [one, two, three, four] = &*REMAINDERS;
    let (fours, others) = bytes.as_chunks::<4>();
    let rest = fours.iter().fold(!0, |rest, bytes| {
        let [a, b, c, d] = (rest ^ u32::from_le_bytes(*bytes)).to_le_bytes();
        four[usize::from(a)] ^ three[usize::from(b)] ^ two[usize::from(c)] ^ one[usize::from(d)]
    });
    !others.iter().fold(rest, |rest, byte| rest >> 8 ^ one[usize::from(rest as u8 ^ byte)])
}

#[cfg(all(test, feature = "compress"))]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn frame_of(payload: &str) -> Option<String> {
        compress(&EventType::default(), &Data::new(payload), DEFAULT_MIN_BYTES)
            .map(|(_, data)| data.as_str().to_owned())
    }

    #[allow(clippy::unwrap_used, reason = "a helper of tests")]
    fn altered(frame: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut gzip = STANDARD.decode(frame).unwrap();
        change(&mut gzip);
        STANDARD.encode(gzip)
    }

    #[test]
    fn a_frame_is_made_only_where_it_saves_bytes() {
        assert_eq!(frame_of(&"a".repeat(DEFAULT_MIN_BYTES - 1)), None);
        assert!(frame_of(&"a".repeat(DEFAULT_MIN_BYTES)).is_some());
        let mut rng = fastrand::Rng::with_seed(1);
        let noise: String = (0..5_000).map(|_| rng.char('!'..'~')).collect();
        assert!(frame_of(&noise).is_none(), "noise does not shrink");
    }

    #[test]
    fn a_bad_frame_says_what_is_wrong_with_it() {
        let payload = "all work and no play ".repeat(200);
        let good = frame_of(&payload).unwrap();
        let check = |frame: &str, expected: FrameError| {
            assert_eq!(open(frame.as_bytes(), DEFAULT_MAX_OPEN_BYTES), Err(expected), "{frame:.40}");
        };
        check("not base64!", FrameError::NotBase64);
        check(&good[..good.len() - 1], FrameError::NotBase64);
        check("", FrameError::NotGzip);
        check(&STANDARD.encode("plain text"), FrameError::NotGzip);
        check(&altered(&good, |gzip| gzip.truncate(9)), FrameError::CutShort);
        check(&altered(&good, |gzip| gzip.truncate(12)), FrameError::CutShort);
        check(&altered(&good, |gzip| gzip[3] = 0x80), FrameError::NotGzip);
        check(&altered(&good, |gzip| gzip[3] = 0x08), FrameError::CutShort);
        check(
            &altered(&good, |gzip| {
                let at = gzip.len() - TRAILER_BYTES;
                gzip[at] ^= 1;
            }),
            FrameError::WrongChecksum,
        );
        check(
            &altered(&good, |gzip| {
                let at = gzip.len() - TRAILER_BYTES;
                gzip.insert(at, 0);
            }),
            FrameError::Corrupt,
        );
        assert_eq!(open(good.as_bytes(), DEFAULT_MAX_OPEN_BYTES).unwrap(), payload);
    }

    #[test]
    fn what_opens_frames_agrees_with_what_makes_them() {
        let mut rng = fastrand::Rng::with_seed(1);
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
            assert_eq!(checksum(&bytes), CHECKSUM.checksum(&bytes));
            let mut text = STANDARD.encode(&bytes).into_bytes();
            assert_eq!(from_base64(&text).as_ref(), Some(&bytes));
            if let Some(at) = rng.usize(..).checked_rem(text.len()) {
                text[at] = *rng.choice(b"=A/z0+ \n\xff").unwrap();
                assert_eq!(from_base64(&text), STANDARD.decode(&text).ok(), "{}", text.escape_ascii());
            }
        }
        for text in ["=", "==", "====", "A===", "AA==", "AB==", "AAA=", "AAB=", "AA=A", "AA==AAAA", "AAAA====", "AAAAA"]
        {
            assert_eq!(from_base64(text.as_bytes()), STANDARD.decode(text).ok(), "{text}");
        }
    }

    #[test]
    fn a_frame_cannot_grow_past_its_limit() {
        let bomb = frame_of(&"0".repeat(1_000_000)).unwrap();
        assert!(bomb.len() < 2_000, "about a thousand times larger than it looks: {}", bomb.len());
        assert_eq!(open(bomb.as_bytes(), 999_999), Err(FrameError::TooLarge { limit_bytes: 999_999 }));
        assert_eq!(open(bomb.as_bytes(), 1_000_000).unwrap().len(), 1_000_000);

        let liar = altered(&bomb, |gzip| {
            let at = gzip.len() - 4;
            gzip[at..].copy_from_slice(&10_u32.to_le_bytes());
        });
        assert_eq!(open(liar.as_bytes(), DEFAULT_MAX_OPEN_BYTES), Err(FrameError::Corrupt), "it claims ten bytes");
        let braggart = altered(&bomb, |gzip| {
            let at = gzip.len() - 4;
            gzip[at..].copy_from_slice(&16_000_000_u32.to_le_bytes());
        });
        assert_eq!(
            open(braggart.as_bytes(), DEFAULT_MAX_OPEN_BYTES),
            Err(FrameError::CutShort),
            "it claims sixteen million"
        );
    }

    #[test]
    fn a_gzip_header_with_every_optional_field_opens() {
        let payload = "x".repeat(DEFAULT_MIN_BYTES);
        let rich = altered(&frame_of(&payload).unwrap(), |gzip| {
            gzip[3] = 0b0001_1110;
            let extras = [&[3, 0, 1, 2, 3][..], b"name\0", b"comment\0", &[0, 0]].concat();
            gzip.splice(HEADER_BYTES..HEADER_BYTES, extras);
        });
        assert_eq!(open(rich.as_bytes(), DEFAULT_MAX_OPEN_BYTES).unwrap(), payload);
    }

    #[test]
    fn a_frame_that_holds_no_text_is_refused() {
        let raw = [0xff_u8; 64];
        let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        gzip.extend(miniz_oxide::deflate::compress_to_vec(&raw, 6));
        gzip.extend(CHECKSUM.checksum(&raw).to_le_bytes());
        gzip.extend(64_u32.to_le_bytes());
        assert_eq!(open(STANDARD.encode(gzip).as_bytes(), DEFAULT_MAX_OPEN_BYTES), Err(FrameError::NotUtf8));
    }
}
