//! The two things that no test can foretell: the wall clock and random numbers.
//!
//! They are read here and nowhere else. Ages and delays do not come from here but from tokio's
//! clock, which a test can pause.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since 1970 (UTC); 0 on a machine whose clock is set before that.
pub(crate) fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().try_into().unwrap_or(u64::MAX)
}

/// A random number that nobody drew before.
pub(crate) fn random() -> u64 {
    // A machine without a source of randomness still has a clock, and no secret rests on this number.
    getrandom::u64().unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64
    })
}

/// A random number from 0 up to, but not including, 1.
pub(crate) fn random_unit() -> f64 {
    const BITS: u32 = f64::MANTISSA_DIGITS;
    (random() >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
}

/// A random part of a span.
pub(crate) fn random_part(span: Duration) -> Duration {
    span.mul_f64(random_unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_part_is_never_the_whole() {
        for _ in 0..1_000 {
            assert!(random_part(Duration::from_secs(1)) < Duration::from_secs(1));
        }
    }
}
