//! The two things that no test can foretell: the wall clock and random numbers.
//!
//! They are read here and nowhere else. Ages and delays do not come from here but from tokio's
//! clock, which a test can pause.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since 1970 (UTC); 0 on a machine whose clock is set before that.
pub(crate) fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().try_into().unwrap_or(u64::MAX)
}

/// How long until a moment of the wall clock; nothing when it has passed.
pub(crate) fn time_until(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

/// 256 bits that nobody can guess, as hexadecimal digits.
///
/// # Errors
/// The machine has no source of randomness. Nothing else may stand in for it here.
#[cfg(feature = "auth")]
pub(crate) fn unguessable() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
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
