//! Compressors and who has them.
//!
//! A compressor takes about a fifth of a megabyte, so there are few of them, and they are lent to contexts.
//! Each thread has one of its own for single blocks.

use crate::limits::{Permit, Permits};
use flate2::{Compress, Compression, FlushCompress};
use std::cell::RefCell;
use std::sync::Arc;

/// The most compressors that contexts have at a time. Contexts beyond that do without for a while.
const MAX_LENT: usize = 64;
/// How far back a block of a context refers at most. A reader gets blocks that stand alone until it has had
/// so much text, so a larger window makes more of long streams and less of short ones. Measured with the
/// events of the benchmark, 227 bytes each: 8 KiB make 61.8 of them, 16 KiB 57.1, 32 KiB 54.4; of the first
/// hundred events of a reader who has just come, 100, 137 and 171 each.
const WINDOW_BITS: u8 = 14;
pub(crate) const WINDOW_BYTES: usize = 1 << WINDOW_BITS;
/// The largest that there is, for blocks that stand alone.
const LARGEST_WINDOW_BITS: u8 = 15;
/// A flush ends in five bytes, and a block has a head of its own.
const BLOCK_OVERHEAD_BYTES: usize = 16;

thread_local! {
    static FOR_SINGLE_BLOCKS: RefCell<Deflater> = RefCell::new(Deflater::new(LARGEST_WINDOW_BITS));
}

/// A block that refers to nothing before it.
pub(crate) fn standing_alone(text: &[u8]) -> Vec<u8> {
    FOR_SINGLE_BLOCKS.with_borrow_mut(|deflater| {
        deflater.compress.reset();
        deflater.block(text)
    })
}

/// What a block of a text takes at most.
pub(crate) fn most_bytes(n_bytes: usize) -> usize {
    // [spec] RFC 1951: what cannot be compressed is stored, in parts of at most 65,535 bytes with five
    // bytes before each. zlib makes smaller parts of it.
    n_bytes + n_bytes / 1_000 + BLOCK_OVERHEAD_BYTES
}

/// A raw deflate stream that goes on and on.
struct Deflater {
    compress: Compress,
}

impl Deflater {
    fn new(window_bits: u8) -> Self {
        Self { compress: Compress::new_with_window_bits(Compression::default(), false, window_bits) }
    }

    /// The next block, to the end of a byte. It refers to those before it.
    fn block(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() / 2 + BLOCK_OVERHEAD_BYTES);
        let begin = self.compress.total_in();
        loop {
            let n_taken = (self.compress.total_in() - begin) as usize;
            let status = self.compress.compress_vec(&text[n_taken..], &mut out, FlushCompress::Sync);
            debug_assert!(status.is_ok(), "deflate takes any bytes");
            // Room left over is how deflate says that it has flushed everything.
            if out.len() < out.capacity() {
                return out;
            }
            out.reserve(out.len());
        }
    }
}

/// A compressor that is lent until it is dropped.
pub(super) struct Lent {
    deflater: Deflater,
    _permit: Permit,
}

/// How many a hub may lend.
pub(super) fn permits() -> Arc<Permits> {
    Permits::new(Some(MAX_LENT))
}

/// One that has seen nothing yet; `None` when all are lent.
pub(super) fn lend(permits: &Arc<Permits>) -> Option<Lent> {
    Some(Lent { _permit: permits.acquire()?, deflater: Deflater::new(WINDOW_BITS) })
}

impl Lent {
    /// The next block of the context. It refers to those before it.
    pub(super) fn block(&mut self, text: &[u8]) -> Vec<u8> {
        self.deflater.block(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_lent_than_there_may_be() {
        let permits = permits();
        let mut lent: Vec<Lent> = std::iter::from_fn(|| lend(&permits)).collect();
        assert_eq!(lent.len(), MAX_LENT);
        lent.pop();
        assert!(lend(&permits).is_some());
    }

    #[test]
    fn a_block_of_any_size_is_whole() {
        for n_bytes in [0, 1, 100, 70_000, 3_000_000] {
            let mut state = 1_u32;
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(n_bytes)
            .collect();
            for text in [vec![b'x'; n_bytes], noise] {
                let mut decompress = flate2::Decompress::new(false);
                let mut out = Vec::with_capacity(n_bytes + 64);
                let block = standing_alone(&text);
                decompress.decompress_vec(&block, &mut out, flate2::FlushDecompress::Sync).unwrap();
                assert!(out == text, "{n_bytes} bytes");
                assert!(block.len() <= most_bytes(n_bytes), "{} bytes of {n_bytes}", block.len());
            }
        }
    }
}
