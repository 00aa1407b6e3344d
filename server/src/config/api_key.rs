//! The keys of programs, as a settings file has them.

use crate::auth::Rights;
use std::fmt;
use std::str::FromStr;

/// A key that a program sends as its token, and what whoever has it may do. Of the key itself only the hash
/// is here: whoever reads the file learns none.
///
/// A key holds 256 bits of chance, so its hash needs no salt and no slowness: there is nothing to guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called: the subject of whoever comes with it.
    pub name: String,
    /// The hash of the key.
    pub hash: KeyHash,
    /// What it is good for.
    pub rights: Rights,
}

/// The SHA-256 of a key, written as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub(crate) [u8; 32]);

const PREFIX: &str = "sha256:";

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MUST: &str = "must be sha256: and 64 hexadecimal digits, as `heartwire key` prints it";
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 64).ok_or(MUST)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(MUST);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let text = format!("sha256:{}", "0fa9".repeat(16));
        assert_eq!(text.parse::<KeyHash>().unwrap().to_string(), text);
        assert!(format!("sha256:{}", "0FA9".repeat(16)).parse::<KeyHash>().is_ok());
        for nonsense in ["", "sha256:", &"0".repeat(64), &format!("sha256:{}", "ü".repeat(32)), &text[..70]] {
            assert!(nonsense.parse::<KeyHash>().is_err(), "{nonsense}");
        }
    }
}
