//! The delay before the next try.

use crate::time::part;
use core::time::Duration;

/// How long to wait before attempt n: exponential, capped, and jittered so that a fleet which lost
/// its server in one moment does not come back in one.
///
/// The jitter is a *place in the line*, a random number from 0 to 1 that a client draws once for
/// each outage. Attempt n is made at that place between the cap of attempt n - 1 and its own: a
/// delay of 1 to 2 s before the second attempt, 2 to 4 s before the third, and so on. Since the
/// places are spread evenly and nobody changes place, so are the attempts of the whole fleet, in
/// every second of the outage; drawn anew for each attempt they would bunch up (after ten seconds
/// of outage: 4.6 times the even share in the fullest second, against 1.5 this way).
///
/// The default waits up to 1, 2, 4, 8, 16 and then 30 s, and never less than 100 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay before the first attempt.
    pub base_delay: Duration,
    /// The longest delay before any attempt.
    pub max_delay: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Backoff {
    /// The default, for constants.
    pub const DEFAULT: Self = Self { base_delay: Duration::from_secs(1), max_delay: Duration::from_secs(30) };

    /// The delay before the first attempt is at least this part of its cap: what keeps a client
    /// that is first in the line from hammering a server which is just going down.
    const FLOOR_PART: u32 = 10;

    /// The longest delay before attempt `attempt`, which counts from 1.
    ///
    /// ```
    /// use core::time::Duration;
    /// use heartwire_protocol::backoff::Backoff;
    ///
    /// let caps: Vec<u64> = (1..=7).map(|attempt| Backoff::default().cap(attempt).as_secs()).collect();
    /// assert_eq!(caps, [1, 2, 4, 8, 16, 30, 30]);
    /// ```
    #[must_use]
    pub fn cap(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.base_delay.saturating_mul(1 << doublings).min(self.max_delay)
    }

    /// The delay before attempt `attempt`, which counts from 1, at a `place` in the line from 0 to 1.
    #[must_use]
    pub fn delay(&self, attempt: u32, place: f64) -> Duration {
        let cap = self.cap(attempt);
        let floor = if attempt > 1 { self.cap(attempt - 1) } else { cap / Self::FLOOR_PART };
        floor + part(cap - floor, place.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_attempt_has_its_span_and_each_client_its_place_in_it() {
        let backoff = Backoff::default();
        let check = |attempt, place, expected_ms| {
            assert_eq!(backoff.delay(attempt, place), Duration::from_millis(expected_ms), "{attempt} {place}");
        };
        check(1, 0.0, 100);
        check(1, 1.0, 1_000);
        check(2, 0.0, 1_000);
        check(4, 0.5, 6_000);
        check(6, 0.5, 23_000);
        check(7, 0.0, 30_000);
        check(u32::MAX, 1.0, 30_000);
    }

    #[test]
    fn nonsense_settings_give_a_delay_all_the_same() {
        let endless = Backoff { base_delay: Duration::MAX, max_delay: Duration::from_secs(5) };
        assert_eq!(endless.delay(1, 0.0), Duration::from_millis(500));
        assert_eq!(endless.delay(3, 0.5), Duration::from_secs(5));
        let none = Backoff { base_delay: Duration::ZERO, max_delay: Duration::ZERO };
        assert_eq!(none.delay(9, 0.7), Duration::ZERO);
    }
}
