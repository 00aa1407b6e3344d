//! Deflated bytes (RFC 1951) back to what they were.
//!
//! Every page downloads this, so it is the shortest way that is quick on a few kilobytes: codes are read bit by bit
//! from counts of their lengths, without tables that take longer to make than a small frame to read. The library that
//! makes frames also opens them, in seven times the code; tests and a fuzz target hold this against it.

use crate::frame::FrameError;

/// [spec] RFC 1951, section 3.2.1: no code is longer.
const MAX_CODE_BITS: usize = 15;
/// [spec] Section 3.2.5.
const END_OF_BLOCK: usize = 256;
const LONGEST_MATCH: usize = 258;

/// Reads deflated bytes, all of them, as exactly `size` bytes, and never makes more.
pub(crate) fn inflate(deflated: &[u8], size: usize) -> Result<Vec<u8>, FrameError> {
    let mut bits = Bits { bytes: deflated, held: 0, n_held: 0 };
    let mut out = Vec::with_capacity(size);
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out, size)?,
            1 => {
                let (literals, distances) = fixed_codes()?;
                block(&mut bits, &literals, &distances, &mut out, size)?;
            }
            2 => {
                let (literals, distances) = own_codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut out, size)?;
            }
            _ => return Err(FrameError::Corrupt),
        }
        if is_last {
            let is_all = bits.bytes.is_empty() && bits.n_held < 8 && out.len() == size;
            return if is_all { Ok(out) } else { Err(FrameError::Corrupt) };
        }
    }
}

/// The bits that were not read yet, from the lowest of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u32,
    n_held: u32,
}

impl Bits<'_> {
    /// Holds at least 25 bits, if there are as many. What is held beyond the end is zero.
    fn fill(&mut self) {
        while self.n_held <= 24
            && let Some((byte, rest)) = self.bytes.split_first()
        {
            self.held |= u32::from(*byte) << self.n_held;
            self.n_held += 8;
            self.bytes = rest;
        }
    }

    /// The next `n` bits, of at most 24, as a number.
    fn take(&mut self, n: u32) -> Result<usize, FrameError> {
        self.fill();
        let bits = self.held & ((1 << n) - 1);
        self.pass(n)?;
        Ok(bits as usize)
    }

    fn pass(&mut self, n: u32) -> Result<(), FrameError> {
        self.n_held = self.n_held.checked_sub(n).ok_or(FrameError::CutShort)?;
        self.held >>= n;
        Ok(())
    }
}

/// [spec] Section 3.2.2: the code that follows from the lengths alone.
struct Code {
    /// How many symbols have a code of each length.
    counts: [u16; MAX_CODE_BITS + 1],
    /// All that have one, by length, then by number.
    symbols: Vec<u16>,
}

impl Code {
    /// The code in which symbol n has `lengths[n]` bits, or none for 0.
    fn new(lengths: &[u8]) -> Result<Self, FrameError> {
        let mut counts = [0; MAX_CODE_BITS + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut symbols = Vec::with_capacity(lengths.len());
        let mut unused: i32 = 1;
        for (length, count) in counts.iter().enumerate().skip(1) {
            unused = 2 * unused - i32::from(*count);
            if unused < 0 {
                return Err(FrameError::Corrupt);
            }
            if *count > 0 {
                let of_length = |(_, own): &(u16, &u8)| usize::from(**own) == length;
                symbols.extend((0..).zip(lengths).filter(of_length).map(|(symbol, _)| symbol));
            }
        }
        // Where one symbol is all there is, it has a code of one bit, and the other is none.
        if unused > 0 && symbols.len() > 1 {
            return Err(FrameError::Corrupt);
        }
        Ok(Self { counts, symbols })
    }

    fn next(&self, bits: &mut Bits<'_>) -> Result<usize, FrameError> {
        bits.fill();
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
fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>, size: usize) -> Result<(), FrameError> {
    bits.pass(bits.n_held % 8)?;
    let length = bits.take(16)?;
    if bits.take(16)? != length ^ 0xffff {
        return Err(FrameError::Corrupt);
    }
    for _ in 0..length {
        let byte = bits.take(8)?;
        push(out, byte as u8, size)?;
    }
    Ok(())
}

/// [spec] Section 3.2.6.
fn fixed_codes() -> Result<(Code, Code), FrameError> {
    let mut lengths = [8; 288];
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
        let (length, times) = match code.next(bits)? {
            16 => (*lengths.last().ok_or(FrameError::Corrupt)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
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
fn block(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    out: &mut Vec<u8>,
    size: usize,
) -> Result<(), FrameError> {
    loop {
        let symbol = literals.next(bits)?;
        if symbol < END_OF_BLOCK {
            push(out, symbol as u8, size)?;
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
        let start = out.len().checked_sub(distance).ok_or(FrameError::Corrupt)?;
        for from in start..start + length {
            // One by one, since a match may reach into itself.
            let byte = out[from];
            push(out, byte, size)?;
        }
    }
}

/// [spec] The tables of section 3.2.5 as the rule behind them: with each doubling of the numbers, of which `1 << log`
/// have a symbol, one more bit follows.
fn spread(bits: &mut Bits<'_>, n: usize, log: u32) -> Result<usize, FrameError> {
    let n_bits = (n >> log) as u32 - 1;
    Ok((((1 << log) + (n & ((1 << log) - 1))) << n_bits) + bits.take(n_bits)?)
}

fn push(out: &mut Vec<u8>, byte: u8, size: usize) -> Result<(), FrameError> {
    if out.len() == size {
        return Err(FrameError::Corrupt);
    }
    out.push(byte);
    Ok(())
}

#[cfg(all(test, feature = "compress"))]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec;
    use miniz_oxide::inflate::decompress_to_vec_with_limit;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Text that repeats itself a little, or bytes that do not.
    fn payload(rng: &mut fastrand::Rng) -> Vec<u8> {
        let n_kinds = *rng.choice([1, 2, 20, 256].iter()).unwrap_or(&1);
        let length = *rng.choice([0, 1, 7, 300, 5_000, 40_000].iter()).unwrap_or(&0);
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.u16(..n_kinds) as u8).collect();
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
