//! Deflated bytes (RFC 1951) back to what they were.
//!
//! Every page that gets frames downloads this, and most frames are some kilobytes: so its tables are small, take less
//! time to make than such a frame to read, and leave codes that are too long for them to a loop over counts. The library
//! that makes frames also opens them, in five times the code; tests and a fuzz target hold this against it.

use crate::frame::FrameError;

/// [spec] RFC 1951, section 3.2.1: no code is longer.
const MAX_CODE_BITS: usize = 15;
/// Codes of at most so many bits, which are nearly all, are looked up.
const SHORT_BITS: usize = 9;
/// [spec] Section 3.2.5.
const END_OF_BLOCK: usize = 256;
const LONGEST_MATCH: usize = 258;
/// [spec] Section 3.2.6: no alphabet is larger.
const MOST_SYMBOLS: usize = 288;

/// Reads deflated bytes, all of them, as exactly `size` bytes, and never makes more.
pub(crate) fn inflate(deflated: &[u8], size: usize) -> Result<Vec<u8>, FrameError> {
    let mut bits = Bits { bytes: deflated, held: 0, n_held: 0 };
    let mut out = Out { bytes: vec![0; size], n: 0 };
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => {
                let (literals, distances) = fixed_codes()?;
                block(&mut bits, &literals, &distances, &mut out)?;
            }
            2 => {
                let (literals, distances) = own_codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut out)?;
            }
            _ => return Err(FrameError::Corrupt),
        }
        if is_last {
            let is_all = bits.bytes.is_empty() && bits.n_held < 8 && out.n == size;
            return if is_all { Ok(out.bytes) } else { Err(FrameError::Corrupt) };
        }
    }
}

/// The bits that were not read yet, from the lowest of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Above those that count there may be some of the bytes that come next, or zeros.
    held: u64,
    n_held: u32,
}

impl Bits<'_> {
    /// Holds at least 48 bits, if there are as many: enough for a match, whose two codes and their spreads take that
    /// at the most.
    #[inline]
    fn fill(&mut self) {
        if self.n_held >= 48 {
            return;
        }
        if let Some(eight) = self.bytes.first_chunk::<8>() {
            self.held |= u64::from_le_bytes(*eight) << self.n_held;
            let n_bytes = (63 - self.n_held) / 8;
            self.bytes = &self.bytes[n_bytes as usize..];
            self.n_held += n_bytes * 8;
            return;
        }
        while self.n_held < 56
            && let Some((byte, rest)) = self.bytes.split_first()
        {
            self.held |= u64::from(*byte) << self.n_held;
            self.n_held += 8;
            self.bytes = rest;
        }
    }

    /// The next `n` bits as a number.
    fn take(&mut self, n: u32) -> Result<usize, FrameError> {
        self.fill();
        self.taken(n)
    }

    /// The next `n` bits of those that are held.
    #[inline]
    fn taken(&mut self, n: u32) -> Result<usize, FrameError> {
        let bits = self.held & ((1 << n) - 1);
        self.pass(n)?;
        Ok(bits as usize)
    }

    #[inline]
    fn pass(&mut self, n: u32) -> Result<(), FrameError> {
        self.n_held = self.n_held.checked_sub(n).ok_or(FrameError::CutShort)?;
        self.held >>= n;
        Ok(())
    }
}

/// What was read so far, and room for the rest of it.
struct Out {
    bytes: Vec<u8>,
    n: usize,
}

impl Out {
    #[inline]
    fn push(&mut self, byte: u8) -> Result<(), FrameError> {
        *self.bytes.get_mut(self.n).ok_or(FrameError::Corrupt)? = byte;
        self.n += 1;
        Ok(())
    }

    /// What was `distance` bytes ago, once more.
    #[inline]
    fn repeat(&mut self, length: usize, distance: usize) -> Result<(), FrameError> {
        let start = self.n.checked_sub(distance).ok_or(FrameError::Corrupt)?;
        self.n += length;
        let bytes = self.bytes.get_mut(start..self.n).ok_or(FrameError::Corrupt)?;
        // One by one, since it may reach into itself.
        for i in distance..bytes.len() {
            bytes[i] = bytes[i - distance];
        }
        Ok(())
    }
}

/// [spec] Section 3.2.2: the code that follows from the lengths alone.
struct Code {
    /// By the next bits, the symbol whose code they begin with, in 16 parts, and its length: 0 for a longer code.
    short: [u16; 1 << SHORT_BITS],
    /// How many symbols have a code of each length.
    counts: [u16; MAX_CODE_BITS + 1],
    /// All that have one, by length, then by number.
    symbols: [u16; MOST_SYMBOLS],
}

impl Code {
    /// The code in which symbol n has `lengths[n]` bits, or none for 0.
    fn new(lengths: &[u8]) -> Result<Self, FrameError> {
        let mut counts = [0; MAX_CODE_BITS + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;

        // Where the symbols of each length begin.
        let mut places = [0; MAX_CODE_BITS + 1];
        let (mut n_symbols, mut unused) = (0, 1);
        for (place, count) in places.iter_mut().zip(counts).skip(1) {
            *place = n_symbols;
            n_symbols += usize::from(count);
            unused = 2 * unused - i32::from(count);
            if unused < 0 {
                return Err(FrameError::Corrupt);
            }
        }
        // Where one symbol is all there is, it has a code of one bit, and the other is none.
        if unused > 0 && n_symbols > 1 {
            return Err(FrameError::Corrupt);
        }
        let mut symbols = [0; MOST_SYMBOLS];
        for (symbol, length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(*length)];
            symbols[*place] = symbol;
            *place += 1;
        }

        let mut short = [0; 1 << SHORT_BITS];
        let mut of_length = symbols.iter();
        let mut code = 0;
        for (length, count) in (1..=SHORT_BITS).zip(&counts[1..]) {
            // With one more bit to look at, whatever it is, a shorter code is the same.
            let n = 1 << (length - 1);
            short.copy_within(..n, n);
            for symbol in of_length.by_ref().take(usize::from(*count)) {
                // [spec] Section 3.1.1: a code comes from its highest bit on.
                let bits = usize::reverse_bits(code) >> (usize::BITS as usize - length);
                short[bits] = symbol << 4 | length as u16;
                code += 1;
            }
            code <<= 1;
        }
        Ok(Self { short, counts, symbols })
    }

    /// The next symbol of the bits that are held.
    #[inline]
    fn next(&self, bits: &mut Bits<'_>) -> Result<usize, FrameError> {
        let found = self.short[bits.held as usize % self.short.len()];
        if found == 0 {
            return self.next_by_bit(bits);
        }
        bits.pass(u32::from(found & 15))?;
        Ok(usize::from(found >> 4))
    }

    fn next_by_bit(&self, bits: &mut Bits<'_>) -> Result<usize, FrameError> {
        let mut held = bits.held;
        // The code so far, the first one of its length, and how many symbols have shorter ones.
        let (mut code, mut first, mut n_shorter) = (0, 0, 0);
        for (length, count) in (1..).zip(&self.counts[1..]) {
            let count = usize::from(*count);
            code |= (held & 1) as usize;
            held >>= 1;
            if code < first + count {
                bits.pass(length)?;
                return self
                    .symbols
                    .get(n_shorter + code - first)
                    .map(|symbol| usize::from(*symbol))
                    .ok_or(FrameError::Corrupt);
            }
            n_shorter += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(FrameError::Corrupt)
    }
}

/// [spec] Section 3.2.4.
fn stored(bits: &mut Bits<'_>, out: &mut Out) -> Result<(), FrameError> {
    bits.pass(bits.n_held % 8)?;
    let length = bits.take(16)?;
    if bits.take(16)? != length ^ 0xffff {
        return Err(FrameError::Corrupt);
    }
    for _ in 0..length {
        let byte = bits.take(8)?;
        out.push(byte as u8)?;
    }
    Ok(())
}

/// [spec] Section 3.2.6.
fn fixed_codes() -> Result<(Code, Code), FrameError> {
    let mut lengths = [8; MOST_SYMBOLS];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Ok((Code::new(&lengths)?, Code::new(&[5; 32])?))
}

/// [spec] Section 3.2.7.
fn own_codes(bits: &mut Bits<'_>) -> Result<(Code, Code), FrameError> {
    const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let n_literals = bits.take(5)? + 257;
    let n_distances = bits.take(5)? + 1;
    let n_lengths = bits.take(4)? + 4;
    let mut lengths = [0; ORDER.len()];
    for place in &ORDER[..n_lengths] {
        lengths[usize::from(*place)] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths)?;

    let mut lengths = Vec::with_capacity(n_literals + n_distances);
    while lengths.len() < n_literals + n_distances {
        bits.fill();
        let (length, times) = match code.next(bits)? {
            16 => (*lengths.last().ok_or(FrameError::Corrupt)?, 3 + bits.taken(2)?),
            17 => (0, 3 + bits.taken(3)?),
            18 => (0, 11 + bits.taken(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(core::iter::repeat_n(length, times));
    }
    let (literals, distances) = lengths.split_at(n_literals);
    if distances.len() != n_distances {
        return Err(FrameError::Corrupt);
    }
    Ok((Code::new(literals)?, Code::new(distances)?))
}

/// [spec] Sections 3.2.3 and 3.2.5: literals, and matches with what was before.
fn block(bits: &mut Bits<'_>, literals: &Code, distances: &Code, out: &mut Out) -> Result<(), FrameError> {
    loop {
        bits.fill();
        let symbol = literals.next(bits)?;
        if symbol < END_OF_BLOCK {
            out.push(symbol as u8)?;
            continue;
        }
        let length = match symbol - END_OF_BLOCK {
            0 => return Ok(()),
            n @ ..=8 => n + 2,
            29 => LONGEST_MATCH,
            n @ ..29 => 3 + spread(bits, n - 1, 2)?,
            _ => return Err(FrameError::Corrupt),
        };
        let distance = match distances.next(bits)? {
            n @ ..4 => n + 1,
            n @ ..30 => 1 + spread(bits, n, 1)?,
            _ => return Err(FrameError::Corrupt),
        };
        out.repeat(length, distance)?;
    }
}

/// [spec] The tables of section 3.2.5 as the rule behind them: with each doubling of the numbers, of which `1 << log`
/// have a symbol, one more bit follows.
#[inline]
fn spread(bits: &mut Bits<'_>, n: usize, log: u32) -> Result<usize, FrameError> {
    let n_bits = (n >> log) as u32 - 1;
    Ok((((1 << log) + (n & ((1 << log) - 1))) << n_bits) + bits.taken(n_bits)?)
}

#[cfg(all(test, feature = "compress"))]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec;
    use miniz_oxide::inflate::decompress_to_vec_with_limit;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Text that repeats itself a little, or bytes that do not; those with many ones may be so rare that their codes
    /// are long.
    fn payload(rng: &mut fastrand::Rng) -> Vec<u8> {
        let n_kinds = *rng.choice([1, 2, 20, 256].iter()).unwrap_or(&1);
        let length = *rng.choice([0, 1, 7, 300, 5_000, 40_000].iter()).unwrap_or(&0);
        let rarity = rng.bool();
        let byte = |rng: &mut fastrand::Rng| rng.u16(..n_kinds) as u8;
        let mut bytes: Vec<u8> = (0..length).map(|_| if rarity { byte(rng) & byte(rng) } else { byte(rng) }).collect();
        if length > 600 {
            let distance = rng.usize(1..length / 2);
            bytes.extend_from_within(length - distance..);
        }
        bytes
    }

    #[test]
    fn it_reads_what_the_library_writes() {
        let mut rng = fastrand::Rng::with_seed(1);
        for round in 0..44 {
            let bytes = payload(&mut rng);
            let deflated = compress_to_vec(&bytes, round % 11);
            assert_eq!(inflate(&deflated, bytes.len()).as_ref(), Ok(&bytes), "round {round}");
            assert_eq!(inflate(&deflated, bytes.len() + 1), Err(FrameError::Corrupt));
            if let Some(less) = bytes.len().checked_sub(1) {
                assert_eq!(inflate(&deflated, less), Err(FrameError::Corrupt));
            }
            for cut in [1, 2, deflated.len() / 2].into_iter().filter(|cut| (1..deflated.len()).contains(cut)) {
                let short = inflate(&deflated[..deflated.len() - cut], bytes.len());
                assert_eq!(short, Err(FrameError::CutShort), "round {round}, {cut} bytes short");
            }
        }
    }

    #[test]
    fn it_finds_what_the_library_finds_in_damaged_bytes() {
        let mut rng = fastrand::Rng::with_seed(2);
        let mut n_whole = 0;
        for round in 0..2_000 {
            let mut deflated = compress_to_vec(payload(&mut rng).get(..300).unwrap_or_default(), 9);
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..deflated.len());
                deflated[at] ^= 1 << rng.u8(..8);
            }
            // The library passes over what follows the last block.
            if let Ok(bytes) = decompress_to_vec_with_limit(&deflated, 1 << 20) {
                match inflate(&deflated, bytes.len()) {
                    Ok(own) => {
                        assert_eq!(own, bytes, "round {round}");
                        n_whole += 1;
                    }
                    Err(error) => assert_eq!(error, FrameError::Corrupt, "round {round}"),
                }
            }
        }
        assert!(n_whole > 50, "{n_whole}");
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in [
            &[][..],
            // A block of a fourth kind.
            &[0b111],
            // Stored bytes whose length does not agree with itself.
            &[0b001, 1, 0, 0, 0, 0],
            // Codes that are used up before the last symbol has one.
            &[0b101, 0b1110_0000, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            // A match that begins before the first byte.
            &[0b011, 0b0000_0010, 0, 0],
        ] {
            assert!(inflate(nonsense, 10).is_err(), "{nonsense:?}");
        }
    }
}
