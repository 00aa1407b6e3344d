//! Where a reader stands in the log.
//!
//! On the wire a cursor is the text of an event id, `<epoch>-<sequence>`: the epoch in hexadecimal
//! names one life of the log, the sequence in decimal grows by one with every event of the whole
//! hub. Clients treat the text as opaque, with one exception: our own client compares two cursors
//! of one epoch, so that it can drop an event that reached it over two transports.

use core::fmt;
use core::str::FromStr;

/// One life of the log. Sequences of two epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A position in the log: everything up to and including `sequence` lies behind it.
///
/// ```
/// use heartwire_protocol::{Cursor, Epoch};
///
/// let cursor = Cursor { epoch: Epoch(0xabc), sequence: 42 };
/// assert_eq!(cursor.to_string(), "abc-42");
/// assert_eq!("abc-42".parse(), Ok(cursor));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which life of the log this is about.
    pub epoch: Epoch,
    /// The number of the last event behind the cursor; 0 is before the first.
    pub sequence: u64,
}

impl Cursor {
    /// Whether an event at this cursor lies behind `other` already. Cursors of two epochs never do.
    #[must_use]
    pub fn is_behind_or_at(self, other: Self) -> bool {
        self.epoch == other.epoch && self.sequence <= other.sequence
    }

    /// Reads exactly what `Display` writes: no signs, no leading zeros, no capitals.
    ///
    /// # Errors
    /// It is anything else.
    #[inline]
    pub fn from_bytes(text: &[u8]) -> Result<Self, BadCursor> {
        let mut bytes = text.iter().copied();
        // Each of the two in one go: a client reads the id of every event.
        let epoch = canonical(bytes.by_ref().take_while(|byte| *byte != b'-'), 16)?;
        let sequence = canonical(bytes, 10)?;
        Ok(Self { epoch: Epoch(epoch), sequence })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCursor;

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a cursor")
    }
}

impl core::error::Error for BadCursor {}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        Self::from_bytes(text.as_bytes())
    }
}

#[inline]
fn canonical(digits: impl Iterator<Item = u8>, radix: u8) -> Result<u64, BadCursor> {
    let mut number: u64 = 0;
    let mut n_digits = 0;
    for byte in digits {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return Err(BadCursor),
        };
        let leading_zero = n_digits == 1 && number == 0;
        if digit >= radix || leading_zero {
            return Err(BadCursor);
        }
        number =
            number.checked_mul(radix.into()).and_then(|number| number.checked_add(digit.into())).ok_or(BadCursor)?;
        n_digits += 1;
    }
    if n_digits > 0 { Ok(number) } else { Err(BadCursor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_the_text_that_a_server_writes_is_a_cursor() {
        let largest = Cursor { epoch: Epoch(u64::MAX), sequence: u64::MAX };
        assert_eq!(largest.to_string().parse(), Ok(largest));
        for nonsense in [
            "",
            "-",
            "7",
            "a-",
            "-7",
            "a-7-8",
            "a--7",
            "+a-7",
            "a-+7",
            "A-7",
            "a-07",
            "0a-7",
            "g-7",
            " a-7",
            "a-7 ",
            "a-18446744073709551616",
            "10000000000000000-1",
            "a-7\0",
            "é-7",
        ] {
            assert_eq!(nonsense.parse::<Cursor>(), Err(BadCursor), "{nonsense:?}");
        }
    }

    #[test]
    fn cursors_of_two_epochs_are_never_compared() {
        let at = |epoch, sequence| Cursor { epoch: Epoch(epoch), sequence };
        assert!(at(1, 7).is_behind_or_at(at(1, 7)));
        assert!(!at(1, 8).is_behind_or_at(at(1, 7)));
        assert!(!at(1, 7).is_behind_or_at(at(2, 9)));
    }
}
